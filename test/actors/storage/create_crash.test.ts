/**
 * A file that was being made when the process or the machine died: the next open says clearly that it is none,
 * or makes it anew; never is there a database that nobody asked for.
 *
 *   for n = 1, 2, ...: create, its n-th step crashes -> reboot -> open to look -> open to create -> use
 *
 * A file that was being emptied (CLEAR_IF_FIRST) has its old content, or is empty and as asked for.
 *
 * Does NOT promise: that a file of zeros or half a header is made anew: whatever is in a file stays. What a file
 * that was being emptied holds after a power loss: whoever uses such files empties them again.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { threadMemory } from "../../../assembly/host/memory.ts";
import { check } from "../../../actors/storage/tdb_check.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { openTdb, type TdbOptions } from "../../../actors/storage/tdb_open.ts";
import { SimCrash, SimImageStore } from "../../../transport/sim/image.ts";
import { CorruptError, CtdbxError } from "../../../transport/wire/errors.ts";
import { putFile } from "./vector_files.ts";

const PATH = "made.tdb";
/** Making a file has fewer steps. */
const STEPS_MAX = 40;
/** Address space of a simulated file, bytes: small, it is cleared each time. */
const RESERVE = 256 * 1024;
/** What survives a power cut is thrown anew for each. */
const SEEDS = 24;

const b = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What is asked for; what another asks for afterwards. */
const KINDS: readonly (readonly [name: string, asked: TdbOptions, other: TdbOptions])[] = [
  ["byte ranges", { hashSize: 300 }, { hashSize: 5, hash: "old" }],
  ["big-endian", { hashSize: 300, byteOrder: "big", hash: "old" }, { hashSize: 7 }],
  ["mutexes", { hashSize: 300, locking: "mutex" }, { hashSize: 7 }],
  ["without locks", { hashSize: 300, locking: "none" }, { hashSize: 7, locking: "none" }],
];

/** How an open of what is left ended. */
type Ending = "made" | "none" | "refused";

/** Is this what was asked for, empty and of use? */
async function wantAsAsked(tdb: Tdb, asked: TdbOptions): Promise<void> {
  const { header } = tdb;
  assert.is(header.hashSize, asked.hashSize);
  assert.is(header.hash, asked.hash ?? "jenkins");
  assert.is(header.byteOrder, asked.byteOrder ?? "little");
  assert.is(header.mutexSize > 0, asked.locking === "mutex");
  assert.is(await tdb.traverse(() => {}), 0);
  await wantUsable(tdb);
}

async function wantUsable(tdb: Tdb): Promise<void> {
  assert.equal((await check(tdb)).problems, []);
  for (let i = 0; i < 40; i++) tdb.store(b(`key ${i}`), b(`value ${i}`));
  await tdb.transaction(() => tdb.store(b("key 1"), new Uint8Array(3000)));
  assert.ok(tdb.tryLockAll("write"));
  tdb.unlockAll();
  assert.equal((await check(tdb)).problems, []);
  for (let i = 2; i < 40; i++) assert.equal(tdb.fetch(b(`key ${i}`)), b(`value ${i}`));
}

/** The database, or the error that says clearly that there is none. */
async function opened(store: SimImageStore, options: TdbOptions): Promise<Tdb | Ending> {
  try {
    return await openTdb(store, PATH, { lockTimeoutMs: 0, ...options });
  } catch (error) {
    assert.instance(error, CtdbxError, String(error));
    const { code, message } = error as CtdbxError;
    assert.match(message, /^Cannot open made\.tdb/);
    if (code === "not_found") return "none";
    assert.instance(error, CorruptError, message);
    assert.ok(["header", "truncated"].includes((error as CorruptError).kind), message);
    return "refused";
  }
}

/** Looks at what is left, then makes it anew with other options. Answers how the look ended. */
async function judge(
  store: SimImageStore,
  asked: TdbOptions,
  other: TdbOptions,
): Promise<Ending> {
  const look = asked.locking === "none" ? { locking: "none" as const } : {};
  const found = await opened(store, look);
  if (typeof found !== "string") {
    await wantAsAsked(found, asked);
    found.close();
    return "made";
  }
  const again = await opened(store, { ...other, create: true });
  if (typeof again === "string") {
    assert.is(again, "refused");
    // Refused for what is in it: it is still there, and removing it helps.
    store.remove(PATH);
    const fresh = await openTdb(store, PATH, { ...other, create: true });
    await wantAsAsked(fresh, other);
    fresh.close();
    return "refused";
  }
  await wantAsAsked(again, other);
  again.close();
  return "none";
}

/** Makes the file with its n-th step crashing. True when it got through. */
async function makeUntil(store: SimImageStore, options: TdbOptions, n: number): Promise<boolean> {
  store.failAt(n, "crash");
  try {
    await openTdb(store, PATH, { ...options, create: true });
  } catch (error) {
    assert.instance(error, SimCrash, String(error));
    return false;
  }
  return true;
}

const making = suite("TDB: killed while the file is made");
for (const [name, asked, other] of KINDS) {
  for (const after of ["process", "power"] as const) {
    making.either(
      `a ${after} dies: a clear error, a new file, or the one that was asked for (${name})`,
      async () => {
        const endings = new Map<Ending, number>();
        const seeds = after === "power" ? SEEDS : 1;
        for (let n = 1;; n++) {
          assert.ok(n < STEPS_MAX, `more than ${STEPS_MAX} steps`);
          let through = false;
          for (let seed = 1; seed <= seeds; seed++) {
            const store = new SimImageStore({ seed: seed * 1000 + n, reserveBytes: RESERVE });
            through = await makeUntil(store, asked, n);
            store.reboot(after);
            const ending = await judge(store, asked, other);
            // Made means made: open() had ended, and it syncs.
            if (through) assert.is(ending, "made");
            endings.set(ending, (endings.get(ending) ?? 0) + 1);
          }
          if (!through) continue;
          assert.ok(n > 3, `only ${n - 1} steps: the faults do not hit`);
          break;
        }
        for (const ending of ["made", "none", "refused"] as const) {
          assert.ok((endings.get(ending) ?? 0) > 0, `${ending} was seen`);
        }
      },
    );
  }
}

making.either("a file that has a byte in it is never made anew", async () => {
  const whole = new SimImageStore({ seed: 2 });
  const tdb = await openTdb(whole, PATH, { create: true, hashSize: 3 });
  const good = tdb.core.memory.bytes.slice(tdb.core.base, tdb.core.base + tdb.size);
  tdb.close();
  for (const content of [good, new Uint8Array(good.length), good.map((byte) => byte ^ 0x55)]) {
    for (const length of [1, 4, 9, 10, 33, 100, 167, 168, 171, 172, 183]) {
      const store = new SimImageStore({ seed: length });
      putFile(store, PATH, content.subarray(0, length));
      for (const options of [{ hashSize: 5 }, { hashSize: 5, locking: "mutex" }] as const) {
        assert.is(await opened(store, { ...options, create: true }), "refused", `${length} bytes`);
      }
      const image = store.open(PATH);
      const found = threadMemory().bytes.slice(image.address, image.address + image.size());
      assert.equal(found, content.slice(0, length), `${length} bytes are as they were`);
      image.close();
    }
  }
});

making.either("a file that another is just making is waited for, and not made twice", async () => {
  const store = new SimImageStore({ seed: 1 });
  const both = await Promise.all([
    openTdb(store, PATH, { create: true, hashSize: 11 }),
    openTdb(store, PATH, { create: true, hashSize: 22 }),
  ]);
  const sizes = both.map((tdb) => tdb.header.hashSize);
  assert.equal(sizes, [11, 11]);
  both[0].store(b("key"), b("value"));
  assert.equal(both[1].fetch(b("key")), b("value"));
  for (const tdb of both) tdb.close();
});
making.run();

const emptying = suite("TDB: killed while the file is emptied");
for (const [name, asked] of KINDS.filter(([, { locking }]) => locking !== "none")) {
  const volatile = { ...asked, clearIfFirst: true };

  emptying.either(
    `the process dies: the old content, or empty as asked for (${name})`,
    async () => {
      const seen = new Set<string>();
      await emptyAtEveryStep(volatile, 1, async (store) => {
        store.reboot("process");
        seen.add(await judgeEmptied(store, asked));
      });
      for (const what of ["old", "made"]) assert.ok(seen.has(what), `${what} was seen`);
    },
  );

  emptying.either(
    `the power is lost: the next who empties it has it as asked for (${name})`,
    () =>
      emptyAtEveryStep(volatile, SEEDS, async (store) => {
        store.reboot("power");
        const tdb = await openTdb(store, PATH, { ...volatile, create: true });
        await wantAsAsked(tdb, asked);
        tdb.close();
      }),
  );
}
emptying.run();

/** Empties a file, its n-th step crashing, for each n and seed; `judge` looks at what is left. */
async function emptyAtEveryStep(
  volatile: TdbOptions,
  seeds: number,
  judge: (store: SimImageStore) => Promise<void>,
): Promise<void> {
  for (let n = 1, through = false; !through; n++) {
    assert.ok(n < STEPS_MAX, `more than ${STEPS_MAX} steps`);
    for (let seed = 1; seed <= seeds; seed++) {
      const store = new SimImageStore({ seed: seed * 1000 + n, reserveBytes: RESERVE });
      await makeOld(store);
      through = await makeUntil(store, volatile, n);
      await judge(store);
    }
    if (through) assert.ok(n > 3, `only ${n - 1} steps: the faults do not hit`);
  }
}

/** A file of 20 records, on the disk. */
async function makeOld(store: SimImageStore): Promise<void> {
  const tdb = await openTdb(store, PATH, { create: true, hashSize: 3 });
  for (let i = 0; i < 20; i++) tdb.store(b(`old ${i}`), b(`value ${i}`));
  const { image } = tdb.core;
  image.sync(0, image.mapped);
  tdb.close();
}

/** Old and whole, as asked for, or clearly none. */
async function judgeEmptied(store: SimImageStore, asked: TdbOptions): Promise<string> {
  const found = await opened(store, {});
  if (typeof found === "string") return found;
  if (found.header.hashSize !== 3) {
    await wantAsAsked(found, asked);
    found.close();
    return "made";
  }
  assert.equal((await check(found)).problems, []);
  for (let i = 0; i < 20; i++) assert.equal(found.fetch(b(`old ${i}`)), b(`value ${i}`));
  found.close();
  return "old";
}
