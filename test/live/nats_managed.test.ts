/** A node that keeps its own nats-server: it comes back, lets in whom the document lets in, and goes with the node. */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { devKey } from "../../cli/dev_cluster.ts";
import { managedFiles } from "../../cli/managed_nats.ts";
import { natsPid } from "../../cli/nats_users.ts";
import { isAlive, supervisorOf, until as becomes } from "../../cli/processes.ts";
import { askOnce } from "../../cli/commands/asking.ts";
import { keyFileText, newNkey } from "../../transport/real_nkeys.ts";
import { limit } from "../limit.ts";
import { tool } from "../tools.ts";
import { DaemonHome } from "./daemon_home.ts";
import { eventually, kill } from "./dev_rig.ts";
import { freePorts, NatsRig, until } from "./nats.ts";

interface Context {
  rig: NatsRig;
  home: DaemonHome;
  port: number;
}

const test = suite<Context>("a node's own nats-server");

test.before.each(async (context) => {
  tool("nats-server");
  context.rig = new NatsRig();
  context.home = await DaemonHome.member();
  [context.port = 0] = await freePorts(1);
});
test.after.each(async ({ rig, home }) => {
  await rig?.end();
  await home?.end();
});

/** Writes the configuration; `more`: further lines of its server. */
function configure(
  { home, port }: Context,
  { hasKey = true, more = "", lock = "single" } = {},
): void {
  mkdirSync(home.home, { recursive: true, mode: 0o700 });
  const key = hasKey ? `nkey = "${devKey(join(home.home, ".."), "n0")}"` : "";
  const lines = [
    `cluster = "dev"\nname = "n0"`,
    `[nats]\nservers = ["127.0.0.1:${port}"]\n${key}`,
    `[nats.server]\nlisten = "127.0.0.1:${port}"\n${more}`,
    `[lock]\nkind = "${lock}"\n`,
  ];
  writeFileSync(home.paths.config, lines.join("\n"), { mode: 0o600 });
}

async function start({ home }: Context): Promise<void> {
  const { exit, err } = await home.run("daemon start");
  assert.is(exit, 0, err);
}

async function serves({ home }: Context): Promise<void> {
  const { exit, err } = await home.run("cluster wait --for all-ok,serving --timeout 20");
  assert.is(exit, 0, `${err} ${logsOf(home)}`);
}

function logsOf(home: DaemonHome): string {
  const { run } = home.paths;
  const paths = ["supervisor.log", "daemon.log", "nats.log"].map((name) => join(run, name));
  return paths.filter(existsSync).map((path) => readFileSync(path, "utf8").slice(-1500)).join("\n");
}

function serverOf({ home }: Context): number {
  return natsPid(managedFiles(home.paths).pid) ?? 0;
}

/** A bus with the key of somebody of the cluster. */
function dialAs({ rig, home, port }: Context, name: string) {
  const keyFile = devKey(join(home.home, ".."), name);
  return rig.dial([`127.0.0.1:${port}`], { login: { keyFile } });
}

test.either(
  "It comes up with the node, asks everybody for a key, comes back when it dies, and ends with the node",
  limit(60_000, async (context) => {
    const { rig, home, port } = context;
    configure(context, { lock: "jetstream" });
    await start(context);
    await serves(context);
    const monitor = dialAs(context, "monitor");
    await until(monitor, "connected");
    const stranger = rig.dial([`127.0.0.1:${port}`]);
    await eventually("a stranger is refused", () => /it refuses/.test(stranger.trouble ?? ""));
    const { pid } = await askOnce(home.paths, "node process") as { pid: number };
    const first = serverOf(context);
    assert.ok(first > 0);
    kill(first, "SIGKILL");
    await until(monitor, "disconnected");
    await until(monitor, "connected");
    assert.is.not(serverOf(context), first);
    await serves(context);
    assert.is((await askOnce(home.paths, "node process") as { pid: number }).pid, pid);
    const second = serverOf(context);
    assert.is((await home.run("daemon stop")).exit, 0);
    assert.ok(await becomes(() => !isAlive(second), 5000), "the server outlives its node");
  }),
);

test.either(
  "Who is added to the document is let in, who is removed is cut, and a restart of everything knows it",
  limit(60_000, async (context) => {
    const { home } = context;
    configure(context);
    await start(context);
    await serves(context);
    const key = newNkey();
    const file = devKey(join(home.home, ".."), "added");
    const text = keyFileText({ role: "monitor", name: "added", seed: key.seed });
    writeFileSync(file, text, { mode: 0o600 });
    const added = dialAs(context, "added");
    await eventually("it is refused", () => /it refuses key U/.test(added.trouble ?? ""));
    const user = { role: "monitor", name: "added", natsKey: key.publicKey };
    await askOnce(home.paths, "user add", user);
    await until(added, "connected");
    assert.is((await home.run("daemon stop")).exit, 0);
    await until(added, "disconnected");
    // All there is of it now are files.
    await start(context);
    await until(added, "connected");
    await serves(context);
    await askOnce(home.paths, "user remove", { name: "added" });
    await until(added, "disconnected");
    await eventually("it is refused again", () => /it refuses key U/.test(added.trouble ?? ""));
    await serves(context);
  }),
);

test.either(
  "A supervisor that is killed takes the server with it; the next one makes what was lost of its files",
  limit(60_000, async (context) => {
    const { home } = context;
    configure(context);
    await start(context);
    await serves(context);
    const [server, supervisor] = [serverOf(context), supervisorOf(home.paths.run) ?? 0];
    kill(supervisor, "SIGKILL");
    assert.ok(await becomes(() => !isAlive(server), 10_000), "the server outlives its supervisor");
    const files = managedFiles(home.paths);
    rmSync(files.users);
    rmSync(join(files.folder, "nats.conf"));
    await start(context);
    await serves(context);
    assert.match(readFileSync(files.users, "utf8"), "# monitor monitor, ");
  }),
);

test.either(
  "A port in use is told in the log, and taken when it is free; the node waits for it",
  limit(60_000, async (context) => {
    const { rig, home, port } = context;
    const other = await rig.server({ client: { port }, user: "somebody", password: "else" });
    configure(context);
    await start(context);
    const log = join(home.paths.run, "supervisor.log");
    const said = () => readFileSync(log, "utf8");
    await eventually("it says so", () => /address already in use/.test(said()));
    await other.stop();
    await serves(context);
    assert.ok(serverOf(context) > 0);
  }),
);

test.either(
  "Without a key of its own the node keeps a server for everybody, and says so",
  limit(60_000, async (context) => {
    const { rig, home, port } = context;
    configure(context, { hasKey: false });
    await start(context);
    await serves(context);
    const anybody = rig.dial([`127.0.0.1:${port}`]);
    await until(anybody, "connected");
    const log = readFileSync(join(home.paths.run, "supervisor.log"), "utf8");
    assert.match(log, /nats-server lets everybody in/);
  }),
);

test.either(
  "What cannot be is said in the log, and no server is started",
  limit(60_000, async (context) => {
    const { home } = context;
    configure(context, { more: `tls = { cert = "/none/c.pem", key = "/none/k.pem" }` });
    await start(context);
    const log = join(home.paths.run, "supervisor.log");
    await eventually("it says so", () => /\/none\/c\.pem/.test(readFileSync(log, "utf8")));
    assert.is(serverOf(context), 0);
    assert.is((await home.run("daemon stop")).exit, 0);
  }),
);

test.run();
