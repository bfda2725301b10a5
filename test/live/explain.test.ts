/**
 * Faults made for real in one cluster, and what `ctdbx cluster explain` says of them: each must be its first finding.
 *
 * What /proc shows is looked at once; what nodes have to notice first is looked for again until they have.
 */

import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { Finding } from "../../actors/explain/explain.ts";
import { askOnce } from "../../cli/commands/asking.ts";
import { keeperOf, makeCluster } from "../../cli/dev_cluster.ts";
import { isAlive, supervisorOf, until } from "../../cli/processes.ts";
import { newNkey } from "../../transport/real_nkeys.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { tool } from "../tools.ts";
import { program } from "./cli_world.ts";
import { dataOf, DevCluster, kill, processesOf } from "./dev_rig.ts";
import { ctdbx, Process } from "./process.ts";

/** Nodes have noticed a fault within this, ms. */
const NOTICE_MS = 20_000;

/** What the command prints as JSON. */
interface Explained {
  readonly healthy: boolean;
  readonly asked: string;
  readonly severity: string | null;
  readonly findings: readonly Finding[];
  readonly checks: readonly string[];
  readonly tookMs: number;
}

interface Context {
  dev: DevCluster;
  /** Nodes that were started by `daemon start`: the keeper does not start them again. */
  unkept: Set<number>;
}

const test = sharedSuite<Context>("live explain");
const ALL = [0, 1, 2];

test.before(limit(60_000, async (context) => {
  context.unkept = new Set();
  context.dev = await DevCluster.up(3);
}));
test.after(limit(60_000, async ({ dev }) => await dev?.down()));

/** Another node than these. */
function other(...taken: readonly number[]): number {
  return ALL.find((index) => !taken.includes(index)) as number;
}

/** What a node explains now. */
async function explained(dev: DevCluster, at: number): Promise<Explained> {
  const { exit, out, err } = await dev.run("cluster explain -o json", at);
  const data = dataOf<Explained>(out);
  const isSplit = data.findings.some(({ id }) => id === "split_brain");
  assert.is(exit, data.healthy ? 0 : isSplit ? 10 : 8, err);
  return data;
}

/** "cause@node" of the first finding. */
function firstOf({ findings }: Explained): string {
  const [first] = findings;
  if (first === undefined) return "nothing";
  return typeof first.node === "string" ? `${first.id}@${first.node}` : first.id;
}

/** Waits until the first finding is this one; answers it. */
async function first(dev: DevCluster, at: number, wanted: string): Promise<Finding> {
  let seen: Explained | undefined;
  await until(async () => firstOf(seen = await explained(dev, at)) === wanted, NOTICE_MS);
  assert.is(firstOf(seen as Explained), wanted, JSON.stringify(seen, undefined, 1));
  return (seen as Explained).findings[0] as Finding;
}

/** The first finding at once. */
async function now(dev: DevCluster, at: number, wanted: string): Promise<Finding> {
  const seen = await explained(dev, at);
  assert.is(firstOf(seen), wanted, JSON.stringify(seen, undefined, 1));
  return seen.findings[0] as Finding;
}

/** Waits until nothing is wrong: by the nodes' word, then by explain's. */
async function well(dev: DevCluster): Promise<void> {
  await dev.well();
  let seen: Explained | undefined;
  await until(async () => (seen = await explained(dev, 0)).healthy, NOTICE_MS);
  assert.ok(seen?.healthy, JSON.stringify(seen, undefined, 1));
}

function serverPid(dev: DevCluster): number {
  return dev.processes().find((pid) =>
    /nats-server\0/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"))
  ) ?? 0;
}

/** Stops a process, and waits until it is: the signal takes effect when it next leaves the kernel. */
async function stopped(pid: number): Promise<void> {
  kill(pid, "SIGSTOP");
  await until(() => /\) T /.test(readFileSync(`/proc/${pid}/stat`, "utf8")), NOTICE_MS);
}

/** Stops the keeper while `work` makes faults that it would mend. */
async function alone(dev: DevCluster, work: () => Promise<void>): Promise<void> {
  const keeper = keeperOf(dev.home) ?? 0;
  await stopped(keeper);
  try {
    await work();
  } finally {
    kill(keeper, "SIGCONT");
  }
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
  "processes that are stopped: a follower, asked at it and at another; the leader; the supervisor",
  limit(60_000, async ({ dev }) => {
    const leader = await dev.leader();
    const victim = other(leader);
    for (const index of [victim, leader]) {
      const pid = await dev.pid(index);
      await stopped(pid);
      try {
        for (const at of ALL) {
          const { commands, evidence } = await now(dev, at, `daemon_stopped@n${index}`);
          assert.equal(commands, [`kill -CONT ${pid}`]);
          assert.match(evidence.join("\n"), new RegExp(`process ${pid} is in state T`));
        }
      } finally {
        kill(pid, "SIGCONT");
      }
      await well(dev);
    }
    const supervisor = supervisorOf(dev.paths(victim).run) ?? 0;
    await stopped(supervisor);
    try {
      const { severity } = await now(dev, victim, `supervisor_stopped@n${victim}`);
      assert.is(severity, "warning");
    } finally {
      kill(supervisor, "SIGCONT");
    }
  }),
);

test(
  "a node that does not run, with a wrong configuration, with wrong credentials, with a full disk",
  limit(90_000, async ({ dev, unkept }) => {
    const leader = await dev.leader();
    const victim = other(leader);
    const name = `n${victim}`;
    unkept.add(victim);
    const { config, state } = dev.paths(victim);
    await dev.ok("daemon stop", victim);
    const down = await now(dev, victim, `daemon_not_running@${name}`);
    assert.match(down.evidence.join("\n"), "ended in order");
    assert.equal(down.commands, [`ctdbx daemon start --home ${join(dev.home, name)}`]);
    await now(dev, leader, `daemon_not_running@${name}`);
    const table = await dev.run(`node explain ${name}`, leader);
    assert.is(table.exit, 8);
    assert.match(
      table.out,
      /^1\. The daemon of .* does not run\n {3}\(error, daemon_not_running\)\n {3}why /,
    );
    assert.match(table.err, "run: ctdbx daemon start");

    const before = readFileSync(config, "utf8");
    writeFileSync(config, before.replace("chaos = true", "chaos = 7"));
    const wrong = await now(dev, victim, `config_error@${name}`);
    assert.match(wrong.evidence.join("\n"), "chaos must be true or false, is 7");

    const key = join(dev.home, "wrong.nkey");
    writeFileSync(key, `${newNkey().seed}\n`, { mode: 0o600 });
    writeFileSync(config, before.replace(/^nkey = .*$/m, `nkey = ${JSON.stringify(key)}`));
    await dev.ok("daemon start", victim);
    const denied = await first(dev, victim, `nats_denied@${name}`);
    assert.match(denied.evidence.join("\n"), "Authorization Violation");
    await first(dev, leader, `nats_denied@${name}`);
    await dev.ok("daemon stop", victim);
    writeFileSync(config, before);
    if (spawnSync("unshare", ["-m", "true"]).status === 0) {
      await fullDisk(dev, victim, state, async () => {
        const full = await first(dev, victim, `disk_full@${name}`);
        assert.match(full.evidence.join("\n"), /has 0 KiB of 512 KiB free/);
        await first(dev, leader, `disk_full@${name}`);
      });
    }
    await dev.ok("daemon start", victim);
    await well(dev);
  }),
);

/**
 * Runs a daemon whose state folder is a disk of its own without room. What it has promised there is taken back to the
 * real folder: a disk that forgets is another fault.
 */
async function fullDisk(
  dev: DevCluster,
  index: number,
  state: string,
  work: () => Promise<void>,
): Promise<void> {
  const home = join(dev.home, `n${index}`);
  const kept = join(home, "kept");
  const [runtime, options] = program();
  const line = [runtime, ...options, "daemon", "run", "--home", home].map((word) => `'${word}'`)
    .join(" ");
  const script = `cp -a '${state}' '${kept}' &&
    mount -t tmpfs -o size=512k,mode=700 none '${state}' && cp -a '${kept}/.' '${state}/' &&
    { dd if=/dev/zero of='${state}/filler' bs=4k 2>/dev/null; ${line};
      rm '${state}/filler'; cp -a '${state}/.' '${kept}/'; }`;
  const daemon = new Process(["unshare", "-m", "sh", "-c", script]);
  try {
    await work();
    kill(await dev.pid(index), "SIGTERM");
    await daemon.ended;
    cpSync(kept, state, { recursive: true });
  } finally {
    await daemon.end();
    rmSync(kept, { recursive: true, force: true });
  }
}

test(
  "ways that are cut: in, out, both; asked at the node and at another",
  limit(60_000, async ({ dev }) => {
    const leader = await dev.leader();
    const victim = other(leader);
    for (const [way, cause] of [["in", "cut_in"], ["out", "cut_out"], ["both", "cut_off"]]) {
      await dev.dev(`chaos partition n${victim} 1m --way ${way}`);
      await first(dev, victim, `${cause}@n${victim}`);
      await first(dev, leader, `${cause}@n${victim}`);
      await dev.dev(`chaos heal n${victim}`);
      await well(dev);
    }
  }),
);

test(
  "a wall clock that jumps; a metadata thread that dies; nodes out by decision",
  limit(60_000, async ({ dev }) => {
    const leader = await dev.leader();
    const victim = other(leader);
    const name = `n${victim}`;
    await dev.dev(`chaos skew ${name} 1m`);
    const skewed = await now(dev, leader, `clock_skew@${name}`);
    assert.match(skewed.title, "60 min ahead");
    await dev.dev(`chaos heal ${name}`);
    await well(dev);

    const paths = dev.paths(leader);
    await askOnce(paths, "node ban", { node: name, banMs: 60_000, why: "a test" });
    const banned = await first(dev, leader, `node_banned@${name}`);
    assert.match(banned.evidence.join("\n"), "the reason: a test");
    assert.match(banned.next.join("\n"), /ends by itself in (?:60|5\d) s/);
    await askOnce(paths, "node unban", { node: name });
    await well(dev);
    for (const flag of ["stopped", "draining", "disabled"]) {
      const change = (set: string[], clear: string[]) =>
        askOnce(paths, "node flags", { node: name, set, clear, why: "a test" });
      await change([flag], []);
      await first(dev, victim, `node_${flag}@${name}`);
      await change([], [flag]);
      await well(dev);
    }

    await askOnce(dev.paths(victim), "chaos shard");
    const died = await first(dev, leader, `shard_crashing@${name}`);
    assert.match(died.evidence.join("\n"), /failed 1 time in this life/);
  }),
);

test(
  "the supervisor killed; then a second one: no quorum",
  limit(60_000, async ({ dev, unkept }) => {
    const [one, two] = [1, 2];
    await alone(dev, async () => {
      const supervisor = supervisorOf(dev.paths(one).run) ?? 0;
      const daemon = await dev.pid(one);
      kill(supervisor, "SIGKILL");
      await until(() => !isAlive(daemon), NOTICE_MS);
      for (const at of [one, 0]) {
        const killed = await now(dev, at, `supervisor_killed@n${one}`);
        assert.match(killed.evidence.join("\n"), `process ${supervisor}, its supervisor`);
        assert.match(killed.next.join("\n"), "keeper of its cluster");
      }
      kill(supervisorOf(dev.paths(two).run) ?? 0, "SIGKILL");
      const lost = await first(dev, 0, "no_quorum");
      assert.match(lost.title, /1 of 3 voters is there, 2 are needed/);
      assert.equal(
        lost.commands,
        [one, two].map((index) => `ctdbx daemon start --home ${join(dev.home, `n${index}`)}`),
      );
      assert.ok(lost.also.some(({ id, node }) => id === "supervisor_killed" && node === "n2"));
      const table = await dev.run("cluster explain");
      assert.match(table.out, /^1\. No quorum: /);
    });
    for (const index of [one, two]) if (unkept.has(index)) await dev.ok("daemon start", index);
    await well(dev);
  }),
);

test(
  "NATS: stopped, killed, without JetStream",
  limit(90_000, async ({ dev }) => {
    await alone(dev, async () => {
      const server = serverPid(dev);
      await stopped(server);
      try {
        for (const at of ALL) {
          const hung = await now(dev, at, "nats_hung");
          assert.equal(hung.commands, [`kill -CONT ${server}`]);
        }
        // The same when all leases are over.
        for (const index of ALL) await dev.wait("not-serving,not-leader", index);
        await now(dev, 0, "nats_hung");
      } finally {
        kill(server, "SIGCONT");
      }
      await well(dev);
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
    await well(dev);
  }),
);

test(
  "a second cluster under the same name on the same NATS, with a leader of its own: exit code 10",
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

test("nothing runs at all: the node is not running; a home that is none: exit code 3", async ({ dev }) => {
  await dev.dev("down");
  assert.equal(processesOf(dev.home), []);
  await now(dev, 1, "nats_down");
  const { exit } = await dev.run(["cluster", "explain"], 9);
  assert.is(exit, 3);
});

test.run();
