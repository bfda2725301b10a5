/**
 * Files of a replica that rot: whichever byte it is, what is read is what was written, or nothing; and a file of
 * another replica that takes the place of a rotten one, dying at each step.
 *
 * Does NOT promise: who mends it; test/actors/data/commit_mending.test.ts has whole nodes that do.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { threadMemory } from "../../assembly/host/memory.ts";
import { pageWith, setAside, wantedSum } from "../../actors/storage/commit_mend.ts";
import { CommitStore } from "../../actors/storage/commit_store.ts";
import { HEADER, SEQ_KEY } from "../../actors/storage/commit_stage.ts";
import { seekKey } from "../../actors/storage/commit_open.ts";
import { RECORD_BYTES } from "../../actors/storage/tdb_recovery.ts";
import { fixPath } from "../../actors/storage/commit_swap.ts";
import { SeededDice } from "../../transport/sim/dice.ts";
import { SimCrash, type SimImageStore } from "../../transport/sim/image.ts";
import type { Entry } from "../../transport/wire/commit/entry.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { limit } from "../limit.ts";
import { behind, FRESH, group, PATH, put, simDisk, ZERO } from "./commit_rig.ts";

const test = suite("files of a replica that rot");

const OPTIONS = {
  fresh: FRESH,
  hashSize: 7,
  undoBytes: 16 * 1024,
  locking: "none",
  segmentBytes: 16 * 1024,
  intentPages: 16,
} as const;
const KEYS = Array.from({ length: 12 }, (_, at) => `key ${at}`);

function groups(from = ZERO, count = 12, salt = 0): Entry[] {
  const entries: Entry[] = [];
  let last = from;
  for (let i = 0; i < count; i++) {
    const entry = group(last, [[put(KEYS[i % KEYS.length]!, 100 + 40 * i, salt + i)]]);
    entries.push(entry);
    last = behind(entry);
  }
  return entries;
}

const ENTRIES = groups();

async function filled(images: SimImageStore, entries = ENTRIES): Promise<CommitStore> {
  const store = await CommitStore.open(images, PATH, OPTIONS);
  store.write({ entries, highTerm: 1n });
  store.apply(entries.slice(0, 6));
  store.apply(entries.slice(6));
  return store;
}

function textOf(store: CommitStore, keys = KEYS): string[] {
  return keys.map((key) => {
    const found = store.file.fetch(key);
    return found === undefined ? `${key} none` : `${key} ${found.rsn} ${found.value.join()}`;
  });
}

function flip(images: SimImageStore, path: string, offset: number, mask: number): void {
  const image = images.open(path);
  const { bytes } = threadMemory();
  bytes[image.address + offset] = (bytes[image.address + offset] ?? 0) ^ mask;
  image.close();
}

function sizeOf(images: SimImageStore, path: string): number {
  const image = images.open(path);
  const { mapped } = image;
  image.close();
  return mapped;
}

/** Opens what has rotted and reads all of it; what is read must be right. Answers how it was noticed. */
async function noticed(images: SimImageStore, right: readonly string[]): Promise<string> {
  let store: CommitStore;
  try {
    store = await CommitStore.open(images, PATH, OPTIONS);
  } catch (error) {
    if (error instanceof CtdbxError && error.code === "corrupt") return "opening";
    throw error;
  }
  try {
    const { appliedSeq, last } = store.opened;
    // What the log has lost at its end is taken from others; the file must not say that it has what it has not.
    assert.ok(appliedSeq === undefined || appliedSeq <= last.seq);
    const bad = new Set(store.file.scrub(0, store.file.pages).bad);
    for (const [at, key] of KEYS.entries()) {
      try {
        assert.equal(textOf(store, [key]), [right[at]], `${key} is what it was`);
      } catch (error) {
        if (!(error instanceof CtdbxError) || error.code !== "corrupt") throw error;
        assert.ok(bad.size > 0, "what is refused was found by the scrub");
      }
    }
    if (bad.size > 0) return "scrub";
    return store.log.damage !== undefined || appliedSeq !== last.seq ? "log" : "nothing";
  } finally {
    store.close();
  }
}

for (const [end, dense] of [["", 2048], [".sum", 1024], [".id", 512], [".log.1", 1024]] as const) {
  test.either(`A bit of ${end || "the file"} flips: what is read is right, or refused`, async () => {
    const dice = new SeededDice(17);
    const images = simDisk(17);
    const store = await filled(images);
    const right = textOf(store);
    store.close();
    const size = sizeOf(images, PATH + end);
    const told = new Map<string, number>();
    for (let at = 0; at < size; at += at < dense ? 3 : 97) {
      const mask = 1 << dice.below(8);
      // Another disk each time: opening settles what it finds.
      const one = simDisk(at);
      (await filled(one)).close();
      flip(one, PATH + end, at, mask);
      const how = await noticed(one, right);
      told.set(how, (told.get(how) ?? 0) + 1);
    }
    const sum = [...told.values()].reduce((all, count) => all + count, 0);
    assert.ok(sum > 100, JSON.stringify([...told]));
    assert.ok((told.get("nothing") ?? 0) < sum, "some of it means something");
  });
}

test("The number of the last transaction has rotted: refused, and the file is as long as it was", async () => {
  const images = simDisk(8);
  const store = await filled(images);
  const right = textOf(store);
  const offset = seekKey(store.file.core, SEQ_KEY) + RECORD_BYTES + SEQ_KEY.length + HEADER;
  store.close();
  const size = sizeOf(images, PATH);
  // 12 becomes 4: of that one the file was shorter.
  flip(images, PATH, offset, 8);
  let code = "none";
  try {
    (await CommitStore.open(images, PATH, OPTIONS)).close();
  } catch (error) {
    code = (error as CtdbxError).code;
  }
  assert.is(code, "corrupt");
  assert.is(sizeOf(images, PATH), size);
  flip(images, PATH, offset, 8);
  const again = await CommitStore.open(images, PATH, OPTIONS);
  assert.equal(textOf(again), right, "nothing else was changed");
  assert.equal(again.file.scrub(0, again.file.pages).bad, []);
  again.close();
});

test("A page that another replica has is put back, and nothing else is", async () => {
  const images = simDisk(3);
  const store = await filled(images);
  const other = await filled(simDisk(4));
  const right = textOf(store);
  const pages = [...Array(store.file.pages).keys()];
  const page = pages.findLast((one) => {
    const { sum, dbseq } = store.file.sums.entry(one);
    return dbseq > 0n && sum.some((byte) => byte !== 0);
  }) as number;
  flip(images, PATH, page * 4096 + 100, 1);
  assert.equal(store.file.scrub(0, store.file.pages).bad, [page]);
  const sum = wantedSum(store.file, page) as Uint8Array;
  assert.is(pageWith(store.file, page, sum), undefined, "a bad page is given to nobody");
  const given = pageWith(other.file, page, sum) as Uint8Array;
  assert.throws(() => store.file.putPage(page, new Uint8Array(4096)), /not what it must be/);
  store.file.putPage(page, given);
  assert.equal(store.file.scrub(0, store.file.pages).bad, []);
  assert.equal(textOf(store), right);
  assert.is(pageWith(other.file, page, new Uint8Array(16)), undefined, "it has another one");
  store.close();
  other.close();
});

/** A file that has the later half, in place of one that is at the first half, with a bad page. */
async function swap(images: SimImageStore, source: CommitStore): Promise<void> {
  const store = await CommitStore.open(images, PATH, OPTIONS);
  try {
    const snapshot = source.file.snapshot();
    const entries = Array.from({ length: snapshot.pages }, (_, page) => snapshot.entry(page));
    const install = store.fix(snapshot.shape, entries);
    try {
      for (const page of install.wanted) install.put(page, snapshot.page(page));
      install.finish();
    } finally {
      install.close();
    }
    snapshot.close();
    const at = source.log.last;
    assert.ok(store.reaches(at), "the log has it");
    store.swap(at);
    assert.equal(textOf(store), textOf(source), "at once");
  } finally {
    store.close();
  }
}

test(
  "Another's file in place of a rotten one: dying at each step, it is the one or the other, with its log",
  limit(120_000, async () => {
    const source = await filled(simDisk(1));
    const whole = textOf(source);
    let swapped = 0;
    for (let step = 1;; step++) {
      const images = simDisk(step);
      const store = await CommitStore.open(images, PATH, OPTIONS);
      store.write({ entries: ENTRIES, highTerm: 1n });
      store.apply(ENTRIES.slice(0, 6));
      const half = textOf(store);
      store.close();
      images.failAt(step, "crash");
      let isDone = true;
      try {
        await swap(images, source);
      } catch (error) {
        if (!(error instanceof SimCrash)) throw error;
        isDone = false;
      }
      images.reboot(step % 2 === 0 ? "power" : "process");
      const again = await CommitStore.open(images, PATH, OPTIONS);
      const now = textOf(again);
      const isNew = now.join() === whole.join();
      if (isNew) swapped += 1;
      assert.ok(isNew || now.join() === half.join(), `step ${step}`);
      assert.ok(isNew || !isDone, "what was done stays");
      assert.equal(again.file.scrub(0, again.file.pages).bad, [], `step ${step}`);
      assert.is(again.log.last.seq, 12n, "the log stays");
      assert.is(again.opened.appliedSeq, isNew ? 12n : 6n);
      assert.not(images.exists(fixPath(PATH)));
      again.apply(ENTRIES);
      assert.equal(textOf(again), whole, "it goes on from there");
      again.close();
      if (isDone) break;
    }
    assert.ok(swapped > 2, "some crashes are carried on");
    source.close();
  }),
);

test("A file that the log does not reach, or that is older, is not taken", async () => {
  const store = await CommitStore.open(simDisk(5), PATH, OPTIONS);
  store.write({ entries: ENTRIES.slice(0, 8), highTerm: 1n });
  store.apply(ENTRIES.slice(0, 6));
  const at = (seq: number) => behind(ENTRIES[seq - 1] as Entry);
  assert.equal([5, 6, 8, 9].map((seq) => store.reaches(at(seq))), [false, true, true, false]);
  assert.not(store.reaches({ ...at(8), chain: 1n }), "another branch");
  assert.throws(() => store.swap(at(9)), /does not fit/);
  assert.is(store.file.dbseq, 6n, "nothing was done");
  store.close();
});

test("What is put aside is gone here, and the copy that begins then is another one", async () => {
  const images = simDisk(6);
  const store = await filled(images);
  store.close();
  assert.is(setAside(images, PATH, "/trash/some.tdb", [".log.1"]), 4);
  assert.ok(images.exists("/trash/some.tdb") && images.exists("/trash/some.tdb.id"));
  const fresh = { ...FRESH, diskId: "f".repeat(32), logId: 5n };
  const next = await CommitStore.open(images, PATH, { ...OPTIONS, fresh });
  assert.is(next.id.value.diskId, "f".repeat(32));
  assert.is(next.file.dbseq, 0n);
  next.close();
});

test.run();
