/**
 * The fuzz with kernels whose every load and store is looked at: npm run test:long -- traced [RUNS] [FIRST_SEED]
 *
 *   may be touched:  statics, scratch | what was taken for this file and its work: the file itself to its end
 *   may not:         the guard, other databases, what is taken by nobody, 64 million accesses in one step
 *
 * Slow: some tens of files a second; test/long/fuzz.ts does many thousands without looking.
 *
 * Does NOT promise: to see copies of more than 256 bytes (test/assembly/trace.ts).
 */

import process from "node:process";
import { startKernels } from "../../assembly/host/kernels.ts";
import { REGIONS_START, roundUp, threadMemory } from "../../assembly/host/memory.ts";
import { DATABASES_MAX, DB, DB_BYTES, DESCRIPTORS_AT } from "../../assembly/host/tdb_kernels.ts";
import { tracedWasm, traceImports, type Watcher } from "../assembly/trace.ts";
import { Fuzz, GUARD_BYTES } from "../torture/fuzz_engine.ts";

const RUNS = 2000;
const ACCESSES_MAX = 64_000_000;

/** A region that somebody took. */
interface Taken {
  readonly start: number;
  end: number;
}

/** Knows who took what, and refuses accesses to the rest. */
class Look implements Watcher {
  readonly #words = threadMemory().words;
  /** Taken since the run began, but for the guard. Undefined: not looking. */
  #taken: Taken[] | undefined;
  seen = 0;

  constructor() {
    const { regions } = threadMemory();
    const take = regions.take.bind(regions);
    const takeAt = regions.takeAt.bind(regions);
    const give = regions.give.bind(regions);
    regions.take = (bytes) => {
      const start = take(bytes);
      if (start !== undefined) this.#add(start, bytes);
      return start;
    };
    regions.takeAt = (start, bytes) => {
      const isTaken = takeAt(start, bytes);
      if (isTaken) this.#add(start, bytes);
      return isTaken;
    };
    regions.give = (start, bytes) => {
      give(start, bytes);
      this.#cut(start, start + roundUp(bytes, 4096));
    };
  }

  begin(): void {
    this.#taken = [];
    this.seen = 0;
  }

  end(): void {
    this.#taken = undefined;
  }

  #add(start: number, bytes: number): void {
    if (this.#taken === undefined) return;
    // The guard before the file, which the fuzz takes first.
    const isGuard = this.#taken.length === 0 && bytes === GUARD_BYTES;
    this.#taken.push({ start, end: isGuard ? start : start + roundUp(bytes, 4096) });
  }

  #cut(start: number, end: number): void {
    this.#taken = this.#taken?.flatMap((run) =>
      [
        { start: run.start, end: Math.min(run.end, start) },
        { start: Math.max(run.start, end), end: run.end },
      ].filter((part) => part.start < part.end)
    );
  }

  load(address: number, bytes: number): void {
    this.#want("read", address, bytes);
  }

  store(address: number, bytes: number): void {
    this.#want("wrote", address, bytes);
  }

  #want(what: string, address: number, bytes: number): void {
    if (this.#taken === undefined) return;
    if (++this.seen > ACCESSES_MAX) throw new Error(`More than ${ACCESSES_MAX} accesses`);
    const last = address + bytes;
    if (last <= REGIONS_START) return;
    for (const { start, end } of this.#taken) {
      if (address < start || last > end) continue;
      if (last <= this.#endOfFile(start, end)) return;
      break;
    }
    throw new Error(`A kernel ${what} ${bytes} bytes at ${address}, which are not its own`);
  }

  /** Where the file ends that lies in a region; `end` of the region itself without one. */
  #endOfFile(start: number, end: number): number {
    for (let number = 0; number < DATABASES_MAX && number < 8; number++) {
      const db = DESCRIPTORS_AT + number * DB_BYTES;
      const base = this.#words[(db + DB.base) >>> 2] as number;
      if (base < start || base >= end) continue;
      return base + (this.#words[(db + DB.fileSize) >>> 2] as number);
    }
    return end;
  }
}

async function main(): Promise<number> {
  const [runs = RUNS, first = 1] = process.argv.slice(2).filter((word) => /^\d+$/.test(word))
    .map(Number);
  const look = new Look();
  startKernels(await tracedWasm(), traceImports(look));
  const fuzz = await Fuzz.make();
  let failed = 0;
  let seen = 0;
  for (let seed = first; seed < first + runs; seed++) {
    look.begin();
    try {
      await fuzz.run(seed);
    } catch (error) {
      failed++;
      console.log(`FAILED seed ${seed}: ${error instanceof Error ? error.stack : error}`);
    } finally {
      look.end();
    }
    seen += look.seen;
    if ((seed - first) % 500 === 499) {
      console.log(`${seed - first + 1} of ${runs}, ${failed} failed`);
    }
  }
  fuzz.close();
  console.log(`${runs - failed} passed, ${failed} failed, ${seen} accesses looked at`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
