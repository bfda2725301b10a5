/**
 * What goes into the commit machine and what comes out, as data.
 *
 *   opened, config, message, written, applied, checkpointed, fetched, caught_up, installed, space,
 *   transaction, status, read, client_gone, wake ──▶ step ──▶ effects
 *
 * Effects are to be done in their order. Those on storage end in an event; they carry the epoch of the log, which rises
 * when the log is begun anew: an end of an older epoch is not heard.
 *
 *   write ──▶ written      apply ──▶ applied      checkpoint ──▶ checkpointed      fetch ──▶ fetched
 *   catch_up ──▶ caught_up (on the disk beside the file, whole) ──▶ install ──▶ installed, or discard
 *
 * Does NOT promise: one effect for each event.
 */
import type { CommitWrite, Entry } from "../../../transport/wire/commit/entry.ts";
import type { Reach } from "../../../transport/wire/commit/reach.ts";
import type { AbortCode, CommitMessage, TxnRead } from "../../../transport/wire/messages/commit.ts";
import type { Member } from "../../../transport/wire/messages/document.ts";
import type { NodeId, Pnn, Token } from "../../../transport/wire/terms.ts";
import type { CommitConfig } from "./config.ts";
import type { Place } from "./log.ts";
import type { SessionsSnapshot } from "./sessions.ts";

/** A transaction's name, for ever. */
export interface Txid {
  readonly sid: bigint;
  /** u32, from 1. */
  readonly n: number;
}

/** What the storage of this node has. All of it is on the disk: who opens it has synced. */
export interface Opened {
  readonly nodeId: NodeId;
  readonly pnn: Pnn;
  readonly incarnation: bigint;
  /** Of the disk; of a replicated database the incarnation. */
  readonly id: string;
  /** 0: nothing is here. */
  readonly lineage: bigint;
  readonly highTerm: bigint;
  /** The file has all up to here, wholly. */
  readonly applied: Place;
  readonly sessions: SessionsSnapshot;
  /** The log behind it. */
  readonly entries: readonly Entry[];
  /** The first entry of the log; one behind the last where it is empty. */
  readonly first: bigint;
  /** So far the log was on the disk once, as something proves. Farther than its last entry: the end is damaged. */
  readonly proven: Reach;
  /** As the last write that said so. A disk on which nothing is begins so. */
  readonly isFresh: boolean;
}

/** A transaction that a client wants. */
export interface Wish {
  readonly reads: readonly TxnRead[];
  readonly writes: readonly CommitWrite[];
}

/** What may happen to a commit machine. */
export type CommitEvent =
  | { readonly kind: "opened"; readonly disk: Opened }
  | {
    readonly kind: "config";
    /** Of the effective document. */
    readonly config: CommitConfig;
    readonly leader: { readonly pnn: Pnn; readonly token: Token } | undefined;
    /** Lives in the view. */
    readonly members: readonly Member[];
  }
  | { readonly kind: "message"; readonly from: Member; readonly message: CommitMessage }
  | { readonly kind: "written"; readonly epoch: number; readonly id: number }
  | {
    readonly kind: "applied";
    readonly epoch: number;
    readonly seq: bigint;
    readonly dbseq: bigint;
  }
  | { readonly kind: "checkpointed"; readonly epoch: number; readonly seq: bigint }
  /** Entries from a seq on; none: the log begins later now. */
  | {
    readonly kind: "fetched";
    readonly epoch: number;
    readonly from: bigint;
    readonly entries: readonly Entry[];
  }
  /** Undefined: it did not work out. */
  | { readonly kind: "caught_up"; readonly epoch: number; readonly copy: CaughtUp | undefined }
  | { readonly kind: "installed"; readonly epoch: number }
  /** The log may, or may not, grow. */
  | { readonly kind: "space"; readonly isFull: boolean }
  | {
    readonly kind: "transaction";
    readonly id: number;
    readonly client: number;
    readonly wish: Wish;
    readonly deadlineMs: number;
    /** It was asked for before, under this name. */
    readonly again?: Txid;
    /** The history that it was made in; missing: the present one. */
    readonly lineage?: bigint;
  }
  | {
    readonly kind: "status";
    readonly id: number;
    readonly txid: Txid;
    readonly finalize: boolean;
    readonly deadlineMs: number;
  }
  /** What is committed now is to be here: `readable`, then. */
  | { readonly kind: "read"; readonly id: number; readonly deadlineMs: number }
  | { readonly kind: "client_gone"; readonly client: number }
  | { readonly kind: "wake" };

/** A copy of the file of another node. */
export interface CaughtUp {
  readonly lineage: bigint;
  readonly place: Place;
  readonly sessions: SessionsSnapshot;
}

/** How a transaction ended, as its client is told. */
export type TxnOutcome =
  /** `isBehind`: the own copy does not have it yet. */
  | {
    readonly outcome: "committed";
    readonly seq: bigint;
    readonly dbseq: bigint;
    readonly isBehind: boolean;
  }
  | {
    readonly outcome: "aborted";
    readonly code: AbortCode;
    readonly why: string;
    /** On which key it failed, if it is one. */
    readonly key?: string;
  }
  | { readonly outcome: "unknown"; readonly why: string };

/** What a client that asked for the status of a transaction is told. */
export type TxnStatus =
  | { readonly state: "committed"; readonly seq: bigint; readonly dbseq: bigint }
  | {
    readonly state: "aborted" | "in_progress" | "not_executed" | "forgotten" | "session_expired";
  }
  | { readonly state: "timeout" };

/** What the machine wants done. */
export type CommitEffect =
  | { readonly kind: "send"; readonly to: Pnn; readonly message: CommitMessage }
  /** In this order: cut, append, sync; `highTerm` and `lineage` are on the disk with it. */
  | {
    readonly kind: "write";
    readonly epoch: number;
    readonly id: number;
    /** All after this entry go. */
    readonly cut?: bigint;
    readonly entries: readonly Entry[];
    readonly highTerm?: bigint;
    readonly lineage?: bigint;
    /** Less is here than this node has shown once; or that is over. */
    readonly isFresh?: boolean;
  }
  | { readonly kind: "apply"; readonly epoch: number; readonly entries: readonly Entry[] }
  | {
    readonly kind: "checkpoint";
    readonly epoch: number;
    readonly seq: bigint;
    readonly sessions: SessionsSnapshot;
  }
  /** Entries below this one may go from the disk. */
  | { readonly kind: "trim"; readonly epoch: number; readonly below: bigint }
  | {
    readonly kind: "fetch";
    readonly epoch: number;
    readonly from: bigint;
    readonly bytesMax: number;
  }
  | {
    readonly kind: "catch_up";
    readonly epoch: number;
    readonly from: Pnn;
    readonly lineage: bigint;
    readonly above: bigint;
  }
  | { readonly kind: "install"; readonly epoch: number }
  | { readonly kind: "discard"; readonly epoch: number }
  /** Everything goes; what no other has, above `fork`, is kept aside for people. `epoch`: the new one. */
  | {
    readonly kind: "reset";
    readonly epoch: number;
    readonly lineage: bigint;
    readonly fork: bigint;
  }
  /** What is here lacks acknowledged entries, and nobody can add to it: it is put aside for another disk. */
  | { readonly kind: "put_aside"; readonly why: string }
  | {
    readonly kind: "answer";
    readonly id: number;
    /** Missing: it never had a number. */
    readonly txid?: Txid;
    readonly result: TxnOutcome;
  }
  | {
    readonly kind: "told";
    readonly id: number;
    readonly status: TxnStatus;
  }
  /** Undefined: not in time. Otherwise all up to this entry is applied. */
  | { readonly kind: "readable"; readonly id: number; readonly seq: bigint | undefined }
  /** An assert of section 10 failed; the machine does nothing any more. */
  | { readonly kind: "breach"; readonly number: string; readonly why: string };

/** What a node tells the leader in its heartbeats. */
export interface Hello {
  readonly id: string;
  readonly lineage: bigint;
  readonly lastSeq: bigint;
  readonly lastTerm: bigint;
  readonly lastChain: bigint;
  readonly isDamaged: boolean;
  readonly applied: bigint;
  readonly commitKnown: bigint;
  /** Does its log have room? */
  readonly isFull: boolean;
}
