/**
 * Statistics of a node: what is counted anyway, taken once a second, with rates from two takings.
 *
 *   Sample (now), Sample (a second ago) ──▶ statsOf ──▶ stats event, metrics
 *
 * Does NOT promise: a rate before there were two samples; it is 0 then.
 */
import { EVENT_EVERY_MS, type StatsFields } from "../../transport/wire/messages/event.ts";
import type { Lag } from "./loop_lag.ts";
import type { DataStatus } from "../data/types.ts";
import type { PostCounters } from "../post.ts";
import type { ShardStatus } from "../shard.ts";

/** What the process uses. */
export interface Usage {
  /** Resident memory, bytes. */
  readonly rssBytes: number;
  /** Processor time of all its threads since it started, ms. */
  readonly cpuMs: number;
}

/** What the cluster's protocol has done. */
export interface MachineCounters {
  readonly steps: number;
  readonly dropped: number;
  readonly leaders: number;
  readonly views: number;
}

/** Writes of the node's own metadata. */
export interface StoreCounters {
  writes: number;
  failures: number;
  lastMs: number;
}

/** What the data thread counts of messages, and how its databases are. */
export type DataCounters = Pick<
  DataStatus,
  | ("messagesSent" | "messagesReceived" | "sentBytes" | "receivedBytes" | "refusedFor")
  | ("databases" | "clients")
>;

/** All that is counted, at one moment. */
export interface Sample {
  /** The node's clock. */
  readonly atMs: number;
  /** Of the main thread. */
  readonly post: PostCounters;
  /** Events told. */
  readonly events: number;
  readonly machine: MachineCounters;
  readonly store: StoreCounters;
  /** Undefined: the node has no shard, or it has not answered yet. */
  readonly shard: ShardStatus | undefined;
  /** How often its thread has died. */
  readonly shardFailures: number;
  /** Undefined: the node has no data thread, or it has not answered yet. */
  readonly data: DataCounters | undefined;
  /** Undefined: the node has to do with no public address. */
  readonly addresses?: StatsFields["addresses"];
  readonly lag: Lag;
  readonly usage: Usage;
}

/** The numbers of a sample that rates are made of. */
interface Totals {
  readonly sent: number;
  readonly received: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly steps: number;
  readonly cpuMs: number;
}

/** What rates need of a sample; counters go on changing, so it is kept apart. */
export interface Mark extends Totals {
  readonly atMs: number;
}

/** What a later sample is compared with. */
export function markOf(sample: Sample): Mark {
  const { post, shard, data, machine, usage } = sample;
  return {
    atMs: sample.atMs,
    sent: post.sent + (shard?.messagesSent ?? 0) + (data?.messagesSent ?? 0),
    received: post.received + (shard?.messagesReceived ?? 0) + (data?.messagesReceived ?? 0),
    sentBytes: post.sentBytes + (shard?.sentBytes ?? 0) + (data?.sentBytes ?? 0),
    receivedBytes: post.receivedBytes + (shard?.receivedBytes ?? 0) + (data?.receivedBytes ?? 0),
    steps: machine.steps,
    cpuMs: usage.cpuMs,
  };
}

/** The statistics of a sample; rates against `before`. */
export function statsOf(sample: Sample, before: Mark | undefined): StatsFields {
  const { events, machine, store, lag, usage, addresses } = sample;
  const now = markOf(sample);
  const overMs = before === undefined ? EVENT_EVERY_MS : Math.max(1, now.atMs - before.atMs);
  // A thread that was started anew counts from 0.
  const grown = (name: keyof Totals): number => Math.max(0, now[name] - (before ?? now)[name]);
  const rate = (name: keyof Totals): number => rounded(grown(name) * 1000 / overMs, 1);
  const refusedFor = refusedOf(sample);
  return {
    overMs: rounded(overMs, 1),
    messages: {
      sent: now.sent,
      received: now.received,
      refused: refusedFor.reduce((sum, { count }) => sum + count, 0),
      sentBytes: now.sentBytes,
      receivedBytes: now.receivedBytes,
      sentRate: rate("sent"),
      receivedRate: rate("received"),
      sentBytesRate: rate("sentBytes"),
      receivedBytesRate: rate("receivedBytes"),
      events,
    },
    refusedFor,
    machine: { ...machine, stepsRate: rate("steps") },
    store: { ...store, lastMs: rounded(store.lastMs, 2) },
    ...shardOf(sample),
    ...addresses === undefined ? {} : { addresses },
    process: {
      lagMs: rounded(lag.meanMs, 2),
      lagMaxMs: rounded(lag.maxMs, 2),
      rssBytes: Math.round(usage.rssBytes),
      cpuMs: rounded(usage.cpuMs, 1),
      cpu: rounded(grown("cpuMs") / overMs, 4),
    },
  };
}

function shardOf({ shard, shardFailures }: Sample): Pick<StatsFields, "shard"> | object {
  if (shard === undefined) return {};
  return {
    shard: {
      scopes: shard.scopes.length,
      records: shard.scopes.reduce((sum, { records }) => sum + records, 0),
      dropped: shard.dropped,
      failures: shardFailures,
    },
  };
}

/**
 * Refusals by reason, the most first. The thread of the metadata has the same mail as the main one: what both refuse is
 * one message. The data thread has mail of its own.
 */
export function refusedOf(
  { post, shard, data }: Pick<Sample, "post" | "shard" | "data">,
): StatsFields["refusedFor"] {
  const counts = new Map<string, number>(post.refused);
  for (const { code, count } of shard?.refusedFor ?? []) {
    counts.set(code, Math.max(counts.get(code) ?? 0, count));
  }
  for (const { code, count } of data?.refusedFor ?? []) {
    counts.set(code, (counts.get(code) ?? 0) + count);
  }
  return [...counts].map(([code, count]) => ({ code, count }))
    .sort((one, other) => other.count - one.count || (one.code < other.code ? -1 : 1));
}

function rounded(value: number, places: number): number {
  const scale = 10 ** places;
  return Math.round(value * scale) / scale;
}
