/**
 * A transaction that dies at each of its steps, on the simulated disk: afterwards the content is
 * the old or the new.
 *
 *   for n = 1, 2, ...: base file -> transaction, its n-th step crashes -> reboot -> open -> before
 * or after?
 *
 * Twice for each n: the process was killed (every byte is kept) and the power failed (any part of
 * what was not synced is lost, in 512-byte pieces; several seeds). The recovery that follows is
 * killed at each of its steps, too.
 *
 * Does NOT promise: anything for stores outside of transactions when the power fails.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { check } from "../../../actors/storage/tdb_check.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { openTdb, type TdbOptions } from "../../../actors/storage/tdb_open.ts";
import type { Image, ImageOptions, ImageStore } from "../../../transport/image.ts";
import { SimCrash, type SimFault, SimImageStore } from "../../../transport/sim/image.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";

const PATH = "crash.tdb";
/** A transaction with more steps than this is not the one we know. */
const STEPS_MAX = 400;

/** A transaction on a file that `base` made, and how it is opened. */
interface Plan {
  readonly name: string;
  readonly options: TdbOptions;
  base(tdb: Tdb): Promise<void>;
  change(tdb: Tdb): Promise<void> | void;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const filled = (length: number, value: number) => new Uint8Array(length).fill(value);

function storeMany(tdb: Tdb, from: number, to: number, length: (index: number) => number): void {
  for (let i = from; i < to; i++) tdb.store(bytes(`key ${i}`), filled(length(i), i));
}

const firstBase = async (tdb: Tdb) => {
  storeMany(tdb, 0, 20, (i) => 10 * i);
  // A first transaction: it makes the base durable, and the recovery area.
  await tdb.transaction(() => tdb.store(bytes("base"), bytes("durable")));
};

const PLANS: readonly Plan[] = [
  {
    name: "a small change, the area is there",
    options: { hashSize: 7 },
    base: firstBase,
    change: (tdb) => {
      tdb.store(bytes("key 3"), bytes("changed"));
      tdb.delete(bytes("key 4"));
    },
  },
  {
    name: "the file grows, the area is too small",
    options: { hashSize: 7, areaMin: 4096 },
    base: firstBase,
    change: (tdb) => {
      storeMany(tdb, 10, 24, (i) => 60 * i);
      for (let i = 0; i < 10; i++) tdb.delete(bytes(`key ${i}`));
    },
  },
  {
    name: "the area is too small and at the end",
    options: { hashSize: 7, areaMin: 1024 },
    base: firstBase,
    change: (tdb) => {
      for (let i = 0; i < 20; i++) tdb.delete(bytes(`key ${i}`));
    },
  },
  {
    name: "the first one of a file",
    options: { hashSize: 3 },
    base: async (tdb) => {
      await tdb.lockAll("write");
      storeMany(tdb, 0, 10, (i) => i);
      tdb.unlockAll();
      tdb.core.image.sync(0, tdb.core.image.mapped);
    },
    change: (tdb) => storeMany(tdb, 5, 15, () => 500),
  },
  {
    name: "everything is wiped and stored anew",
    options: { hashSize: 7 },
    base: firstBase,
    change: async (tdb) => {
      await tdb.wipe();
      storeMany(tdb, 30, 40, (i) => 5 * i);
    },
  },
  {
    name: "a big-endian file with dead records",
    options: { hashSize: 5, byteOrder: "big", hash: "old", maxDead: 3 },
    base: firstBase,
    change: (tdb) => {
      storeMany(tdb, 15, 23, (i) => 40 * i);
      tdb.delete(bytes("key 1"));
    },
  },
];

/** A disk that is full after `left` more growths of its files. */
class FullDisk implements ImageStore {
  left = Infinity;
  readonly #inner: SimImageStore;

  constructor(seed: number) {
    this.#inner = new SimImageStore({ seed });
  }

  open(path: string, options?: ImageOptions): Image {
    const image = this.#inner.open(path, options);
    const extend = image.extend.bind(image);
    image.extend = (size) => {
      if (this.left <= 0) throw new CtdbxError("no_space", `Cannot extend ${path}: full`);
      this.left--;
      extend(size);
    };
    return image;
  }

  exists(path: string): boolean {
    return this.#inner.exists(path);
  }

  remove(path: string): void {
    this.#inner.remove(path);
  }

  rename(from: string, to: string): void {
    this.#inner.rename(from, to);
  }
}

/** What a run of `change` came to. */
interface Attempt {
  readonly store: SimImageStore;
  readonly before: string;
  readonly after: string;
  readonly error: unknown;
}

/** Makes the base, then runs the transaction with its n-th step failing (0: none). */
async function attempt(plan: Plan, seed: number, n: number, fault: SimFault): Promise<Attempt> {
  const store = new SimImageStore({ seed });
  const tdb = await openTdb(store, PATH, { ...plan.options, create: true });
  await plan.base(tdb);
  const before = await contentOf(tdb);
  let after = "";
  store.failAt(n, fault);
  try {
    await tdb.begin();
    await plan.change(tdb);
    after = await contentOf(tdb);
    await tdb.commit();
  } catch (error) {
    if (fault !== "crash") {
      tdb.cancel();
      store.failAt(0, fault);
      await wantUsable(tdb, [before, after]);
    }
    abandon(tdb);
    return { store, before, after, error };
  }
  store.failAt(0, fault);
  tdb.close();
  return { store, before, after, error: undefined };
}

/** Closes a handle whose disk may be gone: what it says about that is not of interest. */
function abandon(tdb: Tdb): void {
  try {
    tdb.close();
  } catch (error) {
    assert.ok(error instanceof SimCrash || error instanceof CtdbxError, String(error));
  }
}

async function contentOf(tdb: Tdb): Promise<string> {
  const records: string[] = [];
  await tdb.traverse((record) => {
    records.push(`${new TextDecoder().decode(record.key())}=${record.value().join()}`);
  });
  return records.sort().join("\n");
}

/** One of the contents, sound, and work goes on. Returns the content that was found. */
async function wantUsable(tdb: Tdb, allowed: string[]): Promise<string> {
  const found = await contentOf(tdb);
  assert.ok(allowed.includes(found), `neither before nor after:\n${found.slice(0, 500)}`);
  await wantSound(tdb);
  await tdb.transaction(() => tdb.store(bytes("later"), filled(1000, 1)));
  tdb.store(bytes("much later"), filled(2000, 2));
  await wantSound(tdb);
  tdb.delete(bytes("later"));
  tdb.delete(bytes("much later"));
  assert.is(await contentOf(tdb), found);
  return found;
}

async function wantSound(tdb: Tdb): Promise<void> {
  const report = await check(tdb);
  const texts = report.problems.slice(0, 5).map((problem) => `${problem.kind}: ${problem.text}`);
  assert.ok(report.ok, texts.join("; "));
}

async function reopened(store: SimImageStore, plan: Plan, allowed: string[]): Promise<string> {
  const tdb = await openTdb(store, PATH, plan.options);
  const found = await wantUsable(tdb, allowed);
  tdb.close();
  return found;
}

/** Runs `each` for n = 1, 2, ... until the transaction gets through; at least a few must not. */
async function atEveryStep(each: (n: number) => Promise<boolean>): Promise<void> {
  for (let n = 1; n <= STEPS_MAX; n++) {
    const through = await each(n).catch((cause: unknown) => {
      throw new Error(`step ${n}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    });
    if (!through) continue;
    assert.ok(n > 4, `only ${n - 1} steps: the faults do not hit`);
    return;
  }
  throw new Error(`more than ${STEPS_MAX} steps`);
}

const crash = suite("TDB transaction: crash at every step");
for (const plan of PLANS) {
  crash.either(`process killed: ${plan.name}`, () =>
    atEveryStep(async (n) => {
      const { store, before, after, error } = await attempt(plan, n, n, "crash");
      if (error !== undefined) assert.instance(error, SimCrash);
      store.reboot("process");
      await reopened(store, plan, error === undefined ? [after] : [before, after]);
      return error === undefined;
    }));

  crash.either(`power lost: ${plan.name}`, () =>
    atEveryStep(async (n) => {
      let through = false;
      for (let seed = 1; seed <= 3; seed++) {
        const { store, before, after, error } = await attempt(plan, 100 * n + seed, n, "crash");
        store.reboot("power");
        // What commit() has acknowledged must be there.
        await reopened(store, plan, error === undefined ? [after] : [before, after]);
        through = error === undefined;
      }
      return through;
    }));
}

crash.either("the recovery is killed at each of its own steps, power lost", async () => {
  const plan = PLANS[1] as Plan;
  let hits = 0;
  for (let n = 5; n < STEPS_MAX; n += 4) {
    for (let m = 1; m < STEPS_MAX; m++) {
      const { store, before, after, error } = await attempt(plan, n * 64 + m, n, "crash");
      if (error === undefined) {
        assert.ok(hits > 20, `recovery failed only ${hits} times`);
        return;
      }
      store.reboot("power");
      store.failAt(m, "crash");
      try {
        (await openTdb(store, PATH, plan.options)).close();
        break; // it got through
      } catch (cause) {
        assert.instance(cause, SimCrash);
        hits++;
      }
      store.reboot("power");
      await reopened(store, plan, [before, after]);
    }
  }
});
crash.run();

const refusals = suite("TDB transaction: the disk refuses a step");
for (const fault of ["no_space", "io"] as const) {
  for (const plan of PLANS) {
    refusals.either(
      `${fault}: the handle goes on, content before or after: ${plan.name}`,
      () =>
        atEveryStep(async (n) => {
          const { store, before, after, error } = await attempt(plan, n, n, fault);
          if (error !== undefined) {
            assert.instance(error, CtdbxError, String(error));
            assert.is((error as CtdbxError).code, fault);
          }
          await reopened(store, plan, error === undefined ? [after] : [before, after]);
          return error === undefined;
        }),
    );
  }
}

refusals.either(
  "a disk full from the n-th growth on fails plain stores, until there is space",
  async () => {
    let refused = 0;
    for (let n = 0; n < 4; n++) {
      const disk = new FullDisk(n);
      const tdb = await openTdb(disk, PATH, { create: true, hashSize: 7 });
      disk.left = n;
      const stored = new Set<string>();
      // Each is too large for what the one before has made the file grow by.
      const lengths = [1, 3000, 90_000, 700_000, 5_000_000];
      for (const spaceLeft of [n, Infinity]) {
        disk.left = spaceLeft;
        for (const [i, length] of lengths.entries()) {
          const key = `key ${i}`;
          try {
            tdb.store(bytes(key), filled(length, i));
            stored.add(key);
          } catch (error) {
            assert.instance(error, CtdbxError, String(error));
            assert.is((error as CtdbxError).code, "no_space");
            assert.is(spaceLeft, n);
            refused++;
          }
        }
        for (const [i, length] of lengths.entries()) {
          const found = tdb.fetch(bytes(`key ${i}`));
          assert.is(found?.length, stored.has(`key ${i}`) ? length : undefined);
        }
        await wantSound(tdb);
      }
      assert.is(stored.size, lengths.length);
      tdb.close();
    }
    assert.ok(refused > 6, `${refused} refusals`);
  },
);
refusals.run();
