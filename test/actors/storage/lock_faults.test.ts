/**
 * What the locks owe to others in the moments that are easily forgotten: an upgrade, a wait that comes to its
 * time limit, a commit beside somebody's record.
 *
 * The simulated disk knows who holds what; its timers are fired by hand, so nothing here depends on time.
 *
 * Does NOT promise: the same of libtdb; test/live/tdb_shared.test.ts has that.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import type { Image } from "../../../transport/image.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";
import type { CtdbxError } from "../../../transport/wire/errors.ts";
import { records } from "./free_list.ts";

const PATH = "locks.tdb";
const HASH_SIZE = 7;
const LOCKINGS = ["fcntl", "mutex"] as const;
type Locking = (typeof LOCKINGS)[number];

/** File offset of the word that says who holds everything, in a file with mutexes. */
const ALL_STATE = 208;

/** Turns of the event loop in which everything that does not wait for a lock is done. */
const TURNS = 20;

const b = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Timers that fire when the test says so. */
class HandTimers {
  readonly #armed = new Set<() => void>();

  readonly timer = (_delayMs: number, fire: () => void): () => void => {
    this.#armed.add(fire);
    return () => this.#armed.delete(fire);
  };

  /** Waits until something waits for a lock, then lets its time run out. */
  async expire(): Promise<void> {
    for (let i = 0; i < TURNS && this.#armed.size === 0; i++) await turn();
    assert.is(this.#armed.size, 1, "exactly one waits for a lock");
    for (const fire of [...this.#armed]) {
      this.#armed.delete(fire);
      fire();
    }
  }
}

/** Handles of one database, and a key in each chain. */
interface Shared {
  readonly one: Tdb;
  readonly other: Tdb;
  readonly third: Tdb;
  /** An image of the same file that belongs to none of them. */
  readonly stranger: Image;
  readonly timers: HandTimers;
  /** keys[c] is in chain c. */
  readonly keys: readonly Uint8Array[];
}

async function shared(locking: Locking, run: (shared: Shared) => Promise<void>): Promise<void> {
  const timers = new HandTimers();
  const store = new SimImageStore({ seed: 9, timer: timers.timer });
  const one = await openTdb(store, PATH, { create: true, locking, hashSize: HASH_SIZE });
  const keys = keysByChain(one);
  for (const key of keys) one.store(key, b("old"));
  const other = await openTdb(store, PATH);
  const third = await openTdb(store, PATH);
  await run({ one, other, third, stranger: store.open(PATH), timers, keys });
  for (const tdb of [one, other, third]) tdb.close();
}

/** A key in each chain, found by storing keys and walking the chains. */
function keysByChain(tdb: Tdb): Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (let i = 0, found = 0; found < HASH_SIZE; i++) {
    const key = b(`key ${i}`);
    tdb.store(key, b(""));
    for (let chain = 0; chain < HASH_SIZE; chain++) {
      if (tdb.core.word(172 + 4 * chain) === 0 || keys[chain] !== undefined) continue;
      keys[chain] = key;
      found++;
    }
    tdb.delete(key);
  }
  return keys;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Is it still waiting after everything else had its turn? */
async function waits(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => settled = true, () => settled = true);
  for (let i = 0; i < TURNS; i++) await turn();
  return !settled;
}

async function code(promise: Promise<unknown>): Promise<string> {
  return await promise.then(() => "no error", (error: CtdbxError) => error.code);
}

/** Can this handle have every chain for writing, and everything? */
function wantFree(tdb: Tdb, keys: readonly Uint8Array[]): void {
  if (tdb.locking === "mutex") {
    const state = tdb.core.memory.bytes[tdb.core.image.address + ALL_STATE];
    assert.is(state, 2, "the file says that nobody holds everything");
  }
  for (const [chain, key] of keys.entries()) {
    assert.ok(tdb.tryLockChain(key, "write"), `chain ${chain} is free`);
    tdb.unlockChain(key);
  }
  assert.ok(tdb.tryLockAll("write"), "everything is free");
  tdb.unlockAll();
}

const upgrades = suite("TDB locks: upgrades");
for (const locking of LOCKINGS) {
  upgrades(
    `a chain that was read and is then written excludes readers (${locking})`,
    () =>
      shared(locking, async ({ one, other, keys }) => {
        const [key = b("")] = keys;
        await one.lockChain(key, "read");
        assert.ok(one.tryLockChain(key, "write"));
        assert.not(other.tryLockChain(key, "read"), "now it is held for writing");
        one.unlockChain(key);
        assert.not(other.tryLockChain(key, "read"), "the outer hold still is");
        one.unlockChain(key);
        wantFree(other, keys);
      }),
  );

  upgrades(
    `a store inside a read lock writes under a write lock (${locking})`,
    () =>
      shared(locking, async ({ one, other, keys }) => {
        const [key = b("")] = keys;
        await one.withChain(key, () => {
          one.store(key, b("new"));
          assert.not(other.tryLockChain(key, "read"));
        }, "read");
        assert.equal(other.fetch(key), b("new"));
        wantFree(other, keys);
      }),
  );

  upgrades(
    `one that waited to write a chain it reads by now has it for writing (${locking})`,
    () =>
      shared(locking, async ({ one, other, keys }) => {
        const [key = b("")] = keys;
        await other.lockChain(key, "write");
        const reads = one.lockChain(key, "read");
        const writes = one.lockChain(key, "write");
        other.unlockChain(key);
        await Promise.all([reads, writes]);
        assert.not(other.tryLockChain(key, "read"));
        one.unlockChain(key);
        one.unlockChain(key);
        wantFree(other, keys);
      }),
  );
}

upgrades(
  "an upgrade that waits for another reader is had when that one leaves",
  () =>
    shared("fcntl", async ({ one, other, keys }) => {
      const [key = b("")] = keys;
      await one.lockChain(key, "read");
      await other.lockChain(key, "read");
      const writes = one.lockChain(key, "write");
      assert.ok(await waits(writes));
      other.unlockChain(key);
      await writes;
      assert.not(other.tryLockChain(key, "read"));
      one.unlockChain(key);
      one.unlockChain(key);
      wantFree(other, keys);
    }),
);

upgrades(
  "an upgrade that another reader stands against is refused and holds nothing more",
  () =>
    shared("fcntl", async ({ one, other, third, keys }) => {
      const [key = b("")] = keys;
      await one.lockChain(key, "read");
      await other.lockChain(key, "read");
      assert.not(one.tryLockChain(key, "write"));
      assert.is(await code(Promise.resolve().then(() => one.store(key, b("new")))), "busy");
      assert.equal(other.fetch(key), b("old"));
      assert.ok(third.tryLockChain(key, "read"), "it is only read");
      third.unlockChain(key);
      // One hold each: nothing was counted for the refused ones.
      one.unlockChain(key);
      other.unlockChain(key);
      wantFree(third, keys);
    }),
);
upgrades.run();

const commits = suite("TDB locks: commit");
for (const locking of LOCKINGS) {
  commits(
    `waits until nobody stands on a record (${locking})`,
    () =>
      shared(locking, async ({ one, other, third, stranger, keys }) => {
        const [key = b(""), , , second = b("")] = keys;
        const all = records(one.core);
        const { off } = all.get(new TextDecoder().decode(second)) ?? { off: 0 };
        assert.ok(off > 172 + 4 * HASH_SIZE, "a record behind the chains");
        // As a traverse does: a lock for reading on the byte where the record begins.
        assert.ok(stranger.tryLock({ start: off, length: 1 }, "read"));
        await one.begin();
        one.store(key, b("new"));
        one.delete(second);
        const commit = one.commit();
        assert.ok(await waits(commit), "somebody stands on a record");
        assert.is(other.core.word(off + 20), 0x26011999, "the record is as it was");
        // By mutexes the chains are closed by then; a range lock is taken in one go with the record's.
        assert.is(third.tryLockChain(key, "read"), locking === "fcntl");
        if (locking === "fcntl") third.unlockChain(key);
        stranger.unlock({ start: off, length: 1 });
        await commit;
        assert.equal(other.fetch(key), b("new"));
        assert.is(other.fetch(second), undefined);
        wantFree(other, keys);
      }),
  );

  commits(
    `waits until a reader has left its chain (${locking})`,
    () =>
      shared(locking, async ({ one, other, keys }) => {
        const [key = b("")] = keys;
        await one.begin();
        one.store(key, b("new"));
        await other.lockChain(key, "read");
        const commit = one.commit();
        assert.ok(await waits(commit), "somebody reads the chain");
        assert.equal(other.fetch(key), b("old"));
        other.unlockChain(key);
        await commit;
        assert.equal(other.fetch(key), b("new"));
        wantFree(other, keys);
      }),
  );

  commits(
    `that waits too long is cancelled and gives everything back (${locking})`,
    () =>
      shared(locking, async ({ one, other, stranger, timers, keys }) => {
        const [key = b("")] = keys;
        const range = { start: 172 + 4 * HASH_SIZE, length: 1 };
        assert.ok(stranger.tryLock(range, "read"));
        await one.begin();
        one.store(key, b("new"));
        const commit = code(one.commit());
        await timers.expire();
        assert.is(await commit, "timeout");
        assert.not(one.inTransaction);
        assert.equal(other.fetch(key), b("old"));
        stranger.unlock(range);
        wantFree(other, keys);
        await one.transaction(() => one.store(key, b("new")));
        assert.equal(other.fetch(key), b("new"));
      }),
  );
}
commits.run();

const limits = suite("TDB locks: a wait for everything that comes to its limit");
for (const locking of LOCKINGS) {
  for (const kind of ["read", "write"] as const) {
    for (const chain of [0, 3, HASH_SIZE - 1]) {
      limits(
        `gives back what it took: ${kind}, chain ${chain} is held (${locking})`,
        () =>
          shared(locking, async ({ one, other, third, timers, keys }) => {
            const held = keys[chain] ?? b("");
            await other.lockChain(held, "write");
            const waiting = code(one.lockAll(kind));
            await timers.expire();
            assert.is(await waiting, "timeout");
            for (const [index, key] of keys.entries()) {
              assert.is(third.tryLockChain(key, "write"), index !== chain, `chain ${index}`);
              if (index !== chain) third.unlockChain(key);
            }
            other.unlockChain(held);
            wantFree(third, keys);
            await one.lockAll(kind);
            one.unlockAll();
          }),
      );
    }

    limits(
      `gives back what it took: ${kind}, a record is held (${locking})`,
      () =>
        shared(locking, async ({ one, third, stranger, timers, keys }) => {
          const range = { start: 172 + 4 * HASH_SIZE, length: 1 };
          assert.ok(stranger.tryLock(range, "write"));
          const waiting = code(one.lockAll(kind));
          await timers.expire();
          assert.is(await waiting, "timeout");
          for (const [index, key] of keys.entries()) {
            assert.ok(third.tryLockChain(key, "write"), `chain ${index}`);
            third.unlockChain(key);
          }
          // The bytes behind the chains, but for the one: a lock left on them would stand in the way.
          assert.ok(stranger.tryLock({ start: range.start, length: 0 }, "write"));
          stranger.unlock({ start: range.start, length: 0 });
          wantFree(third, keys);
        }),
    );

    limits(
      `tryLockAll gives back what it took: ${kind}, the last is held (${locking})`,
      () =>
        shared(locking, async ({ one, other, third, stranger, keys }) => {
          const last = keys[HASH_SIZE - 1] ?? b("");
          await other.lockChain(last, "write");
          assert.not(one.tryLockAll(kind));
          other.unlockChain(last);
          wantFree(third, keys);
          const range = { start: 172 + 4 * HASH_SIZE, length: 1 };
          assert.ok(stranger.tryLock(range, "write"));
          assert.not(one.tryLockAll(kind));
          stranger.unlock(range);
          wantFree(third, keys);
        }),
    );
  }
}

limits(
  "a reader elsewhere: everything for writing comes to its limit and blocks no reader",
  () =>
    shared("fcntl", async ({ one, other, third, timers, keys }) => {
      const [key = b(""), next = b("")] = keys;
      await other.lockChain(key, "read");
      const waiting = code(one.lockAll("write"));
      await timers.expire();
      assert.is(await waiting, "timeout");
      assert.ok(third.tryLockChain(key, "read"));
      assert.ok(third.tryLockChain(next, "write"));
      third.unlockChain(key);
      third.unlockChain(next);
      other.unlockChain(key);
      wantFree(third, keys);
    }),
);
limits.run();
