/** Workloads on records: what they count, and that they find what is wrong. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Cluster, Database } from "../../actors/client/types.ts";
import { runFolders } from "../../cli/commands/bench_records.ts";
import { pathsInHome } from "../../cli/config.ts";
import { devNode } from "../../cli/dev_cluster.ts";
import {
  fetchLoop,
  fetchRing,
  hotCounter,
  type Player,
  Times,
  traverseAll,
} from "../../cli/record_bench.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { ClusterDouble } from "./cluster_double.ts";

const test = suite("cli/record_bench");
const WISH = { seconds: 0.02, clients: 2, records: 30, bytes: 100, onProgress: () => {} };

async function players(double: ClusterDouble, count = 3): Promise<Player[]> {
  const all: Player[] = [];
  for (let pnn = 0; pnn < count; pnn += 1) {
    const made = await double.connect({});
    const cluster = new Proxy(made, {
      get: (target, name) => name === "pnn" ? pnn : target[name as keyof Cluster],
    });
    all.push({ cluster, db: await cluster.attach("bench") });
  }
  return all;
}

test("percentiles are those of what was added, also when most of it is thinned out", () => {
  const times = new Times();
  assert.is(times.at(0.5), 0);
  for (let at = 0; at < 1000; at += 1) times.add(at);
  assert.equal([times.at(0.5), times.at(0.99), times.at(0.999), times.at(1)], [500, 990, 999, 999]);
  const many = new Times();
  for (let at = 0; at < 1_500_000; at += 1) many.add(at % 1000);
  assert.is(many.count, 1_500_000);
  assert.ok(Math.abs(many.at(0.9) - 900) < 20, String(many.at(0.9)));
});

test("all nodes of a dev cluster take part, also when one of them is named; of other folders the one", () => {
  const home = mkdtempSync(join(tmpdir(), "ctdbx-bench-"));
  try {
    writeFileSync(join(home, "dev.json"), JSON.stringify({ nodes: 3 }));
    const all = [0, 1, 2].map((n) => join(home, `n${n}`, "run"));
    const runs = (folder: string) => runFolders({ home: folder }, { paths: pathsInHome(folder) });
    const named = { paths: devNode(home, 0) };
    assert.equal(runFolders({ home }, named), all);
    assert.equal(runs(join(home, "n1")), all);
    assert.equal(runs(`${home}/n2/`), all);
    // Beside a cluster, and no node of it.
    assert.equal(runs(join(home, "other")), [join(home, "other", "run")]);
    assert.equal(runs(join(home, "n7")), [join(home, "n7", "run")]);
  } finally {
    rmSync(home, { recursive: true });
  }
});

test("each program changes its own records, and all of them are there first", async () => {
  const double = new ClusterDouble();
  const found = await fetchLoop(await players(double), WISH);
  assert.is(double.records("bench").size, 3 * 2 * 30);
  assert.ok(found.count > 0 && found.unknown === 0);
});

test("each workload does something, also when its time is over at once", async () => {
  const wish = { ...WISH, seconds: 0 };
  for (const work of [fetchLoop, fetchRing]) {
    const double = new ClusterDouble();
    assert.ok((await work(await players(double), wish)).count > 0);
  }
});

test("the ring adds one at each node", async () => {
  const double = new ClusterDouble();
  const { count } = await fetchRing(await players(double), WISH);
  const value = double.records("bench").get("ring") ?? new Uint8Array(8);
  assert.is(new DataView(value.buffer).getBigUint64(0, true), BigInt(count));
});

test("the hot counter holds what was added; what is not known may be in it or not", async () => {
  const double = new ClusterDouble();
  let calls = 0;
  double.trouble = (operation) =>
    operation === "incr" && ++calls === 3 ? new CtdbxError("unknown", "Cannot tell") : undefined;
  const found = await hotCounter(await players(double), WISH);
  assert.ok(found.count > 0);
  assert.is(found.unknown, 1);
});

test("a counter that lost an addition is found", async () => {
  const double = new ClusterDouble();
  const all = await players(double);
  const [first] = all as [Player];
  let calls = 0;
  const db = new Proxy(first.db, {
    get(target, name) {
      if (name !== "increment") return target[name as keyof Database];
      return (key: string, by: number) =>
        ++calls === 3 ? Promise.resolve(0n) : target.increment(key, by);
    },
  });
  let failure: unknown;
  try {
    await hotCounter([{ ...first, db }, ...all.slice(1)], WISH);
  } catch (error) {
    failure = error;
  }
  assert.match(String(failure), /Cannot trust the counter: \d+ were added, 0 perhaps, it holds/);
});

test("a traverse that misses a record is found", async () => {
  const double = new ClusterDouble();
  const all = await players(double);
  assert.ok((await traverseAll(all, WISH)).count > 0);
  const lossy = all.map(({ cluster, db }) => ({
    cluster,
    db: new Proxy(db, {
      get(target, name) {
        if (name !== "traverse") return target[name as keyof Database];
        return () => target.traverse({ prefix: "traverse/", limit: 29 });
      },
    }),
  }));
  let failure: unknown;
  try {
    await traverseAll(lossy, WISH);
  } catch (error) {
    failure = error;
  }
  assert.match(String(failure), /Cannot trust the traverse: 29 of 30 came/);
});

test.run();
