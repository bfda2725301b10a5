/**
 * `ctdbx metrics`: what a node's HTTP port for Prometheus would say, once; it needs no such port.
 *
 * Does NOT promise: numbers of other nodes; each is scraped by itself.
 */

import type { Command } from "commander";
import { type NotifyRow, type ServiceRow, servicesOf } from "../../actors/services/rows.ts";
import type { HeartbeatEvent, StatsEvent } from "../../transport/wire/messages/event.ts";
import { declare, type Task } from "../declare.ts";
import { object, type RowOf } from "../result.ts";
import { text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { Asked } from "./asking.ts";

const TEXT = object({
  type: text("Type", "its media type"),
  text: text("Text", "the metrics in Prometheus' text format"),
});

/** Adds `ctdbx metrics`. */
export function addMetricsCommand(program: Command, world: CommandWorld): void {
  declare<object, RowOf<typeof TEXT>>(
    program.command("metrics").description("a node's metrics, as Prometheus reads them"),
    world,
    { result: TEXT, asks: "node", raw: "the text itself" },
    show,
  );
}

async function show({ flags, out }: Task<object, RowOf<typeof TEXT>>): Promise<void> {
  const asked = await Asked.of(flags);
  const { METRICS_TYPE, MetricsText } = await import("../metrics_text.ts");
  const heartbeat = await asked.look("node heartbeat") as HeartbeatEvent;
  const stats = await asked.look("node stats") as StatsEvent;
  const rows = await asked.look("service ls") as ServiceRow[];
  const services = servicesOf(rows, await asked.look("service notify") as NotifyRow[], Infinity);
  const facts = { heartbeat, stats, ...services === undefined ? {} : { services } };
  const metrics = await new MetricsText().of(facts);
  if (out.format === "raw") out.raw(metrics);
  else out.object({ type: METRICS_TYPE, text: metrics });
}
