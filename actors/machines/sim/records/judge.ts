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
import type { Key } from "../../record/copy.ts";
import { compareTid, tidText } from "../../record/tid.ts";
import type { Ledger, OpLog } from "./ledger.ts";
import { isNewest, isSameContent, lineOf, wasNewest } from "./line.ts";
import type { Link, Objection } from "./line.ts";

export type { Objection } from "./line.ts";

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
    judgeWatch(ledger, key, line, out);
  }
  judgeTraverses(ledger, lines, out);
  return out;
}

/** What was told as done, and what lasted, was made in the order of its numbers. */
function judgeOrder(
  ledger: Ledger,
  key: Key,
  line: readonly Link[],
  out: Objection[],
): void {
  let lastMs = -Infinity;
  for (const { state, isLost } of line) {
    const { atMs, tid, rsn, life, before, data } = state;
    const op = before === undefined ? undefined : ledger.madeBy.get(data)?.op;
    if (op === undefined || before === undefined) continue;
    // What somebody wrote who was expelled and does not know it is lost; unless it empties what is empty elsewhere.
    const isLate = atMs >= (ledger.leftMs.get(life) ?? Infinity) && data.length === 0;
    const isVoid = isLost || isLate || isSameContent(before, data);
    if (isVoid && ledger.ops[op]?.outcome !== "ok") continue;
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
  // What was lost with a node, before the answer, may be refused at the next one, or change nothing there.
  const isGone = ({ state, isLost }: Pick<Link, "state" | "isLost">) =>
    isLost && (ledger.leftMs.get(state.life) ?? Infinity) <= op.retMs;
  if (kept.length > 1) object("twice", "it was executed twice");
  for (const { state, isLost } of links) {
    if (state.atMs < op.invMs) object("early", "it was executed before it was wanted");
    if (op.outcome === "failed" && !isGone({ state, isLost })) {
      object("failed", `it failed, and was executed at ${state.atMs}`);
    }
    if (op.outcome === "ok" && state.atMs > op.retMs) {
      object("late", `it was answered at ${op.retMs}, and executed at ${state.atMs}`);
    }
  }
  if (op.outcome !== "ok") return;
  if (op.mayStay && links.every(isGone)) return;
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

/** What is written just before the end need not be told any more. */
const TELLS_MS = 1_000;

/** Those who watch a record hear of each value that lasts, or of a later one; and of nothing that never was. */
function judgeWatch(
  ledger: Ledger,
  key: Key,
  line: readonly Link[],
  out: Objection[],
): void {
  const sinceMs = ledger.watchedSince.get(key);
  if (sinceMs === undefined) return;
  const told = ledger.told.get(key) ?? [];
  const object = (atMs: number, text: string) => out.push({ rule: "watch", atMs, text });
  for (const { tid, rsn, data, life, atMs } of told) {
    const isThere = line.some(({ state }) =>
      state.data === data && state.rsn === rsn && compareTid(state.tid, tid) === 0
    );
    const name = `${key} ${tidText(tid)} rsn ${rsn} of ${life}`;
    if (!isThere) object(atMs, `${name} was told, and never was`);
    if ((ledger.leftMs.get(life) ?? Infinity) <= atMs) {
      object(atMs, `${name} was told after its end`);
    }
  }
  for (const { state, isLost } of line) {
    const { tid, rsn, atMs, before, data, life } = state;
    if (before === undefined || isLost || isSameContent(before, data)) continue;
    // Whoever was lost with its node's word reads anew.
    if (atMs < sinceMs || atMs > ledger.endMs - TELLS_MS || ledger.leftMs.has(life)) continue;
    const isTold = told.some((one) =>
      one.atMs >= atMs && (compareTid(one.tid, tid) || Number(one.rsn - rsn)) >= 0
    );
    if (!isTold) object(atMs, `nobody was told of ${key} ${tidText(tid)} rsn ${rsn} of ${life}`);
  }
}

/** The newest value of a key in each part of a time. */
function valuesBetween(line: readonly Link[], fromMs: number, toMs: number): Uint8Array[] {
  const values: Uint8Array[] = [];
  for (const link of line) if (wasNewest(link, fromMs, toMs)) values.push(link.state.data);
  return values;
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
