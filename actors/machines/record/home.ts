/**
 * The home of a slot: it serialises the requests for each key, and knows who holds the newest copy.
 *
 *   REQ ─▶ queue ─▶ pend{tid, to} ── key exists: RECALL to the holder      ─▶ ACK: holder := to, next
 *                                 └─ it does not: GRANT by the home itself ─▶ NACK, NOCOPY: who has it?  (query.ts)
 *
 * One transfer of a key at a time, and each has a tid of its own: so all messages of it may be repeated.
 *
 * Does NOT promise: that the holder is alive; a view without it leads to a query.
 */
import type { Ack, Grant, Nack, NoCopy, Req } from "../../../transport/wire/messages/record.ts";
import type { Generation } from "../../../transport/wire/terms.ts";
import { queryNow } from "./backlog.ts";
import { emptyCopy } from "./copy.ts";
import type { Key } from "./copy.ts";
import { heldField } from "./held.ts";
import { askLater, breach, count, isIn, send, slotOfKey, wakeEntry } from "./keys.ts";
import { askRound, query } from "./query.ts";
import type { Entry, Home, Life, RecordState } from "./state.ts";
import { NEVER } from "./state.ts";
import { compareTid, isSameTid, TID_NONE, tidText } from "./tid.ts";
import type { Tid } from "./tid.ts";

/** The slot of a key as this node is home of it, if a message of this slotGen is for it. */
export function homeFor(state: RecordState, key: Key, slotGen: Generation): Home | undefined {
  const home = state.homes[slotOfKey(state, key)];
  if (home === undefined || !state.rules.isSameSlotGen(home.slotGen, slotGen)) return undefined;
  if (!home.isOpen && state.rules.isSilentWhileClosed()) return undefined;
  return home;
}

/** The next tid of a slot. */
export function newTid(home: Home): Tid {
  home.seq += 1;
  return { gen: home.slotGen, seq: home.seq };
}

/** An entry for a key that is not in the table. */
export function newEntry(home: Home, key: Key): Entry {
  const entry: Entry = {
    sort: "entry",
    wakeMs: NEVER,
    key,
    home,
    holder: undefined,
    htid: TID_NONE,
    hrid: 0,
    phase: "idle",
    pend: undefined,
    queue: [],
    round: undefined,
    best: undefined,
    held: undefined,
  };
  home.table.set(key, entry);
  return entry;
}

/** Is the entry still one of a table that this node serves by? */
export function isCurrent(state: RecordState, entry: Entry): boolean {
  const { home } = entry;
  return state.homes[home.slot] === home && home.table.get(entry.key) === entry;
}

/** Notes that an entry names a life: a view without it has to look here. */
export function nameLife(state: RecordState, life: Life, entry: Entry): void {
  const known = state.named.get(life);
  if (known === undefined) state.named.set(life, new Set([entry]));
  else known.add(entry);
}

/** An entry names a life no longer, unless it does in another place. */
export function unname(state: RecordState, life: Life, entry: Entry): void {
  const { holder, pend, queue, round } = entry;
  const isNamed = holder === life || pend?.to === life || round?.need.has(life) === true ||
    queue.some(({ of }) => of === life);
  if (!isNamed) state.named.get(life)?.delete(entry);
}

/** A life holds the newest copy. */
export function setHolder(
  state: RecordState,
  entry: Entry,
  life: Life,
  tid: Tid,
  rid: number,
): void {
  const before = entry.holder;
  entry.holder = life;
  if (before !== undefined && before !== life) unname(state, before, entry);
  entry.htid = tid;
  entry.hrid = rid;
  nameLife(state, life, entry);
}

/** A member wants a key. */
export function onReq(state: RecordState, from: Life, { key, slotGen, rid }: Req): void {
  const home = homeFor(state, key, slotGen);
  if (home === undefined) return;
  const entry = home.table.get(key) ?? newEntry(home, key);
  const { pend, queue } = entry;
  if (pend !== undefined && pend.to === from && pend.rid >= rid) return;
  // A late copy of the request that it was given for.
  if (entry.holder === from && rid <= entry.hrid) return next(state, entry);
  const at = queue.findIndex(({ of }) => of === from);
  const known = queue[at];
  if (known === undefined) queue.push({ of: from, rid });
  else if (known.rid < rid) queue[at] = { of: from, rid };
  nameLife(state, from, entry);
  queryNow(state, entry);
  // The holder still has its copy: the purge is taken back.
  if (entry.phase === "purge1" && entry.holder !== undefined && isIn(state, entry.holder)) {
    endRound(state, entry);
  }
  next(state, entry);
}

/** No query or purge is under way any more. */
export function endRound(state: RecordState, entry: Entry): void {
  entry.phase = "idle";
  entry.round = undefined;
  entry.best = undefined;
  state.rounds.delete(entry);
  for (const life of state.members.values()) unname(state, life, entry);
}

/** The next request, if nothing is under way; an entry that says nothing is dropped. */
export function next(state: RecordState, entry: Entry): void {
  if (entry.phase !== "idle" || entry.pend !== undefined) return;
  const place = entry.queue.shift();
  if (place === undefined) {
    if (entry.holder === undefined && entry.held === undefined) dropEntry(state, entry);
    return;
  }
  const { retryMs } = state.timing;
  entry.pend = {
    tid: newTid(entry.home),
    to: place.of,
    rid: place.rid,
    empty: entry.holder === undefined,
    dueMs: state.nowMs + retryMs,
    waitMs: retryMs,
  };
  drive(state, entry);
}

/** The key does not exist, as far as this home knows. */
export function dropEntry(state: RecordState, entry: Entry): void {
  entry.home.table.delete(entry.key);
  state.timers.set(entry, NEVER);
  state.rounds.delete(entry);
  entry.holder = undefined;
  for (const life of state.members.values()) unname(state, life, entry);
}

/** Asks the holder, or gives what does not exist. Again until the requester says something. */
export function drive(state: RecordState, entry: Entry): void {
  const { pend, key, home: { slotGen } } = entry;
  if (pend === undefined) return;
  const { tid, to, rid } = pend;
  const held = heldField(entry.held);
  wakeEntry(state, entry, pend.dueMs);
  if (pend.empty) {
    const copy = emptyCopy(tid);
    send(state, to, { kind: "grant", key, slotGen, tid, rid, ...held, copy } satisfies Grant);
  } else if (entry.holder !== undefined) {
    const ft = entry.htid;
    send(state, entry.holder, { kind: "recall", key, slotGen, tid, ft, to, rid, ...held });
  }
}

/** The requester took it. */
export function onAck(state: RecordState, from: Life, { key, slotGen, tid }: Ack): void {
  const entry = homeFor(state, key, slotGen)?.table.get(key);
  const pend = entry?.pend;
  if (entry === undefined || pend === undefined || !isSameTid(pend.tid, tid)) return;
  if (pend.to !== from) return breach(state, "I1", `ACK of ${tidText(tid)} by another`, from);
  entry.pend = undefined;
  // Whoever took it has it in the value.
  entry.held = undefined;
  setHolder(state, entry, from, tid, pend.rid);
  count(state, "moved");
  next(state, entry);
}

/** The requester never takes it. What it tells of its own copy must not be newer than what is known. */
export function onNack(state: RecordState, from: Life, { key, slotGen, tid, have }: Nack): void {
  const entry = homeFor(state, key, slotGen)?.table.get(key);
  const pend = entry?.pend;
  if (entry === undefined || pend === undefined || !isSameTid(pend.tid, tid)) return;
  if (pend.to !== from) return;
  entry.pend = undefined;
  const isNewer = compareTid(have, entry.htid) > 0;
  if (isNewer && state.rules.nackQueries()) {
    count(state, "I4 healed");
    return query(state, entry);
  }
  next(state, entry);
}

/** The holder has another copy than it was said to have. */
export function onNoCopy(state: RecordState, from: Life, { key, slotGen, tid }: NoCopy): void {
  const entry = homeFor(state, key, slotGen)?.table.get(key);
  const pend = entry?.pend;
  if (entry === undefined || pend === undefined || !isSameTid(pend.tid, tid)) return;
  if (entry.holder !== from) return;
  count(state, "I3 healed");
  if (!entry.queue.some(({ of }) => of === pend.to)) {
    entry.queue.unshift({ of: pend.to, rid: pend.rid });
  }
  entry.pend = undefined;
  query(state, entry);
}

/** An entry's time has come: its transfer, query or purge is asked for again. */
export function onEntryDue(state: RecordState, entry: Entry): void {
  if (!isCurrent(state, entry) || !entry.home.isOpen) return;
  const { pend, round } = entry;
  if (pend !== undefined && pend.dueMs <= state.nowMs) {
    askLater(state, pend, state.timing.retryMaxMs);
    drive(state, entry);
  } else if (pend !== undefined) wakeEntry(state, entry, pend.dueMs);
  if (round !== undefined && round.dueMs <= state.nowMs) {
    askLater(state, round, state.timing.roundMaxMs);
    askRound(state, entry);
  } else if (round !== undefined) wakeEntry(state, entry, round.dueMs);
}
