/**
 * `npm run bench -- peer_records [NAMES] [--small] [--json FILE]`: the record workloads on stock ctdbd.
 *
 * Prints per workload: rate, p50, p99, p99.9, ratio to the floor (what bare NATS does in the same run), hash of the
 * result. Without names, all of them. --json: the same as data.
 *
 * `ownCpuPart` is what this process used of one core so far in a workload: near 1, it was the clients that were slow.
 *
 * Exit code 1 when a workload fails or its result is not what it must be, 2 for a wrong name, 3 without ctdbd.
 *
 * Does NOT promise: quiet neighbours; the machine's load at the start and the end is shown.
 */

import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { missingCtdbd } from "../peer/ctdb_cluster.ts";
import { CtdbWorld } from "../peer/ctdb_world.ts";
import { FETCH_LOOP } from "./workloads/fetch_loop.ts";
import { type FloorFound, measureFloor } from "./workloads/floor.ts";
import { HOT_COUNTER, HOT_MIX } from "./workloads/hot.ts";
import { type Figure, type Floor, LateError, type Scale, within } from "./workloads/measure.ts";
import { ONE_WAY } from "./workloads/one_way.ts";
import { RECOVERY } from "./workloads/recovery.ts";
import { REMOTE_CALL, REMOTE_READ } from "./workloads/remote.ts";
import { FETCH_RING, MESSAGE_RING } from "./workloads/rings.ts";
import { TRAVERSE } from "./workloads/traverse.ts";
import { VACUUM } from "./workloads/vacuum.ts";
import type { Workload } from "./workloads/workload.ts";
import type { RecordWorld } from "./workloads/world.ts";

/** All workloads in the order in which they run: the one that kills nodes is the last. */
export const WORKLOADS: readonly Workload[] = [
  FETCH_LOOP,
  FETCH_RING,
  REMOTE_CALL,
  REMOTE_READ,
  HOT_COUNTER,
  HOT_MIX,
  MESSAGE_RING,
  ONE_WAY,
  TRAVERSE,
  VACUUM,
  RECOVERY,
];
/** A workload that was late has so long to stop, ms. */
const STOP_MS = 10_000;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** What one run found. */
export interface Found {
  readonly floor: FloorFound;
  readonly figures: readonly Figure[];
  /** Workloads that failed, and why. */
  readonly failed: readonly { readonly workload: string; readonly why: string }[];
}

function withFloor(figure: Figure, floor: Floor, kind: Workload["floor"]): Figure {
  if (kind === undefined) return figure;
  const toFloor = kind === "one way"
    ? figure.rate / floor.oneWayPerSecond
    : figure.p50Us / floor.roundTripUs;
  return { ...figure, toFloor };
}

/** Does a workload that was told to stop do so in time? */
async function hasEnded(work: Promise<void>): Promise<boolean> {
  try {
    await within(STOP_MS, "it", work.catch(() => {}));
    return true;
  } catch {
    return false;
  }
}

/** Runs workloads on a world that stands; each in a database of its own. `onFigure` hears of each as it is done. */
export async function runWorkloads(
  world: RecordWorld,
  workloads: readonly Workload[],
  scale: Scale,
  floor: FloorFound,
  onFigure: (figure: Figure) => void,
): Promise<Found> {
  const figures: Figure[] = [];
  const failed: { workload: string; why: string }[] = [];
  for (const workload of workloads) {
    const name = `${workload.name.replaceAll("-", "_")}.tdb`;
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    const tell = (figure: Figure): void => {
      const { user, system } = process.cpuUsage(cpu);
      const ownCpuPart = (user + system) / 1000 / (performance.now() - startMs);
      const more = { ...figure.more, ownCpuPart };
      const full = withFloor({ ...figure, more }, floor, workload.floor);
      figures.push(full);
      onFigure(full);
    };
    const late = new AbortController();
    const work = workload.run({ world, scale, name, tell, signal: late.signal });
    try {
      await within(workload.limitMs[scale], workload.name, work);
      await world.wipe(name);
    } catch (error) {
      const { message, cause } = error as Error;
      const why = cause instanceof Error ? `${message}: ${cause.message}` : message;
      failed.push({ workload: workload.name, why });
      if (!(error instanceof LateError)) continue;
      late.abort(error);
      // What runs on would disturb all that comes.
      if (!await hasEnded(work)) break;
    }
  }
  return { floor, figures, failed };
}

/**
 * Runs workloads on stock ctdbd; starts and stops all that is needed. SIGINT and SIGTERM end it between two steps, or
 * in the middle of a workload, and leave nothing running; a second one is not waited for.
 */
export async function runOnPeer(
  workloads: readonly Workload[],
  scale: Scale,
  onFigure: (figure: Figure) => void = () => {},
): Promise<Found> {
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  stopped.catch(() => {}); // Nobody may be waiting when it comes.
  const stop = (): void => reject(new Error("Stopped by a signal"));
  for (const signal of SIGNALS) process.once(signal, stop);
  let world: RecordWorld | undefined;
  try {
    const measured = measureFloor(scale);
    // One after the other where the figures count.
    if (scale === "full") await measured;
    const [started, floor] = await Promise.allSettled([CtdbWorld.start(), measured]);
    if (started.status === "fulfilled") world = started.value;
    else throw started.reason;
    if (floor.status === "rejected") throw floor.reason;
    const run = runWorkloads(world, workloads, scale, floor.value, onFigure);
    return await Promise.race([stopped, run]);
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
    await world?.end();
  }
}

function time(us: number): string {
  if (us < 1) return `${(1000 * us).toFixed(0)} ns`;
  if (us < 1000) return `${us.toFixed(us < 10 ? 2 : 0)} us`;
  return us < 1e6 ? `${(us / 1000).toPrecision(3)} ms` : `${(us / 1e6).toFixed(2)} s`;
}

/** One figure as a line and, where there is more to say, a second. */
export function lineOf(figure: Figure): string {
  const { workload, what, client, rate, unit, toFloor, hash, more } = figure;
  const times = [figure.p50Us, figure.p99Us, figure.p999Us, figure.mostUs];
  const cells = [
    workload.padEnd(13),
    `${rate < 100 ? rate.toPrecision(3) : rate.toFixed(0)} ${unit}/s`.padStart(28),
    ...times.map((us) => time(us).padStart(9)),
    (toFloor === undefined ? "-" : toFloor.toPrecision(3)).padStart(9),
    hash,
  ];
  const shown = Object.entries(more).map(([name, value]) => `${name} ${value.toPrecision(4)}`);
  return `${cells.join("  ")}\n${" ".repeat(15)}${[what, client, ...shown].join("; ")}`;
}

const HEAD = [
  "workload".padEnd(13),
  "rate".padStart(28),
  ...["p50", "p99", "p99.9", "most", "to floor"].map((title) => title.padStart(9)),
  "result",
].join("  ");

async function main(words: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: { small: { type: "boolean", default: false }, json: { type: "string" } },
  });
  const wrong = positionals.find((name) => !WORKLOADS.some((workload) => workload.name === name));
  if (wrong !== undefined) {
    console.error(`There is no ${wrong}; names:`);
    for (const { name, about } of WORKLOADS) console.error(`  ${name.padEnd(13)} ${about}`);
    return 2;
  }
  const missing = missingCtdbd();
  if (missing !== undefined) {
    console.error(`Cannot run: ${missing}`);
    return 3;
  }
  const chosen = WORKLOADS.filter(({ name }) =>
    positionals.length === 0 || positionals.includes(name)
  );
  const before = loadavg()[0] as number;
  console.log(HEAD);
  const found = await runOnPeer(chosen, values.small ? "small" : "full", (figure) => {
    console.log(lineOf(figure));
  });
  const { floor, failed } = found;
  console.log(
    `floor: bare NATS, request and answer p50 ${time(floor.roundTripUs)}, ` +
      `p99 ${time(floor.p99Us)}, p99.9 ${time(floor.p999Us)}; ` +
      `${floor.oneWayPerSecond.toFixed(0)} messages/s one way`,
  );
  for (const { workload, why } of failed) console.error(`${workload} FAILED: ${why}`);
  const load = { before, after: loadavg()[0] as number };
  console.log(
    `load of the machine: ${load.before.toFixed(1)} before, ${load.after.toFixed(1)} after`,
  );
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ ...found, load }, null, 1)}\n`);
  }
  return failed.length === 0 ? 0 : 1;
}

if (import.meta.main) {
  process.exit(
    await main(process.argv.slice(2)).catch((error: Error) => {
      console.error(`Cannot go on: ${error.message}`);
      return 1;
    }),
  );
}
