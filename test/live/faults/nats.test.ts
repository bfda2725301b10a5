/**
 * What a real cluster stands on, NATS: the server is stopped for long, killed, another one without a store is in its
 * place, it comes back with an empty store; a second cluster uses it under the same name.
 */

import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { LeaderAnswer } from "../../../cli/answers.ts";
import { makeCluster } from "../../../cli/dev_cluster.ts";
import { isAlive, until } from "../../../cli/processes.ts";
import { limit } from "../../limit.ts";
import { tool } from "../../tools.ts";
import { eventually, kill } from "../dev_rig.ts";
import { ctdbx, Process } from "../process.ts";
import { ALL, alone, faultSuite, first, NOTICE_MS, now, serverPid, stopped, well } from "./rig.ts";

const test = faultSuite("faults of NATS");

test.after(limit(60_000, async ({ dev, client }) => {
  await client?.close();
  await dev?.giveBack();
}));

test(
  "stopped for long: each node explains it, all leases run out, every node says why; then all is well",
  limit(90_000, async ({ dev }) => {
    const server = serverPid(dev);
    const seen = await dev.moments(ALL, async () => {
      await stopped(server);
      try {
        for (const at of ALL) {
          const hung = await now(dev, at, "nats_hung");
          assert.equal(hung.commands, [`kill -CONT ${server}`]);
        }
        for (const index of ALL) await dev.wait("not-serving,not-leader", index);
        await now(dev, 0, "nats_hung");
        const health = await dev.run("cluster health");
        assert.is(health.exit, 8);
        assert.match(health.out, /n1 does not answer/);
        assert.is((await dev.run("leader show")).exit, 6);
        assert.is((await dev.run("leader yield")).exit, 6);
        assert.ok([1, 9].includes((await dev.run("node ping")).exit));
        for (const index of ALL) assert.ok((dev.moment(index)?.leftMs ?? 0) <= 0);
      } finally {
        kill(server, "SIGCONT");
      }
      await dev.well();
    });
    assert.ok(ALL.every((index) => seen.some(({ node, leftMs }) => node === index && leftMs < 0)));
    await well(dev);
  }),
);

test(
  "killed, its store lost: another one without JetStream, then its own again; the token does not go back",
  limit(90_000, async ({ dev }) => {
    const before = await dev.json<LeaderAnswer>("leader show");
    const server = serverPid(dev);
    await alone(dev, async () => {
      await stopped(server);
      rmSync(join(dev.home, "nats", "store"), { recursive: true, force: true });
      kill(server, "SIGKILL");
      await until(() => !isAlive(server), NOTICE_MS);
      const down = await now(dev, 0, "nats_down");
      assert.match(down.next.join("\n"), /keeper of this cluster .* is stopped/);
      const plain = new Process([tool("nats-server"), "-a", "127.0.0.1", "-p", String(dev.port)]);
      try {
        const lock = await first(dev, 0, "lock_unreadable");
        assert.match(lock.evidence.join("\n"), "the server has no JetStream");
      } finally {
        await plain.end();
      }
    });
    await eventually("another server", () => ![0, server].includes(serverPid(dev)));
    await well(dev);
    const after = await dev.json<LeaderAnswer>("leader show");
    assert.ok(Number(after.election) >= Number(before.election));
    if (after.leader === before.leader) assert.is(after.token, before.token);
    // The register is made anew by whoever leads.
    await eventually("the lock names the leader", async () => {
      const { holder } = await dev.json<{ holder?: string }>("lock show");
      return holder === (await dev.json<LeaderAnswer>("leader show")).leader;
    });
  }),
);

test(
  "a second cluster under the same name, with a leader of its own: exit code 10",
  limit(60_000, async ({ dev }) => {
    const made = join(dev.home, "made");
    await makeCluster(made, 1);
    const home = join(dev.home, "n9");
    renameSync(join(made, "n0"), home);
    rmSync(made, { recursive: true });
    // By the key of another node: it may log in.
    const config = readFileSync(dev.paths(2).config, "utf8")
      .replace(/^name = .*$/m, `name = "n9"`)
      .replace(/^\[nats\.users\]\n(?:.+\n)*/m, "")
      .replace(/^kind = .*$/m, `kind = "single"`);
    writeFileSync(join(home, "ctdbx.toml"), config);
    const daemon = ctdbx(["daemon", "run", "--home", home]);
    try {
      const split = await first(dev, 0, "split_brain");
      assert.match(split.evidence.join("\n"), /n9 follows n0 in a cluster "dev" with the id/);
      assert.match(split.evidence.join("\n"), /n0, n1 and n2 follow n\d in a cluster "dev"/);
    } finally {
      daemon.signal("SIGTERM");
      await daemon.ended;
      await daemon.end();
      rmSync(home, { recursive: true });
    }
    await well(dev);
  }),
);

test.run();
