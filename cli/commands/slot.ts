/**
 * `ctdbx slot map`: which member is home of how many of the 1024 slots, and what the last change of the view moved.
 *
 * Does NOT promise: where a key is: its slot's home only serialises requests for it.
 */

import type { Command } from "commander";
import type { ClusterAnswer, NodeAnswer, SlotAnswer } from "../answers.ts";
import { columnsOf, versionText } from "../answers.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { json, RowWriter } from "../output.ts";
import type { CommandWorld, OutputFlags } from "../world.ts";
import { lookOf, outputOptions } from "../world.ts";
import { askedNode, type HomeFlags, homeOption, look } from "./asking.ts";

interface MapFlags extends HomeFlags, OutputFlags {
  readonly diff?: boolean;
  readonly slots?: boolean;
}

const MEMBERS = columnsOf(["pnn", "Pnn"], ["name", "Node"], ["slots", "Slots"], [
  "percent",
  "Percent",
]);
const SLOTS = columnsOf(["slot", "Slot"], ["home", "Home"]);
const MOVES = columnsOf(["slot", "Slot"], ["from", "From"], ["to", "To"]);

/** Adds `ctdbx slot`. */
export function addSlotCommands(program: Command, world: CommandWorld): void {
  const slot = program.command("slot").description("the slots that keys fall into");
  outputOptions(homeOption(slot.command("map")))
    .description("how many slots each member is home of")
    .option("--slots", "the home of each slot")
    .option("--diff", "the slots that the last change of the view has moved")
    .action((flags: MapFlags) => map(world, flags));
}

async function map(world: CommandWorld, flags: MapFlags): Promise<void> {
  if (flags.diff === true && flags.slots === true) {
    throw usage("Cannot show both: choose --slots or --diff");
  }
  const paths = await askedNode(flags);
  const answer = await look(paths, "slot map") as SlotAnswer;
  const { nodes } = await look(paths, "cluster status") as ClusterAnswer;
  const { out } = world.terminal;
  if (answer.homes.length === 0) {
    throw new Failure(
      EXIT.notFound,
      "Cannot show slots: this node knows no view yet",
      "`ctdbx cluster wait --for leader` waits for one",
    );
  }
  const shown = lookOf(world, flags);
  if (shown.format === "json" && flags.diff !== true && flags.slots !== true) {
    return void out.write(`${json(answer, 2)}\n`);
  }
  const isTable = shown.format === "table";
  const nameOf = (pnn: number): string | number => isTable ? nameText(nodes, pnn) : pnn;
  const view = versionText(answer.generation);
  if (flags.diff === true) {
    const rows = new RowWriter(out, shown, MOVES);
    for (const { slot, from, to } of answer.moves) {
      rows.row({ slot, from: from === undefined ? undefined : nameOf(from), to: nameOf(to) });
    }
    rows.end();
    if (isTable) {
      out.write(`\n${answer.moved} of ${answer.homes.length} slots moved in view ${view}; `);
      out.write("- is a home that is no member any more\n");
    }
    return;
  }
  if (flags.slots === true) {
    const rows = new RowWriter(out, shown, SLOTS);
    for (const [slot, home] of answer.homes.entries()) rows.row({ slot, home: nameOf(home) });
    return rows.end();
  }
  const rows = new RowWriter(out, shown, MEMBERS);
  for (const { pnn, slots } of answer.members) {
    const percent = Math.round(slots * 1000 / answer.homes.length) / 10;
    rows.row({ pnn, name: nameText(nodes, pnn), slots, percent });
  }
  rows.end();
  if (isTable) {
    out.write(`\nview ${view}: ${answer.moved} of ${answer.homes.length} slots moved with it\n`);
  }
}

function nameText(nodes: readonly NodeAnswer[], pnn: number): string {
  return nodes.find((node) => node.pnn === pnn)?.name ?? `pnn ${pnn}`;
}
