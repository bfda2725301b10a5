/**
 * A node that was away while 1 % of the records of a database changed: how many bytes are sent until its copy has all.
 *
 *   log     the others still have the entries that it lacks           pages   they do not: pages that differ travel
 *
 * In virtual time, with real data threads and simulated files and network: bytes are those of all messages of all nodes
 * from its start until it has caught up, without NATS and TCP, so heartbeats are in them, too.
 *
 * Does NOT promise: how long it takes on a real network; nor large databases: simulated files take memory many times.
 */

import { defaultCommitTiming } from "../../../actors/machines/commit/tunables.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { ALL, attached, isServed, opsAt, transact } from "../../actors/data/commit_whole.ts";
import type { Whole } from "../../actors/data/whole.ts";
import { type Figure, mustBe, Times } from "../workloads/measure.ts";

/** Which way it catches up. */
export type CatchUpWay = "log" | "pages";

const RECORD_BYTES = 1000;
/** Records of one transaction when the database is filled; each change is one of its own. */
const FILL_TXN = 500;
const CHANGED_PART = 0.01;
const LIMIT_MS = 600_000;
const CALM_MS = 2000;
const SEED = 4242;

/** Of a database of about so many bytes. */
export async function catchUp(way: CatchUpWay, bytes: number): Promise<Figure> {
  const records = Math.ceil(bytes / RECORD_BYTES);
  const short = { ...defaultCommitTiming(), keepLog: 4, checkpointEntries: 2, keepEntries: 2 };
  const commits = way === "log" ? {} : { timing: short, segmentBytes: 4096 };
  const hashSize = Math.max(101, records | 1);
  const whole = await attached(SEED, { hashSize }, { commits });
  await fill(whole, records);
  // All copies have all of it in their files.
  await whole.cluster.run(CALM_MS);
  const primary = opsAt(whole, 0).look().primary as number;
  const [away = 0, other = 1] = ALL.filter((n) => n !== primary);
  const behind = whole.shards[away]?.commits[0]?.machine?.state.replica.log.last ?? 0n;
  whole.crash(away);
  const changed = await change(whole, other, records);
  const begins = whole.shards[primary]?.commits[0]?.disk?.store.log.start.seq ?? 0n;
  mustBe("whether the log reaches back", begins <= behind, way === "log");
  const sent = countSent(whole);
  const startMs = whole.cluster.time.nowMs;
  await whole.cluster.start(away);
  countSentBy(whole, away, sent);
  const last = opsAt(whole, other).look().dbseq;
  const isThere = () => (whole.shards[away]?.commits[0]?.disk?.view.dbseq ?? 0n) >= last;
  await whole.until(() => whole.shards[away]?.commits[0]?.disk?.usable !== undefined, LIMIT_MS);
  await whole.until(isThere, LIMIT_MS);
  const tookMs = whole.cluster.time.nowMs - startMs;
  mustBe("what it has", whole.shards[away]?.commits[0]?.disk?.view.dbseq, last);
  const times = new Times();
  times.add(tookMs);
  const missed = changed * RECORD_BYTES;
  return times.figure({ name: "ctdbx", about: "virtual time" }, {
    workload: "catch-up",
    what: `1 % of ${(bytes / 1e6).toPrecision(3)} MB missed, by ${way}`,
    unit: "catch-ups",
    seconds: tookMs / 1000,
    result: { way, records, changed },
    more: { sentBytes: sent.bytes, missedBytes: missed, sentToMissed: sent.bytes / missed },
  });
}

function keyOf(record: number): string {
  return `record ${record}`;
}

function valueOf(record: number, round: number): Uint8Array {
  return new Uint8Array(RECORD_BYTES).fill((record + round) & 255);
}

async function store(whole: Whole, n: number, keys: readonly number[], round: number) {
  const writes = keys.map((record) => ({ key: keyOf(record), value: valueOf(record, round) }));
  const end = await transact(whole, n, { reads: [], writes }, LIMIT_MS);
  mustBe("a transaction", end.outcome, "committed");
}

async function fill(whole: Whole, records: number): Promise<void> {
  for (let from = 0; from < records; from += FILL_TXN) {
    const count = Math.min(FILL_TXN, records - from);
    await store(whole, 0, Array.from({ length: count }, (_, at) => from + at), 0);
  }
}

/** Changes some at random; answers how many. */
async function change(whole: Whole, n: number, records: number): Promise<number> {
  await whole.until(() => isServed(whole), LIMIT_MS);
  const dice = new SeededDice(SEED);
  const chosen = new Set<number>();
  const wanted = Math.ceil(records * CHANGED_PART);
  while (chosen.size < wanted) chosen.add(dice.below(records));
  const all = [...chosen];
  for (const record of all) await store(whole, n, [record], 1);
  return wanted;
}

interface Sent {
  bytes: number;
}

function countSent(whole: Whole): Sent {
  const sent: Sent = { bytes: 0 };
  for (const [n, { world }] of whole.cluster.machines.entries()) {
    if (world !== undefined) countSentBy(whole, n, sent);
  }
  return sent;
}

/** All that a node publishes from now on counts. */
function countSentBy(whole: Whole, n: number, sent: Sent): void {
  const bus = whole.cluster.machines[n]?.world?.bus;
  if (bus === undefined) return;
  const publish = bus.publish.bind(bus);
  bus.publish = (subject, payload, reply) => {
    sent.bytes += payload.length;
    publish(subject, payload, reply);
  };
}
