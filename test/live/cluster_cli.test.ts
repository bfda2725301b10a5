/** The commands of a cluster against three real nodes: what they print, in each form, and how they end. */

import { join } from "node:path";
import * as assert from "uvu/assert";
import type { ClusterAnswer, LeaderAnswer, NodeAnswer, SlotAnswer } from "../../cli/answers.ts";
import { keeperOf } from "../../cli/dev_cluster.ts";
import type { LeaderReason } from "../../cli/leader_reason.ts";
import { isAlive, until } from "../../cli/processes.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { undisturbed } from "../undisturbed.ts";
import { command, dataOf, DevCluster, kill } from "./dev_rig.ts";
import { everywhere, set } from "./metadata.ts";
import { ctdbx } from "./process.ts";

const test = sharedSuite<{ dev: DevCluster }>("live cluster commands");

test.before(limit(60_000, async (context) => void (context.dev = await DevCluster.borrow(3))));
test.after(limit(60_000, async ({ dev }) => await dev?.down()));

test("up and status: all processes are named, and a second up is refused", async ({ dev }) => {
  await undisturbed(async () => {
    const rows = dataOf<Record<string, unknown>[]>(await dev.dev("status -o json"));
    assert.equal(rows.map(({ name }) => name), ["n0", "n1", "n2"]);
    for (const { pid, supervisor, condition, serving } of rows) {
      assert.ok(isAlive(pid as number) && isAlive(supervisor as number));
      assert.equal([condition, serving], ["ok", true]);
    }
  });
  const again = await command(["dev", "up", "--home", dev.home]);
  assert.is(again.exit, 4);
  assert.match(again.err, "it is up");
  const taken = await command(["daemon", "start", "--home", join(dev.home, "n0")]);
  assert.is(taken.exit, 4);
  assert.match(taken.err, "runs already");
});

test("cluster status sums up what it shows; json, jsonl and csv hold the same", async ({ dev }) => {
  const table = await dev.ok("cluster status");
  assert.match(
    table,
    /^Cluster +dev \([0-9a-f]{32}\)\nLeader +n\d\nView +\d+\.\d+\.\d+, 3 of 3 nodes\n/,
  );
  assert.match(table, /\nWell: all 3 nodes are ok, n\d leads\n$/);
  const whole = await dev.json<ClusterAnswer>("cluster status");
  assert.equal([whole.members, whole.voters, whole.serving, whole.troubles], [3, 3, true, []]);
  assert.match(whole.generation ?? "", /^\d+$/);
  const lines = (await dev.ok("cluster status -o jsonl")).trim().split("\n");
  const nodes = lines.map((line) => JSON.parse(line) as NodeAnswer);
  assert.equal(nodes.map(({ name }) => name), ["n0", "n1", "n2"]);
  assert.is(nodes.filter(({ isLeader }) => isLeader).length, 1);
  const csv = (await dev.ok("node list -o csv")).trim().split("\n");
  assert.is(
    csv[0],
    "pnn,name,addr,condition,isLeader,isVoter,isMember,isThis,zone,incarnation,runstate,heardMsAgo," +
      "why,nodeId,tag",
  );
  assert.is(csv.length, 4);
});

test("each node tells of itself, also to another one that asks for it", async ({ dev }) => {
  const own = await dev.json<Record<string, unknown>>("daemon status");
  assert.equal([own["name"], own["runstate"], own["bus"]], ["n0", "running", "connected"]);
  const [other] = await dev.json<Record<string, unknown>[]>("node status n2");
  assert.equal([other?.["name"], other?.["condition"]], ["n2", "ok"]);
  const rows = await dev.json<Record<string, unknown>[]>("node status all");
  assert.equal(
    rows.map(({ name, serving }) => [name, serving]),
    [0, 1, 2].map((at) => [`n${at}`, true]),
  );
  assert.is((await dev.ok("node runstate")).trim(), "running");
  assert.match(await dev.ok("node runstate 1"), /1 +n1 +running/);
  await dev.ok("node runstate all --for running");
  const wrong = await dev.run("node runstate --for shutdown");
  assert.is(wrong.exit, 8);
  assert.match(wrong.err, "this node is in running");
  assert.is((await dev.run("node status n9")).exit, 3);
  assert.match((await dev.run("node ping n9")).err, "known are n0, n1, n2");
  const pings = await dev.json<{ name: string; ms: number }[]>("node ping");
  assert.ok(pings.length === 3 && pings.every(({ ms }) => ms > 0));
});

test("leader show --why names who agrees, who is next, and how it came", async ({ dev }) => {
  const { leader, sinceMs, isGranting } = await dev.json<LeaderAnswer>("leader show");
  assert.ok(sinceMs !== undefined && sinceMs > 0 && isGranting === true);
  const why = await dev.json<LeaderReason>("leader show --why");
  assert.is(why.leader, leader);
  assert.equal([...why.agree].sort(), ["n0", "n1", "n2"]);
  assert.is(why.next.length, 2);
  assert.not.ok(why.next.includes(why.leader));
  assert.match(why.story ?? "", `${leader} chosen ${why.token}`);
  assert.match(
    await dev.ok("leader show --why"),
    /Next in line +n\d, n\d\nWould change it +no sign of/,
  );
  assert.match(await dev.ok("leader show"), /Grants leases +true/);
});

test("lock show and slot map agree with the leader and the members", async ({ dev }) => {
  const lock = await dev.json<{ kind: string; holder: string; token: string }>("lock show");
  const leader = await dev.json<LeaderAnswer>("leader show");
  assert.equal([lock.kind, lock.holder, lock.token], ["jetstream", leader.leader, leader.token]);
  const map = await dev.json<SlotAnswer>("slot map");
  assert.is(map.homes.length, 1024);
  assert.equal(map.members.map(({ pnn }) => pnn), [0, 1, 2]);
  assert.is(map.members.reduce((sum, { slots }) => sum + slots, 0), 1024);
  const moves = await dev.json<{ slot: number; to: number }[]>("slot map --diff");
  assert.is(moves.length, map.moved);
  for (const { slot, to } of moves) assert.is(map.homes[slot], to);
  const slots = await dev.json<{ slot: number; home: number }[]>("slot map --slots");
  assert.equal(slots.map(({ home }) => home), map.homes);
  assert.is((await dev.run("slot map --slots --diff")).exit, 2);
});

test("the lead goes where it is wanted, and no lease ends for it", ({ dev }) =>
  undisturbed(async () => {
    await dev.well();
    const former = await dev.leader();
    const view = (await dev.status()).generation;
    const target = [0, 1, 2].find((index) => index !== former) as number;
    const seen = await dev.moments([0, 1, 2], async () => {
      await dev.ok(["leader", "yield", "--to", `n${target}`, "--why", "a test wants it"]);
      for (const index of [0, 1, 2]) await dev.wait(`leader=n${target}`, index);
    });
    assert.ok(seen.length > 10);
    assert.equal(seen.filter(({ leftMs }) => leftMs <= 0), []);
    assert.is((await dev.status()).generation, view);
    assert.match(await dev.ok("leader history all"), "yields: a test wants it");
    assert.is(await dev.ok(`leader yield --to n${target}`), `n${target} leads already\n`);
  }));

test("a node that is none gets no lead, and too long a reason is refused", async ({ dev }) => {
  assert.is((await dev.run("leader yield --to n7")).exit, 3);
  assert.is((await dev.run(["leader", "yield", "--why", "x".repeat(201)])).exit, 2);
});

test("wait: what is so is said, what is not ends with 8 and what is missing", async ({ dev }) => {
  assert.match(await dev.ok("cluster wait --for all-ok --for leader,members=3"), /: so after/);
  await dev.ok("cluster wait --for node=n1:ok,not-node=n2:banned,serving,not-members=2");
  const late = await dev.run("cluster wait --for members=7 --timeout 0.2");
  assert.is(late.exit, 8);
  assert.match(late.err, "the view has 3 members");
  const never = await dev.run("cluster wait --for node=n9:ok -o json");
  assert.is(never.exit, 3);
  assert.match(JSON.parse(never.err).error.message, "known are n0, n1, n2");
});

for (
  const words of [
    "cluster wait",
    "cluster wait --for",
    "cluster wait --for leader=",
    "cluster wait --for members=-1",
    "cluster wait --for node=n0",
    "cluster wait --for node=n0:ok:ok",
    "cluster wait --for not-not-",
    "cluster wait --for leader --timeout -1",
    "cluster status extra",
    "node runstate --for happy",
    "leader history --limit 0",
    "watch --count 0",
    "dev chaos pause n9 1s",
    "dev chaos pause n0 1h",
  ]
) {
  test(`an odd call ends with 2: ${words}`, async ({ dev }) => {
    const isDev = words.startsWith("dev");
    const { exit, err } = isDev
      ? await command([...words.split(" "), "--home", dev.home])
      : await dev.run(words);
    assert.is(exit, 2, err);
    assert.match(err, /^ctdbx: Cannot .+\nhint: |^ctdbx: Cannot .+targets are/);
  });
}

test("the folder of the cluster stands for any node that answers", async ({ dev }) => {
  const { exit, out } = await command(["cluster", "status", "--home", dev.home]);
  assert.is(exit, 0);
  assert.match(out, "Well: all 3 nodes are ok");
  const nowhere = await command(["cluster", "status", "--home", "/tmp/there-is-no-such-home"]);
  assert.is(nowhere.exit, 3);
  assert.match(nowhere.err, "hint: ");
});

test("watch tells what happens and where; SIGINT ends it with 0", async ({ dev }) => {
  const watch = ctdbx(["watch", "-o", "jsonl", "--home", join(dev.home, "n0")]);
  try {
    const first = JSON.parse(await watch.lines.take());
    assert.equal([first.who, first.what], ["n0", "watching"]);
    const leader = await dev.leader();
    await dev.ok("leader yield");
    const seen = new Set<string>();
    while (!seen.has("chosen") || !seen.has("stepped down")) {
      const event = JSON.parse(await watch.lines.take());
      if (event.what === "stepped down") assert.is(event.who, `n${leader}`);
      if (event.what === "chosen") assert.is.not(event.who, `n${leader}`);
      seen.add(event.what);
    }
    watch.signal("SIGINT");
    assert.is(await watch.ended, 0, watch.err);
  } finally {
    await watch.end();
  }
});

test(
  "SIGTERM of the keeper ends all, what was written is there when it is up again; SIGKILL takes all with it",
  limit(60_000, async ({ dev }) => {
    const keeper = () => keeperOf(dev.home);
    await set(dev, 2, "kept", "yes");
    await everywhere(dev, "kept", "yes");
    const before = dev.processes();
    assert.ok(before.length >= 8, `only ${before.length} processes`);
    kill(keeper() ?? 0, "SIGTERM");
    assert.ok(await until(() => dev.processes().length === 0, 20_000), `left: ${dev.processes()}`);
    assert.is((await command(["dev", "down", "--home", dev.home])).exit, 3);
    assert.is((await dev.run("cluster status")).exit, 3);
    assert.match(await dev.dev("status"), /n0 .* down/);
    await dev.dev("up");
    await everywhere(dev, "kept", "yes");
    kill(keeper() ?? 0, "SIGKILL");
    assert.ok(await until(() => dev.processes().length === 0, 20_000), `left: ${dev.processes()}`);
  }),
);

test.run();
