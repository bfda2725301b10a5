/**
 * What anybody may put on the bus of a real cluster without keys: hostile messages, questions by the thousand, every
 * message twice and late; for its data threads each batch about records once more, late, cut off, forged, foreign or
 * odd. The cluster and its database stay right, and each refusal is counted by its reason.
 */

import { createConnection } from "node:net";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { connect } from "../../actors/mod.ts";
import type { LeaderAnswer } from "../../cli/answers.ts";
import { nodeIds, planOf } from "../../cli/dev_cluster.ts";
import { RealBus } from "../../transport/real_bus.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealDice } from "../../transport/real_dice.ts";
import { Codec, PAYLOAD_MIN } from "../../transport/wire/codec.ts";
import { MESSAGE_MAX } from "../../transport/wire/limits.ts";
import type { AnyMessage } from "../../transport/wire/message.ts";
import { RECORD_MAGIC } from "../../transport/wire/record_layout.ts";
import type { ClusterId, NodeId } from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { undisturbed } from "../undisturbed.ts";
import { DevCluster, eventually } from "./dev_rig.ts";
import { codec, hostile, Mirror, PING, STAMPS, STRANGER } from "./hostile_messages.ts";
import { KeptLog, until } from "./nats.ts";
import { ctdbx } from "./process.ts";

interface Context {
  dev: DevCluster;
  bus: RealBus;
}

const test = sharedSuite<Context>("hostile bus");
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

/** What all nodes together have refused, by reason. */
async function refusedIn(dev: DevCluster): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const node of ALL) {
    const { refusedFor } = await counted(dev, node);
    for (const [code, count] of Object.entries(refusedFor)) {
      counts.set(code, (counts.get(code) ?? 0) + count);
    }
  }
  return counts;
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
  const socket = createConnection(dev.port, "127.0.0.1");
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
  "each batch twice, late, forged, cut: every refusal is counted, and every addition is there once",
  limit(120_000, async ({ dev, bus }) => {
    const before = await refusedIn(dev);
    const clusters = await Promise.all(
      ALL.map((node) => connect({ home: `${dev.home}/n${node}` })),
    );
    const [first, ...rest] = clusters;
    await first?.attach("hostile");
    const databases = await Promise.all(clusters.map((cluster) => cluster.attach("hostile")));
    assert.is(rest.length, 2);
    const mirror = new Mirror(bus);
    await bus.flush(5000);
    const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`);
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        databases.flatMap((db) => keys.map((key) => db.increment(key, 1n))),
      );
      mirror.again();
    }
    await bus.flush(5000);
    const due = new Map(mirror.due);
    assert.ok(mirror.batches > 20 && due.size === 5, `${mirror.batches} batches`);
    for (const key of keys) {
      assert.is(await databases[0]?.increment(key, 0n), 15n, key);
      assert.is(await databases[2]?.increment(key, 0n), 15n, key);
    }
    let counted: (readonly [string, number, number])[] = [];
    await eventually("all refusals are counted", async () => {
      const after = await refusedIn(dev);
      counted = [...mirror.due].map(([code, count]) =>
        [code, count, (after.get(code) ?? 0) - (before.get(code) ?? 0)] as const
      );
      return counted.every(([, count, found]) => found >= count);
    });
    for (const cluster of clusters) await cluster.close();
    await dev.well();
  }),
);

test(
  "noise on every subject of data threads and programs: counted or passed over, and the nodes are well",
  limit(60_000, async ({ dev, bus }) => {
    const before = await refusedIn(dev);
    const ids = nodeIds(dev.home, planOf(dev.home));
    const noise = [
      new Uint8Array(),
      Uint8Array.of(0x50),
      Uint8Array.of(RECORD_MAGIC),
      Uint8Array.of(0x72),
      Uint8Array.of(0xa0),
      new Uint8Array(1000),
    ];
    for (const id of ids) {
      for (const to of [`r.${tagOf(id)}`, "r.all", `cl.${tagOf(id)}`, "cl.any"]) {
        for (const from of [tagOf(STRANGER), tagOf(id), "UPPER"]) {
          const subject = `ctdbx.dev.${to}.from.${from}`;
          for (const payload of noise) {
            bus.publish(subject, payload);
            bus.publish(subject, payload, "_INBOX_nobody.1");
            bus.publish(subject, payload, `ctdbx.dev.r.all.from.${from}`);
          }
          for (const first of [RECORD_MAGIC, 0xff, 0]) {
            bus.publish(subject, new Uint8Array(bus.payloadMax).fill(first));
          }
          // No more waits at once than the connection bears.
          await bus.flush(10_000);
        }
      }
    }
    const cluster = await connect({ home: `${dev.home}/n1` });
    const db = await cluster.attach("hostile");
    assert.is(await db.increment("after the noise", 1n), 1n);
    await cluster.close();
    await dev.well();
    await eventually("both kinds are counted", async () => {
      const after = await refusedIn(dev);
      return ["form", "subject"].every((code) => (after.get(code) ?? 0) > (before.get(code) ?? 0));
    });
  }),
);

test.run();
