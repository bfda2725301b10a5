/**
 * A daemon's pages for programs that scrape: /metrics as Prometheus text, /healthz as a verdict.
 *
 *   /healthz   200 ok        503 and the troubles, one a line
 *
 * Does NOT promise: the health of the cluster as others see it; each node says what it sees.
 */

import type { NodeParts } from "../actors/node_parts.ts";
import { servicesOf } from "../actors/services/rows.ts";
import { troubles } from "../actors/views.ts";
import { HttpPages, type Page } from "../transport/real_http.ts";
import type { HeartbeatEvent, StatsEvent } from "../transport/wire/messages/event.ts";

/** Serves them at `listen` (host:port) until they are closed. */
export async function serveMetrics(node: NodeParts, listen: string): Promise<HttpPages> {
  // Not before it is wanted: most commands, and many daemons, need none of it.
  const { METRICS_TYPE, MetricsText } = await import("./metrics_text.ts");
  const text = new MetricsText();
  const { clock, log } = node.world;
  const pages = new Map<string, () => Page | Promise<Page>>([
    ["/metrics", async () => {
      const heartbeat = node.monitoring.now("heartbeat") as HeartbeatEvent;
      const stats = node.monitoring.now("stats") as StatsEvent;
      const services = servicesOf(node.services.rows, node.services.ways, Infinity);
      const facts = { heartbeat, stats, ...services === undefined ? {} : { services } };
      return { status: 200, type: METRICS_TYPE, text: await text.of(facts) };
    }],
    ["/healthz", () => healthOf(troubles(node.state, node.nowMs))],
  ]);
  return new HttpPages({ listen, pages, clock, log });
}

/** The verdict. */
export function healthOf(found: readonly string[]): Page {
  const type = "text/plain; charset=utf-8";
  if (found.length === 0) return { status: 200, type, text: "ok\n" };
  return { status: 503, type, text: found.map((text) => `${text}\n`).join("") };
}
