/**
 * `npm run bench -- scaling [--small] [--json FILE]`: what an operation costs in clusters of 1, 2 and 3 nodes: messages
 * on the bus, and processor time of the daemons and the nats-server.
 *
 *   one client per node: of 100 operations 80 on records that it alone uses, 20 on records that all use; half are reads
 *
 * Throughput is not compared: the nodes share the cores of one machine.
 *
 * Does NOT promise: the cost of an idle cluster to be small beside it; it is measured before, and taken off.
 */

import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Dice } from "./tdb/stream.ts";
import { counterOf } from "./workloads/counter.ts";
import { hashOf, mustBe, type Scale } from "./workloads/measure.ts";
import { OurWorld } from "./workloads/our_world.ts";
import type { RecordTable } from "./workloads/world.ts";

const NODES = [1, 2, 3] as const;
const OPERATIONS: Readonly<Record<Scale, number>> = { full: 30_000, small: 500 };
const OWN_KEYS = 200;
const SHARED_KEYS = 50;
/** Of 100. */
const SHARED = 20;
const READS = 50;
/** The idle cluster is looked at for so long, ms. */
const IDLE_MS: Readonly<Record<Scale, number>> = { full: 5000, small: 500 };
/** Counters of threads are told to their daemons once a second, ms. */
const TOLD_MS = 1500;
const DATABASE = "scaling";

/** What one size of a cluster costs. */
export interface ScalingRow {
  readonly nodes: number;
  readonly operations: number;
  readonly perSecond: number;
  readonly messagesPerOperation: number;
  readonly cpuUsPerOperation: number;
  /** Of the idle cluster. */
  readonly idleMessagesPerSecond: number;
  readonly idleCores: number;
  /** Of the counters at the end. */
  readonly hash: string;
}

/** One client's part; answers how many additions it made. */
async function work(table: RecordTable, node: number, count: number): Promise<number> {
  const dice = new Dice();
  for (let draw = 0; draw < 777 * node; draw++) dice.draw(2);
  const encoder = new TextEncoder();
  const keys = (name: string, many: number) =>
    Array.from({ length: many }, (_, at) => encoder.encode(`${name} ${at}`));
  const [own, shared] = [keys(`own ${node}`, OWN_KEYS), keys("shared", SHARED_KEYS)];
  let added = 0;
  for (let done = 0; done < count; done++) {
    const from = dice.draw(100) < SHARED ? shared : own;
    const key = from[dice.draw(from.length)] as Uint8Array;
    const isRead = dice.draw(100) < READS;
    const later = isRead ? table.read(key) : table.add(key, 1);
    if (later instanceof Promise) await later;
    if (!isRead) added += 1;
  }
  return added;
}

/** What it costs on a world that stands, which is quiet. `each`: operations of a client. */
export async function rowOf(
  world: OurWorld,
  scale: Scale,
  each = OPERATIONS[scale],
): Promise<ScalingRow> {
  const { nodes } = world;
  const clients = await Promise.all(
    Array.from({ length: nodes }, (_, pnn) => world.client(pnn)),
  );
  const tables = await Promise.all(clients.map((client) => client.attach(DATABASE)));
  const warm = await Promise.all(
    tables.map((table, pnn) => work(table, pnn, Math.min(each, OPERATIONS.small))),
  );
  const cost = async (run: () => Promise<unknown>) => {
    const [cpuMs, sent, startMs] = [world.cpuMs(), await world.messages(), performance.now()];
    await run();
    const seconds = (performance.now() - startMs) / 1000;
    // Until the daemons know of all that their threads have sent.
    await sleep(TOLD_MS);
    const all = (performance.now() - startMs) / 1000;
    return { cpuMs: world.cpuMs() - cpuMs, sent: await world.messages() - sent, seconds, all };
  };
  await sleep(TOLD_MS);
  const idle = await cost(() => sleep(IDLE_MS[scale]));
  let added = 0;
  const busy = await cost(async () => {
    const all = tables.map((table, pnn) => work(table, pnn, each));
    for (const made of await Promise.all(all)) added += made;
  });
  const sums: number[] = [];
  await tables[0]?.traverse((_key, value) => void sums.push(counterOf(value)));
  const sum = (all: readonly number[]) => all.reduce((one, other) => one + other, 0);
  mustBe("the sum of all counters", sum(sums), sum(warm) + added);
  const operations = nodes * each;
  const beside = busy.all / idle.all;
  for (const client of clients) client.close();
  return {
    nodes,
    operations,
    perSecond: operations / busy.seconds,
    messagesPerOperation: (busy.sent - idle.sent * beside) / operations,
    cpuUsPerOperation: 1000 * (busy.cpuMs - idle.cpuMs * beside) / operations,
    idleMessagesPerSecond: idle.sent / idle.all,
    idleCores: idle.cpuMs / 1000 / idle.all,
    hash: hashOf(sums.sort((one, other) => one - other)),
  };
}

async function row(nodes: number, scale: Scale): Promise<ScalingRow> {
  const world = await OurWorld.start(nodes);
  try {
    return await rowOf(world, scale);
  } finally {
    await world.end();
  }
}

/** Measures all sizes, one after the other. */
export async function scaling(scale: Scale): Promise<ScalingRow[]> {
  const rows: ScalingRow[] = [];
  for (const nodes of NODES) rows.push(await row(nodes, scale));
  return rows;
}

async function main(words: string[]): Promise<void> {
  const { values } = parseArgs({
    args: words,
    options: { small: { type: "boolean", default: false }, json: { type: "string" } },
  });
  const before = loadavg()[0] as number;
  const rows = await scaling(values.small ? "small" : "full");
  console.log("nodes  messages/op  CPU us/op      op/s  idle: messages/s  cores  result");
  for (const each of rows) {
    const cells = [
      String(each.nodes).padStart(5),
      each.messagesPerOperation.toFixed(3).padStart(11),
      each.cpuUsPerOperation.toFixed(1).padStart(9),
      each.perSecond.toFixed(0).padStart(8),
      each.idleMessagesPerSecond.toFixed(1).padStart(16),
      each.idleCores.toFixed(3).padStart(5),
      each.hash,
    ];
    console.log(cells.join("  "));
  }
  console.log(`load ${before.toFixed(1)} before, ${loadavg()[0]?.toFixed(1)} after`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 1)}\n`);
}

if (import.meta.main) {
  process.exit(
    await main(process.argv.slice(2)).then(() => 0, (error: Error) => {
      console.error(`Cannot go on: ${error.stack ?? error.message}`);
      return 1;
    }),
  );
}
