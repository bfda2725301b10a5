/**
 * The end of a log was lost, and that is seen: it stays known, whatever is written and however often the node dies,
 * until all that was lost is here again. Real bytes on a simulated disk.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { threadMemory } from "../../assembly/host/memory.ts";
import { CommitStore } from "../../actors/storage/commit_store.ts";
import { SLOT } from "../../actors/storage/commit_frame.ts";
import { idPath } from "../../actors/storage/commit_id.ts";
import { segmentPath } from "../../actors/storage/commit_segment.ts";
import { SimCrash, type SimImageStore } from "../../transport/sim/image.ts";
import type { Entry } from "../../transport/wire/commit/entry.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { DiskRig, entries } from "../actors/data/disk_rig.ts";
import { behind, FRESH, group, PATH, put, simDisk, ZERO } from "./commit_rig.ts";

const test = suite("a lost end of a log stays known");

const OPTIONS = { fresh: FRESH, hashSize: 11, undoBytes: 16 * 1024, locking: "none" } as const;

function flip(images: SimImageStore, path: string, offset: number): void {
  const image = images.open(path);
  const { bytes } = threadMemory();
  bytes[image.address + offset] = (bytes[image.address + offset] ?? 0) ^ 4;
  image.sync(0, image.mapped);
  image.close();
}

/** The slot, from the first one on, in which the frame of entry `n` of small ones stands. */
function placeOf(images: SimImageStore, n: number): number {
  const image = images.open(segmentPath(PATH, 1));
  const { bytes } = threadMemory();
  const view = new DataView(bytes.buffer, image.address, image.mapped);
  try {
    for (let at = SLOT; at < image.mapped; at += SLOT) {
      const isEntry = view.getUint8(at + 8) === 2;
      if (isEntry && view.getBigUint64(at + 40, true) === BigInt(n)) return at;
    }
  } finally {
    image.close();
  }
  throw new Error(`entry ${n} is not in the log`);
}

/** A disk with six entries, each synced before the next, of which the fourth has rotted. */
async function damaged(seed: number): Promise<{ rig: DiskRig; all: Entry[] }> {
  const rig = await DiskRig.open(seed);
  const all = entries(6);
  for (const [at, one] of all.entries()) {
    rig.write(at + 1, [one]);
    await rig.end(at);
  }
  assert.equal(rig.written, [1, 2, 3, 4, 5, 6]);
  flip(rig.machine.images, segmentPath(PATH, 1), placeOf(rig.machine.images, 4) + 80);
  await rig.lose();
  return { rig, all };
}

/** What the disk says: its last entry, and how far it was. */
function saysOf({ disk }: DiskRig): { last: number; proven: number } {
  const { entries: found, proven } = disk.opened();
  return { last: Number(found.at(-1)?.seq ?? 0n), proven: Number(proven.seq) };
}

test("Through a raised term, and through a crash in which nothing came back", async () => {
  const { rig, all } = await damaged(11);
  // Nothing says that the sixth was durable, too. It may have been acknowledged.
  assert.equal(saysOf(rig), { last: 3, proven: 6 });
  rig.disk.perform({ kind: "write", epoch: 1, id: 7, entries: [], highTerm: 9n });
  await rig.run(5);
  assert.equal(rig.written, [7], "a term is told although the log cannot be synced");
  assert.ok(rig.disk.store.log.damage !== undefined, "nothing of the log was given up for it");
  await rig.lose();
  assert.equal(saysOf(rig), { last: 3, proven: 6 });
  assert.is(rig.disk.opened().highTerm, 9n);
  // Now the place is needed; the power goes before anything is synced.
  rig.write(8, all.slice(3, 4));
  assert.is(rig.disk.store.log.damage, undefined);
  await rig.lose();
  const { last, proven } = saysOf(rig);
  assert.is(proven, 6);
  assert.ok(last === 3 || last === 4, `${last}`);
  rig.write(9, all.slice(3, 4));
  await rig.end(0);
  assert.equal(rig.written, [9]);
  await rig.lose();
  assert.equal(saysOf(rig), { last: 4, proven: 6 });
  assert.is(rig.failures.length, 0);
  rig.disk.close();
});

test("Until all of it is here, and durable; from then on it may be cut as any other", async () => {
  const { rig, all } = await damaged(12);
  rig.write(7, all.slice(3));
  assert.is(rig.disk.store.id.value.proven?.seq, 6n, "noted before the log gave it up");
  await rig.end(0);
  assert.equal(rig.written, [7]);
  assert.is(rig.disk.store.id.value.proven, undefined);
  await rig.lose();
  assert.equal(saysOf(rig), { last: 6, proven: 0 });
  rig.disk.perform({ kind: "write", epoch: 1, id: 8, entries: [], cut: 2n });
  await rig.end(0);
  await rig.lose();
  assert.equal(saysOf(rig), { last: 2, proven: 0 });
  rig.disk.close();
});

test("A mark of a cut that rots brings back what was cut: that does not stand for what came in its place", async () => {
  const images = simDisk(13);
  const store = await CommitStore.open(images, PATH, OPTIONS);
  const old = entries(5);
  store.write({ entries: old, highTerm: 1n });
  const next = group(behind(old[2] as Entry), [[put("another", 40)]], 2n);
  store.write({ cut: 3n, entries: [next], highTerm: 2n });
  store.log.seal();
  store.log.sync();
  store.close();
  flip(images, segmentPath(PATH, 1), placeOf(images, 5) + SLOT + 20);
  const found = await CommitStore.open(images, PATH, OPTIONS);
  assert.equal([found.opened.last.term, found.opened.last.seq], [1n, 5n]);
  assert.equal(found.opened.proven, { term: 2n, seq: 4n });
  found.write({ cut: 3n, entries: [next] });
  assert.is(found.opened.proven, undefined);
  found.close();
  const again = await CommitStore.open(images, PATH, OPTIONS);
  assert.equal(again.opened.last, behind(next));
  assert.is(again.opened.proven, undefined);
  again.close();
});

test("Pages that do not come as far take the log's place, and not the knowledge", async () => {
  const { rig } = await damaged(14);
  const { store } = rig.disk;
  const { images } = rig.machine;
  await store.reset({ lineage: 7n, fork: 0n, logId: 55n, options: OPTIONS });
  const begun = await CommitStore.open(images, PATH, OPTIONS);
  assert.is(begun.opened.proven, undefined, "another history begins with nothing");
  begun.id.update({ proven: { term: 3n, seq: 9n } });
  const adopt = async (from: CommitStore, seq: bigint): Promise<CommitStore> => {
    const position = { ...ZERO, seq, term: 3n };
    from.adopt({ position, lineage: 7n, logId: 60n + seq, table: new Uint8Array(0) });
    return await CommitStore.open(images, PATH, OPTIONS);
  };
  const short = await adopt(begun, 8n);
  assert.equal(short.opened.proven, { term: 3n, seq: 9n });
  const whole = await adopt(short, 9n);
  assert.is(whole.opened.proven, undefined);
  assert.is(whole.id.value.proven, undefined);
  whole.close();
});

/** The layouts of both sectors of the identity. */
function layouts(images: SimImageStore): number[] {
  const image = images.open(idPath(PATH));
  const view = new DataView(threadMemory().bytes.buffer, image.address, image.mapped);
  const found = [0, 4096].map((place) => view.getUint32(place + 8, true));
  image.close();
  return found;
}

test("With nothing missing any more a ctdbx that does not know of that can use the copy, by both sectors", async () => {
  const images = simDisk(17);
  const store = await rotten(images);
  const all = entries(6);
  store.write({ entries: all.slice(3, 4), highTerm: 2n });
  store.write({ entries: all.slice(4, 5), highTerm: 3n });
  assert.equal(layouts(images), [2, 2]);
  store.write({ entries: all.slice(5), highTerm: 4n });
  assert.equal(layouts(images), [1, 1]);
  store.id.update({ proven: { term: 3n, seq: 9n } });
  store.id.update({ proven: { term: 3n, seq: 9n } });
  await store.reset({ lineage: 7n, fork: 0n, logId: 55n, options: OPTIONS });
  assert.equal(layouts(images), [1, 1]);
  const begun = await CommitStore.open(images, PATH, OPTIONS);
  begun.id.update({ proven: { term: 3n, seq: 9n } });
  begun.id.update({ proven: { term: 3n, seq: 9n } });
  const position = { ...ZERO, seq: 9n, term: 3n };
  begun.adopt({ position, lineage: 7n, logId: 69n, table: new Uint8Array(0) });
  const whole = await CommitStore.open(images, PATH, OPTIONS);
  assert.equal(layouts(images), [1, 1]);
  whole.close();
});

/** A store with six entries, of which the fourth has rotted. */
async function rotten(images: SimImageStore): Promise<CommitStore> {
  const store = await CommitStore.open(images, PATH, OPTIONS);
  for (const one of entries(6)) store.write({ entries: [one], highTerm: 1n });
  store.close();
  flip(images, segmentPath(PATH, 1), placeOf(images, 4) + 80);
  return await CommitStore.open(images, PATH, OPTIONS);
}

test.either("A crash at each step of giving it up, and power lost: it is known in the next life", async () => {
  const all = entries(6);
  let crashes = 0;
  for (let step = 1;; step++) {
    const images = simDisk(step);
    const store = await rotten(images);
    images.failAt(step, "crash");
    const isDone = done(() => store.write({ entries: all.slice(3, 5), highTerm: 9n }));
    images.reboot("power");
    const again = await CommitStore.open(images, PATH, OPTIONS);
    assert.is(again.opened.proven?.seq, 6n, `step ${step}`);
    const { seq } = again.opened.last;
    assert.ok(seq >= 3n && seq <= 5n, `step ${step}: ${seq}`);
    again.close();
    if (isDone) break;
    crashes += 1;
  }
  assert.ok(crashes >= 5, `${crashes} steps`);
});

/** Does something; false: the machine crashes over it. */
function done(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof SimCrash) return false;
    throw error;
  }
}

test.either("A bit of what is noted rots: refused, and never taken for a whole copy", async () => {
  const images = simDisk(16);
  const store = await CommitStore.open(images, PATH, OPTIONS);
  store.id.update({ proven: { term: 3n, seq: 9n } });
  store.id.update({ proven: { term: 3n, seq: 9n } });
  store.close();
  for (const at of [8, 160, 167, 168, 175, 176, 179]) {
    for (const place of [0, 4096]) {
      flip(images, idPath(PATH), place + at);
      const error = await CommitStore.open(images, PATH, OPTIONS).then(
        () => undefined,
        (thrown) => thrown,
      );
      assert.ok(error instanceof CtdbxError && error.code === "corrupt", `${place + at}`);
      flip(images, idPath(PATH), place + at);
    }
  }
  const again = await CommitStore.open(images, PATH, OPTIONS);
  assert.equal(again.opened.proven, { term: 3n, seq: 9n });
  again.close();
});

test.run();
