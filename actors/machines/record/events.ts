/**
 * What goes into the record machine and what comes out, as data.
 *
 *   life, adopted, page, messages, op, unlock, ran, done, cancel, traverse, more, watching, wake ──▶ step ──▶ effects
 *
 * Effects are to be done in their order. An `answer` with a lease end is the caller's to check once more: it is given
 * to the client only if the clock, read after the step, is before it. Otherwise a write is `unknown`, a read is done
 * again.
 *
 * Does NOT promise: one effect for each event.
 */
import type { Document, Member } from "../../../transport/wire/messages/document.ts";
import type { RecordMessage } from "../../../transport/wire/messages/record.ts";
import type { Tid } from "../../../transport/wire/messages/record_parts.ts";
import type { Generation, Incarnation, Pnn, Rsn } from "../../../transport/wire/terms.ts";
import type { Key } from "./copy.ts";

/** How an operation ended. Failed: certainly not executed. Unknown: it may have been executed once, or not at all. */
export type OpOutcome = "ok" | "failed" | "unknown";

/**
 * Why an operation was not done, or may not have been.
 *
 *   timeout       its time was over               cancelled   its client took it back, or died
 *   refused       the procedure itself said no    unsupported there is no such procedure
 *   limit         the value or result is too long no_space    there is no room for the value
 *   state         the node drains, or its life, its lease, or the record's life ended
 */
export type OpCode =
  | "timeout"
  | "cancelled"
  | "refused"
  | "unsupported"
  | "limit"
  | "no_space"
  | "state";

/** Why an operation was not done. */
export interface Reason {
  readonly code: OpCode;
  readonly why: string;
}

/** How a lock is given back: with this value, or as it was; with a reason, the value was not taken. */
export interface Unlock {
  readonly data: Uint8Array | undefined;
  readonly refusal?: Reason;
}

/** Which state of a record an operation saw or made: the owner's transfer and the number after it. */
export interface At {
  readonly tid: Tid;
  readonly rsn: Rsn;
}

/** What a client of this node wants of a record. */
export type OpWish =
  /** Its value. */
  | { readonly what: "read" }
  /** A procedure, run where it is best. */
  | { readonly what: "call"; readonly procedure: string; readonly args: Uint8Array }
  /** The record locked for a client that does not map the file: `locked`, until `unlock`. */
  | { readonly what: "lock" }
  /** The record here, for a client that maps the file: `ready`, and then it takes the chain mutex itself. */
  | { readonly what: "ready"; readonly mode: "read" | "write" };

/** An operation of a client of this node. */
export interface Op {
  /** Never used again in this life. */
  readonly id: number;
  /** Whose; its death ends all that it holds. */
  readonly client: number;
  readonly key: Key;
  /** By the node's clock; the operation ends then at the latest. */
  readonly deadlineMs: number;
  readonly wish: OpWish;
}

/** What may happen to a record machine. */
export type RecordEvent =
  /** A new life of the node, with empty files: all that was is forgotten. */
  | { readonly kind: "life"; readonly incarnation: Incarnation }
  /** A document of another generation is adopted. The page gets its lease end after this. */
  | { readonly kind: "adopted"; readonly doc: Document }
  /** The lease end in the page, by the node's clock; 0: frozen, or no lease. */
  | { readonly kind: "page"; readonly leaseEndMs: number }
  | {
    readonly kind: "messages";
    readonly from: Member;
    /** Which life of this node it is for. */
    readonly to: Member;
    readonly generation: Generation;
    readonly messages: readonly RecordMessage[];
  }
  | { readonly kind: "op"; readonly op: Op }
  /** The client gives its lock back, with a new value or without. */
  | { readonly kind: "unlock"; readonly id: number; readonly data?: Uint8Array }
  /** A program has run what it was told to `run`: the new value (absent: it stays) and a result, or it refused. */
  | {
    readonly kind: "ran";
    readonly id: number;
    readonly ok: true;
    readonly data?: Uint8Array;
    readonly result?: Uint8Array;
  }
  | { readonly kind: "ran"; readonly id: number; readonly ok: false; readonly why: string }
  /** A client that maps the file has done what it was told is ready. */
  | { readonly kind: "done"; readonly id: number }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "client_died"; readonly client: number }
  /** A client that maps the file has emptied a record. */
  | { readonly kind: "emptied"; readonly key: Key }
  | {
    readonly kind: "traverse";
    readonly id: number;
    readonly client: number;
    readonly prefix: Key;
    readonly isCount: boolean;
    /** Records that may be told before `more`. */
    readonly credit: number;
    readonly deadlineMs: number;
  }
  /** The client takes more records of a traverse. */
  | { readonly kind: "more"; readonly id: number; readonly credit: number }
  /** All that is empty is given back now, as far as nobody wants it. */
  | { readonly kind: "vacuum" }
  /**
   * Somebody watches a key, or all keys that begin so, from now on: `isWatched` says so already. What is owned here of
   * them is told once, as it is.
   */
  | { readonly kind: "watching"; readonly key: Key }
  | { readonly kind: "watching"; readonly prefix: Key }
  | { readonly kind: "wake" };

/** What the machine wants done. */
export type RecordEffect =
  | {
    readonly kind: "send";
    readonly to: Member;
    readonly generation: Generation;
    readonly messages: readonly RecordMessage[];
  }
  | {
    readonly kind: "answer";
    readonly id: number;
    readonly outcome: OpOutcome;
    /** When it is not ok. */
    readonly code?: OpCode;
    readonly why?: string;
    /** The value of a read; the result of a call. */
    readonly result?: Uint8Array;
    readonly at?: At;
    readonly leaseEndMs?: number;
  }
  | { readonly kind: "ready"; readonly id: number }
  | {
    readonly kind: "locked";
    readonly id: number;
    readonly data: Uint8Array;
    readonly at: At;
    readonly leaseEndMs: number;
  }
  /** A program is to run a procedure that is its own; `ran` ends it. The record is held meanwhile. */
  | {
    readonly kind: "run";
    /** Never used again. */
    readonly id: number;
    readonly key: Key;
    readonly procedure: string;
    readonly data: Uint8Array;
    readonly args: Uint8Array;
    /** By the node's clock: what comes later is not heard. */
    readonly untilMs: number;
  }
  /** Nobody wants to know any more how a run ends. */
  | { readonly kind: "run_over"; readonly id: number }
  /**
   * A record that is watched has a new value, made here, or has come here. To be told when the clock, read after the
   * step, is before the lease end; otherwise kept until the page is valid again in this life, and dropped when it ends.
   */
  | {
    readonly kind: "wrote";
    readonly key: Key;
    /** Empty: deleted. */
    readonly data: Uint8Array;
    readonly at: At;
    readonly leaseEndMs: number;
  }
  /** Ask a node for its view, or tell it this one's. */
  | { readonly kind: "view_ask"; readonly to: Member }
  | { readonly kind: "view_tell"; readonly to: Member }
  /** An assert of section 15 failed; with a life: that broke the protocol and is to be banned. */
  | {
    readonly kind: "breach";
    readonly number: string;
    readonly why: string;
    readonly life?: Member;
  }
  | {
    readonly kind: "record";
    readonly id: number;
    readonly key: Key;
    readonly data: Uint8Array | undefined;
  }
  | {
    readonly kind: "traversed";
    readonly id: number;
    readonly outcome: OpOutcome;
    readonly count: number;
  };

/** Who this machine is. */
export interface Me {
  readonly pnn: Pnn;
  readonly incarnation: Incarnation;
}
