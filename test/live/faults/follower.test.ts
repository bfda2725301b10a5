/**
 * A follower of a real cluster: its metadata thread dies, it is killed, cut off both ways and one way, stopped with its
 * supervisor. What it may serve meanwhile, what is told of it, what explains it; and that it heals alone.
 *
 * It serves Prometheus' port, too, from its second life on.
 */

import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import * as assert from "uvu/assert";
import type { ClusterAnswer, LeaderAnswer } from "../../../cli/answers.ts";
import { askOnce } from "../../../cli/commands/asking.ts";
import { supervisorOf } from "../../../cli/processes.ts";
import { limit } from "../../limit.ts";
import { type DevCluster, eventually, kill } from "../dev_rig.ts";
import { everywhere, failures, set } from "../metadata.ts";
import { freePorts } from "../nats.ts";
import { afterNewView, ALL, allSayStopped, faultSuite, first, lifeOf, now, other } from "./rig.ts";
import { servedBy, stopped, tells, unspoiled, well } from "./rig.ts";

interface More {
  /** A follower with Prometheus' port. */
  victim: number;
  /** Its configuration as it was. */
  config: string;
  get: (path: string, method?: string) => Promise<Response>;
}

const test = faultSuite<More>("faults of a follower");

test.before(limit(60_000, async (context) => {
  const { dev } = context;
  const [port] = await freePorts(1);
  context.victim = other(await dev.leader());
  const { config } = dev.paths(context.victim);
  context.config = readFileSync(config, "utf8");
  // The next daemon reads it.
  appendFileSync(config, `\n[metrics]\nlisten = "127.0.0.1:${port}"\n`);
  context.get = (path, method = "GET") => fetch(`http://127.0.0.1:${port}${path}`, { method });
}));
test.after(limit(60_000, async ({ dev, client, victim, config }) => {
  await client?.close();
  if (config !== undefined) writeFileSync(dev.paths(victim).config, config);
  await dev?.giveBack();
}));

/** Sees to it that a node follows. */
async function follows(dev: DevCluster, node: number): Promise<void> {
  if (await dev.leader() === node) await dev.ok("leader yield");
  for (const index of ALL) await dev.wait(`leader,not-leader=n${node}`, index);
}

test("all well: nothing is found, and it is said what was looked at; exit code 0", async ({ dev }) => {
  await well(dev);
  const { exit, out } = await dev.run("cluster explain");
  assert.is(exit, 0);
  assert.match(out, /^All is well/);
  for (const part of [/3 of 3 nodes have answered/, /leads, with a majority/, /greets after/]) {
    assert.match(out, part);
  }
  const about = await dev.run("node explain n1");
  assert.is(about.exit, 0, about.err);
  const unknown = await dev.run("node explain n7");
  assert.is(unknown.exit, 3);
  assert.match(unknown.err, "known are n0, n1, n2");
});

test(
  "a metadata thread that dies is replaced: its node serves on, others notice nothing, and records reach all",
  limit(60_000, async ({ dev, victim }) => {
    const witness = other(victim);
    await set(dev, victim, "first", "1");
    await everywhere(dev, "first", "1");
    const before = await askOnce(dev.paths(witness), "cluster status") as ClusterAnswer;
    await askOnce(dev.paths(victim), "chaos shard");
    await eventually("it was replaced", async () => await failures(dev, victim) === 1);
    const after = await askOnce(dev.paths(witness), "cluster status") as ClusterAnswer;
    assert.is(after.version, before.version, "no new document, no new view");
    assert.ok((await askOnce(dev.paths(victim), "cluster status") as ClusterAnswer).serving);
    const died = await first(dev, witness, `shard_crashing@n${victim}`);
    assert.match(died.evidence.join("\n"), /failed 1 time in this life/);
    await set(dev, victim, "second", "2");
    await everywhere(dev, "second", "2");
    await everywhere(dev, "first", "1");
  }),
);

test(
  "kill -9 of a daemon: certified, told to monitors, and back in the view in a new life",
  limit(180_000, ({ dev, client, victim }) =>
    unspoiled(dev, async () => {
      await follows(dev, victim);
      const leader = await dev.leader();
      const pid = await dev.pid(victim);
      const life = await lifeOf(dev, victim, leader);
      const known = (await dev.history(leader)).length;
      client.clear();
      const seen = await dev.moments([victim], async () => {
        kill(pid, "SIGKILL");
        // The socket of a killed daemon stays, and nobody listens: the next one takes its place.
        assert.ok(existsSync(dev.paths(victim).socket));
        await eventually("a new life is in the view", async () => {
          const { isMember, incarnation } = await dev.node(victim, leader);
          return isMember && BigInt(incarnation ?? 0) > life;
        });
      });
      const texts = (await dev.history(leader)).map(({ text }) => text);
      const certified = texts.indexOf(`certain death of n${victim} up to life ${life}`);
      assert.ok(certified >= 0, texts.join("\n"));
      // Its supervisor is quicker than anybody's doubt.
      const until = texts.slice(known, certified);
      assert.not.ok(
        until.some((text) => text.startsWith(`called dead n${victim}`)),
        until.join("\n"),
      );
      // Not once does the page of the former life say yes after one of the new life was there.
      const isNew = seen.findIndex(({ incarnation }) => incarnation > life);
      assert.equal(servedBy(seen.slice(isNew), victim, life), []);
      await eventually("the leader tells of it", () => tells(client, victim, "disconnected"));
      await eventually("and of its return", () => tells(client, victim, "ok"));
      await well(dev);
      assert.is.not(await dev.pid(victim), pid);
    })),
);

test(
  "Prometheus' port: metrics, health, and nothing else; the same text as `ctdbx metrics`",
  limit(60_000, async ({ dev, victim, get }) => {
    const own = `{cluster="dev",node="n${victim}"}`;
    await eventually("health is served", async () => {
      const answer = await get("/healthz").catch(() => undefined);
      await answer?.text();
      return answer?.status === 200;
    });
    const metrics = await get("/metrics");
    assert.is(metrics.status, 200);
    assert.match(metrics.headers.get("content-type") ?? "", /^text\/plain; version=0.0.4/);
    let text = await metrics.text();
    assert.ok(text.includes(`\nctdbx_cluster_view_members${own} 3\n`), text);
    const sent = new RegExp(`^ctdbx_messages_sent_total${own} [1-9]\\d*$`, "m");
    await eventually("messages are counted, once a second", async () => {
      text = await (await get("/metrics")).text();
      return sent.test(text);
    });
    const names = (all: string): string[] => all.match(/^# TYPE .*$/gm) ?? [];
    assert.equal(names(text), names(await dev.ok("metrics", victim)));
    const health = await get("/healthz?full");
    assert.equal([health.status, await health.text()], [200, "ok\n"]);
    const others = [await get("/"), await get("/metrics", "POST"), await get("/healthz", "HEAD")];
    assert.equal(others.map(({ status }) => status), [404, 405, 200]);
    await Promise.all(others.map((other) => other.text()));
  }),
);

test(
  "one that is cut off says so, serves nothing, and heals alone",
  limit(180_000, ({ dev, victim, get }) =>
    unspoiled(dev, async () => {
      await follows(dev, victim);
      const leader = await dev.leader();
      const { election } = await dev.json<LeaderAnswer>("leader show", leader);
      const life = await lifeOf(dev, victim, leader);
      const generation = dev.moment(leader)?.generation ?? 0n;
      const seen = await dev.moments(ALL, async () => {
        await dev.dev(`chaos partition n${victim} 1m`);
        await dev.wait("members=2,serving", leader);
        await dev.wait("not-leader,not-serving", victim);
        for (const at of [victim, leader]) await first(dev, at, `cut_off@n${victim}`);
        await refuses(dev, victim, leader);
        const answer = await get("/healthz");
        assert.is(answer.status, 503);
        assert.match(await answer.text(), "no leader is known");
        await dev.dev(`chaos heal n${victim}`);
        await dev.well();
      });
      const later = afterNewView(seen, victim, generation);
      assert.ok(later.length > 0);
      assert.equal(servedBy(later, victim, life), []);
      // It came back without an election.
      assert.is((await dev.json<LeaderAnswer>("leader show", leader)).election, election);
      assert.is(await dev.leader(victim), leader);
      await well(dev);
    })),
);

/** What commands answer at one that is cut off, and at the leader. */
async function refuses(dev: DevCluster, victim: number, leader: number): Promise<void> {
  const alone = await dev.run("leader show", victim);
  assert.is(alone.exit, 6);
  assert.match(alone.err, "a leader needs a majority");
  assert.is((await dev.run("leader yield", victim)).exit, 6);
  const health = await dev.run("cluster health", victim);
  assert.is(health.exit, 8);
  assert.match(health.out, "no leader is known");
  assert.is((await dev.run("cluster health", leader)).exit, 8);
  assert.is((await dev.run("node ping", leader)).exit, 9);
}

for (const way of ["in", "out"] as const) {
  test(
    `one whose way ${way} is cut is out, changes the leader once at most, and heals alone`,
    limit(180_000, ({ dev }) =>
      unspoiled(dev, async () => {
        const before = await dev.json<LeaderAnswer>("leader show");
        const leader = await dev.leader();
        const victim = other(leader);
        await dev.dev(`chaos partition n${victim} 1m --way ${way}`);
        await dev.wait("not-serving", victim);
        const witness = other(victim, leader);
        await dev.wait("leader,members=2,serving", witness);
        for (const at of [victim, leader]) await first(dev, at, `cut_${way}@n${victim}`);
        const during = await dev.json<LeaderAnswer>("leader show", witness);
        assert.ok(Number(during.election) - Number(before.election) <= 1, "no election ping-pong");
        await dev.dev(`chaos heal n${victim}`);
        await well(dev);
      })),
  );
}

test(
  "one that is stopped, then with its supervisor: each node explains it, and silence tells; then its supervisor alone",
  limit(60_000, async ({ dev, client }) => {
    const leader = await dev.leader();
    const victim = other(leader);
    const pid = await dev.pid(victim);
    const supervisor = supervisorOf(dev.paths(victim).run) ?? 0;
    client.clear();
    await stopped(pid);
    try {
      await allSayStopped(dev, victim, pid);
      await stopped(supervisor);
      const both = await now(dev, leader, `daemon_stopped@n${victim}`);
      assert.equal(both.commands, [`kill -CONT ${pid}`, `kill -CONT ${supervisor}`]);
      // Nobody certifies anything.
      await eventually("the leader tells of it", () => tells(client, victim, "disconnected"));
      kill(pid, "SIGCONT");
      await eventually("it is back", () => tells(client, victim, "ok"));
      await dev.well();
      const { severity } = await now(dev, victim, `supervisor_stopped@n${victim}`);
      assert.is(severity, "warning");
    } finally {
      for (const each of [pid, supervisor]) kill(each, "SIGCONT");
    }
    await well(dev);
  }),
);

test.run();
