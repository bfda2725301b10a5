/**
 * Measures the hash and checksum kernels beside their TypeScript twins, and MD5 beside node:crypto.
 *
 *   bun test/bench/kernels.ts        deno run -A test/bench/kernels.ts
 *
 * All work on the same bytes in the thread's Memory and leave all their results there, so that
 * nothing can be optimised away; the results are compared and their hash is printed. A round runs
 * every contestant once, the best of the rounds counts: on a shared machine noise only ever slows.
 *
 * Does NOT promise: stable figures. Differences below a third are noise.
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { kernels } from "../../assembly/host/kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import { crc32c } from "./twins/crc32c.ts";
import { type Bytes, bytesOf, jenkins, oldHash } from "./twins/hash.ts";
import { md5 } from "./twins/md5.ts";

const KEY_COUNT = 4096;
const KEY_SIZE = 16;
/** Keys do not stand at even addresses in a file, either. */
const KEY_STRIDE = 21;
const BLOCK_COUNT = 64;
const BLOCK_SIZE = 4096;
const INPUT_BYTES = BLOCK_COUNT * BLOCK_SIZE;
const MD5_SIZE = 16;

/** One contest. Every contestant leaves its results at `out`; `work` = keys or bytes per pass. */
interface Contest {
  readonly name: string;
  readonly unit: "M keys/s" | "MB/s";
  readonly work: number;
  readonly resultBytes: number;
  readonly passes: number;
  readonly kernel: () => void;
  readonly twin: () => void;
  readonly peer?: () => void;
}

/** A line of the table: rates in `unit`, best of the rounds. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly kernel: number;
  readonly twin: number;
  /** node:crypto, where it has the function. */
  readonly peer?: number;
}

/** How much is run: the results are the same ones, whatever it is. */
export interface Measure {
  /** At least 1; a round takes some 0.1 s. */
  readonly rounds: number;
  /** Part of a contest's passes in a round, above 0; 1 for rates that mean something. */
  readonly share: number;
}

/** Where the bytes lie, addresses in the thread's Memory. */
interface Place {
  readonly input: number;
  readonly pairs: number;
  readonly out: number;
}

/** Fills the input with bytes of a fixed generator and the table of keys. */
function prepare(place: Place): void {
  const { bytes, words } = threadMemory();
  let state = 1;
  for (let index = 0; index < INPUT_BYTES; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[place.input + index] = state >>> 24;
  }
  for (let index = 0; index < KEY_COUNT; index++) {
    words[place.pairs / 4 + 2 * index] = place.input + index * KEY_STRIDE;
    words[place.pairs / 4 + 2 * index + 1] = KEY_SIZE;
  }
}

/** The four contests of the two hashes: one key a call, and all keys in one. */
function hashContests({ input, pairs, out }: Place): Contest[] {
  const { bytes, words } = threadMemory();
  const core = kernels();
  const from: Bytes = bytesOf(bytes);
  const common = {
    unit: "M keys/s",
    work: KEY_COUNT,
    resultBytes: 4 * KEY_COUNT,
    passes: 250,
  } as const;
  // Four loops, not one with a parameter: the engine would then call what it inlines for a real
  // caller.
  const jenkinsEach = () => {
    for (let index = 0; index < KEY_COUNT; index++) {
      words[out / 4 + index] = core.jenkins(input + index * KEY_STRIDE, KEY_SIZE);
    }
  };
  const oldEach = () => {
    for (let index = 0; index < KEY_COUNT; index++) {
      words[out / 4 + index] = core.oldHash(input + index * KEY_STRIDE, KEY_SIZE);
    }
  };
  const jenkinsTwin = () => {
    for (let index = 0; index < KEY_COUNT; index++) {
      words[out / 4 + index] = jenkins(from, input + index * KEY_STRIDE, KEY_SIZE);
    }
  };
  const oldTwin = () => {
    for (let index = 0; index < KEY_COUNT; index++) {
      words[out / 4 + index] = oldHash(from, input + index * KEY_STRIDE, KEY_SIZE);
    }
  };
  const jenkinsMany = () => core.jenkinsMany(pairs, KEY_COUNT, out);
  const oldMany = () => core.oldHashMany(pairs, KEY_COUNT, out);
  return [
    { ...common, name: "jenkins 16 B, a call a key", kernel: jenkinsEach, twin: jenkinsTwin },
    { ...common, name: "jenkins 16 B, batch", kernel: jenkinsMany, twin: jenkinsTwin },
    { ...common, name: "old hash 16 B, a call a key", kernel: oldEach, twin: oldTwin },
    { ...common, name: "old hash 16 B, batch", kernel: oldMany, twin: oldTwin },
  ];
}

/** The contests over blocks of 4 KiB. */
function blockContests({ input, out }: Place): Contest[] {
  const { bytes, words } = threadMemory();
  const core = kernels();
  const from: Bytes = bytesOf(bytes);
  const at = (index: number) => input + index * BLOCK_SIZE;
  const each = (block: (index: number) => void) => () => {
    for (let index = 0; index < BLOCK_COUNT; index++) block(index);
  };
  const md5Twin = each((index) => {
    bytes.set(md5(from, at(index), BLOCK_SIZE), out + index * MD5_SIZE);
  });
  const md5Peer = each((index) => {
    const block = bytes.subarray(at(index), at(index) + BLOCK_SIZE);
    bytes.set(createHash("md5").update(block).digest(), out + index * MD5_SIZE);
  });
  const common = { unit: "MB/s", work: INPUT_BYTES } as const;
  const md5Common = { ...common, resultBytes: BLOCK_COUNT * MD5_SIZE, passes: 10 };
  return [{
    ...common,
    name: "crc32c 4 KiB",
    resultBytes: 4 * BLOCK_COUNT,
    passes: 50,
    kernel: each((index) => words[out / 4 + index] = core.crc32c(0, at(index), BLOCK_SIZE)),
    twin: each((index) => words[out / 4 + index] = crc32c(0, from, at(index), BLOCK_SIZE)),
  }, {
    ...md5Common,
    name: "md5 4 KiB, four lanes",
    kernel: () => core.md5Blocks(input, BLOCK_COUNT, out),
    twin: md5Twin,
    peer: md5Peer,
  }, {
    ...md5Common,
    name: "md5 4 KiB, one by one",
    kernel: each((index) => core.md5(at(index), BLOCK_SIZE, out + index * MD5_SIZE)),
    twin: md5Twin,
    peer: md5Peer,
  }];
}

/**
 * Runs one contestant `passes` times; returns work per microsecond, which is millions per second.
 */
function rate(run: () => void, passes: number, work: number): number {
  const start = performance.now();
  for (let pass = 0; pass < passes; pass++) run();
  return (passes * work) / ((performance.now() - start) * 1000);
}

/**
 * Runs one contest. Throws if two contestants leave different results; feeds the results to `sum`.
 */
function hold(
  contest: Contest,
  { rounds, share }: Measure,
  place: Place,
  sum: (result: Uint8Array) => void,
): Row {
  const { bytes } = threadMemory();
  const runs = [contest.kernel, contest.twin, ...(contest.peer ? [contest.peer] : [])];
  const results = runs.map((run) => {
    bytes.fill(0, place.out, place.out + contest.resultBytes);
    run();
    return bytes.slice(place.out, place.out + contest.resultBytes);
  });
  const [first, ...others] = results;
  if (first === undefined || others.some((other) => Buffer.compare(first, other) !== 0)) {
    throw new Error(`Cannot compare ${contest.name}: the contestants disagree`);
  }
  sum(first);
  const best = runs.map(() => 0);
  const passes = Math.ceil(contest.passes * share);
  for (let round = 0; round < rounds; round++) {
    runs.forEach((run, index) => {
      best[index] = Math.max(best[index] ?? 0, rate(run, passes, contest.work));
    });
  }
  const [kernel = 0, twin = 0, peer] = best;
  const { name, unit } = contest;
  return { name, unit, kernel, twin, ...(peer === undefined ? {} : { peer }) };
}

/** Measures everything. `digest`: MD5 of all results, hex. */
export function measureKernels(how: Measure): { rows: Row[]; digest: string } {
  const { regions } = threadMemory();
  const bytes = 2 * INPUT_BYTES;
  const input = regions.take(bytes);
  if (input === undefined) throw new RangeError(`Cannot measure: no ${bytes} bytes are free`);
  try {
    const place = { input, pairs: input + INPUT_BYTES, out: input + INPUT_BYTES + 8 * KEY_COUNT };
    prepare(place);
    const all = createHash("md5");
    const contests = [...hashContests(place), ...blockContests(place)];
    const rows = contests.map((one) => hold(one, how, place, (result) => all.update(result)));
    return { rows, digest: all.digest("hex") };
  } finally {
    regions.give(input, bytes);
  }
}

function table(rows: readonly Row[]): string {
  const number = (value: number | undefined) => value === undefined ? "" : value.toFixed(0);
  const ratio = (one: number, other: number | undefined) =>
    other === undefined ? "" : (one / other).toFixed(2);
  const lines = rows.map((row) => [
    row.name,
    row.unit,
    number(row.kernel),
    number(row.twin),
    ratio(row.kernel, row.twin),
    number(row.peer),
    ratio(row.kernel, row.peer),
  ]);
  const head = ["", "", "kernel", "twin", "ratio", "node:crypto", "ratio"];
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => {
      const width = [28, 9, 7, 7, 6, 12, 6][column] ?? 0;
      return column < 2 ? cell.padEnd(width) : cell.padStart(width);
    }).join(" ");
  return [head, ...lines].map(line).join("\n");
}

if (import.meta.main) {
  const { rows, digest } = measureKernels({ rounds: 10, share: 1 });
  console.log(`${table(rows)}\nresults ${digest}`);
}
