/**
 * Work that would take too long in one step: what a newer view wants of many records, and what traverses ask for. It
 * is done in slices by the clock, so that all else has its turn between them.
 *
 *   asked, or begun by a view ─▶ room in this step: at once ─▶ no room: in line ─▶ the next slices, a millisecond apart
 *
 *   stops     copies to read by a granter that left       reports   copies of a slot, for a new home
 *   queries   keys whose holder or taker left             tables    what a home before knew of a slot
 *   lists     pages of a slot's keys                      reads     values of records
 *
 * A key that somebody wants is queried at once. What is in line twice is done once; all of it is asked for again.
 *
 * Does NOT promise: an order.
 */
import type { ListWish, ReadAsk } from "../../../transport/wire/messages/record.ts";
import { SLOTS } from "../../../transport/wire/limits.ts";
import type { Generation } from "../../../transport/wire/terms.ts";
import { runReports, runTables } from "./answering.ts";
import { pullSome } from "./drain.ts";
import { isCurrent } from "./home.ts";
import { isIn, locked, stopReading } from "./keys.ts";
import { runLists, runReads } from "./list.ts";
import { query } from "./query.ts";
import type { Entry, KeyState, Life, RecordState } from "./state.ts";
import type { Waker } from "./timers.ts";

/** A slot that somebody wants to know of. */
export interface SlotWanted {
  readonly by: Life;
  readonly slot: number;
  readonly slotGen: Generation;
  /** Reports: the view of the question. Tables: the slotGen of the table. */
  readonly gen: Generation;
}

/** What is in line. */
export interface Backlog extends Waker {
  readonly sort: "backlog";
  readonly stops: KeyState[];
  readonly queries: Set<Entry>;
  /** By placeOf who asks, and the slot. */
  readonly reports: Map<number, SlotWanted>;
  readonly tables: Map<number, SlotWanted>;
  readonly lists: Map<number, { readonly by: Life; readonly wish: ListWish }>;
  readonly reads: { readonly by: Life; readonly ask: ReadAsk }[];
}

/** Questions of traverses in line, at most; more are dropped, since they are asked again. */
const READS_MAX = 4096;

/** One number for who asks, and the slot. */
export function placeOf({ pnn }: Life, slot: number): number {
  return pnn * SLOTS + slot;
}

/** Nothing in line. */
export function newBacklog(): Backlog {
  return {
    sort: "backlog",
    wakeMs: Infinity,
    stops: [],
    queries: new Set(),
    reports: new Map(),
    tables: new Map(),
    lists: new Map(),
    reads: [],
  };
}

/** Forgets all. */
export function clearBacklog({ backlog }: RecordState): void {
  backlog.stops.length = 0;
  backlog.queries.clear();
  backlog.reports.clear();
  backlog.tables.clear();
  backlog.lists.clear();
  backlog.reads.length = 0;
  backlog.wakeMs = Infinity;
}

/** Something is in line; it is looked at in this step, if there is room. */
export function lookAtBacklog(state: RecordState): void {
  state.timers.set(state.backlog, state.nowMs);
}

/** This node must not read a key any more: before it answers a recovery, at the latest. */
export function stopLater(state: RecordState, ks: KeyState): void {
  ks.mustStop = true;
  state.backlog.stops.push(ks);
}

/** All members are to be asked for a key. Until then nothing is known of it. */
export function queryLater(state: RecordState, entry: Entry): void {
  entry.phase = "query";
  entry.pend = undefined;
  entry.best = undefined;
  entry.round = undefined;
  state.rounds.delete(entry);
  state.backlog.queries.add(entry);
}

/** Somebody wants a key: if it is in line to be queried, that begins now. */
export function queryNow(state: RecordState, entry: Entry): void {
  if (state.backlog.queries.delete(entry)) query(state, entry);
}

/** A question of a traverse comes. */
export function readLater({ backlog }: RecordState, by: Life, ask: ReadAsk): void {
  if (backlog.reads.length < READS_MAX) backlog.reads.push({ by, ask });
}

/** A slice. */
export function onBacklogDue(state: RecordState): void {
  const { backlog } = state;
  if (state.me === undefined) return clearBacklog(state);
  if (state.draining.size > 0) pullSome(state);
  runStops(state);
  runQueries(state);
  runReports(state);
  runTables(state);
  runLists(state);
  runReads(state);
  if (hasMore(backlog)) state.timers.set(backlog, state.nowMs + state.timing.sliceMs);
}

function hasMore({ stops, queries, reports, tables, lists, reads }: Backlog): boolean {
  return stops.length > 0 || queries.size > 0 || reports.size > 0 || tables.size > 0 ||
    lists.size > 0 || reads.length > 0;
}

function runStops(state: RecordState): void {
  const { stops } = state.backlog;
  for (let ks = stops.at(-1); ks !== undefined && state.room > 0; ks = stops.at(-1)) {
    stops.pop();
    state.room -= 1;
    const stopping = ks;
    // Where the mutex is busy it is done before any QUERY or REPORT is answered.
    if (ks.mustStop) locked(state, ks, () => stopReading(state, stopping));
  }
}

function runQueries(state: RecordState): void {
  const { queries } = state.backlog;
  for (const entry of queries) {
    if (state.room <= 0) return;
    queries.delete(entry);
    if (!isCurrent(state, entry) || !entry.home.isOpen) continue;
    state.room -= state.members.size;
    query(state, entry);
  }
}

/** What is in line of a member that left is dropped. */
export function forgetAskers(state: RecordState): void {
  const { reports, tables, lists } = state.backlog;
  for (const line of [reports, tables, lists]) {
    for (const [name, { by }] of line) if (!isIn(state, by)) line.delete(name);
  }
}
