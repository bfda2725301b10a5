/**
 * check() on the files of libtdb, on files broken here in every way it knows, and while the database changes.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { threadMemory } from "../../../assembly/host/memory.ts";
import { check, type CheckReport } from "../../../actors/storage/tdb_check.ts";
import { openTdb, type TdbOptions } from "../../../actors/storage/tdb_open.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";
import { CorruptError, CtdbxError } from "../../../transport/wire/errors.ts";
import { putFile, vectorBytes, vectors } from "./vector_files.ts";

const test = suite("actors/storage/tdb_check");

const REC_LEN = 4;
const KEY_LEN = 8;
const FULL_HASH = 16;

function key(index: number): Uint8Array {
  return new TextEncoder().encode(`key ${String(index).padStart(6, "0")}`);
}

/** Runs `use` with a new database of `count` records. */
async function withDatabase(
  count: number,
  options: TdbOptions,
  use: (tdb: Tdb) => void | Promise<void>,
): Promise<void> {
  const store = new SimImageStore({ seed: 1 });
  const tdb = await openTdb(store, "db", { create: true, noSync: true, ...options });
  try {
    for (let index = 0; index < count; index++) tdb.store(key(index), new Uint8Array(index % 50));
    await use(tdb);
  } finally {
    tdb.close();
  }
}

/** Offset of a key's record. */
function offsetOf(tdb: Tdb, wanted: Uint8Array): number {
  const found = tdb.parse(wanted, (record) => record.keyOffset - tdb.core.base - 24);
  assert.type(found, "number");
  return found as number;
}

function kindsOf(report: CheckReport): string[] {
  return report.problems.map(({ kind }) => kind);
}

test("every good file passes, with its records counted after recovery", async () => {
  const store = new SimImageStore({ seed: 1 });
  for (const { file, records } of vectors().good) {
    putFile(store, file, vectorBytes(file));
    const tdb = await openTdb(store, file, { locking: "none" });
    const report = await check(tdb);
    assert.equal(report.problems, [], file);
    assert.is(report.ok, true, file);
    assert.is(report.live, records.length, file);
    tdb.close();
  }
});

test("every broken file is refused by open or check, which names its kind", async () => {
  const store = new SimImageStore({ seed: 1 });
  for (const readOnly of [true, false]) {
    let checked = 0;
    for (const { file, code } of vectors().corrupt) {
      // A dead transaction is taken back by writers only.
      if (readOnly && /^c2[79]/.test(file)) continue;
      putFile(store, file, vectorBytes(file));
      try {
        const tdb = await openTdb(store, file, { locking: "none", readOnly });
        const report = await check(tdb);
        assert.is(report.ok, false, file);
        assert.is(report.problems[0]?.kind, code, `${file}: ${report.problems[0]?.text}`);
        tdb.close();
        checked++;
      } catch (error) {
        // An unknown feature is no damage.
        const isOther = file.startsWith("c22") && error instanceof CtdbxError;
        if (isOther && error.code === "version") continue;
        if (!(error instanceof CorruptError)) throw error;
        assert.is(error.kind, code, `${file}: ${error.message}`);
      }
    }
    assert.is(checked, 17, `read-only ${readOnly}`);
  }
});

test("it changes no byte of the file and gives all memory back", async () => {
  const store = new SimImageStore({ seed: 1 });
  const { regions, bytes } = threadMemory();
  for (const { file } of [...vectors().good, ...vectors().corrupt]) {
    const original = vectorBytes(file);
    putFile(store, file, original);
    let tdb: Tdb;
    try {
      tdb = await openTdb(store, file, { locking: "none", readOnly: true });
    } catch {
      continue;
    }
    const free = regions.free().bytes;
    await check(tdb, { strict: true });
    assert.is(regions.free().bytes, free, file);
    const { address, mapped } = tdb.core.image;
    assert.equal(bytes.slice(address, address + mapped), original, file);
    tdb.close();
  }
});

test("two live records with one key are found in a short chain and in a long one", async () => {
  for (const count of [2, 3, 255, 257, 3000]) {
    for (const byteOrder of ["little", "big"] as const) {
      await withDatabase(count, { hashSize: 1, byteOrder }, async (tdb) => {
        assert.is((await check(tdb)).ok, true);
        const one = offsetOf(tdb, key(0));
        const other = offsetOf(tdb, key(count - 1));
        const { core } = tdb;
        core.setWord(other + FULL_HASH, core.word(one + FULL_HASH));
        const at = core.base + one + 24;
        core.memory.bytes.copyWithin(core.base + other + 24, at, at + key(0).length);
        const report = await check(tdb, { slice: 100 });
        assert.equal(kindsOf(report), ["duplicate"], `${count} ${byteOrder}`);
        assert.ok([one, other].includes(report.problems[0]?.offset as number));
        assert.match(report.problems[0]?.text ?? "", String(one));
        assert.match(report.problems[0]?.text ?? "", String(other));
      });
    }
  }
});

test("records with equal hashes and different keys are no duplicates", async () => {
  // The old hash of two bytes: the second is shifted by 5, so (a, b) and (a + 32, b - 1) meet.
  for (const fill of [0, 400]) {
    await withDatabase(fill, { hashSize: 1, hash: "old" }, async (tdb) => {
      const one = Uint8Array.of(65, 66);
      const other = Uint8Array.of(97, 65);
      tdb.store(one, one);
      tdb.store(other, other);
      const { core } = tdb;
      const hashes = [one, other].map((bytes) => core.word(offsetOf(tdb, bytes) + FULL_HASH));
      assert.is(hashes[0], hashes[1]);
      assert.equal((await check(tdb)).problems, []);
    });
  }
});

test("behind a length that leads nowhere, records in lists are judged and others not missed", async () => {
  await withDatabase(500, { hashSize: 7 }, async (tdb) => {
    const { core } = tdb;
    const offsets = Array.from({ length: 500 }, (_, index) => offsetOf(tdb, key(index)))
      .sort((one, other) => one - other);
    const broken = offsets[10] as number;
    const behind = offsets[100] as number;
    core.setWord(broken + REC_LEN, 0xfffffff0);
    const report = await check(tdb);
    assert.equal(kindsOf(report), ["length"]);
    assert.is(report.problems[0]?.offset, broken);
    assert.is(report.live, 499);
    core.setWord(behind + FULL_HASH, core.word(behind + FULL_HASH) ^ 1);
    assert.equal(kindsOf(await check(tdb)).sort(), ["hash", "length"]);
  });
});

test("overlapping records with huge keys behind the scan's end cost no more than the file", async () => {
  await withDatabase(0, { hashSize: 1 }, async (tdb) => {
    const { core } = tdb;
    core.image.extend(1024 * 1024);
    core.follow();
    // Nothing where the scan begins; then a chain of records that each claim all bytes up to the end.
    core.setWord(176 + 20, 0x12345678);
    const count = 30_000;
    for (let index = 0; index < count; index++) {
      const at = 256 + 28 * index;
      const room = core.size - 24 - at;
      core.setWord(at, index + 1 < count ? at + 28 : 0);
      core.setWord(at + REC_LEN, room);
      core.setWord(at + KEY_LEN, room - 4);
      core.setWord(at + 20, 0x26011999);
      if (index === 0) core.setWord(172, at);
    }
    const report = await check(tdb);
    assert.ok(report.problemCount >= count, String(report.problemCount));
    assert.ok(report.problems.some(({ text }) => text.includes("overlap")));
  });
});

test("all problems are counted, a thousand are kept", async () => {
  await withDatabase(2500, { hashSize: 1 }, async (tdb) => {
    const head = tdb.core.word(172);
    tdb.core.setWord(172, 0);
    const report = await check(tdb);
    assert.is(report.problemCount, 2500);
    assert.is(report.problems.length, 1000);
    assert.ok(report.problems.every(({ kind }) => kind === "chain"));
    tdb.core.setWord(172, head);
    assert.is((await check(tdb)).ok, true);
  });
});

test("in a transaction it sees what the transaction did", async () => {
  await withDatabase(300, { hashSize: 11 }, async (tdb) => {
    const long = Array.from({ length: 5 }, (_, index) => new Uint8Array(3000 + index).fill(index));
    await tdb.begin();
    for (let index = 0; index < 300; index += 3) tdb.delete(key(index));
    for (const one of long) tdb.store(one, new Uint8Array(7000));
    for (let index = 1000; index < 1400; index++) {
      tdb.store(key(index), new Uint8Array(index - 1000));
    }
    const inside = await check(tdb, { slice: 50 });
    assert.equal(inside.problems, []);
    assert.is(inside.live, 200 + 5 + 400);
    const at = offsetOfWord(tdb, long[4] as Uint8Array);
    tdb.core.setWord(at + 24 + 2048, 1);
    assert.equal(kindsOf(await check(tdb)), ["hash"]);
    tdb.cancel();
    const after = await check(tdb);
    assert.equal(after.problems, []);
    assert.is(after.live, 300);
  });
});

/** As offsetOf, for a record that does not lie in one piece: by its length, along the chains. */
function offsetOfWord(tdb: Tdb, wanted: Uint8Array): number {
  for (let chain = 0; chain < tdb.header.hashSize; chain++) {
    for (let off = tdb.core.word(172 + 4 * chain); off !== 0; off = tdb.core.word(off)) {
      if (tdb.core.word(off + KEY_LEN) === wanted.length) return off;
    }
  }
  throw new Error("Cannot find the record");
}

test("between slices others get their turn, and a change by this handle starts it anew", async () => {
  await withDatabase(400, { locking: "none" }, async (tdb) => {
    let turns = 0;
    let last = 0;
    const report = await check(tdb, {
      slice: 64,
      breathe: () => {
        if (turns++ === 3) tdb.store(key(9999), new Uint8Array(5000));
        return Promise.resolve();
      },
      progress: (done, total) => {
        last = done / total;
        assert.ok(last >= 0 && last <= 1, String(last));
      },
    });
    assert.equal(report.problems, []);
    assert.is(report.live, 401);
    assert.is(last, 1);
    assert.ok(turns > 10, String(turns));
  });
});

test("a handle that never stops changing does not keep it from an end", async () => {
  await withDatabase(400, { locking: "none" }, async (tdb) => {
    let turns = 0;
    const breathe = (): Promise<void> => {
      tdb.store(key(turns++), new Uint8Array(900));
      return Promise.resolve();
    };
    assert.equal((await check(tdb, { slice: 64, breathe })).problems, []);
    assert.ok(turns > 0 && turns < 100, String(turns));
  });
});

test("the second header of a mutex file must say what the first does", async () => {
  const store = new SimImageStore({ seed: 1 });
  putFile(store, "m", vectorBytes("18-mutex.tdb"));
  const tdb = await openTdb(store, "m", { locking: "none" });
  assert.is((await check(tdb)).ok, true);
  tdb.core.setWord(40, 0);
  assert.equal(kindsOf(await check(tdb)), ["header"]);
  tdb.close();
});

test.run();
