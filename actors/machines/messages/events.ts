/**
 * What the message machine hears, and what it wants done.
 *
 *   life, peers, program, leave, register, unregister, send, took, data, message, count, turn, again,
 *   wake
 *   -> publish, tell, deliver, answer, turn
 *
 * A stream is what one program sends to another: from one life of its node to one life of the other's. What a program
 * gets, in order: messages, each once; `gap` where some are missing; `life` where a stream ends with a life of a node.
 *
 * Does NOT promise: order between different senders.
 */
import type { ErrorCode } from "../../../transport/wire/errors.ts";
import type { ProgramMessage } from "../../../transport/wire/messages/registry.ts";
import type {
  ProgramEntry,
  ProgramPublication,
  ProgramReceiver,
} from "../../../transport/wire/program_layout.ts";
import type { Incarnation, NodeId, Pnn } from "../../../transport/wire/terms.ts";

/** A node that is there, this one or another. */
export interface PeerNode {
  readonly nodeId: NodeId;
  readonly pnn: Pnn;
  /** Its newest life that was heard of. */
  readonly incarnation: Incarnation;
  /** Is it in the view? */
  readonly isMember: boolean;
}

/** Who sent: a program's number is given once in a life of its node. 0: several, not named. */
export interface ProgramSender {
  readonly nodeId: NodeId;
  readonly pnn: Pnn;
  readonly incarnation: Incarnation;
  readonly program: number;
}

/** What a program gets. */
export type ProgramItem =
  /** `data` may lie in a buffer that holds more: who keeps them copies. Nobody may change them. */
  | {
    readonly type: "message";
    readonly from: ProgramSender;
    readonly srvid: bigint;
    readonly data: Uint8Array;
  }
  /** Here `count` messages of that sender and srvid are missing, at most: some may be of before the registration. */
  | {
    readonly type: "gap";
    readonly from: ProgramSender;
    /** Undefined: not known which. */
    readonly srvid: bigint | undefined;
    readonly count: number;
  }
  /**
   * All lives of a node before this one have ended, and all streams from them: what has not come does not come. If it
   * is the program's own node, all streams from other nodes have ended, and begin anew.
   */
  | {
    readonly type: "life";
    readonly nodeId: NodeId;
    readonly pnn: Pnn;
    readonly before: Incarnation;
  }
  /** The program did not read: all its registrations have ended here. */
  | { readonly type: "ended"; readonly code: "slow" };

/** Bytes that an item counts for, beside its data. */
export const ITEM_SIZE = 64;

/** Bytes that an item counts for while the program has not taken it. */
export function itemBytes(item: ProgramItem): number {
  return item.type === "message" ? ITEM_SIZE + item.data.length : ITEM_SIZE;
}

/** To whom a program sends: a node, all nodes that there are, those in the view. The own node is one of them. */
export type SendTo = NodeId | "all" | "connected";

/** What is asked of a table of programs: all that is given must hold. */
export interface ProgramLook {
  readonly pid?: number;
  readonly uniqueId?: bigint;
  readonly srvid?: bigint;
}

/** A program sends. */
export interface SendEvent {
  readonly type: "send";
  /** 0 or below: only a refusal is answered. */
  readonly askId: number;
  readonly program: number;
  readonly to: SendTo;
  readonly srvid: bigint;
  /** Nobody changes them any more. */
  readonly data: Uint8Array;
}

/** Everything the machine hears. */
export type MessageEvent =
  /** This node has begun a life: its first, or another one because the view had lost it. Programs stay. */
  | { readonly type: "life"; readonly pnn: Pnn; readonly incarnation: Incarnation }
  /**
   * All nodes that there are and that know of messages; this one may be among them. One that is missing has ended its
   * life: it comes back in a newer one only.
   */
  | { readonly type: "peers"; readonly peers: readonly PeerNode[] }
  /** A program has come. Its number is not used again in this life. */
  | {
    readonly type: "program";
    readonly program: number;
    readonly pid: number;
    readonly uniqueId: bigint;
  }
  | { readonly type: "leave"; readonly program: number }
  | {
    readonly type: "register";
    readonly askId: number;
    readonly program: number;
    readonly srvid: bigint;
  }
  | {
    readonly type: "unregister";
    readonly askId: number;
    readonly program: number;
    readonly srvid: bigint;
  }
  | SendEvent
  /** A program has taken so many items, of so many bytes together (itemBytes). */
  | {
    readonly type: "took";
    readonly program: number;
    readonly count: number;
    readonly bytes: number;
  }
  /** A publication that names this node. */
  | { readonly type: "data"; readonly publication: ProgramPublication }
  | { readonly type: "message"; readonly from: NodeId; readonly message: ProgramMessage }
  /** How many programs are such: on a node, or on which nodes how many. */
  | {
    readonly type: "count";
    readonly askId: number;
    readonly at: NodeId | "all";
    readonly look: ProgramLook;
    readonly limitMs: number;
  }
  /** The turn of the event loop in which "turn" was wanted is over. */
  | { readonly type: "turn" }
  /** The bus is there again, after it was not: what was published meanwhile is lost. */
  | { readonly type: "again" }
  | { readonly type: "wake" };

/** What came of a program's wish. */
export type MessageAnswer =
  /** Accepted for `nodes` nodes on which somebody may listen; for `full` others it is told as a gap. */
  | { readonly type: "sent"; readonly nodes: number; readonly full: number }
  /** From now on everything comes; but from the nodes `unheard`, which have not answered, only soon. */
  | { readonly type: "registered"; readonly unheard: readonly NodeId[] }
  | { readonly type: "unregistered" }
  | {
    readonly type: "counted";
    readonly counts: readonly { readonly nodeId: NodeId; readonly count: number }[];
    /** Nodes that did not answer in time. */
    readonly unheard: readonly NodeId[];
  }
  | { readonly type: "refused"; readonly code: ErrorCode; readonly text: string };

/** Everything the machine wants. */
export type MessageEffect =
  /** One publication: on the mail of the only receiver, `to`, or to all nodes when it is undefined. */
  | {
    readonly type: "publish";
    readonly to: NodeId | undefined;
    /** The life in which this is said. */
    readonly incarnation: Incarnation;
    readonly receivers: readonly ProgramReceiver[];
    readonly entries: readonly ProgramEntry[];
  }
  | { readonly type: "tell"; readonly to: NodeId | "all"; readonly message: ProgramMessage }
  | {
    readonly type: "deliver";
    readonly program: number;
    readonly items: readonly ProgramItem[];
  }
  | { readonly type: "answer"; readonly askId: number; readonly answer: MessageAnswer }
  /** Wants a "turn" when this turn of the event loop is over. */
  | { readonly type: "turn" };
