/** Records as programs use them: mapped and not, at their node and at others. */

import { Buffer } from "node:buffer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { numberOf } from "../../../actors/client/built_in.ts";
import { KEEP } from "../../../actors/client/types.ts";
import { b, t } from "../data/data_rig.ts";
import { ClientRig } from "./client_rig.ts";

const test = suite("client records");

for (const mapped of [true, false]) {
  const way = mapped ? "mapped" : "by the daemon";

  test(`${way}: what one program writes, others read and change, on three nodes`, async () => {
    const rig = await ClientRig.start(1, 3);
    const [one, two, three] = await rig.databases("visits", { mapped });
    await rig.do(one!.put("key", "a"));
    assert.is(t(await rig.do(one!.read("key"))), "a");
    assert.is(t(await rig.do(two!.read("key"))), "a");
    const made = await rig.do(two!.update("key", (value) => `${t(value)}b`));
    assert.is(t(made), "ab");
    assert.is(t(await rig.do(three!.read("key"))), "ab");
    assert.is(t(await rig.do(three!.update("key", () => KEEP))), "ab");
    await rig.do(three!.delete("key"));
    assert.is(await rig.do(one!.read("key")), undefined);
    await rig.end();
  });

  test(`${way}: a lock keeps others out until it is closed`, async () => {
    const rig = await ClientRig.start(2, 2);
    const [one, two] = await rig.databases("locks", { mapped });
    const lock = await rig.do(one!.fetchLock("key"));
    assert.is(lock.value, undefined);
    await rig.do(lock.store("1"));
    const other = two!.update("key", (value) => `${t(value)}2`);
    let isOver = false;
    void other.then(() => isOver = true);
    await rig.data.run(500);
    assert.not(isOver);
    await rig.do(lock.close());
    assert.is(t(await rig.do(other)), "12");
    await rig.end();
  });

  test(`${way}: built-in procedures`, async () => {
    const rig = await ClientRig.start(3, 2);
    const [one, two] = await rig.databases("calls", { mapped });
    assert.is(await rig.do(one!.increment("n", 5)), 5n);
    assert.is(await rig.do(two!.increment("n")), 6n);
    assert.is(numberOf(await rig.do(one!.read("n"))), 6n);
    assert.is(await rig.do(one!.append("text", "abc")), 3);
    assert.is(await rig.do(two!.append("text", "de")), 5);
    assert.ok(await rig.do(one!.compareAndSwap("text", "abcde", "x")));
    assert.not(await rig.do(two!.compareAndSwap("text", "abcde", "y")));
    assert.not(await rig.do(two!.setIf("text", "empty", "z")));
    assert.ok(await rig.do(two!.setIf("text", "present", "z")));
    assert.is(await rig.do(one!.push("list", "a", 2)), 1);
    assert.is(await rig.do(two!.push("list", "b", 2)), 2);
    assert.is(await rig.do(two!.push("list", "c", 2)), 2);
    assert.is(t(await rig.do(one!.read("text"))), "z");
    await rig.end();
  });

  test(`${way}: what a change throws leaves the record as it was, and free`, async () => {
    const rig = await ClientRig.start(4, 2);
    const [one, two] = await rig.databases("throws", { mapped });
    await rig.do(one!.put("key", "a"));
    const failed = two!.update("key", () => {
      throw new Error("no");
    });
    await rig.do(
      failed.then(() => assert.unreachable(), (error) => assert.is(error.message, "no")),
    );
    assert.is(t(await rig.do(one!.read("key"))), "a");
    await rig.do(two!.put("key", "b"));
    await rig.end();
  });
}

test("buffers of the program may be used again at once", async () => {
  const rig = await ClientRig.start(7, 1);
  const [db] = await rig.databases("buffers", { mapped: false });
  const [key, value] = [Buffer.from("key"), Buffer.from("value")];
  const lock = await rig.do(db!.fetchLock(key));
  const stored = lock.store(value);
  key.fill(0);
  value.fill(0);
  await rig.do(stored);
  await rig.do(lock.close());
  assert.is(t(lock.key), "key");
  assert.is(t(await rig.do(db!.read("key"))), "value");
  await rig.end();
});

test("what is no key, no value or no name is refused with words", async () => {
  const rig = await ClientRig.start(6, 1);
  const [db] = await rig.databases("odd");
  const odd = <T>(value: unknown) => value as T;
  const wishes: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
    [() => db!.put("v", odd(5)), /must be bytes .* is number/],
    [() => db!.put(odd(undefined), "x"), /a key: it must be bytes .* is undefined/],
    [() => db!.read(""), /1 is the shortest/],
    [() => db!.read("x".repeat(70_000)), /KEY_MAX/],
    [() => db!.put("v", "x".repeat(17_000_000)), /VALUE_MAX/],
    [() => db!.update("v", () => odd(null)), /is null/],
    [() => db!.append("v", odd([1])), /is object/],
    [() => db!.read("v", { timeoutMs: 0 }), /Cannot wait 0 ms/],
    [() => db!.push("v", "x", 0), /1 to 2\^32-1/],
    [() => db!.increment("v", 2n ** 64n), /64 bits/],
    [() => rig.clusters[0]!.attach(""), /make its name/],
    [() => rig.clusters[0]!.attach("a/b"), /make its name/],
    [() => rig.clusters[0]!.listen(-1n), /64 bits/],
    [() => rig.clusters[0]!.procedure("a b", 1, () => ({})), /Cannot offer/],
    [() => rig.clusters[0]!.procedure("a", 0.5, () => ({})), /a version is/],
  ];
  for (const [wish, words] of wishes) {
    const { message } = await rig.do(Promise.resolve().then(wish)).then(
      () => new Error(`nothing: ${words}`),
      (error: Error) => error,
    );
    assert.ok(words.test(message), `${message} / ${words}`);
  }
  assert.is(await rig.do(db!.read("v")), undefined);
  await rig.end();
});

test("mapped: at once when the record is here, and only then", async () => {
  const rig = await ClientRig.start(5, 2);
  const [one, two] = await rig.databases("now");
  const key = b("key");
  assert.not(one!.updateNow(key, () => b("x")));
  await rig.do(one!.put("key", "a"));
  assert.ok(one!.updateNow(key, (value) => b(`${t(value.value())}b`)));
  let seen: string | undefined;
  assert.ok(one!.readNow(key, (value) => seen = t(value.value())));
  assert.is(seen, "ab");
  assert.not(two!.readNow(key, () => {}));
  const odd = (answer: unknown) => () => answer as Uint8Array;
  assert.throws(() => one!.updateNow(key, odd("text")), /bytes or their number/);
  assert.throws(() => one!.updateNow(key, (value) => odd(value)()), /bytes or their number/);
  assert.throws(() => one!.readNow("key" as unknown as Uint8Array, () => {}), /encode it once/);
  assert.is(t(await rig.do(one!.read("key"))), "ab");
  await rig.do(two!.update("key", (value) => value));
  assert.ok(two!.readNow(key, (value) => seen = t(value.value())));
  assert.not(one!.updateNow(key, () => b("x")));
  await rig.end();
});

test("a call whose answer was lost, and that is too long to be told again, is unknown: no other result", async () => {
  const rig = await ClientRig.start(90, 2);
  const [near, far] = await rig.databases("visits", { mapped: false });
  const value = new Uint8Array(2000).fill(7);
  await rig.do(near!.put("key", value));
  // A node that drains sends its calls to the record.
  const { data } = rig;
  const nodes = data.doc.nodes.map((node) =>
    node.pnn === 1 ? { ...node, adminFlags: ["draining" as const] } : node
  );
  data.doc = { ...data.doc, nodes };
  await data.view([0, 1]);
  assert.is(await rig.do(far!.setIf("key", "empty", "mine")), false, "its answer comes at once");
  data.network.block("n0", "n1");
  const work = far!.setIf("key", "empty", "mine").then(String, (error) => error.code);
  await data.run(50);
  data.network.unblock("n0", "n1");
  assert.is(await rig.do(work), "unknown");
  assert.equal(await rig.do(near!.read("key")), value);
  await rig.end();
});

test.run();
