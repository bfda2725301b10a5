/** What programs have of the data thread beside records: procedures, watches, traverses, messages. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ExternalRan, WatchEvent, WatchWish } from "../../../actors/data/types.ts";
import { WATCH_SRVID, writeWatch } from "../../../transport/wire/watch_layout.ts";
import { b, DataRig, okOf, t } from "./data_rig.ts";

const test = suite("programs at the data thread");

/** What a watcher was told, as texts. */
async function watching(
  rig: DataRig,
  n: number,
  wish: WatchWish,
): Promise<{ said: string[]; stop(): void }> {
  const said: string[] = [];
  const stop = await rig.node(n).shard.host.watch(rig.database(n, "visits"), wish, (event) => {
    said.push(textOf(event));
  });
  return { said, stop };
}

function textOf(event: WatchEvent): string {
  if (event.type === "value") return `${event.key}=${t(event.value) ?? "deleted"}`;
  return event.type === "ended" ? `ended: ${event.why}` : event.type;
}

async function rigOf(seed: number, count = 3): Promise<DataRig> {
  const rig = await DataRig.start(seed, count);
  await rig.attach("visits");
  return rig;
}

test("a watch tells what is there, and what is written, wherever, until it is ended", async () => {
  const rig = await rigOf(21);
  await rig.put(1, "visits", "key", "one");
  const { said, stop } = await watching(rig, 0, { key: "key" });
  await rig.until(() => said.length > 0);
  assert.equal(said, ["key=one"], "who has it tells it when it hears of the watch");
  await rig.put(2, "visits", "key", "two");
  await rig.put(0, "visits", "key", "three");
  await rig.put(1, "visits", "other", "no");
  okOf(await rig.op(1, "visits", "key", { what: "call", procedure: "delete", args: b("") }));
  await rig.until(() => said.length > 3);
  assert.equal(said, ["key=one", "key=two", "key=three", "key=deleted"]);
  stop();
  await rig.run(50);
  await rig.put(1, "visits", "key", "four");
  await rig.run(50);
  assert.is(said.length, 4);
});

test("a prefix is watched by two programs, of which one goes; a new database is watched by nobody", async () => {
  const rig = await rigOf(22);
  const one = await watching(rig, 0, { prefix: "user/" });
  const two = await watching(rig, 0, { prefix: "user/" });
  await rig.run(50);
  await rig.put(1, "visits", "user/a", "1");
  await rig.put(1, "visits", "users", "no");
  await rig.until(() => two.said.length > 0);
  one.stop();
  await rig.put(2, "visits", "user/b", "2");
  await rig.until(() => two.said.length > 1);
  assert.equal(two.said, ["user/a=1", "user/b=2"]);
  assert.equal(one.said, ["user/a=1"]);
});

test("of a key that does not exist is told that it does not", async () => {
  const rig = await rigOf(32);
  const { said, stop } = await watching(rig, 0, { key: "none" });
  await rig.until(() => said.length > 0);
  assert.equal(said, ["none=deleted"]);
  stop();
  const { said: gone } = await watching(rig, 0, { key: "key" });
  rig.freeze(0);
  await rig.view([0, 1, 2], []);
  assert.is(gone.at(-1), "ended: the database was detached");
});

test("a node that comes later is told of watches, and tells what it writes", async () => {
  const rig = await rigOf(23);
  rig.kill(2);
  await rig.view([0, 1]);
  const { said } = await watching(rig, 0, { key: "key" });
  await rig.boot(2);
  await rig.view([0, 1, 2]);
  await rig.run(50);
  await rig.put(2, "visits", "key", "late");
  await rig.until(() => said.includes("key=late"));
});

test("when a member is lost, watchers read anew, and an older state may follow", async () => {
  const rig = await rigOf(24);
  await rig.put(0, "visits", "key", "one");
  const { said } = await watching(rig, 1, { key: "key" });
  await rig.run(50);
  await rig.put(2, "visits", "key", "two");
  await rig.until(() => said.includes("key=two"));
  rig.kill(2);
  await rig.view([0, 1]);
  assert.is(said.at(-1), "again");
  assert.is(await rig.read(1, "visits", "key"), "one");
  await rig.put(0, "visits", "key", "three");
  await rig.until(() => said.includes("key=three"));
});

test("what a node watches fits into one message, and more is refused", async () => {
  const rig = await rigOf(34, 2);
  const long = (n: number) => `${n}`.padStart(65_000, "k");
  let [count, why] = [0, ""];
  for (let n = 0; n < 100 && why === ""; n++) {
    await rig.node(0).shard.host.watch(rig.database(0, "visits"), { prefix: long(n) }, () => {})
      .then(() => count += 1, (error: Error) => why = error.message);
  }
  assert.match(why, /4194304 bytes at most/);
  assert.is(count, 64);
  // Also to a node that comes later.
  rig.kill(1);
  await rig.view([0]);
  await rig.boot(1);
  await rig.view([0, 1]);
  const { said } = await watching(rig, 0, { prefix: "x" });
  await rig.run(200);
  await rig.put(1, "visits", "x1", "told");
  await rig.until(() => said.includes("x1=told"));
});

test("a watch ends with its database; and what is gone cannot be watched", async () => {
  const rig = await rigOf(25);
  const { said } = await watching(rig, 0, { key: "key" });
  const database = rig.database(0, "visits");
  await rig.view([0, 1, 2], []);
  assert.equal(said, ["ended: the database was detached"]);
  let why = "";
  await rig.node(0).shard.host.watch(database, { key: "key" }, () => {})
    .catch((error: Error) => why = error.message);
  assert.match(why, /^Cannot watch: the database is gone/);
});

test("a new value made when the page had ended is told when it is valid again", async () => {
  const rig = await rigOf(26);
  await rig.put(0, "visits", "key", "one");
  const { said } = await watching(rig, 1, { key: "key" });
  await rig.until(() => said.length > 0);
  const lock = rig.begin(0, "visits", "key", { what: "lock" });
  await rig.until(() => lock.ends.length > 0);
  const { machine } = rig.database(0, "visits") as unknown as {
    machine: { step(event: { kind: string }, nowMs: number): unknown };
  };
  const step = machine.step.bind(machine);
  machine.step = (event, nowMs) => {
    const effects = step(event, nowMs);
    if (event.kind === "unlock") rig.freeze(0, false);
    return effects;
  };
  lock.database.unlock(lock.id, b("two"));
  await rig.run(50);
  assert.equal(said, ["key=one"], "whether it counts is not known");
  rig.show(0);
  await rig.until(() => said.length > 1);
  assert.equal(said, ["key=one", "key=two"]);
});

test("a program that sends words of data threads is not believed", async () => {
  const rig = await rigOf(27);
  const { said } = await watching(rig, 0, { key: "key" });
  const { messages } = rig.node(1).shard.host;
  const program = messages.open(77, 0n);
  await messages.send(program, rig.node(0).nodeId, WATCH_SRVID, writeWatch({ kind: "again" }));
  await rig.run(50);
  assert.equal(said, []);
});

test("a procedure of a program runs there, with the record held; its refusal and its end are told", async () => {
  const rig = await rigOf(28);
  const { host } = rig.node(0).shard;
  const end = Promise.withResolvers<ExternalRan>();
  const calls: string[] = [];
  const stop = host.registerProcedure("double/1", (call) => {
    calls.push(`${call.db} ${call.key} ${t(call.data)} ${t(call.args)}`);
    return calls.length === 1 ? end.promise : Promise.resolve({ ok: false, why: "too much" });
  });
  await rig.put(0, "visits", "key", "ab");
  const wish = { what: "call", procedure: "double/1", args: b("!") } as const;
  const call = rig.begin(0, "visits", "key", wish);
  const read = rig.begin(1, "visits", "key", { what: "lock" });
  await rig.run(50);
  assert.equal(calls, ["visits key ab !"]);
  assert.is(rig.database(0, "visits").where("key").heldBy?.what, "program");
  assert.equal([call.ends, read.ends], [[], []]);
  end.resolve({ ok: true, data: b("abab"), result: b("4") });
  await rig.until(() => read.ends.length > 0);
  assert.is(t(okOf(call.ends[0]!)), "4");
  assert.is(read.ends[0]?.what === "locked" && t(read.ends[0].data), "abab");
  read.database.unlock(read.id);
  const again = await rig.op(0, "visits", "key", wish);
  assert.ok(again.what === "answer" && again.outcome === "failed" && again.why === "too much");
  stop();
  const gone = await rig.op(0, "visits", "key", wish);
  assert.ok(gone.what === "answer" && gone.outcome === "failed");
  assert.throws(
    () => host.registerProcedure("incr", () => end.promise),
    /there is one of this name/,
  );
});

test("traverse and count find all records, whoever has them, as the program takes them", async () => {
  const rig = await rigOf(29);
  for (let i = 0; i < 30; i++) await rig.put(i % 3, "visits", `key ${i % 10}/${i}`, `v${i}`);
  const found = new Map<string, string | undefined>();
  let end: string | undefined;
  const database = rig.database(1, "visits");
  const wish = { prefix: "", isCount: false, credit: 10, deadlineMs: rig.nowMs(1) + 3000 };
  const id = database.traverse(rig.node(1).shard.host.newClient(), wish, {
    record: (key, data) => void found.set(key, t(data)),
    end: (outcome, count) => end = `${outcome} ${count}`,
  });
  await rig.run(500);
  assert.is(found.size, 10, "no more than the program takes");
  assert.is(end, undefined);
  database.more(id, 100);
  await rig.until(() => end !== undefined);
  assert.is(end, "ok 30");
  for (let i = 0; i < 30; i++) assert.is(found.get(`key ${i % 10}/${i}`), `v${i}`);
  let counted: string | undefined;
  database.traverse(1, {
    ...wish,
    prefix: "key 3/",
    isCount: true,
    deadlineMs: rig.nowMs(1) + 3000,
  }, {
    record: () => {},
    end: (outcome, count) => counted = `${outcome} ${count}`,
  });
  await rig.until(() => counted !== undefined);
  assert.is(counted, "ok 3");
});

test("deleted records are given back at once when that is wanted", async () => {
  const rig = await rigOf(33);
  for (let i = 0; i < 20; i++) {
    await rig.put(0, "visits", `key ${i}`, "value");
    okOf(await rig.op(0, "visits", `key ${i}`, { what: "call", procedure: "delete", args: b("") }));
  }
  const records = () => rig.database(0, "visits").stats().records;
  assert.is(records(), 20);
  await rig.node(0).shard.vacuum("visits");
  await rig.until(() => records() === 0, 500);
  const { empty } = await rig.node(0).shard.vacuum("visits");
  assert.is(empty, 0);
  const why = await rig.node(0).shard.vacuum("others").catch((error: Error) => error.message);
  assert.match(why as string, /^Cannot find database others at this node: known are visits/);
});

test("the death of a program ends all that it has, and gives its locks back", async () => {
  const rig = await rigOf(30);
  const lock = rig.begin(0, "visits", "key", { what: "lock" });
  await rig.until(() => lock.ends.length > 0);
  const other = rig.begin(1, "visits", "key", { what: "lock" });
  await rig.run(50);
  assert.equal(other.ends, []);
  rig.node(0).shard.host.clientDied(lock.client);
  await rig.until(() => other.ends.length > 0);
  assert.is(other.ends[0]?.what, "locked");
});

test("hot records, numbers and where a record is are told as they are", async () => {
  const rig = await rigOf(31);
  for (let i = 0; i < 6; i++) await rig.put(i % 2, "visits", "hot", `${i}`);
  await rig.put(0, "visits", "cold", "x");
  const database = rig.database(1, "visits");
  assert.is(database.hot()[0]?.key, "hot");
  assert.is(database.hot()[0]?.movesIn, 3);
  const { role, rsn, size, dmaster, history } = database.where("hot");
  assert.equal([role, size, dmaster, (rsn ?? 0n) > 6n], ["owner", 1, 1, true]);
  assert.equal(history.map(({ what, peer }) => `${what} ${peer}`).slice(-2), ["out 0", "in 0"]);
  const stats = database.stats();
  assert.equal([stats.state, stats.ops.ok, stats.ops.failed], ["ready", 3, 0]);
  assert.is(
    stats.slotsHome + rig.database(0, "visits").stats().slotsHome +
      rig.database(2, "visits").stats().slotsHome,
    1024,
  );
  assert.is(stats.records, 1);
});

test.run();
