/**
 * What comes over the bus to the data threads of a real cluster: each batch about records once more and late, and with
 * it what is cut off, forged, foreign or odd. The database stays right, and each refusal is counted by its reason.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connect } from "../../actors/mod.ts";
import { nodeIds, planOf } from "../../cli/dev_cluster.ts";
import { RealBus } from "../../transport/real_bus.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealDice } from "../../transport/real_dice.ts";
import { RECORD_HEAD_SIZE, RECORD_MAGIC } from "../../transport/wire/record_layout.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import { limit } from "../limit.ts";
import { DevCluster, eventually } from "./dev_rig.ts";
import { KeptLog, until } from "./nats.ts";

interface Context {
  dev: DevCluster;
  bus: RealBus;
}

const test = suite<Context>("hostile mail of data threads");
const NODES = [0, 1, 2];
/** A sender that the cluster does not know. */
const STRANGER = "aaaaaaaaaa";
/** Batches that are changed; all of them are repeated. */
const CHANGED_MAX = 200;

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

/** What all nodes together have refused, by reason. */
async function refusedIn(dev: DevCluster): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const node of NODES) {
    const { refusedFor } = await dev.json<{ refusedFor: Record<string, number> }>(
      "daemon status",
      node,
    );
    for (const [code, count] of Object.entries(refusedFor)) {
      counts.set(code, (counts.get(code) ?? 0) + count);
    }
  }
  return counts;
}

/** A batch with some bytes changed. */
function changed(batch: Uint8Array, at: number, value: number): Uint8Array {
  const copy = batch.slice();
  copy[at] = value;
  return copy;
}

/** Hears the mail of all data threads, and sends it again with what is wrong with it. */
class Mirror {
  /** What must be counted, by reason. */
  readonly due = new Map<string, number>();
  readonly #bus: RealBus;
  readonly #seen = new Set<string>();
  readonly #kept: { readonly subject: string; readonly payload: Uint8Array }[] = [];
  #changed = 0;

  constructor(bus: RealBus) {
    this.#bus = bus;
    bus.subscribe("ctdbx.dev.r.*.from.*", ({ subject, payload }) => this.#take(subject, payload));
  }

  get batches(): number {
    return this.#kept.length;
  }

  #take(subject: string, payload: Uint8Array): void {
    if (payload[0] !== RECORD_MAGIC || !this.#isNew(payload)) return;
    this.#kept.push({ subject, payload });
    this.#bus.publish(subject, payload);
    if (++this.#changed > CHANGED_MAX) return;
    const forged = `${subject.slice(0, -STRANGER.length)}${STRANGER}`;
    this.#send("form", subject, payload.subarray(0, payload.length - 1));
    this.#send("form", subject, payload.subarray(0, RECORD_HEAD_SIZE - 1));
    this.#send("version", subject, changed(payload, 1, 9));
    this.#send("cluster", subject, changed(payload, 8, (payload[8] ?? 0) ^ 1));
    this.#send("sender", subject, changed(payload, 24, (payload[24] ?? 0) ^ 1));
    this.#send("sender", forged, payload);
    this.#send("body", subject, changed(payload, RECORD_HEAD_SIZE, 255));
  }

  #isNew(payload: Uint8Array): boolean {
    const { size } = this.#seen;
    return this.#seen.add(new TextDecoder("latin1").decode(payload)).size > size;
  }

  #send(code: string, subject: string, payload: Uint8Array): void {
    // It comes back, and is to be left alone.
    this.#isNew(payload);
    this.#bus.publish(subject, payload);
    this.due.set(code, (this.due.get(code) ?? 0) + 1);
  }

  /** Everything once more. */
  again(): void {
    for (const { subject, payload } of this.#kept) this.#bus.publish(subject, payload);
  }
}

test.either(
  "each batch twice, late, forged, cut: every refusal is counted, and every addition is there once",
  limit(120_000, async ({ dev, bus }) => {
    const before = await refusedIn(dev);
    const clusters = await Promise.all(
      NODES.map((node) => connect({ home: `${dev.home}/n${node}` })),
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

test.either(
  "noise on every subject of data threads and programs: counted or passed over, and the nodes are well",
  limit(60_000, async ({ dev, bus }) => {
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
        for (const from of [STRANGER, tagOf(id), "UPPER"]) {
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
    const refused = await refusedIn(dev);
    assert.ok((refused.get("form") ?? 0) > 0 && (refused.get("subject") ?? 0) > 0);
  }),
);

test.run();
