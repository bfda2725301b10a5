/**
 * The disk is full at the n-th step of an operation, for every n: the error says so, the file stays good with the
 * content of before or after, and work goes on when there is space again.
 *
 *   n = 1, 2, ... until it gets through, for each of
 *     steps: extend, write, sync, or all of them     how: only that step, or all from that one until space returns
 *     work: stores and an append that make the file grow, transactions, repack      file: with a recovery area or not
 *
 * Does NOT promise: a crash in between; see transaction_crash.test.ts. A real full disk: test/live/tdb_space.test.ts.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createHash } from "node:crypto";
import { check } from "../../actors/storage/tdb_check.ts";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { openTdb, type TdbOptions } from "../../actors/storage/tdb_open.ts";
import { pending } from "../../actors/storage/tdb_recovery.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { type DiskStep, FullDisk } from "./full_disk.ts";

const PATH = "full.tdb";
/** Fewer refused steps than this in a test: the faults do not hit. */
const LEAST = 2;
/** Work with more steps than this is not the one we know. */
const STEPS_MAX = 200;

const b = (text: string): Uint8Array => new TextEncoder().encode(text);
const filled = (length: number, value: number) => new Uint8Array(length).fill(value);

type Content = Map<string, string>;

/** What is done while the disk is full. `all`: it is done as a whole or not at all. */
interface Work {
  readonly name: string;
  readonly all: boolean;
  run(tdb: Tdb): Promise<void> | void;
}

/**
 * Each store needs more room than the one before has made the file grow by: for a record below 100 KiB the file
 * grows by a hundred of its kind, for a longer one by two.
 */
const LENGTHS = [100, 900, 110_000, 250_000];

const WORKS: readonly Work[] = [
  {
    name: "stores that make the file grow",
    all: false,
    run: (tdb) => LENGTHS.forEach((length, i) => tdb.store(b(`grown ${i}`), filled(length, i))),
  },
  {
    name: "an append that moves its record",
    all: false,
    run: (tdb) => tdb.append(b("key 3"), filled(110_000, 9)),
  },
  {
    name: "a transaction that makes the file grow",
    all: true,
    run: (tdb) =>
      tdb.transaction(() => {
        for (let i = 0; i < 25; i++) tdb.store(b(`key ${i}`), filled(1500, i));
        for (let i = 0; i < 5; i++) tdb.delete(b(`key ${i}`));
      }),
  },
  {
    name: "a small transaction",
    all: true,
    run: (tdb) => tdb.transaction(() => tdb.store(b("key 7"), b("changed"))),
  },
  {
    name: "a transaction that is prepared, then committed",
    all: true,
    run: async (tdb) => {
      await tdb.begin();
      for (let i = 0; i < 20; i++) tdb.store(b(`key ${i}`), filled(1400, i + 1));
      await tdb.prepare();
      await tdb.commit();
    },
  },
  { name: "repack", all: true, run: (tdb) => tdb.repack() },
];

const KINDS: readonly (readonly [name: string, options: TdbOptions])[] = [
  ["byte ranges", { hashSize: 7, areaMin: 4096 }],
  ["mutexes", { hashSize: 7, areaMin: 4096, locking: "mutex" }],
  ["big-endian, dead records", { hashSize: 5, areaMin: 4096, byteOrder: "big", maxDead: 3 }],
];

const ALL_STEPS: readonly DiskStep[] = ["extend", "write", "sync"];
/** Which steps are refused: every step once; or, until space returns, those of one kind or of all kinds. */
const HOW: readonly (readonly [name: string, once: boolean, steps: readonly DiskStep[][]])[] = [
  ["once", true, [[...ALL_STEPS]]],
  ["until space returns", false, [["extend"], ["write"], ["sync"], [...ALL_STEPS]]],
];

async function makeBase(
  seed: number,
  options: TdbOptions,
  area: boolean,
): Promise<[FullDisk, Tdb]> {
  const disk = new FullDisk(seed);
  const tdb = await openTdb(disk, PATH, { ...options, create: true });
  for (let i = 0; i < 20; i++) tdb.store(b(`key ${i}`), filled(20 * i, i));
  if (area) await tdb.transaction(() => tdb.store(b("base"), b("has an area")));
  for (let i = 0; i < 20; i += 4) tdb.delete(b(`key ${i}`));
  return [disk, tdb];
}

async function contentOf(tdb: Tdb): Promise<Content> {
  const found: Content = new Map();
  await tdb.traverse((record) => {
    const key = new TextDecoder().decode(record.key());
    assert.not(found.has(key), `${key} comes twice`);
    found.set(key, sumOf(record.value()));
  });
  return found;
}

/** Length and a sum of all bytes. */
function sumOf(bytes: Uint8Array): string {
  return `${bytes.length} bytes, ${createHash("sha256").update(bytes).digest("hex")}`;
}

function textOf(content: Content): string {
  return [...content].map(([key, value]) => `${key}=${value}`).sort().join("\n");
}

/** Sound, and the content is allowed: one of the two as a whole, or each record of one of the two. */
async function wantGood(tdb: Tdb, before: Content, after: Content, all: boolean): Promise<void> {
  assert.equal((await check(tdb)).problems, []);
  const found = await contentOf(tdb);
  if (all) {
    assert.ok([textOf(before), textOf(after)].includes(textOf(found)), "neither before nor after");
    return;
  }
  for (const key of new Set([...before.keys(), ...after.keys(), ...found.keys()])) {
    const value = found.get(key);
    assert.ok(value === before.get(key) || value === after.get(key), `${key} is ${value}`);
  }
}

/** What the work makes of the base when nothing fails. */
async function wanted(options: TdbOptions, area: boolean, work: Work): Promise<Content[]> {
  const [, tdb] = await makeBase(0, options, area);
  const before = await contentOf(tdb);
  await work.run(tdb);
  const after = await contentOf(tdb);
  tdb.close();
  return [before, after];
}

/** How a case runs. */
interface Case {
  readonly options: TdbOptions;
  readonly area: boolean;
  readonly work: Work;
  readonly steps: readonly DiskStep[];
  readonly once: boolean;
}

/** Does the work with the n-th step refused. True when it got through. */
async function attempt(one: Case, n: number, before: Content, after: Content): Promise<boolean> {
  const { work, once } = one;
  const [disk, tdb] = await makeBase(n, one.options, one.area);
  disk.refuse(one.steps, n, once);
  let error: unknown;
  try {
    await work.run(tdb);
  } catch (cause) {
    error = cause;
  }
  const refused = disk.refused;
  if (error !== undefined) {
    assert.instance(error, CtdbxError, String(error));
    assert.is((error as CtdbxError).code, "no_space");
  }
  assert.not(tdb.inTransaction, "no transaction is left open");
  // One refusal leaves room for taking it back at once; else whoever comes next does it.
  if (once) assert.not(pending(tdb.core), "nothing is left for others to take back");
  disk.refuse([], 0);
  const [first, last] = error === undefined ? [after, after] : [before, after];
  await wantGood(tdb, first, last, work.all);
  // There is space again: the same handle does all of it.
  if (error !== undefined) await work.run(tdb);
  await wantGood(tdb, after, after, true);
  tdb.store(b("later"), filled(150_000, 1));
  await tdb.transaction(() => tdb.store(b("much later"), filled(1900, 2)));
  assert.equal((await check(tdb)).problems, []);
  tdb.close();
  const again = await openTdb(disk, PATH);
  assert.is(again.fetch(b("later"))?.length, 150_000);
  assert.is(again.fetch(b("much later"))?.length, 1900);
  assert.equal((await check(again)).problems, []);
  again.close();
  return refused === 0;
}

/** n = 1, 2, ... until nothing is refused any more; `least` steps must have been. */
async function atEveryStep(one: Case): Promise<number> {
  const [before = new Map(), after = new Map()] = await wanted(one.options, one.area, one.work);
  for (let n = 1; n <= STEPS_MAX; n++) {
    const through = await attempt(one, n, before, after).catch((cause: unknown) => {
      const how = `${one.steps.join("+")}, step ${n}, ${one.once ? "once" : "from then on"}`;
      throw new Error(`${how}: ${cause instanceof Error ? cause.stack : cause}`, { cause });
    });
    if (through) return n - 1;
    // The runtime gives the buffers of simulated files back between turns only.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  throw new Error(`more than ${STEPS_MAX} steps`);
}

for (const [name, options] of KINDS) {
  const test = suite(`TDB: disk full at every step (${name})`);
  for (const work of WORKS) {
    for (const [how, once, sets] of HOW) {
      test.either(`${work.name}: ${how}`, async () => {
        let refused = 0;
        for (const steps of sets) {
          for (const area of [false, true]) {
            refused += await atEveryStep({ options, area, work, steps, once });
          }
        }
        assert.ok(refused >= LEAST, `only ${refused} steps were refused`);
      });
    }
  }
  test.run();
}

const room = suite("TDB: disk nearly full");
room("what there is room for is stored, though the file would grow by more", async () => {
  for (const [, options] of KINDS) {
    const [disk, tdb] = await makeBase(1, options, true);
    const lengths = [60_000, 80_000, 120_000, 400_000];
    for (const [i, length] of lengths.entries()) {
      const before = disk.refused;
      disk.refuse(["extend"], 1, true);
      tdb.store(b(`wanted ${i}`), filled(length, i));
      assert.is(disk.refused, before + 1, `${length} bytes make the file grow`);
    }
    for (const [i, length] of lengths.entries()) {
      assert.is(tdb.fetch(b(`wanted ${i}`))?.length, length);
    }
    assert.equal((await check(tdb)).problems, []);
    tdb.close();
  }
});
room.run();
