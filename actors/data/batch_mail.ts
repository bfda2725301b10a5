/**
 * The mail of machines of databases: what the steps of one turn have for a node leaves together; what comes is told
 * apart.
 *
 *   step ─▶ open batch for (database, life, node) ─▶ at the end of the turn: BatchWriter ─▶ Post, class r
 *   Post ─▶ BatchReader ─▶ is the sender the member that it says it is? ─▶ batch
 *
 * Who speaks for a member must be that member's node: the bus vouches for the sender's tag, and the document says which
 * node has which number, for ever.
 *
 * Does NOT promise: delivery; machines repeat what matters.
 */
import type {
  Batch,
  BatchHead,
  BatchReader,
  BatchWriter,
  Written,
} from "../../transport/wire/batch_layout.ts";
import { isRefusal, refusal } from "../../transport/wire/envelope.ts";
import type { Refusal } from "../../transport/wire/envelope.ts";
import type { ClusterId, NodeId, Pnn, Tag } from "../../transport/wire/terms.ts";
import type { Bus, Clock } from "../../transport/world.ts";

/** What it needs. */
export interface BatchMailParts<H extends BatchHead, M> {
  readonly self: NodeId;
  readonly bus: Pick<Bus, "payloadMax">;
  readonly clock: Clock;
  /** Of the first batch in parts; u64, drawn by chance. */
  readonly firstId: bigint;
  /** Which node has this number; undefined: no document that is known here has it. */
  readonly nodeOf: (pnn: Pnn) => NodeId | undefined;
  readonly publish: (to: NodeId, payload: Uint8Array) => void;
  readonly onBatch: (batch: Batch<H, M>) => void;
  readonly onRefused: (refused: Refusal) => void;
  /** A message is longer than any bus takes: a mistake of this program. It is not sent. */
  readonly onTooLong: (error: RangeError) => void;
}

/** How one kind of batches is written and read. */
export interface BatchKind<H extends BatchHead, M> {
  readonly writer: (cluster: ClusterId, from: NodeId, firstId: bigint) => BatchWriter<H, M>;
  readonly reader: (cluster: ClusterId) => BatchReader<H, M>;
  /** Do two batches to one node, of one database, attachment and life, go together? */
  readonly isSame: (one: H, other: H) => boolean;
}

interface OpenBatch<H, M> {
  readonly to: Pnn;
  readonly head: H;
  readonly messages: M[];
}

/** One node's, of one kind of batches. */
export class BatchMail<H extends BatchHead, M> {
  readonly #kind: BatchKind<H, M>;
  readonly #parts: BatchMailParts<H, M>;
  #writer: BatchWriter<H, M> | undefined;
  #reader: BatchReader<H, M> | undefined;
  #open: OpenBatch<H, M>[] = [];
  #sweep: (() => void) | undefined;

  constructor(kind: BatchKind<H, M>, parts: BatchMailParts<H, M>) {
    this.#kind = kind;
    this.#parts = parts;
  }

  /** The cluster is known, and is always the same. */
  begin(clusterId: ClusterId): void {
    if (this.#writer !== undefined) return;
    const { self, firstId } = this.#parts;
    this.#writer = this.#kind.writer(clusterId, self, firstId);
    this.#reader = this.#kind.reader(clusterId);
  }

  /** Sends at the end of this turn. Neither the head nor the messages may change any more. */
  post(to: Pnn, head: H, messages: readonly M[]): void {
    if (this.#open.length === 0) queueMicrotask(() => this.flush());
    const known = this.#open.find((one) =>
      one.to === to && one.head.dbId === head.dbId && one.head.since === head.since &&
      one.head.by.incarnation === head.by.incarnation && this.#kind.isSame(one.head, head)
    );
    if (known === undefined) this.#open.push({ to, head, messages: [...messages] });
    else known.messages.push(...messages);
  }

  /** Sends what waits, now. */
  flush(): void {
    const open = this.#open;
    const writer = this.#writer;
    if (open.length === 0 || writer === undefined) return;
    this.#open = [];
    const { bus, nodeOf, self } = this.#parts;
    writer.payloadMax = bus.payloadMax;
    for (const { to, head, messages } of open) {
      const node = nodeOf(to);
      if (node === self) this.#toSelf({ ...head, messages });
      else if (node !== undefined) this.#publish(writer, node, { ...head, messages });
    }
  }

  /** A node's own mail does not travel: it is handed over in a later turn, as if it had come. */
  #toSelf(batch: Written<H, M>): void {
    const { clock, onBatch, self } = this.#parts;
    clock.after(0, () => onBatch({ ...batch, from: self }));
  }

  #publish(writer: BatchWriter<H, M>, to: NodeId, batch: Written<H, M>): void {
    const { publish, onTooLong } = this.#parts;
    let payloads: Uint8Array[];
    try {
      payloads = writer.write(batch);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      // One impossible message costs no other; whoever waits for it hears nothing.
      if (batch.messages.length === 1) return onTooLong(error);
      for (const message of batch.messages) {
        this.#publish(writer, to, { ...batch, messages: [message] });
      }
      return;
    }
    for (const payload of payloads) publish(to, payload);
  }

  /** A payload that begins with the kind's magic, or that of its parts. It is not used again. */
  take(payload: Uint8Array, tag: Tag): void {
    const { clock, nodeOf, onBatch, onRefused } = this.#parts;
    const reader = this.#reader;
    if (reader === undefined) return;
    const batch = reader.read(payload, tag, clock.nowMs());
    if (batch === undefined) return this.#sweepLater(reader);
    if (isRefusal(batch)) return onRefused(batch);
    const { from, by } = batch;
    const node = nodeOf(by.pnn);
    if (node !== undefined && node !== from) {
      return onRefused(refusal("sender", `it speaks for member ${by.pnn}`, from));
    }
    onBatch(batch);
  }

  stop(): void {
    this.#open = [];
    this.#sweep?.();
    this.#sweep = undefined;
  }

  /** Drops batches of which parts are missing, when it is time. */
  #sweepLater(reader: BatchReader<H, M>): void {
    const { clock } = this.#parts;
    const atMs = reader.assembly.wakeMs;
    if (this.#sweep !== undefined || atMs === undefined) return;
    this.#sweep = clock.after(Math.max(0, atMs - clock.nowMs()), () => {
      this.#sweep = undefined;
      reader.assembly.sweep(clock.nowMs());
      this.#sweepLater(reader);
    });
  }
}
