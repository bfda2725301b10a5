/**
 * A sum over all records of a database, in whatever order they come: two that are equal have the same records.
 *
 *   each record ─▶ MD5 of u32 key length, key, value ─▶ its first 8 bytes ─▶ added up, modulo 2^64
 *
 * Does NOT promise: protection against intent; it notices accidents.
 */
import { chainOf } from "./sums.ts";

/** One that is being made. */
export class ContentSum {
  #sum = 0n;
  #count = 0;
  #bytes = 0;

  /** Adds a record. `version`: of the record, where equal copies must have equal ones. */
  add(key: Uint8Array, value: Uint8Array, version?: bigint): void {
    const rest = version === undefined ? 0 : 8;
    const whole = new Uint8Array(4 + key.length + value.length + rest);
    const view = new DataView(whole.buffer);
    view.setUint32(0, key.length, true);
    whole.set(key, 4);
    whole.set(value, 4 + key.length);
    if (version !== undefined) view.setBigUint64(whole.length - rest, version, true);
    this.#sum = BigInt.asUintN(64, this.#sum + chainOf(whole, 0, whole.length));
    this.#count += 1;
    this.#bytes += key.length + value.length;
  }

  /** Records that were added. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of keys and values. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The sum: 16 hex digits. */
  get text(): string {
    return this.#sum.toString(16).padStart(16, "0");
  }
}
