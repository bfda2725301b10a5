/**
 * The file follows what is applied: it is read at once, brought into the file in steps whose syncs end elsewhere, and
 * whatever step the power is lost at, the next life has it from the log and shows nothing less.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FOLLOW_MS, QUIET_MS } from "../../../actors/data/commit_following.ts";
import { SEQ_KEY } from "../../../actors/storage/commit_stage.ts";
import { type Entry, versionAt } from "../../../transport/wire/commit/entry.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { behind, group, LINEAGE, put, ZERO } from "../../torture/commit_rig.ts";
import { DiskRig, entries } from "./disk_rig.ts";

const test = suite("the file follows");

/** Of an apply in one batch: sums, old bytes, magic, blocks, magic off. */
const SYNCS = 5;

/** A disk with entries in its log, durable, of which the first `applied` are applied. */
async function applied(seed: number, all: readonly Entry[], count: number): Promise<DiskRig> {
  const rig = await DiskRig.open(seed);
  rig.write(1, all);
  await rig.end(0);
  rig.disk.perform({ kind: "apply", epoch: 1, entries: all.slice(0, count) });
  return rig;
}

/** Ends the first syncs of the file, one after the other. */
async function endSyncs(rig: DiskRig, count: number): Promise<void> {
  for (let at = 0; at < count; at++) await rig.endFile(at);
}

test("What is applied is told and read at once; the file follows when it is quiet", async () => {
  const [one, two] = entries(2) as [Entry, Entry];
  const gone = group(behind(two), [[{ key: "key 0", value: undefined }, put("new", 9)]]);
  const rig = await applied(1, [one, two, gone], 3);
  assert.equal(rig.events.at(-1), { kind: "applied", epoch: 1, seq: 3n, dbseq: 3n });
  const { disk } = rig;
  assert.is(disk.view.dbseq, 3n);
  assert.is(disk.file.dbseq, 0n, "not yet");
  assert.is(disk.view.fetch("key 0"), undefined);
  assert.is(disk.view.versionOf("key 0"), 0n);
  assert.equal(disk.view.fetch("key 1")?.value, put("key 1", 40, 1).value);
  assert.is(disk.versionOf("new"), versionAt(LINEAGE, 3n));
  assert.is(new DataView(disk.view.fetch(SEQ_KEY)!.value.buffer).getBigUint64(0, true), 3n);
  await rig.run(QUIET_MS + 5);
  await endSyncs(rig, SYNCS);
  assert.is(disk.file.dbseq, 3n);
  assert.is(disk.file.fetch("key 0"), undefined);
  assert.equal(disk.file.fetch("new")?.value, disk.view.fetch("new")?.value);
  assert.is(rig.fileSyncs.length, SYNCS, "no more than that");
  disk.close();
});

test("While more and more comes the syncs are shared: one apply each FOLLOW_MS", async () => {
  const all = entries(60);
  const rig = await applied(2, all, 1);
  for (let at = 1; at < 60; at++) {
    await rig.run(QUIET_MS / 2);
    rig.disk.perform({ kind: "apply", epoch: 1, entries: [all[at] as Entry] });
    await endSyncs(rig, rig.fileSyncs.length);
  }
  const applies = rig.fileSyncs.length / SYNCS;
  const most = 60 * (QUIET_MS / 2 + 10) / FOLLOW_MS + 1;
  assert.ok(applies >= 2 && applies <= most, `${applies} applies, ${most} at most`);
  rig.disk.close();
});

test("Lost power at each step of an apply: the log has all, and what may have been shown is waited for", async () => {
  for (let ended = 0; ended <= SYNCS; ended++) {
    const all = entries(6);
    const rig = await applied(10 + ended, all, 6);
    await rig.run(QUIET_MS + 5);
    await endSyncs(rig, ended);
    const before = rig.disk.file.dbseq;
    await rig.lose();
    const { applied: { seq }, entries: left } = rig.disk.opened();
    assert.ok(seq === 0n || seq === 6n, `${ended}: all of it or nothing, is ${seq}`);
    assert.ok(ended < SYNCS || seq === 6n, `${ended}: the last sync had ended`);
    assert.is(BigInt(left.length), 6n - seq);
    assert.is(rig.disk.mayLack(seq), seq === 0n, `${ended}: it may have been shown`);
    assert.ok(before === 0n || before === 6n);
    assert.equal(rig.disk.file.scrub(0, rig.disk.file.pages).bad, []);
    rig.disk.perform({ kind: "apply", epoch: 1, entries: left });
    assert.is(rig.disk.mayLack(6n), false);
    assert.is(rig.disk.view.versionOf("key 5"), versionAt(LINEAGE, 6n));
    rig.disk.close();
  }
});

test("A new life lacks nothing of what is cut, and nothing once it has asked for the latest", async () => {
  const all = entries(4);
  for (const how of ["cut", "asked"] as const) {
    const rig = await applied(20, all, 0);
    await rig.lose();
    rig.disk.opened();
    assert.is(rig.disk.mayLack(3n), true);
    if (how === "asked") rig.disk.hasAll();
    else rig.disk.perform({ kind: "write", epoch: 1, id: 9, entries: [], cut: 2n });
    assert.is(rig.disk.mayLack(2n), false, how);
    assert.is(rig.disk.mayLack(1n), how === "cut");
    rig.disk.close();
  }
});

test("Between two steps records are read, and whoever needs the file at rest is told to wait, or waits", async () => {
  const all = entries(3);
  const rig = await applied(30, all, 2);
  const seen: bigint[] = [];
  const early = rig.disk.atRest((file) => seen.push(file.dbseq));
  await rig.run(5);
  for (let step = 1; step <= SYNCS; step++) {
    const { file, view } = rig.disk;
    assert.is(file.isApplying, true);
    assert.equal(seen, [], "not at rest");
    assert.is(view.versionOf("key 1"), versionAt(LINEAGE, 2n));
    for (const work of [() => file.scrub(0, 1), () => file.page(0), () => file.snapshot()]) {
      assert.throws(work, (error: unknown) => (error as CtdbxError).code === "busy");
    }
    // The next one is applied meanwhile, and is not what was waited for.
    if (step === 2) rig.disk.perform({ kind: "apply", epoch: 1, entries: all.slice(2) });
    assert.is(view.dbseq, step < 2 ? 2n : 3n);
    await rig.endFile(step - 1);
  }
  await early;
  assert.equal(seen, [2n]);
  await rig.run(QUIET_MS + 5);
  await endSyncs(rig, 2 * SYNCS);
  assert.is(await rig.disk.atRest((file) => file.dbseq), 3n);
  rig.disk.close();
  await rig.disk.atRest(() => {}).then(() => assert.unreachable(), (error) => {
    assert.is(error.code, "state");
  });
});

test("A snapshot shows its state while an apply is between its steps, and after it", async () => {
  const [one, two, other] = entries(3) as [Entry, Entry, Entry];
  const again = group(behind(other), [[put("key 0", 3000, 7)]]);
  const rig = await applied(40, [one, two, other, again], 3);
  const waiting = rig.disk.atRest((file) => file.snapshot());
  await rig.run(5);
  await endSyncs(rig, SYNCS);
  const snapshot = await waiting;
  rig.disk.perform({ kind: "apply", epoch: 1, entries: [again] });
  await rig.run(QUIET_MS + 5);
  for (let step = 0; step <= SYNCS; step++) {
    assert.equal(snapshot.fetch("key 0")?.value, put("key 0", 40, 0).value, `step ${step}`);
    assert.equal(rig.disk.view.fetch("key 0")?.value, put("key 0", 3000, 7).value);
    if (step < SYNCS) await rig.endFile(SYNCS + step);
  }
  assert.is(rig.disk.file.dbseq, 4n);
  snapshot.close();
  rig.disk.close();
});

test("A node that is stopped leaves a file that has all, in whatever step it was", async () => {
  for (let ended = 0; ended < SYNCS; ended++) {
    const rig = await applied(50 + ended, entries(3), 3);
    await rig.run(QUIET_MS + 5);
    await endSyncs(rig, ended);
    rig.disk.close();
    await rig.lose();
    assert.is(rig.disk.opened().applied.seq, 3n, `stopped after ${ended}`);
    rig.disk.close();
  }
});

test("A full disk holds the file up: what is applied is read all the same, and in it when there is room", async () => {
  const rig = await DiskRig.open(60, false);
  const large = group(ZERO, [[put("large", 60_000)]]);
  rig.write(1, [large]);
  // Until the log is sealed, too.
  await rig.run(100);
  rig.machine.images.failAt(1, "no_space");
  rig.disk.perform({ kind: "apply", epoch: 1, entries: [large] });
  await rig.run(QUIET_MS + 5);
  const space = rig.events.flatMap((event) => event.kind === "space" ? [event.isFull] : []);
  assert.equal(space, [true]);
  assert.is(rig.disk.view.fetch("large")?.value.length, 60_000);
  assert.is(rig.disk.file.dbseq, 0n);
  await rig.disk.atRest(() => {}).then(() => assert.unreachable(), (error) => {
    assert.is(error.code, "no_space");
  });
  await rig.run(1200);
  assert.is(rig.disk.file.dbseq, 1n);
  assert.is(rig.failures.length, 0);
  rig.disk.close();
});

test("A sync of the file that fails ends the disk, and that is told once", async () => {
  const rig = await applied(70, entries(2), 2);
  await rig.run(QUIET_MS + 5);
  await rig.endFile(0);
  await rig.endFile(1, new CtdbxError("io", "Cannot sync: the disk is dying"));
  assert.is(rig.failures.length, 1);
  await rig.run(2000);
  assert.is(rig.failures.length, 1);
  assert.is(rig.fileSyncs.length, 2);
});

test.run();
