/**
 * summary() and freelistSizes() against a plain walk over the bytes, and on broken files.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import { freelistSizes, summary } from "../../../actors/storage/tdb_summary.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";
import { CorruptError } from "../../../transport/wire/errors.ts";
import { putFile, vectorBytes, vectors } from "./vector_files.ts";

const test = suite("actors/storage/tdb_summary");

const LIVE = 0x26011999;
const DEAD = 0xfee1dead;
const FREE = 0xd9fee666;

async function withVector(file: string, use: (tdb: Tdb) => void | Promise<void>): Promise<void> {
  const store = new SimImageStore({ seed: 1 });
  putFile(store, file, vectorBytes(file));
  const tdb = await openTdb(store, file, { locking: "none" });
  try {
    await use(tdb);
  } finally {
    tdb.close();
  }
}

/** The lengths of all records of one magic, by stepping from header to header. */
function lengths(tdb: Tdb, magic: number, field: number): number[] {
  const { core } = tdb;
  const found: number[] = [];
  for (let at = core.header.dataStart; at <= core.size - 28;) {
    if (core.word(at + 20) === magic) found.push(core.word(at + field));
    at += 24 + core.word(at + 4);
  }
  return found;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

test("it counts what a plain walk counts in every good file", async () => {
  for (const { file, records } of vectors().good) {
    await withVector(file, async (tdb) => {
      const found = await summary(tdb, { slice: 7 });
      assert.is(found.records, records.length, file);
      const sizes = {
        keys: [LIVE, 8],
        values: [LIVE, 12],
        dead: [DEAD, 4],
        free: [FREE, 4],
      } as const;
      for (const name of ["keys", "values", "dead", "free"] as const) {
        const [magic, field] = sizes[name];
        const expected = lengths(tdb, magic, field);
        assert.equal(found[name], {
          count: expected.length,
          bytes: sum(expected),
          smallest: expected.length === 0 ? 0 : Math.min(...expected),
          largest: Math.max(0, ...expected),
          average: expected.length === 0 ? 0 : sum(expected) / expected.length,
        }, `${file} ${name}`);
      }
      const { shares } = found;
      assert.ok(
        Math.abs(sum(Object.values(shares)) - 100) < 1e-9,
        `${file}: ${sum(Object.values(shares))}`,
      );
      const free = freelistSizes(tdb);
      const { average: _average, ...listed } = found.free;
      assert.equal(free, listed, file);
    });
  }
});

test("chains and neighbours that were not merged are counted", async () => {
  await withVector("11-dead-records.tdb", async (tdb) => {
    const found = await summary(tdb);
    assert.equal(found.chains, { longest: 15, average: 20 / 3, empty: 1 });
    const { core } = tdb;
    // The first free record with room is cut in two.
    let at = core.header.dataStart;
    while (core.word(at + 20) !== FREE || core.word(at + 4) < 200) at += 24 + core.word(at + 4);
    const rest = core.word(at + 4) - 100 - 24;
    core.setWord(at + 4, 100);
    core.setWord(at + 24 + 100 - 4, 124);
    core.setWord(at + 124 + 4, rest);
    core.setWord(at + 124 + 20, FREE);
    core.setWord(at + 124 + 24 + rest - 4, 24 + rest);
    assert.is((await summary(tdb)).uncoalesced, found.uncoalesced + 1);
  });
});

test("a broken free list is named and walked no further", async () => {
  await withVector("c03-circular-freelist.tdb", (tdb) => {
    assert.throws(() => freelistSizes(tdb), (error: CorruptError) => error.kind === "loop");
  });
  await withVector("c15-live-in-freelist.tdb", (tdb) => {
    const names = (error: CorruptError): boolean =>
      error.kind === "freelist" && error.offset === 4132;
    assert.throws(() => freelistSizes(tdb), names);
  });
});

test("on broken files it ends and counts what is sound", async () => {
  for (
    const file of ["c01-circular-chain.tdb", "c10-rec-len-huge.tdb", "c04-next-beyond-eof.tdb"]
  ) {
    await withVector(file, async (tdb) => {
      const found = await summary(tdb);
      assert.ok(found.records >= 39 && found.records <= 40, `${file}: ${found.records}`);
    });
  }
});

test.run();
