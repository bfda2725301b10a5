/**
 * What can be done with a persistent or replicated database at this node, for those who serve programs.
 *
 *   read (versions) ─▶ transact(reads, writes) ─▶ committed | aborted | unknown ─▶ fate(name) ─▶ for good
 *   snapshot ─▶ get, list: one state, whatever is committed meanwhile ─▶ close
 *
 * Keys are texts of one character U+0000 .. U+00FF for each byte. A `version` is the number of the transaction that
 * wrote the record, 0 when there is none: it never comes twice for a key. Times are by the node's clock.
 *
 * Nothing here rejects for what may happen in a cluster: what does, is said in the answer. `limit` and arguments that
 * are none throw at once, with nothing done.
 *
 * Does NOT promise: that this node keeps a copy by the document; each node that has the database has its file, perhaps
 * an older state of it.
 */
import type { AbortCode, TxnRead } from "../../transport/wire/messages/commit.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import type { HealthLook } from "./commit_health.ts";
import type { SyncLook } from "./commit_taking.ts";
import type { Key } from "../machines/record/copy.ts";

/** A transaction's name, for ever; it is asked about, and submitted again, under it. */
export interface TxnName {
  /** u64. */
  readonly sid: bigint;
  /** u32, from 1. */
  readonly n: number;
}

/** One change of a transaction; without a value the record is deleted. */
export interface TxnWrite {
  readonly key: Key;
  readonly value?: Uint8Array | undefined;
}

/** What a transaction read, and writes. Each key once in each. */
export interface TxnWish {
  readonly reads: readonly TxnRead[];
  readonly writes: readonly TxnWrite[];
  /** It was submitted before, under this name, with these reads and writes. */
  readonly again?: TxnName;
  /** The history in which it read; missing: the present one. Another one by now: it is aborted, or unknown. */
  readonly lineage?: bigint;
}

/** How a transaction ended. */
export type TxnEnd =
  | {
    readonly outcome: "committed";
    readonly name: TxnName;
    /** Its entry in the log, and its number among the transactions: what __db_sequence_number__ was then. */
    readonly seq: bigint;
    readonly dbseq: bigint;
    /** The file of this node did not have it in time: reads here may not show it yet. */
    readonly isBehind: boolean;
  }
  /** It is not in the history and never will be, under this name. */
  | {
    readonly outcome: "aborted";
    readonly name: TxnName | undefined;
    /** conflict: read anew and try again; read_only, timeout: later; space, limit: smaller, or not at all. */
    readonly code: AbortCode | "gone" | "damaged";
    readonly why: string;
    /** With "conflict": a key that was read and is another one at this node by now, where it is known. */
    readonly conflict: Key | undefined;
  }
  /** Once, or not at all. Without a name it was never sent: not at all. */
  | { readonly outcome: "unknown"; readonly name: TxnName; readonly why: string };

/** What became of a transaction. */
export type TxnFate =
  | { readonly state: "committed"; readonly seq: bigint; readonly dbseq: bigint }
  /** forgotten: its outcome was told and is kept no more; session_expired: its session is over. */
  | {
    readonly state: "aborted" | "in_progress" | "not_executed" | "forgotten" | "session_expired";
  }
  | { readonly state: "timeout"; readonly why: string };

/** A record. */
export interface CommitValue {
  readonly key: Key;
  /** Undefined: there is none. */
  readonly value: Uint8Array | undefined;
  /** 0: there is none. */
  readonly version: bigint;
}

/** What was read: all of one state. */
export type CommitRead =
  | {
    readonly ok: true;
    /** The state: after this transaction. */
    readonly dbseq: bigint;
    readonly values: readonly CommitValue[];
    /** The history that it is a state of; missing: of a snapshot. */
    readonly lineage?: bigint;
  }
  /** busy: later; timeout: no primary answered; gone: the database is over; damaged: this node's copy is. */
  | CommitRefusal;

/** Why something cannot be had here now. */
export interface CommitRefusal {
  readonly ok: false;
  readonly code: "busy" | "timeout" | "gone" | "damaged" | "limit";
  readonly why: string;
}

/**
 * local: what this node has, which is committed, perhaps old, and never older than what it showed before.
 * latest: all that was committed before the question; one round to the in-sync copies.
 */
export type ReadHow = "local" | "latest";

/** One state of the database, until it is closed. Its client's death closes it. */
export interface CommitSnapshotHost {
  /** The state: after this transaction. */
  readonly dbseq: bigint;
  /** Values in the order of the keys. Refused "limit" when too much has changed since: take a new one. */
  read(keys: readonly Key[]): CommitRead;
  /**
   * Records whose keys begin so, in an order that says nothing; `visit` answers false to stop, and
   * may take its time: nothing is read meanwhile. Resolves to how many.
   */
  list(
    prefix: Key,
    visit: (
      record: CommitValue & { readonly value: Uint8Array },
    ) => boolean | void | Promise<boolean | void>,
  ): Promise<{ readonly ok: true; readonly count: number } | CommitRefusal>;
  /** Idempotent. */
  close(): void;
}

/** Where a copy is, as this node knows it. */
export interface CommitCopyLook {
  readonly pnn: Pnn;
  readonly role: "primary" | "in_sync" | "copy" | "follower";
}

/**
 * What is wrong with a copy. stopped: it does not run in this life; damaged: the end of its log is; too_few: in-sync
 * copies that answer.
 */
export type CommitCause =
  | "stopped"
  | "not_begun"
  | "full"
  | "damaged"
  | "catching_up"
  | "too_few";

/** A persistent or replicated database as it is at this node. */
export interface CommitLook {
  readonly kind: "persistent" | "replicated";
  /** Copies wanted, and in-sync copies that a commit needs; 0: nobody has begun. */
  readonly k: number;
  readonly m: number;
  readonly primary: Pnn | undefined;
  readonly term: bigint;
  readonly lineage: bigint;
  readonly copies: readonly CommitCopyLook[];
  /** What this node is of it. */
  readonly own: "primary" | "in_sync" | "copy" | "follower" | "closed";
  /** Of a primary; undefined: it is none. */
  readonly serving: "starting" | "serving" | "readonly" | undefined;
  /** The last transaction in the file, the last entry of the log, and the last that is known as committed. */
  readonly dbseq: bigint;
  readonly lastSeq: bigint;
  readonly commitKnown: bigint;
  readonly appliedSeq: bigint;
  readonly logBytes: number;
  readonly fileBytes: number;
  /** Its log's end is damaged, it waits for others, it is broken: in words; undefined: all is well. */
  readonly trouble: string | undefined;
  /** The same as a word. */
  readonly cause: CommitCause | undefined;
  /** Where the leader is: what it waits for before somebody can lead it; undefined: for nothing. */
  readonly waits?: string;
  /** The cluster was led on by force, and nobody has decided what becomes of it. */
  readonly isUnsure: boolean;
  /** A whole database, or file, that is being taken over from another node; absent: none is. */
  readonly sync?: SyncLook;
  /** How its files are, and what was done about them. */
  readonly files: HealthLook;
  /** Transactions that wait here. */
  readonly waiting: number;
  /** Transactions of this node's programs by their end, since it is here. */
  readonly counts: {
    readonly committed: number;
    readonly aborted: number;
    readonly unknown: number;
  };
}

/** Where a program's transactions go. */
export interface CommitOps {
  /**
   * Executes a transaction, once. `client`: of DataHost.newClient(). `onName` hears the name before anything is sent:
   * who loses this node then still can ask. One that only reads is a read of one moment: what was read is still so. The
   * end comes by the deadline. Throws CtdbxError "limit" (a key, a value or the whole is too long), "state" (a key
   * twice, nothing to do).
   */
  transact(
    client: number,
    wish: TxnWish,
    deadlineMs: number,
    onName?: (name: TxnName) => void,
  ): Promise<TxnEnd>;
  /** What became of a transaction; with `finalize` one that was not executed never is. */
  fate(name: TxnName, finalize: boolean, deadlineMs: number): Promise<TxnFate>;
  /** Values in the order of the keys. Throws "limit". */
  read(keys: readonly Key[], how: ReadHow, deadlineMs: number): Promise<CommitRead>;
  /** One state to be read. At most SNAPSHOTS_MAX are open in a database. */
  snapshot(
    client: number,
    how: ReadHow,
    deadlineMs: number,
  ): Promise<{ readonly ok: true; readonly snapshot: CommitSnapshotHost } | CommitRefusal>;
  /** The number of the last transaction: a read of nothing. */
  seqnum(how: ReadHow, deadlineMs: number): Promise<CommitRead>;
  look(): CommitLook;
}

/** Snapshots that are open in one database at one node. */
export const SNAPSHOTS_MAX = 64;
/** Keys of one read. */
export const READ_KEYS_MAX = 65_536;
