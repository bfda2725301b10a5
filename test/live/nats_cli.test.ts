/** `ctdbx nats server` as a process: what it says, how it ends, what it leaves. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RealHost } from "../../transport/real_host.ts";
import { tool } from "../tools.ts";
import { freePorts, NatsRig } from "./nats.ts";
import { ctdbx, gone, type Process } from "./process.ts";

interface Context {
  folder: string;
  running: Process[];
  rig: NatsRig;
}

const test = suite<Context>("ctdbx nats server");
const host = new RealHost();

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-nats-cli-"));
  context.running = [];
  context.rig = new NatsRig();
});
test.after.each(async ({ folder, running, rig }) => {
  await rig.end();
  for (const one of running) await one.end();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts it; what it says of itself. */
async function serve(context: Context, ...words: string[]) {
  tool("nats-server");
  const process = ctdbx(["nats", "server", "-o", "jsonl", "--folder", context.folder, ...words]);
  context.running.push(process);
  const line = await Promise.race([process.lines.take(), process.ended]);
  if (typeof line !== "string" || !line.startsWith("{")) throw new Error(`${line} ${process.err}`);
  return { process, said: JSON.parse(line) };
}

test("It says where it listens, serves, and ends with a signal", async (context) => {
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    const store = join(context.folder, "js");
    const { process, said } = await serve(context, "--port", "0", "--store", store);
    assert.match(said.address, /^127\.0\.0\.1:\d+$/);
    const bus = await context.rig.bus(said.address);
    await bus.flush(5000);
    assert.ok(readdirSync(store).length > 0);
    process.signal(name);
    assert.is(await process.ended, 0, process.err);
    assert.is(host.alive(said.pid), false);
    assert.match(process.err, /Server is ready/);
  }
});

test("It does not outlive its command, also when that is killed", async (context) => {
  const { process, said } = await serve(context, "--port", "0", "--quiet");
  process.signal("SIGKILL");
  await process.ended;
  await gone(said.pid, (pid) => host.alive(pid));
  assert.is(process.err, "");
});

test("A server that ends by itself is told, with exit code 1", async (context) => {
  const { process, said } = await serve(context, "--port", "0");
  globalThis.process.kill(said.pid, "SIGKILL");
  assert.is(await process.ended, 1);
  assert.match(process.err, /Cannot go on: the server has ended \(SIGKILL\)/);
});

test("A port in use is exit code 4; what cannot be configured is 2", async (context) => {
  const { said } = await serve(context, "--port", "0");
  const port = said.address.split(":")[1];
  const cases: [string[], number, RegExp][] = [
    [["--port", port], 4, /address already in use/],
    [["--port", "0", "--name", "a b"], 2, /server's name/],
    [["--port", "0", "--routes", "127.0.0.1:1"], 2, /--routes needs --cluster/],
    [["--port", "0", "--leaf", "nowhere"], 2, /no host:port/],
    [["--port", "99999"], 2, /whole number/],
  ];
  for (const [words, exit, text] of cases) {
    const process = ctdbx(["nats", "server", "--folder", join(context.folder, "x"), ...words]);
    context.running.push(process);
    assert.is(await process.ended, exit, process.err);
    assert.match(process.err, text);
  }
});

test("Three of them form a cluster, a fourth is their leaf", async (context) => {
  const ports = await freePorts(4);
  const [leafPort = 0, ...clusterPorts] = ports;
  const routes = clusterPorts.map((port) => `127.0.0.1:${port}`).join(",");
  const servers = [];
  for (const [index, port] of clusterPorts.entries()) {
    const words = ["--port", "0", "--name", `n${index}`, "--cluster", "trio"];
    words.push("--cluster-port", `${port}`, "--routes", routes);
    words.push("--store", join(context.folder, `js${index}`));
    if (index === 0) words.push("--leaf-port", `${leafPort}`);
    servers.push(serve(context, ...words, "--folder", join(context.folder, `f${index}`)));
  }
  await Promise.all(servers);
  const leaf = await serve(
    context,
    "--port",
    "0",
    "--name",
    "leaf",
    "--leaf",
    `localhost:${leafPort}`,
  );
  const [near, far] = [
    await context.rig.bus(leaf.said.address),
    await context.rig.bus(
      (await servers[2])?.said.address,
    ),
  ];
  far.subscribe("over.leaf", ({ reply }) => far.publish(reply ?? "none", new Uint8Array([7])));
  for (;;) {
    const answer = await near.request("over.leaf", new Uint8Array(0), 2000).catch(() => undefined);
    if (answer === undefined) continue; // the routes are not all up yet
    assert.equal([...answer.payload], [7]);
    break;
  }
});

test.run();
