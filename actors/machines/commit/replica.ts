/**
 * The copy of this node: a log that follows the primary, and a file that follows the log.
 *
 *   APPEND ──▶ compare chains ──▶ cut, append ──▶ (disk) ──▶ APPENDED ok(end)
 *                                                    └──▶ known as committed ──▶ apply ──▶ (file) ──▶ checkpoint, trim
 *
 *   applied <= commitKnown <= durable <= last
 *
 * What is at or below commitKnown is never cut; what is acknowledged is on the disk together with the term.
 *
 * Does NOT promise: to be in sync; the document says who is.
 */
import type { Entry } from "../../../transport/wire/commit/entry.ts";
import { isBehind, NO_REACH, type Reach } from "../../../transport/wire/commit/reach.ts";
import type { Append, Appended } from "../../../transport/wire/messages/commit.ts";
import type { Pnn, Version } from "../../../transport/wire/terms.ts";
import { type Fork, higher, isInSync, lower } from "./config.ts";
import type { Opened } from "./events.ts";
import { EntryLog, NOWHERE, type Place } from "./log.ts";
import { Sessions } from "./sessions.ts";
import { breach, type CommitState, send } from "./state.ts";
import { pumpApply } from "./applying.ts";
import { stopPrimary } from "./primary.ts";

/** What waits for the disk, to be answered to the primary. */
interface Ack {
  readonly to: Pnn;
  readonly append: Append;
  end: bigint;
}

/** A write that is not known to be on the disk. */
interface Write {
  readonly id: number;
  last: bigint;
  readonly highTerm: bigint;
  /** Is the log that of another lineage with it? */
  readonly isAdopted: boolean;
  readonly acks: Ack[];
}

/** The copy. */
export interface Replica {
  isOpen: boolean;
  id: string;
  lineage: bigint;
  log: EntryLog;
  /** Rises when the log begins anew. */
  epoch: number;
  highTerm: bigint;
  commitKnown: bigint;
  applied: Place;
  /** An apply up to here is under way. */
  applying: bigint | undefined;
  /** Up to `applied`. */
  sessions: Sessions;
  durable: bigint;
  durableTerm: bigint;
  /** Up to here the log is that of the primary of this term, and on the disk. */
  compared: { readonly term: bigint; readonly seq: bigint };
  writes: Write[];
  nextWrite: number;
  /** Pages of another copy are on their way: nothing else is taken. */
  catching: { copy: Place; lineage: bigint; sessions: Sessions } | "under way" | undefined;
  /** So far the log was on the disk once. Farther than what is durable: the end is damaged, and not whole again yet. */
  proven: Reach;
  /** It began with nothing, and has not yet what was committed then: it shows nothing. */
  isFresh: boolean;
  /** What of that was written. */
  freshWritten: boolean;
  /** The first entry that is on the disk. */
  first: bigint;
  checkpoint: bigint;
  isCheckpointing: boolean;
  /** Entries from here on are being read from the disk. */
  fetching: bigint | undefined;
  /** From where on others wait for that, in the order in which they came. */
  wanted: bigint[];
  /** Entries from the disk, for those who need older ones: applied ones only. */
  fetched: readonly Entry[];
}

const NOT_COMPARED = { term: 0n, seq: 0n };

/** Nothing yet. */
export function newReplica(): Replica {
  return {
    isOpen: false,
    id: "",
    lineage: 0n,
    log: new EntryLog(),
    epoch: 0,
    highTerm: 0n,
    commitKnown: 0n,
    applied: NOWHERE,
    applying: undefined,
    sessions: new Sessions(),
    durable: 0n,
    durableTerm: 0n,
    compared: NOT_COMPARED,
    writes: [],
    nextWrite: 1,
    catching: undefined,
    proven: NO_REACH,
    isFresh: false,
    freshWritten: false,
    first: 1n,
    checkpoint: 0n,
    isCheckpointing: false,
    fetching: undefined,
    wanted: [],
    fetched: [],
  };
}

/** The storage is open. */
export function onOpened(state: CommitState, disk: Opened): void {
  const { replica } = state;
  state.me = { pnn: disk.pnn, incarnation: disk.incarnation, nodeId: disk.nodeId };
  beginLog(replica, disk.applied, disk.lineage, new Sessions(disk.sessions));
  replica.isOpen = true;
  replica.id = disk.id;
  replica.highTerm = replica.durableTerm = disk.highTerm;
  for (const entry of disk.entries) replica.log.append(entry);
  raiseTerm(replica, replica.log.lastPlace.term);
  replica.durable = replica.log.last;
  replica.proven = disk.proven;
  replica.isFresh = replica.freshWritten = disk.isFresh;
  replica.first = disk.first;
}

/**
 * An entry, or a place, of a term is here: that term's document was in force, so nobody of an older one is heard any
 * more, also where this node was never told of the term by an APPEND.
 */
export function raiseTerm(replica: Replica, term: bigint): void {
  replica.highTerm = higher(replica.highTerm, term);
}

/** The log begins anew after a place. */
export function beginLog(
  replica: Replica,
  place: Place,
  lineage: bigint,
  sessions: Sessions,
): void {
  replica.epoch += 1;
  replica.lineage = lineage;
  replica.log.reset(place);
  replica.commitKnown = replica.durable = replica.checkpoint = place.seq;
  replica.applied = place;
  replica.applying = undefined;
  replica.sessions = sessions;
  replica.compared = NOT_COMPARED;
  replica.writes = [];
  replica.catching = undefined;
  replica.first = place.seq + 1n;
  replica.isCheckpointing = false;
  replica.fetching = undefined;
  replica.wanted = [];
  replica.fetched = [];
}

/** Cuts, appends, and syncs. */
export function write(
  state: CommitState,
  entries: readonly Entry[],
  cut?: bigint,
  lineage?: bigint,
): Write {
  const { replica } = state;
  if (cut !== undefined) cutLog(state, cut);
  for (const entry of entries) replica.log.append(entry);
  raiseTerm(replica, entries.at(-1)?.term ?? 0n);
  const { last } = replica.log;
  const { highTerm, epoch } = replica;
  const isAdopted = lineage !== undefined;
  const one: Write = { id: replica.nextWrite++, last, highTerm, isAdopted, acks: [] };
  replica.writes.push(one);
  state.effects.push({
    kind: "write",
    epoch,
    id: one.id,
    entries,
    ...(cut === undefined ? {} : { cut }),
    ...(lineage === undefined ? {} : { lineage }),
    ...(highTerm > replica.durableTerm ? { highTerm } : {}),
    ...(replica.isFresh === replica.freshWritten ? {} : { isFresh: replica.isFresh }),
  });
  replica.freshWritten = replica.isFresh;
  return one;
}

function cutLog(state: CommitState, cut: bigint): void {
  const { replica } = state;
  if (cut < replica.commitKnown || cut < replica.applied.seq || cut < (replica.applying ?? 0n)) {
    return breach(state, "A1", `cut after ${cut}, ${replica.commitKnown} is committed`);
  }
  replica.log.cut(cut);
  replica.durable = lower(replica.durable, cut);
  for (const one of replica.writes) one.last = lower(one.last, cut);
}

/** A write, and all before it, is on the disk. */
export function onWritten(state: CommitState, id: number): void {
  const { replica } = state;
  const acks: Ack[] = [];
  while (replica.writes[0] !== undefined && replica.writes[0].id <= id) {
    const one = replica.writes.shift() as Write;
    replica.durable = higher(replica.durable, one.last);
    replica.durableTerm = higher(replica.durableTerm, one.highTerm);
    for (const ack of one.acks) acks.push(ack);
  }
  // From here on the log may be cut again, as any other.
  if (!isDamaged(replica)) replica.proven = NO_REACH;
  for (const ack of acks) acknowledge(state, ack);
  pumpApply(state);
}

/** Did the disk have more once than it has now? Then what was acknowledged is perhaps not here. */
export function isDamaged({ log, durable, proven }: Replica): boolean {
  return isBehind(log.place(durable) ?? log.base, proven);
}

/** The primary sends what comes next: 5.2, line by line. */
export function onAppend(state: CommitState, from: Pnn, m: Append): void {
  const { replica, rules } = state;
  if (!rules.isTermHeard(replica.highTerm, m.term)) return answer(state, from, m, "reject", 0n);
  if (replica.catching !== undefined || m.lineage !== replica.lineage) return;
  replica.highTerm = higher(replica.highTerm, m.term);
  // It follows another one now, whose document it has not heard of: its own log may be cut.
  if ((state.primary?.term ?? m.term) < m.term) stopPrimary(state);
  const { log, applied } = replica;
  if (m.prevSeq > log.last) return answer(state, from, m, "hint", log.last);
  const isSame = log.place(m.prevSeq)?.chain === m.prevChain;
  if (m.prevSeq > applied.seq && !isSame && rules.comparesChain()) {
    return answer(state, from, m, "hint", higher(applied.seq, m.prevSeq - 1n));
  }
  if (m.prevSeq === applied.seq && applied.chain !== m.prevChain) {
    return diverge(state, m.prevSeq, "A12", `another entry ${m.prevSeq} is applied here`);
  }
  const found = compare(state, m);
  if (found === undefined) return;
  const { end, cut, fresh } = found;
  const isNew = fresh.length > 0 || cut !== undefined || replica.highTerm > writtenTerm(replica);
  const one = isNew ? write(state, fresh, cut) : replica.writes.at(-1);
  const ack = { to: from, append: m, end: rules.acksCompared() ? end : log.last };
  if (one === undefined || !rules.acksAfterDisk()) acknowledge(state, ack);
  else one.acks.push(ack);
}

/** The highest term that is on the disk, or on its way there. */
function writtenTerm({ writes, durableTerm }: Replica): bigint {
  return writes.at(-1)?.highTerm ?? durableTerm;
}

interface Compared {
  readonly end: bigint;
  readonly cut: bigint | undefined;
  readonly fresh: readonly Entry[];
}

/** What of the entries is here, and where the log must be cut for the others. */
function compare(state: CommitState, m: Append): Compared | undefined {
  const { log, applied } = state.replica;
  // What is applied is common to all, but for a copy of before a fork, which has to compare it.
  let end = mayDiffer(state) ? m.prevSeq : higher(m.prevSeq, applied.seq);
  let prev = m.prevChain;
  for (const [at, entry] of m.entries.entries()) {
    if (entry.prevChain !== prev && state.rules.comparesChain()) return undefined;
    prev = entry.chain;
    if (entry.seq <= applied.seq) {
      end = higher(end, entry.seq);
      if (entry.seq < applied.seq || entry.chain === applied.chain) continue;
      diverge(state, entry.seq, "A2", `entry ${entry.seq} is applied with another chain`);
      return undefined;
    }
    const own = log.entry(entry.seq);
    if (own?.chain === entry.chain) {
      end = entry.seq;
      continue;
    }
    if (entry.seq <= state.replica.commitKnown) {
      diverge(state, entry.seq, "A1", `entry ${entry.seq} is committed with another chain`);
      return undefined;
    }
    const fresh = m.entries.slice(at);
    const cut = own === undefined ? undefined : entry.seq - 1n;
    return { end: fresh.at(-1)?.seq ?? end, cut, fresh };
  }
  return { end, cut: undefined, fresh: [] };
}

/** It is on the disk: it may be answered, if nobody newer came meanwhile. */
function acknowledge(state: CommitState, { to, append, end }: Ack): void {
  const { replica, rules } = state;
  if (!rules.fencesAck(replica.highTerm, append.term)) return;
  if (rules.acksAfterDisk() && end > replica.durable) {
    return breach(state, "A5", `${end} is to be acknowledged, ${replica.durable} is durable`);
  }
  const { term } = append;
  const before = replica.compared.term === term ? replica.compared.seq : 0n;
  replica.compared = { term, seq: higher(before, end) };
  replica.commitKnown = higher(replica.commitKnown, lower(append.commit, end));
  answer(state, to, append, "ok", end);
  pumpApply(state);
}

/**
 * The primary of a term has told that an entry is committed, before its next APPEND says so. A primary never cuts its
 * own log, so what was compared with it in this term is what it speaks of.
 */
export function onCommitTold(state: CommitState, term: bigint, lineage: bigint, seq: bigint): void {
  const { replica } = state;
  const { compared, highTerm } = replica;
  if (compared.term !== term || highTerm !== term || lineage !== replica.lineage) return;
  if (seq > compared.seq || seq <= replica.commitKnown || replica.catching !== undefined) return;
  replica.commitKnown = seq;
  pumpApply(state);
}

function answer(
  state: CommitState,
  to: Pnn,
  { term, readNo }: Append,
  outcome: Appended["outcome"],
  seq: bigint,
): void {
  const { id, highTerm } = state.replica;
  const high = highTerm as Version;
  send(state, to, { kind: "appended", term, id, outcome, seq, readNo, highTerm: high });
}

/** The document names another lineage than the log has. */
export function adoptLineage(state: CommitState): void {
  const { replica, config, me } = state;
  if (config === undefined || me === undefined || !replica.isOpen) return;
  const { lineage, parent, kind } = config;
  if (lineage === 0n || lineage === replica.lineage || replica.catching !== undefined) return;
  const { last, lastPlace } = replica.log;
  const isNamed = isInSync(config, me.pnn, replica.id);
  const isParent = parent !== undefined && parent.lineage === replica.lineage;
  const isBlank = replica.lineage === 0n && last === 0n;
  // The node that was forced goes on with all that it has: its log is what the new lineage begins with.
  if (isBlank || (isParent && (isNamed || mayBeOnTrunk(replica, parent)))) {
    replica.lineage = lineage;
    // Others lack something, or have something else: nothing is shown until that is known.
    if (isParent && !isNamed && last < parent.seq) replica.isFresh = true;
    return void write(state, [], undefined, lineage);
  }
  if (isNamed && kind === "persistent") {
    const at = `${last} ${lastPlace.chain}`;
    return breach(state, "A11", `in sync with ${lineage}, the log has ${replica.lineage} to ${at}`);
  }
  giveUp(state, lineage, isParent ? parent.seq : 0n);
}

/** May a log be the begin of what the new lineage has? One that is longer than the fork has something else. */
function mayBeOnTrunk({ log: { last, lastPlace } }: Replica, { seq, chain }: Fork): boolean {
  return last < seq || (last === seq && lastPlace.chain === chain);
}

/** All goes; what is above `fork` is kept for people. */
function giveUp(state: CommitState, lineage: bigint, fork: bigint): void {
  const { replica } = state;
  beginLog(replica, NOWHERE, lineage, new Sessions());
  replica.proven = NO_REACH;
  replica.isFresh = replica.freshWritten = true;
  state.effects.push({ kind: "reset", epoch: replica.epoch, lineage, fork });
}

/** Came this copy from before a fork, and may it know as committed what was given up there? */
function mayDiffer({ config, replica, me }: CommitState): boolean {
  if (config?.parent === undefined || config.lineage !== replica.lineage) return false;
  if (me === undefined || isInSync(config, me.pnn, replica.id)) return false;
  return replica.commitKnown <= config.parent.seq;
}

/** What is known as committed here is something else there: it was given up by a fork, or somebody is wrong. */
export function diverge(state: CommitState, seq: bigint, number: string, why: string): void {
  if (!mayDiffer(state)) return breach(state, number, why);
  giveUp(state, state.replica.lineage, seq - 1n);
}
