/**
 * The commands of `ctdbx cluster` that make a cluster, and change who belongs to it.
 *
 *   create ─▶ invite ─▶ join ─▶ view, digest ─▶ replace, leave ─▶ upgrade
 *
 * Does NOT promise: an order of its own; it is that of the help.
 */

import type { Command } from "commander";
import type { CommandWorld } from "../world.ts";
import { addClusterCreateCommand } from "./cluster_create.ts";
import { addClusterDocumentCommands } from "./cluster_document.ts";
import { addClusterInviteCommands } from "./cluster_invite.ts";
import { addClusterJoinCommands } from "./cluster_join.ts";
import { addClusterLeaveCommand } from "./cluster_leave.ts";

/** Adds them. */
export function addClusterMemberCommands(cluster: Command, world: CommandWorld): void {
  addClusterCreateCommand(cluster, world);
  addClusterInviteCommands(cluster, world);
  addClusterJoinCommands(cluster, world);
  addClusterLeaveCommand(cluster, world);
  addClusterDocumentCommands(cluster, world);
}
