/**
 * `npm run bench -- volatile [NAMES] [--small] [--no-peer] [--json FILE]`: the record workloads on ctdbx and on stock
 * ctdbd, one after the other in one run, beside what bare NATS does in that run.
 *
 *   floor ─▶ ctdbd: all workloads ─▶ ctdbx: all workloads ─▶ floor again ─▶ table of bars
 *
 * Exit code 1 when a workload fails or a bar is missed (`--small`: only when one fails), 2 for a wrong name.
 *
 * Does NOT promise: quiet neighbours; the machine's load and both floors are shown.
 */

import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { missingCtdbd } from "../peer/ctdb_cluster.ts";
import { CtdbWorld } from "../peer/ctdb_world.ts";
import { type Found, lineOf, runWorkloads, WORKLOADS } from "./peer_records.ts";
import { type BarRow, barRows } from "./workloads/bars.ts";
import { type FloorFound, measureFloor } from "./workloads/floor.ts";
import { measureRings, type RingFloor } from "./workloads/floor_ring.ts";
import type { Scale } from "./workloads/measure.ts";
import { OurWorld } from "./workloads/our_world.ts";
import type { Workload } from "./workloads/workload.ts";
import type { RecordWorld } from "./workloads/world.ts";

/** Runs workloads on one of the two; starts and ends it. */
async function runOn(
  start: () => Promise<RecordWorld>,
  workloads: readonly Workload[],
  scale: Scale,
  floor: FloorFound,
): Promise<Found> {
  const world = await start();
  try {
    return await runWorkloads(world, workloads, scale, floor, (figure) => {
      console.log(`${world.name.padEnd(6)} ${lineOf(figure)}`);
    });
  } finally {
    await world.end();
  }
}

function print(rows: readonly BarRow[]): void {
  const lines = rows.map(({ what, ours, peer, ratio, bar, isMet }) => [
    what,
    ours,
    peer,
    ratio === undefined ? "-" : ratio.toPrecision(3),
    bar,
    isMet === undefined ? "" : isMet ? "met" : "MISSED",
  ]);
  const head = ["", "ctdbx", "ctdbd", "ratio", "bar", ""];
  const widths = head.map((title, at) =>
    Math.max(title.length, ...lines.map((line) => line[at]?.length ?? 0))
  );
  for (const line of [head, ...lines]) {
    const cells = line.map((cell, at) =>
      at === 0 ? cell.padEnd(widths[at] as number) : cell.padStart(widths[at] as number)
    );
    console.log(cells.join("  ").trimEnd());
  }
}

function shown({ roundTripUs, p99Us, oneWayPerSecond }: FloorFound): string {
  return `round trip p50 ${roundTripUs.toFixed(0)} us, p99 ${p99Us.toFixed(0)} us, ` +
    `${oneWayPerSecond.toFixed(0)} messages/s one way`;
}

function shownRings({ ringPerSecond, programRingPerSecond }: RingFloor): string {
  return `${ringPerSecond.toFixed(0)} messages per node/s, ` +
    `with a program at each ${programRingPerSecond.toFixed(0)}`;
}

async function main(words: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: {
      small: { type: "boolean", default: false },
      "no-peer": { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const wrong = positionals.find((name) => !WORKLOADS.some((workload) => workload.name === name));
  if (wrong !== undefined) {
    console.error(`There is no ${wrong}; names: ${WORKLOADS.map(({ name }) => name).join(" ")}`);
    return 2;
  }
  const chosen = WORKLOADS.filter(({ name }) =>
    positionals.length === 0 || positionals.includes(name)
  );
  const scale = values.small ? "small" : "full";
  const missing = values["no-peer"] ? "not wanted" : missingCtdbd();
  const before = loadavg()[0] as number;
  const floor = await measureFloor(scale);
  const peer = missing === undefined
    ? await runOn(() => CtdbWorld.start(), chosen, scale, floor)
    : undefined;
  const ours = await runOn(() => OurWorld.start(), chosen, scale, floor);
  const floorAfter = await measureFloor(scale);
  const load = { before, after: loadavg()[0] as number };
  // Beside ours, for who wants the rings: they take some seconds.
  const rings = chosen.some(({ name }) => name === "message-ring")
    ? await measureRings(scale)
    : undefined;
  const rows = barRows(ours.figures, peer?.figures ?? [], { ...floor, ...rings });
  print(rows);
  if (rings !== undefined) console.log(`bare ring: ${shownRings(rings)}`);
  console.log(`bare NATS before: ${shown(floor)}`);
  console.log(`bare NATS after:  ${shown(floorAfter)}`);
  console.log(`load ${load.before.toFixed(1)} before, ${load.after.toFixed(1)} after`);
  if (missing !== undefined) console.log(`without stock ctdbd: ${missing}`);
  const failed = [...peer?.failed ?? [], ...ours.failed];
  for (const { workload, why } of failed) console.error(`${workload} FAILED: ${why}`);
  if (values.json !== undefined) {
    const all = { floor, floorAfter, rings, load, ours, peer, rows };
    writeFileSync(values.json, `${JSON.stringify(all, null, 1)}\n`);
  }
  const isMissed = rows.some(({ isMet }) => isMet === false);
  return failed.length > 0 || (scale === "full" && isMissed) ? 1 : 0;
}

if (import.meta.main) {
  process.exit(
    await main(process.argv.slice(2)).catch((error: Error) => {
      console.error(`Cannot go on: ${error.stack ?? error.message}`);
      return 1;
    }),
  );
}
