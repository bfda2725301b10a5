/**
 * Mutated database files: one seed, one file, everything that can be done with it.
 *
 *   seed -> dice -> a vector, 1 to 4 mutations -> open, check, rescue, summary, fetch, traverse, store, delete ...
 *
 * Each step must end with a result or one of our errors: no trap, no endless list, no byte written beside the file.
 *
 * Does NOT promise: sense of what is found; a mutated file may hold anything.
 */

import { threadMemory } from "../../assembly/host/memory.ts";
import { check, type CheckReport } from "../../actors/storage/tdb_check.ts";
import { openTdb, type TdbOptions } from "../../actors/storage/tdb_open.ts";
import { rescue } from "../../actors/storage/tdb_rescue.ts";
import { freelistSizes, summary } from "../../actors/storage/tdb_summary.ts";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { type Dice, SeededDice } from "../../transport/sim/dice.ts";
import { SimImageStore } from "../../transport/sim/image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { putFile, vectorBytes, vectors } from "../actors/storage/vector_files.ts";

const GUARD_BYTES = 65536;
/** A file grows by no more than this in one run, bytes. */
const GROWTH_MAX = 16 * 1024 * 1024;
const MAGICS = [0x26011999, 0xd9fee666, 0xfee1dead, 0xf53bc0e7, 0, 0x42424242, 0x2601196d];

/** A file to mutate. */
interface Seedling {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly little: boolean;
  readonly keys: readonly Uint8Array[];
}

/** How a run ended. */
export interface FuzzOutcome {
  /** "open: corrupt/header", "check: ok" ...: which steps ended how. */
  readonly steps: readonly string[];
}

function unhex(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Bytes of one mutated file, from one of the vectors. */
function mutate(
  dice: Dice,
  seedlings: readonly Seedling[],
): { seedling: Seedling; bytes: Uint8Array } {
  const pick = (): Seedling => seedlings[dice.below(seedlings.length)] as Seedling;
  const seedling = pick();
  let bytes = seedling.bytes.slice();
  for (let count = 1 + dice.below(4); count > 0 && bytes.length >= 8; count--) {
    const what = dice.below(10);
    if (what < 3) flip(dice, bytes);
    else if (what < 8) replaceWord(dice, bytes, seedling.little);
    else if (what === 8) bytes = bytes.slice(0, place(dice, bytes));
    else splice(dice, bytes, pick().bytes);
  }
  return { seedling, bytes };
}

/** Some byte: of the header, the heads and the first records rather than of the long rest. */
function place(dice: Dice, bytes: Uint8Array): number {
  const near = Math.min(bytes.length, 64 * 2 ** dice.below(10));
  return dice.below(near);
}

function flip(dice: Dice, bytes: Uint8Array): void {
  const at = place(dice, bytes);
  bytes[at] = (bytes[at] as number) ^ (1 << dice.below(8));
}

/** A word that means something where records are: a length, an offset, a magic. */
function replaceWord(dice: Dice, bytes: Uint8Array, little: boolean): void {
  const view = new DataView(bytes.buffer);
  const at = dice.chance(2, 3) ? nearMagic(dice, view, little) : place(dice, bytes) & ~3;
  if (at < 0 || at > bytes.length - 4) return;
  const size = bytes.length;
  const old = view.getUint32(at, little);
  const other = view.getUint32(dice.below(size - 3) & ~3, little);
  const values = [
    0,
    1,
    0xffffffff,
    size,
    size - 4,
    size - 24,
    size - 28,
    4,
    28,
    old + 4,
    old - 4,
    old * 2,
  ];
  values.push(
    dice.below(size) & ~3,
    dice.below(size) & ~3,
    other,
    at,
    at - 24,
    at - 20,
    dice.u32(),
  );
  values.push(0x80000000, 0xfffffffc, 0xffffffe4, size - at, size - at - 24, ...MAGICS);
  view.setUint32(at, (values[dice.below(values.length)] as number) >>> 0, little);
}

/** A word of the header of some record, or just before it. */
function nearMagic(dice: Dice, view: DataView, little: boolean): number {
  const size = view.byteLength & ~3;
  const from = dice.below(size) & ~3;
  for (let step = 0; step < size; step += 4) {
    const at = (from + step) % size;
    if (!MAGICS.slice(0, 4).includes(view.getUint32(at, little))) continue;
    return at - 24 + 4 * dice.below(7);
  }
  return -1;
}

/** Copies a block of one file over a place of the other. */
function splice(dice: Dice, bytes: Uint8Array, source: Uint8Array): void {
  const length = Math.min(4 << dice.below(11), bytes.length, source.length);
  const to = dice.below(bytes.length - length + 1) & ~3;
  const from = dice.below(source.length - length + 1) & ~3;
  bytes.set(source.subarray(from, from + length), to);
}

/** A file of our own with more free records than are walked: the list has an index in the file. */
async function indexedSeedling(
  store: SimImageStore,
  byteOrder: "little" | "big",
): Promise<Seedling> {
  const keys = Array.from(
    { length: 130 },
    (_, index) => new TextEncoder().encode(`our key ${index}`),
  );
  const tdb = await openTdb(store, "own", { create: true, hashSize: 13, byteOrder, noSync: true });
  for (const [index, key] of keys.entries()) tdb.store(key, new Uint8Array(1 + (index * 37) % 150));
  for (let index = 0; index < 130; index += 2) tdb.delete(keys[index] as Uint8Array);
  for (let index = 0; index < 20; index += 2) {
    tdb.store(keys[index] as Uint8Array, new Uint8Array(3));
  }
  const { address, mapped } = tdb.core.image;
  const bytes = threadMemory().bytes.slice(address, address + mapped);
  tdb.close();
  store.remove("own");
  return { file: `own ${byteOrder}`, bytes, keys, little: byteOrder === "little" };
}

/** Runs seeds on one simulated disk. */
export class Fuzz {
  readonly #store = new SimImageStore({ seed: 1 });
  readonly #seedlings: Seedling[];

  /** Use Fuzz.make(). */
  private constructor() {
    const { good, corrupt } = vectors();
    const keys = good.flatMap(({ records }) => records.map(([key]) => unhex(key)));
    const sample = keys.filter((_, index) => index % 12 === 0);
    this.#seedlings = [
      ...good.map((vector) => ({
        file: vector.file,
        keys: vector.records.length > 0 ? vector.records.map(([key]) => unhex(key)) : sample,
      })),
      ...corrupt.map(({ file }) => ({ file, keys: sample })),
    ].map(({ file, keys }) => {
      const bytes = vectorBytes(file);
      return { file, bytes, keys, little: bytes[32] !== 0x26 };
    });
  }

  /** With files of libtdb, and files of our own, whose free list is indexed. */
  static async make(): Promise<Fuzz> {
    const fuzz = new Fuzz();
    for (const byteOrder of ["little", "big"] as const) {
      const seedling = await indexedSeedling(fuzz.#store, byteOrder);
      // Often, because each has more to break.
      for (let copies = 0; copies < 4; copies++) fuzz.#seedlings.push(seedling);
    }
    return fuzz;
  }

  /** Everything with the file of one seed. Throws what must not happen. */
  async run(seed: number): Promise<FuzzOutcome> {
    const dice = new SeededDice(seed);
    const { seedling, bytes } = mutate(dice, this.#seedlings);
    const { regions, bytes: memory } = threadMemory();
    const guard = regions.take(GUARD_BYTES);
    if (guard === undefined) throw new RangeError("Cannot fuzz: no memory");
    memory.fill(0x5a, guard, guard + GUARD_BYTES);
    const run = new Run(dice, seedling, bytes.length);
    try {
      putFile(this.#store, "fuzz", bytes);
      await run.all(this.#store);
      const isWhole = memory.subarray(guard, guard + GUARD_BYTES).every((byte) => byte === 0x5a);
      if (!isWhole) throw new Error("Bytes before the file were written");
      return { steps: run.steps };
    } catch (error) {
      const steps = run.steps.filter((step) => step !== "fetch: ok").join("; ");
      const text = error instanceof Error ? error.message : String(error);
      throw new Error(`seed ${seed}, ${seedling.file}: ${text}; ${steps}`, { cause: error });
    } finally {
      this.#store.remove("fuzz");
      regions.give(guard, GUARD_BYTES);
    }
  }
}

/** One file's run. */
class Run {
  readonly #dice: Dice;
  readonly #seedling: Seedling;
  readonly #size: number;
  readonly #strict: boolean;
  readonly steps: string[] = [];

  constructor(dice: Dice, seedling: Seedling, size: number) {
    this.#dice = dice;
    this.#seedling = seedling;
    this.#size = size;
    this.#strict = dice.chance(1, 2);
  }

  /** Runs one step; our own errors are results. */
  async #step<T>(name: string, work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      const result = await work();
      this.steps.push(`${name}: ok`);
      return result;
    } catch (error) {
      if (!(error instanceof CtdbxError)) throw error;
      if (error.message === "" || error.message.includes("unknown fault")) throw error;
      const kind = "kind" in error ? `/${error.kind}` : "";
      this.steps.push(`${name}: ${error.code}${kind}`);
      return undefined;
    }
  }

  async all(store: SimImageStore): Promise<void> {
    const dice = this.#dice;
    const options: TdbOptions = {
      locking: dice.chance(1, 2) ? "none" : "fcntl",
      readOnly: dice.chance(1, 3),
      maxDead: dice.chance(1, 4) ? 3 : 0,
      noSync: true,
      lockTimeoutMs: 0,
    };
    if (dice.chance(1, 3)) Object.assign(options, { locking: undefined });
    const tdb = await this.#step("open", () => openTdb(store, "fuzz", options));
    if (tdb === undefined) return;
    try {
      const before = await this.#read(tdb);
      if (!tdb.readOnly) await this.#write(tdb);
      const after = await this.#read(tdb);
      this.#requireBounds(tdb);
      if (before?.ok === true && after?.ok === false) {
        throw new Error(`A file that was sound is broken: ${after.problems[0]?.text}`);
      }
    } finally {
      tdb.close();
    }
  }

  async #read(tdb: Tdb): Promise<CheckReport | undefined> {
    const dice = this.#dice;
    const strict = this.#strict;
    const slice = 1 + dice.below(200);
    const report = await this.#step("check", () => check(tdb, { strict, slice }));
    if (report !== undefined) {
      this.steps.push(report.ok ? "check is ok" : `check says ${report.problems[0]?.kind}`);
      if (report.problems.some(({ text }) => text.includes("undefined"))) {
        throw new Error("No text");
      }
    }
    await this.#step("summary", () => summary(tdb, { slice }));
    await this.#step("freelist", () => freelistSizes(tdb));
    await this.#step("rescue", () => {
      let bytes = 0;
      rescue(tdb, (key, value) => void (bytes += key.length + value.length));
      if (bytes > 5 * tdb.size) throw new Error(`Rescued ${bytes} bytes of ${tdb.size}`);
    });
    for (const key of this.#seedling.keys) {
      await this.#step("fetch", () => tdb.fetch(key));
    }
    await this.#step("fetch absent", () => tdb.fetch(new Uint8Array(dice.below(40)).fill(7)));
    await this.#step("traverse", () => this.#traverse(tdb));
    await this.#step("first", () => tdb.firstKey());
    return report;
  }

  async #traverse(tdb: Tdb): Promise<void> {
    const most = Math.floor(tdb.size / 28) + 1;
    let visited = 0;
    await tdb.traverse((record) => {
      if (++visited > most) throw new Error(`Traverse visits more than ${most} records`);
      const end = record.valueOffset + record.valueLength;
      if (end > record.bytes.length) throw new Error(`A record ends at ${end}, beyond the memory`);
    });
  }

  async #write(tdb: Tdb): Promise<void> {
    const dice = this.#dice;
    for (let count = 2 + dice.below(20); count > 0; count--) await this.#change(tdb);
    if (dice.chance(1, 2)) {
      await this.#step("begin", () => tdb.begin());
      for (let count = dice.below(10); count > 0; count--) await this.#change(tdb);
      if (tdb.inTransaction && dice.chance(1, 4)) await this.#read(tdb);
      if (dice.chance(1, 3)) await this.#step("cancel", () => tdb.cancel());
      else await this.#step("commit", () => tdb.commit());
      if (tdb.inTransaction) await this.#step("cancel", () => tdb.cancel());
    }
    if (dice.chance(1, 8)) await this.#step("repack", () => tdb.repack());
    if (dice.chance(1, 8)) await this.#step("wipe", () => tdb.wipe());
  }

  #change(tdb: Tdb): Promise<unknown> {
    const dice = this.#dice;
    const { keys } = this.#seedling;
    const fresh = dice.chance(1, 3);
    const key = fresh
      ? new Uint8Array(dice.below(30)).fill(dice.below(256))
      : keys[dice.below(keys.length)] as Uint8Array;
    const value = new Uint8Array(dice.below(1 << dice.below(14))).fill(dice.below(256));
    const what = dice.below(10);
    if (what < 4) return this.#step("store", () => tdb.store(key, value));
    if (what < 7) return this.#step("delete", () => tdb.delete(key));
    if (what < 8) return this.#step("append", () => tdb.append(key, value));
    if (what < 9) return this.#step("next", () => tdb.nextKey(key));
    return this.#step("delete while traversing", async () => {
      let left = 5;
      await tdb.traverse((record) => {
        tdb.delete(record.key());
        return --left > 0;
      }, { write: dice.chance(1, 2) });
    });
  }

  /** Did the file grow without bound? */
  #requireBounds(tdb: Tdb): void {
    const { image } = tdb.core;
    if (image.mapped > this.#size + GROWTH_MAX) throw new Error(`Grew to ${image.mapped} bytes`);
  }
}
