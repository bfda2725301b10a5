/**
 * Messages between programs as bytes: a fixed layout, little endian, written into one buffer that is used again.
 *
 *    0 u8 0x50 (no CBOR map begins so)   1 u8 layout 1    2 u16 entries    4 u32 receivers
 *    8 u32 bytes of all    12 u32 0
 *   16 cluster id (16)   32 sender's node id (16)   48 u64 sender's life
 *   56 receivers, 24 each:   u32 pnn   u32 0   u64 life   u64 number of the publication for it, 1 .. 2^53-1
 *      entries, 24 + size:   u64 srvid   u32 program   u32 value   u32 size   u8 kind   3 x 0   data
 *
 *   kind       value                   data
 *   1 whole    0                       all of a message
 *   2 first    bytes of the message    its first part
 *   3 more     where it belongs        another part
 *   4 last     where it belongs        the last part
 *   5 lost     how many                none: so many messages of this program and srvid are missing here
 *   6 lost any how many                none: so many, of programs and srvids that are not named (program 0, srvid 0)
 *
 * One form only: whatever is taken would be written with exactly the same bytes.
 *
 * Does NOT promise: sense. That parts fit together, numbers rise and lives are alive, the machine judges.
 */

import { Bigints } from "./bigints.ts";
import { refusal } from "./envelope.ts";
import type { Refusal } from "./envelope.ts";
import { PROGRAM_DATA_MAX, PROGRAM_ENTRIES_MAX } from "./messages/program.ts";
import { PROGRAM_PUBLICATION_MAX, PROGRAM_RECEIVERS_MAX } from "./messages/program.ts";
import { bytesOfId, isAt, Senders } from "./senders.ts";
import type { ClusterId, Incarnation, NodeId, Pnn, Tag } from "./terms.ts";

/** What an entry is. */
export const ENTRY = { whole: 1, first: 2, more: 3, last: 4, lost: 5, lostAny: 6 } as const;
/** One of ENTRY. */
export type EntryKind = (typeof ENTRY)[keyof typeof ENTRY];

/** A message, a part of one, or word of some that are missing. */
export interface ProgramEntry {
  readonly kind: EntryKind;
  readonly srvid: bigint;
  /** The sending program: a number that its node's life gives once, from 1. */
  readonly program: number;
  readonly value: number;
  readonly data: Uint8Array;
}

/** One who is to take a publication. */
export interface ProgramReceiver {
  readonly pnn: Pnn;
  readonly incarnation: Incarnation;
  /** Number of the publication between these two lives, from 1 without a hole. */
  readonly seq: number;
}

/** What came, as far as it is for this node. */
export interface ProgramPublication {
  readonly from: NodeId;
  /** The sender's life. */
  readonly incarnation: Incarnation;
  /** This node among the receivers. */
  readonly receiver: ProgramReceiver;
  /** Their data lie in the payload. */
  readonly entries: readonly ProgramEntry[];
}

/** The first byte of a publication. */
export const PROGRAM_MAGIC = 0x50;
const LAYOUT = 1;
const CLUSTER_AT = 16;
const FROM_AT = 32;
/** Bytes before the receivers. */
export const PROGRAM_HEAD_SIZE = 56;
/** Bytes of a receiver. */
export const PROGRAM_RECEIVER_SIZE = 24;
/** Bytes of an entry without its data. */
export const PROGRAM_ENTRY_SIZE = 24;
/** Bytes of entries that fit into the largest publication, whoever it is for. */
export const PROGRAM_BODY_MAX: number = bodyMax(PROGRAM_PUBLICATION_MAX);

const EMPTY = new Uint8Array();
const U32 = 2 ** 32;

/** Bytes of entries that fit into a publication of so many bytes. */
export function bodyMax(publicationMax: number): number {
  return publicationMax - PROGRAM_HEAD_SIZE - PROGRAM_RECEIVERS_MAX * PROGRAM_RECEIVER_SIZE;
}

/** Writes publications of one node. */
export class ProgramWriter {
  readonly #bytes = new Uint8Array(PROGRAM_PUBLICATION_MAX);
  readonly #view = new DataView(this.#bytes.buffer);

  /** The cluster's id and the sender's. Throws RangeError on what are none. */
  constructor(cluster: ClusterId, from: NodeId) {
    this.#bytes[0] = PROGRAM_MAGIC;
    this.#bytes[1] = LAYOUT;
    this.#bytes.set(bytesOfId(cluster), CLUSTER_AT);
    this.#bytes.set(bytesOfId(from), FROM_AT);
  }

  /**
   * The bytes of a publication, in the writer's buffer: good until the next call. Throws RangeError on more than fits:
   * a mistake of this program.
   */
  write(
    incarnation: Incarnation,
    receivers: readonly ProgramReceiver[],
    entries: readonly ProgramEntry[],
  ): Uint8Array {
    const view = this.#view;
    view.setUint16(2, entries.length, true);
    view.setUint32(4, receivers.length, true);
    view.setBigUint64(48, incarnation, true);
    let at = PROGRAM_HEAD_SIZE;
    for (const { pnn, incarnation: life, seq } of receivers) {
      view.setUint32(at, pnn, true);
      view.setUint32(at + 4, 0, true);
      view.setBigUint64(at + 8, life, true);
      view.setUint32(at + 16, seq % U32, true);
      view.setUint32(at + 20, Math.floor(seq / U32), true);
      at += PROGRAM_RECEIVER_SIZE;
    }
    for (const entry of entries) at = this.#entry(entry, at);
    view.setUint32(8, at, true);
    return this.#bytes.subarray(0, at);
  }

  #entry({ kind, srvid, program, value, data }: ProgramEntry, at: number): number {
    const view = this.#view;
    const start = at + PROGRAM_ENTRY_SIZE;
    view.setBigUint64(at, srvid, true);
    view.setUint32(at + 8, program, true);
    view.setUint32(at + 12, value, true);
    view.setUint32(at + 16, data.length, true);
    view.setUint32(at + 20, kind, true);
    this.#bytes.set(data, start);
    return start + data.length;
  }
}

/** Reads publications for one node; checks everything, trusts nothing. */
export class ProgramReader {
  readonly #cluster: Uint8Array;
  readonly #senders = new Senders();
  readonly #bigints = new Bigints();

  /** Throws RangeError on what is no cluster id. */
  constructor(cluster: ClusterId) {
    this.#cluster = bytesOfId(cluster);
  }

  /**
   * What came from the sender with this tag, for the node with this number; undefined: it is for others. The payload
   * is not copied. Never throws.
   */
  read(payload: Uint8Array, tag: Tag, own: Pnn): ProgramPublication | Refusal | undefined {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const wrong = this.#headFault(payload, view);
    if (wrong !== undefined) return wrong;
    const sender = this.#senders.at(payload, FROM_AT);
    if (sender.tag !== tag) {
      const text = `the subject says ${tag}, the publication ${sender.nodeId}`;
      return refusal("sender", text, sender.nodeId);
    }
    const receivers = view.getUint32(4, true);
    const receiver = receiverIn(view, receivers, own);
    if (receiver === undefined || "refused" in receiver) return receiver;
    const entriesAt = PROGRAM_HEAD_SIZE + receivers * PROGRAM_RECEIVER_SIZE;
    const entries = entriesIn(payload, view, entriesAt, this.#bigints);
    if ("refused" in entries) return { ...entries, from: sender.nodeId };
    const incarnation = view.getBigUint64(48, true) as Incarnation;
    return { from: sender.nodeId, incarnation, receiver, entries };
  }

  #headFault(payload: Uint8Array, view: DataView): Refusal | undefined {
    const { length } = payload;
    if (length > PROGRAM_PUBLICATION_MAX) return refusal("size", `${length} bytes`);
    if (length < PROGRAM_HEAD_SIZE || payload[0] !== PROGRAM_MAGIC) {
      return refusal("form", "not a publication of program messages");
    }
    if (payload[1] !== LAYOUT) {
      return refusal("version", `layout ${payload[1]}, known is ${LAYOUT}`);
    }
    const receivers = view.getUint32(4, true);
    const entries = view.getUint16(2, true);
    const isCounted = receivers >= 1 && receivers <= PROGRAM_RECEIVERS_MAX && entries >= 1 &&
      entries <= PROGRAM_ENTRIES_MAX;
    if (!isCounted) return refusal("form", `${receivers} receivers, ${entries} entries`);
    if (view.getUint32(8, true) !== length || view.getUint32(12, true) !== 0) {
      return refusal("form", "its length is another one than it says");
    }
    const least = PROGRAM_HEAD_SIZE + receivers * PROGRAM_RECEIVER_SIZE;
    if (length < least + entries * PROGRAM_ENTRY_SIZE) return refusal("form", "cut off");
    if (!isAt(payload, CLUSTER_AT, this.#cluster)) {
      return refusal("cluster", "it is of another cluster");
    }
    return undefined;
  }
}

/** This node among the receivers; all of them are checked, for there is one form only. */
function receiverIn(
  view: DataView,
  count: number,
  own: Pnn,
): ProgramReceiver | Refusal | undefined {
  let found: ProgramReceiver | undefined;
  for (let i = 0; i < count; i++) {
    const at = PROGRAM_HEAD_SIZE + i * PROGRAM_RECEIVER_SIZE;
    const high = view.getUint32(at + 20, true);
    const seq = view.getUint32(at + 16, true) + high * U32;
    if (view.getUint32(at + 4, true) !== 0 || high >= 1 << 21 || seq < 1) {
      return refusal("form", `receiver ${i} is none`);
    }
    if (view.getUint32(at, true) !== own) continue;
    if (found !== undefined) return refusal("form", "this node twice among the receivers");
    found = { pnn: own, incarnation: view.getBigUint64(at + 8, true) as Incarnation, seq };
  }
  return found;
}

function entriesIn(
  payload: Uint8Array,
  view: DataView,
  start: number,
  bigints: Bigints,
): ProgramEntry[] | Refusal {
  const { length } = payload;
  const count = view.getUint16(2, true);
  const entries: ProgramEntry[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    if (length - at < PROGRAM_ENTRY_SIZE) return refusal("form", `entry ${i} is cut off`);
    const size = view.getUint32(at + 16, true);
    const dataAt = at + PROGRAM_ENTRY_SIZE;
    if (size > length - dataAt) return refusal("form", `the data of entry ${i} are cut off`);
    const entry = {
      // The three bytes behind it must be 0, or there is no such kind.
      kind: view.getUint32(at + 20, true) as EntryKind,
      srvid: bigints.of(view.getUint32(at, true), view.getUint32(at + 4, true)),
      program: view.getUint32(at + 8, true),
      value: view.getUint32(at + 12, true),
      data: size === 0 ? EMPTY : payload.subarray(dataAt, dataAt + size),
    };
    if (!isEntry(entry)) return refusal("body", `entry ${i} of kind ${entry.kind} is none`);
    entries.push(entry);
    at = dataAt + size;
  }
  return at === length ? entries : refusal("form", `${length - at} bytes too many`);
}

/** Has an entry the form of its kind? */
export function isEntry({ kind, srvid, program, value, data }: ProgramEntry): boolean {
  const { length } = data;
  if (kind === ENTRY.lostAny) return program === 0 && srvid === 0n && value > 0 && length === 0;
  if (program === 0) return false;
  switch (kind) {
    case ENTRY.whole:
      return value === 0;
    case ENTRY.first:
      return length > 0 && value > length && value <= PROGRAM_DATA_MAX;
    case ENTRY.more:
    case ENTRY.last:
      return length > 0 && value > 0 && value + length <= PROGRAM_DATA_MAX;
    case ENTRY.lost:
      return value > 0 && length === 0;
    default:
      return false;
  }
}
