/**
 * Monitoring of a real cluster that is well, by those who only listen: a bare NATS client, watch, top and check with a
 * monitor's key; and whom the audit names.
 *
 * Does NOT promise: what they see of faults, the documentation's example, Prometheus; test/live/faults/ has those.
 */

import { join } from "node:path";
import process from "node:process";
import { Decoder } from "cbor-x/decode";
import * as assert from "uvu/assert";
import { readEvent } from "../../transport/wire/messages/event.ts";
import type { JsonSchema } from "../../cli/schema.ts";
import { wrongs } from "../cli/tree_rig.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { command, DevCluster, eventually } from "./dev_rig.ts";
import { freePorts } from "./nats.ts";
import { ForeignClient } from "./nats_client.ts";
import { ctdbx } from "./process.ts";

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
  await dev?.giveBack();
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

test.run();
