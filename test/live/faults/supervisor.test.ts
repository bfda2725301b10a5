/**
 * Supervisors of a real cluster are killed: one takes its daemon with it, two are too many; the keeper mends both.
 */

import * as assert from "uvu/assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { keeperOf } from "../../../cli/dev_cluster.ts";
import { isAlive, supervisorOf, until } from "../../../cli/processes.ts";
import { limit } from "../../limit.ts";
import { type DevCluster, eventually, kill } from "../dev_rig.ts";
import { ALL, alone, faultSuite, first, NOTICE_MS, now, well } from "./rig.ts";

const test = faultSuite("supervisors that are killed");

test.after(limit(60_000, async ({ dev, client }) => {
  await client?.close();
  await dev?.giveBack();
}));

/** Does the keeper start the supervisor of a node again? Not one that `daemon start` has started. */
function isKept(dev: DevCluster, node: number): boolean {
  const pid = supervisorOf(dev.paths(node).run) ?? 0;
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [, parent = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(parent) === keeperOf(dev.home);
}

test(
  "one takes its daemon with it, a second one the quorum; the keeper starts both again",
  limit(120_000, async ({ dev }) => {
    if (!ALL.some((node) => isKept(dev, node))) {
      await dev.dev("down");
      await dev.dev("up");
    }
    // The first of two is one that is kept.
    const [one, two, at] = [...ALL].sort((a, b) => Number(isKept(dev, b)) - Number(isKept(dev, a)));
    await killBoth(dev, one as number, two as number, at as number);
  }),
);

async function killBoth(dev: DevCluster, one: number, two: number, at: number): Promise<void> {
  const isKeptToo = isKept(dev, two);
  const supervisor = supervisorOf(dev.paths(one).run) ?? 0;
  const daemon = await dev.pid(one);
  await alone(dev, async () => {
    kill(supervisor, "SIGKILL");
    await until(() => !isAlive(daemon), NOTICE_MS);
    assert.not.ok(isAlive(daemon));
    for (const asked of [one, at]) {
      const killed = await now(dev, asked, `supervisor_killed@n${one}`);
      assert.match(killed.evidence.join("\n"), `process ${supervisor}, its supervisor`);
      assert.match(killed.next.join("\n"), "keeper of its cluster");
    }
    kill(supervisorOf(dev.paths(two).run) ?? 0, "SIGKILL");
    const lost = await first(dev, at, "no_quorum");
    assert.match(lost.title, /1 of 3 voters is there, 2 are needed/);
    assert.equal(
      [...lost.commands].sort(),
      [one, two].sort().map((index) => `ctdbx daemon start --home ${join(dev.home, `n${index}`)}`),
    );
    assert.ok(lost.also.some(({ id, node }) => id === "supervisor_killed" && node === `n${two}`));
    const table = await dev.run("cluster explain", at);
    assert.match(table.out, /^1\. No quorum: /);
  });
  if (!isKeptToo) await dev.ok("daemon start", two);
  await eventually("both are new", async () => {
    const now = supervisorOf(dev.paths(one).run);
    return now !== undefined && now !== supervisor &&
      await dev.pid(one).catch(() => daemon) !== daemon;
  });
  await well(dev);
}

test.run();
