/** Prometheus' text: its form, its names, and that the dashboard names nothing else. */

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { healthOf } from "../../cli/metrics_server.ts";
import { type MetricFacts, METRICS, MetricsText } from "../../cli/metrics_text.ts";
import type { HeartbeatEvent, StatsEvent } from "../../transport/wire/messages/event.ts";
import { heartbeat, stats } from "./board_fixture.ts";

const test = suite("metrics");

const FACTS: MetricFacts = {
  heartbeat: heartbeat(1, { condition: "draining" }).event as object as HeartbeatEvent,
  stats: {
    ...stats(1).event as object as StatsEvent,
    addresses: {
      ...{ listed: 4, held: 2, taken: 5, released: 3, lost: 1, foreign: 0, broken: 0 },
      ...{ runs: 6, runsFailed: 1, moves: 9, lastRunMs: 35.5, untold: 0 },
      cluster: { known: 8, hosted: 6, moving: 1, waiting: 0, unhosted: 1 },
    },
  },
  services: {
    healthy: false,
    count: 1,
    checks: [{
      ...{ name: "web", probe: "http", status: "failed", critical: true, failures: 3, runs: 9 },
      ...{ failed: 4, restarts: 2, tookMs: 12.5 },
    }],
    notify: [{ name: "pager", sent: 5, failed: 1, dropped: 2, waiting: 3 }],
  },
};
const text = await new MetricsText().of(FACTS);
const SAMPLE = /^([a-z_]+)\{((?:[a-z]+="[^"\\\n]*",?)+)\} (\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;

test("every line is a comment or a sample of the cluster and the node", () => {
  for (const line of text.trim().split("\n")) {
    if (line === "" || /^# (HELP|TYPE) ctdbx_\w+ .+/.test(line)) continue;
    const [, , labels = ""] = SAMPLE.exec(line) ?? [];
    assert.match(labels, /^cluster="edge",node="n1"/, line);
  }
});

test("every metric has HELP, TYPE, and a name that ends in its unit", () => {
  assert.is(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
  for (const { name, kind, help } of METRICS) {
    assert.match(name, /^ctdbx_[a-z]+(_[a-z]+)*$/);
    assert.ok(help.length > 5, `${name}: ${help}`);
    assert.match(text, `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`);
    assert.is(name.endsWith("_total"), kind === "counter");
    assert.not.match(name, /_(ms|milliseconds|kb|mb)(_|$)/);
  }
});

test("numbers in base units", () => {
  const has = (line: string): void => assert.match(text, `\n${line}\n`);
  has(`ctdbx_node_lease_seconds{cluster="edge",node="n1"} 2`);
  has(`ctdbx_loop_lag_max_seconds{cluster="edge",node="n1"} 0.00225`);
  has(`ctdbx_resident_memory_bytes{cluster="edge",node="n1"} 80000000`);
  has(`ctdbx_cpu_seconds_total{cluster="edge",node="n1"} 1.2345`);
  has(`ctdbx_node_condition{cluster="edge",node="n1",condition="draining"} 1`);
  has(`ctdbx_node_condition{cluster="edge",node="n1",condition="ok"} 0`);
  has(`ctdbx_messages_refused_total{cluster="edge",node="n1",reason="form"} 2`);
  has(`ctdbx_messages_refused_total{cluster="edge",node="n1",reason="size"} 0`);
  const web = `cluster="edge",node="n1",check="web"`;
  has(`ctdbx_check_status{${web},kind="http",status="failed"} 1`);
  has(`ctdbx_check_status{${web},kind="http",status="ok"} 0`);
  has(`ctdbx_check_looks_total{${web}} 9`);
  has(`ctdbx_check_last_look_seconds{${web}} 0.0125`);
  has(`ctdbx_notifications_dropped_total{cluster="edge",node="n1",way="pager"} 2`);
  has(`ctdbx_addresses_held{cluster="edge",node="n1"} 2`);
  has(`ctdbx_takeover_last_run_seconds{cluster="edge",node="n1"} 0.0355`);
  has(`ctdbx_cluster_addresses{cluster="edge",node="n1",state="unhosted"} 1`);
  has(`ctdbx_cluster_addresses{cluster="edge",node="n1",state="waiting"} 0`);
});

test("a node that has to do with no address says nothing of them, and only the leader how all stand", async () => {
  const without = await new MetricsText().of({
    heartbeat: FACTS.heartbeat,
    stats: stats(1).event as object as StatsEvent,
  });
  assert.not.match(without, /^ctdbx_(?:cluster_addresses|addresses_|takeover_)/m);
  const { cluster: _, ...own } = FACTS.stats.addresses!;
  const member = await new MetricsText().of({
    ...FACTS,
    stats: { ...FACTS.stats, addresses: own },
  });
  assert.match(member, /^ctdbx_addresses_held\{/m);
  assert.not.match(member, /^ctdbx_cluster_addresses\{/m);
});

test("the next text has the next numbers, and nothing of the one before", async () => {
  const made = new MetricsText();
  await made.of(FACTS);
  const messages = { ...FACTS.stats.messages, sent: 50 };
  const next = await made.of({ ...FACTS, stats: { ...FACTS.stats, messages, refusedFor: [] } });
  assert.match(next, `ctdbx_messages_sent_total{cluster="edge",node="n1"} 50\n`);
  assert.match(next, `reason="form"} 0\n`);
});

test("the dashboard names only metrics that there are, and can be imported", () => {
  const url = new URL("../../docs/grafana/ctdbx.json", import.meta.url);
  const board = JSON.parse(readFileSync(url, "utf8"));
  const named = new Set(JSON.stringify(board).match(/\bctdbx_[a-z_]+/g));
  const known = new Set(METRICS.map(({ name }) => name));
  assert.equal([...named].filter((name) => !known.has(name)), []);
  assert.ok(named.size >= 10, `only ${[...named]}`);
  assert.is(board.id, null);
  const ids = board.panels.map(({ id }: { id: number }) => id);
  assert.is(new Set(ids).size, ids.length);
  for (const panel of board.panels) {
    if (panel.type === "row") continue;
    assert.equal(panel.datasource, { type: "prometheus", uid: "${datasource}" }, panel.title);
    for (const { expr } of panel.targets) assert.match(expr, /cluster=~"\$cluster"/, panel.title);
  }
  const variables = board.templating.list.map(({ name }: { name: string }) => name);
  assert.equal(variables, ["datasource", "cluster"]);
});

test("health: 200, or 503 and what is wrong", () => {
  assert.equal([healthOf([]).status, healthOf([]).text], [200, "ok\n"]);
  const ill = healthOf(["no leader is known", "n1 is banned"]);
  assert.equal([ill.status, ill.text], [503, "no leader is known\nn1 is banned\n"]);
});

test.run();
