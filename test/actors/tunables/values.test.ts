/** Records of values and of changes, the node's own copy, and warnings: read with care, and written so. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tunableOf } from "../../../actors/tunables/catalogue.ts";
import { parse, savedText } from "../../../actors/tunables/saved.ts";
import {
  changeKey,
  changesOf,
  changeValue,
  heldValue,
  settingsOf,
  valueKey,
} from "../../../actors/tunables/values.ts";
import { DatabaseWarnings, timedLock } from "../../../actors/tunables/warnings.ts";
import type { Tunables } from "../../../actors/tunables/tunables.ts";
import { SimTime } from "../../../transport/sim/clock.ts";
import { isScope } from "../../../actors/machines/metadata/record.ts";
import { META_KEY_MAX } from "../../../transport/wire/limits.ts";
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";

const NODE = "a".repeat(32) as NodeId;
const OTHER = "b".repeat(32) as NodeId;
const AGE = tunableOf("VacuumAge");

function record(key: string, value: string | null, c = 1n, wallMs = 0): MetaRecord {
  return { scope: "c", key, value, c, w: NODE, wallMs, by: "uid 0, pid 1" };
}

const test = suite("tunables: values");

test("a value of the cluster and one of a node have keys that metadata can have", () => {
  assert.is(valueKey(AGE, "cluster"), "tunable/VacuumAge");
  assert.is(valueKey(AGE, NODE), `tunable/VacuumAge/${NODE}`);
  assert.ok(
    isScope("c") &&
      valueKey(tunableOf("EventScriptUnhealthyOnTimeout"), NODE).length < META_KEY_MAX,
  );
  const read = settingsOf([
    record(valueKey(AGE, "cluster"), "700"),
    record(valueKey(AGE, NODE), "800"),
  ]);
  const setting = read.set.get("VacuumAge");
  assert.is(heldValue(setting?.cluster), 700);
  assert.is(heldValue(setting?.nodes.get(NODE)), 800);
  assert.is(heldValue(setting?.nodes.get(OTHER)), undefined);
  assert.equal(read.odd, []);
});

test("what another version has set, or somebody by hand, is left out and told", () => {
  const { set, odd } = settingsOf([
    record("tunable/FromTheFuture", "5"),
    record("tunable/VacuumLimit", "5"),
    record("tunable/VacuumAge", "49"),
    record("tunable/VacuumBatch", "many"),
    record("tunable/VacuumInterval", "-5"),
    record("tunable/EnableBans", "0"),
  ]);
  assert.equal([...set.keys()], ["EnableBans"]);
  assert.is(odd.length, 5);
  assert.match(
    odd.join(),
    /FromTheFuture is not known.*VacuumLimit is not known.*50 to 3600000 ms, is 49/,
  );
});

test("changes come in the order of their stamps; what is no change is left out", () => {
  const key = (wallMs: number): string => changeKey(AGE, wallMs, wallMs);
  const changes = changesOf([
    record(key(5), changeValue("cluster", 700, undefined), 9n, 5),
    record(key(7), changeValue(NODE, undefined, 700), 2n, 7),
    record(key(1), "{}", 3n),
    record(key(2), '{"at":"everywhere","old":1,"new":2}', 3n),
    record(key(3), '{"at":"cluster","old":"1","new":2}', 3n),
    record(key(4), "no JSON", 3n),
    record(key(6), null, 3n),
  ]);
  assert.equal(changes.map(({ place, before, after, wallMs }) => [place, before, after, wallMs]), [
    [NODE, undefined, 700, 7],
    ["cluster", 700, undefined, 5],
  ]);
  assert.is(new Set([key(1), changeKey(AGE, 1, 2), key(2)]).size, 3, "two at once are two");
});

test("the node's copy is read as it was written; what does not fit is left out", () => {
  const set = new Map([["VacuumAge", { cluster: 700, node: 800 }], ["EnableBans", { cluster: 0 }]]);
  const text = savedText(set);
  assert.is(text, savedText(new Map([...set].reverse())), "in one order");
  assert.equal(parse(text), new Map([...set].reverse()));
  const odd = parse(
    JSON.stringify({
      format: 1,
      set: { NoSuch: { cluster: 1 }, VacuumAge: { cluster: 1, node: 60 }, EnableBans: 1 },
    }),
  );
  assert.equal([...odd], [["VacuumAge", { node: 60 }]]);
  for (const wrong of ["", "[]", "{}", '{"format":2,"set":{}}', '{"format":1,"set":[]}']) {
    assert.throws(() => parse(wrong), undefined, wrong);
  }
});

test("a database is told of when it grows beyond, once, and again after it was small", () => {
  const warnings = new DatabaseWarnings();
  let most = 100;
  const judge = (records: number, fileBytes = 0): readonly string[] =>
    warnings.judge(
      [{ name: "locking", records, fileBytes }],
      (name) => name === "DBRecordCountWarn" ? most : 4096,
    );
  assert.equal(judge(100), []);
  assert.equal(judge(101), [
    "Database locking has 101 records here, more than DBRecordCountWarn (100)",
  ]);
  assert.equal(judge(150), [], "once");
  assert.equal(judge(60), []);
  assert.equal(judge(101), [], "it had not been small");
  assert.equal(judge(50), []);
  assert.is(judge(101).length, 1);
  assert.equal(judge(1, 5000), [
    "Database locking has 5000 bytes here, more than DBSizeWarn (4096)",
  ]);
  most = 0;
  assert.equal(judge(1_000_000, 5000), [], "0 is never");
});

test("an operation on the lock that takes long is told, one that fails, too; 0 is never", async () => {
  const time = new SimTime();
  const clock = {
    nowMs: () => time.nowMs,
    wallMs: () => 0,
    after: (delayMs: number, fire: () => void) => time.after(delayMs, fire),
  };
  const said: string[] = [];
  const log = { write: (_level: string, text: string) => void said.push(text) };
  let most = 1000;
  const tunables = { get: () => most } as unknown as Tunables;
  const lasting = async (tookMs: number, isOk: boolean): Promise<unknown> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const timed = timedLock({ clock, log }, tunables, promise).catch(String);
    time.runTo(time.nowMs + tookMs);
    if (isOk) resolve("done");
    else reject(new Error("broken"));
    return await timed;
  };
  assert.is(await lasting(1000, true), "done");
  assert.equal(said, []);
  assert.is(await lasting(1001, false), "Error: broken");
  assert.equal(said.splice(0), [
    "An operation on the leader lock took 1001 ms, more than RecLockLatencyMs (1000)",
  ]);
  most = 0;
  await lasting(60_000, true);
  assert.equal(said, []);
});

test.run();
