/** The mapped file under a program's feet: busy chains, a busy free list, leases that end in between, other epochs. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MappedLock } from "../../../actors/client/lock.ts";
import { Mapped } from "../../../actors/client/mapped.ts";
import { KEEP } from "../../../actors/client/types.ts";
import { FileRecordStore } from "../../../actors/storage/record_store.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Incarnation, Version } from "../../../transport/wire/terms.ts";
import { b, copy, FOLDER, KEY, NAME, PNN, RecordRig, t } from "../storage/record_rig.ts";

const test = suite("client mapped");
const LIMIT_MS = 1000;

/** A node whose database is of an epoch, with one record; and a program of it. */
class MappedRig extends RecordRig {
  readonly emptied: string[] = [];
  readonly epoch = new Map<bigint, FileRecordStore>();
  readonly mapped = new Mapped(this.node(), NAME, 5n, (key) => this.emptied.push(t(key)));

  constructor() {
    super(97);
    this.make(5n);
  }

  /** The file of an epoch. */
  make(since: bigint): FileRecordStore {
    const { images } = this;
    const store = new FileRecordStore({
      images,
      disk: { list: () => [], makeFolder: () => {} },
      folder: FOLDER,
      name: NAME,
      pnn: PNN,
      since: since as Version,
      hashSize: 97,
    });
    store.renew(1n as Incarnation);
    store.put("key", copy(`of ${since}`));
    store.put("another", copy("a"));
    this.epoch.set(since, store);
    return store;
  }

  get untilMs(): number {
    return this.clock.nowMs() + LIMIT_MS;
  }
}

/** A moment so many milliseconds from now. */
function until(rig: MappedRig, ms: number): () => number {
  const untilMs = rig.clock.nowMs() + ms;
  return () => untilMs;
}

/** How a promise stands, without waiting for it. */
function watched<T>(work: T | Promise<T>): { end: string } {
  const seen = { end: "pending" };
  Promise.resolve(work).then(
    (value) => seen.end = String(value),
    (error) => seen.end = codeOf(error),
  );
  return seen;
}

function codeOf(error: unknown): string {
  return error instanceof CtdbxError ? error.code : String(error);
}

test("a value that needs space waits for who has the free list, and no longer than it may", async () => {
  const rig = new MappedRig();
  await rig.mapped.open();
  const store = rig.epoch.get(5n)!;
  assert.is(store.tryLock("another"), "had", "and the free list with it");
  const long = new Uint8Array(2000);
  const first = watched(rig.mapped.update(KEY, () => rig.untilMs, () => long, () => {}));
  const second = watched(rig.mapped.write(KEY, long, until(rig, 20)));
  await rig.clock.pass(100);
  assert.equal([first.end, second.end], ["pending", "timeout"]);
  store.unlock("another");
  await rig.clock.pass(100);
  assert.is(first.end, "done");
  assert.is(store.get("key")?.data.length, 2000);
});

test("a chain that another program has is waited for, in turn", async () => {
  const rig = new MappedRig();
  await rig.mapped.open();
  const other = new Mapped(rig.node(), NAME, 5n, () => {});
  await other.open();
  const hold = await other.lock(KEY, rig.untilMs);
  assert.ok(typeof hold !== "string");
  const seen = watched(
    rig.mapped.update(KEY, () => rig.untilMs, (value) => `${t(value!)}+`, () => {}),
  );
  const late = watched(rig.mapped.lock(KEY, rig.clock.nowMs() + 50));
  await rig.clock.pass(200);
  assert.equal([seen.end, late.end], ["pending", "timeout"]);
  hold.store(b("held"));
  hold.release();
  await rig.clock.pass(200);
  assert.is(seen.end, "done");
  let found = "";
  await rig.mapped.read(KEY, rig.untilMs, (value) => found = t(value));
  assert.is(found, "held+");
});

test("frozen in between: it counts when the same life goes on, and nobody knows when it does not", async () => {
  const rig = new MappedRig();
  await rig.mapped.open();
  const froze = (value: string) => () => {
    rig.lease(0);
    return value;
  };
  const first = watched(rig.mapped.update(KEY, () => rig.untilMs, froze("1"), () => {}));
  await rig.clock.pass(50);
  assert.is(first.end, "pending");
  rig.lease(10_000);
  await rig.clock.pass(50);
  assert.is(first.end, "done");
  const second = watched(rig.mapped.update(KEY, () => rig.untilMs, froze("2"), () => {}));
  await rig.clock.pass(10);
  rig.page.endLease();
  await rig.clock.pass(LIMIT_MS + 100);
  assert.is(second.end, "unknown");
});

test("while the page is frozen nothing is done; what may wait, waits until its time is over", async () => {
  const rig = new MappedRig();
  await rig.mapped.open();
  rig.lease(0);
  const read = watched(rig.mapped.read(KEY, rig.untilMs, () => {}));
  const write = watched(rig.mapped.write(KEY, b("x"), until(rig, 50)));
  assert.not(rig.mapped.readNow(KEY, () => {}));
  assert.not(rig.mapped.updateNow(KEY, () => b("x")));
  await rig.clock.pass(100);
  assert.equal([read.end, write.end], ["pending", "timeout"]);
  rig.lease(10_000);
  await rig.clock.pass(50);
  assert.is(read.end, "done");
});

test("at once, and the lease ends in between: unknown is thrown", async () => {
  const rig = new MappedRig();
  await rig.mapped.open();
  let code = "";
  try {
    rig.mapped.updateNow(KEY, () => {
      rig.lease(0);
      return b("x");
    });
  } catch (error) {
    code = codeOf(error);
  }
  assert.is(code, "unknown");
});

test("at once, and the view changes in between: it counts when the page is valid again in the same life", async () => {
  const rig = new MappedRig();
  await rig.mapped.open();
  const { clock } = rig;
  const nowMs = clock.nowMs.bind(clock);
  let looks = 0;
  const done = rig.mapped.updateNow(KEY, () => {
    rig.lease(0);
    clock.nowMs = () => {
      looks += 1;
      if (looks === 20) rig.lease(10_000);
      return nowMs();
    };
    return b("x");
  });
  clock.nowMs = nowMs;
  assert.ok(done && looks >= 20);
  let seen = "";
  assert.ok(rig.mapped.readNow(KEY, (view) => seen = t(view.value())));
  assert.is(seen, "x");
});

test("a file that is not there: elsewhere, and looked for again; another epoch has another file", async () => {
  const rig = new MappedRig();
  const mapped = new Mapped(rig.node(), NAME, 6n, () => {});
  await mapped.open();
  const read = async () => {
    let found = "";
    const end = await mapped.read(KEY, rig.untilMs, (value) => found = t(value));
    return end === "done" ? found : end;
  };
  assert.is(await read(), "elsewhere");
  rig.make(6n);
  await rig.clock.pass(100);
  assert.is(await read(), "of 6");
  rig.make(7n);
  mapped.renew(7n);
  assert.is(await read(), "of 7");
  mapped.gone();
  await rig.clock.pass(100);
  assert.is(await read(), "elsewhere");
  mapped.close();
});

test("another epoch while somebody waits for the page: the old file is let go, the new one is used", async () => {
  const rig = new MappedRig();
  await rig.mapped.open();
  rig.make(6n);
  rig.lease(0);
  let found = "";
  const read = watched(rig.mapped.read(KEY, rig.untilMs, (value) => found = t(value)));
  await rig.clock.pass(10);
  const { records } = rig.mapped;
  rig.mapped.renew(6n);
  rig.lease(10_000);
  await rig.clock.pass(100);
  assert.equal([read.end, found], ["done", "of 6"]);
  assert.is(await records?.ready(0), false, "it is closed, and stays so");
});

test("a lock whose life has ended says so when it stores, although the file of the next life is in use", async () => {
  const rig = new MappedRig();
  const { mapped, clock } = rig;
  await mapped.open();
  const hold = await mapped.lock(KEY, rig.untilMs);
  assert.ok(typeof hold !== "string");
  const onEnd = () => {};
  const lock = new MappedLock({ name: NAME, hold, mapped, clock, timeoutMs: LIMIT_MS, onEnd });
  await lock.store("before");
  rig.life(2n);
  const store = rig.epoch.get(5n)!;
  store.renew(2n as Incarnation);
  store.put("another", copy("new"));
  const read = watched(mapped.read(b("another"), rig.untilMs, () => {}));
  await clock.pass(100);
  assert.is(read.end, "done");
  // One that asked for ever would never let a timer fire.
  let looks = 0;
  const nowMs = clock.nowMs.bind(clock);
  clock.nowMs = () => {
    assert.ok(++looks < 10_000, "it asks for ever");
    return nowMs();
  };
  const stored = watched(lock.store("after"));
  await clock.pass(LIMIT_MS + 100);
  assert.is(stored.end, "state");
  const closed = watched(lock.close());
  await clock.pass(10);
  assert.is(closed.end, "unknown", "what it stored before may count or not");
  mapped.close();
});

test("what a change answers, and what is told of records that were emptied", async () => {
  const rig = new MappedRig();
  await rig.mapped.open();
  const told: string[] = [];
  const tell = (value: Uint8Array) => told.push(t(value));
  await rig.mapped.update(KEY, () => rig.untilMs, () => KEEP, tell);
  await rig.mapped.update(KEY, () => rig.untilMs, () => "x", tell);
  await rig.mapped.update(KEY, () => rig.untilMs, () => undefined, tell);
  assert.equal(told, ["of 5", "x", ""]);
  assert.equal(rig.emptied, ["key"]);
  let thrown = "";
  try {
    await rig.mapped.update(KEY, () => rig.untilMs, () => "y".repeat(17_000_000), tell);
  } catch (error) {
    thrown = codeOf(error);
  }
  assert.is(thrown, "limit");
});

test("a new life of the node without the file: everything goes through the daemon until it is there", async () => {
  const rig = new MappedRig();
  await rig.mapped.open();
  const path = rig.epoch.get(5n)!.path!;
  rig.life(2n);
  const read = watched(rig.mapped.read(KEY, rig.clock.nowMs() + 60_000, () => {}));
  await rig.clock.pass(700);
  assert.is(read.end, "elsewhere");
  const store = rig.epoch.get(5n)!;
  store.renew(2n as Incarnation);
  assert.is.not(store.path, path);
  store.put("key", copy("anew"));
  await rig.clock.pass(60);
  let value = "";
  const again = watched(
    rig.mapped.read(KEY, rig.untilMs, (found) => value = t(found)),
  );
  await rig.clock.pass(10);
  assert.equal([again.end, value], ["done", "anew"]);
});

test.run();
