/**
 * A node's heartbeat and statistics as Prometheus text: what each metric is called, and where its number comes from.
 *
 *   heartbeat, stats ──▶ METRICS (name, kind, field) ──▶ registry ──▶ # HELP ... # TYPE ... ctdbx_..{cluster,node} 1
 *
 * Names end in their unit: `_seconds`, `_bytes`; counters in `_total`. HELP is the declared meaning of the field.
 *
 * Does NOT promise: numbers newer than the last second; statistics are taken once in one.
 */

import { Counter, Gauge, Registry } from "prom-client";
import { REFUSAL_MEANING } from "../transport/wire/envelope.ts";
import { ADDRESS_STATES } from "../actors/machines/addresses/takeover/show.ts";
import { STATUSES } from "../actors/machines/checks/state.ts";
import {
  CONDITIONS,
  HEARTBEAT_EVENT,
  type HeartbeatEvent,
  STATS_EVENT,
  type StatsEvent,
} from "../transport/wire/messages/event.ts";
import { SERVICES_EVENT, type ServicesFields } from "../transport/wire/messages/event_services.ts";

/** What metrics are made of. */
export interface MetricFacts {
  readonly heartbeat: HeartbeatEvent;
  readonly stats: StatsEvent;
  /** Undefined: the node has no checks and no notifications. */
  readonly services?: ServicesFields;
}

/** A value with the labels that are its own. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** One metric. */
export interface Metric {
  readonly name: string;
  readonly kind: "gauge" | "counter";
  readonly help: string;
  /** Names of its own labels; cluster and node come on top. */
  readonly labels: readonly string[];
  readonly samples: (facts: MetricFacts) => readonly Sample[];
}

/** Content-Type of the text. */
export const METRICS_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;

/** All metrics, in the order of the text. */
export const METRICS: readonly Metric[] = [
  {
    name: "ctdbx_node_info",
    kind: "gauge",
    help: "Always 1: the node's number, tag, and version of ctdbx.",
    labels: ["pnn", "tag", "software"],
    samples: ({ heartbeat: { pnn, tag, software } }) => [
      [{ pnn: pnn === undefined ? "" : `${pnn}`, tag, software }, 1],
    ],
  },
  {
    name: "ctdbx_node_condition",
    kind: "gauge",
    help: "1 for the condition that the node is in by its own word, 0 for the others.",
    labels: ["condition"],
    samples: ({ heartbeat }) =>
      CONDITIONS.map((condition) => [{ condition }, Number(heartbeat.condition === condition)]),
  },
  ofHeartbeat("ctdbx_node_leader", "isLeader", ({ isLeader }) => Number(isLeader)),
  ofHeartbeat("ctdbx_node_serving", "serving", ({ serving }) => Number(serving)),
  ofHeartbeat("ctdbx_node_lease_seconds", "leaseMs", ({ leaseMs }) => leaseMs / 1000),
  ofHeartbeat("ctdbx_node_uptime_seconds", "uptimeMs", ({ uptimeMs }) => uptimeMs / 1000),
  ofHeartbeat("ctdbx_cluster_view_members", "members", ({ members }) => members),
  ofHeartbeat("ctdbx_cluster_nodes", "nodes", ({ nodes }) => nodes),
  {
    name: "ctdbx_cluster_leader_known",
    kind: "gauge",
    help: "1 when the node knows who leads.",
    labels: [],
    samples: ({ heartbeat: { leader } }) => [[{}, Number(leader !== undefined)]],
  },
  ofStats("ctdbx_leader_changes_total", "machine.leaders", (s) => s.machine.leaders),
  ofStats("ctdbx_views_adopted_total", "machine.views", (s) => s.machine.views),
  ofStats("ctdbx_machine_steps_total", "machine.steps", (s) => s.machine.steps),
  ofStats("ctdbx_machine_dropped_total", "machine.dropped", (s) => s.machine.dropped),
  ofStats("ctdbx_messages_sent_total", "messages.sent", (s) => s.messages.sent),
  ofStats("ctdbx_messages_received_total", "messages.received", (s) => s.messages.received),
  {
    name: "ctdbx_messages_refused_total",
    kind: "counter",
    help: describe(STATS_EVENT, "refusedFor"),
    labels: ["reason"],
    samples: ({ stats }) => refusedSamples(stats),
  },
  ofStats("ctdbx_sent_bytes_total", "messages.sentBytes", (s) => s.messages.sentBytes),
  ofStats("ctdbx_received_bytes_total", "messages.receivedBytes", (s) => s.messages.receivedBytes),
  ofStats("ctdbx_events_told_total", "messages.events", (s) => s.messages.events),
  ofStats("ctdbx_store_writes_total", "store.writes", (s) => s.store.writes),
  ofStats("ctdbx_store_write_failures_total", "store.failures", (s) => s.store.failures),
  ofStats("ctdbx_store_last_write_seconds", "store.lastMs", (s) => s.store.lastMs / 1000),
  ofStats("ctdbx_shard_scopes", "shard.scopes", (s) => s.shard?.scopes),
  ofStats("ctdbx_shard_records", "shard.records", (s) => s.shard?.records),
  ofStats("ctdbx_shard_dropped_total", "shard.dropped", (s) => s.shard?.dropped),
  ofStats("ctdbx_shard_failures_total", "shard.failures", (s) => s.shard?.failures),
  ofStats("ctdbx_loop_lag_seconds", "process.lagMs", (s) => s.process.lagMs / 1000),
  ofStats("ctdbx_loop_lag_max_seconds", "process.lagMaxMs", (s) => s.process.lagMaxMs / 1000),
  ofStats("ctdbx_resident_memory_bytes", "process.rssBytes", (s) => s.process.rssBytes),
  ofStats("ctdbx_cpu_seconds_total", "process.cpuMs", (s) => s.process.cpuMs / 1000),
  ofAddresses("ctdbx_addresses_listed", "listed", ({ listed }) => listed),
  ofAddresses("ctdbx_addresses_held", "held", ({ held }) => held),
  ofAddresses("ctdbx_addresses_taken_total", "taken", ({ taken }) => taken),
  ofAddresses("ctdbx_addresses_released_total", "released", ({ released }) => released),
  ofAddresses("ctdbx_addresses_lost_total", "lost", ({ lost }) => lost),
  ofAddresses("ctdbx_addresses_foreign_total", "foreign", ({ foreign }) => foreign),
  ofAddresses("ctdbx_addresses_broken_total", "broken", ({ broken }) => broken),
  ofAddresses("ctdbx_takeover_runs_total", "runs", ({ runs }) => runs),
  ofAddresses("ctdbx_takeover_run_failures_total", "runsFailed", ({ runsFailed }) => runsFailed),
  ofAddresses("ctdbx_takeover_moves_total", "moves", ({ moves }) => moves),
  ofAddresses("ctdbx_takeover_last_run_seconds", "lastRunMs", (a) => a.lastRunMs / 1000),
  {
    name: "ctdbx_cluster_addresses",
    kind: "gauge",
    help: "From the leader alone: addresses of the cluster in this state.",
    labels: ["state"],
    samples: ({ stats: { addresses } }) =>
      addresses?.cluster === undefined
        ? []
        : ADDRESS_STATES.map((state): Sample => [{ state }, addresses.cluster?.[state] ?? 0]),
  },
  {
    name: "ctdbx_check_status",
    kind: "gauge",
    help: "1 for the status that a check of a service has, 0 for the others.",
    labels: ["check", "kind", "status"],
    samples: ({ services }) =>
      (services?.checks ?? []).flatMap(({ name, probe, status }) =>
        STATUSES.map((each): Sample => [
          { check: name, kind: probe, status: each },
          Number(each === status),
        ])
      ),
  },
  ofChecks("ctdbx_check_looks_total", "runs", ({ runs }) => runs),
  ofChecks("ctdbx_check_failures_total", "failed", ({ failed }) => failed),
  ofChecks("ctdbx_check_restarts_total", "restarts", ({ restarts }) => restarts),
  ofChecks("ctdbx_check_last_look_seconds", "tookMs", ({ tookMs }) => tookMs / 1000),
  ofWays("ctdbx_notifications_sent_total", "sent", ({ sent }) => sent),
  ofWays("ctdbx_notifications_failed_total", "failed", ({ failed }) => failed),
  ofWays("ctdbx_notifications_dropped_total", "dropped", ({ dropped }) => dropped),
  ofWays("ctdbx_notifications_waiting", "waiting", ({ waiting }) => waiting),
];

/** A registry that is filled anew for each text. */
export class MetricsText {
  readonly #registry = new Registry();
  readonly #made: readonly (readonly [Metric, Gauge | Counter])[];

  constructor() {
    this.#made = METRICS.map((metric) => {
      const { name, kind, help, labels } = metric;
      const form = {
        name,
        help,
        labelNames: ["cluster", "node", ...labels],
        registers: [this.#registry],
      };
      return [metric, kind === "gauge" ? new Gauge(form) : new Counter(form)];
    });
  }

  /** The text of these facts. */
  async of(facts: MetricFacts): Promise<string> {
    const { cluster, node } = facts.heartbeat;
    for (const [metric, made] of this.#made) {
      made.reset();
      for (const [labels, value] of metric.samples(facts)) {
        const named = { cluster, node, ...labels };
        if (made instanceof Gauge) made.set(named, value);
        else made.inc(named, value);
      }
    }
    return await this.#registry.metrics();
  }
}

function refusedSamples({ refusedFor }: StatsEvent): Sample[] {
  const counts = new Map(refusedFor.map(({ code, count }) => [code, count]));
  // All that there are, from the start: a rate needs a first value.
  const reasons = new Set([...Object.keys(REFUSAL_MEANING), ...counts.keys()]);
  return [...reasons].map((reason) => [{ reason }, counts.get(reason) ?? 0]);
}

function ofHeartbeat(
  name: string,
  field: string,
  value: (heartbeat: HeartbeatEvent) => number,
): Metric {
  const help = describe(HEARTBEAT_EVENT, field);
  return { ...plain(name, help), samples: ({ heartbeat }) => [[{}, value(heartbeat)]] };
}

function ofStats(
  name: string,
  field: string,
  value: (stats: StatsEvent) => number | undefined,
): Metric {
  const samples = ({ stats }: MetricFacts): Sample[] => {
    const known = value(stats);
    return known === undefined ? [] : [[{}, known]];
  };
  return { ...plain(name, describe(STATS_EVENT, field)), samples };
}

/** Of a node that has to do with public addresses. */
function ofAddresses(
  name: string,
  field: string,
  value: (figures: NonNullable<StatsEvent["addresses"]>) => number,
): Metric {
  return ofStats(
    name,
    `addresses.${field}`,
    ({ addresses }) => addresses === undefined ? undefined : value(addresses),
  );
}

/** Of each check. */
function ofChecks(
  name: string,
  field: string,
  value: (check: ServicesFields["checks"][number]) => number,
): Metric {
  return {
    ...plain(name, describe(SERVICES_EVENT, `checks.${field}`)),
    labels: ["check"],
    samples: ({ services }) =>
      (services?.checks ?? []).map((check) => [{ check: check.name }, value(check)]),
  };
}

/** Of each way of notification. */
function ofWays(
  name: string,
  field: string,
  value: (way: ServicesFields["notify"][number]) => number,
): Metric {
  return {
    ...plain(name, describe(SERVICES_EVENT, `notify.${field}`)),
    labels: ["way"],
    samples: ({ services }) =>
      (services?.notify ?? []).map((way) => [{ way: way.name }, value(way)]),
  };
}

function plain(name: string, help: string): Omit<Metric, "samples"> {
  return { name, kind: name.endsWith("_total") ? "counter" : "gauge", help, labels: [] };
}

/**
 * What a declared field means; a dot leads into a record, or into the records of a list. Throws RangeError when there
 * is no such field.
 */
function describe(declared: { readonly fields: object }, path: string): string {
  let at = declared.fields as Schema;
  for (const name of path.split(".")) {
    const next = (at.items ?? at).properties?.[name];
    if (next === undefined) throw new RangeError(`Cannot describe ${path}: there is no ${name}`);
    at = next;
  }
  return at.description ?? "";
}

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}
