/**
 * A traverse of chains that are too large to be copied in one piece.
 *
 * 96 records of 200 000 bytes in one chain make five pieces; what happens between two of them is what counts.
 *
 * Does NOT promise: how large a piece is.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { check } from "../../../actors/storage/tdb_check.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import { threadMemory } from "../../../assembly/host/memory.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";

const COUNT = 96;
const VALUE_BYTES = 200_000;
const RESERVE = 64 * 1024 * 1024;
/** A visit in the first piece, one in the second. */
const EARLY = 3;
const LATER = 30;

const b = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Two handles on a database with one chain. */
async function pair(locking: "fcntl" | "mutex"): Promise<[Tdb, Tdb]> {
  const store = new SimImageStore({ seed: 6, reserveBytes: RESERVE });
  const tdb = await openTdb(store, "pieces.tdb", { create: true, locking, hashSize: 1 });
  const value = new Uint8Array(VALUE_BYTES);
  for (let i = 0; i < COUNT; i++) tdb.store(b(`key ${i}`), value.fill(i));
  return [tdb, await openTdb(store, "pieces.tdb")];
}

/** Visits all records; `at` is run after that many. Answers the keys in their order. */
async function visitAll(tdb: Tdb, at: number, run: (key: string) => unknown): Promise<string[]> {
  const keys: string[] = [];
  await tdb.traverse(async (record) => {
    const key = text(record.key());
    keys.push(key);
    const shown = record.bytes[record.valueOffset];
    assert.is(shown, Number(key.slice(4)), `the value of ${key}`);
    if (keys.length === at) await run(key);
  });
  assert.is(new Set(keys).size, keys.length, "no key comes twice");
  return keys;
}

const test = suite("TDB: traverse in pieces");

for (const locking of ["fcntl", "mutex"] as const) {
  test.either(`${locking}: every record is visited once, and no piece is larger than it must be`, async () => {
    const [tdb, other] = await pair(locking);
    const taken: number[] = [];
    const { regions } = threadMemory();
    const take = regions.take.bind(regions);
    regions.take = (bytes: number) => {
      taken.push(bytes);
      return take(bytes);
    };
    try {
      assert.is((await visitAll(other, 0, () => {})).length, COUNT);
    } finally {
      regions.take = take;
    }
    assert.ok(Math.max(...taken) <= 16 * 1024 * 1024, `took ${Math.max(...taken)} bytes at once`);
    tdb.close();
    other.close();
  });

  for (const at of [EARLY, LATER]) {
    test.either(`${locking}: another handle deletes all but what was visited, after ${at}`, async () => {
      const [tdb, other] = await pair(locking);
      const seen: string[] = [];
      const keys = await visitAll(tdb, at, () => {
        for (let i = 0; i < COUNT; i++) if (other.delete(b(`key ${i}`))) seen.push(`key ${i}`);
      });
      assert.is(seen.length, COUNT);
      assert.ok(keys.length < COUNT / 2, `${keys.length} visited: the copied piece and no more`);
      assert.equal((await check(other)).problems, []);
      tdb.close();
      other.close();
    });

    test.either(`${locking}: the callback deletes the record that it is shown, from ${at} on`, async () => {
      const [tdb, other] = await pair(locking);
      let visited = 0;
      await tdb.traverse((record) => {
        if (++visited >= at) assert.ok(tdb.delete(record.key()));
      });
      assert.is(visited, COUNT);
      let left = 0;
      await other.traverse(() => void left++);
      assert.is(left, at - 1);
      assert.equal((await check(other)).problems, []);
      tdb.close();
      other.close();
    });

    test.either(`${locking}: the callback wipes and stores anew in a transaction, after ${at}`, async () => {
      const [tdb, other] = await pair(locking);
      const filled = new Uint8Array(9 * VALUE_BYTES).fill(0xfe);
      const keys = await visitAll(tdb, at, () =>
        tdb.transaction(async () => {
          await tdb.wipe();
          // Where the traverse stood there are other bytes now.
          for (let i = 0; i < 10; i++) tdb.store(b(`new ${i}`), filled);
        }));
      assert.ok(keys.every((key) => key.startsWith("key ")), "what came later is not visited");
      assert.equal((await check(other)).problems, []);
      tdb.close();
      other.close();
    });
  }

  for (const odd of [0, 1]) {
    test.either(`${locking}: every second record goes meanwhile (${odd}), the others are all visited`, async () => {
      const [tdb, other] = await pair(locking);
      const keys = await visitAll(tdb, LATER, () => {
        for (let i = odd; i < COUNT; i += 2) assert.ok(other.delete(b(`key ${i}`)));
      });
      const stayed = keys.filter((key) => Number(key.slice(4)) % 2 !== odd);
      assert.is(stayed.length, COUNT / 2);
      tdb.close();
      other.close();
    });
  }

  test.either(`${locking}: a record that grows meanwhile is not visited again`, async () => {
    const [tdb, other] = await pair(locking);
    const grown = new Uint8Array(VALUE_BYTES + 5000);
    const keys = await visitAll(tdb, LATER, (key) => {
      // Moves to the head of the chain.
      other.store(b(key), grown.fill(Number(key.slice(4))));
    });
    assert.is(keys.length, COUNT);
    tdb.close();
    other.close();
  });

  test.either(`${locking}: after an end half-way nobody stands on a record`, async () => {
    const [tdb, other] = await pair(locking);
    let visited = 0;
    await tdb.traverse(() => ++visited < LATER);
    assert.is(visited, LATER);
    for (let i = 0; i < COUNT; i++) other.delete(b(`key ${i}`));
    const report = await check(other);
    assert.equal(report.problems, []);
    assert.is(report.dead, 0, "no record stays behind as dead");
    tdb.close();
    other.close();
  });
}

test.run();
