/**
 * A handle used in the wrong order, or twice at once: an error that says so, and nothing else.
 *
 * Does NOT promise: every order; those that a hostile user found to do harm.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { check } from "../../../actors/storage/tdb_check.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";
import type { CtdbxError } from "../../../transport/wire/errors.ts";

const b = (text: string): Uint8Array => new TextEncoder().encode(text);
const big = new Uint8Array(5000).fill(7);

/** Two handles on one database of 50 records. */
async function pair(locking: "fcntl" | "mutex" = "fcntl"): Promise<[Tdb, Tdb]> {
  const store = new SimImageStore({ seed: 5 });
  const one = await openTdb(store, "misuse.tdb", { create: true, locking, hashSize: 7 });
  for (let i = 0; i < 50; i++) one.store(b(`key ${i}`), b(`value ${i}`));
  return [one, await openTdb(store, "misuse.tdb", { lockTimeoutMs: 60_000 })];
}

async function code(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    return (error as CtdbxError).code ?? (error as Error).name;
  }
  return "no error";
}

async function wantWhole(tdb: Tdb): Promise<void> {
  assert.equal((await check(tdb)).problems, []);
  for (let i = 0; i < 50; i++) assert.equal(tdb.fetch(b(`key ${i}`)), b(`value ${i}`));
}

const test = suite("TDB: misuse");

test("cancel during a commit is refused, and the commit is done", async () => {
  const [tdb] = await pair();
  await tdb.begin();
  tdb.store(b("new"), big);
  const commit = tdb.commit();
  assert.is(await code(() => tdb.cancel()), "state");
  await commit;
  assert.equal(tdb.fetch(b("new")), big);
  await wantWhole(tdb);
});

test("cancel during a prepare is refused", async () => {
  const [tdb] = await pair();
  await tdb.begin();
  tdb.store(b("new"), big);
  const prepare = tdb.prepare();
  assert.is(await code(() => tdb.cancel()), "state");
  await prepare;
  tdb.cancel();
  assert.is(tdb.fetch(b("new")), undefined);
  await wantWhole(tdb);
});

test("a second commit at the same time is refused", async () => {
  const [tdb] = await pair();
  await tdb.begin();
  tdb.store(b("new"), big);
  const commit = tdb.commit();
  assert.is(await code(() => tdb.commit()), "state");
  await commit;
  await wantWhole(tdb);
});

test("a commit that waits for a reader cannot be cancelled under it, and ends well", async () => {
  const [tdb, other] = await pair();
  await tdb.begin();
  tdb.store(b("new"), big);
  await other.lockChain(b("key 1"), "read");
  const commit = tdb.commit();
  assert.is(await code(() => tdb.cancel()), "state");
  assert.is(await code(() => tdb.fetch(b("key 1"))), "state");
  other.unlockChain(b("key 1"));
  await commit;
  assert.not(tdb.inTransaction);
  assert.equal(other.fetch(b("new")), big);
  await wantWhole(other);
});

test("a prepared transaction can be read, not changed", async () => {
  const [tdb] = await pair();
  await tdb.begin();
  tdb.store(b("new"), big);
  await tdb.prepare();
  assert.equal(tdb.fetch(b("new")), big);
  assert.is(await code(() => tdb.store(b("key 1"), b("x"))), "state");
  assert.is(await code(() => tdb.append(b("key 1"), b("x"))), "state");
  assert.is(await code(() => tdb.delete(b("key 1"))), "state");
  assert.is(await code(() => tdb.wipe()), "state");
  await tdb.commit();
  assert.equal(tdb.fetch(b("new")), big);
  await wantWhole(tdb);
});

test("while begin waits the handle is good for nothing, and then for everything", async () => {
  const [tdb, other] = await pair();
  await other.lockAll("write");
  const begin = tdb.begin();
  assert.is(await code(() => tdb.wipe()), "state");
  assert.is(await code(() => tdb.store(b("key 1"), b("x"))), "state");
  assert.is(await code(() => tdb.cancel()), "state");
  assert.is(await code(() => tdb.begin()), "state");
  other.unlockAll();
  await begin;
  tdb.store(b("new"), big);
  await tdb.commit();
  await wantWhole(other);
});

test("close while begin waits ends the wait", async () => {
  const [tdb, other] = await pair();
  await other.lockAll("write");
  const begin = code(() => tdb.begin());
  tdb.close();
  assert.is(await begin, "state");
  other.unlockAll();
  await wantWhole(other);
});

test("a closed handle answers nothing, in the same turn", async () => {
  const store = new SimImageStore({ seed: 5 });
  const tdb = await openTdb(store, "closed.tdb", { create: true, locking: "none" });
  tdb.store(b("key"), b("value"));
  assert.equal(tdb.fetch(b("key")), b("value"));
  tdb.close();
  assert.is(await code(() => tdb.fetch(b("key"))), "state");
  assert.is(await code(() => tdb.parse(b("key"), () => 1)), "state");
  assert.is(await code(() => tdb.store(b("key"), b("x"))), "state");
  assert.is(await code(() => tdb.firstKey()), "state");
});

test("a key that is too long is refused everywhere", async () => {
  const [tdb] = await pair();
  const long = new Uint8Array(5_000_000);
  for (
    const work of [
      () => tdb.nextKey(long),
      () => tdb.fetch(long),
      () => tdb.exists(long),
      () => tdb.delete(long),
      () => tdb.append(long, big),
      () => tdb.tryLockChain(long),
      () => tdb.withChain(long, () => 1),
    ]
  ) assert.is(await code(work), "limit");
  await wantWhole(tdb);
});

test("an operation inside a parse callback does not let the chain go", async () => {
  for (const locking of ["fcntl", "mutex"] as const) {
    const [tdb, other] = await pair(locking);
    tdb.parse(b("key 1"), () => {
      tdb.parse(b("key 1"), () => {});
      assert.not(other.tryLockChain(b("key 1")), `${locking}: still ours`);
    });
    assert.ok(other.tryLockChain(b("key 1")), `${locking}: given back`);
    other.unlockChain(b("key 1"));
  }
});

test("two that wait for one chain on one handle hold it both, until the last leaves", async () => {
  for (const locking of ["fcntl", "mutex"] as const) {
    const [tdb, other] = await pair(locking);
    await other.lockChain(b("key 1"));
    const gate: (() => void)[] = [];
    const hold = () =>
      tdb.withChain(b("key 1"), () => new Promise<void>((resolve) => gate.push(resolve)));
    const both = [hold(), hold()];
    other.unlockChain(b("key 1"));
    while (gate.length < 2) await new Promise((resolve) => setTimeout(resolve, 0));
    gate[0]!();
    await Promise.race(both);
    assert.not(other.tryLockChain(b("key 1")), `${locking}: one of the two is still inside`);
    gate[1]!();
    await Promise.all(both);
    assert.ok(other.tryLockChain(b("key 1")));
  }
});

test("close in a traverse callback ends the traverse with an error", async () => {
  for (const locking of ["fcntl", "none"] as const) {
    const store = new SimImageStore({ seed: 5 });
    const tdb = await openTdb(store, "close.tdb", { create: true, locking });
    for (let i = 0; i < 50; i++) tdb.store(b(`key ${i}`), b(`value ${i}`));
    let visited = 0;
    const ended = await code(() =>
      tdb.traverse(() => {
        if (++visited === 3) tdb.close();
      })
    );
    assert.is(ended, "state");
    assert.is(visited, 3);
  }
});

test("a chain that meets itself among dead records ends a traverse after a few visits", async () => {
  for (const locking of ["fcntl", "none"] as const) {
    const store = new SimImageStore({ seed: 5 });
    const tdb = await openTdb(store, "loop.tdb", { create: true, locking, hashSize: 1 });
    for (let i = 0; i < 500; i++) tdb.store(b(`key ${i}`), b("v"));
    const { core } = tdb;
    const first = core.word(172);
    let last = first;
    for (let off = core.word(first); off !== 0; off = core.word(off)) {
      core.setWord(off + 20, 0xfee1dead);
      last = off;
    }
    core.setWord(last, first);
    let visited = 0;
    assert.is(await code(() => tdb.traverse(() => void visited++)), "corrupt");
    assert.ok(visited <= 4, `${visited} visits of the one record`);
  }
});

test("what is no key or no value is a TypeError", async () => {
  const [tdb] = await pair();
  assert.is(await code(() => tdb.store("text" as never, big)), "TypeError");
  assert.is(await code(() => tdb.store(b("key"), "text" as never)), "TypeError");
  assert.is(await code(() => tdb.store(b("key"), new Uint16Array(3) as never)), "TypeError");
  assert.is(await code(() => tdb.store(b("key"), big, "bogus" as never)), "TypeError");
});

test("an error in a transaction that closed the handle is the one that is seen", async () => {
  const [tdb] = await pair();
  const mine = await code(() =>
    tdb.transaction(() => {
      tdb.close();
      throw new SyntaxError("mine");
    })
  );
  assert.is(mine, "SyntaxError");
});

test.run();
