/**
 * Mutated database files: one seed, one file, everything that can be done with it.
 *
 *   seed -> dice -> a vector, 1 to 4 mutations -> open, check, rescue, summary, fetch, traverse, store, delete ...
 *
 *   Memory:  | a database | guard | the file ... | a database |
 *
 * Each step must end with a result or one of our errors: no trap, no endless list, no byte written beside the file.
 *
 * Does NOT promise: sense of what is found; a mutated file may hold anything.
 */

import { threadMemory } from "../../assembly/host/memory.ts";
import { DB_BYTES } from "../../assembly/host/tdb_kernels.ts";
import { check, type CheckReport } from "../../actors/storage/tdb_check.ts";
import { openTdb, type TdbOptions } from "../../actors/storage/tdb_open.ts";
import { rescue } from "../../actors/storage/tdb_rescue.ts";
import { freelistSizes, summary } from "../../actors/storage/tdb_summary.ts";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { type Dice, SeededDice } from "../../transport/sim/dice.ts";
import { SimImageStore } from "../../transport/sim/image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { putFile } from "../actors/storage/vector_files.ts";
import { mutate, type Seedling, seedlings } from "./fuzz_files.ts";

/** Directly before the fuzzed file. */
export const GUARD_BYTES = 65536;
/** What a neighbour reserves; between the two there is room for the guard and a file with what works on it. */
const NEIGHBOUR_BYTES = 65536;
const GAP_BYTES = GUARD_BYTES + 1024 * 1024;
/** A file grows by no more than this in one run, bytes. */
const GROWTH_MAX = 16 * 1024 * 1024;
/** How a run ended. */
export interface FuzzOutcome {
  /** "open: corrupt/header", "check: ok" ...: which steps ended how. */
  readonly steps: readonly string[];
}

/** A database that is open beside the fuzzed one: its bytes and its descriptor must stay what they are. */
class Neighbour {
  readonly #tdb: Tdb;
  readonly #bytes: Uint8Array;
  readonly #descriptor: Uint8Array;

  private constructor(tdb: Tdb) {
    this.#tdb = tdb;
    this.#bytes = this.#now();
    this.#descriptor = this.#fields();
  }

  static async open(store: SimImageStore, path: string): Promise<Neighbour> {
    const tdb = await openTdb(store, path, { create: true, hashSize: 5, noSync: true });
    for (let i = 0; i < 40; i++) tdb.store(new Uint8Array([i]), new Uint8Array(100).fill(i));
    return new Neighbour(tdb);
  }

  #now(): Uint8Array {
    const { address, mapped } = this.#tdb.core.image;
    return threadMemory().bytes.slice(address, address + mapped);
  }

  #fields(): Uint8Array {
    const { db, memory } = this.#tdb.core;
    return memory.bytes.slice(db, db + DB_BYTES);
  }

  /** Throws when a byte changed. */
  wantWhole(): void {
    const same = (one: Uint8Array, other: Uint8Array): boolean =>
      one.length === other.length && one.every((byte, index) => byte === other[index]);
    if (!same(this.#now(), this.#bytes)) throw new Error("A neighbour's file was changed");
    if (!same(this.#fields(), this.#descriptor)) throw new Error("A neighbour's descriptor was");
  }

  close(): void {
    this.#tdb.close();
  }
}

/** Runs seeds on one simulated disk. */
export class Fuzz {
  readonly #store = new SimImageStore({ seed: 1 });
  readonly #seedlings: readonly Seedling[];
  readonly #neighbours: readonly Neighbour[];

  private constructor(found: readonly Seedling[], neighbours: readonly Neighbour[]) {
    this.#seedlings = found;
    this.#neighbours = neighbours;
  }

  /** With a database before the fuzzed one in the Memory, and one behind it; close() them. */
  static async make(): Promise<Fuzz> {
    const { regions } = threadMemory();
    const store = new SimImageStore({ seed: 2, reserveBytes: NEIGHBOUR_BYTES });
    const before = await Neighbour.open(store, "before");
    const gap = regions.take(GAP_BYTES);
    if (gap === undefined) throw new RangeError("Cannot fuzz: no memory");
    const behind = await Neighbour.open(store, "behind");
    regions.give(gap, GAP_BYTES);
    return new Fuzz(await seedlings(new SimImageStore({ seed: 1 })), [before, behind]);
  }

  close(): void {
    for (const neighbour of this.#neighbours) neighbour.close();
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
      for (const neighbour of this.#neighbours) neighbour.wantWhole();
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
    // Records of sound chains, then those of one that meets itself: each at most as many as the file has room for.
    const most = 2 * Math.floor(tdb.size / 28) + 2;
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
