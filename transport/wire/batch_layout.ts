/**
 * Batches as bytes: what one node has for another about one database, in one payload or several. A fixed layout, little
 * endian, unaligned, without padding; kinds of batches differ in their first byte, their head and their messages.
 *
 *    0 u8 magic (no CBOR map begins so)   1 u8 layout 1    2 u16 messages, 1 .. most    4 u32 bytes of all
 *    8 cluster id (16)   24 sender's node id (16)   40 the rest of the head, and then the messages, as the form says
 *
 * A batch that is longer than the bus takes becomes several, for their messages have no order; a single message that is
 * longer is cut, and its parts come with
 *
 *    0 u8 part magic   1 u8 layout 1   2 u16 0   4 u32 bytes of the whole   8 cluster id   24 sender's node id
 *   40 u64 id   48 u32 part, from 0   52 u32 parts, 2 ..    56 the part: bytes i*n/p .. (i+1)*n/p of the whole batch
 *
 * A batch that comes in parts has one message. One form only: whatever is taken would be written with exactly the same
 * bytes.
 *
 * Does NOT promise: sense. Which life and database a batch is of, the machine and its host judge.
 */
import { BodyFault, In, Out } from "./byte_cursor.ts";
import { refusal } from "./envelope.ts";
import type { Refusal } from "./envelope.ts";
import { MESSAGE_MAX, PARTS_MAX, WHOLE_MAX } from "./limits.ts";
import type { Member } from "./messages/document.ts";
import { Assembly, cut } from "./parts.ts";
import { bytesOfId, isAt, Senders } from "./senders.ts";
import type { Sender } from "./senders.ts";
import type { ClusterId, DbId, NodeId, Tag, Version } from "./terms.ts";

/** What every batch says. */
export interface BatchHead {
  /** The sender's life. */
  readonly by: Member;
  readonly dbId: DbId;
  /** The document that attached the database, or last wiped it. */
  readonly since: Version;
}

/** A batch to be written: the sender is the writer's. */
export type Written<H extends BatchHead, M> = H & { readonly messages: readonly M[] };

/** A batch that was read. */
export type Batch<H extends BatchHead, M> = Written<H, M> & { readonly from: NodeId };

/** How one kind of batches looks. */
export interface BatchForm<H extends BatchHead, M> {
  /** What its messages are about, in words; what the assembly calls its parts. */
  readonly about: string;
  /** The first byte of a batch, and that of a part of one. */
  readonly magic: number;
  readonly partMagic: number;
  /** Bytes before the messages. */
  readonly headSize: number;
  /** Messages of one batch, at most. */
  readonly most: number;
  /** Writes the head from HEAD_AT on: there is room for it. */
  readonly putHead: (out: Out, head: H) => void;
  /** Reads it. */
  readonly head: (bytes: In) => H;
  /** Writes a message. Throws RangeError on what has not its declared form. */
  readonly put: (out: Out, message: M) => void;
  /** Reads one. Throws RangeError where bytes are missing, BodyFault on what is never written. */
  readonly message: (bytes: In) => M;
}

const LAYOUT = 1;
/** Where the cluster's id and the sender's are, in batches and parts. */
const CLUSTER_AT = 8;
const FROM_AT = 24;
/** Where the form's own part of the head begins. */
export const HEAD_AT = 40;
/** Bytes before a part. */
export const PART_HEAD_SIZE = 56;

/** Writes the batches of one node. */
export class BatchWriter<H extends BatchHead, M> {
  /** Bytes that the bus takes in one message: what its server says now. */
  payloadMax = MESSAGE_MAX;
  readonly #form: BatchForm<H, M>;
  readonly #out = new Out();
  readonly #cluster: Uint8Array;
  readonly #from: Uint8Array;
  #nextId: bigint;

  /**
   * The cluster's id and the sender's; `firstId`: of its first parts, drawn by chance, so that those of no earlier life
   * meet them. Throws RangeError on what are no ids.
   */
  constructor(form: BatchForm<H, M>, cluster: ClusterId, from: NodeId, firstId: bigint) {
    this.#form = form;
    this.#cluster = bytesOfId(cluster);
    this.#from = bytesOfId(from);
    this.#nextId = BigInt.asUintN(64, firstId);
  }

  /**
   * The payloads of a batch, in the writer's buffer: good until the next call. Throws RangeError on what has not its
   * declared form: a mistake of this program.
   */
  write(batch: Written<H, M>): Uint8Array[] {
    const out = this.#out;
    const { headSize, most, put } = this.#form;
    out.clear();
    const ends: number[] = [];
    let start = 0;
    let count = 0;
    this.#room(batch);
    for (const message of batch.messages) {
      const before = out.at;
      put(out, message);
      if (count === most || (count > 0 && out.at - start > this.payloadMax)) {
        this.#close(start, before, count);
        ends.push(before);
        // It begins the next one.
        out.shift(before, headSize);
        const { at } = out;
        out.at = before;
        this.#room(batch);
        out.at = at;
        start = before;
        count = 0;
      }
      count += 1;
    }
    if (count === 0) throw new RangeError("Cannot write a batch without messages");
    this.#close(start, out.at, count);
    ends.push(out.at);
    return this.#payloads(ends);
  }

  /** The head of a batch, without what is known at its end. */
  #room(head: H): void {
    const out = this.#out;
    const { magic, headSize, putHead } = this.#form;
    out.room(headSize);
    out.u8(magic);
    out.u8(LAYOUT);
    out.at += CLUSTER_AT - 2;
    out.bytes.set(this.#cluster, out.at);
    out.bytes.set(this.#from, out.at + 16);
    out.at += 32;
    putHead(out, head);
  }

  #close(start: number, end: number, count: number): void {
    const { view } = this.#out;
    view.setUint16(start + 2, count, true);
    view.setUint32(start + 4, end - start, true);
  }

  #payloads(ends: readonly number[]): Uint8Array[] {
    const { bytes } = this.#out;
    const payloads: Uint8Array[] = [];
    let start = 0;
    for (const end of ends) {
      const whole = bytes.subarray(start, end);
      if (whole.length <= this.payloadMax) payloads.push(whole);
      else payloads.push(...this.#parts(whole));
      start = end;
    }
    return payloads;
  }

  #parts(whole: Uint8Array): Uint8Array[] {
    const { length } = whole;
    const pieces = cut(whole, this.payloadMax - PART_HEAD_SIZE);
    if (length > WHOLE_MAX || pieces.length > PARTS_MAX) {
      throw new RangeError(`Cannot write a message of ${length} bytes, WHOLE_MAX is ${WHOLE_MAX}`);
    }
    const id = this.#nextId;
    this.#nextId = BigInt.asUintN(64, id + 1n);
    return pieces.map((piece, part) => {
      const bytes = new Uint8Array(PART_HEAD_SIZE + piece.length);
      const view = new DataView(bytes.buffer);
      bytes[0] = this.#form.partMagic;
      bytes[1] = LAYOUT;
      view.setUint32(4, length, true);
      bytes.set(this.#cluster, CLUSTER_AT);
      bytes.set(this.#from, FROM_AT);
      view.setBigUint64(40, id, true);
      view.setUint32(48, part, true);
      view.setUint32(52, pieces.length, true);
      bytes.set(piece, PART_HEAD_SIZE);
      return bytes;
    });
  }
}

/** Reads batches for one node; checks everything, trusts nothing. */
export class BatchReader<H extends BatchHead, M> {
  /** Batches of which parts are missing. Sweep it now and then: see Assembly.wakeMs. */
  readonly assembly = new Assembly();
  readonly #form: BatchForm<H, M>;
  readonly #cluster: Uint8Array;
  readonly #senders = new Senders();
  readonly #in = new In();

  /** Throws RangeError on what is no cluster id. */
  constructor(form: BatchForm<H, M>, cluster: ClusterId) {
    this.#form = form;
    this.#cluster = bytesOfId(cluster);
  }

  /**
   * What came from the sender with this tag, at `nowMs` by the node's clock; undefined: a part was taken, and others
   * are missing. The payload is not copied: values lie in it, and parts are kept. Never throws.
   */
  read(payload: Uint8Array, tag: Tag, nowMs: number): Batch<H, M> | Refusal | undefined {
    const { length } = payload;
    const { about, partMagic } = this.#form;
    if (length > MESSAGE_MAX) return refusal("size", `${length} bytes`);
    if (payload[0] !== partMagic) return this.#batch(payload, tag);
    const sender = this.#senderOf(payload, tag, PART_HEAD_SIZE);
    if ("refused" in sender) return sender;
    const view = new DataView(payload.buffer, payload.byteOffset, length);
    const from = sender.nodeId;
    const [bytes, parts] = [view.getUint32(4, true), view.getUint32(52, true)];
    const isPart = view.getUint16(2, true) === 0 && bytes <= WHOLE_MAX && parts > 1 &&
      parts <= PARTS_MAX;
    if (!isPart) return refusal("part", `one of ${parts}, of ${bytes} bytes`, from);
    const [id, part] = [view.getBigUint64(40, true), view.getUint32(48, true)];
    const body = payload.subarray(PART_HEAD_SIZE);
    const taken = this.assembly.take({ from, id, kind: about, part, parts, bytes, body }, nowMs);
    if (taken === "waits" || taken === "known") return undefined;
    if (!(taken instanceof Uint8Array)) return refusal("part", taken.wrong, from);
    // Several messages would have come as several batches: nobody can hold up a reader with many large ones at once.
    if (taken[2] !== 1 || taken[3] !== 0) return refusal("part", "parts of several messages", from);
    return this.#batch(taken, tag);
  }

  #batch(payload: Uint8Array, tag: Tag): Batch<H, M> | Refusal {
    const { length } = payload;
    const { about, magic, headSize, most } = this.#form;
    if (payload[0] !== magic) return refusal("form", `not a batch about ${about}`);
    const sender = this.#senderOf(payload, tag, headSize);
    if ("refused" in sender) return sender;
    const from = sender.nodeId;
    const bytes = this.#in;
    bytes.open(payload, 2);
    try {
      const count = bytes.u16();
      if (count < 1 || count > most) return refusal("form", `${count} messages`, from);
      if (bytes.u32() !== length) return refusal("form", "its length is another one", from);
      return this.#messages(from, count);
    } catch (error) {
      if (error instanceof RangeError) return refusal("form", "it is cut off", from);
      if (error instanceof BodyFault) {
        return refusal("body", `${error.message}, at byte ${bytes.at}`, from);
      }
      throw error;
    } finally {
      bytes.close();
    }
  }

  #messages(from: NodeId, count: number): Batch<H, M> | Refusal {
    const bytes = this.#in;
    bytes.at = HEAD_AT;
    const head = this.#form.head(bytes);
    const messages: M[] = [];
    for (let i = 0; i < count; i++) messages.push(this.#form.message(bytes));
    if (bytes.left !== 0) return refusal("form", `${bytes.left} bytes too many`, from);
    return { ...head, from, messages };
  }

  /** The sender, if head, layout and cluster are right and the subject names it. */
  #senderOf(payload: Uint8Array, tag: Tag, headSize: number): Sender | Refusal {
    if (payload.length < headSize) return refusal("form", "it is cut off");
    if (payload[1] !== LAYOUT) {
      return refusal("version", `layout ${payload[1]}, known is ${LAYOUT}`);
    }
    if (!isAt(payload, CLUSTER_AT, this.#cluster)) {
      return refusal("cluster", "it is of another cluster");
    }
    const sender = this.#senders.at(payload, FROM_AT);
    if (sender.tag === tag) return sender;
    const text = `the subject says ${tag}, the batch ${sender.nodeId}`;
    return refusal("sender", text, sender.nodeId);
  }
}
