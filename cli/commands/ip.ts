/**
 * `ctdbx ip`: the public addresses.
 *
 * Does NOT promise: commands of its own; each is in a file of its own.
 */

import type { Command } from "commander";
import type { CommandWorld } from "../world.ts";
import { addIpClientCommands } from "./ip_clients.ts";
import { addIpLiveCommands } from "./ip_live.ts";
import { addIpPlanCommand } from "./ip_plan.ts";

/** Adds `ctdbx ip`. */
export function addIpCommands(program: Command, world: CommandWorld): Command {
  const ip = program.command("ip").description("the public addresses");
  addIpLiveCommands(ip, world);
  addIpClientCommands(ip, world);
  addIpPlanCommand(ip, world);
  return ip;
}
