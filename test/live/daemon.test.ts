/** One daemon: without NATS, with a configuration that is wrong, twice, without space, without its supervisor. */

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startNode } from "../../cli/commands/daemon.ts";
import { pathsInHome } from "../../cli/config.ts";
import { EXIT } from "../../cli/exit_codes.ts";
import { supervisorOf } from "../../cli/processes.ts";
import { limit, skip } from "../limit.ts";
import { program } from "./cli_world.ts";
import { DaemonHome } from "./daemon_home.ts";
import { command, dataOf, eventually, kill, processesOf } from "./dev_rig.ts";
import { freePorts, NatsRig } from "./nats.ts";
import { ctdbx, Process } from "./process.ts";

/** A daemon that finds no NATS at its port. */
interface Waiting {
  readonly home: DaemonHome;
  readonly port: number;
  readonly daemon: Process;
}

interface Context {
  homes: DaemonHome[];
  rig: NatsRig;
  /** One for all tests that want no more, once it runs. */
  waiting: Waiting | undefined;
}

const test = suite<Context>("live daemon");

test.before((context) => {
  context.homes = [];
  context.rig = new NatsRig();
});
test.after.each(async ({ homes }) => {
  for (const home of homes.splice(0)) await home.end();
});
test.after(async ({ rig, waiting }) => {
  await waiting?.home.end();
  await rig.end();
});

/** A node of a cluster of its own, and a port that nobody listens on. */
async function configured(): Promise<{ home: DaemonHome; port: number }> {
  const home = await DaemonHome.member();
  const [port = 0] = await freePorts(1);
  home.configure(port);
  return { home, port };
}

/** The same, removed after the test. */
async function member({ homes }: Context): Promise<{ home: DaemonHome; port: number }> {
  const made = await configured();
  homes.push(made.home);
  return made;
}

/** A daemon that answers, and waits for NATS. */
async function waiting(context: Context): Promise<Waiting> {
  if (context.waiting === undefined) {
    const made = await configured();
    const daemon = ctdbx(["daemon", "run", "--home", made.home.home]);
    context.waiting = { ...made, daemon };
  }
  const { home } = context.waiting;
  await eventually("it answers", async () => (await home.run("node ping n0")).exit === 0);
  return context.waiting;
}

async function statusOf(home: DaemonHome): Promise<Record<string, unknown>> {
  const { out, exit, err } = await home.run("node status -o json");
  assert.is(exit, 0, err);
  return dataOf<Record<string, unknown>[]>(out)[0] ?? {};
}

async function serves(home: DaemonHome): Promise<void> {
  const { exit, err } = await home.run("cluster wait --for all-ok,serving --timeout 20");
  assert.is(exit, 0, err);
}

test.either(
  "a lock in a file: its file system is tried first, then it chooses the leader; a folder that is not there is refused",
  limit(60_000, async (context) => {
    const { home, port } = await member(context);
    await context.rig.server({ client: { port } });
    const lock = join(home.home, "leader.lock");
    home.configure(port, "", `kind = "file"\npath = "${lock}"`);
    const daemon = ctdbx(["daemon", "run", "--home", home.home]);
    try {
      await eventually("an answer", async () => (await home.run("node ping")).exit === 0);
      await serves(home);
      const { out } = await home.run("lock show -o json");
      const { kind, holder } = dataOf<Record<string, unknown>>(out);
      assert.equal([kind, holder], ["file", "n0"]);
    } finally {
      daemon.signal("SIGTERM");
      assert.is(await daemon.ended, 0, daemon.err);
    }
    home.configure(port, "", `kind = "file"\npath = "${join(home.home, "none", "leader.lock")}"`);
    const refused = ctdbx(["daemon", "run", "--home", home.home]);
    assert.is(await refused.ended, 3, refused.err);
    assert.match(refused.err, "Cannot use the lock");
  }),
);

test(
  "a second daemon for a home is refused and touches nothing",
  limit(60_000, async (context) => {
    const { home } = await waiting(context);
    const meta = readFileSync(join(home.paths.state, "node.id"));
    rmSync(join(home.paths.state, "node.id"));
    const second = ctdbx(["daemon", "run", "--home", home.home]);
    assert.is(await second.ended, 4, second.err);
    assert.match(second.err, "somebody listens there");
    assert.not.ok(existsSync(join(home.paths.state, "node.id")));
    writeFileSync(join(home.paths.state, "node.id"), meta);
    assert.is((await home.run("node ping n0")).exit, 0);
  }),
);

test(
  "a user who is not the owner cannot ask the daemon",
  limit(60_000, async (context) => {
    if (process.getuid?.() !== 0) skip("only root can become another user");
    const { home } = await waiting(context);
    // Even when the folders above are open to all, the socket is not.
    for (const folder of [join(home.home, ".."), home.home, home.paths.run]) {
      chmodSync(folder, 0o755);
    }
    chmodSync(home.paths.config, 0o644);
    // The program's files may be closed to others; so it begins as root, and drops what it is.
    const code = `const { default: self } = await import("node:process");
      self.setgid(65534);
      self.setuid(65534);
      const { connect } = await import("node:net");
      const socket = connect(${JSON.stringify(home.paths.socket)});
      socket.on("connect", () => self.exit(console.log("connected") ?? 0));
      socket.on("error", (error) => self.exit(console.log(error.code) ?? 0));`;
    const words = [process.execPath.includes("deno") ? "eval" : "-e", code];
    const result = spawnSync(process.execPath, words, { encoding: "utf8" });
    assert.match(result.stdout, "EACCES", result.stderr);
  }),
);

test.either(
  "who meets another supervisor waits for its daemon, also while that one has not written down its process",
  limit(60_000, async (context) => {
    const { home } = await member(context);
    const [met, seen] = ["met.sh", "met"].map((name) => join(home.home, name)) as [string, string];
    // As a supervisor that finds the place taken.
    writeFileSync(met, `#!/bin/sh\n: > '${seen}'\nexit ${EXIT.conflict}\n`, { mode: 0o755 });
    const before = process.env["CTDBX_PROGRAM"];
    process.env["CTDBX_PROGRAM"] = met;
    const started = startNode(home.paths, ["--home", home.home]);
    if (before === undefined) delete process.env["CTDBX_PROGRAM"];
    else process.env["CTDBX_PROGRAM"] = before;
    await eventually("it has met another one", () => existsSync(seen));
    const supervisor = ctdbx(["daemon", "supervise", "--home", home.home]);
    assert.is(await started, supervisor.pid);
  }),
);

// The last one with this daemon.
test(
  "without NATS it says so, tries on, and serves nothing; then NATS comes",
  limit(60_000, async (context) => {
    const { home, port, daemon } = await waiting(context);
    await eventually("the complaint", () => /NATS does not answer at 127/.test(daemon.err));
    const status = await statusOf(home);
    assert.equal([status["serving"], status["bus"]], [false, "disconnected"]);
    const health = await home.run("cluster health");
    assert.is(health.exit, 8);
    assert.match(health.out, "this node is not connected to NATS");
    assert.is((await home.run("leader show")).exit, 6);
    await context.rig.server({ client: { port } });
    await serves(home);
    daemon.signal("SIGTERM");
    assert.is(await daemon.ended, 0, daemon.err);
    assert.not.ok(existsSync(home.paths.socket));
  }),
);

for (
  const [name, text, said] of [
    [
      "a key that is not known",
      `cluster = "a"\nname = "b"\nleese = 3\n`,
      "leese is not known here",
    ],
    [
      "one in a table",
      `cluster = "a"\nname = "b"\n[nats]\nsevrer = "x"\n`,
      "nats.sevrer is not known",
    ],
    ["a lock of no kind", `cluster = "a"\nname = "b"\n[lock]\nkind = "zk"\n`, "lock.kind must be"],
    ["no name", `cluster = "a"\n`, "name is missing"],
    ["a name with a dot", `cluster = "a.b"\nname = "b"\n`, "cluster must be"],
    ["no TOML", `cluster = `, "it is no TOML"],
    ["bytes", "\u0000\u0001", "it is no TOML"],
  ] as const
) {
  for (const verb of ["run", "start"]) {
    test(`daemon ${verb} with ${name}: exit 2, the key and the file are named`, async ({ homes }) => {
      const home = DaemonHome.fresh();
      homes.push(home);
      home.configure(1);
      writeFileSync(home.paths.config, text);
      const { exit, err } = await home.run(`daemon ${verb}`);
      assert.is(exit, 2, err);
      assert.match(err, said);
      assert.match(err, home.paths.config);
      assert.not.ok(existsSync(home.paths.state));
    });
  }
}

test("no configuration at all: exit 3; a home that is too long for a socket: exit 2", async ({ homes }) => {
  const home = DaemonHome.fresh();
  homes.push(home);
  for (const verb of ["run", "start", "stop", "status"]) {
    const { exit, err } = await home.run(`daemon ${verb}`);
    assert.is(exit, 3, err);
  }
  const long = await command(["daemon", "run", "--home", `/tmp/${"x".repeat(200)}`]);
  assert.is(long.exit, 2);
  assert.match(long.err, "the path of a socket has 107 bytes at most");
});

test("what stands where the socket must be is not removed when it is no socket", async (context) => {
  const { home } = await member(context);
  mkdirSync(home.paths.run, { recursive: true });
  writeFileSync(home.paths.socket, "precious");
  const daemon = ctdbx(["daemon", "run", "--home", home.home]);
  assert.is(await daemon.ended, 4, daemon.err);
  assert.match(daemon.err, "something else has that name");
  assert.is(readFileSync(home.paths.socket, "utf8"), "precious");
});

test(
  "start and stop leave no process; a killed supervisor takes its daemon with it",
  limit(60_000, async (context) => {
    const { home, port } = await member(context);
    await context.rig.server({ client: { port } });
    const started = await home.run("daemon start");
    assert.is(started.exit, 0, started.err);
    await serves(home);
    assert.is((await home.run("daemon start")).exit, 4);
    const supervisor = supervisorOf(home.paths.run) ?? 0;
    kill(supervisor, "SIGKILL");
    await eventually("nothing is left", () => processesOf(home.home).length === 0);
    // A dying process has no command line any more, but its socket for a moment.
    const isDown = async () => (await home.run("daemon status")).exit === 3;
    await eventually("its socket is nobody's", isDown);
    assert.is((await home.run("daemon stop")).exit, 3);
    // Socket, page and pid file of the dead are there, and in nobody's way.
    assert.is((await home.run("daemon start")).exit, 0);
    await serves(home);
    assert.is((await home.run("daemon stop")).exit, 0);
    await eventually("nothing is left", () => processesOf(home.home).length === 0);
  }),
);

test.either(
  "a full disk: the node says so and serves nothing new; space comes, and it is well",
  limit(60_000, async (context) => {
    const { home, port } = await member(context);
    const mounted = spawnSync("unshare", ["-m", "true"]);
    if (mounted.status !== 0) skip("no unshare -m here");
    await context.rig.server({ client: { port } });
    const { state } = pathsInHome(home.home);
    const kept = join(home.home, "kept");
    const [runtime, options] = program();
    const line = [runtime, ...options, "daemon", "run", "--home", home.home].map((word) =>
      `'${word}'`
    ).join(" ");
    // Only what is there may be written again: the second of the metadata's two files finds no room.
    const script = `cp -a '${state}' '${kept}' &&
      mount -t tmpfs -o size=512k,mode=700 none '${state}' && cp -a '${kept}/.' '${state}/' &&
      { dd if=/dev/zero of='${state}/filler' bs=4k 2>/dev/null; exec ${line}; }`;
    const daemon = new Process(["unshare", "-m", "sh", "-c", script]);
    try {
      await eventually("a fault", async () => {
        const { exit, out } = await home.run("node status -o json");
        return exit === 0 &&
          /ENOSPC|no space|full/.test(String(dataOf<Record<string, unknown>[]>(out)[0]?.["disk"]));
      });
      const status = await statusOf(home);
      assert.equal([status["serving"], status["runstate"]], [false, "init"]);
      const health = await home.run("cluster health");
      assert.is(health.exit, 8);
      assert.match(health.out, "this node cannot write: ");
      // Its own mount, seen from here.
      rmSync(`/proc/${daemon.pid}/root${state}/filler`);
      await serves(home);
      assert.is((await statusOf(home))["disk"], "ok");
    } finally {
      await daemon.end();
    }
  }),
);

test.run();
