/**
 * What goes into the cluster machine and what comes out, as data.
 *
 *   start, message, persisted, fenced, lock, bus, health, left, lost, command, wake ──▶ step ──▶ effects, wakeMs
 *
 * Effects are to be done in their order. What takes time is answered by an event with the same id, so "written before
 * sent" can be seen here: `persist` is answered by `persisted`, `fence` by `fenced`, `lock` by `lock`.
 *
 * Does NOT promise: one event for each effect; a node that dies answers nothing, and the next life starts anew.
 */
import type {
  Accept,
  Accepted,
  Dead,
  Digest,
  Health,
  Heartbeat,
  Left,
  Nack,
  Prepare,
  Probe,
  ProbeAck,
  Promise_,
  ViewAsk,
  ViewMessage,
} from "../../../transport/wire/messages/cluster.ts";
import type { ForceEvent } from "./force.ts";
import type { LockRecord, LockSeen } from "../../../transport/leader_lock.ts";
import type { Document } from "../../../transport/wire/messages/document.ts";
import type {
  LeaderAnswer,
  LeaderAsk,
  LeaderCommand,
  Outcome,
} from "../../../transport/wire/messages/leader.ts";
import type {
  Generation,
  Incarnation,
  NodeId,
  Token,
  Version,
} from "../../../transport/wire/terms.ts";

/** Every message that a cluster machine takes. */
export type ClusterMessage =
  | Probe
  | ProbeAck
  | Prepare
  | Promise_
  | Nack
  | Accept
  | Accepted
  | Digest
  | Heartbeat
  | ViewAsk
  | ViewMessage
  | Dead
  | LeaderAsk
  | LeaderAnswer;

/** What a node keeps on its disk; it is written whole. */
export interface Durable {
  readonly diskId: string;
  /** No lower token gets anything. */
  readonly promised: Token;
  /** The newest document that was accepted; genesis at first; undefined on a node that joins. */
  readonly accepted: Document | undefined;
  /**
   * The present life, or the last one before the start. On a new disk it starts at the seconds of the wall clock times
   * 2^20, above all that a former disk of this node gave. Were that clock wrong, the node would not be heard for a
   * while; nothing is decided by it.
   */
  readonly incarnation: Incarnation;
}

/** How an operation on the register ended. Unknown: it may have been applied, or may be yet. */
export type LockResult =
  | LockSeen
  | { readonly kind: "ok"; readonly revision: number }
  | { readonly kind: "refused" }
  | { readonly kind: "unknown" };

/** What may happen to a cluster machine. */
export type ClusterEvent =
  /** The node starts; nothing else comes before. */
  | { readonly kind: "start"; readonly durable: Durable }
  /** `protocol`: the sender's version, as the envelope says; absent: the own one. */
  | {
    readonly kind: "message";
    readonly from: NodeId;
    readonly message: ClusterMessage;
    readonly protocol?: number;
  }
  /** The write with this id is on disk; or it failed, and the disk has what it had. */
  | {
    readonly kind: "persisted";
    readonly id: number;
    readonly isOk: boolean;
    readonly why?: string;
  }
  /** All lives before this one are fenced. */
  | { readonly kind: "fenced"; readonly incarnation: Incarnation }
  /** The result of an operation; without id a notice that came unasked. */
  | { readonly kind: "lock"; readonly id?: number; readonly result: LockResult }
  | { readonly kind: "bus"; readonly isUp: boolean }
  | { readonly kind: "health"; readonly health: Pick<Health, "healthy" | "why"> }
  /** An operator asks this node; answered by an `answer` effect with the same verbId. */
  | { readonly kind: "command"; readonly verbId: string; readonly command: LeaderCommand }
  | { readonly kind: "wake" }
  /** Something beside the protocol that people are to find in the history. */
  | { readonly kind: "noted"; readonly what: "damaged" | "mended"; readonly why: string }
  | ForceEvent
  /** What the homes of this node know to be at nodes that go. */
  | { readonly kind: "left"; readonly left: Left }
  /** What serves volatile databases here has died: what it knew is lost, and with it this life. */
  | { readonly kind: "lost"; readonly why: string }
  /** The node is to stop: it hands over what it can. */
  | { readonly kind: "stop" };

/** The state page, as client programs map it. Serving ends at `leaseEndMs` of the node's clock; 0: not at all. */
export interface Page {
  readonly incarnation: Incarnation;
  readonly generation: Generation;
  readonly leaseEndMs: number;
}

/** What happened, for the history and for monitors. */
export type Happening =
  | { readonly what: "suspect"; readonly why: string }
  | { readonly what: "chosen"; readonly token: Token; readonly why: string }
  | { readonly what: "proposed"; readonly doc: Document; readonly why: string }
  | { readonly what: "effective"; readonly doc: Document }
  | { readonly what: "stepped down"; readonly token: Token; readonly why: string }
  | { readonly what: "adopted"; readonly doc: Document }
  | { readonly what: "frozen"; readonly generation: Generation }
  | { readonly what: "new life"; readonly incarnation: Incarnation; readonly why: string }
  | { readonly what: "fenced"; readonly incarnation: Incarnation }
  | { readonly what: "called dead"; readonly nodeId: NodeId; readonly why: string }
  | { readonly what: "certain death"; readonly nodeId: NodeId; readonly incarnation: Incarnation }
  | { readonly what: "blamed"; readonly nodeId: NodeId; readonly why: string }
  | { readonly what: "breach"; readonly nodeId: NodeId; readonly why: string }
  | { readonly what: "disk"; readonly why: string }
  /** Of a file of a database: what was found, what was done. */
  | { readonly what: "damaged" | "mended"; readonly why: string }
  /** The cluster is led on without most of its voters. */
  | { readonly what: "forced"; readonly why: string };

/** What the machine wants done. */
export type ClusterEffect =
  | { readonly kind: "send"; readonly to: readonly NodeId[]; readonly message: ClusterMessage }
  | { readonly kind: "persist"; readonly id: number; readonly durable: Durable }
  /** End the pages of all lives before this one and fence their clients; then `fenced`. */
  | { readonly kind: "fence"; readonly incarnation: Incarnation }
  | {
    readonly kind: "lock";
    readonly id: number;
    readonly op: "look" | "acquire" | "renew" | "release";
    /** Compare-and-set against this revision; 0: the register is empty. */
    readonly revision: number;
    readonly record: LockRecord | undefined;
  }
  /** A document is in force here from now on. It comes before the page of its generation. */
  | { readonly kind: "adopted"; readonly doc: Document }
  | { readonly kind: "page"; readonly page: Page }
  | { readonly kind: "happened"; readonly happening: Happening }
  | {
    readonly kind: "answer";
    readonly verbId: string;
    readonly outcome: Outcome;
    readonly text: string;
  }
  /** An assert failed, or the node was told to stop and is done: it takes no more events. */
  | {
    readonly kind: "stop";
    readonly why: string;
    readonly isFault: boolean;
    /** It has left the cluster for good: it must not start again. The document without it. */
    readonly left?: Version;
  };
