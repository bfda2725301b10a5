/**
 * Messages that real nodes must refuse, and who sends again what data threads send, with something wrong in it.
 *
 * Does NOT promise: all that can be wrong; random bytes and mutations are test/transport/wire/'s.
 */

import type { RealBus } from "../../transport/real_bus.ts";
import { Codec } from "../../transport/wire/codec.ts";
import { MESSAGE_MAX } from "../../transport/wire/limits.ts";
import type { AnyMessage } from "../../transport/wire/message.ts";
import { RECORD_HEAD_SIZE, RECORD_MAGIC } from "../../transport/wire/record_layout.ts";
import type { ClusterId, Generation, NodeId } from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";

/** A sender that the cluster does not know, or that takes the name of one that it does. */
export function codec(own: NodeId, clusterId: string): Codec {
  const made = new Codec({ cluster: "dev", own, firstId: 1n });
  made.clusterId = clusterId as ClusterId;
  return made;
}

/** A sender that the cluster does not know. */
export const STRANGER = "5".repeat(32) as NodeId;
/** A question that anybody may ask. */
export const PING: AnyMessage = { kind: "ask", verb: "node ping", args: "{}" } as AnyMessage;
/** Stamps of one who has seen nothing. */
export const STAMPS = { gen: 0n as Generation, stamp: 0n };

/** What must be refused on any subject, each with the code that it is counted under. */
export function hostile(clusterId: string, victim: NodeId): [string, NodeId, Uint8Array][] {
  const [good = new Uint8Array()] = codec(STRANGER, clusterId).encode(PING, STAMPS);
  const [foreign = new Uint8Array()] = codec(STRANGER, "e".repeat(32)).encode(PING, STAMPS);
  const [forged = new Uint8Array()] = codec(victim, clusterId).encode(PING, STAMPS);
  const cut = good.slice(0, good.length - 3);
  const flipped = good.slice();
  flipped[0] = 0xff;
  return [
    ["form", STRANGER, new Uint8Array()],
    ["form", STRANGER, new Uint8Array([0xff])],
    ["form", STRANGER, cut],
    ["form", STRANGER, flipped],
    // A bignum of 64 KiB, which a plain decoder chews on for most of a second.
    [
      "form",
      STRANGER,
      new Uint8Array([0xc2, 0x5a, 0, 1, 0, 0, ...new Uint8Array(65536).fill(255)]),
    ],
    ["form", STRANGER, new Uint8Array(MESSAGE_MAX)],
    ["sender", STRANGER, forged],
    ["cluster", STRANGER, foreign],
  ];
}

/** Batches that are changed; all of them are repeated. */
const CHANGED_MAX = 200;

/** A batch with some bytes changed. */
function changed(batch: Uint8Array, at: number, value: number): Uint8Array {
  const copy = batch.slice();
  copy[at] = value;
  return copy;
}

/** Hears the mail of all data threads, and sends it again with what is wrong with it. */
export class Mirror {
  /** What must be counted, by reason. */
  readonly due = new Map<string, number>();
  readonly #bus: RealBus;
  readonly #seen = new Set<string>();
  readonly #kept: { readonly subject: string; readonly payload: Uint8Array }[] = [];
  #changed = 0;

  constructor(bus: RealBus) {
    this.#bus = bus;
    bus.subscribe("ctdbx.dev.r.*.from.*", ({ subject, payload }) => this.#take(subject, payload));
  }

  get batches(): number {
    return this.#kept.length;
  }

  #take(subject: string, payload: Uint8Array): void {
    if (payload[0] !== RECORD_MAGIC || !this.#isNew(payload)) return;
    this.#kept.push({ subject, payload });
    this.#bus.publish(subject, payload);
    if (++this.#changed > CHANGED_MAX) return;
    const forged = subject.replace(/[^.]+$/, tagOf(STRANGER));
    this.#send("form", subject, payload.subarray(0, payload.length - 1));
    this.#send("form", subject, payload.subarray(0, RECORD_HEAD_SIZE - 1));
    this.#send("version", subject, changed(payload, 1, 9));
    this.#send("cluster", subject, changed(payload, 8, (payload[8] ?? 0) ^ 1));
    this.#send("sender", subject, changed(payload, 24, (payload[24] ?? 0) ^ 1));
    this.#send("sender", forged, payload);
    this.#send("body", subject, changed(payload, RECORD_HEAD_SIZE, 255));
  }

  #isNew(payload: Uint8Array): boolean {
    const { size } = this.#seen;
    return this.#seen.add(new TextDecoder("latin1").decode(payload)).size > size;
  }

  #send(code: string, subject: string, payload: Uint8Array): void {
    // It comes back, and is to be left alone.
    this.#isNew(payload);
    this.#bus.publish(subject, payload);
    this.due.set(code, (this.due.get(code) ?? 0) + 1);
  }

  /** Everything once more. */
  again(): void {
    for (const { subject, payload } of this.#kept) this.#bus.publish(subject, payload);
  }
}
