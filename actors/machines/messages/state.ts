/**
 * What the parts of the message machine share.
 *
 *   program ─ srvids        srvid ─ programs that have it
 *   peer    ─ outbound: batches not yet acknowledged, in order      inbound: the number that comes next
 *           ─ interest: what it has said of its srvids              told: what it was told of ours
 *
 * Does NOT promise: to be a value. The machine changes it in place and hands it to nobody.
 */
import type { ErrorCode } from "../../../transport/wire/errors.ts";
import type { ProgramEntry } from "../../../transport/wire/program_layout.ts";
import type { Incarnation, NodeId, Pnn } from "../../../transport/wire/terms.ts";
import type {
  MessageAnswer,
  MessageEffect,
  ProgramItem,
  ProgramLook,
  ProgramSender,
} from "./events.ts";
import type { MessageTiming } from "./tunables.ts";

/** A program of this node. */
export interface Program {
  readonly program: number;
  readonly pid: number;
  readonly uniqueId: bigint;
  readonly srvids: Set<bigint>;
  /** For the next "deliver". */
  items: ProgramItem[];
  /** Items, and their bytes, that it has not taken. */
  waiting: number;
  waitingBytes: number;
}

/** Entries that go together: to one peer, or to several that get the same. */
export interface Batch {
  readonly entries: ProgramEntry[];
  bytes: number;
  /** Was it not published yet? */
  isOpen: boolean;
  /** Whose it is, and its number for each. */
  readonly rows: readonly { readonly link: Outbound; readonly seq: number }[];
}

/** What is missing at the end of an outbound queue, until it can be said there. */
export interface Losses {
  /** By program and srvid. */
  readonly rows: Map<string, { readonly program: number; readonly srvid: bigint; count: number }>;
  /** What found no row. */
  any: number;
}

/** Messages to a life of a peer. */
export interface Outbound {
  readonly peer: Peer;
  /** The first has number acked + 1. */
  readonly queue: Batch[];
  acked: number;
  /** The last number published; after a loss it goes back. */
  sent: number;
  /** The highest that it was. */
  sentMax: number;
  /** Bytes of those published and not acknowledged. */
  flightBytes: number;
  /** Entries in the queue, and their bytes. */
  count: number;
  bytes: number;
  losses: Losses | undefined;
  resendDueMs: number;
  resendMs: number;
  /** No going back because of a complaint before this. */
  missedMs: number;
  /** The peer's life is over. */
  isOver: boolean;
}

/** Messages from a life of a peer. */
export interface Inbound {
  /** The number that comes next. */
  next: number;
  unacked: number;
  ackDueMs: number;
  /** No complaint before this. */
  missedMs: number;
  isMissing: boolean;
  partial: PartialMessage | undefined;
  readonly senders: Map<number, ProgramSender>;
}

/** A message of which the last parts are still to come; nothing else comes in between. */
export interface PartialMessage {
  readonly srvid: bigint;
  readonly program: number;
  readonly bytes: number;
  have: number;
  readonly parts: Uint8Array[];
}

/** What a peer was told of our srvids. */
export interface Told {
  sent: number;
  acked: number;
  dueMs: number;
  againMs: number;
  /** Since when it has not acknowledged what it was told. */
  openMs: number;
}

/** What a peer has said of its srvids. */
export interface PeerInterest {
  readonly version: number;
  readonly bits: Uint8Array;
  /** What was found in the bits, by srvid. */
  readonly found: Map<bigint, boolean>;
}

/** Another node in its newest life. */
export interface Peer {
  readonly nodeId: NodeId;
  readonly pnn: Pnn;
  readonly incarnation: Incarnation;
  isMember: boolean;
  outbound: Outbound | undefined;
  inbound: Inbound | undefined;
  interest: PeerInterest | undefined;
  told: Told | undefined;
}

/** The srvids of this node, as bits. */
export interface OwnInterest {
  version: number;
  /** What peers are told; a bit may be set that nobody has any more. */
  bits: Uint8Array;
  /** Srvids registered, by bit. */
  readonly counts: Uint32Array;
  /** In which version a bit was last set. */
  readonly since: Uint32Array;
  narrowDueMs: number;
}

/** A registration that is answered when all who were told know of it. */
export interface Registering {
  readonly askId: number;
  readonly program: number;
  readonly srvid: bigint;
  readonly version: number;
  readonly endMs: number;
}

/** A question to other nodes. */
export interface Ask {
  readonly ask: number;
  readonly askId: number;
  readonly at: NodeId | "all";
  readonly look: ProgramLook;
  readonly endMs: number;
  dueMs: number;
  /** Who has not answered. */
  readonly open: Set<NodeId>;
  readonly counts: { readonly nodeId: NodeId; readonly count: number }[];
}

/** What the machine counts, for status and tests. */
export interface MessageCounters {
  /** Messages of programs of this node; to how many nodes they went. */
  sent: number;
  copies: number;
  /** Messages handed to programs; one that goes to several is several. */
  delivered: number;
  /** Publications, those sent again, those that came twice or too early. */
  publications: number;
  again: number;
  twice: number;
  early: number;
  /** Messages that found a peer's queue full. */
  full: number;
  /** Registrations ended because a program did not read. */
  slow: number;
  /** What did not fit to what came before, or came from nobody known. */
  dropped: number;
}

/** All of it. */
export interface Core {
  readonly self: NodeId;
  readonly timing: MessageTiming;
  /** Bytes of entries in one publication. */
  readonly bodyMax: number;
  nowMs: number;
  /** Undefined until the first life begins. */
  own:
    | { readonly pnn: Pnn; readonly incarnation: Incarnation; readonly isMember: boolean }
    | undefined;
  readonly peers: Map<NodeId, Peer>;
  /** The last life of nodes that are none any more: such a life does not come back. */
  readonly ended: Map<NodeId, Incarnation>;
  readonly programs: Map<number, Program>;
  readonly srvids: Map<bigint, Set<Program>>;
  readonly interest: OwnInterest;
  registering: Registering[];
  readonly asks: Map<number, Ask>;
  nextAsk: number;
  /** Senders of this node, by program. */
  readonly senders: Map<number, ProgramSender>;
  /** Batches that this turn has begun, in order. */
  unsent: Batch[];
  /** Programs with items for the next "deliver". */
  readonly ready: Set<Program>;
  isTurnWanted: boolean;
  /** No due time is before this. */
  wakeMs: number;
  readonly counters: MessageCounters;
  out: MessageEffect[];
}

/** Answers a wish; askId 0 or below: nobody waits. */
export function answer(core: Core, askId: number, said: MessageAnswer): void {
  if (askId > 0) core.out.push({ type: "answer", askId, answer: said });
}

/** Refuses a wish; the host hears it even when nobody waits. */
export function refuse(core: Core, askId: number, code: ErrorCode, text: string): void {
  core.out.push({ type: "answer", askId, answer: { type: "refused", code, text } });
}

/** Something is due then. */
export function wakeBy(core: Core, dueMs: number): void {
  if (dueMs < core.wakeMs) core.wakeMs = dueMs;
}

/** Something is to be sent or delivered when this turn is over. */
export function wantTurn(core: Core): void {
  if (core.isTurnWanted) return;
  core.isTurnWanted = true;
  core.out.push({ type: "turn" });
}
