/**
 * A whole replica on its disk, and one that takes it over page by page, dying at each step: the old database or the
 * new one, whole, with the log that belongs to it.
 *
 * Does NOT promise: when a replica may be taken over; the machine's tests do.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommitStore } from "../../actors/storage/commit_store.ts";
import { lostPath, readLost } from "../../actors/storage/commit_lost.ts";
import type { PageEntry } from "../../actors/storage/commit_sums.ts";
import type { CommitSnapshot } from "../../actors/storage/commit_snapshot.ts";
import { SimCrash, type SimImageStore } from "../../transport/sim/image.ts";
import type { Entry } from "../../transport/wire/commit/entry.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { limit, shareOf } from "../limit.ts";
import { behind, FRESH, group, PATH, put, simDisk, ZERO } from "./commit_rig.ts";

const OPTIONS = {
  fresh: FRESH,
  hashSize: 11,
  undoBytes: 16 * 1024,
  locking: "none",
  segmentBytes: 4096,
} as const;

/** Entries of 30 groups, from a position on. */
function groups(from = ZERO, count = 30, salt = 0): Entry[] {
  const entries: Entry[] = [];
  let last = from;
  for (let i = 0; i < count; i++) {
    const entry = group(last, [[put(`key ${i}`, 50 * i, salt), put("same", 8, i)]]);
    entries.push(entry);
    last = behind(entry);
  }
  return entries;
}

function textOf(store: CommitStore): string {
  const keys = ["same", ...Array.from({ length: 40 }, (_, i) => `key ${i}`)];
  return keys.map((key) => {
    const record = store.file.fetch(key);
    return record === undefined ? "" : `${key} ${record.rsn} ${record.value.join()}`;
  }).join("\n");
}

function entriesOf(snapshot: CommitSnapshot): PageEntry[] {
  return Array.from({ length: snapshot.pages }, (_, page) => snapshot.entry(page));
}

/** A replica with 30 groups, 5 of which the other has, too, and then 3 of its own that were cut for all. */
async function makeSource(): Promise<{ store: CommitStore; entries: Entry[] }> {
  const store = await CommitStore.open(simDisk(7), PATH, OPTIONS);
  const entries = groups();
  store.write({ entries, highTerm: 3n });
  store.apply(entries);
  return { store, entries };
}

/** Takes the source over; answers how many pages came from it. */
async function takeOver(images: SimImageStore, source: CommitStore): Promise<number> {
  const target = await CommitStore.open(images, PATH, OPTIONS);
  let fetched = 0;
  try {
    const snapshot = source.file.snapshot();
    const install = target.install(snapshot.shape, entriesOf(snapshot));
    try {
      for (const page of install.wanted) {
        install.put(page, snapshot.page(page));
        fetched++;
      }
      install.finish();
    } finally {
      install.close();
    }
    snapshot.close();
    const position = source.log.last;
    target.adopt({ position, lineage: 8n, logId: 1234n, table: new Uint8Array([1, 2, 3]) });
  } finally {
    target.close();
  }
  return fetched;
}

const test = suite("commit store");

test("writes, applies, checkpoints, trims, and is the same when opened anew", async () => {
  const images = simDisk(1);
  const store = await CommitStore.open(images, PATH, OPTIONS);
  const entries = groups();
  store.write({ entries: entries.slice(0, 20), highTerm: 5n });
  assert.is(store.trim(), 0);
  store.apply(entries.slice(0, 10));
  assert.is(store.opened.appliedSeq, 10n);
  assert.is(store.trim(), 0, "no checkpoint yet");
  const at = behind(entries[7] as Entry);
  store.checkpoint({ ...at, table: new TextEncoder().encode("sessions") });
  assert.is(store.trim(3n), 0, "pinned in the first segment");
  assert.ok(store.trim() > 0);
  assert.ok(store.log.start.seq <= 8n && store.log.start.seq > 0n);
  store.write({ cut: 15n, entries: [group(behind(entries[14] as Entry), [[put("other", 9)]])] });
  const { opened } = store;
  const text = textOf(store);
  store.close();
  images.reboot("power");
  const again = await CommitStore.open(images, PATH, OPTIONS);
  assert.equal(again.opened, opened);
  assert.is(again.opened.id.highTerm, 5n);
  assert.is(textOf(again), text);
  assert.is(new TextDecoder().decode(again.opened.checkpoint?.table), "sessions");
  again.close();
});

test("a replica that lags fetches the pages that differ, and no others", async () => {
  const { store: source, entries } = await makeSource();
  const images = simDisk(3);
  const first = await CommitStore.open(images, PATH, OPTIONS);
  first.write({ entries: entries.slice(0, 29) });
  first.apply(entries.slice(0, 29));
  first.close();
  const fetched = await takeOver(images, source);
  assert.ok(fetched > 0 && fetched < source.file.pages / 2, `${fetched} of ${source.file.pages}`);
  const target = await CommitStore.open(images, PATH, OPTIONS);
  assert.is(textOf(target), textOf(source));
  assert.equal(target.log.last, source.log.last);
  assert.equal([...target.opened.checkpoint?.table ?? []], [1, 2, 3]);
  assert.is(target.id.value.lineage, 8n);
  const more = groups(target.log.last, 5, 1);
  target.write({ entries: more });
  target.apply(more);
  assert.equal(target.file.scrub(0, target.file.pages).bad, []);
  target.close();
  source.close();
});

test("a page that is not what it must be is not taken", async () => {
  const { store: source } = await makeSource();
  const target = await CommitStore.open(simDisk(3), PATH, OPTIONS);
  const snapshot = source.file.snapshot();
  const install = target.install(snapshot.shape, entriesOf(snapshot));
  const [page, other] = install.wanted;
  assert.ok(page !== undefined && other !== undefined);
  const wrong = snapshot.page(page);
  wrong[9] = (wrong[9] ?? 0) ^ 1;
  const denied = (error: CtdbxError): boolean => error.code === "denied";
  assert.throws(() => install.put(page, wrong), denied);
  assert.throws(() => install.put(page, snapshot.page(other)), denied);
  assert.throws(() => install.finish(), (error: CtdbxError) => error.code === "state");
  install.close();
  target.close();
  source.close();
});

test("a replica that is reset keeps aside what only it had, and begins with nothing", async () => {
  const images = simDisk(4);
  const store = await CommitStore.open(images, PATH, OPTIONS);
  const entries = groups();
  store.write({ entries, highTerm: 6n, isFresh: false });
  store.apply(entries);
  assert.is(await store.reset({ lineage: 9n, fork: 25n, logId: 77n, options: OPTIONS }), 5);
  images.reboot("power");
  const again = await CommitStore.open(images, PATH, OPTIONS);
  const { id, appliedSeq, checkpoint, last } = again.opened;
  assert.equal([id.lineage, id.highTerm, id.isFresh], [9n, 6n, true]);
  assert.equal(id.parent, { lineage: 7n, seq: 25n });
  assert.equal([appliedSeq, checkpoint, last.seq], [0n, undefined, 0n]);
  assert.is(again.file.fetch("same"), undefined);
  const lost = readLost(images, lostPath(PATH, 7n, 25n));
  assert.equal(lost.map(({ chain }) => chain), entries.slice(25).map(({ chain }) => chain));
  again.write({ entries: entries.slice(0, 2) });
  assert.is(again.apply(entries.slice(0, 2)), 2n);
  again.close();
});

test(
  "taking over dies at each of its steps (power): the old database or the new one",
  limit(120_000, async () => {
    const { store: source, entries } = await makeSource();
    const few = entries.slice(0, 5);
    const prepare = async (images: SimImageStore): Promise<string> => {
      const store = await CommitStore.open(images, PATH, OPTIONS);
      store.write({ entries: few });
      store.apply(few);
      const text = textOf(store);
      store.close();
      return text;
    };
    const whole = simDisk(1);
    const before = await prepare(whole);
    const from = whole.steps;
    await takeOver(whole, source);
    const steps = whole.steps - from;
    assert.ok(steps > 40, `${steps} steps`);
    const after = textOf(source);
    const seen = { before: 0, after: 0 };
    for (const n of shareOf(1, steps)) {
      const images = simDisk(50 + n);
      await prepare(images);
      images.failAt(n, "crash");
      let error: unknown;
      try {
        await takeOver(images, source);
      } catch (thrown) {
        error = thrown;
      }
      assert.instance(error, SimCrash, `step ${n}: ${error}`);
      images.reboot("power");
      // The opening dies, too, once, somewhere.
      images.failAt(1 + n % 9, "crash");
      try {
        (await CommitStore.open(images, PATH, OPTIONS)).close();
        images.failAt(0, "crash");
      } catch (thrown) {
        assert.instance(thrown, SimCrash, String(thrown));
        images.reboot("power");
      }
      const store = await CommitStore.open(images, PATH, OPTIONS);
      const text = textOf(store);
      const isNew = text === after;
      seen[isNew ? "after" : "before"]++;
      assert.is(text, isNew ? after : before, `step ${n}`);
      assert.equal(store.log.last, isNew ? source.log.last : behind(few[4] as Entry));
      assert.is(store.opened.appliedSeq, store.log.last.seq);
      assert.equal(store.file.scrub(0, store.file.pages).bad, []);
      const more = groups(store.log.last, 3, 2);
      store.write({ entries: more });
      assert.is(store.apply(more), behind(more[2] as Entry).dbseq);
      store.close();
    }
    assert.ok(seen.before > 5 && seen.after > 0, JSON.stringify(seen));
    source.close();
  }),
);

test.run();
