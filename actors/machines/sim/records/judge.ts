/**
 * Judges a ledger: was each record, at all times, like one single copy?
 *
 *   states of a key, by (tid, rsn)      each follows from the one before: written from it, or taken over as it was
 *   one that does not                   is a fall-back, to an earlier state; allowed if no living member ever held a
 *                                       state that is lost by it
 *   operations                          each took place between call and answer; executed once, or never when failed
 *   reads                               saw what was the state at some moment between call and answer
 *   traverses                           each record once, with a value of that time
 *
 * The order that the machine gives the states is only believed where the times agree with it, so what passes is
 * linearizable: the moments of writing are the points.
 *
 * Does NOT promise: to find why; the story of the seed does.
 */
import { compareTid, tidText } from "../../record/tid.ts";
import type { Key } from "../../record/copy.ts";
import type { Ledger, OpLog, State } from "./ledger.ts";

/** A state in the line of a key. */
interface Link {
  readonly state: State;
  isLost: boolean;
  /** Since when it was the newest: made, or left over when a life went. */
  startMs: number;
  /** Until when it was the newest. */
  endMs: number;
  /** Times at which it was the newest again. */
  readonly again: (readonly [number, number])[];
}

/** What is wrong with a record. */
export interface Objection {
  readonly rule: string;
  readonly atMs: number;
  readonly text: string;
}

/** All that is wrong, key by key. */
export function judge(ledger: Ledger): Objection[] {
  const out: Objection[] = [];
  const byKey = new Map<Key, OpLog[]>();
  for (const op of ledger.ops) {
    const list = byKey.get(op.key);
    if (list === undefined) byKey.set(op.key, [op]);
    else list.push(op);
  }
  const lines = new Map<Key, Link[]>();
  for (const key of new Set([...ledger.states.keys(), ...byKey.keys()])) {
    const line = lineOf(ledger, key, out);
    lines.set(key, line);
    judgeOrder(ledger, key, line, out);
    judgeOps(ledger, key, line, byKey.get(key) ?? [], out);
  }
  judgeTraverses(ledger, lines, out);
  return out;
}

const isSameContent = (one: Uint8Array, other: Uint8Array) =>
  one === other || (one.length === 0 && other.length === 0);

/** Puts the states of a key in order, and marks those that a fall-back lost. */
function lineOf(ledger: Ledger, key: Key, out: Objection[]): Link[] {
  const states = [...ledger.states.get(key) ?? []].sort((one, other) =>
    compareTid(one.tid, other.tid) || Number(one.rsn - other.rsn) || one.order - other.order
  );
  const line: Link[] = [];
  const object = (rule: string, { atMs, tid, rsn, life }: State, text: string) =>
    out.push({ rule, atMs, text: `${key} ${tidText(tid)} rsn ${rsn} of ${life}: ${text}` });
  let tip: Link | undefined;
  for (const state of states) {
    const before = line.at(-1)?.state;
    const isTwice = before !== undefined && compareTid(before.tid, state.tid) === 0 &&
      before.rsn === state.rsn && (before.life !== state.life || before.data !== state.data) &&
      !(before.life === state.life && ledger.halfWritten.has(state.data));
    if (isTwice) object("two owners", state, `${before.life} made that state, too`);
    const from = state.before ?? state.data;
    let startMs = state.atMs;
    if (tip !== undefined && !isSameContent(tip.state.data, from)) {
      const sinceMs = fallBack(ledger, line, state, from, object);
      // What was fallen back to could be read, where it was, since the life with the newer states had gone.
      if (state.before === undefined) startMs = Math.min(startMs, sinceMs);
    } else if (tip === undefined && from.length > 0) {
      object("from nowhere", state, "the first state");
    }
    const link = { state, isLost: false, startMs, endMs: Infinity, again: [] };
    line.push(link);
    tip = link;
  }
  setEnds(line, ledger);
  return line;
}

type Object_ = (rule: string, state: State, text: string) => void;

/** Goes back to the newest state with the value that `state` begins from. Answers since when that was the newest. */
function fallBack(
  ledger: Ledger,
  line: readonly Link[],
  state: State,
  from: Uint8Array,
  object: Object_,
): number {
  let sinceMs = -Infinity;
  let at = line.length - 1;
  while (
    at >= 0 && (line[at]?.isLost === true || !isSameContent((line[at] as Link).state.data, from))
  ) {
    at -= 1;
  }
  if (at < 0 && from.length > 0) {
    object("from nowhere", state, "a value that never was");
    return state.atMs;
  }
  for (let lost = at + 1; lost < line.length; lost++) {
    const link = line[lost] as Link;
    if (link.isLost) continue;
    link.isLost = true;
    sinceMs = Math.max(sinceMs, ledger.leftMs.get(link.state.life) ?? state.atMs);
    for (const life of ledger.holders.get(link.state.data) ?? []) {
      if (!state.living.has(life) || isSameContent(link.state.data, from)) continue;
      const { tid, rsn, atMs } = link.state;
      object(
        "lost",
        state,
        `${life} lives, and had ${tidText(tid)} rsn ${rsn} of ${atMs.toFixed(1)}`,
      );
    }
  }
  return sinceMs;
}

/** States after one that are looked at for a time at which all of them are gone. */
const GONE_MAX = 50;

/** Each state is the newest until another value follows. What a node wrote without a lease may have a late time. */
function setEnds(line: readonly Link[], ledger: Ledger): void {
  let endMs = Infinity;
  for (let at = line.length - 1; at >= 0; at--) {
    const link = line[at] as Link;
    const next = line[at + 1];
    if (next !== undefined && !isSameContent(next.state.data, link.state.data)) {
      endMs = Math.min(endMs, next.startMs);
    }
    link.endMs = endMs;
    setAgain(line, at, ledger);
  }
}

/** Where what follows went with the lives that made it, a value is the newest again, until the record is taken. */
function setAgain(line: readonly Link[], at: number, ledger: Ledger): void {
  const link = line[at] as Link;
  let goneMs = -Infinity;
  for (let later = at + 1; later < line.length && later <= at + GONE_MAX; later++) {
    const leftMs = ledger.leftMs.get((line[later] as Link).state.life);
    if (leftMs === undefined) return;
    goneMs = Math.max(goneMs, leftMs);
    const untilMs = line[later + 1]?.state.atMs ?? Infinity;
    if (untilMs > goneMs) link.again.push([goneMs, untilMs]);
  }
}

/** Was it the newest at some moment of a time? */
function isNewest({ startMs, endMs, again }: Link, fromMs: number, toMs: number): boolean {
  return (startMs <= toMs && endMs >= fromMs) ||
    again.some(([beginMs, untilMs]) => beginMs <= toMs && untilMs >= fromMs);
}

/** What was told as done was made in the order of its numbers. */
function judgeOrder(
  ledger: Ledger,
  key: Key,
  line: readonly Link[],
  out: Objection[],
): void {
  let lastMs = -Infinity;
  for (const { state } of line) {
    const { atMs, tid, rsn, life, before, data } = state;
    const op = before === undefined ? undefined : ledger.madeBy.get(data)?.op;
    // What was not told may have been made late, by somebody who was expelled and does not know it.
    if (op === undefined || ledger.ops[op]?.outcome !== "ok") continue;
    if (atMs < lastMs) {
      const text = `${key} ${tidText(tid)} rsn ${rsn} of ${life} is later by number than by time`;
      out.push({ rule: "order", atMs, text });
    }
    lastMs = Math.max(lastMs, atMs);
  }
}

function judgeOps(
  ledger: Ledger,
  key: Key,
  line: readonly Link[],
  ops: readonly OpLog[],
  out: Objection[],
): void {
  const made = new Map<number, Link[]>();
  const spans = new Map<Uint8Array, Link[]>();
  for (const link of line) {
    const { data, before } = link.state;
    const span = spans.get(data);
    if (span === undefined) spans.set(data, [link]);
    else span.push(link);
    const op = before === undefined ? undefined : ledger.madeBy.get(data)?.op;
    if (op === undefined) continue;
    const links = made.get(op);
    if (links === undefined) made.set(op, [link]);
    else links.push(link);
  }
  for (const op of ops) {
    const object = (rule: string, text: string) =>
      out.push({ rule, atMs: op.retMs, text: `${key} op ${op.id} of node ${op.node}: ${text}` });
    if (op.kind === "write") judgeWrite(ledger, op, made.get(op.id) ?? [], object);
    else if (op.outcome === "ok") judgeRead(line, spans, op, object);
  }
}

function judgeWrite(
  ledger: Ledger,
  op: OpLog,
  links: readonly Link[],
  object: (rule: string, text: string) => void,
): void {
  const kept = links.filter(({ isLost }) => !isLost);
  if (kept.length > 1) object("twice", "it was executed twice");
  for (const { state, isLost } of links) {
    if (state.atMs < op.invMs) object("early", "it was executed before it was wanted");
    // What is lost with a node may be refused at the next one.
    if (op.outcome === "failed" && !isLost) {
      object("failed", `it failed, and was executed at ${state.atMs}`);
    }
    if (op.outcome === "ok" && state.atMs > op.retMs) {
      object("late", `it was answered at ${op.retMs}, and executed at ${state.atMs}`);
    }
  }
  if (op.outcome !== "ok") return;
  if (links.length === 0 && op.mayStay) return;
  if (links.length === 0) return object("not done", "it is ok, and was never executed");
  const { seen } = op;
  if (seen === undefined) return;
  const isRight = links.some(({ state }) =>
    isSameBytes(ledger.madeBy.get(state.data)?.result, seen)
  );
  if (!isRight) object("result", "its result is not that of its execution");
}

function isSameBytes(one: Uint8Array | undefined, other: Uint8Array): boolean {
  return one !== undefined && one.length === other.length &&
    one.every((byte, at) => byte === other[at]);
}

function judgeRead(
  line: readonly Link[],
  spans: ReadonlyMap<Uint8Array, readonly Link[]>,
  op: OpLog,
  object: (rule: string, text: string) => void,
): void {
  const { seen, invMs, retMs } = op;
  if (seen === undefined) return object("read", "nothing was seen");
  const links = seen.length === 0
    ? line.filter(({ state }) => state.data.length === 0)
    : spans.get(seen) ?? [];
  const isThere = links.some((link) => isNewest(link, invMs, retMs));
  const isBefore = seen.length === 0 && (line[0]?.state.atMs ?? Infinity) >= invMs;
  if (isThere || isBefore) return;
  const times = links.map(({ state, endMs }) => `${state.atMs.toFixed(1)}..${endMs.toFixed(1)}`);
  object("stale", `between ${invMs.toFixed(1)} and ${retMs.toFixed(1)} it saw ${times.join(" ")}`);
}

/** The newest value of a key in each part of a time. */
function valuesBetween(line: readonly Link[], fromMs: number, toMs: number): Uint8Array[] {
  const values = line.filter((link) => isNewest(link, fromMs, toMs));
  return values.map(({ state }) => state.data);
}

function judgeTraverses(
  ledger: Ledger,
  lines: ReadonlyMap<Key, readonly Link[]>,
  out: Objection[],
): void {
  for (const run of ledger.traverses) {
    const { invMs, retMs, node } = run;
    const object = (text: string) =>
      out.push({ rule: "traverse", atMs: retMs, text: `of node ${node} from ${invMs}: ${text}` });
    const told = new Set<Key>();
    for (const { key, data } of run.records) {
      if (told.has(key)) object(`${key} was told twice`);
      told.add(key);
      const values = valuesBetween(lines.get(key) ?? [], invMs, Math.min(retMs, 1e12));
      if (data !== undefined && !values.includes(data)) {
        object(`${key} has a value of another time`);
      }
    }
    if (run.outcome !== "ok") continue;
    let least = 0;
    let most = 0;
    for (const [key, line] of lines) {
      const values = valuesBetween(line, invMs, retMs);
      const first = line[0];
      const isThere = first !== undefined && first.state.atMs <= invMs && values.length > 0 &&
        values.every(({ length }) => length > 0);
      if (isThere) least += 1;
      if (values.some(({ length }) => length > 0)) most += 1;
      if (isThere && !run.isCount && !told.has(key)) object(`${key} was not told`);
    }
    if (run.count < least || run.count > most) {
      object(`${run.count} were counted, there were ${least} to ${most}`);
    }
  }
}
