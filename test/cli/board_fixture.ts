/**
 * Events as they come, for tests of what is made of them.
 *
 * Does NOT promise: events that belong together; each test says what it needs.
 */

import type { FeedItem } from "../../cli/feed.ts";
import type { HeartbeatEvent, StatsEvent } from "../../transport/wire/messages/event.ts";

/** A tag of a test's node. */
export function tagFor(n: number): string {
  return "abcdefghij".slice(0, 9) + "abcdefgh"[n];
}

/** What every event of node `n` says. */
function headOf(n: number, topic: string): Record<string, unknown> {
  return {
    v: 1,
    topic,
    cluster: "edge",
    node: `n${n}`,
    pnn: n,
    tag: tagFor(n),
    wallMs: 1e12,
    seq: 1,
  };
}

/** A heartbeat of node `n`; well, of three, n0 leads, unless told. */
export function heartbeat(n: number, more: Partial<HeartbeatEvent> = {}): FeedItem {
  const event = {
    ...headOf(n, "heartbeat"),
    condition: "ok",
    runstate: "running",
    incarnation: "5",
    generation: "7",
    version: "7",
    leader: "n0",
    isLeader: n === 0,
    serving: true,
    leaseMs: 2000,
    members: 3,
    nodes: 3,
    uptimeMs: 60_000,
    software: "0.1.0",
    everyMs: 1000,
    ...more,
  };
  return { topic: "heartbeat", who: `n${n}`, event };
}

/** Statistics of node `n`. */
export function stats(n: number, process: Partial<StatsEvent["process"]> = {}): FeedItem {
  const event = {
    ...headOf(n, "stats"),
    overMs: 1000,
    messages: {
      sent: 100,
      received: 200,
      refused: 0,
      sentBytes: 1000,
      receivedBytes: 2000,
      sentRate: 10 * (n + 1),
      receivedRate: 20,
      sentBytesRate: 1500,
      receivedBytesRate: 2500,
      events: 9,
    },
    refusedFor: [{ code: "form", count: 2 }],
    machine: { steps: 10, stepsRate: 1, dropped: 0, leaders: 1, views: 1 },
    store: { writes: 1, failures: 0, lastMs: 2 },
    process: {
      lagMs: 0.5,
      lagMaxMs: 2.25,
      rssBytes: 80_000_000,
      cpuMs: 1234.5,
      cpu: 0.02,
      ...process,
    },
  };
  return { topic: "stats", who: `n${n}`, event };
}

/** A change of a node that another one tells. */
export function state(from: number, about: number, to: string, why?: string): FeedItem {
  const said = { about: `n${about}`, aboutPnn: about, from: "ok", to };
  const event = { ...headOf(from, "state"), ...said, ...why === undefined ? {} : { why } };
  return { topic: "state", who: `n${from}`, event };
}
