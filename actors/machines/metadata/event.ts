/**
 * What the metadata machine hears, and what it wants done.
 *
 *   start -> reserve -> reserved        interest -> load -> loaded        changes -> save -> saved
 *   members, message, write, read, gap, wake, stop
 *   -> publish, send, answer, changed, report, fault, forget
 *
 * Does NOT promise: anything about order of completion, but that load, save and forget of one scope are done in the
 * order in which they were wanted.
 */
import type { ErrorCode } from "../../../transport/wire/errors.ts";
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import type { MetadataMessage } from "./message.ts";
import type { Scope } from "./record.ts";

/** Who is interested in a scope. */
export interface Interested {
  readonly nodeId: NodeId;
  /**
   * Another one each time that the node comes to the scope, below 2^96: its pnn (never given twice), with the version
   * in which it attached a database, or the token of a leader that is there as leader only.
   */
  readonly epoch: bigint;
}

/** What the file of a scope holds. */
export interface StoredScope {
  readonly epoch: bigint;
  /** Does it lack nothing up to the floor? */
  readonly isWhole: boolean;
  readonly floor: bigint;
  readonly records: readonly MetaRecord[];
}

/** Somebody on this node writes. Answered with "written" or a code. */
export interface WriteEvent {
  readonly type: "write";
  /** 0: nobody waits for the answer. */
  readonly askId: number;
  readonly scope: Scope;
  readonly key: string;
  /** Null deletes. */
  readonly value: string | null;
  readonly by: string;
  readonly wallMs: number;
  /** May it wait, up to slowMs, for more of its kind? Always so in scope c. */
  readonly isSlow?: boolean;
}

/** Somebody on this node reads a scope. Answered with "read" or a code. */
export interface ReadEvent {
  readonly type: "read";
  readonly askId: number;
  readonly scope: Scope;
  /** Only keys that begin so; "": all. */
  readonly prefix: string;
  /** Whom to ask when this node does not have the scope; the leader when absent. */
  readonly at?: NodeId;
}

/** Everything the machine hears. */
export type MetadataEvent =
  | { readonly type: "start" }
  | { readonly type: "wake" }
  /** Who is in the view, and who leads. */
  | {
    readonly type: "members";
    readonly present: readonly NodeId[];
    readonly leader: NodeId | undefined;
  }
  /**
   * Who is interested in a scope, by the document: present or not, this node and the leader included. Without this node
   * in it, the scope is dropped. `isKept`: in a file; otherwise it is had anew from others each time.
   */
  | {
    readonly type: "interest";
    readonly scope: Scope;
    readonly interested: readonly Interested[];
    readonly isKept: boolean;
  }
  /** The file of a scope; undefined: there is none, or it cannot be used. */
  | {
    readonly type: "loaded";
    readonly scope: Scope;
    readonly epoch: bigint;
    readonly stored: StoredScope | undefined;
  }
  | { readonly type: "saved"; readonly scope: Scope; readonly save: number; readonly ok: boolean }
  | { readonly type: "reserved"; readonly upTo: bigint; readonly ok: boolean }
  | WriteEvent
  | ReadEvent
  /** `stamp`: the sender's Lamport clock, from the envelope. */
  | {
    readonly type: "message";
    readonly from: NodeId;
    readonly stamp: bigint;
    readonly message: MetadataMessage;
  }
  /** Messages may have been lost: a subscription was cut. */
  | { readonly type: "gap" }
  /** The node ends in order: what waits is sent and saved. */
  | { readonly type: "stop" };

/** The outcome of a write or read of this node. */
export type MetadataAnswer =
  | { readonly type: "written"; readonly c: bigint }
  | { readonly type: "read"; readonly records: readonly MetaRecord[] }
  | { readonly type: "refused"; readonly code: ErrorCode; readonly text: string };

/** Something that people should see. */
export type MetadataReport =
  | { readonly about: "skew"; readonly from: NodeId; readonly c: bigint; readonly lamport: bigint }
  | {
    readonly about: "tombstones";
    readonly scope: Scope;
    readonly count: number;
    /** Who did not answer the last round. */
    readonly absent: readonly NodeId[];
  }
  | { readonly about: "unsaved"; readonly scope: Scope }
  | { readonly about: "full"; readonly scope: Scope };

/** A scope's changes, to be put into its file in one transaction. */
export interface SaveEffect {
  readonly type: "save";
  readonly scope: Scope;
  /** Comes back in "saved". */
  readonly save: number;
  readonly epoch: bigint;
  readonly isWhole: boolean;
  readonly floor: bigint;
  /** What the file holds is to go first. */
  readonly wipe: boolean;
  readonly put: readonly MetaRecord[];
  readonly drop: readonly string[];
}

/** Everything the machine wants. */
export type MetadataEffect =
  /** To all who are interested in the scope, in one publication. */
  | { readonly type: "publish"; readonly scope: Scope; readonly message: MetadataMessage }
  | { readonly type: "send"; readonly to: NodeId; readonly message: MetadataMessage }
  /** Make durable: this node's Lamport clock starts there the next time. */
  | { readonly type: "reserve"; readonly upTo: bigint }
  | { readonly type: "load"; readonly scope: Scope; readonly epoch: bigint }
  | SaveEffect
  /** The file of a scope is to go. */
  | { readonly type: "forget"; readonly scope: Scope }
  /** For who watches on this node. */
  | { readonly type: "changed"; readonly scope: Scope; readonly record: MetaRecord }
  | { readonly type: "answer"; readonly askId: number; readonly answer: MetadataAnswer }
  | { readonly type: "report"; readonly report: MetadataReport }
  /** A production assert failed: stop the node. */
  | { readonly type: "fault"; readonly assert: "V9"; readonly text: string };
