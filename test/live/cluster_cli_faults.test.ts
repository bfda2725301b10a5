/**
 * Faults of nodes in a real cluster: killed, stopped, cut off, skewed, shut down in order, without its files.
 *
 * What a node may serve is read off its state page, as client programs do; a look every few milliseconds, while the
 * fault lasts and until all is well again.
 */

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { LeaderAnswer } from "../../cli/answers.ts";
import { askOnce } from "../../cli/commands/asking.ts";
import { isAlive, supervisorOf } from "../../cli/processes.ts";
import { readIdentity } from "../../actors/storage/node_identity.ts";
import { RealDisk } from "../../transport/real_disk.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { undisturbed } from "../undisturbed.ts";
import { DevCluster, eventually, kill, type Moment } from "./dev_rig.ts";

const test = sharedSuite<{ dev: DevCluster }>("live cluster faults");
const ALL = [0, 1, 2];

test.before(limit(60_000, async (context) => void (context.dev = await DevCluster.up(3))));
test.after(limit(60_000, async ({ dev }) => await dev?.down()));

/** Runs `work`; when the machine stood still and it has failed for that, again with a cluster that is well. */
async function unspoiled(dev: DevCluster, work: () => Promise<void>): Promise<void> {
  let isFirst = true;
  await undisturbed(async () => {
    if (!isFirst) await mend(dev);
    isFirst = false;
    await work();
  });
}

async function mend(dev: DevCluster): Promise<void> {
  for (const index of ALL) {
    if (supervisorOf(dev.paths(index).run) === undefined) await dev.ok("daemon start", index);
    await dev.dev(`chaos heal n${index}`);
  }
  await dev.well();
}

/** Another node than these. */
function other(...taken: readonly number[]): number {
  return ALL.find((index) => !taken.includes(index)) as number;
}

/** Moments at which a life up to this one may serve. */
function servedBy(seen: readonly Moment[], node: number, incarnation: bigint): readonly Moment[] {
  return seen.filter((moment) =>
    moment.node === node && moment.incarnation <= incarnation && moment.leftMs > 0
  );
}

/** From when on the others serve by another view: the former life of `out` must not serve any more. */
function afterNewView(seen: readonly Moment[], out: number, generation: bigint): Moment[] {
  const at = seen.findIndex((moment) =>
    moment.node !== out && moment.generation > generation && moment.leftMs > 0
  );
  return at < 0 ? [] : seen.slice(at);
}

test(
  "kill -9 of a daemon: certified, and back in the view in a new life",
  limit(180_000, ({ dev }) =>
    unspoiled(dev, async () => {
      const leader = await dev.leader();
      const victim = other(leader);
      const before = await dev.node(victim, leader);
      const pid = await dev.pid(victim);
      const life = BigInt(before.incarnation ?? 0);
      const known = (await dev.history(leader)).length;
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
      await dev.well();
      assert.is.not(await dev.pid(victim), pid);
    })),
);

test(
  "SIGSTOP of the leader: another leads; woken, it serves nothing before it is in again",
  limit(60_000, async ({ dev }) => {
    const old = await dev.leader();
    const witness = other(old);
    const { incarnation } = await dev.node(old, witness);
    const life = BigInt(incarnation ?? 0);
    const generation = dev.moment(witness)?.generation ?? 0n;
    const pid = await dev.pid(old);
    const seen = await dev.moments(ALL, async () => {
      kill(pid, "SIGSTOP");
      try {
        await dev.wait(`leader,not-leader=n${old},members=2,serving`, witness);
        assert.match(await dev.dev("status"), new RegExp(`n${old} .* silent`));
      } finally {
        kill(pid, "SIGCONT");
      }
      await dev.well();
    });
    const later = afterNewView(seen, old, generation);
    assert.ok(later.length > 0);
    assert.equal(servedBy(later, old, life), []);
    const { incarnation: newLife } = await dev.node(old, witness);
    assert.ok(BigInt(newLife ?? 0) > life);
    assert.is(await dev.leader(old), await dev.leader(witness));
  }),
);

test(
  "a follower that is cut off says so, serves nothing, and heals alone",
  limit(180_000, ({ dev }) =>
    unspoiled(dev, async () => {
      const leader = await dev.leader();
      const victim = other(leader);
      const { election } = await dev.json<LeaderAnswer>("leader show", leader);
      const life = BigInt((await dev.node(victim, leader)).incarnation ?? 0);
      const generation = dev.moment(leader)?.generation ?? 0n;
      const seen = await dev.moments(ALL, async () => {
        await dev.dev(`chaos partition n${victim} 1m`);
        await dev.wait("members=2,serving", leader);
        await dev.wait("not-leader,not-serving", victim);
        const alone = await dev.run("leader show", victim);
        assert.is(alone.exit, 6);
        assert.match(alone.err, "a leader needs a majority");
        assert.is((await dev.run("leader yield", victim)).exit, 6);
        const health = await dev.run("cluster health", victim);
        assert.is(health.exit, 8);
        assert.match(health.out, "no leader is known");
        assert.is((await dev.run("cluster health", leader)).exit, 8);
        assert.is((await dev.run("node ping", leader)).exit, 9);
        await dev.dev(`chaos heal n${victim}`);
        await dev.well();
      });
      const later = afterNewView(seen, victim, generation);
      assert.ok(later.length > 0);
      assert.equal(servedBy(later, victim, life), []);
      // It came back without an election.
      assert.is((await dev.json<LeaderAnswer>("leader show", leader)).election, election);
      assert.is(await dev.leader(victim), leader);
    })),
);

test(
  "a leader that is cut off leads no longer, though the lock is still in its reach",
  limit(60_000, async ({ dev }) => {
    const old = await dev.leader();
    const witness = other(old);
    const life = BigInt((await dev.node(old, witness)).incarnation ?? 0);
    const generation = dev.moment(witness)?.generation ?? 0n;
    const seen = await dev.moments(ALL, async () => {
      await dev.dev("chaos partition leader 1m");
      await dev.wait(`leader,not-leader=n${old},members=2,serving`, witness);
      await dev.wait(`not-leader=n${old},not-serving`, old);
      await dev.dev(`chaos heal n${old}`);
      await dev.well();
    });
    const later = afterNewView(seen, old, generation);
    assert.ok(later.length > 0);
    assert.equal(servedBy(later, old, life), []);
  }),
);

for (const way of ["in", "out"] as const) {
  test(
    `a follower whose way ${way} is cut is out, changes the leader once at most, and heals alone`,
    limit(180_000, ({ dev }) =>
      unspoiled(dev, async () => {
        const before = await dev.json<LeaderAnswer>("leader show");
        const leader = await dev.leader();
        const victim = other(leader);
        await dev.dev(`chaos partition n${victim} 1m --way ${way}`);
        await dev.wait("not-serving", victim);
        const witness = ALL.find((each) => each !== victim && each !== leader) ?? 0;
        await dev.wait("leader,members=2,serving", witness);
        const during = await dev.json<LeaderAnswer>("leader show", witness);
        assert.ok(Number(during.election) - Number(before.election) <= 1, "no election ping-pong");
        await dev.dev(`chaos heal n${victim}`);
        await dev.well();
      })),
  );
}

test(
  "two followers that do not hear each other both stay: each hears the leader",
  limit(180_000, ({ dev }) =>
    unspoiled(dev, async () => {
      const before = await dev.json<LeaderAnswer>("leader show");
      const { generation } = await dev.status();
      const leader = await dev.leader();
      const [one, two] = ALL.filter((each) => each !== leader) as [number, number];
      await dev.dev(`chaos partition n${one} 6s --from n${two}`);
      const counted = async () =>
        Number((await dev.json<Record<string, unknown>>("daemon status", one))["messagesReceived"]);
      const start = await counted();
      await eventually("twenty more messages", async () => await counted() >= start + 20);
      assert.is((await dev.status()).generation, generation, "the same view");
      assert.is((await dev.json<LeaderAnswer>("leader show")).election, before.election);
      await dev.dev(`chaos heal n${one}`);
      await dev.well();
    })),
);

test(
  "a clock that runs fast and a wall clock that jumps change nothing",
  limit(180_000, ({ dev }) =>
    unspoiled(dev, async () => {
      const { leader, election } = await dev.json<LeaderAnswer>("leader show");
      const { generation } = await dev.status();
      const wallMs = async (index: number) =>
        (await askOnce(dev.paths(index), "node ping") as { wallMs: number }).wallMs;
      for (const index of ALL) {
        await dev.dev(`chaos skew n${index} 1m`);
        assert.ok(await wallMs(index) - Date.now() > 3_500_000);
        const counted = async () =>
          Number(
            (await dev.json<Record<string, unknown>>("daemon status", index))["messagesReceived"],
          );
        const start = await counted();
        await eventually("twenty more messages", async () => await counted() >= start + 20);
      }
      await dev.well();
      const after = await dev.json<LeaderAnswer>("leader show");
      assert.equal([after.leader, after.election], [leader, election]);
      assert.is((await dev.status()).generation, generation);
    })),
);

test("a supervisor that is killed takes its daemon with it; the keeper starts both again", async ({ dev }) => {
  const victim = other(await dev.leader());
  const supervisor = supervisorOf(dev.paths(victim).run) ?? 0;
  const daemon = await dev.pid(victim);
  kill(supervisor, "SIGKILL");
  await eventually("both are new", async () => {
    const now = supervisorOf(dev.paths(victim).run);
    return now !== undefined && now !== supervisor &&
      await dev.pid(victim).catch(() => daemon) !== daemon;
  });
  assert.not.ok(isAlive(daemon));
  await dev.well();
});

test(
  "a planned stop of the leader's node: no lease of the others runs out",
  limit(180_000, ({ dev }) =>
    unspoiled(dev, async () => {
      const old = await dev.leader();
      const others = ALL.filter((index) => index !== old);
      const known = await Promise.all(
        others.map(async (index) => (await dev.history(index)).length),
      );
      const seen = await dev.moments(others, async () => {
        await dev.ok("daemon stop", old);
        for (const index of others) {
          await dev.wait(`leader,not-leader=n${old},members=2,serving`, index);
        }
      });
      // 0: frozen, while the view changes. Below 0: a lease that ran out.
      assert.equal(seen.filter(({ leftMs }) => leftMs < 0), []);
      for (const [at, index] of others.entries()) {
        const news = (await dev.history(index)).slice(known[at]).map(({ text }) => text);
        assert.not.ok(news.includes("suspect: no sign of a leader"), news.join("\n"));
      }
      assert.is(supervisorOf(dev.paths(old).run), undefined);
      assert.is((await dev.run("daemon stop", old)).exit, 3);
      await dev.ok("daemon start", old);
      await dev.well();
    })),
);

test(
  "a node that has lost its metadata votes no more, and says that it belongs to no cluster; the others go on",
  limit(60_000, async ({ dev }) => {
    const leader = await dev.leader();
    const victim = other(leader);
    const { state } = dev.paths(victim);
    const disk = new RealDisk();
    const before = readIdentity(disk, state);
    await dev.ok("daemon stop", victim);
    for (const name of ["meta.a", "meta.b"]) rmSync(join(state, name));
    await dev.ok("daemon start", victim);
    const after = readIdentity(disk, state);
    assert.is(after?.nodeId, before?.nodeId);
    // The vote is bound to the disk that has the promises.
    assert.is.not(after?.diskId, before?.diskId);
    await saysThatItIsNew(dev, victim);
    await dev.ok("daemon stop", victim);
    rmSync(state, { recursive: true });
    await dev.ok("daemon start", victim);
    assert.is.not(readIdentity(disk, state)?.nodeId, before?.nodeId);
    await saysThatItIsNew(dev, victim);
    await dev.wait("members=2,serving", leader);
  }),
);

test("down ends what `daemon start` has started, too", async ({ dev }) => {
  assert.ok(dev.processes().length > 0);
  await dev.dev("down");
  assert.equal(dev.processes(), []);
});

async function saysThatItIsNew(dev: DevCluster, index: number): Promise<void> {
  const { out, exit } = await dev.run("cluster health", index);
  assert.is(exit, 8);
  assert.match(out, "this node belongs to no cluster yet");
  await dev.ok("node runstate --for setup --timeout 20", index);
  const { serving } = await dev.json<Record<string, unknown>>("daemon status", index);
  assert.is(serving, false);
  assert.is((await dev.run("node list", index)).exit, 3);
  assert.is((await dev.run("slot map", index)).exit, 3);
  assert.match(await dev.ok("cluster status", index), "no document yet");
}

test.run();
