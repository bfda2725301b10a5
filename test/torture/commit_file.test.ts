/**
 * The file of a persistent database that dies at each of its steps: it holds exactly what some transaction left, at
 * least all that was answered, every page is what its sum says, and the format's own check finds nothing.
 *
 *   for n = 1, 2, ...: make, apply batches (small, growing, larger than the area); step n crashes -> reboot -> open
 *
 * Does NOT promise: anything about the log; commit_log.test.ts does.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { threadMemory } from "../../assembly/host/memory.ts";
import { type CommitFile, CommitFile as File } from "../../actors/storage/commit_file.ts";
import type { CommitSnapshot } from "../../actors/storage/commit_snapshot.ts";
import { sumPath } from "../../actors/storage/commit_sums.ts";
import { SEQ_KEY } from "../../actors/storage/commit_stage.ts";
import { check } from "../../actors/storage/tdb_check.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { SimCrash, type SimImageStore } from "../../transport/sim/image.ts";
import { type Entry, versionAt } from "../../transport/wire/commit/entry.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { limit, share, shareOf } from "../limit.ts";
import { applyAll, contentOf, HISTORY, LAST, sorted } from "./commit_history.ts";
import { behind, group, LINEAGE, PATH, put, simDisk } from "./commit_rig.ts";

const OPTIONS = { hashSize: 11, undoBytes: 16 * 1024, intentPages: 24, locking: "none" } as const;
/** After so many deaths one file is worked on to the end of the history; each is looked at as it is found. */
const GOES_ON = 3;
/** Where in a life the machine goes down for whom the opening is to die, parts of all steps. */
const OPENING_STEPS = [0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97];

/** The file is what the history says for its dbseq, whole in all respects. */
function wantWhole(file: CommitFile, least: bigint): void {
  assert.ok(file.dbseq >= least, `dbseq ${file.dbseq}, ${least} was answered`);
  assert.equal(sorted(contentOf(file)), sorted(HISTORY.contents[Number(file.dbseq)]));
  assert.equal(file.scrub(0, file.pages), { bad: [], next: undefined });
}

async function wantSound(store: SimImageStore): Promise<void> {
  const tdb = await openTdb(store, PATH, { locking: "none", readOnly: true });
  const report = await check(tdb);
  tdb.close();
  assert.ok(report.ok, report.problems.slice(0, 3).map(({ text }) => text).join("; "));
}

/** Runs until step n crashes. Answers what was answered; undefined: nothing, it got through. */
async function attempt(
  store: SimImageStore,
  n: number,
): Promise<{ acked: bigint; through: boolean }> {
  let acked = 0n;
  store.failAt(n, "crash");
  try {
    const file = await File.open(store, PATH, OPTIONS);
    applyAll(file, (dbseq) => acked = dbseq);
    file.close();
    return { acked, through: true };
  } catch (error) {
    assert.instance(error, SimCrash, String(error));
    return { acked, through: false };
  }
}

/** Opens after a crash, checks, and goes on to the end, unless told not to. False: it crashed at step m. */
async function reopen(
  store: SimImageStore,
  acked: bigint,
  { m = 0, goesOn = true } = {},
): Promise<boolean> {
  store.failAt(m, "crash");
  let file: CommitFile;
  try {
    file = await File.open(store, PATH, OPTIONS);
  } catch (error) {
    assert.instance(error, SimCrash, String(error));
    return false;
  }
  store.failAt(0, "crash");
  wantWhole(file, acked);
  const left = file.dbseq;
  file.close();
  if (left > 0n) await wantSound(store);
  if (!goesOn) return true;
  const again = await File.open(store, PATH, OPTIONS);
  applyAll(again, () => {}, 3);
  wantWhole(again, LAST);
  again.close();
  await wantSound(store);
  return true;
}

const test = suite("commit file");

test("applies, reads, and is equal however it is batched", async () => {
  const files: Uint8Array[] = [];
  for (const cuts of [1, 3, 100]) {
    const store = simDisk(1);
    const file = await File.open(store, PATH, OPTIONS);
    const { sums } = file;
    const endLarge = sums.endLarge.bind(sums);
    const intents = { slot: 0, large: 0 };
    sums.endLarge = (dbseq, fileBytes) => {
      intents[sums.head.largeAt === 0 ? "slot" : "large"]++;
      return endLarge(dbseq, fileBytes);
    };
    applyAll(file, () => {}, cuts);
    assert.equal(intents, { slot: 1, large: 1 }, "both kinds of a large apply");
    wantWhole(file, LAST);
    assert.is(file.versionOf("end"), versionAt(LINEAGE, LAST));
    assert.is(file.versionOf("nothing"), 0n);
    assert.ok(file.fetch(SEQ_KEY) !== undefined);
    assert.is(file.apply(HISTORY.entries), LAST);
    const { areaStart, areaCapacity } = file.sums.head;
    const { address, mapped } = file.core.image;
    const bytes = threadMemory().bytes.slice(address, address + mapped);
    bytes.fill(0, areaStart, areaStart + 24 + areaCapacity);
    files.push(bytes);
    file.close();
    await wantSound(store);
  }
  for (const other of files.slice(1)) {
    assert.is(other.length, files[0]?.length);
    assert.is(other.findIndex((byte, i) => byte !== files[0]?.[i]), -1);
  }
});

/** Others have their turn: the loop is not held for the whole of a test. */
function turn(): Promise<void> {
  return new Promise((go) => setImmediate(go));
}

/** Steps of a whole life. */
async function stepsOf(): Promise<number> {
  const store = simDisk(1);
  assert.ok((await attempt(store, 0)).through);
  return store.steps;
}

for (const after of ["process", "power"] as const) {
  test(
    `dies at each step (${after})`,
    limit(240_000, async () => {
      const steps = await stepsOf();
      assert.ok(steps > 150, `only ${steps} steps`);
      // What power leaves is by chance, what a killed process leaves is all of it.
      const stride = after === "power" ? 1 : 3;
      for (const i of shareOf(1, Math.floor(steps / stride))) {
        const n = stride * i;
        await turn();
        const store = simDisk(1000 * n + 1);
        const { acked, through } = await attempt(store, n);
        assert.not(through, `step ${n} of ${steps}`);
        store.failAt(0, "crash");
        store.reboot(after);
        try {
          assert.ok(await reopen(store, acked, { goesOn: i % GOES_ON === 0 }));
        } catch (error) {
          const text = error instanceof Error ? error.stack : String(error);
          throw new Error(`step ${n}: ${text}`, { cause: error });
        }
      }
    }),
  );
}

test(
  "the opening dies at each of its steps, too (power)",
  limit(240_000, async () => {
    const steps = await stepsOf();
    let hits = 0;
    for (const n of share(OPENING_STEPS)) {
      const place = Math.floor(steps * n);
      for (let m = 1; m < 200; m++) {
        await turn();
        const store = simDisk(100 * place + m);
        const { acked, through } = await attempt(store, place);
        assert.not(through);
        store.reboot("power");
        if (await reopen(store, acked, { m })) break;
        hits++;
        store.reboot("power");
        assert.ok(await reopen(store, acked));
      }
    }
    assert.ok(hits > 30, `${hits} crashes while opening`);
  }),
);

test(
  "the disk refuses a step: before or after, never between",
  limit(240_000, async () => {
    const steps = await stepsOf();
    for (const n of shareOf(1, Math.floor(steps / 2)).map((i) => 2 * i)) {
      await turn();
      const code = n % 4 < 2 ? "no_space" : "io";
      const store = simDisk(n);
      let acked = 0n;
      let error: unknown;
      let file: CommitFile | undefined;
      store.failAt(n, code);
      try {
        file = await File.open(store, PATH, OPTIONS);
        applyAll(file, (dbseq) => acked = dbseq);
      } catch (thrown) {
        error = thrown;
      }
      store.failAt(0, code);
      assert.instance(error, CtdbxError, String(error));
      assert.is((error as CtdbxError).code, code);
      if (file !== undefined) wantUsableOrEnded(file, acked);
      file?.close();
      assert.ok(await reopen(store, acked), `step ${n}`);
    }
  }),
);

/** After a refusal the handle goes on, or says that it must be opened anew. */
function wantUsableOrEnded(file: CommitFile, acked: bigint): void {
  try {
    wantWhole(file, acked);
    applyAll(file, () => {});
    wantWhole(file, LAST);
  } catch (error) {
    assert.instance(error, CtdbxError, String(error));
    assert.is((error as CtdbxError).code, "state");
  }
}

test.either("every bit that is flipped is found before it is used, or means nothing", async () => {
  const store = simDisk(1);
  const made = await File.open(store, PATH, OPTIONS);
  made.apply(HISTORY.entries.slice(0, 2));
  const wanted = sorted(HISTORY.contents[Number(made.dbseq)]);
  const { areaStart, areaCapacity } = made.sums.head;
  made.close();
  (await File.open(store, PATH, OPTIONS)).close();
  const { bytes } = threadMemory();
  const counts = { found: 0, same: 0 };
  for (const name of [PATH, sumPath(PATH)]) {
    const image = store.open(name);
    const whole = bytes.slice(image.address, image.address + image.mapped);
    for (let at = 0; at < whole.length; at++) {
      const isArea = name === PATH && at >= areaStart + 24 && at < areaStart + 24 + areaCapacity;
      // One bit of each byte; of bytes that are zero or the area's, some.
      if ((whole[at] === 0 || isArea) && at % 97 !== 0) continue;
      bytes[image.address + at] = (whole[at] ?? 0) ^ (1 << (at % 8));
      const seen = await look(store);
      if (seen === undefined) counts.found++;
      else {
        counts.same++;
        assert.equal(seen, wanted, `${name} ${at}`);
      }
      bytes.set(whole, image.address);
      assert.is(image.size(), whole.length);
    }
    image.close();
  }
  assert.ok(counts.found > 3000, JSON.stringify(counts));
});

/** The content and a whole look; undefined: something was found. */
async function look(store: SimImageStore): Promise<[string, string][] | undefined> {
  try {
    const file = await File.open(store, PATH, OPTIONS);
    try {
      const content = sorted(contentOf(file));
      if (file.scrub(0, file.pages).bad.length > 0) return undefined;
      return content;
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof CtdbxError && error.code !== "state") return undefined;
    throw error;
  }
}

test("a bad page is never served, and is put right by a page of the same sum only", async () => {
  const store = simDisk(1);
  const file = await File.open(store, PATH, OPTIONS);
  applyAll(file, () => {});
  const good = Array.from({ length: file.pages }, (_, page) => {
    try {
      return file.page(page);
    } catch {
      return undefined;
    }
  });
  file.close();
  const spoilt = await File.open(store, PATH, OPTIONS);
  const { bytes } = threadMemory();
  const page = spoilt.pages - 1;
  const at = spoilt.core.image.address + page * 4096 + 100;
  bytes[at] = (bytes[at] ?? 0) ^ 4;
  assert.equal(spoilt.scrub(0, spoilt.pages).bad, [page]);
  assert.throws(() => spoilt.page(page), (error: CtdbxError) => error.code === "corrupt");
  const next = group(behind(HISTORY.entries.at(-1) as Entry), [[put("x", 1)]]);
  assert.throws(() => spoilt.apply([next]), (error: CtdbxError) => error.code === "corrupt");
  assert.throws(
    () => spoilt.putPage(page, good[page - 1] as Uint8Array),
    (error: CtdbxError) => error.code === "denied",
  );
  spoilt.putPage(page, good[page] as Uint8Array);
  wantWhole(spoilt, LAST);
  assert.is(spoilt.apply([next]), LAST + 1n);
  spoilt.close();
});

test("a snapshot stays as it was while transactions are applied", async () => {
  const store = simDisk(1);
  const file = await File.open(store, PATH, OPTIONS);
  const snapshots: CommitSnapshot[] = [];
  for (const entry of HISTORY.entries) {
    snapshots.push(file.snapshot());
    file.apply([entry]);
  }
  for (const snapshot of snapshots) {
    const found = new Map<string, string>();
    const text = (from: Uint8Array): string => String.fromCharCode(...from);
    await snapshot.traverse((record) => {
      const value = record.value();
      const rsn = new DataView(value.buffer).getBigUint64(0, true);
      if (text(record.key()) === SEQ_KEY) return;
      found.set(text(record.key()), `${rsn}:${value.subarray(24).toHex()}`);
    });
    assert.equal(sorted(found), sorted(HISTORY.contents[Number(snapshot.dbseq)]));
    for (const key of ["a", "many 3", "large 2"]) {
      const record = snapshot.fetch(key);
      const seen = record === undefined ? undefined : `${record.rsn}:${record.value.toHex()}`;
      assert.is(seen, HISTORY.contents[Number(snapshot.dbseq)]?.get(key));
    }
  }
  assert.ok((snapshots[0]?.keptBytes ?? 0) > 0);
  file.close();
  assert.throws(() => snapshots[0]?.fetch("a"), /closed/);
});

test("a snapshot of which too much changes is refused by name, and the others stay", async () => {
  const store = simDisk(1);
  const file = await File.open(store, PATH, OPTIONS);
  const small = file.snapshot(3);
  const large = file.snapshot();
  applyAll(file, () => {});
  assert.throws(() => small.fetch("a"), (error: CtdbxError) => error.code === "limit");
  assert.is(large.fetch("a"), undefined);
  small.close();
  large.close();
  large.close();
  wantWhole(file, LAST);
  file.close();
});

test("a reader that holds a chain is not disturbed; a gap in the transactions is refused", async () => {
  const store = simDisk(1);
  const file = await File.open(store, PATH, { ...OPTIONS, locking: "fcntl" });
  file.apply(HISTORY.entries.slice(0, 1));
  const reader = await openTdb(store, PATH, { locking: "fcntl" });
  const key = new TextEncoder().encode("a");
  assert.ok(reader.tryLockChain(key, "read"));
  const busy = (error: CtdbxError): boolean => error.code === "busy";
  assert.throws(() => file.apply(HISTORY.entries.slice(0, 2)), busy);
  wantWhole(file, 2n);
  assert.is(file.dbseq, 2n);
  reader.unlockChain(key);
  reader.close();
  const gap = (error: CtdbxError): boolean => error.code === "state";
  assert.throws(() => file.apply(HISTORY.entries.slice(2)), gap);
  applyAll(file, () => {});
  wantWhole(file, LAST);
  file.close();
});

test.run();
