/**
 * What the schedule of events knows, and what goes in and out of it.
 *
 *   up, down, node, ended, ask, wake, stop  ──▶  schedule  ──▶  run, cancel, answer, health, wake, over
 *
 * Does NOT promise: anything about the scripts; those are the event daemon's.
 */
import type { EventEnd, EventName } from "../../../transport/wire/event_daemon.ts";

/** Times and counts; an operator may set them. */
export interface EventTiming {
  /** All scripts of an event together may take so long, ms. CTDB's EventScriptTimeout. */
  readonly timeoutMs: number;
  /** Longest time between two monitor events, ms. CTDB's MonitorInterval. */
  readonly monitorMostMs: number;
  /** So many monitor events in a row that take too long make the node unhealthy. CTDB's MonitorTimeoutCount. */
  readonly timeoutsMost: number;
}

/** First pause before a monitor event; it doubles. Upstream: ctdb_monitor.c. */
export const MONITOR_FIRST_MS = 2000;
/** The pause after the node's health has changed. Upstream: ctdb_monitor.c. */
export const MONITOR_CHANGED_MS = 5000;
/** A start event that failed is tried again after this. Upstream: ctdb_monitor.c, of startup. */
export const RETRY_MS = 5000;
/** An event daemon that has not come back after this makes the node unhealthy. */
export const DAEMON_GONE_MS = 10_000;
/** Events that somebody waits for, at a time: all addresses of a cluster, and some more. */
export const ASKS_MAX = 4352;

/** How far the node's own events are. */
export type EventPhase = "init" | "setup" | "startup" | "running" | "shutdown" | "over";

/** An event that is to be run, or runs. */
export interface Job {
  readonly id: number;
  readonly event: EventName;
  readonly args: readonly string[];
  /** Who asked for it; undefined: the schedule. */
  readonly ask?: number;
}

/** What scripts say of the node. */
export interface EventHealth {
  readonly ok: boolean;
  readonly why?: string;
  readonly tail?: string;
}

/** The node, as the schedule sees it. */
export interface NodeGlance {
  /** In the view, and neither banned nor stopped. */
  readonly isActive: boolean;
  /** Its databases are at the view in force, and it has a lease. */
  readonly isServing: boolean;
  /** Of the view in force; 0n: none yet. */
  readonly generation: bigint;
  /** Members and how they are, in words: when it changes, addresses may have to move. */
  readonly members: string;
}

/** All that the schedule knows. It is changed in place. */
export interface ScheduleState {
  timing: EventTiming;
  phase: EventPhase;
  nowMs: number;
  nextId: number;
  /** The event daemon is there. */
  isUp: boolean;
  /** Since when it is not there, and why. */
  downMs: number;
  downWhy: string;
  running: Job | undefined;
  /** A monitor event that runs was called off: something else waits. */
  isCancelled: boolean;
  /** Those that were asked for, first come first served. */
  readonly asks: Job[];
  node: NodeGlance;
  /** The generation whose startrecovery has been run, and whose recovered. */
  startedGen: bigint;
  recoveredGen: bigint;
  /** Whoever runs takeovers tells `ipreallocated`; else it follows the members. */
  isTold: boolean;
  /** Members when ipreallocated was run last. */
  reallocatedFor: string;
  /** The start event of this phase is not tried before this, ms. */
  retryMs: number;
  monitorMs: number;
  pauseMs: number;
  /** Monitor events in a row that took too long. */
  timeouts: number;
  health: EventHealth;
  isStopping: boolean;
  /** The last run of each event. */
  readonly last: Map<EventName, EventEnd>;
  /** Runs by event, and how they ended. */
  readonly counts: Map<EventName, { ok: number; failed: number; timeout: number }>;
}

/** What happens to the schedule. */
export type ScheduleEvent =
  & { readonly now: number }
  & (
    /** The event daemon is there. */
    | { readonly kind: "up" }
    /** It is gone, and what it ran with it. */
    | { readonly kind: "down"; readonly why: string }
    | { readonly kind: "node"; readonly node: NodeGlance }
    | { readonly kind: "ended"; readonly id: number; readonly end: EventEnd }
    /** Somebody wants an event run, and its end. */
    | {
      readonly kind: "ask";
      readonly ask: number;
      readonly event: EventName;
      readonly args: readonly string[];
    }
    | { readonly kind: "timing"; readonly timing: EventTiming }
    | { readonly kind: "wake" }
    /** The node stops: shutdown is the last event. */
    | { readonly kind: "stop" }
  );

/** What the schedule wants done. */
export type ScheduleEffect =
  | { readonly kind: "run"; readonly job: Job; readonly timeoutMs: number }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "answer"; readonly ask: number; readonly end: EventEnd }
  | { readonly kind: "health"; readonly health: EventHealth }
  /** An event has ended, however it did; for monitors. */
  | { readonly kind: "ended"; readonly end: EventEnd }
  /** An event of the schedule's own has failed; for the log. */
  | { readonly kind: "failed"; readonly end: EventEnd }
  /** Wake it at this time, or before; replaces a former wish. */
  | { readonly kind: "wake"; readonly atMs: number }
  /** The last event has ended. */
  | { readonly kind: "over" };

/** A schedule that has done nothing yet. */
export function newSchedule(timing: EventTiming, nowMs: number, isTold = false): ScheduleState {
  return {
    timing,
    phase: "init",
    nowMs,
    nextId: 1,
    isUp: false,
    downMs: nowMs,
    downWhy: "it is being started",
    running: undefined,
    isCancelled: false,
    asks: [],
    node: { isActive: false, isServing: false, generation: 0n, members: "" },
    startedGen: 0n,
    recoveredGen: 0n,
    isTold,
    reallocatedFor: "",
    retryMs: 0,
    monitorMs: 0,
    pauseMs: MONITOR_FIRST_MS,
    timeouts: 0,
    health: { ok: false, why: "no monitor event has passed yet" },
    isStopping: false,
    last: new Map(),
    counts: new Map(),
  };
}
