/**
 * What the disk of a persistent database does when it has time: one errand in each turn of the event loop.
 *
 *   apply ─▶ applied     checkpoint ─▶ checkpointed     fetch ─▶ fetched     trim
 *
 * Does NOT promise: to be short; an apply of much takes its time.
 */
import type { Entry } from "../../transport/wire/commit/entry.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { CommitEffect, CommitEvent } from "../machines/commit/events.ts";
import { writeSessions } from "../machines/commit/session_table.ts";
import type { CommitStore } from "../storage/commit_store.ts";
import type { CommitFollowing } from "./commit_following.ts";

/** What is not urgent. */
export type Errand = Extract<
  CommitEffect,
  { readonly kind: "apply" | "checkpoint" | "trim" | "fetch" }
>;

/** Bytes of log beyond which applied entries go, however many there are: 256 MiB. */
export const LOG_BYTES_MAX: number = 256 * 1024 * 1024;

/**
 * Does one, and says what came of it. A checkpoint wants a file that has all up to it. Throws what the storage throws.
 */
export function doErrand(
  store: CommitStore,
  following: CommitFollowing,
  errand: Errand,
): CommitEvent | undefined {
  const { epoch } = errand;
  switch (errand.kind) {
    case "apply": {
      const { entries } = errand;
      return { kind: "applied", epoch, ...appliedUpTo(entries, following.add(entries)) };
    }
    case "checkpoint": {
      const { seq, sessions } = errand;
      const { shelf: { places } } = store.log;
      const place = seq === places.start.seq ? places.start : places.of(seq);
      if (place === undefined) throw new CtdbxError("state", `Cannot save: no entry ${seq}`);
      const { chain, dbseq, term } = place;
      store.checkpoint({ seq, chain, dbseq, term, table: writeSessions(sessions) });
      keepSmall(store);
      return { kind: "checkpointed", epoch, seq };
    }
    case "trim":
      store.trim(errand.below - 1n);
      return undefined;
    case "fetch": {
      const { from, bytesMax } = errand;
      const { shelf } = store.log;
      const entries = shelf.places.of(from) === undefined ? [] : shelf.readFrom(from, bytesMax);
      return { kind: "fetched", epoch, from, entries };
    }
  }
}

/** What a file has of these entries; one that was taken from another node may be ahead of them. */
function appliedUpTo(entries: readonly Entry[], dbseq: bigint): { seq: bigint; dbseq: bigint } {
  const last = entries.at(-1);
  if (last === undefined) return { seq: 0n, dbseq };
  const end = last.dbseqFirst + BigInt(last.txns.length) - 1n;
  return { seq: last.seq, dbseq: dbseq > end ? end : dbseq };
}

/** A log of large entries goes before it has many. */
function keepSmall(store: CommitStore): void {
  const { shelf } = store.log;
  const { bytes, entries } = shelf.space;
  if (bytes > LOG_BYTES_MAX) store.trim(shelf.places.start.seq + BigInt(entries >> 1));
}
