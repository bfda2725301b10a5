/**
 * All that monitors and auditors get of one node, put together: events, the clock that makes them, counters.
 *
 *   happening ─▶ cluster event        verb ─▶ audit event        save ─▶ counted        each second ─▶ heartbeat, stats
 *
 * Does NOT promise: anything that decides; the node works as well when nobody watches.
 */
import type { CtdbxError } from "../../transport/wire/errors.ts";
import { fitText } from "../../transport/wire/limits.ts";
import {
  type AnyEvent,
  type AuditFields,
  HAPPENING_MAX,
} from "../../transport/wire/messages/event.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import { audited, type Auditor } from "./audit.ts";
import type { Verb } from "../control.ts";
import { Events } from "./events.ts";
import type { Durable, Happening } from "../machines/cluster/events.ts";
import { type Counted, Monitor } from "./monitor.ts";
import type { NodeParts } from "../node_parts.ts";
import type { StoreCounters, Usage } from "./stats.ts";
import type { MetaFile } from "../storage/meta_file.ts";
import { happeningWords } from "../views.ts";

/** Refusals over NATS that are audited in one second. */
const REFUSALS_MAX = 10;

/** What the node's surroundings add. */
export interface MonitoringOptions {
  /** Version of ctdbx. */
  readonly software?: string;
  /** What the process uses; nothing is known of that when it is absent. */
  readonly usage?: () => Usage;
}

/** One node's. */
export class Monitoring {
  readonly events: Events;
  readonly monitor: Monitor;
  readonly auditor: Auditor;
  readonly #node: NodeParts;
  readonly #options: MonitoringOptions;
  #refusals = { second: 0, count: 0 };
  readonly #saves: StoreCounters = { writes: 0, failures: 0, lastMs: 0 };

  /** `node` need not be complete yet: it is looked at from `start` on. */
  constructor(node: NodeParts, options: MonitoringOptions) {
    this.#node = node;
    this.#options = options;
    const { clock, log, bus } = node.world;
    const { cluster, name, events } = node.config;
    this.events = new Events({
      clock,
      log,
      cluster,
      name,
      tag: tagOf(node.identity.nodeId),
      pnn: () => node.state.pnn,
      isCborWanted: events?.cbor ?? true,
      isUp: () => bus.status === "connected",
      publish: (topic, payload, isCbor) => node.post.event(topic, payload, isCbor),
    });
    this.auditor = { clock, tell: (fields) => this.#audit(fields) };
    this.monitor = new Monitor({
      clock,
      events: this.events,
      state: () => node.state,
      counted: () => this.#counted(),
      software: options.software ?? "unknown",
      services: () => node.services.fields,
    });
  }

  /** The verbs, those that change something audited. */
  audit(verbs: Iterable<readonly [string, Verb]>): Map<string, Verb> {
    return new Map(
      [...verbs].map(([name, verb]) => [name, audited(name, verb, this.auditor)] as const),
    );
  }

  /** What monitors would be told now. */
  now(topic: "heartbeat" | "stats"): AnyEvent {
    const { events, monitor } = this;
    return topic === "heartbeat"
      ? events.make(topic, monitor.heartbeat())
      : events.make(topic, monitor.stats());
  }

  /** Tells an audit event; of what is refused over NATS only so many a second, or a stranger could make us flood it. */
  #audit(fields: AuditFields): void {
    if (fields.way === "bus" && fields.outcome === "refused") {
      const second = Math.floor(this.#node.world.clock.nowMs() / 1000);
      if (this.#refusals.second !== second) this.#refusals = { second, count: 0 };
      this.#refusals.count += 1;
      if (this.#refusals.count > REFUSALS_MAX) return;
    }
    this.events.tell("audit", fields);
  }

  /** Something happened in the protocol. */
  happened(happening: Happening): void {
    const text = fitText(happeningWords(this.#node.state, happening), HAPPENING_MAX);
    this.events.tell("cluster", { what: happening.what, text });
    this.monitor.happened(happening);
  }

  /** Saves what must be durable, and counts it. */
  save(meta: MetaFile, durable: Durable, done: (error?: CtdbxError) => void): void {
    const { clock } = this.#node.world;
    const startMs = clock.nowMs();
    meta.save(durable, (error) => {
      this.#saves.writes += 1;
      if (error !== undefined) this.#saves.failures += 1;
      this.#saves.lastMs = Math.max(0, clock.nowMs() - startMs);
      done(error);
    });
  }

  #counted(): Counted {
    const { post, cluster, shards, data, addresses } = this.#node;
    const figures = addresses?.stats;
    return {
      post: post.counters,
      store: this.#saves,
      steps: cluster.steps,
      dropped: cluster.dropped,
      shard: shards?.glance(),
      shardFailures: shards?.failures ?? 0,
      data: data?.glance,
      ...figures === undefined ? {} : { addresses: figures },
      usage: this.#options.usage?.() ?? { rssBytes: 0, cpuMs: 0 },
    };
  }
}
