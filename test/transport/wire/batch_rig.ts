/**
 * Batches for tests, of any kind: any that is declared, and the writer and reader of a node.
 *
 *   const rig = new BatchRig({ declared, head, writer, reader })
 *   fc.property(rig.any, (batch) => rig.taken(rig.written(batch)))
 *
 * Does NOT promise: sense; a machine would never send most of these.
 */
import fc from "fast-check";
import type {
  Batch,
  BatchHead,
  BatchReader,
  BatchWriter,
  Written,
} from "../../../transport/wire/batch_layout.ts";
import { isRefusal } from "../../../transport/wire/envelope.ts";
import type { Refusal } from "../../../transport/wire/envelope.ts";
import type { ClusterId, NodeId } from "../../../transport/wire/terms.ts";
import type { SchemaNode } from "../../../transport/wire/schema.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import { anyBody } from "./declared.ts";
import { CLUSTER, ONE } from "./two_nodes.ts";

/** One kind of batches. */
export interface BatchRigParts<H extends BatchHead, M> {
  readonly declared: { readonly body: unknown; readonly faultOf: (body: unknown) => string };
  /** Some head. */
  readonly head: object;
  readonly headSize: number;
  readonly writer: (cluster: ClusterId, from: NodeId, firstId: bigint) => BatchWriter<H, M>;
  readonly reader: (cluster: ClusterId) => BatchReader<H, M>;
}

/** Makes batches of one kind, and reads them. */
export class BatchRig<H extends BatchHead, M extends { readonly kind: string }> {
  readonly parts: BatchRigParts<H, M>;
  /** Any batch that is declared. */
  readonly any: fc.Arbitrary<Written<H, M>>;
  /** The kinds of messages that are declared. */
  readonly kinds: readonly M["kind"][];

  constructor(parts: BatchRigParts<H, M>) {
    this.parts = parts;
    this.any = anyBody(parts.declared as never).map((body) => body as never);
    this.kinds = this.#declared().map((one) => one.properties?.["kind"]?.const as M["kind"]);
  }

  #declared(): readonly SchemaNode[] {
    return (this.parts.declared.body as SchemaNode).properties?.["messages"]?.items?.anyOf ?? [];
  }

  /** Any messages of one kind. */
  readonly anyOfKind = (kind: M["kind"]): fc.Arbitrary<M> => {
    const body = this.#declared().find(({ properties }) => properties?.["kind"]?.const === kind);
    return anyBody({ body } as never).map((message) => message as never);
  };

  /** Some batch around messages. */
  readonly batchOf = (...messages: readonly unknown[]): Written<H, M> => {
    return { ...this.parts.head, messages } as unknown as Written<H, M>;
  };

  /** The payloads of a batch of ONE. */
  readonly writtenAll = (batch: Written<H, M>, payloadMax?: number): Uint8Array[] => {
    const writer = this.parts.writer(CLUSTER, ONE, 77n);
    if (payloadMax !== undefined) writer.payloadMax = payloadMax;
    return writer.write(batch).map((payload) => payload.slice());
  };

  /** The payload of a batch of ONE that fits into one. */
  readonly written = (batch: Written<H, M>): Uint8Array => {
    const [first = new Uint8Array(), ...more] = this.writtenAll(batch);
    if (more.length > 0) throw new Error(`${1 + more.length} payloads`);
    return first;
  };

  /** What a node makes of a payload of ONE. */
  readonly read = (bytes: Uint8Array): Batch<H, M> | Refusal | undefined => {
    return this.parts.reader(CLUSTER).read(bytes, tagOf(ONE), 0);
  };

  /** What must be taken. */
  readonly taken = (bytes: Uint8Array): Batch<H, M> => {
    const result = this.read(bytes);
    if (result !== undefined && !isRefusal(result)) return result;
    throw new Error(`not taken: ${JSON.stringify(result)}`);
  };

  /** The code of what must be refused; "none" when it is not. */
  readonly refusalIn = (bytes: Uint8Array): string => {
    const result = this.read(bytes);
    return result !== undefined && isRefusal(result) ? result.refused : "none";
  };
}

/** The same bytes with a u32 changed. */
export function poked(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint32(at, value, true);
  return copy;
}

/** The same bytes with others in their place. */
export function put(bytes: Uint8Array, at: number, ...values: readonly number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
}

/** Hex digits of bytes. */
export function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
