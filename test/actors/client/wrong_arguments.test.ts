/** What no operation takes is refused with words, and harms nothing else that the program has under way. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ClientCore } from "../../../actors/client/core.ts";
import { watchRecords } from "../../../actors/client/watch.ts";
import { connect } from "../../../actors/mod.ts";
import { b, t } from "../data/data_rig.ts";
import { ClientRig } from "./client_rig.ts";

const test = suite("client wrong arguments");

/** What it is not. */
function odd<T>(value: unknown): T {
  return value as T;
}

/** What a wish is refused with. */
async function refusal(rig: ClientRig, wish: () => unknown): Promise<string> {
  return await rig.do(Promise.resolve().then(wish).then(() => "nothing", (error) => `${error}`));
}

test("a frame that cannot be written leaves no half of it: what else is under way goes on", async () => {
  const rig = await ClientRig.start(1, 1);
  const cluster = await rig.connect(0, { mapped: false });
  const db = await rig.do(cluster.attach("visits"));
  const lock = await rig.do(db.fetchLock("held"));
  for (const args of [42, [1, 2], {}, null, undefined, new Uint16Array(4), () => {}]) {
    const said = await refusal(rig, () => db.call("log", "append", odd(args)));
    assert.match(said, "Cannot use arguments");
  }
  for (const to of [-1, Number.NaN, 1.5, 2 ** 32, "n1", "everybody", null, undefined]) {
    assert.match(await refusal(rig, () => cluster.send(odd(to), 7n, "x")), "Cannot send to");
    assert.throws(() => cluster.post(odd(to), 7n, "x"), /Cannot send to/);
  }
  const round: { self?: unknown } = {};
  round.self = round;
  const cyclic = await refusal(rig, () => cluster.exists({ pnn: odd(round) }));
  assert.match(cyclic, "TypeError");
  // On the line that all of it went over, or did not.
  await rig.do(lock.store("still mine"));
  await rig.do(lock.close());
  assert.is(t(await rig.do(db.read("held"))), "still mine");
  assert.equal(rig.data.node(0).failures, []);
  await rig.end();
});

test("arguments of a call may be a text", async () => {
  const rig = await ClientRig.start(2, 2);
  const [one, two] = await rig.databases("texts");
  await rig.do(one!.call("log", "append", "one "));
  await rig.do(two!.call("log", "append", b("two")));
  assert.is(t(await rig.do(one!.read("log"))), "one two");
  await rig.end();
});

test("each wrong argument is named", async () => {
  const rig = await ClientRig.start(3, 1);
  const [db] = await rig.databases("odd");
  const [cluster] = rig.clusters;
  await rig.do(db!.put("ann", "1"));
  const wishes: readonly (readonly [() => unknown, RegExp])[] = [
    [() => db!.put("ann", odd(undefined)), /a value: .*is undefined/],
    [() => db!.setIf("ann", "present", odd(undefined)), /a value: .*is undefined/],
    [() => db!.push("list", odd(undefined), 2), /a value: .*is undefined/],
    [() => db!.update("ann", odd(() => Promise.resolve("x"))), /is a promise/],
    [() => db!.increment("ann", 1.5), /1\.5: it must be a whole number/],
    [() => db!.increment("ann", odd("5")), /5: it must be a whole number/],
    [() => db!.setIf("ann", odd("maybe"), "x"), /"empty" and "present"/],
    [() => db!.read("ann", { timeoutMs: odd("5") }), /Cannot wait 5 ms/],
    [() => db!.traverse({ limit: -1 }).next(), /Cannot stop after -1/],
    [() => db!.count({ limit: Number.NaN }), /Cannot stop after NaN/],
    [() => db!.count({ prefix: odd(() => 1) }), /is function/],
    [() => db!.count({ prefix: odd(null) }), /is null/],
    [() => db!.watch(odd(42)), /a key, or an object with a prefix/],
    [() => db!.watch(odd({ prefx: "a" })), /a key, or an object with a prefix/],
    [() => db!.watch(odd(null)), /a key, or an object with a prefix/],
    [() => cluster!.send("all", odd(7), "x"), /7: a srvid is a bigint/],
    [() => cluster!.listen(odd("7")), /7: a srvid is a bigint/],
    [() => cluster!.procedure(odd(undefined), 1, () => ({})), /Cannot offer/],
    [() => cluster!.procedure("none", 1, odd(undefined)), /must be a function/],
  ];
  for (const [wish, words] of wishes) {
    const said = await refusal(rig, wish);
    assert.ok(words.test(said), `${said} / ${words}`);
  }
  assert.is(t(await rig.do(db!.read("ann"))), "1");
  await rig.end();
});

test("a procedure that answers no object is a refusal that says so", async () => {
  const rig = await ClientRig.start(4, 1);
  const [db] = await rig.databases("answers");
  for (const [answer, is] of [[undefined, "undefined"], [null, "null"], ["x", "string"]] as const) {
    const offered = await rig.do(rig.clusters[0]!.procedure("odd", 1, () => odd(answer)));
    const said = await refusal(rig, () => db!.call("key", "odd/1", ""));
    assert.match(said, `must answer an object { value, result }, not ${is}`);
    await rig.do(offered.close());
  }
  await rig.end();
});

test("several calls of `next` at the same time get what comes, each something else", async () => {
  const rig = await ClientRig.start(5, 1);
  const [db] = await rig.databases("together");
  for (let n = 0; n < 20; n++) await rig.do(db!.put(`key ${n}`, `${n}`));
  const records = db!.traverse({ limit: 15 });
  const all = await rig.do(Promise.all(Array.from({ length: 30 }, () => records.next())));
  const keys = all.flatMap(({ done, value }) => done === true ? [] : [t(value.key)]);
  assert.equal([keys.length, new Set(keys).size], [15, 15]);

  const changes = db!.watch({ prefix: "key 1" });
  const told = await rig.do(Promise.all(Array.from({ length: 11 }, () => changes.next())));
  assert.is(new Set(told.map(({ value }) => value?.type === "value" && t(value.key))).size, 11);
  await rig.do(changes.return!());

  const ears = await rig.do(rig.clusters[0]!.listen(7n));
  const items = [ears.next(), ears.next()];
  for (const text of ["one", "two"]) await rig.do(rig.clusters[0]!.send("all", 7n, text));
  const heard = await rig.do(Promise.all(items));
  const texts = heard.map(({ value }) => value?.type === "message" ? t(value.data) : undefined);
  assert.equal(texts, ["one", "two"]);
  await rig.end();
});

test("a watch that is ended before it began is never begun", async () => {
  const asked: unknown[] = [];
  const line = {
    isUp: true,
    listen: () => 1,
    forget: () => {},
    ask: (what: unknown) => Promise.resolve(asked.push(what)),
  };
  const core = { line, clock: { nowMs: () => 0 }, timeout: () => 1000, watches: new Set() };
  const changes = watchRecords(core as unknown as ClientCore, 1, "visits", "key");
  await changes.return!();
  assert.is((await changes.next()).done, true);
  assert.equal([asked, core.watches.size], [[], 0]);
});

test("where nobody serves, what starts it is named", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-nobody-"));
  try {
    const said = (home: string) => connect({ home }).then(() => "nothing", (error) => `${error}`);
    assert.match(await said(folder), "is it the folder of a node?");
    const home = join(folder, "n1");
    mkdirSync(home);
    writeFileSync(join(home, "ctdbx.toml"), "");
    assert.match(await said(home), `ctdbx daemon start --home ${home}`);
    writeFileSync(join(folder, "dev.json"), "{}");
    assert.match(await said(home), `ctdbx dev up --home ${folder}`);
    mkdirSync(join(folder, "n0", "run"), { recursive: true });
    assert.match(await said(folder), "is a cluster of dev");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("servers that are no list of texts are refused before anybody is asked", async () => {
  for (const servers of ["127.0.0.1:4222", [], [42]]) {
    const said = await connect({ servers: odd(servers), cluster: "lab" }).then(
      () => "nothing",
      (error) => `${error.code} ${error.message}`,
    );
    assert.match(said, "config Cannot connect over NATS: servers is a list");
  }
});

test.run();
