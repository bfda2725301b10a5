/**
 * Tunables of a simulated cluster: set at one node they hold at all, or at the one that is named; after crashes, cuts
 * and a start without contact, too; and what they govern follows.
 */

import * as assert from "uvu/assert";
import { suite } from "uvu";
import { ACTIVE } from "../../../actors/tunables/catalogue.ts";
import { savedPath } from "../../../actors/tunables/saved.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import type { CtdbxError } from "../../../transport/wire/errors.ts";
import { DataDouble } from "../data_double.ts";
import { SimCluster, STATE } from "../sim_nodes.ts";
import { asked, during, shardOf, startedWithMetadata, values } from "./rig.ts";

/** A change is told within this, ms of virtual time. */
const TOLD_MS = 3000;

const test = suite("tunables of a simulated cluster");

async function refusal(work: Promise<unknown>): Promise<CtdbxError> {
  try {
    await work;
  } catch (error) {
    return error as CtdbxError;
  }
  throw new Error("it was not refused");
}

test.either("set at one node, in any case, it holds at all; what it governs follows", async () => {
  const cluster = await startedWithMetadata(11);
  const done = await asked(cluster, 1, "tunable set", { name: "recoverybanperiod", to: "60" });
  assert.equal((done as { done: unknown }).done, [
    { place: "cluster", before: undefined, after: 60, changed: true },
  ]);
  assert.is(cluster.nodes[1]!.tunables.get("RecoveryBanPeriod"), 60, "at once where it was set");
  const name = "RecoveryBanPeriod";
  await cluster.until(() => values(cluster, name).every((value) => value === 60), TOLD_MS);
  for (const node of cluster.nodes) assert.is(node!.state.timing.banForMaxMs, 60_000);
  await asked(cluster, 2, "tunable reset", { name });
  await cluster.until(() => values(cluster, name).every((value) => value === 300), TOLD_MS);
  for (const node of cluster.nodes) assert.is(node!.state.timing.banForMaxMs, 300_000);
});

test.either("a node's own value goes before the cluster's, and only there", async () => {
  const cluster = await startedWithMetadata(12);
  const name = "VacuumAge";
  await asked(cluster, 0, "tunable set", { name, to: "700" });
  await asked(cluster, 0, "tunable set", { name, to: "2000", nodes: ["n2"] });
  await cluster.until(() => String(values(cluster, name)) === "700,700,2000", TOLD_MS);
  const got = await asked(cluster, 1, "tunable get", { name }) as Record<string, unknown>;
  assert.equal([got["value"], got["cluster"], got["from"]], [700, 700, "cluster"]);
  assert.equal(got["nodes"], [{ pnn: 2, name: "n2", value: 2000 }]);
  await asked(cluster, 1, "tunable reset", { name });
  await cluster.until(() => String(values(cluster, name)) === "1000,1000,2000", TOLD_MS);
  await asked(cluster, 1, "tunable reset", { name, nodes: ["2"] });
  await cluster.until(() => String(values(cluster, name)) === "1000,1000,1000", TOLD_MS);
});

test.either("unknown, out of range, obsolete: refused with the reason, and nothing is changed", async () => {
  const cluster = await startedWithMetadata(13);
  const cases = [
    [{ name: "NoSuch", to: "1" }, "not_found", 'Cannot find a tunable "NoSuch"'],
    [{ name: "VacuumInterval", to: "0" }, "state", "must be 1 to 600 s, is 0"],
    [{ name: "VacuumInterval", to: "601" }, "state", "must be 1 to 600 s, is 601"],
    [{ name: "VacuumInterval", to: "1.5" }, "state", 'must be 1 to 600 s, is "1.5"'],
    [{ name: "VacuumInterval", to: "-1" }, "state", "1 to 600 s"],
    [{ name: "EnableBans", to: "2" }, "state", "must be 0 or 1"],
    [{ name: "VacuumLimit", to: "5" }, "state", "obsolete"],
    [{ name: "VacuumInterval", to: "5", nodes: ["n9"] }, "not_found", "known are n0, n1, n2"],
    [{ name: "VacuumInterval", to: "5", nodes: [] }, "state", "nodes must be"],
    [{ name: "VacuumInterval", to: "5", nodes: ["n1", "n9"] }, "not_found", "n9"],
  ] as const;
  for (const [args, code, said] of cases) {
    const error = await refusal(asked(cluster, 0, "tunable set", args));
    assert.is(error.code, code, JSON.stringify(args));
    assert.match(error.message, said);
  }
  await cluster.run(TOLD_MS);
  assert.equal(values(cluster, "VacuumInterval"), [10, 10, 10]);
  assert.equal(await asked(cluster, 0, "tunable history"), []);
});

test.either("the history says who, when, where and what; the same value again is no change", async () => {
  const cluster = await startedWithMetadata(14);
  const name = "MonitorInterval";
  await asked(cluster, 0, "tunable set", { name, to: "20" });
  await asked(cluster, 0, "tunable set", { name, to: "20" });
  await asked(cluster, 0, "tunable set", { name, to: "30", nodes: ["n1"] });
  await asked(cluster, 0, "tunable reset", { name });
  await asked(cluster, 0, "tunable reset", { name });
  const changes = await asked(cluster, 0, "tunable history", { name }) as Record<string, unknown>[];
  assert.equal(changes.map(({ place, before, after, by, at }) => [place, before, after, by, at]), [
    ["cluster", undefined, 20, "uid 7, pid 99", "n0"],
    ["n1", undefined, 30, "uid 7, pid 99", "n0"],
    ["cluster", 20, undefined, "uid 7, pid 99", "n0"],
  ]);
  for (let value = 100; value < 130; value++) {
    await asked(cluster, 0, "tunable set", { name, to: `${value}` });
  }
  const last = await asked(cluster, 0, "tunable history", { name }) as { after: number }[];
  assert.is(last.length, 16, "no more are kept");
  assert.is(last.at(-1)?.after, 129);
});

test.either("a node that starts without contact uses its copy; one that was away hears what it missed", async () => {
  const cluster = await startedWithMetadata(15);
  await asked(cluster, 0, "tunable set", { name: "BanCredits", to: "5" });
  await cluster.until(() => values(cluster, "BanCredits").every((value) => value === 5), TOLD_MS);
  await cluster.run(TOLD_MS);
  cluster.crash(2, "power");
  await asked(cluster, 0, "tunable set", { name: "BanCredits", to: "6" });
  await cluster.run(TOLD_MS);
  // Alone: no other machine is up.
  cluster.crash(0, "power");
  cluster.crash(1, "power");
  await cluster.start(2);
  assert.is(cluster.nodes[2]!.tunables.get("BanCredits"), 5, "as it was when it went");
  assert.is(cluster.nodes[2]!.state.timing.banCredits, 5);
  const got = await asked(cluster, 2, "tunable get", { name: "BanCredits" }) as Record<
    string,
    unknown
  >;
  assert.equal([got["value"], got["cluster"], got["isWhole"]], [5, 5, false]);
  await cluster.start(0);
  await cluster.start(1);
  const isSame = () => values(cluster, "BanCredits").every((value) => value === 6);
  await cluster.until(isSame, 60_000);
});

test.either("a copy that cannot be used is as none, and is written anew", async () => {
  const cluster = await startedWithMetadata(16);
  await asked(cluster, 0, "tunable set", { name: "BanCredits", to: "5" });
  await cluster.until(() => values(cluster, "BanCredits").every((value) => value === 5), TOLD_MS);
  await cluster.run(TOLD_MS);
  const path = savedPath(STATE);
  const disk = () => cluster.machines[2]!.world!.disk;
  for (
    const text of ['{"format":9,"set":{}}', "{", '{"format":1,"set":{"BanCredits":{"node":-3}}}']
  ) {
    const bytes = new TextEncoder().encode(text);
    const written = new Promise<void>((done) => disk().replace(path, bytes, () => done()));
    await during(cluster, written);
    cluster.crash(2, "process");
    await cluster.start(2);
    assert.is(cluster.nodes[2]!.tunables.get("BanCredits"), 8, text);
    await cluster.until(() => cluster.nodes[2]!.tunables.get("BanCredits") === 5, 20_000);
    await cluster.run(100);
    const kept = new TextDecoder().decode(disk().read(path));
    assert.is(kept, '{"format":1,"set":{"BanCredits":{"cluster":5}}}\n');
  }
});

test.either("set on both sides of a cut network: one of the two holds in the end, at all", async () => {
  const cluster = await startedWithMetadata(19);
  const name = "VacuumAge";
  cluster.network.partition(["n0"], ["n1", "n2"]);
  await cluster.run(5000);
  await asked(cluster, 0, "tunable set", { name, to: "111" });
  await asked(cluster, 1, "tunable set", { name, to: "222" });
  await asked(cluster, 1, "tunable set", { name, to: "333" });
  await cluster.run(TOLD_MS);
  assert.equal(values(cluster, name), [111, 333, 333]);
  cluster.network.healLinks();
  await cluster.until(() => new Set(values(cluster, name)).size === 1, 60_000);
  await cluster.run(20_000);
  assert.is(new Set(values(cluster, name)).size, 1);
  const changes = await asked(cluster, 2, "tunable history", { name }) as { after: number }[];
  assert.equal(changes.map(({ after }) => after).sort(), [111, 222, 333], "no change is forgotten");
});

test.either("what a node had set goes with it", async () => {
  const cluster = await startedWithMetadata(20);
  const name = "VacuumAge";
  await asked(cluster, 0, "tunable set", { name, to: "2000", nodes: ["n2"] });
  await cluster.until(() => values(cluster, name)[2] === 2000, TOLD_MS);
  await asked(cluster, 0, "cluster leave", { node: "n2" });
  await cluster.until(() => cluster.nodes[0]!.state.adopted?.nodes.length === 2, 30_000);
  const at = cluster.nodes[0]!.tunables;
  for (let tries = 0; (await during(cluster, at.settings())).set.size > 0; tries++) {
    assert.ok(tries < 30, "it is still there");
    await cluster.run(1000);
  }
});

test.either("the data thread is told what is set, and one that comes later, too", async () => {
  const data = new DataDouble();
  const cluster = new SimCluster(17, 1, 2);
  cluster.shardOf = (n) => shardOf(cluster, n);
  cluster.dataOf = () => () => data.start();
  await cluster.create();
  await cluster.run(500);
  data.now?.confirm();
  await cluster.until(() => {
    data.now?.confirm();
    return cluster.leader === 0;
  }, 10_000);
  await cluster.run(3000);
  await asked(cluster, 0, "tunable set", { name: "VacuumInterval", to: "5" });
  const told = () => data.now?.told.filter((word) => word.startsWith("tune")).at(-1);
  await cluster.until(() => told() === "tune vacuumMs=150", TOLD_MS);
  const before = data.now;
  before?.die();
  await cluster.until(() => data.now !== before && data.now !== undefined, 10_000);
  await cluster.until(() => told() === "tune vacuumMs=150", TOLD_MS);
});

test.either("a database that is made: as many chains as are set, and not by programs when they may not", async () => {
  const doubles = [0, 1, 2].map(() => new DataDouble());
  const cluster = await startedWithMetadata(21, (n) => () => doubles[n]!.start());
  const attach = async (name: string, hashSize?: number): Promise<string> => {
    const wish = { create: true, ...hashSize === undefined ? {} : { hashSize } };
    const asks = doubles[0]!.now!.asks!;
    return await during(
      cluster,
      asks.attach(name, wish, 5000).then(() => "made", (error: CtdbxError) => error.message),
    );
  };
  const sizes = () =>
    cluster.nodes[0]!.state.adopted!.dbs.map(({ name, hashSize }) => [name, hashSize]);
  await asked(cluster, 0, "tunable set", { name: "DatabaseHashSize", to: "101" });
  await attach("first");
  await attach("second", 77);
  await asked(cluster, 0, "db attach", { name: "third" });
  assert.equal(sizes(), [["first", 101], ["second", 77], ["third", 101]]);
  await asked(cluster, 0, "tunable set", { name: "AllowClientDBAttach", to: "0" });
  assert.match(
    await attach("fourth"),
    "Cannot make database fourth: the tunable AllowClientDBAttach is 0",
  );
  assert.is(await attach("first"), "made", "one that is there they may use");
  await asked(cluster, 0, "tunable reset", { name: "DatabaseHashSize" });
  await asked(cluster, 0, "db attach", { name: "fifth" });
  assert.equal(sizes().at(-1), ["fifth", undefined], "an operator may");
});

test.either("odd values set at random, with crashes and cuts: in the end all nodes say the same", async () => {
  const dice = new SeededDice(18);
  const cluster = await startedWithMetadata(18);
  const settable = ACTIVE.filter(({ wild }) => wild.length > 1);
  const touched = new Set<string>();
  for (let round = 0; round < 40; round++) {
    const entry = settable[dice.below(settable.length)]!;
    const value = entry.wild[dice.below(entry.wild.length)]!;
    const n = dice.below(3);
    touched.add(entry.name);
    const nodes = dice.chance(1, 3) ? { nodes: [`n${dice.below(3)}`] } : {};
    const verb = dice.chance(1, 5) ? "tunable reset" : "tunable set";
    const args = {
      name: entry.name,
      ...nodes,
      ...verb === "tunable set" ? { to: `${value}` } : {},
    };
    // A node that is cut off may be without the scope for a while; that is said, and nothing was done.
    await asked(cluster, n, verb, args).catch((error) => {
      assert.ok(["timeout", "state", "busy"].includes((error as CtdbxError).code), String(error));
    });
    if (round === 12) cluster.crash(2, "power");
    if (round === 12) await cluster.start(2);
    if (round === 25) {
      const old = cluster.leader ?? 0;
      cluster.crash(old, "process");
      await cluster.run(2000);
      await cluster.start(old);
    }
  }
  await cluster.until(() => cluster.allServe, 20_000);
  await cluster.run(30_000);
  for (const name of touched) {
    const seen = [0, 1, 2].map((n) => cluster.nodes[n]!.tunables.own(name).cluster);
    assert.is(new Set(seen).size, 1, `${name}: ${seen}`);
  }
  assert.equal(cluster.ends, []);
});

test.run();
