/**
 * What a commit machine is told of the disk that it begins with, made from what the storage has found there.
 *
 *   file: dbseq ─▶ which entry of the log is that ─▶ applied     checkpoint, and the log up to there ─▶ sessions
 *
 * Does NOT promise: that the log reaches as far as the file; where its end is damaged it may not, and the copy is of no
 * use then until it was taken over from another node.
 */
import { NO_REACH } from "../../transport/wire/commit/reach.ts";
import { CorruptError } from "../../transport/wire/errors.ts";
import type { Opened } from "../machines/commit/events.ts";
import type { Place } from "../machines/commit/log.ts";
import { readSessions } from "../machines/commit/session_table.ts";
import { Sessions, type SessionsSnapshot } from "../machines/commit/sessions.ts";
import type { CommitStore } from "../storage/commit_store.ts";

/** What of Opened the disk says. */
export type OpenedDisk = Omit<Opened, "nodeId" | "pnn" | "incarnation">;

/** The state of a storage that was just opened. `id`: of the copy. Throws CorruptError. */
export function openedOf(store: CommitStore, id: string): OpenedDisk {
  const { id: { lineage, highTerm, isFresh }, start, proven = NO_REACH } = store.opened;
  const applied = appliedOf(store);
  const sessions = sessionsAt(store, applied).snapshot();
  const entries = store.log.shelf.readFrom(applied.seq + 1n, Infinity);
  const first = start.seq + 1n;
  return { id, lineage, highTerm, applied, sessions, entries, first, proven, isFresh };
}

/** The entry up to which the file has all. */
export function appliedOf(store: CommitStore): Place {
  const { appliedSeq, appliedDbseq, checkpoint, start, last } = store.opened;
  if (appliedSeq === undefined) {
    const text =
      `Cannot use the copy: its file is at ${appliedDbseq}, its log ends at ${last.dbseq}`;
    throw new CorruptError("truncated", 0, text);
  }
  // Entries without transactions leave no trace in the file; those up to a checkpoint had been applied.
  const isLater = checkpoint !== undefined && checkpoint.seq > appliedSeq &&
    checkpoint.seq <= last.seq && checkpoint.dbseq === appliedDbseq;
  const seq = isLater ? checkpoint.seq : appliedSeq;
  const place = seq === start.seq ? start : store.log.shelf.places.of(seq);
  if (place === undefined) {
    throw new CorruptError("chain", 0, `Cannot use the copy: entry ${seq} is not in its log`);
  }
  return { seq, dbseq: place.dbseq, chain: place.chain, term: place.term };
}

/** The sessions of a table. Throws CorruptError. */
export function tableOf(bytes: Uint8Array): SessionsSnapshot {
  const table = readSessions(bytes);
  if (table !== undefined) return table;
  throw new CorruptError("header", 0, "Cannot read the session table: it is none");
}

/** The sessions after an entry that is in the log, or that it begins behind. Throws CorruptError. */
export function sessionsAt({ log, opened }: CommitStore, { seq }: Place): Sessions {
  const { checkpoint, start } = opened;
  const sessions = new Sessions(checkpoint === undefined ? undefined : tableOf(checkpoint.table));
  const from = checkpoint?.seq ?? 0n;
  if (from < start.seq || from > seq) {
    const text =
      `Cannot use the copy: sessions are of entry ${from}, the log begins behind ${start.seq}`;
    throw new CorruptError("truncated", 0, text);
  }
  for (let at = from + 1n; at <= seq; at++) {
    const entry = log.shelf.read(at);
    if (entry !== undefined) sessions.apply(entry);
  }
  return sessions;
}
