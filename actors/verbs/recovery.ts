/**
 * Verbs about where records are, and about recovery: what a change of the view meant for them, as this node lived it.
 *
 *   shown     recovery status | report | history | explain     rec where
 *   changing  recovery run: every home asks all members anew
 *
 * Does NOT promise: what other nodes lived; each is asked for itself.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { KEY_MAX } from "../../transport/wire/limits.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import type { Args, Verb } from "../control.ts";
import type { DataThread } from "../data_link.ts";
import type { RecoveryReport } from "../data/types.ts";
import { drainingOf, nodeByPnn } from "../machines/cluster/document.ts";
import { movesBetween, reassign } from "../machines/cluster/slots.ts";
import type { NodeParts } from "../node_parts.ts";
import { commanded, documentAt, nodeOf, seen, text, verbIdOf, wrong } from "./args.ts";
import { databaseNamed, statusOf } from "./databases.ts";

/** Characters of base64 that the longest key has. */
const KEY_TEXT_MAX = Math.ceil(KEY_MAX / 3) * 4;

/** Looks of this file; anybody may ask them. */
export function recoveryLooks(node: NodeParts): [string, Verb][] {
  return [
    ["recovery status", () => recoveryStatus(node)],
    [
      "recovery report",
      async () => (await recoveries(node)).findLast(({ isRunning }) => !isRunning),
    ],
    ["recovery history", () => recoveries(node)],
    ["recovery explain", (args) => foreseen(node, args)],
    ["rec where", (args) => where(node, args)],
  ];
}

/** What changes something: for the owner on the socket, and an admin on the bus. */
export function recoveryChanges(node: NodeParts): [string, Verb][] {
  return [["recovery run", (args) => rehome(node, args)]];
}

/** The data thread of a node. Throws CtdbxError "unsupported" (it has none), "busy" (it is started anew). */
export function dataOf({ data }: NodeParts): DataThread {
  if (data !== undefined) return data.thread;
  throw new CtdbxError("unsupported", "Cannot ask the data thread: this node has no databases");
}

/** A report as commands know it. */
type Shown = Omit<RecoveryReport, "isOver"> & { readonly isRunning: boolean };

function shown({ isOver, ...report }: RecoveryReport): Shown {
  return { ...report, isRunning: !isOver };
}

async function recoveries(node: NodeParts): Promise<Shown[]> {
  return (await dataOf(node).status()).recoveries.map(shown);
}

async function recoveryStatus(node: NodeParts): Promise<unknown> {
  const { generation, recoveries: all } = await dataOf(node).status();
  const last = all.at(-1);
  const isRunning = last !== undefined && !last.isOver;
  return {
    isRunning,
    generation: generation === 0n ? undefined : generation,
    databases: await statusOf(node),
    ...(isRunning ? { current: shown(last) } : {}),
  };
}

async function where(node: NodeParts, args: Args): Promise<unknown> {
  const { name } = databaseNamed(documentAt(node), text(args, "db"));
  return await dataOf(node).where(name, keyOf(args["key"]));
}

/** A key, given as base64, as records have it: a character U+0000 .. U+00FF for each byte. */
function keyOf(given: unknown): string {
  if (typeof given !== "string" || given.length > KEY_TEXT_MAX) {
    throw wrong(`key must be base64 of up to ${KEY_MAX} bytes`);
  }
  try {
    return atob(given);
  } catch {
    throw wrong("key must be base64");
  }
}

async function rehome(node: NodeParts, args: Args): Promise<unknown> {
  const why = text(args, "why", "an operator asked for it");
  const { generation } = documentAt(node);
  const command = { verb: "rehome", generation, why } as const;
  await commanded(node, "Cannot run a recovery", verbIdOf(node, args), command);
  return await seen(node, (doc) => {
    return doc.generation > generation ? { generation: doc.generation } : undefined;
  });
}

/** What a recovery would mean if a node were gone now: who takes its slots, and what homes here know there. */
async function foreseen(node: NodeParts, args: Args): Promise<unknown> {
  const doc = documentAt(node);
  const { pnn, name } = nodeOf(node, text(args, "node"));
  const { members, slots } = doc.view;
  const staying = members.filter((member) => member.pnn !== pnn);
  const about = { pnn, name, generation: doc.generation, members: members.length };
  if (staying.length === members.length) {
    return { ...about, moves: [], says: [`${name} is no member: nothing would change`] };
  }
  if (staying.length === 0) {
    const says = [`${name} is the only member: all volatile records would be lost`];
    return { ...about, moves: [], says };
  }
  const next = (doc.generation + 1n) as Document["generation"];
  const moves = new Map<Pnn, number>();
  for (const { after } of movesBetween(slots, reassign(slots, staying, drainingOf(doc), next))) {
    moves.set(after.pnn, (moves.get(after.pnn) ?? 0) + 1);
  }
  const takers = [...moves].sort(([one], [other]) => one - other)
    .map(([taker, count]) => ({ pnn: taker, name: nodeByPnn(doc, taker)?.name, slots: count }));
  const known = await recordsThere(node, pnn);
  return { ...about, moves: takers, records: known, says: sentences(name, takers, known) };
}

/** Records at a node as the homes here know them; undefined: the data thread cannot be asked. */
async function recordsThere({ data }: NodeParts, pnn: Pnn): Promise<number | undefined> {
  if (data === undefined || !data.isUp) return undefined;
  const { left } = await data.thread.left([pnn]);
  return left.find((one) => one.pnn === pnn)?.count;
}

function sentences(
  name: string,
  takers: readonly { readonly name: string | undefined; readonly slots: number }[],
  known: number | undefined,
): string[] {
  const shares = takers.map((taker) => `${taker.name ?? "one"} (${taker.slots})`).join(", ");
  return [
    takers.length === 0
      ? `${name} is home of no slot: no home would change`
      : `the slots of ${name} would go to ${shares}, who ask all members what they have of them`,
    known === undefined
      ? `how many records ${name} owns is not known here`
      : `the homes of this node know ${known} records that ${name} owns; those of which no other ` +
        "member has a copy would be lost",
    "all other records would be served again as soon as the new view is in force",
  ];
}
