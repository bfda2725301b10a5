/**
 * `ctdbx tdb bench FILE`: what one operation costs on this machine with the records of this file.
 *
 * The records are copied to a new file in memory (/dev/shm where there is one) and the operations run on the
 * copy: FILE itself is only read. Keys are taken in an order that the file's layout does not favour.
 *
 *   FILE --read lock, copy--> scratch copy --> warm-up, then rounds of each operation --> median ns
 *
 * Does NOT promise: a comparison with libtdb: `npm run bench -- tdb` does that, in the same run.
 */

import type { Command } from "commander";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { withDatabase } from "../database.ts";
import { usage } from "../failure.ts";
import { NewDatabase } from "../new_database.ts";
import { declare, type Task } from "../declare.ts";
import { progress } from "../progress.ts";
import { type RowOf, rows } from "../result.ts";
import { int, text } from "../schema.ts";
import { targetOf } from "../target.ts";
import type { CommandWorld, OpenFlags } from "../world.ts";
import { LOCK_WAIT, openOptions, whole } from "../world.ts";
import { atOneMoment, optionsLike } from "./tdb_copy.ts";

/** Keys that take part at most; more do not change the result. */
const KEYS_MAX = 100_000;
/** Rounds of each operation; the median counts. */
const ROUNDS = 5;

const MEASURED = rows({
  operation: text("OPERATION", "what was measured"),
  locks: text("LOCKS", "how the handle locks; none: for nobody else"),
  nsPerOp: int("NS PER OP", "median over the rounds", "ns"),
  perSecond: int("PER SECOND", "the same the other way round", "1/s"),
  ops: int("OPS PER ROUND", "operations that one round has"),
});

interface BenchFlags extends OpenFlags {
  readonly ops: number;
}

/** Adds the command to `ctdbx tdb`. */
export function addBenchCommand(tdb: Command, world: CommandWorld): void {
  const bench = tdb.command("bench <file>")
    .description("measure reading and writing on a copy of the file, which itself is only read");
  declare<BenchFlags, RowOf<typeof MEASURED>>(
    openOptions(bench, true)
      .option("--ops <count>", "operations per round", whole(100, 10_000_000), 50_000),
    world,
    { result: MEASURED, timeout: LOCK_WAIT },
    runBench,
  );
}

async function runBench(
  { world, flags, out }: Task<BenchFlags, RowOf<typeof MEASURED>>,
  file = "",
): Promise<void> {
  const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const copy = join(memory, `ctdbx-bench-${process.pid}-${randomBytes(6).toString("hex")}.tdb`);
  const keys = await copyRecords(world, file, copy, flags);
  const handles: Tdb[] = [];
  const bar = progress(world.terminal, "measuring");
  try {
    for (const how of [{ locking: "none" as const }, {}]) {
      handles.push(await openTdb(world.store, copy, { ...how, noSync: true }));
    }
    // The handles keep the file; without a name it goes with this process, however that ends.
    world.store.remove(copy);
    for (const [index, tdb] of handles.entries()) {
      for (const { operation, ops, ns } of await measure(world, tdb, keys, flags.ops)) {
        const nsPerOp = Math.round(ns);
        const perSecond = Math.round(1e9 / ns);
        out.row({ operation, locks: tdb.locking, nsPerOp, perSecond, ops });
      }
      bar.at(index + 1, handles.length);
    }
  } finally {
    bar.end();
    for (const tdb of handles) tdb.close();
    world.store.remove(copy);
  }
}

/** Makes the scratch copy; returns keys for the measurement, shuffled. */
async function copyRecords(
  world: CommandWorld,
  file: string,
  copy: string,
  flags: BenchFlags,
): Promise<Uint8Array[]> {
  return await withDatabase(world, file, flags, "look", async (tdb) => {
    const { hashSize, hash, mutex } = optionsLike(tdb);
    const target = targetOf(copy, {});
    const database = await NewDatabase.begin(world, target, { hashSize, hash, mutex });
    const keys: Uint8Array[] = [];
    try {
      await atOneMoment(tdb, () =>
        tdb.traverse((record) => {
          const key = record.key();
          database.put(key, record.value(), true);
          if (keys.length < KEYS_MAX) keys.push(key);
        }));
    } catch (error) {
      database.abandon();
      throw error;
    }
    if (keys.length === 0) {
      database.abandon();
      throw usage(`Cannot measure ${file}: it has no records`, "store some first");
    }
    await database.finish();
    return shuffled(keys);
  });
}

/** One measured operation. */
interface Measured {
  readonly operation: string;
  readonly ops: number;
  /** Median time of one operation. */
  readonly ns: number;
}

async function measure(
  world: CommandWorld,
  tdb: Tdb,
  keys: readonly Uint8Array[],
  ops: number,
): Promise<Measured[]> {
  const values = keys.map((key) => tdb.fetch(key) ?? new Uint8Array(0));
  const missing = keys.map((key) => Uint8Array.of(...key.subarray(0, 32), 1, 2, 3, 4));
  let sum = 0;
  const steps: { operation: string; run: (index: number) => void }[] = [
    {
      operation: "read in place",
      run: (index) => {
        tdb.parse(keys[index] as Uint8Array, (record) => {
          sum += record.bytes[record.valueOffset] ?? 0;
        });
      },
    },
    { operation: "read a copy", run: (index) => void tdb.fetch(keys[index] as Uint8Array) },
    {
      operation: "look for a missing key",
      run: (index) => void tdb.exists(missing[index] as Uint8Array),
    },
    {
      operation: "store, same length",
      run: (index) => {
        const value = values[index] as Uint8Array;
        // An identical value would not be written at all.
        if (value.length > 0) value[0] = ((value[0] ?? 0) + 1) & 255;
        tdb.store(keys[index] as Uint8Array, value);
      },
    },
  ];
  const results: Measured[] = [];
  for (const { operation, run } of steps) {
    const ns = medianOf(ROUNDS, () => timed(world, ops, keys.length, run));
    results.push({ operation, ops, ns });
  }
  const rounds: number[] = [];
  let visited = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const startMs = world.terminal.nowMs();
    visited = await tdb.traverse((record) => void (sum += record.valueLength));
    rounds.push(((world.terminal.nowMs() - startMs) * 1e6) / visited);
  }
  results.push({ operation: "traverse", ops: visited, ns: median(rounds) });
  if (Number.isNaN(sum)) throw new Error("the sum of bytes is no number");
  return results;
}

function timed(
  world: CommandWorld,
  ops: number,
  keyCount: number,
  run: (index: number) => void,
): number {
  const startMs = world.terminal.nowMs();
  for (let op = 0, index = 0; op < ops; op += 1) {
    run(index);
    index += 1;
    if (index === keyCount) index = 0;
  }
  return ((world.terminal.nowMs() - startMs) * 1e6) / ops;
}

/** The median of some rounds; one more, thrown away, comes first. */
function medianOf(rounds: number, run: () => number): number {
  run();
  return median(Array.from({ length: rounds }, run));
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? NaN;
}

/** A fixed shuffle (multiplicative step), so that two runs measure the same. */
function shuffled(keys: readonly Uint8Array[]): Uint8Array[] {
  const out = [...keys];
  let state = 88172645463325252n;
  for (let index = out.length - 1; index > 0; index -= 1) {
    state = BigInt.asUintN(64, state ^ (state << 13n));
    state ^= state >> 7n;
    state = BigInt.asUintN(64, state ^ (state << 17n));
    const other = Number(state % BigInt(index + 1));
    [out[index], out[other]] = [out[other] as Uint8Array, out[index] as Uint8Array];
  }
  return out;
}
