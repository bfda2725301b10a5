/**
 * The records of one scope, with sums that say whether two nodes hold the same.
 *
 *   each record -> two u32 made of (key, c, w)     the sums of both over all records, modulo 2^32 -> hash u64
 *   path "a3": the records whose key's hash, in hex, begins with a3; its hash and count narrow a difference down
 *
 * Sums do not depend on order and go with each change, so a digest costs nothing. A write is named by (key, c, w), so
 * the value need not be in it.
 *
 *   floor: up to this stamp nothing is lacking here, and tombstones are gone. What is not above it and not here was
 *          deleted.
 *
 * Does NOT promise: that equal hashes are equal scopes against somebody who wants to deceive.
 */
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import { mix, textHash } from "../mix.ts";
import type { Stamp } from "./record.ts";

/** Digits of a key's hash: no path is longer. */
export const PATH_MAX = 8;

/** What a comparison sends of a part of a scope. */
export interface PathSum {
  /** Hex digits, 0 to PATH_MAX of them. */
  readonly path: string;
  readonly hash: bigint;
  readonly count: number;
}

interface Entry {
  readonly record: MetaRecord;
  readonly path: string;
  readonly high: number;
  readonly low: number;
}

/** The records of a scope on one node. */
export class Table {
  readonly #entries = new Map<string, Entry>();
  #high = 0;
  #low = 0;
  #tombstones = 0;
  #floor = 0n;

  /** Up to this stamp nothing is lacking here; 0: nothing is known. */
  get floor(): bigint {
    return this.#floor;
  }

  /** Records, tombstones too. */
  get count(): number {
    return this.#entries.size;
  }

  get tombstones(): number {
    return this.#tombstones;
  }

  /** u64 over all records. */
  get hash(): bigint {
    return joined(this.#high, this.#low);
  }

  get(key: string): MetaRecord | undefined {
    return this.#entries.get(key)?.record;
  }

  /** All records, tombstones too. */
  *records(): Generator<MetaRecord> {
    for (const { record } of this.#entries.values()) yield record;
  }

  /** Puts a record in the place of what is there for its key. */
  put(record: MetaRecord): void {
    this.drop(record.key);
    const [high, low] = lanesOf(record);
    const path = pathOf(record.key);
    this.#entries.set(record.key, { record, path, high, low });
    this.#high = (this.#high + high) >>> 0;
    this.#low = (this.#low + low) >>> 0;
    if (record.value === null) this.#tombstones++;
  }

  /** Forgets a key. */
  drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#high = (this.#high - entry.high) >>> 0;
    this.#low = (this.#low - entry.low) >>> 0;
    if (entry.record.value === null) this.#tombstones--;
  }

  /** Raises the floor and drops the tombstones that are not above it. Answers their keys. */
  raiseFloor(floor: bigint): string[] {
    if (floor <= this.#floor) return [];
    this.#floor = floor;
    const keys: string[] = [];
    if (this.#tombstones === 0) return keys;
    for (const { record } of this.#entries.values()) {
      if (record.value === null && record.c <= floor) keys.push(record.key);
    }
    for (const key of keys) this.drop(key);
    return keys;
  }

  /** The highest stamp; 0: no records. */
  maxC(): bigint {
    let max = 0n;
    for (const { record } of this.#entries.values()) if (record.c > max) max = record.c;
    return max;
  }

  /** The sums of these paths, in their order. */
  sums(paths: readonly string[]): PathSum[] {
    return paths.map((path) => {
      let high = 0;
      let low = 0;
      let count = 0;
      for (const entry of this.#entries.values()) {
        if (!entry.path.startsWith(path)) continue;
        high = (high + entry.high) >>> 0;
        low = (low + entry.low) >>> 0;
        count++;
      }
      return { path, hash: joined(high, low), count };
    });
  }

  /** The records of a path. */
  within(path: string): MetaRecord[] {
    const found: MetaRecord[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.path.startsWith(path)) found.push(entry.record);
    }
    return found;
  }
}

/** The 16 parts of a path. */
export function childrenOf(path: string): string[] {
  return Array.from({ length: 16 }, (_, digit) => path + digit.toString(16));
}

/** The path of a key with all its digits: it lies within each of its beginnings. */
export function pathOf(key: string): string {
  return textHash(key, 0).toString(16).padStart(PATH_MAX, "0");
}

/** Two u32 of a write, independent of each other. */
function lanesOf({ key, c, w }: Stamp): [number, number] {
  const low = Number(BigInt.asUintN(32, c));
  const high = Number(BigInt.asUintN(32, c >> 32n));
  const lane = (seed: number): number =>
    mix(mix(mix(textHash(key, seed) + low) + high) + textHash(w, seed + 1));
  return [lane(1), lane(3)];
}

function joined(high: number, low: number): bigint {
  return BigInt(high) << 32n | BigInt(low);
}
