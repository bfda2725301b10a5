/** Clients of a real daemon's socket that are many, talk nonsense, never read, or ask it while it stands still. */

import { connect, type Socket } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { askOnce, look } from "../../cli/commands/asking.ts";
import { Daemon } from "../../cli/control_client.ts";
import { Failure } from "../../cli/failure.ts";
import { RealHost } from "../../transport/real_host.ts";
import { limit } from "../limit.ts";
import { DaemonHome } from "./daemon_home.ts";
import { command, kill } from "./dev_rig.ts";
import { freePorts, NatsRig } from "./nats.ts";
import { ctdbx, type Process } from "./process.ts";

interface Context {
  home: DaemonHome;
  rig: NatsRig;
  daemon: Process;
}

const test = suite<Context>("live daemon clients");

test.before(limit(60_000, async (context) => {
  context.home = await DaemonHome.member();
  context.rig = new NatsRig();
  const [port = 0] = await freePorts(1);
  context.home.configure(port);
  await context.rig.server({ client: { port } });
  context.daemon = ctdbx(["daemon", "run", "--home", context.home.home]);
  await well(context.home);
}));
test.after(async ({ home, rig, daemon }) => {
  await daemon?.end();
  await rig?.end();
  await home?.end();
});

async function well(home: DaemonHome): Promise<void> {
  const { exit, err } = await home.run("cluster wait --for all-ok,serving --timeout 20");
  assert.is(exit, 0, err);
}

/** A bare connection. */
async function dial(home: DaemonHome): Promise<Socket> {
  const socket = connect(home.paths.socket);
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return socket;
}

/** All that the daemon says until it ends the connection. */
function lastWords(socket: Socket): Promise<string> {
  let said = "";
  socket.on("data", (bytes) => said += String(bytes));
  return new Promise((resolve) => socket.on("close", () => resolve(said)));
}

for (
  const [name, bytes] of [
    ["no JSON", "GET / HTTP/1.1\r\n\r\n"],
    ["zeros", "\0".repeat(100) + "\n"],
    ["a line without end", "x".repeat(1024 * 1024 + 1)],
    ["an id that is none", `{"id":-1,"verb":"node ping"}\n`],
    ["deep JSON", `${"[".repeat(100_000)}\n`],
    ["more requests at once than are allowed", `{"id":%,"verb":"watch"}\n`],
  ] as const
) {
  test(`${name}: a last word, and the connection ends; others do not notice`, async ({ home }) => {
    const socket = await dial(home);
    const said = lastWords(socket);
    if (!bytes.includes("%")) socket.write(bytes);
    else for (let id = 0; id < 65; id++) socket.write(bytes.replace("%", String(id)));
    assert.match(await said, "Cannot take the request");
    await well(home);
  });
}

test("arguments of any kind for every verb: an answer with a code, and no more", async ({ home }) => {
  const daemon = await Daemon.dial(new RealHost(), home.paths);
  const odd = [1, "", "x".repeat(1000), null, [], {}, -1, true, "__proto__", "../../etc/passwd"];
  const verbs = ["relay", "leader yield", "chaos cut", "chaos skew", "node status", "toString"];
  let answers = 0;
  for (const verb of verbs) {
    for (const value of odd) {
      // A question of nobody in particular; yields would be refused here: this node has no other.
      const args = { verb: value, nodes: value, to: value, why: value, tags: value, ms: value };
      await daemon.ask(verb, args).catch((error: unknown) => {
        assert.instance(error, Failure);
        assert.match((error as Failure).message, /^Cannot |no such verb/);
      });
      answers++;
    }
  }
  assert.is(answers, verbs.length * odd.length);
  await daemon.ask("chaos heal", {});
  daemon.close();
  await well(home);
});

test("hundreds of clients at once are all answered", async ({ home }) => {
  const asked = Array.from({ length: 300 }, () => askOnce(home.paths, "node ping"));
  const answers = await Promise.all(asked) as { name: string }[];
  assert.is(answers.filter(({ name }) => name === "n0").length, 300);
  // Those that connect and say nothing are in nobody's way.
  const silent = await Promise.all(Array.from({ length: 300 }, () => dial(home)));
  await well(home);
  for (const socket of silent) socket.destroy();
});

test("a client that never reads is cut off before it fills the daemon", async ({ home, daemon }) => {
  const socket = await dial(home);
  socket.pause();
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  const isCut = () =>
    daemon.err.includes("A client does not read what it has asked for; it is cut off");
  // Each answer has about 10 KiB, 4 MiB may wait; another client sees to it that they have been asked for.
  for (let id = 0; !isCut() && id < 32 * 200;) {
    for (let count = 0; count < 32; count++) {
      socket.write(`${JSON.stringify({ id: id++, verb: "slot map", args: {} })}\n`);
    }
    await askOnce(home.paths, "node ping");
  }
  assert.ok(isCut(), daemon.err);
  socket.resume();
  await closed;
  await well(home);
});

test(
  "a daemon that stands still: a look says so after its time, a command that its outcome is unknown",
  limit(60_000, async ({ home }) => {
    const { pid } = await askOnce(home.paths, "node process") as { pid: number };
    kill(pid, "SIGSTOP");
    try {
      const failed = (asked: Promise<unknown>) =>
        asked.then(() => undefined, (error) => error as Failure);
      const seen = await failed(look(home.paths, "node ping", {}, 300));
      assert.is(seen?.exit, 1);
      assert.match(seen?.message ?? "", "has not answered for 0.3 s");
      assert.is((await failed(askOnce(home.paths, "leader yield", {}, 300)))?.exit, 5);
      const late = await home.run("cluster wait --for leader --timeout 0.5");
      assert.is(late.exit, 8);
      assert.match(late.err, "does not answer");
      assert.is((await home.run("node status -o json")).exit, 1);
    } finally {
      kill(pid, "SIGCONT");
    }
    await well(home);
  }),
);

test(
  "a daemon that goes while somebody watches: the watcher ends with 1 and says what to do",
  limit(60_000, async ({ home, daemon }) => {
    const watch = ctdbx(["watch", "--home", home.home]);
    try {
      assert.match(await watch.lines.take(), "watching");
      const waiting = command([
        "cluster",
        "wait",
        "--for",
        "members=9",
        "--timeout",
        "2",
        "--home",
        home.home,
      ]);
      daemon.signal("SIGTERM");
      assert.is(await daemon.ended, 0, daemon.err);
      assert.is(await watch.ended, 1);
      assert.match(watch.err, /Cannot watch any longer: .*\nhint: /);
      const waited = await waiting;
      assert.is(waited.exit, 8);
      assert.match(waited.err, "Cannot reach the daemon");
    } finally {
      await watch.end();
    }
  }),
);

test.run();
