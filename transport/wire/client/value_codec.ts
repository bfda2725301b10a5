/**
 * Values of programs as bytes: the states of actors, arguments and results of their methods. CBOR.
 *
 *   number, bigint (64 bits), text, boolean, null, undefined, Uint8Array, Date, arrays, plain objects
 *
 * Does NOT promise: the class of an object, or Map and Set; who writes them reads plain objects.
 */
import { Decoder, Encoder } from "cbor-x/encode";
import type { Options } from "cbor-x/encode";
import { CtdbxError } from "../errors.ts";

const CBOR: Options = {
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  tagUint8Array: false,
};

/** Writes and reads them. */
export class ValueCodec {
  readonly #encoder = new Encoder(CBOR);
  readonly #decoder = new Decoder(CBOR);

  /** A copy of its own. Throws TypeError on what has no form. */
  encode(value: unknown): Uint8Array {
    refuseOdd(value, 0);
    return new Uint8Array(this.#encoder.encode(value));
  }

  /** Throws "corrupt" on what is no CBOR. */
  decode(bytes: Uint8Array): unknown {
    try {
      return this.#decoder.decode(bytes);
    } catch (error) {
      throw new CtdbxError("corrupt", "Cannot read a value: it is no CBOR", { cause: error });
    }
  }
}

/** How deep values may lie in each other. */
const DEPTH_MAX = 64;

function refuseOdd(value: unknown, depth: number): void {
  if (depth > DEPTH_MAX) throw new TypeError(`Cannot write a value deeper than ${DEPTH_MAX}`);
  if (typeof value === "function" || typeof value === "symbol") {
    throw new TypeError(`Cannot write a ${typeof value}: it is no value`);
  }
  if (
    typeof value === "bigint" && BigInt.asIntN(64, value) !== value &&
    BigInt.asUintN(64, value) !== value
  ) {
    throw new TypeError("Cannot write a bigint of more than 64 bits");
  }
  if (typeof value !== "object" || value === null) return;
  if (value instanceof Uint8Array) return;
  if (value instanceof Map || value instanceof Set) {
    throw new TypeError("Cannot write a Map or a Set: use a plain object or an array");
  }
  for (const part of Object.values(value)) refuseOdd(part, depth + 1);
}
