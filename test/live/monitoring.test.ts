/**
 * Monitoring of a real cluster by those who only listen: a bare NATS client, the example of docs/MONITORING.md, watch,
 * top and check with a monitor's key, Prometheus; and whom the audit names.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Decoder } from "cbor-x/decode";
import * as assert from "uvu/assert";
import { ROOT } from "../../build/steps.ts";
import { supervisorOf } from "../../cli/processes.ts";
import { readEvent } from "../../transport/wire/messages/event.ts";
import type { JsonSchema } from "../../cli/schema.ts";
import { wrongs } from "../cli/tree_rig.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { command, DevCluster, eventually, kill } from "./dev_rig.ts";
import { freePorts } from "./nats.ts";
import { ForeignClient } from "./nats_client.ts";
import { ctdbx, script } from "./process.ts";

interface Context {
  dev: DevCluster;
  client: ForeignClient;
}

const test = sharedSuite<Context>("live monitoring");

test.before(limit(60_000, async (context) => {
  context.dev = await DevCluster.borrow(3);
  context.client = await ForeignClient.of(context.dev.port, "dev", keyOf(context.dev));
}));
test.after(limit(60_000, async ({ dev, client }) => {
  await client?.close();
  await dev?.down();
}));

function keyOf(dev: DevCluster): string {
  return join(dev.home, "keys", "monitor.nkey");
}

/** The options with which a command listens at NATS itself. */
function atNats(dev: DevCluster): string[] {
  return ["--nats", `127.0.0.1:${dev.port}`, "--creds", keyOf(dev), "--cluster", "dev"];
}

test("a bare client has a table of all nodes; everything is of the declared form", async ({ client }) => {
  await eventually("heartbeats and statistics of three", () => {
    const tags = new Set(
      client.heard.filter(({ topic }) => topic === "stats").map(({ tag }) => tag),
    );
    return client.table().size === 3 && tags.size === 3;
  });
  for (const [name, beat] of client.table()) {
    assert.equal([beat["condition"], beat["members"], beat["nodes"]], ["ok", 3, 3], name);
  }
  const leaders = [...client.table().values()].filter(({ isLeader }) => isLeader === true);
  assert.is(leaders.length, 1);
  for (const { topic, tag, payload } of client.heard) {
    const event = readEvent(topic, JSON.parse(new TextDecoder().decode(payload)));
    assert.is(event?.tag, tag, new TextDecoder().decode(payload));
  }
  const process = client.of("stats").at(-1)?.["process"] as Record<string, number>;
  assert.ok((process["rssBytes"] ?? 0) > 10e6 && (process["cpuMs"] ?? 0) > 0);
  assert.ok(client.of("stats").at(-1)?.["shard"] !== undefined, "the other thread is counted, too");
});

test("CBOR beside it says the same", async ({ client }) => {
  await eventually("as much CBOR as JSON", () => client.cbor.length >= 6);
  const decoder = new Decoder({ useRecords: false, mapsAsObjects: true });
  for (const { payload, tag } of client.cbor) {
    const event = decoder.decode(payload) as { seq: number };
    const text = client.heard.find((each) =>
      each.tag === tag && new TextDecoder().decode(each.payload).includes(`"seq":${event.seq},`)
    );
    assert.equal(event, JSON.parse(new TextDecoder().decode(text?.payload)));
  }
});

test(
  "kill -9, a node's end and return, a planned stop, a ban, the leader's death: seen without a question",
  limit(60_000, async ({ dev, client }) => {
    const leader = await dev.leader();
    const [one, two] = [0, 1, 2].filter((n) => n !== leader) as [number, number];
    const seen = (about: number, to: string): boolean =>
      client.changesOf(`n${about}`).some((change) => change.endsWith(`>${to}`));
    client.clear();
    kill(await dev.pid(one), "SIGKILL");
    await eventually("the leader tells of the dead daemon", () => seen(one, "disconnected"));
    await eventually("and of its return", () => seen(one, "ok"));

    // Both are stopped, so nobody certifies anything: silence has to tell.
    client.clear();
    const hung = [supervisorOf(dev.paths(two).run) ?? 0, await dev.pid(two)];
    for (const pid of hung) kill(pid, "SIGSTOP");
    await eventually("the leader tells of the silent node", () => seen(two, "disconnected"));
    for (const pid of hung) kill(pid, "SIGCONT");
    await eventually("it is back", () => seen(two, "ok"));

    await dev.well();
    client.clear();
    await dev.ok("daemon stop", one);
    await eventually("the leader tells of the planned end", () => seen(one, "disconnected"));
    const last = client.table().get(`n${one}`);
    assert.equal([last?.["runstate"], last?.["leaseMs"]], ["shutdown", 0]);
    await dev.ok("daemon start", one);
    await eventually("it is back", () => seen(one, "ok"));

    await dev.well();
    client.clear();
    await dev.ok(["node", "ban", `n${one}`, "--for", "60s", "--why", "a test"]);
    await eventually(
      "the ban is told, with its reason",
      () =>
        client.of("state").some(({ about, to, why }) =>
          about === `n${one}` && to === "banned" && why === "a test"
        ),
    );
    await dev.ok(`node unban n${one}`);
    await dev.ok(`node stop n${two}`);
    await eventually("the stop is told", () => seen(two, "stopped"));
    await dev.ok(`node continue n${two}`);
    await eventually("both are back", () => seen(one, "ok") && seen(two, "ok"));
    const asked = client.of("audit").map(({ verb, outcome }) => `${verb} ${outcome}`);
    for (const verb of ["node ban", "node unban", "node flags"]) {
      assert.ok(asked.includes(`${verb} done`), `${verb}: ${asked}`);
    }

    await dev.well();
    client.clear();
    const before = await dev.leader();
    kill(await dev.pid(before), "SIGKILL");
    await eventually("the next leader tells of the former", () => seen(before, "disconnected"));
    await dev.well();
    for (const other of [0, 1, 2].filter((n) => n !== before)) {
      assert.equal(client.changesOf(`n${other}`), [], "and of nobody else");
    }
  }),
);

/** What `check` says while one node is down. */
async function checksOneMissing(dev: DevCluster, down: number): Promise<void> {
  const lax = ["--warn", "lag=60000,skew=60000", ...atNats(dev)];
  const warning = await command(["check", ...lax]);
  assert.is(warning.exit, 1, warning.out);
  assert.match(warning.out, /^WARNING - (1 not heard|n\d is (disconnected|down)), 2 of 3 nodes ok/);
  const strict = await command(["check", ...lax, "--crit", "missing=1", "-o", "json"]);
  assert.is(strict.exit, 2);
  const { data, ok } = JSON.parse(strict.out);
  assert.equal([data.status, ok, strict.err], ["CRITICAL", true, ""]);
  const dead = await command(["check", "--home", join(dev.home, `n${down}`)]);
  assert.is(dead.exit, 2, dead.out);
  assert.match(dead.out, /^CRITICAL - Cannot reach the daemon/);
}

test("the example of the documentation runs as it stands there, and check sees what it sees", async ({ dev }) => {
  const page = readFileSync(join(ROOT, "docs/MONITORING.md"), "utf8");
  const [, text = ""] = /```js\n([\s\S]*?)```/.exec(page) ?? [];
  assert.match(text, "@nats-io/transport-node");
  const folder = mkdtempSync(join(ROOT, "build/out/example-"));
  const path = join(folder, "monitor.js");
  // The package has a shorter name in this checkout; nothing else is changed.
  writeFileSync(path, text.replace("@nats-io/transport-node", "nats"));
  const example = script(new URL(`file://${path}`), [`127.0.0.1:${dev.port}`, "dev", keyOf(dev)]);
  try {
    const rows = async (): Promise<{ node: string; condition: string; leader: string }[]> =>
      JSON.parse(await example.lines.take());
    let last = await rows();
    while (last.length < 3) last = await rows();
    assert.equal(last.map(({ condition }) => condition), ["ok", "ok", "ok"], example.err);
    const leader = await dev.leader();
    assert.equal(new Set(last.map((row) => row.leader)), new Set([`n${leader}`]));
    const of = (leader + 1) % 3;
    await dev.ok("daemon stop", of);
    const conditionOf = (name: string): string | undefined =>
      last.find(({ node }) => node === name)?.condition;
    while (conditionOf(`n${of}`) === "ok") last = await rows();
    assert.ok(["disconnected", "silent"].includes(conditionOf(`n${of}`) ?? ""));
    await checksOneMissing(dev, of);
    await dev.ok("daemon start", of);
    while (conditionOf(`n${of}`) !== "ok") last = await rows();
  } finally {
    await example.end();
    rmSync(folder, { recursive: true, force: true });
    await dev.well();
  }
});

test("watch, top and check listen over the socket, and at NATS with nothing but a monitor's key", async ({ dev }) => {
  const home = ["--home", join(dev.home, "n0")];
  for (const where of [home, atNats(dev)]) {
    const watch = await command([
      "watch",
      ...where,
      ..."--topic heartbeat,stats --count 4 -o jsonl".split(" "),
    ]);
    assert.is(watch.exit, 0, watch.err);
    const topics = watch.out.trim().split("\n").map((line) => JSON.parse(line).topic);
    assert.ok(topics.includes("heartbeat") && topics.includes("stats"), `${topics}`);

    const once = await command(["top", "--once", ...where]);
    assert.is(once.exit, 0, once.err);
    assert.match(once.out, /^ctdbx top {3}dev {3}leader n\d {3}3 of 3 nodes ok/);
    for (const name of ["n0", "n1", "n2"]) {
      assert.match(once.out, new RegExp(`^${name} +\\d  ok +(leader|serves) .* MB `, "m"));
    }
    const stream = await command([
      "top",
      "-o",
      "jsonl",
      "--count",
      "2",
      "--every",
      "0.2",
      ...where,
    ]);
    const rows = stream.out.trim().split("\n").map((line) => JSON.parse(line));
    assert.equal(rows.map(({ node }) => node), ["n0", "n1", "n2", "n0", "n1", "n2"]);
    assert.ok(rows.every(({ rssBytes, leaseMs }) => rssBytes > 1e6 && leaseMs > 0), stream.out);

    const check = await command(["check", ...where, "--warn", "lag=60000,skew=60000"]);
    assert.is(check.exit, 0, check.out + check.err);
    assert.match(check.out, /^OK - 3 of 3 nodes ok, leader n\d \| nodes=3;;;0 missing=0;1;2;0 /);
    assert.is(check.err, "");
  }
});

test("what they print as JSON is of their own schema", async ({ dev }) => {
  const home = ["--home", join(dev.home, "n0")];
  for (const words of ["watch --topic all --count 6", "top --once", "check", "metrics"]) {
    const list = words.split(" ");
    const schema = JSON.parse((await command([...list, "--schema"])).out) as JsonSchema;
    const { out } = await command([...list, ...home, "-o", "json"]);
    const value = JSON.parse(out) as { data: unknown; ok: boolean };
    assert.equal(wrongs(schema, value), [], words);
    assert.ok(value.ok && value.data !== null, words);
  }
});

test("check: 3 when nothing can be said, and why NATS is not to be had", async ({ dev }) => {
  const [port] = await freePorts(1);
  const nowhere = ["--nats", `127.0.0.1:${port}`, "--cluster", "dev"];
  const unknown = await command(["check", ...nowhere]);
  assert.equal([unknown.exit, unknown.err], [3, ""]);
  assert.match(unknown.out, /^UNKNOWN - Cannot reach NATS at 127.0.0.1:\d+: /);
  const stranger = await command(["check", "--nats", `127.0.0.1:${dev.port}`, "--cluster", "dev"]);
  assert.is(stranger.exit, 3, stranger.out);
  const forbidden = [
    "--nats",
    `127.0.0.1:${dev.port}`,
    "--creds",
    keyOf(dev),
    "--cluster",
    "other",
  ];
  assert.is((await command(["watch", "--count", "1", ...forbidden])).exit, 7);
  assert.is((await command(["top", "--once", ...forbidden])).exit, 7);
});

for (
  const words of [
    "check --warn lag",
    "check --crit hope=1",
    "check --creds x",
    "check --nats 127.0.0.1:1",
    "watch --topic weather",
    "watch --nats : --cluster dev",
    "top --count 0",
    "top --nats 127.0.0.1:1 --cluster a.b",
  ]
) {
  test(`an odd call is refused, with a hint: ${words}`, async ({ dev }) => {
    const isCheck = words.startsWith("check --creds") || words.startsWith("check --nats");
    const home = words.includes("--nats") ? [] : ["--home", join(dev.home, "n0")];
    const { exit, err, out } = await command([...words.split(" "), ...home]);
    if (isCheck) return void assert.equal([exit, out.slice(0, 10)], [3, "UNKNOWN - "], err);
    assert.is(exit, 2, err);
    assert.match(err, /^ctdbx: Cannot .+/);
  });
}

test("who asks over the socket is named by the kernel", async ({ dev, client }) => {
  client.clear();
  const yielding = ctdbx(["leader", "yield", "--why", "a drill", "--home", join(dev.home, "n0")]);
  assert.is(await yielding.ended, 0, yielding.err);
  await eventually("the audit event", () => client.of("audit").length === 1);
  const [{ verb, args, way, uid, pid, outcome, node } = {} as Record<string, unknown>] = client.of(
    "audit",
  );
  assert.equal({ verb, args, way, uid, outcome, node }, {
    verb: "leader yield",
    args: `why="a drill"`,
    way: "socket",
    uid: process.getuid?.(),
    outcome: "done",
    node: "n0",
  });
  // Behind Node's launcher the process is a child of the one that was started; here it is the one.
  assert.is(pid, yielding.pid);
  await dev.well();
});

test(
  "Prometheus' port: metrics, health, and nothing else; the same text as `ctdbx metrics`",
  limit(60_000, async ({ dev }) => {
    const [port] = await freePorts(1);
    appendFileSync(dev.paths(2).config, `\n[metrics]\nlisten = "127.0.0.1:${port}"\n`);
    // The next daemon reads it.
    kill(await dev.pid(2), "SIGKILL");
    const get = (path: string, method = "GET"): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}${path}`, { method });
    await eventually("health is served", async () => {
      const answer = await get("/healthz").catch(() => undefined);
      await answer?.text();
      return answer?.status === 200;
    });
    const metrics = await get("/metrics");
    assert.is(metrics.status, 200);
    assert.match(metrics.headers.get("content-type") ?? "", /^text\/plain; version=0.0.4/);
    let text = await metrics.text();
    assert.match(text, /^ctdbx_cluster_view_members\{cluster="dev",node="n2"\} 3$/m);
    await eventually("messages are counted, once a second", async () => {
      text = await (await get("/metrics")).text();
      return /^ctdbx_messages_sent_total\{cluster="dev",node="n2"\} [1-9]\d*$/m.test(text);
    });
    const names = (all: string): string[] => all.match(/^# TYPE .*$/gm) ?? [];
    assert.equal(names(text), names(await dev.ok("metrics", 2)));
    const health = await get("/healthz?full");
    assert.equal([health.status, await health.text()], [200, "ok\n"]);
    const others = [await get("/"), await get("/metrics", "POST"), await get("/healthz", "HEAD")];
    assert.equal(others.map(({ status }) => status), [404, 405, 200]);
    await Promise.all(others.map((other) => other.text()));
    await dev.dev("chaos partition n2 8s");
    await eventually("without the others it is not well", async () => {
      const answer = await get("/healthz");
      const why = await answer.text();
      return answer.status === 503 && why.includes("no leader is known");
    });
    await dev.dev("chaos heal n2");
    await dev.well();
  }),
);

test.run();
