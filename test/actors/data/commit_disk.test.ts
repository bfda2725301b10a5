/**
 * The disk of a persistent database: what is told as written is there after the power was lost, a full disk holds
 * writes up, and a sync that fails ends it.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Entry, versionAt } from "../../../transport/wire/commit/entry.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { LINEAGE } from "../../torture/commit_rig.ts";
import { DiskRig, entries } from "./disk_rig.ts";

const test = suite("the disk of a persistent database");

test("What is told as written is there after a loss of power; one sync covers all that came before it", async () => {
  const rig = await DiskRig.open(1);
  const [one, two, three, four] = entries(4) as [Entry, Entry, Entry, Entry];
  rig.write(1, [one]);
  rig.write(2, [two]);
  rig.write(3, [three]);
  await rig.run(20);
  assert.equal(rig.written, [], "nothing is told before the sync has ended");
  assert.is(rig.syncs?.begun.length, 1, "one sync at a time");
  await rig.end(0);
  assert.equal(rig.written, [1], "what came after it began is not covered");
  assert.is(rig.syncs?.begun.length, 2);
  await rig.end(1);
  assert.equal(rig.written, [1, 3]);
  rig.write(4, [four]);
  await rig.lose();
  const { entries: found, applied } = rig.disk.opened();
  assert.equal(found.slice(0, 3).map(({ chain }) => chain), [one, two, three].map((e) => e.chain));
  assert.is(applied.seq, 0n);
  rig.disk.close();
});

test("Applied, saved and trimmed, it opens at the entry where it was, with the sessions of then", async () => {
  const rig = await DiskRig.open(2, false);
  const all = entries(30);
  rig.write(1, all);
  await rig.run(5);
  assert.equal(rig.written, [1]);
  rig.disk.perform({ kind: "apply", epoch: 1, entries: all.slice(0, 20) });
  rig.disk.perform({ kind: "checkpoint", epoch: 1, seq: 20n, sessions: SESSIONS });
  rig.disk.perform({ kind: "trim", epoch: 1, below: 21n });
  rig.disk.perform({ kind: "fetch", epoch: 1, from: 25n, bytesMax: 1 });
  rig.disk.perform({ kind: "fetch", epoch: 1, from: 1n, bytesMax: 1 });
  rig.disk.perform({ kind: "apply", epoch: 7, entries: all.slice(20) });
  await rig.run(300);
  const told = rig.events.filter(({ kind }) => kind !== "written").map((event) =>
    event.kind === "fetched"
      ? `fetched ${event.from}: ${event.entries.length}`
      : `${event.kind} ${"seq" in event ? event.seq : ""}`
  );
  const expected = ["applied 20", "fetched 25: 1", "fetched 1: 0", "checkpointed 20"];
  assert.equal(told, expected, "what is of another epoch is not done");
  await rig.lose();
  const opened = rig.disk.opened();
  assert.is(opened.applied.seq, 20n);
  assert.equal(opened.sessions, SESSIONS);
  assert.is(opened.entries.length, 10);
  assert.ok(opened.first > 1n, "segments went");
  assert.is(rig.disk.file.versionOf("key 19"), versionAt(LINEAGE, 20n));
  rig.disk.close();
});

const SESSIONS = {
  sessions: [{
    ...{ sid: 1n, nodeId: "ab".repeat(16), incarnation: 3n, number: 4, doneUpTo: 2 },
    done: new Map([[3, { seq: 3n, dbseq: 3n }]]),
  }],
};

test("A full disk holds writes up, and says so, until there is room", async () => {
  const rig = await DiskRig.open(3, false);
  const all = entries(40);
  // The log fits into its first segment up to here; the next step of the disk makes another one.
  rig.write(1, all.slice(0, 5));
  await rig.run(100);
  assert.equal(rig.written, [1]);
  rig.machine.images.failAt(1, "no_space");
  rig.write(2, all.slice(5, 39));
  rig.write(3, all.slice(39));
  await rig.run(50);
  const space = () => rig.events.flatMap((event) => event.kind === "space" ? [event.isFull] : []);
  if (space().length === 0) assert.unreachable("the fault was not met");
  assert.equal(space(), [true]);
  assert.equal(rig.written, [1], "neither is told");
  await rig.run(1100);
  assert.equal(space(), [true, false]);
  assert.equal(rig.written.at(-1), 3);
  await rig.lose();
  assert.is(rig.disk.opened().entries.length, 40);
  rig.disk.close();
});

test("A sync that fails ends it: nothing is told any more, and that is told once", async () => {
  const rig = await DiskRig.open(4);
  const [one, two] = entries(2) as [Entry, Entry];
  rig.write(1, [one]);
  await rig.end(0, new CtdbxError("io", "Cannot sync: the disk is dying"));
  assert.is(rig.failures.length, 1);
  rig.write(2, [two]);
  await rig.run(100);
  assert.equal(rig.written, []);
  assert.is(rig.syncs?.begun.length, 1);
  assert.is(rig.failures.length, 1);
});

test("Reset, it begins with nothing in another lineage, and what comes meanwhile waits", async () => {
  const rig = await DiskRig.open(5, false);
  rig.write(1, entries(3));
  await rig.run(5);
  rig.disk.perform({ kind: "reset", epoch: 2, lineage: 99n, fork: 1n });
  assert.throws(() => rig.disk.file, /made anew/);
  const [first] = entries(1) as [Entry];
  rig.disk.perform({ kind: "write", epoch: 2, id: 2, entries: [first], highTerm: 5n });
  rig.write(3, entries(1));
  await rig.run(20);
  assert.equal(rig.written, [1, 2], "what was meant for the old log is dropped");
  const opened = rig.disk.opened();
  assert.equal([opened.lineage, opened.highTerm, opened.isFresh], [99n, 5n, true]);
  assert.is(opened.entries.length, 1);
  rig.disk.close();
});

test("The next segment is made before an append needs it; a crash leaves nothing of it", async () => {
  const rig = await DiskRig.open(6);
  const all = entries(30);
  const isNext = ({ path }: { path: string }) => path.endsWith(".log.2");
  rig.write(1, all.slice(0, 10));
  await rig.end(0);
  assert.is(rig.syncs?.begun.findIndex(isNext), 1, "half of the first one is used");
  await rig.end(1);
  const { steps } = rig.machine.images;
  rig.write(2, all.slice(10, 20));
  // A sync of the first segment, the head of the second, its sync: no zeros.
  assert.is(rig.machine.images.steps - steps, 10 + 3);
  await rig.end(2);
  assert.equal(rig.written, [1, 2]);
  await rig.end(3);
  rig.write(3, all.slice(20, 21));
  await rig.lose();
  const { length } = rig.disk.opened().entries;
  // What was not synced may be there, too.
  assert.ok(length === 20 || length === 21, `${length} entries`);
  rig.write(4, all.slice(length));
  await rig.end(0);
  assert.equal(rig.written, [4]);
  rig.disk.close();
});

test.run();
