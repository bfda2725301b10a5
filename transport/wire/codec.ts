/**
 * From messages to bytes and back, with every check that a message from the bus must pass.
 *
 *   message ─▶ declared check ─▶ CBOR ─▶ gate ─▶ envelope ─▶ payload(s)
 *   payload ─▶ size ─▶ subject ─▶ gate ─▶ version ─▶ envelope ─▶ sender, cluster, kind, class, size ─▶ parts
 *           ─▶ gate ─▶ CBOR ─▶ declared check ─▶ message      each step may end in a Refusal, which is a value
 *
 * What is cheap and says most comes first; of a refused message nothing is kept. CBOR maps with the declared names as
 * keys; u64 as integers.
 *
 * Does NOT promise: one form of bytes for one message (keys are not sorted): never hash or compare encodings.
 */

import { Decoder, Encoder } from "cbor-x/encode";
import type { Options } from "cbor-x/encode";
import type { TProperties } from "typebox";
import { ENVELOPE, isRefusal, PROTOCOL, refusal, versionFault } from "./envelope.ts";
import type { Envelope, Refusal } from "./envelope.ts";
import { declare } from "./message.ts";
import type { AnyMessage, Declaration, MessageOf } from "./message.ts";
import { CtdbxError } from "./errors.ts";
import { ENVELOPE_MAX, MESSAGE_MAX, PARTS_MAX, WHOLE_MAX } from "./limits.ts";
import { declarationsAt } from "./messages/registry.ts";
import type { Message, SomeDeclaration } from "./messages/registry.ts";
import { Assembly, cut } from "./parts.ts";
import { Gate } from "./scan.ts";
import type { ScanOptions } from "./scan.ts";
import { isClusterName, parseSubject } from "./subjects.ts";
import type { Subject } from "./subjects.ts";
import { tagOf } from "./terms.ts";
import type { ClusterId, Generation, NodeId } from "./terms.ts";

/**
 * Plain maps, plain integers. It comes from "cbor-x/encode" and not from "cbor-x", which loads a native addon if there
 * is one: that ends Deno, and on Bun it loses its place in long messages.
 */
const CBOR: Options = {
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  tagUint8Array: false,
};

/** The cluster of a node that has none yet. */
export const NO_CLUSTER = "0".repeat(32) as ClusterId;
/** Smallest payload that a bus must take: the largest message in PARTS_MAX parts. */
export const PAYLOAD_MIN: number = WHOLE_MAX / PARTS_MAX + ENVELOPE_MAX;

const ENVELOPE_FORM = declare("envelope", {
  class: [],
  doc: "What is around every message.",
  fields: ENVELOPE.properties,
});

/** What a codec is made for. */
export interface CodecOptions {
  /** The cluster's name, as in subjects. */
  readonly cluster: string;
  /** The node that sends, and whose codec it is. */
  readonly own: NodeId;
  /** Id of its first message: drawn by chance, so that no earlier life's messages meet those of this one. u64. */
  readonly firstId: bigint;
  /** Bytes that the bus takes; PAYLOAD_MIN .. MESSAGE_MAX. MESSAGE_MAX when absent. */
  readonly payloadMax?: number;
  /** The level that it is of: what it knows, no more; the newest when absent. */
  readonly level?: number;
  /** The version that it speaks; its level when absent. */
  readonly protocol?: number;
  /** The messages that it knows; those of its level when absent. */
  readonly declarations?: ReadonlyMap<string, SomeDeclaration>;
}

/** What a sender says of itself with each message. */
export interface Stamps {
  /** Generation that it has adopted; 0: none. */
  readonly gen: Generation;
  /** Its Lamport clock. */
  readonly stamp: bigint;
}

/** A message that came, with what its envelope says. */
export interface Received extends Stamps {
  readonly from: NodeId;
  readonly id: bigint;
  /** The sender's version; it may be one more or one less than ours. */
  readonly v: number;
  readonly message: Message;
  /** It names another cluster than ours, or none; only kinds that strangers may send come so. */
  readonly isStranger: boolean;
}

/** Maps to CBOR and back, behind the gate. */
class Cbor {
  readonly #encoder = new Encoder(CBOR);
  readonly #decoder: Decoder;
  readonly #gate = new Gate();

  /** Steps of the gate in the last decode. */
  get work(): number {
    return this.#gate.work;
  }

  /** `isCopying`: are decoded bytes copies, or do they lie in what was decoded? */
  constructor(isCopying: boolean) {
    this.#decoder = new Decoder({ ...CBOR, copyBuffers: isCopying });
  }

  /** Encodes a map that the gate will take; throws RangeError on one that it would not. */
  encode(map: object): Uint8Array {
    const { buffer, byteOffset, length } = this.#encoder.encode(map);
    const bytes = new Uint8Array(buffer, byteOffset, length);
    const fault = this.#gate.scan(bytes);
    if (fault !== undefined) throw new RangeError(`Cannot encode: ${fault.why}`);
    return bytes;
  }

  /** Decodes one map. Never throws. */
  decode(bytes: Uint8Array, options: ScanOptions): { readonly map: unknown } | Refusal {
    const fault = this.#gate.scan(bytes, options);
    if (fault !== undefined) return refusal("form", `${fault.why}, at byte ${fault.at}`);
    try {
      const map: unknown = this.#decoder.decode(bytes);
      return { map };
    } catch (error) {
      return refusal("form", error instanceof Error ? error.message : String(error));
    }
  }
}

/** Encodes and decodes what is declared, without an envelope: bodies, and what is kept on disk. */
export class BodyCodec {
  readonly #cbor = new Cbor(true);

  /** Steps of the gate in the last decode that reached it. */
  get work(): number {
    return this.#cbor.work;
  }

  /**
   * The bytes of a body. Throws TypeError on one that has not the declared form, RangeError on text that is no Unicode,
   * CtdbxError "limit" on one that is larger than its declaration allows.
   */
  encode(declaration: SomeDeclaration, body: object): Uint8Array {
    const { kind, bytesMax } = declaration;
    const shaped = declaration.shape(body);
    if (!declaration.check(shaped)) {
      throw new TypeError(`Cannot encode ${kind}: ${declaration.faultOf(shaped)}`);
    }
    const bytes = this.#cbor.encode(declaration.pack(shaped) as object);
    if (bytes.length <= bytesMax) return bytes;
    const text = `${kind} has ${bytes.length} bytes, its limit is ${bytesMax}`;
    throw new CtdbxError("limit", `Cannot encode: ${text}`);
  }

  /** The body in bytes, with its kind. Never throws. */
  decode<Kind extends string, Fields extends TProperties>(
    declaration: Declaration<Kind, Fields>,
    bytes: Uint8Array,
  ): MessageOf<Declaration<Kind, Fields>> | Refusal {
    const { kind, bytesMax } = declaration;
    if (bytes.length > bytesMax) {
      return refusal("size", `${kind} has ${bytes.length} bytes, its limit is ${bytesMax}`);
    }
    const decoded = this.#cbor.decode(bytes, { guide: declaration.guide() });
    if (isRefusal(decoded)) return decoded;
    const shaped = declaration.shape(decoded.map);
    if (!declaration.check(shaped)) {
      return refusal("body", `${kind}: ${declaration.faultOf(shaped)}`);
    }
    // The check has shown that it is one.
    return { kind, ...shaped as object } as MessageOf<Declaration<Kind, Fields>>;
  }
}

/** Encodes and decodes for one node; keeps the parts of unfinished messages. */
export class Codec {
  /** The cluster that it belongs to; undefined: none yet, then any is taken. */
  clusterId: ClusterId | undefined;
  /** Messages that came in parts. Sweep it now and then: see Assembly.wakeMs. */
  readonly assembly = new Assembly();

  #payloadMax: number;
  readonly #options: Required<CodecOptions>;
  /** The body stays where it came: a payload is not used again. */
  readonly #cbor = new Cbor(false);
  readonly #bodies = new BodyCodec();
  #nextId: bigint;
  #work = 0;

  /** Steps of the gate in the last decode: what a test can count, where time would only be noise. */
  get work(): number {
    return this.#work;
  }

  /** Throws RangeError on options out of range. */
  constructor(options: CodecOptions) {
    const { cluster, own, firstId, payloadMax = MESSAGE_MAX } = options;
    const { level = PROTOCOL, protocol = level, declarations = declarationsAt(level) } = options;
    if (!isClusterName(cluster)) throw new RangeError(`Cannot name a cluster ${cluster}`);
    if (payloadMax < PAYLOAD_MIN || payloadMax > MESSAGE_MAX) {
      const range = `${PAYLOAD_MIN} to ${MESSAGE_MAX}`;
      throw new RangeError(`Cannot send: payloads must take ${range} bytes, take ${payloadMax}`);
    }
    tagOf(own);
    this.#payloadMax = payloadMax;
    this.#options = { cluster, own, firstId, payloadMax, level, protocol, declarations };
    this.#nextId = BigInt.asUintN(64, firstId);
  }

  /** Bytes that the bus takes now: its server may be another one. What is out of range is taken as near as can be. */
  set payloadMax(bytes: number) {
    this.#payloadMax = Math.min(MESSAGE_MAX, Math.max(PAYLOAD_MIN, bytes));
  }

  /**
   * The payloads of a message, one or several; no receiver stands in them, so the same ones may go to many. Throws as
   * BodyCodec.encode, and TypeError on a kind that is not declared.
   */
  encode(message: AnyMessage, { gen, stamp }: Stamps): Uint8Array[] {
    const { kind, ...fields } = message;
    const declaration = this.#options.declarations.get(kind);
    if (declaration === undefined) throw new TypeError(`Cannot send ${kind}: it is not declared`);
    const body = this.#bodies.encode(declaration, fields);
    const id = this.#nextId;
    this.#nextId = BigInt.asUintN(64, id + 1n);
    const { own: from, protocol: v } = this.#options;
    const head = { v, cluster: this.clusterId ?? NO_CLUSTER, from, gen, stamp, id, kind };
    const pieces = cut(body, this.#payloadMax - ENVELOPE_MAX);
    if (pieces.length === 1) return [this.#cbor.encode({ ...head, body })];
    const whole = { parts: pieces.length, bytes: body.length };
    return pieces.map((piece, part) => this.#cbor.encode({ ...head, part, ...whole, body: piece }));
  }

  /**
   * The message in a payload that came on a subject, at `nowMs` by the node's clock. Undefined: a part was taken, and
   * others are still to come. `subject` undefined: an answer to a question of our own. The payload is kept while parts
   * are missing: nobody may change it. Never throws.
   */
  decode(
    subject: string | undefined,
    payload: Uint8Array,
    nowMs: number,
  ): Received | Refusal | undefined {
    this.#work = 0;
    const parsed = subject === undefined ? undefined : parseSubject(subject);
    if (subject !== undefined && parsed?.cluster !== this.#options.cluster) {
      return refusal("subject", "not a subject of this cluster");
    }
    const result = this.#decode(parsed, payload, nowMs);
    if (parsed === undefined || result === undefined || !isRefusal(result)) return result;
    const { refused, text, from } = result;
    const isVouched = from !== undefined && tagOf(from) === parsed.from;
    return { refused, text, tag: parsed.from, ...isVouched ? { from } : {} };
  }

  #decode(
    parsed: Subject | undefined,
    payload: Uint8Array,
    nowMs: number,
  ): Received | Refusal | undefined {
    if (payload.length > MESSAGE_MAX) {
      return refusal("size", `${payload.length} bytes, a message has at most ${MESSAGE_MAX}`);
    }
    const envelope = this.#openEnvelope(payload);
    if (isRefusal(envelope)) return envelope;
    const declaration = this.#admit(envelope, parsed);
    if (isRefusal(declaration)) return declaration;
    const body = this.#whole(envelope, nowMs);
    if (body === undefined || !(body instanceof Uint8Array)) return body;
    const { from, id, v, gen, stamp } = envelope;
    const message = this.#bodies.decode(declaration, body);
    this.#work += this.#bodies.work;
    if (isRefusal(message)) return { ...message, from };
    // Whatever is in the registry is a Message.
    const whole = message as unknown as Message;
    const isStranger = this.clusterId !== undefined && envelope.cluster !== this.clusterId;
    return { from, id, v, gen, stamp, message: whole, isStranger };
  }

  #openEnvelope(payload: Uint8Array): Envelope | Refusal {
    const decoded = this.#cbor.decode(payload, { plainMax: ENVELOPE_MAX });
    this.#work += this.#cbor.work;
    if (isRefusal(decoded)) return decoded;
    const shaped = ENVELOPE_FORM.shape(decoded.map) as Partial<Envelope>;
    const from = isNodeId(shaped.from) ? shaped.from : undefined;
    // Before all else: another version may have another envelope.
    const { v } = shaped;
    if (Number.isInteger(v)) {
      const fault = versionFault(v as number, this.#options.protocol);
      if (fault !== undefined) return refusal("version", fault, from);
    }
    if (!ENVELOPE_FORM.check(shaped)) {
      return refusal("envelope", ENVELOPE_FORM.faultOf(shaped), from);
    }
    return shaped as Envelope;
  }

  /** The declaration that an envelope names, if such a message may come so. */
  #admit(envelope: Envelope, subject: Subject | undefined): SomeDeclaration | Refusal {
    const { from, cluster, kind, v } = envelope;
    if (subject !== undefined && subject.from !== tagOf(from)) {
      return refusal("sender", `the subject says ${subject.from}, the envelope ${from}`, from);
    }
    const declaration = this.#options.declarations.get(kind);
    const isOurs = this.clusterId === undefined || cluster === this.clusterId;
    const isOnItsWay = subject === undefined || declaration?.classes.includes(subject.class);
    if (!isOurs && (declaration?.fromStrangers !== true || isOnItsWay !== true)) {
      return refusal("cluster", `it is of cluster ${cluster}, we are ${this.clusterId}`, from);
    }
    if (declaration === undefined) {
      const own = this.#options.protocol;
      return refusal("kind", `protocol ${own} has no message ${kind} (sender: ${v})`, from);
    }
    if (subject !== undefined && !declaration.classes.includes(subject.class)) {
      return refusal("class", `${kind} does not travel on ${subject.class}`, from);
    }
    const bytes = envelope.bytes ?? envelope.body.length;
    if (bytes > declaration.bytesMax) {
      const text = `${kind} has ${bytes} bytes, its limit is ${declaration.bytesMax}`;
      return refusal("size", text, from);
    }
    return declaration;
  }

  /** The body of a message, of all its parts; undefined while some are missing. */
  #whole(envelope: Envelope, nowMs: number): Uint8Array | Refusal | undefined {
    const { from, id, kind, part, parts, bytes, body } = envelope;
    if (part === undefined && parts === undefined && bytes === undefined) return body;
    if (part === undefined || parts === undefined || bytes === undefined) {
      return refusal("part", "part, parts and bytes come together", from);
    }
    const taken = this.assembly.take({ from, id, kind, part, parts, bytes, body }, nowMs);
    if (taken === "waits" || taken === "known") return undefined;
    return taken instanceof Uint8Array ? taken : refusal("part", taken.wrong, from);
  }
}

function isNodeId(value: unknown): value is NodeId {
  return typeof value === "string" && /^[0-9a-f]{32}$/.test(value);
}
