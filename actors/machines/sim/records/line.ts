/**
 * The line of a record: its states in order of their numbers, those that a fall-back lost, and until when each was the
 * newest.
 *
 *   states of a key ─▶ sorted by (transfer, rsn) ─▶ each begins from the one before, or from an older one: what is
 *   between was lost, which is allowed if nobody who lives ever had it
 *
 * Does NOT promise: anything about operations; judge.ts holds them against the line.
 */
import type { Key } from "../../record/copy.ts";
import { compareTid, tidText } from "../../record/tid.ts";
import type { Ledger, State } from "./ledger.ts";

/** A state in the line of a key. */
export interface Link {
  readonly state: State;
  /** When the last life that ever held the state left; undefined: one of them has not. */
  readonly goneMs: number | undefined;
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

/** The same value; what is empty is the same everywhere. */
export const isSameContent = (one: Uint8Array, other: Uint8Array) =>
  one === other || (one.length === 0 && other.length === 0);

/** Puts the states of a key in order, and marks those that a fall-back lost. */
export function lineOf(ledger: Ledger, key: Key, out: Objection[]): Link[] {
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
    if (from.length === 0) fallBackUnseen(line, state);
    const goneMs = goneMsOf(ledger, state);
    tip = { state, goneMs, isLost: false, startMs, endMs: Infinity, again: [] };
    line.push(tip);
  }
  setEnds(line);
  return line;
}

/** The number of a record that was just made. */
export const RSN_AT_BIRTH = 1n;

/**
 * What is empty is equal everywhere, so a fall-back from an empty state to an older empty one shows in the number only,
 * which never falls otherwise, unless the record is made anew. What is certainly gone in between is lost.
 */
function fallBackUnseen(line: readonly Link[], state: State): void {
  const { rsn, atMs, tid } = state;
  const last = line.at(-1)?.state;
  if (rsn === RSN_AT_BIRTH || rsn > (last?.rsn ?? 0n)) return;
  // The same state once more, as of a node that takes its own empty record again: nothing was fallen back to.
  if (rsn === last?.rsn && compareTid(last.tid, tid) === 0) return;
  for (let at = line.length - 1; at >= 0; at--) {
    const link = line[at] as Link;
    if (link.isLost) continue;
    const isSource = link.state.data.length === 0 && link.state.rsn < rsn;
    if (isSource || (link.goneMs ?? Infinity) > atMs) return;
    link.isLost = true;
  }
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
    sinceMs = Math.max(sinceMs, Math.min(link.goneMs ?? state.atMs, state.atMs));
    if (isSameContent(link.state.data, from)) continue;
    for (const life of holdersOf(ledger, link.state)) {
      if (!state.living.has(life)) continue;
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

/** Lives that certainly held a state. What is empty is of everybody who has nothing: of them only its maker counts. */
function holdersOf(ledger: Ledger, { life, data }: State): Iterable<string> {
  return data.length === 0 ? [life] : ledger.holders.get(data) ?? [];
}

/** See Link.goneMs. */
function goneMsOf(ledger: Ledger, { life, data }: State): number | undefined {
  let goneMs = ledger.leftMs.get(life);
  if (goneMs === undefined) return undefined;
  // What is empty is of everybody who has nothing.
  if (data.length === 0) return goneMs;
  for (const holder of ledger.holders.get(data) ?? []) {
    const leftMs = ledger.leftMs.get(holder);
    if (leftMs === undefined) return undefined;
    goneMs = Math.max(goneMs, leftMs);
  }
  return goneMs;
}

/** States after one that are looked at for a time at which all of them are gone. */
const GONE_MAX = 50;

/** Each state is the newest until another value follows. What a node wrote without a lease may have a late time. */
function setEnds(line: readonly Link[]): void {
  let endMs = Infinity;
  for (let at = line.length - 1; at >= 0; at--) {
    const link = line[at] as Link;
    const next = line[at + 1];
    if (next !== undefined && !isSameContent(next.state.data, link.state.data)) {
      endMs = Math.min(endMs, next.startMs);
    }
    link.endMs = endMs;
    setAgain(line, at);
  }
}

/** Where what follows went with the lives that made it, a value is the newest again, until the record is taken. */
function setAgain(line: readonly Link[], at: number): void {
  const link = line[at] as Link;
  let allGoneMs = -Infinity;
  for (let later = at + 1; later < line.length && later <= at + GONE_MAX; later++) {
    const leftMs = (line[later] as Link).goneMs;
    if (leftMs === undefined) return;
    allGoneMs = Math.max(allGoneMs, leftMs);
    const untilMs = line[later + 1]?.state.atMs ?? Infinity;
    if (untilMs > allGoneMs) link.again.push([allGoneMs, untilMs]);
  }
}

/** Was it the newest at some moment of a time? */
export function isNewest({ startMs, endMs }: Link, fromMs: number, toMs: number): boolean {
  return startMs <= toMs && endMs >= fromMs;
}

/** The same where a copy that nobody owns will do, too. */
export function wasNewest(link: Link, fromMs: number, toMs: number): boolean {
  return isNewest(link, fromMs, toMs) ||
    link.again.some(([beginMs, untilMs]) => beginMs <= toMs && untilMs >= fromMs);
}
