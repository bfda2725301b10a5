/**
 * rescue() finds what is left in files whose lists or lengths are broken.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { threadMemory } from "../../../assembly/host/memory.ts";
import { openTdb, type TdbOptions } from "../../../actors/storage/tdb_open.ts";
import { rescue, type RescueReport } from "../../../actors/storage/tdb_rescue.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { hexOf, putFile, vectorBytes, vectors } from "./vector_files.ts";

const test = suite("actors/storage/tdb_rescue");

/** What a rescue reported: "key=value" in hex, sorted. */
interface Haul {
  readonly report: RescueReport;
  readonly records: readonly string[];
  readonly unreachable: readonly string[];
}

function haul(tdb: Tdb): Haul {
  const records: string[] = [];
  const unreachable: string[] = [];
  const report = rescue(tdb, (key, value, where) => {
    (where.reachable ? records : unreachable).push(`${hexOf(key)}=${hexOf(value)}`);
  });
  return { report, records: records.sort(), unreachable: unreachable.sort() };
}

function key(index: number): Uint8Array {
  return new TextEncoder().encode(`key ${index}`);
}

function value(index: number): Uint8Array {
  return new Uint8Array(10 + index % 90).fill(index);
}

function record(index: number): string {
  return `${hexOf(key(index))}=${hexOf(value(index))}`;
}

async function withDatabase(
  count: number,
  options: TdbOptions,
  use: (tdb: Tdb) => void | Promise<void>,
): Promise<void> {
  const store = new SimImageStore({ seed: 1 });
  const tdb = await openTdb(store, "db", { create: true, noSync: true, ...options });
  try {
    for (let index = 0; index < count; index++) tdb.store(key(index), value(index));
    await use(tdb);
  } finally {
    tdb.close();
  }
}

test.either("in every good file it finds exactly the records", async () => {
  const store = new SimImageStore({ seed: 1 });
  for (const { file, records } of vectors().good) {
    putFile(store, file, vectorBytes(file));
    const tdb = await openTdb(store, file, { locking: "none" });
    const found = haul(tdb);
    assert.equal(found.records, records.map((pair) => pair.join("=")).sort(), file);
    assert.equal(found.unreachable, [], file);
    tdb.close();
  }
});

test.either("with all chains cut it finds every record, and gives all memory back", async () => {
  const { regions } = threadMemory();
  for (const byteOrder of ["little", "big"] as const) {
    await withDatabase(5000, { hashSize: 100, byteOrder }, (tdb) => {
      const free = regions.free().bytes;
      const whole = haul(tdb);
      for (let chain = 0; chain < 100; chain++) tdb.core.setWord(172 + 4 * chain, 0);
      const found = haul(tdb);
      assert.is(found.report.reachable, 0);
      assert.is(found.report.unreachable, 5000);
      assert.equal(found.unreachable, whole.records);
      assert.is(regions.free().bytes, free);
    });
  }
});

test.either("a reachable record wins over old ones with its key", async () => {
  await withDatabase(40, { hashSize: 1 }, (tdb) => {
    const { core } = tdb;
    // All are cut off, then some are stored anew.
    core.setWord(172, 0);
    for (let index = 0; index < 15; index++) tdb.store(key(index), value(index + 1));
    const { report, unreachable } = haul(tdb);
    assert.equal(report.reachable, 15);
    assert.is(report.shadowed, 15);
    assert.equal(unreachable, Array.from({ length: 25 }, (_, index) => record(index + 15)).sort());
  });
});

test.either("deleted records, recovery areas and records inside of values are not found again", async () => {
  await withDatabase(200, { hashSize: 5 }, async (tdb) => {
    const { core } = tdb;
    const { bytes } = core.memory;
    // A whole file as a value: its records lie at multiples of 4 if the value does.
    const inner = bytes.slice(core.base, core.base + core.size);
    tdb.store(new TextEncoder().encode("file"), inner);
    await tdb.transaction(() => {
      for (let index = 0; index < 200; index += 2) tdb.delete(key(index));
    });
    for (let index = 1; index < 200; index += 4) tdb.delete(key(index));
    const before = haul(tdb);
    assert.is(before.records.length, 51);
    assert.equal(before.unreachable, []);
    // The free list lost: its records are known by themselves.
    core.setWord(168, 0);
    assert.equal(haul(tdb), before);
    // The chains lost: the same records, none of the old ones.
    for (let chain = 0; chain < 5; chain++) core.setWord(172 + 4 * chain, 0);
    assert.equal(haul(tdb).unreachable, before.records);
  });
});

test.either("a wrong length, tailer or next word does not hide a record", async () => {
  await withDatabase(60, { hashSize: 1 }, (tdb) => {
    const { core } = tdb;
    const all = haul(tdb).records;
    const offsets: number[] = [];
    for (let off = core.word(172); off !== 0; off = core.word(off)) offsets.push(off);
    core.setWord(offsets[3] as number + 4, 0xfffffff0);
    const tailed = offsets[7] as number;
    core.setWord(tailed + 24 + core.word(tailed + 4) - 4, 5);
    core.setWord(offsets[20] as number, 0xffffffff);
    const found = haul(tdb);
    assert.is(found.records.length, 21);
    assert.equal([...found.records, ...found.unreachable].sort(), all);
    // Key and hash disagree: nobody can say what it was.
    core.setWord(offsets[40] as number + 16, 1);
    assert.is(haul(tdb).unreachable.length, 38);
  });
});

test.either("in every broken file that opens it ends, and finds no more than there was", async () => {
  const store = new SimImageStore({ seed: 1 });
  for (const { file } of vectors().corrupt) {
    putFile(store, file, vectorBytes(file));
    let tdb: Tdb;
    try {
      tdb = await openTdb(store, file, { locking: "none", readOnly: true });
    } catch (error) {
      assert.instance(error, CtdbxError);
      continue;
    }
    const { report } = haul(tdb);
    assert.ok(report.reachable + report.unreachable <= 150, file);
    assert.is(report.skipped, 0, file);
    tdb.close();
  }
});

test.either("records that overlap without bound are not reported without bound", async () => {
  await withDatabase(0, { hashSize: 1 }, (tdb) => {
    const { core } = tdb;
    core.image.extend(1024 * 1024);
    core.follow();
    const count = 20_000;
    // Each claims everything up to the end for its value; the chain goes from the last to the first.
    for (let index = 0; index < count; index++) {
      const at = 256 + 28 * index;
      core.setWord(at, index === 0 ? 0 : at - 28);
      core.setWord(at + 4, core.size - 24 - at);
      core.setWord(at + 8, 0);
      core.setWord(at + 12, core.size - 28 - at);
      core.setWord(at + 16, core.header.hash === "jenkins" ? 0xdeadbeef : 12345);
      core.setWord(at + 20, 0x26011999);
      core.setWord(172, at);
    }
    let bytes = 0;
    const report = rescue(tdb, (_key, found) => {
      bytes += found.length;
    });
    assert.ok(bytes <= 5 * core.size, String(bytes));
    assert.ok(report.skipped > 10_000, String(report.skipped));
  });
});

test.either("a transaction that is open refuses it", async () => {
  await withDatabase(3, {}, async (tdb) => {
    await tdb.begin();
    assert.throws(
      () => rescue(tdb, () => undefined),
      (error: CtdbxError) => error.code === "state",
    );
    tdb.cancel();
    assert.is(haul(tdb).records.length, 3);
  });
});

test.run();
