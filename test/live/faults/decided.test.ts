/**
 * What is wrong with a real cluster in which all nodes run and are heard: clocks, two followers that do not hear each
 * other, nodes that are out by decision.
 */

import * as assert from "uvu/assert";
import type { LeaderAnswer } from "../../../cli/answers.ts";
import { askOnce } from "../../../cli/commands/asking.ts";
import { limit } from "../../limit.ts";
import { type DevCluster, eventually } from "../dev_rig.ts";
import { ALL, faultSuite, first, now, other, tells, unspoiled, well } from "./rig.ts";

const test = faultSuite("decisions and clocks");

test.after(limit(60_000, async ({ dev, client }) => {
  await client?.close();
  await dev?.giveBack();
}));

/** Waits until each of these nodes has had twenty more messages. */
async function twentyMore(dev: DevCluster, ...nodes: readonly number[]): Promise<void> {
  const counted = async (node: number) =>
    Number((await dev.json<Record<string, unknown>>("daemon status", node))["messagesReceived"]);
  await Promise.all(nodes.map(async (node) => {
    const start = await counted(node);
    await eventually("twenty more messages", async () => await counted(node) >= start + 20);
  }));
}

test(
  "clocks that run fast and wall clocks that jump change nothing, and one alone is explained",
  limit(180_000, ({ dev }) =>
    unspoiled(dev, async () => {
      const { leader, election } = await dev.json<LeaderAnswer>("leader show");
      const { generation } = await dev.status();
      const wallMs = async (index: number) =>
        (await askOnce(dev.paths(index), "node ping") as { wallMs: number }).wallMs;
      const at = await dev.leader();
      const victim = other(at);
      for (const index of [victim, ...ALL.filter((each) => each !== victim)]) {
        await dev.dev(`chaos skew n${index} 1m`);
        assert.ok(await wallMs(index) - Date.now() > 3_500_000);
        if (index !== victim) continue;
        const skewed = await now(dev, at, `clock_skew@n${victim}`);
        assert.match(skewed.title, "60 min ahead");
      }
      await twentyMore(dev, ...ALL);
      await dev.well();
      for (const index of ALL) await dev.dev(`chaos heal n${index}`);
      await well(dev);
      const after = await dev.json<LeaderAnswer>("leader show");
      assert.equal([after.leader, after.election], [leader, election]);
      assert.is((await dev.status()).generation, generation);
    })),
);

test(
  "two followers that do not hear each other both stay: each hears the leader",
  limit(180_000, ({ dev }) =>
    unspoiled(dev, async () => {
      const before = await dev.json<LeaderAnswer>("leader show");
      const { generation } = await dev.status();
      const leader = await dev.leader();
      const [one, two] = ALL.filter((each) => each !== leader) as [number, number];
      await dev.dev(`chaos partition n${one} 1m --from n${two}`);
      await twentyMore(dev, one);
      assert.is((await dev.status()).generation, generation, "the same view");
      assert.is((await dev.json<LeaderAnswer>("leader show")).election, before.election);
      await dev.dev(`chaos heal n${one}`);
      await well(dev);
    })),
);

test(
  "a ban, a stop, a drain, a disabled node: explained with the reason, told to monitors, and who asked is named",
  limit(60_000, async ({ dev, client }) => {
    const leader = await dev.leader();
    const [one, two] = ALL.filter((each) => each !== leader) as [number, number];
    client.clear();
    await dev.ok(["node", "ban", `n${one}`, "--for", "60s", "--why", "a test"]);
    await dev.wait(`node=n${one}:banned`, leader);
    const banned = await first(dev, leader, `node_banned@n${one}`);
    assert.match(banned.evidence.join("\n"), "the reason: a test");
    assert.match(banned.next.join("\n"), /ends by itself in (?:60|5\d) s/);
    await eventually(
      "the ban is told, with its reason",
      () =>
        client.of("state").some(({ about, to, why }) =>
          about === `n${one}` && to === "banned" && why === "a test"
        ),
    );
    await dev.ok(`node unban n${one}`);
    await well(dev);

    await dev.ok(`node stop n${two}`);
    await eventually("the stop is told", () => tells(client, two, "stopped"));
    await first(dev, one, `node_stopped@n${two}`);
    await dev.ok(`node continue n${two}`);
    await eventually("both are back", () => tells(client, one, "ok") && tells(client, two, "ok"));
    const asked = client.of("audit").map(({ verb, outcome }) => `${verb} ${outcome}`);
    for (const verb of ["node ban", "node unban", "node flags"]) {
      assert.ok(asked.includes(`${verb} done`), `${verb}: ${asked}`);
    }
    await well(dev);
    for (const flag of ["draining", "disabled"]) {
      const change = (set: string[], clear: string[]) =>
        askOnce(dev.paths(leader), "node flags", { node: `n${two}`, set, clear, why: "a test" });
      await change([flag], []);
      await first(dev, one, `node_${flag}@n${two}`);
      await change([], [flag]);
      await well(dev);
    }
  }),
);

test.run();
