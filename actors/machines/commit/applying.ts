/**
 * From the log into the file: what is known as committed is applied, then the sessions are saved, then the log may go.
 *
 *   committed ─ apply ─▶ applied ─ checkpoint ─▶ sessions on the disk ─ trim ─▶ the log begins later
 *
 * One apply and one checkpoint at a time. The next apply takes all that was committed meanwhile.
 *
 * Does NOT promise: an apply for each group; a crash may leave any of them half done, and the storage finishes it.
 */
import { higher, lower } from "./config.ts";
import type { CommitEvent } from "./events.ts";
import { placeAfter } from "./log.ts";
import { releaseHeld } from "./asking.ts";
import { onAppliedHere, pumpPrimary } from "./primary.ts";
import { shipAll } from "./shipping.ts";
import { breach, type CommitState } from "./state.ts";

/** Bytes that are read from the log at once, at least: what one asks for others may need, too. */
const FETCH_MIN = 64 * 1024;

/** Others that wait for entries from the disk; more of them ask again when these have theirs. */
const WANTED_MAX = 64;

/** Applies what is committed and not applied. */
export function pumpApply(state: CommitState): void {
  const { replica, timing, rules } = state;
  if (replica.applying !== undefined || replica.catching !== undefined) return;
  if (state.breach !== undefined) return;
  // What is committed in a lineage is in no file of the one before, whatever a crash leaves.
  if (replica.writes.some(({ isAdopted }) => isAdopted)) return;
  const { log, applied } = replica;
  const to = rules.appliesCommitted() ? lower(replica.commitKnown, replica.durable) : log.last;
  if (to <= applied.seq) return;
  const entries = log.slice(applied.seq + 1n, to, timing.groupBytes);
  const last = entries.at(-1);
  if (last === undefined) return;
  replica.applying = last.seq;
  state.effects.push({ kind: "apply", epoch: replica.epoch, entries });
}

/** The file has them. */
export function onApplied(
  state: CommitState,
  { seq, dbseq }: Extract<CommitEvent, { kind: "applied" }>,
): void {
  const { replica } = state;
  const { log } = replica;
  const entries = log.slice(replica.applied.seq + 1n, seq, Infinity);
  const last = entries.at(-1);
  if (last === undefined || last.seq !== seq || seq !== replica.applying) {
    return breach(state, "A8", `applied ${seq}, and ${replica.applying} was to be`);
  }
  const place = placeAfter(last);
  if (place.dbseq !== dbseq) return breach(state, "A8", `dbseq ${dbseq} after entry ${seq}`);
  for (const entry of entries) {
    const again = replica.sessions.doneBefore(entry);
    if (again !== undefined) return breach(state, "A7", `${again} of entry ${entry.seq} is over`);
    replica.sessions.apply(entry);
  }
  replica.applied = place;
  replica.applying = undefined;
  onAppliedHere(state, entries);
  releaseHeld(state);
  tidyLog(state);
  pumpApply(state);
}

/** Forgets what is applied long ago, here and on the disk. */
function tidyLog(state: CommitState): void {
  const { replica, timing } = state;
  const { log, applied } = replica;
  const keptFrom = applied.seq - BigInt(timing.keepEntries);
  // In slices: a call for each entry would move the rest of the array each time.
  if (keptFrom > log.base.seq + BigInt(timing.keepEntries)) log.forget(keptFrom);
  const isDue = applied.seq >= replica.checkpoint + BigInt(timing.checkpointEntries);
  if (!isDue || replica.isCheckpointing) return;
  replica.isCheckpointing = true;
  const sessions = replica.sessions.snapshot();
  state.effects.push({ kind: "checkpoint", epoch: replica.epoch, seq: applied.seq, sessions });
}

/** The sessions up to an entry are on the disk: the log before may go, but for those who lag. */
export function onCheckpointed(state: CommitState, seq: bigint): void {
  const { replica, timing, rules } = state;
  replica.isCheckpointing = false;
  replica.checkpoint = higher(replica.checkpoint, seq);
  const done = rules.trimsApplied()
    ? lower(replica.checkpoint, replica.applied.seq)
    : replica.commitKnown;
  const keep = rules.trimsApplied() ? BigInt(timing.keepLog) : 0n;
  const below = lower(done, replica.applied.seq - keep) + 1n;
  const wanted = rules.trimsApplied() ? below : done + 1n;
  if (wanted <= replica.first) return;
  replica.first = wanted;
  state.effects.push({ kind: "trim", epoch: replica.epoch, below: wanted });
}

/**
 * Entries that are on the disk only are wanted, from this one on. One read at a time, as it would be the same disk; who
 * comes meanwhile has the next turn.
 */
export function fetch(state: CommitState, from: bigint): void {
  const { replica, timing } = state;
  const { fetching, wanted } = replica;
  if (fetching !== undefined) {
    const isNew = from !== fetching && !wanted.includes(from);
    if (isNew && wanted.length < WANTED_MAX) wanted.push(from);
    return;
  }
  replica.fetching = from;
  const bytesMax = Math.max(timing.appendBytes, FETCH_MIN);
  state.effects.push({ kind: "fetch", epoch: replica.epoch, from, bytesMax });
}

/** Entries from the disk are here. */
export function onFetched(
  state: CommitState,
  { from, entries }: Extract<CommitEvent, { kind: "fetched" }>,
): void {
  const { replica } = state;
  if (from !== replica.fetching) return;
  replica.fetching = undefined;
  // The storage may have let go of more than it was told to, to keep the log small; what is not applied it keeps,
  // or does not have yet.
  if (entries.length === 0) {
    replica.first = higher(replica.first, lower(from, replica.applied.seq) + 1n);
  }
  // The disk may have more, which another primary cuts; what is applied is never cut.
  replica.fetched = entries.filter(({ seq }) => seq <= replica.applied.seq);
  // Before those who get these ask for more.
  const isHere = (seq: bigint) => replica.fetched.some((one) => one.seq === seq);
  for (let next = replica.wanted.shift(); next !== undefined; next = replica.wanted.shift()) {
    if (next < replica.first || next > replica.log.base.seq || isHere(next)) continue;
    fetch(state, next);
    break;
  }
  pumpPrimary(state);
  shipAll(state);
}
