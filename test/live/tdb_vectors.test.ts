/**
 * Files made by libtdb, sound and damaged, opened by our engine.
 *
 * Does NOT promise: files from other machines than x86-64; the mutex file is bound to glibc there.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readFileSync } from "node:fs";
import { check, type CheckReport } from "../../actors/storage/tdb_check.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import { dumpBlocks, inFolder, tdbdumpBlocks, tdbtoolCheck } from "./files.ts";
import { Ours } from "./ours.ts";
import { difference, good, hex, openIn, recordsOf, unhex } from "./session.ts";
import { copyVector, type CorruptVector, recordsOfVector, vectors } from "./vectors.ts";

const ALL = vectors();

const sound = suite("TDB vectors: sound files");
for (const vector of ALL.good) {
  const pending = vector.recoveryPending;
  sound(
    `${vector.file} ${pending ? "is recovered" : "opens"} with its records and passes our check`,
    () =>
      inFolder(async (folder) => {
        const path = copyVector(vector.file, folder);
        const ours = new Ours(new RealImageStore());
        await openIn(ours, { path, mode: "w" });
        const { header } = ours.db;
        assert.is(header.byteOrder, vector.byteOrder);
        assert.is(header.hash, vector.hash);
        assert.is(header.hashSize, vector.hashSize);
        assert.is(header.mutexSize, vector.mutexSize);
        const records = recordsOfVector(vector);
        assert.is(difference(await recordsOf(ours), records), "");
        for (const [key, value] of records) assert.is(await good(ours, "fetch", key), value);
        await good(ours, "check");
        if (!pending) assert.is(Number(await good(ours, "seqnum")), vector.sequenceNumber);
        for (const [key, value] of records) {
          await good(ours, "store", key, hex(unhex(value + value).slice(0, 90)), 0);
        }
        await good(ours, "check");
        await good(ours, "close");
      }),
  );

  if (pending) {
    sound(
      `${vector.file} is refused read-only, and stays as it is`,
      () =>
        inFolder(async (folder) => {
          const path = copyVector(vector.file, folder);
          const before = readFileSync(path);
          const error = await failure(openTdb(new RealImageStore(), path, { readOnly: true }));
          assert.instance(error, CtdbxError);
          assert.is((error as CtdbxError).code, "state");
          assert.ok(before.equals(readFileSync(path)));
        }),
    );
  } else {
    sound(`${vector.file} opens read-only and stays as it is`, () =>
      inFolder(async (folder) => {
        const path = copyVector(vector.file, folder);
        const before = readFileSync(path);
        const ours = new Ours(new RealImageStore());
        await openIn(ours, { path, mode: "r" });
        assert.is(difference(await recordsOf(ours), recordsOfVector(vector)), "");
        await good(ours, "check");
        assert.match(await ours.ask("store", hex("k"), "01", 0), /^err read_only/);
        await good(ours, "close");
        assert.ok(before.equals(readFileSync(path)));
      }));
  }

  sound(
    `${vector.file} passes libtdb's check after we had it open`,
    () =>
      inFolder(async (folder) => {
        const path = copyVector(vector.file, folder);
        const ours = new Ours(new RealImageStore());
        await openIn(ours, { path, mode: "w" });
        await good(ours, "close");
        tdbtoolCheck(path);
        assert.equal(tdbdumpBlocks(path), dumpBlocks(recordsOfVector(vector)));
      }),
  );
}
sound.run();

const damaged = suite("TDB vectors: damaged files");
/** Refused at open, and untouched by it. */
const REFUSED = ["c17", "c18", "c19", "c20", "c21", "c22", "c23", "c24", "c27", "c29"];
for (const vector of ALL.corrupt) {
  const refused = REFUSED.includes(vector.file.slice(0, 3));
  if (refused) {
    damaged(
      `${vector.file} is refused by open (${vector.code}) and stays as it is`,
      () =>
        inFolder(async (folder) => {
          for (const options of [{}, { create: true }, { readOnly: true }]) {
            const path = copyVector(vector.file, folder);
            const before = readFileSync(path);
            const error = await failure(openTdb(new RealImageStore(), path, options));
            wantRefusal(error, vector, "readOnly" in options);
            assert.ok(before.equals(readFileSync(path)), "the file has changed");
          }
        }),
    );
  } else {
    damaged(`${vector.file} fails the check with ${vector.code}`, () =>
      inFolder(async (folder) => {
        const tdb = await openTdb(new RealImageStore(), copyVector(vector.file, folder));
        const report = await check(tdb);
        assert.is(report.ok, false);
        assert.ok(
          report.problems.some((problem) => problem.kind === vector.code),
          `${vector.code} is not among: ${problemsOf(report)}`,
        );
        tdb.close();
      }));

    damaged(
      `${vector.file} ends every operation with an answer or a named error`,
      () =>
        inFolder(async (folder) => {
          const tdb = await openTdb(new RealImageStore(), copyVector(vector.file, folder));
          for (let i = 0; i < 60; i++) {
            const key = keyOf(i);
            tolerate(() => tdb.fetch(key));
            tolerate(() => tdb.store(key, new Uint8Array(i * 37)));
            tolerate(() => tdb.append(key, key));
            if (i % 3 === 0) tolerate(() => tdb.delete(key));
          }
          tolerate(() => tdb.store(keyOf(1000), new Uint8Array(60_000)));
          await tdb.traverse(() => {}).catch(wantCorrupt);
          await check(tdb);
          tdb.close();
        }),
    );
  }
}

damaged(
  "a loop in a chain ends the lookup of an absent key with an error",
  () =>
    withVector("c01-circular-chain.tdb", (tdb) => {
      assert.is(corruptKind(() => tdb.fetch(hexKey("absent"))), "loop");
    }),
);

damaged(
  "a loop in the free list ends a store that must allocate, with an error",
  () =>
    withVector("c03-circular-freelist.tdb", (tdb) => {
      assert.is(corruptKind(() => tdb.store(hexKey("new"), new Uint8Array(60_000))), "loop");
    }),
);

damaged(
  "the record behind a next that leaves the file is not looked for outside",
  () =>
    withVector("c04-next-beyond-eof.tdb", (tdb) => {
      assert.is(corruptKind(() => tdb.fetch(hexKey("absent"))), "offset");
    }),
);

damaged(
  "a record whose length leaves the file is not handed out",
  () =>
    withVector("c10-rec-len-huge.tdb", (tdb) => {
      assert.is(corruptKind(() => tdb.fetch(hexKey("key034"))), "length");
    }),
);

damaged(
  "a live record on the free list is not overwritten by stores that allocate",
  () =>
    withVector("c15-live-in-freelist.tdb", (tdb) => {
      const before = new Map<string, string>();
      for (let i = 0; i < 40; i++) {
        before.set(`${i}`, hex(tdb.fetch(keyOf(i)) ?? new Uint8Array(0)));
      }
      for (let i = 0; i < 40; i++) {
        tolerate(() => tdb.store(hexKey(`new ${i}`), new Uint8Array(16 * i)));
      }
      for (let i = 0; i < 40; i++) {
        assert.is(hex(tdb.fetch(keyOf(i)) ?? new Uint8Array(0)), before.get(`${i}`), `key ${i}`);
      }
    }),
);
damaged.run();

function keyOf(index: number): Uint8Array {
  return hexKey(`key${String(index).padStart(3, "0")}`);
}

function hexKey(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function withVector(file: string, run: (tdb: Tdb) => void): Promise<void> {
  await inFolder(async (folder) => {
    const tdb = await openTdb(new RealImageStore(), copyVector(file, folder));
    run(tdb);
    tdb.close();
  });
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it opened");
}

function wantRefusal(error: unknown, vector: CorruptVector, readOnly: boolean): void {
  assert.instance(error, CtdbxError, String(error));
  const { code } = error as CtdbxError;
  // Another version or an unknown feature is no damage; a pending recovery cannot be done read-
  // only.
  const others = { header: ["version"], recovery: readOnly ? ["state"] : [] } as Record<
    string,
    string[]
  >;
  if (others[vector.code]?.includes(code) === true) return;
  assert.instance(error, CorruptError, String(error));
  // Heads that do not fit may be called either: the size is wrong, or the file is short.
  const kinds = vector.file.startsWith("c18") ? ["header", "truncated"] : [vector.code];
  assert.ok(
    kinds.includes((error as CorruptError).kind),
    `${(error as CorruptError).kind}: ${error}`,
  );
}

/** Runs what may fail, but only with "corrupt". */
function tolerate(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    wantCorrupt(error);
  }
}

function wantCorrupt(error: unknown): void {
  assert.instance(error, CorruptError, error instanceof Error ? error.stack : String(error));
}

function corruptKind(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    wantCorrupt(error);
    return (error as CorruptError).kind;
  }
  throw new Error("it did not fail");
}

function problemsOf(report: CheckReport): string {
  return report.problems.map((problem) => `${problem.kind} at ${problem.offset}`).join(", ");
}
