/**
 * Entries that are being made: transactions are gathered, and what they change is known before the entry is sealed.
 *
 *   add(txn) ──▶ (seq, dbseq) at once; versions and sessions know it      close ──▶ sealed, with its chain
 *
 * Does NOT promise: that what is made is written; the caller does that, and nothing is told before.
 */
import { sealEntry, versionAt } from "../../../transport/wire/commit/entry.ts";
import type { CommitTxn, Entry, EntryBody } from "../../../transport/wire/commit/entry.ts";
import { pumpPeers } from "./copies.ts";
import { placeAfter } from "./log.ts";
import type { Primary } from "./primary.ts";
import { write } from "./replica.ts";
import type { Done } from "./sessions.ts";
import type { CommitState } from "./state.ts";

/** The key of the sequence number. Upstream: CTDB_DB_SEQNUM_KEY, with its NUL. */
export const SEQNUM_KEY = "__db_sequence_number__\0";
/** What of an entry its maker says. */
export type Draft = Pick<EntryBody, "kind" | "open" | "close" | "abort"> & {
  readonly txns?: readonly CommitTxn[];
};

/** Entries that are being made: their seq is known before they are sealed. */
export class Group {
  readonly made: Entry[] = [];
  readonly #state: CommitState;
  readonly #primary: Primary;
  #txns: CommitTxn[] = [];
  #bytes = 0;

  constructor(state: CommitState, primary: Primary) {
    this.#state = state;
    this.#primary = primary;
  }

  /** After the last sealed entry. */
  get #tail() {
    const last = this.made.at(-1);
    return last === undefined ? this.#state.replica.log.lastPlace : placeAfter(last);
  }

  /** Seq of the entry that is being made. */
  get seq(): bigint {
    return this.#tail.seq + 1n;
  }

  /** The last transaction, with those of this group. */
  get dbseq(): bigint {
    return this.#tail.dbseq + BigInt(this.#txns.length);
  }

  /** Takes a transaction in; answers where it will be. */
  add(txn: CommitTxn, bytes: number): Done {
    const { groupBytes } = this.#state.timing;
    if (this.#txns.length > 0 && this.#bytes + bytes > groupBytes) this.close();
    this.#txns.push(txn);
    this.#bytes += bytes;
    const done = { seq: this.seq, dbseq: this.dbseq };
    this.#primary.sessions.execute(txn.sid, txn.n, txn.doneUpTo, done);
    for (const { key, value } of txn.writes) {
      const { hasOwnVersions } = this.#state.rules;
      const next = hasOwnVersions()
        ? versionAt(this.#state.replica.lineage, done.dbseq)
        : versionOf(this.#state, this, key) + 1n;
      const version = value === undefined ? 0n : next;
      this.#primary.dirty.set(key, { version, seq: done.seq });
    }
    return done;
  }

  /** Seals what was taken in. */
  close(): void {
    if (this.#txns.length === 0) return;
    const txns = this.#txns;
    this.#txns = [];
    this.#bytes = 0;
    this.#seal({ kind: "group", txns });
  }

  /** An entry of its own. */
  put(draft: Draft): Entry {
    this.close();
    const entry = this.#seal(draft);
    this.#primary.sessions.apply(entry);
    return entry;
  }

  #seal({ txns = [], ...draft }: Draft): Entry {
    const { seq, dbseq, chain } = this.#tail;
    const { lineage } = this.#state.replica;
    const entry = sealEntry({
      ...draft,
      lineage,
      term: this.#primary.term,
      seq: seq + 1n,
      dbseqFirst: dbseq + 1n,
      prevChain: chain,
      txns,
    });
    this.made.push(entry);
    return entry;
  }
}

/** Makes and writes entries at once. */
export function makeEntries(
  state: CommitState,
  primary: Primary,
  drafts: readonly Draft[],
): void {
  const group = new Group(state, primary);
  for (const draft of drafts) group.put(draft);
  write(state, group.made);
  pumpPeers(state, primary);
}

/** Version of a key behind all that the log has, and the group. */
export function versionOf(state: CommitState, group: Group, key: string): bigint {
  if (key === SEQNUM_KEY) return group.dbseq;
  return state.primary?.dirty.get(key)?.version ?? state.store.versionOf(key);
}
