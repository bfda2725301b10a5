/**
 * `ctdbx tunable` at three real nodes: set at one it holds at all, over a restart and the death of a thread. And a node
 * that is made as `config import` says takes what that has written.
 */

import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { askOnce } from "../../cli/commands/asking.ts";
import { readConfigFile } from "../../cli/config.ts";
import { until } from "../../cli/processes.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { command, DevCluster } from "./dev_rig.ts";

interface Context {
  dev: DevCluster;
}

interface Row {
  readonly name: string;
  readonly value: number;
  readonly from: string;
  readonly asked?: string;
}

interface Diff {
  readonly name: string;
  readonly differs: string;
  readonly nodes: readonly { readonly name: string; readonly value: number }[];
}

const WAIT_MS = 20_000;
const test = sharedSuite<Context>("live tunable_cli");

test.before(limit(60_000, async (context) => {
  context.dev = await DevCluster.borrow(3);
  // The scope is there when its first record can be read everywhere.
  const isThere = await until(async () => {
    const all = await Promise.all([0, 1, 2].map((n) => history(context.dev, n)));
    return all.every((each) => each !== undefined);
  }, WAIT_MS);
  assert.ok(isThere, "the metadata are there");
}));
test.after(limit(60_000, async ({ dev }) => await dev?.giveBack()));

async function history(dev: DevCluster, n: number): Promise<readonly unknown[] | undefined> {
  return await askOnce(dev.paths(n), "tunable history").catch(() => undefined) as unknown[];
}

/** What a tunable is at each node; undefined where none answers. */
async function values(dev: DevCluster, name: string): Promise<string> {
  const all = await Promise.all([0, 1, 2].map(async (n) => {
    const rows = await askOnce(dev.paths(n), "tunable list").catch(() => []) as Row[];
    return rows.find((row) => row.name === name)?.value;
  }));
  return all.join(" ");
}

async function become(dev: DevCluster, name: string, wanted: string): Promise<void> {
  let seen = "";
  const isSo = await until(async () => (seen = await values(dev, name)) === wanted, WAIT_MS);
  assert.ok(isSo, `${name} is ${seen}, not ${wanted}`);
}

test("set at one node for all, and for one: ls, get, diff and history say so; reset undoes it", async ({ dev }) => {
  const set = await dev.ok("tunable set vacuumage 700", 1);
  assert.match(set, "VacuumAge: 700 ms is set for the cluster now, nothing was before");
  await dev.ok("tunable set VacuumAge 2000 -n n2", 1);
  await become(dev, "VacuumAge", "700 700 2000");
  const changed = await dev.json<Row[]>("tunable ls --changed -n all");
  assert.equal(changed.map(({ asked, value, from }) => [asked, value, from]), [
    ["n0", 700, "cluster"],
    ["n1", 700, "cluster"],
    ["n2", 2000, "node"],
  ]);
  const got = await dev.json<{ cluster: number; nodes: object[] }>("tunable get vacuumAGE", 2);
  assert.equal([got.cluster, got.nodes], [700, [{ pnn: 2, name: "n2", value: 2000 }]]);
  const diff = await dev.json<Diff[]>("tunable diff --between");
  assert.equal(diff.map(({ name, nodes }) => [name, nodes.map(({ value }) => value)]), [
    ["VacuumAge", [700, 700, 2000]],
  ]);
  // A node has its value before its copy of what all have set.
  let changes: { place: string; after: number; when: string }[] = [];
  await until(async () => {
    changes = await dev.json("tunable history");
    return changes.length >= 2;
  }, WAIT_MS);
  assert.equal(changes.map(({ place, after }) => [place, after]), [["cluster", 700], ["n2", 2000]]);
  assert.ok(
    Math.abs(Date.parse(changes[0]?.when ?? "") - Date.now()) < 600_000,
    "by the wall clock",
  );
  assert.match(
    await dev.ok("tunable set KeepaliveLimit 5"),
    "it changes nothing in ctdbx: when a silent",
  );
  await dev.ok("tunable reset VacuumAge -n all");
  await dev.ok("tunable reset VacuumAge");
  await become(dev, "VacuumAge", "1000 1000 1000");
});

test("it stays when the thread of the metadata dies, and when the daemon is started anew", async ({ dev }) => {
  await dev.ok("tunable set BanCredits 5");
  await become(dev, "BanCredits", "5 5 5");
  await askOnce(dev.paths(0), "chaos shard");
  await until(async () => await history(dev, 0) !== undefined, WAIT_MS);
  await dev.ok("tunable set BanCredits 6", 1);
  await become(dev, "BanCredits", "6 6 6");
  const home = join(dev.home, "n2");
  await command(["daemon", "stop", "--home", home, "--wait"]);
  await dev.ok("tunable set BanCredits 7");
  await command(["daemon", "start", "--home", home, "--wait"]);
  await become(dev, "BanCredits", "7 7 7");
  const saved = () => JSON.parse(readFileSync(join(home, "state/tunables.json"), "utf8"));
  // It is in force before it is written.
  await until(() => saved().set.BanCredits?.cluster === 7, WAIT_MS);
  assert.equal(saved().set.BanCredits, { cluster: 7 });
});

test(
  "a folder of ctdb: a node that is made as it says takes what was written",
  limit(60_000, async () => {
    const folder = mkdtempSync(join(tmpdir(), "ctdbx-import-"));
    try {
      const etc = join(folder, "etc");
      mkdirSync(etc);
      writeFileSync(join(etc, "nodes"), "127.0.0.1\n");
      writeFileSync(join(etc, "ctdb.conf"), "[logging]\nlog level = DEBUG\n");
      writeFileSync(join(etc, "notify.sh"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
      const to = join(folder, "sections.toml");
      const done = await command(["config", "import", etc, "--to", to, "-o", "json"]);
      assert.is(done.exit, 0, done.err);
      const { data } = JSON.parse(done.out) as { data: { commands: { command: string }[] } };
      const [create = ""] = data.commands.map(({ command }) => command);
      const home = join(folder, "n0");
      // In a home of its own, and at a port that is free.
      const words = create.replace(/^ctdbx /, "").replace("--node-name n0", `--home ${home}`)
        .replace(/--listen \S+/, "--servers 127.0.0.1:1").split(" ");
      const made = await command(words);
      assert.is(made.exit, 0, made.err);
      appendFileSync(join(home, "ctdbx.toml"), readFileSync(to));
      const config = readConfigFile(join(home, "ctdbx.toml"));
      assert.is(config.log.level, "debug");
      assert.is(config.notify?.length, 1);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }),
);

test.run();
