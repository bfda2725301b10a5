/**
 * What makes a node's events, by the clock and by what happens.
 *
 *   each second      heartbeat, stats, databases, services      after each happening, each LOOK_MS    state: who is how
 *
 * A pure function of the node's state makes each (event_views.ts, stats.ts); here is only when.
 *
 * Does NOT promise: events while the thread is busy; the next one says by `overMs` and `lagMaxMs` that it was.
 */
import { EVENT_EVERY_MS, type HeartbeatFields } from "../../transport/wire/messages/event.ts";
import type { StatsFields } from "../../transport/wire/messages/event.ts";
import type { ServicesFields } from "../../transport/wire/messages/event_services.ts";
import type { NodeId } from "../../transport/wire/terms.ts";
import type { Clock } from "../../transport/world.ts";
import { ConditionWatch, heartbeatOf, isStale } from "./event_views.ts";
import { databasesOf } from "./databases.ts";
import type { Events } from "./events.ts";
import { LagMeter } from "./loop_lag.ts";
import type { Happening } from "../machines/cluster/events.ts";
import type { ClusterState } from "../machines/cluster/state.ts";
import { type Mark, markOf, type Sample, statsOf } from "./stats.ts";
import { leaderOf } from "../views.ts";

/** Between two looks at who is how, ms. */
export const LOOK_MS = 250;

/** A node that was stopped gets so long to notice, ms. */
const LATER_MS = 20;

/** What the node counts by itself; the rest of a sample is known here. */
export type Counted = Omit<Sample, "atMs" | "lag" | "events" | "machine"> & {
  readonly steps: number;
  readonly dropped: number;
};

/** What a monitor works with. */
export interface MonitorParts {
  readonly clock: Clock;
  readonly events: Events;
  readonly state: () => ClusterState;
  readonly counted: () => Counted;
  /** Version of ctdbx. */
  readonly software: string;
  /** How its services are; undefined: it has none. */
  readonly services?: () => ServicesFields | undefined;
}

/** One node's. */
export class Monitor {
  readonly #parts: MonitorParts;
  readonly #conditions = new ConditionWatch();
  readonly #lag: LagMeter;
  readonly #startMs: number;
  #beatMs: number;
  #mark: Mark | undefined;
  #stats: StatsFields | undefined;
  #leader: NodeId | undefined;
  #leaders = 0;
  #views = 0;
  #generation = 0n;
  #endTick: () => void = () => {};
  #endSoon: (() => void) | undefined;

  constructor(parts: MonitorParts) {
    this.#parts = parts;
    this.#lag = new LagMeter(parts.clock);
    this.#startMs = parts.clock.nowMs();
    this.#beatMs = this.#startMs + EVENT_EVERY_MS;
  }

  start(): void {
    this.#lag.start();
    this.#tick();
  }

  /** Ends it, with a last heartbeat: monitors need not wait to know. */
  stop(): void {
    this.#endTick();
    this.#endSoon?.();
    this.#endSoon = undefined;
    this.#lag.stop();
    this.#parts.events.tell("heartbeat", {
      ...this.heartbeat(),
      condition: "disconnected",
      why: "its daemon ends",
      runstate: "shutdown",
      isLeader: false,
      serving: false,
      leaseMs: 0,
    });
  }

  /** Something happened: who is how is looked at when the step is over. */
  happened(happening: Happening): void {
    if (happening.what === "adopted" && happening.doc.generation !== this.#generation) {
      this.#generation = happening.doc.generation;
      this.#views += 1;
    }
    this.#endSoon ??= this.#parts.clock.after(0, () => {
      this.#endSoon = undefined;
      this.#look();
    });
  }

  /** What a heartbeat would say now. */
  heartbeat(): HeartbeatFields {
    const { state, software, clock } = this.#parts;
    return heartbeatOf(state(), { startMs: this.#startMs, software }, clock.nowMs());
  }

  /** The statistics of the last second; of now, when there are none yet. */
  stats(): StatsFields {
    return this.#stats ?? statsOf(this.#sample(), undefined);
  }

  #sample(): Sample {
    const { clock, events, counted } = this.#parts;
    const { steps, dropped, ...rest } = counted();
    return {
      atMs: clock.nowMs(),
      lag: this.#lag.take(),
      events: events.count,
      machine: { steps, dropped, leaders: this.#leaders, views: this.#views },
      ...rest,
    };
  }

  #tick(isLater = false): void {
    const { clock, state } = this.#parts;
    // This process was stopped, and the machine, whose timer is due, too, has not noticed yet: it first.
    if (!isLater && isStale(state(), clock.nowMs())) {
      this.#endTick = clock.after(LATER_MS, () => this.#tick(true));
      return;
    }
    this.#look();
    const nowMs = clock.nowMs();
    if (nowMs >= this.#beatMs) this.#beat(nowMs);
    const waitMs = Math.min(LOOK_MS, Math.max(0, this.#beatMs - clock.nowMs()));
    this.#endTick = clock.after(waitMs, () => this.#tick());
  }

  #beat(nowMs: number): void {
    const { events } = this.#parts;
    // On the second, as long as it can be held; a stopped process does not make up for what it missed.
    this.#beatMs = Math.max(this.#beatMs + EVENT_EVERY_MS, nowMs + EVENT_EVERY_MS / 2);
    events.tell("heartbeat", this.heartbeat());
    const sample = this.#sample();
    this.#stats = statsOf(sample, this.#mark);
    this.#mark = markOf(sample);
    events.tell("stats", this.#stats);
    const databases = databasesOf(sample.data);
    if (databases !== undefined) events.tell("databases", databases);
    const services = this.#parts.services?.();
    if (services !== undefined) events.tell("services", services);
  }

  #look(): void {
    const { clock, events, state } = this.#parts;
    const now = state();
    const leader = leaderOf(now);
    if (leader !== undefined && leader !== this.#leader) {
      this.#leader = leader;
      this.#leaders += 1;
    }
    for (const change of this.#conditions.changes(now, clock.nowMs())) events.tell("state", change);
  }
}
