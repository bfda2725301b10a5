/**
 * What comes over the bus of a real cluster, and what becomes of it when the bus fails: hostile messages, every message
 * twice and late, the server stopped, killed, without its store.
 */

import { readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { LeaderAnswer } from "../../cli/answers.ts";
import { nodeIds, planOf } from "../../cli/dev_cluster.ts";
import { RealBus } from "../../transport/real_bus.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealDice } from "../../transport/real_dice.ts";
import { Codec, PAYLOAD_MIN } from "../../transport/wire/codec.ts";
import { MESSAGE_MAX } from "../../transport/wire/limits.ts";
import type { AnyMessage } from "../../transport/wire/message.ts";
import type { ClusterId, Generation, NodeId } from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { undisturbed } from "../undisturbed.ts";
import { DevCluster, eventually, kill } from "./dev_rig.ts";
import { KeptLog, until } from "./nats.ts";
import { ctdbx } from "./process.ts";

interface Context {
  dev: DevCluster;
  bus: RealBus;
}

const test = sharedSuite<Context>("live cluster bus");
const ALL = [0, 1, 2];

test.before(limit(60_000, async (context) => {
  // Whoever reaches the server may say anything: what the nodes themselves refuse is tried here.
  context.dev = await DevCluster.up(3, "--open");
  context.bus = new RealBus({
    servers: [`127.0.0.1:${context.dev.port}`],
    name: "hostile",
    clock: new RealClock(),
    dice: new RealDice(),
    log: new KeptLog(),
  });
  await until(context.bus, "connected");
}));
test.after(limit(60_000, async ({ dev, bus }) => {
  await bus?.close();
  await dev?.down();
}));

/** What a node has counted. */
interface Counted {
  readonly messagesReceived: number;
  readonly messagesRefused: number;
  readonly refusedFor: Readonly<Record<string, number>>;
}

async function counted(dev: DevCluster, index: number): Promise<Counted> {
  return await dev.json<Counted>("daemon status", index);
}

function serverPid(dev: DevCluster): number {
  return dev.processes().find((pid) =>
    /nats-server\0/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"))
  ) ?? 0;
}

/** A sender that the cluster does not know, or that takes the name of one that it does. */
function codec(own: NodeId, clusterId: string): Codec {
  const made = new Codec({ cluster: "dev", own, firstId: 1n });
  made.clusterId = clusterId as ClusterId;
  return made;
}

const STRANGER = "5".repeat(32) as NodeId;
const PING: AnyMessage = { kind: "ask", verb: "node ping", args: "{}" } as AnyMessage;
const STAMPS = { gen: 0n as Generation, stamp: 0n };

/** What must be refused on any subject, each with the code that it is counted under. */
function hostile(clusterId: string, victim: NodeId): [string, NodeId, Uint8Array][] {
  const [good = new Uint8Array()] = codec(STRANGER, clusterId).encode(PING, STAMPS);
  const [foreign = new Uint8Array()] = codec(STRANGER, "e".repeat(32)).encode(PING, STAMPS);
  const [forged = new Uint8Array()] = codec(victim, clusterId).encode(PING, STAMPS);
  const cut = good.slice(0, good.length - 3);
  const flipped = good.slice();
  flipped[0] = 0xff;
  return [
    ["form", STRANGER, new Uint8Array()],
    ["form", STRANGER, new Uint8Array([0xff])],
    ["form", STRANGER, cut],
    ["form", STRANGER, flipped],
    // A bignum of 64 KiB, which a plain decoder chews on for most of a second.
    [
      "form",
      STRANGER,
      new Uint8Array([0xc2, 0x5a, 0, 1, 0, 0, ...new Uint8Array(65536).fill(255)]),
    ],
    ["form", STRANGER, new Uint8Array(MESSAGE_MAX)],
    ["sender", STRANGER, forged],
    ["cluster", STRANGER, foreign],
  ];
}

test("hostile messages on every subject: refused, counted by reason, and nothing else", async ({ dev, bus }) => {
  await undisturbed(() => sendHostile(dev, bus));
});

async function sendHostile(dev: DevCluster, bus: RealBus): Promise<void> {
  const plan = planOf(dev.home);
  const [target, victim] = nodeIds(dev.home, plan) as [NodeId, NodeId];
  const before = await counted(dev, 0);
  const { election } = await dev.json<LeaderAnswer>("leader show");
  const expected = new Map<string, number>();
  const subjects = [`n.${tagOf(target)}`, `ask.${tagOf(target)}`, "all"];
  for (const subject of subjects) {
    for (const [code, from, payload] of hostile(plan.clusterId, victim)) {
      bus.publish(`ctdbx.dev.${subject}.from.${tagOf(from)}`, payload);
      expected.set(code, (expected.get(code) ?? 0) + 1);
    }
    // As declared, but not for this class of subjects.
    if (!subject.startsWith("ask")) {
      const [good = new Uint8Array()] = codec(STRANGER, plan.clusterId).encode(PING, STAMPS);
      bus.publish(`ctdbx.dev.${subject}.from.${tagOf(STRANGER)}`, good);
      expected.set("class", (expected.get("class") ?? 0) + 1);
    }
    bus.publish(`ctdbx.dev.${subject}.from.UPPER`, new Uint8Array(3));
    expected.set("subject", (expected.get("subject") ?? 0) + 1);
  }
  const total = [...expected.values()].reduce((sum, count) => sum + count, 0);
  await eventually(
    "all are counted",
    async () => (await counted(dev, 0)).messagesRefused >= before.messagesRefused + total,
  );
  const after = await counted(dev, 0);
  const grown = [...expected.keys()].map((code) =>
    [code, (after.refusedFor[code] ?? 0) - (before.refusedFor[code] ?? 0)] as const
  );
  assert.equal(new Map(grown), expected);
  assert.match(await dev.ok("node status"), /Refused for +\w+ \d+, /);
  await dev.well();
  assert.is((await dev.json<LeaderAnswer>("leader show")).election, election);
}

test("parts without the rest, and questions of strangers by the thousand", async ({ dev, bus }) => {
  const plan = planOf(dev.home);
  const [target] = nodeIds(dev.home, plan) as [NodeId];
  const sender = codec(STRANGER, plan.clusterId);
  const ask = `ctdbx.dev.ask.${tagOf(target)}.from.${tagOf(STRANGER)}`;
  const [payload = new Uint8Array()] = sender.encode(PING, STAMPS);
  const long = { kind: "answer", ok: "x".repeat(190 * 1024) } as AnyMessage;
  const cutter = new Codec({
    cluster: "dev",
    own: STRANGER,
    firstId: 1000n,
    payloadMax: PAYLOAD_MIN,
  });
  cutter.clusterId = plan.clusterId as ClusterId;
  for (let count = 0; count < 200; count++) {
    const [first = payload, ...rest] = cutter.encode(long, STAMPS);
    assert.ok(rest.length > 0);
    bus.publish(ask, first);
  }
  for (let count = 0; count < 5000; count++) bus.publish(ask, payload);
  const answer = await bus.request(ask, payload, 10_000);
  const received = sender.decode(undefined, answer.payload, 0);
  assert.is((received as { message?: { kind: string } }).message?.kind, "answer");
  for (const verb of ["leader yield", "node process", "chaos cut", "relay", "watch"]) {
    const [asked = new Uint8Array()] = sender.encode({ ...PING, verb } as AnyMessage, STAMPS);
    const refused = sender.decode(undefined, (await bus.request(ask, asked, 10_000)).payload, 0);
    const { message } = refused as { message?: { code?: string } };
    // What an admin may ask is refused to others as such.
    assert.is(message?.code, verb === "leader yield" ? "denied" : "unsupported", verb);
  }
  for (const args of ["", "{", "[]", "7", "null"]) {
    const [asked = new Uint8Array()] = sender.encode({ ...PING, args } as AnyMessage, STAMPS);
    const refused = sender.decode(undefined, (await bus.request(ask, asked, 10_000)).payload, 0);
    assert.is((refused as { message?: { code?: string } }).message?.code, "state", args);
  }
  await dev.well();
});

test("a payload above the limit, from one who keeps no rules: refused by size, and counted", async ({ dev }) => {
  const before = await Promise.all(ALL.map((index) => counted(dev, index)));
  const size = MESSAGE_MAX + 1;
  const socket = connect(dev.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(`CONNECT {}\r\nPUB ctdbx.dev.all.from.${tagOf(STRANGER)} ${size}\r\n`);
  socket.write(new Uint8Array(size));
  socket.write("\r\n");
  for (const index of ALL) {
    const known = before[index]?.refusedFor["size"] ?? 0;
    await eventually(
      `n${index} has counted it`,
      async () => (await counted(dev, index)).refusedFor["size"] === known + 1,
    );
  }
  socket.destroy();
  await dev.well();
});

test("what others publish as events cannot steer the terminal, nor speak for a node", async ({ dev, bus }) => {
  const watch = ctdbx(["watch", "--count", "2", "--home", join(dev.home, "n0")]);
  try {
    assert.match(await watch.lines.take(), "watching");
    const put = (text: string) =>
      bus.publish("ctdbx.dev.ev.cluster.from.aaaaaaaaaa", new TextEncoder().encode(text));
    for (const junk of ["", "{", "7", "null", "[1]", "\xff"]) put(junk);
    put(
      JSON.stringify({ who: "n1", node: "n1", wallMs: "now", what: 7, text: "\u001b[2J\nn1 ok" }),
    );
    const line = await watch.lines.take();
    assert.match(line, /^ +aaaaaaaaaa .*\ufffd\[2J\ufffdn1 ok$/);
    assert.is(await watch.ended, 0);
  } finally {
    await watch.end();
  }
});

test(
  "every message twice, and again much later: nobody leads who should not, all are well at the end",
  limit(60_000, async ({ dev, bus }) => {
    const kept: [string, Uint8Array][] = [];
    const echoes = new Set<string>();
    const end = bus.subscribe("ctdbx.dev.n.>", ({ subject, payload }) => {
      // Not the echo of an echo.
      const key = `${subject} ${payload.length} ${payload.at(-1)} ${
        new TextDecoder("latin1").decode(payload.subarray(0, 200))
      }`;
      if (echoes.has(key)) return;
      echoes.add(key);
      bus.publish(subject, payload);
      kept.push([subject, payload]);
      // One that is many messages old.
      const old = kept[kept.length - 40];
      if (old !== undefined) bus.publish(...old);
    });
    try {
      for (const to of ALL) {
        await dev.ok(["leader", "yield", "--to", `n${to}`, "--why", "a test"]).catch(() => "");
        const start = kept.length;
        await eventually("a hundred more messages", () => kept.length > start + 100);
        for (const index of ALL) await dev.wait("leader,members=3", index);
      }
    } finally {
      end();
    }
    await dev.well();
    await eventually("all name one leader", async () => {
      const leaders = await Promise.all(ALL.map((index) => dev.leader(index)));
      return new Set(leaders).size === 1;
    });
    // Who stands still is called dead, and rightly; in virtual time nobody is (actors/machines/sim/echoes.test.ts).
    for (const index of ALL) {
      const texts = (await dev.history(index)).map(({ what, text }) => `${what} ${text}`);
      assert.equal(texts.filter((text) => text.startsWith("breach")), []);
    }
  }),
);

test(
  "the server stopped for long: all leases run out, every node says why; then all is well",
  limit(60_000, async ({ dev }) => {
    const server = serverPid(dev);
    const seen = await dev.moments(ALL, async () => {
      kill(server, "SIGSTOP");
      try {
        for (const index of ALL) await dev.wait("not-serving,not-leader", index);
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
  }),
);

test(
  "the server killed, its store lost: it comes back, the token does not go back",
  limit(60_000, async ({ dev }) => {
    const before = await dev.json<LeaderAnswer>("leader show");
    const server = serverPid(dev);
    kill(server, "SIGSTOP");
    rmSync(join(dev.home, "nats", "store"), { recursive: true, force: true });
    kill(server, "SIGKILL");
    await eventually("another server", () => ![0, server].includes(serverPid(dev)));
    await dev.well();
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

test.run();
