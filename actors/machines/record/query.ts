/**
 * Rounds of a home over the members: what do you have of this key, make it a tombstone, forget it.
 *
 *   query    a holder or taker left, or a copy is not where it should be ─▶ QUERY to all ─▶ the greatest copy's member
 *            holds it; none: the key does not exist; empty and owned by nobody: it is purged
 *   purge1   the owner of an empty record gave it back ─▶ PURGE1 to all others: a tombstone
 *   purge2   ─▶ PURGE2 to all: forget ─▶ the entry goes
 *
 * All members must answer; a newer view leaves out who left, and begins queries anew.
 *
 * Does NOT promise: to end while a member is silent; the cluster takes it out in the end.
 */
import type {
  Purge,
  QueryAnswer,
  RecordMessage,
  Release,
} from "../../../transport/wire/messages/record.ts";
import { isNewer } from "./copy.ts";
import { endRound, homeFor, nameLife, newTid, next, setHolder } from "./home.ts";
import { isOfCopy, settleHeld, unite } from "./held.ts";
import { breach, count, newAsking, send, wakeEntry } from "./keys.ts";
import { noteRecovered } from "./progress.ts";
import type { Entry, Life, RecordState } from "./state.ts";
import { isSameTid, TID_NONE, tidText } from "./tid.ts";

type Phase = "query" | "purge1" | "purge2";

/** Begins a round: all members, but for the first purge not the holder. */
function begin(state: RecordState, entry: Entry, phase: Phase): void {
  const need = new Set(state.members.values());
  if (phase === "purge1" && entry.holder !== undefined) need.delete(entry.holder);
  // The second purge is of the same number: what it forgets is what the first one left.
  const tid = phase === "purge2" && entry.round !== undefined
    ? entry.round.tid
    : newTid(entry.home);
  entry.phase = phase;
  entry.pend = undefined;
  entry.best = undefined;
  if (phase === "query") entry.held = undefined;
  entry.round = { ...newAsking(state, state.timing.roundMs), tid, need };
  for (const life of need) nameLife(state, life, entry);
  state.rounds.add(entry);
  askRound(state, entry);
  lookAtRound(state, entry);
}

/** Asks whoever has not answered. */
export function askRound(state: RecordState, entry: Entry): void {
  const { round, key, home: { slotGen }, phase } = entry;
  if (round === undefined || phase === "idle") return;
  const { tid } = round;
  const { generation } = state;
  const message: RecordMessage = phase === "query"
    ? { kind: "query", key, slotGen, tid, generation }
    : { kind: phase, key, slotGen, tid };
  for (const life of round.need) send(state, life, message);
  wakeEntry(state, entry, round.dueMs);
}

/** Who has the newest copy of a key? What was under way is over; requests wait. */
export function query(state: RecordState, entry: Entry): void {
  count(state, "queries");
  entry.round = undefined;
  begin(state, entry, "query");
}

/** A member says what it has. */
export function onQueryAnswer(state: RecordState, from: Life, message: QueryAnswer): void {
  const { key, slotGen, tid, generation, stand } = message;
  const entry = homeFor(state, key, slotGen)?.table.get(key);
  const round = entry?.round;
  if (entry === undefined || round === undefined || entry.phase !== "query") return;
  if (!isSameTid(round.tid, tid)) return;
  if (!state.rules.isAnswerOfNow(state.generation, generation)) return;
  if (!round.need.delete(from)) return;
  const { best } = entry;
  entry.held = unite(state, entry.held, stand?.held);
  if (stand !== undefined && isOfCopy(stand)) {
    if (stand.owner && best?.stand.owner === true) {
      const other = isNewer(stand, best.stand, state.rules) ? best.of : from;
      breach(state, "I6", `two owners of one key: ${tidText(stand.tid)}`, other);
    }
    if (best === undefined || isNewer(stand, best.stand, state.rules)) {
      entry.best = { stand, of: from };
    }
  }
  lookAtRound(state, entry);
}

/** Nobody is left to answer? Then it goes on. */
export function lookAtRound(state: RecordState, entry: Entry): void {
  const { round, phase } = entry;
  if (round === undefined || round.need.size > 0) return;
  if (phase === "query") endQuery(state, entry);
  else if (phase === "purge1") begin(state, entry, "purge2");
  else if (phase === "purge2") {
    endRound(state, entry);
    entry.holder = undefined;
    entry.htid = TID_NONE;
    entry.hrid = 0;
    count(state, "purged");
    state.moves.note(state.nowMs, "purged", entry.key, undefined);
    next(state, entry);
  }
}

function endQuery(state: RecordState, entry: Entry): void {
  const { best } = entry;
  endRound(state, entry);
  state.moves.note(state.nowMs, "recovered", entry.key, best?.of, best?.stand.rsn);
  noteRecovered(state, entry, best !== undefined);
  settleHolder(state, entry, best);
}

/** What a recovery found: the greatest copy's member holds the key, unless it is empty and owned by nobody. */
export function settleHolder(state: RecordState, entry: Entry, best: Entry["best"]): void {
  settleHeld(entry, best);
  if (best === undefined) {
    entry.holder = undefined;
    entry.htid = TID_NONE;
    entry.hrid = 0;
    return next(state, entry);
  }
  setHolder(state, entry, best.of, best.stand.tid, 0);
  // Tombstones first: while some have forgotten and others not, an older copy would be the greatest that is left.
  if (best.stand.empty && !best.stand.owner) {
    return begin(state, entry, state.rules.recoversWithTombstones() ? "purge1" : "purge2");
  }
  next(state, entry);
}

/** The owner of an empty record gives it back. */
export function onRelease(state: RecordState, from: Life, message: Release): void {
  const { key, slotGen, tid } = message;
  const entry = homeFor(state, key, slotGen)?.table.get(key);
  if (entry === undefined || entry.phase !== "idle" || entry.pend !== undefined) return;
  if (entry.queue.length > 0 || entry.holder !== from || !isSameTid(entry.htid, tid)) return;
  begin(state, entry, "purge1");
}

/** A member has left a tombstone, or forgotten. */
export function onPurged(state: RecordState, from: Life, message: Purge): void {
  const { key, slotGen, tid, kind } = message;
  const entry = homeFor(state, key, slotGen)?.table.get(key);
  const round = entry?.round;
  if (entry === undefined || round === undefined || `${entry.phase}_done` !== kind) return;
  if (!isSameTid(round.tid, tid) || !round.need.delete(from)) return;
  lookAtRound(state, entry);
}
