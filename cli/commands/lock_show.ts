/**
 * `ctdbx lock show`: what the asked node knows of the leader lock. The lock only chooses who tries to lead; see
 * `leader show` for who does.
 *
 * Does NOT promise: the newest; a node reads the lock about once a second, and says how long ago it did.
 */

import type { Command } from "commander";
import { columnsOf, spanText } from "../answers.ts";
import type { Row } from "../output.ts";
import { json, writeObject } from "../output.ts";
import type { CommandWorld, OutputFlags } from "../world.ts";
import { lookOf, outputOptions } from "../world.ts";
import { askedNode, type HomeFlags, homeOption, look } from "./asking.ts";

const COLUMNS = columnsOf(
  ["kind", "Kind"],
  ["holder", "Holder"],
  ["token", "Token"],
  ["incarnation", "Life of the holder"],
  ["revision", "Revision"],
  ["read", "Read"],
  ["underWay", "Under way"],
  ["staleReads", "Stale reads in a row"],
);

/** Adds `show` to `ctdbx lock`. */
export function addLockShowCommand(program: Command, world: CommandWorld): void {
  const lock = program.commands.find((command) => command.name() === "lock") ??
    program.command("lock").description("the leader lock");
  outputOptions(homeOption(lock.command("show")))
    .description("who holds it, as one node knows it")
    .action((flags: HomeFlags & OutputFlags) => show(world, flags));
}

async function show(world: CommandWorld, flags: HomeFlags & OutputFlags): Promise<void> {
  const answer = await look(await askedNode(flags), "lock show") as Row;
  const shown = lookOf(world, flags);
  const { out } = world.terminal;
  if (shown.format === "json") return void out.write(`${json(answer, 2)}\n`);
  const ms = Number(answer["readMsAgo"]);
  const read = shown.format === "table" ? `${spanText(ms)} ago` : ms;
  writeObject(out, shown, COLUMNS, {
    ...answer,
    holder: answer["holder"] ?? (shown.format === "table" ? "nobody" : undefined),
    read,
  });
}
