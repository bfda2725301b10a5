/**
 * `ctdbx slot map`: which member is home of how many of the 1024 slots, and what the last change of the view moved.
 *
 * Does NOT promise: where a key is: its slot's home only serialises requests for it.
 */

import { type Command, Option } from "commander";
import type { ClusterAnswer, NodeAnswer, SlotAnswer } from "../answers.ts";
import { versionText } from "../answers.ts";
import type { Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { object, type Result, type RowOf, rows } from "../result.ts";
import { int, list, maybe, num, record, text, u64 } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { declareQuestion } from "./question.ts";

interface MapFlags {
  readonly diff?: boolean;
  readonly slots?: boolean;
}

const SLOT = int("Slot", "number of the slot");
const MOVE = {
  slot: SLOT,
  from: maybe(int("From", "number of its home before; null: that is no member any more")),
  to: int("To", "number of its home now"),
};
const MAP = object({
  generation: maybe(u64("View", "the view that the map belongs to")),
  moved: int("Moved", "slots whose home that view has changed"),
  members: list(
    "Members",
    "the members and their share",
    record("Member", "one of them", {
      pnn: int("Pnn", "number of the node"),
      name: text("Node", "its name"),
      slots: int("Slots", "how many slots it is home of"),
      percent: num("Percent", "of all slots", "%"),
    }),
  ),
  homes: list("Homes", "by slot", int("Home", "number of its home")),
  moves: list("Moves", "what that view has moved", record("Move", "one slot", MOVE)),
}, {
  rowsOf: "members",
  table: [
    { name: "generation", text: ({ generation }) => versionText(generation ?? undefined) },
    "moved",
    {
      name: "members",
      text: ({ members }) => members.map(({ name, slots }) => `${name} ${slots}`).join(", "),
    },
  ],
});
const HOMES = rows({
  slot: SLOT,
  home: int("Pnn", "number of its home"),
  homeName: text("Home", "name of its home"),
}, { table: ["slot", "homeName"] });
const MOVES = rows({
  ...MOVE,
  fromName: maybe(text("From", "name of its home before")),
  toName: text("To", "name of its home now"),
}, { table: ["slot", "fromName", "toName"] });

type Map = RowOf<typeof MAP>;

/** Adds `ctdbx slot`. */
export function addSlotCommands(program: Command, world: CommandWorld): void {
  const slot = program.command("slot").description("the slots that keys fall into");
  declareQuestion<MapFlags, object>(
    slot.command("map").description("how many slots each member is home of")
      .addOption(new Option("--slots", "the home of each slot").conflicts("diff"))
      .option("--diff", "the slots that the last change of the view has moved"),
    world,
    { result: ({ slots, diff }) => (slots ? HOMES : diff ? MOVES : MAP) as Result },
    {
      verbs: ["slot map", "cluster status"],
      data: ([map, cluster], flags) =>
        dataOf(map as SlotAnswer, (cluster as ClusterAnswer).nodes, flags),
      people: (task, data, [map]) => show(task, data, map as SlotAnswer),
    },
  );
}

function dataOf(
  answer: SlotAnswer,
  nodes: readonly NodeAnswer[],
  { slots, diff }: MapFlags,
): object | object[] {
  if (answer.homes.length === 0) {
    throw new Failure(
      EXIT.notFound,
      "Cannot show slots: this node knows no view yet",
      "`ctdbx cluster wait --for leader` waits for one",
    );
  }
  const nameOf = (pnn: number): string =>
    nodes.find((node) => node.pnn === pnn)?.name ?? `pnn ${pnn}`;
  if (diff === true) {
    return answer.moves.map((move) => {
      const fromName = move.from === undefined ? undefined : nameOf(move.from);
      return { ...move, fromName, toName: nameOf(move.to) };
    });
  }
  if (slots === true) {
    return answer.homes.map((home, slot) => ({ slot, home, homeName: nameOf(home) }));
  }
  const members = answer.members.map((member) => ({
    ...member,
    name: nameOf(member.pnn),
    percent: Math.round(member.slots * 1000 / answer.homes.length) / 10,
  }));
  return { ...answer, members } satisfies Map;
}

function show(
  { out, flags }: Task<MapFlags>,
  data: object | readonly object[],
  answer: SlotAnswer,
): void {
  const view = versionText(answer.generation);
  if (Array.isArray(data)) {
    for (const row of data) out.row(row);
    if (data.length === 0) out.endRows();
  } else out.object(data);
  if (flags.slots === true) return;
  const moved = `${answer.moved} of ${answer.homes.length} slots moved`;
  if (flags.diff !== true) return out.say(`\nview ${view}: ${moved} with it\n`);
  out.say(`\n${moved} in view ${view}; - is a home that is no member any more\n`);
}
