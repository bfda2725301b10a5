/**
 * May the node of a home be started at all?
 *
 *   it has left, or was replaced     never again        its join was not finished     not yet: somebody else may have
 *                                                                                     joined by the same invitation
 *
 * Does NOT promise: that it starts; its configuration, NATS and disk are looked at by the daemon.
 */

import { refuseLeft } from "../../actors/node_state.ts";
import type { NodePaths } from "../config.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { NodeFiles } from "./node_files.ts";

/** Throws Failure (conflict), or CtdbxError "state", with the reason why not. */
export function refuseUnfit(paths: NodePaths): void {
  const files = new NodeFiles(paths);
  const identity = files.identity();
  if (identity !== undefined) refuseLeft(identity);
  const journal = files.journal("join");
  if (journal === undefined || journal.has("join")) return;
  throw new Failure(
    EXIT.conflict,
    `Cannot start ${identity?.name ?? "the node"}: it has not joined ${journal.head["cluster"]}`,
    "`ctdbx cluster join FILE` goes on with its join; by another invitation, in another home",
  );
}
