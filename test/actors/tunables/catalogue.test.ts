/** The catalogue: all of ctdb's tunables with its defaults, ranges that hold what they must, and no false claims. */

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CLUSTER_TUNABLES } from "../../../actors/machines/cluster/tunables.ts";
import { COMMIT_TUNABLES } from "../../../actors/machines/commit/tunables.ts";
import { RECORD_TUNABLES } from "../../../actors/machines/record/tunables.ts";
import type { Tunable } from "../../../actors/machines/tunable.ts";
import {
  ACTIVE,
  findTunable,
  OBSOLETE,
  rangeText,
  settableOf,
  TUNABLE_NAMES,
  tunableOf,
  valueFault,
  valueOf,
} from "../../../actors/tunables/catalogue.ts";
import {
  CLUSTER_FEEDS,
  clusterPatch,
  COMMIT_FEEDS,
  dataPatch,
  LiveValues,
  RECORD_FEEDS,
} from "../../../actors/tunables/feeds.ts";
import { ROOT } from "../../../build/steps.ts";

const ALL = [...ACTIVE, ...OBSOLETE];

/** What `ctdb listvars` of ctdb 4.17 shows, in its order. */
const LISTVARS =
  "SeqnumInterval 1000, ControlTimeout 60, TraverseTimeout 20, KeepaliveInterval 5, KeepaliveLimit 5, " +
  "RecoverTimeout 30, RecoverInterval 1, ElectionTimeout 3, TakeoverTimeout 9, MonitorInterval 15, " +
  "TickleUpdateInterval 20, EventScriptTimeout 30, MonitorTimeoutCount 20, RecoveryGracePeriod 120, " +
  "RecoveryBanPeriod 300, DatabaseHashSize 100001, DatabaseMaxDead 5, RerecoveryTimeout 10, EnableBans 1, " +
  "NoIPFailback 0, VerboseMemoryNames 0, RecdPingTimeout 60, RecdFailCount 10, LogLatencyMs 0, " +
  "RecLockLatencyMs 1000, RecoveryDropAllIPs 120, VacuumInterval 10, VacuumMaxRunTime 120, RepackLimit 10000, " +
  "VacuumFastPathCount 60, MaxQueueDropMsg 1000000, AllowUnhealthyDBRead 0, StatHistoryInterval 1, " +
  "DeferredAttachTO 120, AllowClientDBAttach 1, FetchCollapse 1, HopcountMakeSticky 50, StickyDuration 600, " +
  "StickyPindown 200, NoIPTakeover 0, DBRecordCountWarn 100000, DBRecordSizeWarn 10000000, DBSizeWarn 100000000, " +
  "PullDBPreallocation 10485760, LockProcessesPerDB 200, RecBufferSizeLimit 1000000, QueueBufferSize 1024, " +
  "IPAllocAlgorithm 2, AllowMixedVersions 0";

/** What it has and does not show. */
const GIVEN_UP =
  "MaxRedirectCount 3, EventScriptUnhealthyOnTimeout 0, DeterministicIPs 0, LCP2PublicIPs 1, ReclockPingPeriod 60, " +
  "DisableIPFailover 0, VerifyRecoveryLock 1, VacuumLimit 5000, RecoverPDBBySeqNum 1, " +
  "DeferredRebalanceOnNodeAdd 300, NoIPHostOnAllDisabled 1, Samba3AvoidDeadlocks 0, TDBMutexEnabled 1";

const test = suite("tunables: catalogue");

const listed = (text: string): string[] => text.split(", ").sort();
const shown = ({ name, value }: { name: string; value: number }): string => `${name} ${value}`;

test("has ctdb's 49 active and 13 obsolete ones, with ctdb's defaults", () => {
  const active = ACTIVE.filter(({ isCtdbs }) => isCtdbs).map(shown).sort();
  assert.is(active.length, 49);
  assert.equal(active, listed(LISTVARS));
  assert.is(OBSOLETE.length, 13);
  assert.equal(OBSOLETE.map(shown).sort(), listed(GIVEN_UP));
});

test("each name once, whatever its case", () => {
  assert.is(new Set(ALL.map(({ name }) => name.toLowerCase())).size, ALL.length);
  assert.is(TUNABLE_NAMES.length, ACTIVE.length);
  assert.is(findTunable("vacuumINTERVAL")?.name, "VacuumInterval");
  assert.is(findTunable("vacuum"), undefined);
  assert.throws(() => tunableOf("constructor"), /Cannot find a tunable "constructor"/);
});

for (const entry of ALL) {
  test(`its range holds its default and what the simulator draws: ${entry.name}`, () => {
    assert.ok(entry.min <= entry.max);
    for (const value of [entry.value, entry.min, entry.max, ...entry.wild]) {
      assert.is(valueFault(entry, value), undefined, String(value));
    }
    assert.ok(entry.wild.length > (entry.effect === "obsolete" ? 0 : 1), "something to draw");
    for (const value of [entry.min - 1, entry.max + 1, entry.value + 0.5, NaN]) {
      assert.ok(valueFault(entry, value)?.includes(rangeText(entry)), String(value));
    }
    assert.not.match(entry.doc, /\.$|\n|^ /, "a phrase");
    assert.is(entry.reader === undefined, entry.effect !== "here", "whose value counts");
  });
}

test("a value is digits, and nothing else", () => {
  const entry = tunableOf("VacuumInterval");
  assert.is(valueOf(entry, "007"), 7);
  for (const text of ["", " 5", "5 ", "+5", "5s", "0x5", "1e2", "5.0", "12345678901", "ten"]) {
    assert.throws(() => valueOf(entry, text), /must be 1 to 600 s, is ".*"\. Nothing was changed/);
  }
});

test("an obsolete one is refused with what does its work", () => {
  assert.throws(
    () => settableOf("lcp2publicips"),
    /LCP2PublicIPs: it is obsolete.*IPAllocAlgorithm/,
  );
});

test("what governs something is read somewhere: fed to a machine, or asked for by its name", () => {
  const fed = new Set([...CLUSTER_FEEDS, ...RECORD_FEEDS, ...COMMIT_FEEDS].map(([name]) => name));
  const sources = globSync("actors/**/*.ts", { cwd: ROOT })
    .filter((path) => !/actors\/tunables\/(ctdb_|own)/.test(path))
    .map((path) => readFileSync(join(ROOT, path), "utf8")).join("\n");
  for (const { name, effect } of ACTIVE) {
    const isRead = fed.has(name) ||
      new RegExp(`\\b(?:get|setValue|look|valueOf)\\(\\s*"${name}"`).test(sources);
    assert.is(isRead, effect === "here", `${name} is said to be ${effect}`);
  }
});

test("what is fed to a machine has the machine's own value as its default, and stays what it can work with", () => {
  const machines: [readonly (readonly [string, string, number])[], Record<string, Tunable>][] = [
    [CLUSTER_FEEDS, CLUSTER_TUNABLES],
    [RECORD_FEEDS, RECORD_TUNABLES],
    [COMMIT_FEEDS, COMMIT_TUNABLES],
  ];
  for (const [feeds, tunables] of machines) {
    for (const [name, field, factor] of feeds) {
      const entry = tunableOf(name);
      assert.is(entry.value * factor, tunables[field]?.value, `${name} governs ${field}`);
      assert.ok(entry.min * factor > 0 || field === "groupMs", `${name}: no time is no pace`);
    }
  }
});

test("only what is set is fed", () => {
  assert.equal(clusterPatch(() => undefined), {});
  assert.equal(dataPatch(() => undefined), { record: {}, commit: {} });
  const set = new Map([["VacuumInterval", 20], ["CommitGroupTime", 0], ["DrainTimeout", 5]]);
  assert.equal(dataPatch((name) => set.get(name)), {
    record: { vacuumMs: 600 },
    commit: { groupMs: 0 },
  });
  assert.equal(clusterPatch((name) => set.get(name)), { drainMs: 5000 });
});

test("without bans credits end in none, however few end in one otherwise", () => {
  const set = new Map([["EnableBans", 0], ["BanCredits", 3]]);
  assert.equal(clusterPatch((name) => set.get(name)), { banCredits: 1_000_000_000 });
  set.set("EnableBans", 1);
  assert.equal(clusterPatch((name) => set.get(name)), { banCredits: 3 });
});

test("live values are exchanged under who has them, and come back to what they were made with", () => {
  const live = new LiveValues({ one: 1, two: 2 });
  const seen = live.values;
  live.feed({ two: 20 });
  assert.equal(seen, { one: 1, two: 20 });
  live.feed({ one: 10 });
  assert.equal(seen, { one: 10, two: 2 });
});

test.run();
