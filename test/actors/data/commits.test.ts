/**
 * Persistent and replicated databases on whole nodes in simulated time: attached by command, begun by the leader, their
 * transactions kept through kills of some and of all.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultCommitTiming } from "../../../actors/machines/commit/tunables.ts";
import {
  ALL,
  attached,
  awaited,
  isServed,
  NAME,
  opsAt,
  put,
  read,
  transact,
} from "./commit_whole.ts";
import { STATE } from "../sim_nodes.ts";
import { b, okOf, t } from "./data_rig.ts";

const test = suite("whole nodes with persistent databases");

test.either("transactions of all nodes have one order, and each reads what it wrote", async () => {
  const whole = await attached(71);
  for (const n of ALL) {
    const dbseq = await put(whole, n, "last", `by ${n}`);
    assert.equal(await read(whole, n, "last", "local"), { value: `by ${n}`, version: dbseq });
    for (const m of ALL) {
      assert.equal(await read(whole, m, "last"), { value: `by ${n}`, version: dbseq });
    }
  }
});

test.either("there is nothing to vacuum, and that is said", async () => {
  const whole = await attached(70);
  const why = await awaited(whole, whole.shards[0]!.vacuum(NAME).then(() => "done", String));
  assert.match(why, "it is not volatile");
});

test.either("what was read and is another one by now is a conflict, and nothing is written", async () => {
  const whole = await attached(72);
  const first = await put(whole, 0, "a", "1");
  await put(whole, 1, "a", "2");
  const reads = [{ key: "a", version: first }];
  const end = await transact(whole, 2, { reads, writes: [{ key: "b", value: b("never") }] });
  assert.is(end.outcome, "aborted");
  if (end.outcome !== "aborted") return;
  assert.is(end.code, "conflict");
  assert.is((await read(whole, 0, "b")).value, undefined);
  const now = await read(whole, 2, "a");
  const again = await transact(whole, 2, {
    reads: [{ key: "a", version: now.version }, { key: "b", version: 0n }],
    writes: [{ key: "a" }, { key: "b", value: b("now") }],
  });
  assert.is(again.outcome, "committed");
  assert.is((await read(whole, 0, "a")).value, undefined, "it was deleted");
  assert.is((await read(whole, 0, "b")).value, "now");
});

test.either("all nodes lose power: what was told as committed is there", async () => {
  const whole = await attached(73);
  const { cluster } = whole;
  for (let i = 0; i < 30; i++) await put(whole, i % 3, `key ${i}`, `value ${i}`);
  for (const n of ALL) {
    cluster.crash(n, "power");
    whole.shards[n] = undefined;
  }
  for (const n of ALL) await cluster.start(n);
  await whole.until(() => ALL.every((n) => whole.shards[n]?.host.database(NAME) !== undefined));
  for (let i = 0; i < 30; i++) {
    assert.is((await read(whole, i % 3, `key ${i}`)).value, `value ${i}`);
  }
  await put(whole, 2, "after", "on");
  for (const n of ALL) assert.is((await read(whole, n, "after")).value, "on");
});

test.either("the primary is killed: writes go on, and it comes back into the set", async () => {
  const whole = await attached(74);
  const { cluster } = whole;
  await put(whole, 0, "before", "kept");
  const primary = opsAt(whole, 0).look().primary as number;
  whole.crash(primary);
  const [one = 0, other = 0] = ALL.filter((n) => n !== primary);
  await put(whole, one, "between", "on");
  assert.is((await read(whole, other, "before")).value, "kept");
  assert.is.not(opsAt(whole, one).look().primary, primary);
  await cluster.start(primary);
  await whole.until(() => whole.shards[primary]?.host.database(NAME) !== undefined);
  await whole.until(() => {
    const { copies } = opsAt(whole, one).look();
    return copies.filter(({ role }) => role === "primary" || role === "in_sync").length === 3;
  }, 60_000);
  assert.is((await read(whole, primary, "between")).value, "on");
});

test.either("programs that know records only change them, one key a transaction", async () => {
  const whole = await attached(75);
  await whole.set(0, NAME, "key", "one");
  assert.is(await whole.read(0, NAME, "key"), "one");
  const both = [1, 2].map((n) =>
    whole.begin(n, NAME, "log", { what: "call", procedure: "append", args: b(`${n}`) })
  );
  await whole.until(() => both.every((ends) => ends.length > 0));
  for (const [end] of both) okOf(end!);
  assert.match((await read(whole, 0, "log")).value ?? "", /^(12|21)$/, "neither is lost");
  const cas = (args: string) =>
    whole.op(2, NAME, "key", { what: "call", procedure: "cas", args: b(args) });
  assert.equal(okOf(await cas("\x03\0\0\0twothree")), new Uint8Array([0]));
  assert.equal(okOf(await cas("\x03\0\0\0onetwo")), new Uint8Array([1]));
  okOf(await whole.op(1, NAME, "log", { what: "call", procedure: "delete", args: b("") }));
  assert.equal(await read(whole, 0, "log"), { value: undefined, version: 0n });
  const lock = await whole.op(0, NAME, "key", { what: "lock" });
  assert.is(lock.what === "answer" ? lock.code : lock.what, "unsupported");
});

test.either("a snapshot stays as it was, and a traverse tells of each record once", async () => {
  const whole = await attached(76);
  for (let i = 0; i < 20; i++) await put(whole, 0, `k${i}`, "old");
  const { clock } = whole.cluster.machines[0]!.world!;
  const opened = await awaited(whole, opsAt(whole, 0).snapshot(1, "latest", clock.nowMs() + 5000));
  assert.ok(opened.ok);
  if (!opened.ok) return;
  const { snapshot } = opened;
  for (let i = 0; i < 20; i++) await put(whole, 1, `k${i}`, "new");
  assert.is((await read(whole, 0, "k7")).value, "new");
  const seen = new Map<string, string | undefined>();
  const listed = await awaited(
    whole,
    snapshot.list("k1", ({ key, value }) => void seen.set(key, t(value))),
  );
  assert.equal(listed, { ok: true, count: 11 });
  assert.ok([...seen.values()].every((value) => value === "old"));
  snapshot.close();
  assert.is(snapshot.read(["k1"]).ok, false);
  const other = await awaited(whole, opsAt(whole, 0).snapshot(1, "latest", clock.nowMs() + 5000));
  const told: string[] = [];
  let end: string | undefined;
  const wish = { prefix: "", isCount: false, credit: 5, deadlineMs: clock.nowMs() + 5000 };
  const database = whole.shards[0]!.host.database(NAME)!;
  const id = database.traverse(1, wish, {
    record: (key) => void told.push(key),
    end: (outcome, count) => {
      end = `${outcome} ${count}`;
    },
  });
  await whole.until(() => told.length === 5);
  await whole.cluster.run(200);
  assert.is(told.length, 5, "no more than may be told");
  database.more(id, 100);
  await whole.until(() => end !== undefined);
  assert.is(end, "ok 20");
  assert.is(new Set(told).size, 20);
  // The copy goes: whoever reads an open snapshot is told why it is over.
  assert.ok(other.ok && other.snapshot.read(["k1"]).ok);
  await whole.shards[0]!.commits[0]!.end("the database was detached");
  const why = "the snapshot is over: the database was detached";
  assert.equal(other.ok && other.snapshot.read(["k1"]), { ok: false, code: "gone", why });
});

test.either("who was away for longer than the log reaches takes the file over", async () => {
  const timing = { ...defaultCommitTiming(), keepLog: 4, checkpointEntries: 2, keepEntries: 2 };
  const whole = await attached(77, {}, { commits: { timing, segmentBytes: 4096 } });
  await put(whole, 0, "old", "kept");
  const primary = opsAt(whole, 0).look().primary as number;
  const [away = 0, other = 0] = ALL.filter((n) => n !== primary);
  whole.crash(away);
  for (let i = 0; i < 60; i++) await put(whole, other, `key ${i % 7}`, `value ${i}`);
  const log = whole.shards[primary]!.commits[0]!.disk!.store.log;
  const before = whole.cluster.machines[away]!;
  await whole.cluster.start(away);
  assert.ok(log.start.seq > 20n, `the log begins behind ${log.start.seq}`);
  await whole.until(() => whole.shards[away]?.host.database(NAME) !== undefined);
  assert.is((await read(whole, away, "key 3")).value, "value 59");
  assert.is((await read(whole, away, "old", "local")).value, "kept");
  await whole.until(
    () => opsAt(whole, other).look().copies.every(({ role }) => role !== "copy"),
    60_000,
  );
  await put(whole, away, "new", "too");
  assert.ok(before.world !== undefined);
});

test.either("wiped, it begins anew and empty; detached, it is gone for who has it", async () => {
  const whole = await attached(78);
  await put(whole, 0, "key", "old");
  const { cluster } = whole;
  const before = whole.shards[0]!.host.database(NAME)!;
  const command = (verb: "db_wipe" | "db_detach") => {
    const [db] = cluster.nodes[0]!.state.adopted!.dbs;
    const about = { verb, dbId: db!.dbId, since: db!.since!, why: "asked for" };
    return awaited(
      whole,
      cluster.nodes[0]!.cluster.command("a".repeat(31) + verb.length, about, 5000),
    );
  };
  assert.is((await command("db_wipe")).outcome, "done");
  await whole.until(() => ALL.every((n) => whole.shards[n]?.host.database(NAME) !== undefined));
  await whole.until(() => isServed(whole));
  assert.ok(before.isOver);
  assert.equal(await read(whole, 0, "key"), { value: undefined, version: 0n });
  await put(whole, 1, "key", "new");
  assert.is((await read(whole, 2, "key")).value, "new");
  const waits = transact(whole, 0, { reads: [], writes: [{ key: "k", value: b("v") }] });
  await waits;
  const ops = opsAt(whole, 0);
  assert.is((await command("db_detach")).outcome, "done");
  await whole.until(() => ALL.every((n) => whole.shards[n]?.host.database(NAME) === undefined));
  const end = await awaited(whole, ops.transact(1, { reads: [], writes: [{ key: "k" }] }, 1e9));
  assert.is(end.outcome === "aborted" ? end.code : end.outcome, "gone");
});

test.either("a storage that cannot be opened is said, tried again, and catches up when it can", async () => {
  const whole = await attached(80);
  const { cluster } = whole;
  const primary = opsAt(whole, 0).look().primary as number;
  const [bad = 0, other = 0] = ALL.filter((n) => n !== primary);
  const { since, cfg: { name } } = whole.shards[bad]!.commits[0]!;
  const path = `${STATE}/persistent/${name}.${since}/${name}.tdb.id`;
  whole.crash(bad);
  const { images } = cluster.machines[bad]!;
  images.deny(path);
  await cluster.start(bad);
  await whole.until(() => whole.shards[bad]?.host.database(NAME) !== undefined);
  assert.match(opsAt(whole, bad).look().trouble ?? "", /denied|Cannot open/);
  const refused = await transact(whole, bad, { reads: [], writes: [{ key: "k" }] });
  assert.is(refused.outcome === "aborted" ? refused.code : refused.outcome, "damaged");
  await put(whole, other, "key", "on");
  images.deny(path, false);
  await whole.until(() => opsAt(whole, bad).look().own === "in_sync", 60_000);
  assert.is((await read(whole, bad, "key", "local")).value, "on");
});

test.either("a replicated one survives all but the loss of all, and then begins empty", async () => {
  const whole = await attached(79, { kind: "replicated" });
  const { cluster } = whole;
  await put(whole, 0, "key", "kept");
  const primary = opsAt(whole, 0).look().primary as number;
  const [other = 0] = ALL.filter((n) => n !== primary);
  const { lineage } = opsAt(whole, other).look();
  whole.crash(primary);
  assert.is((await read(whole, other, "key")).value, "kept");
  await put(whole, other, "key", "on");
  await cluster.start(primary);
  await whole.until(() => whole.shards[primary]?.host.database(NAME) !== undefined);
  await whole.until(
    () => opsAt(whole, other).look().copies.every(({ role }) => role !== "copy"),
    60_000,
  );
  assert.is((await read(whole, primary, "key")).value, "on");
  for (const n of ALL) whole.crash(n);
  for (const n of ALL) await cluster.start(n);
  await whole.until(() => ALL.every((n) => whole.shards[n]?.host.database(NAME) !== undefined));
  await whole.until(() => isServed(whole), 60_000);
  assert.equal(await read(whole, other, "key"), { value: undefined, version: 0n });
  assert.is.not(opsAt(whole, other).look().lineage, lineage, "another history");
});

test.run();
