/**
 * One seed of records: a cluster with clients, seconds in which everything goes wrong, quiet ones in which all must
 * heal, and the judges.
 *
 *   const { violations, hash } = runRecordSeed(4711);
 *
 * The seed draws nodes, tunables, weather, faults, keys, and how clients behave.
 *
 * Does NOT promise: that a seed means the same in another version; what it found is kept as a test.
 */
import type { Dice } from "../../../../transport/world.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";
import type { Rules } from "../../cluster/rules.ts";
import { CLUSTER_TUNABLES, defaultTiming, marginFor } from "../../cluster/tunables.ts";
import type { Timing } from "../../cluster/tunables.ts";
import { mix } from "../../mix.ts";
import type { RecordRules } from "../../record/rules.ts";
import { defaultRecordTiming, RECORD_TUNABLES } from "../../record/tunables.ts";
import type { RecordTiming } from "../../record/tunables.ts";
import type { Violation } from "../checkers.ts";
import { judgeEnd } from "../ends.ts";
import { FAULTS, Faults, heal } from "../faults.ts";
import type { FaultClass } from "../faults.ts";
import type { Manners } from "./clients.ts";
import { judgeQuiet, judgeRecordEnd, Probes } from "./ends.ts";
import { RARE_FAULTS, RECORD_FAULTS, RecordFaults, respawn } from "./record_faults.ts";
import type { RecordFault } from "./record_faults.ts";
import { RecordSim } from "./record_sim.ts";
import type { RecordSimOptions } from "./record_sim.ts";

/** How long faults go on; then it is quiet; then each record is probed. */
export const RECORD_FAULTS_MS = 40_000;
export const RECORD_QUIET_MS = 20_000;
const PROBES_MS = 6_000;
const START_MS = 2_000;
const DRIFT = 0.01;

/** What a run is to be, beyond its seed. */
export interface RecordSeedOptions {
  readonly nodes?: number;
  readonly faults?: readonly FaultClass[];
  readonly recordFaults?: readonly RecordFault[];
  readonly rules?: Rules;
  readonly recordRules?: RecordRules;
  readonly faultsMs?: number;
  /** How many slots; all when absent. The same seed is another run then. */
  readonly slots?: number;
  readonly onNote?: RecordSimOptions["onNote"];
  readonly onRecord?: RecordSimOptions["onRecord"];
  /** Called with the run when it is over, before it is judged. */
  readonly onOver?: (sim: RecordSim) => void;
}

/** How it ended. */
export interface RecordSeedResult {
  readonly seed: number;
  readonly nodes: number;
  readonly classes: readonly string[];
  readonly violations: readonly Violation[];
  /** 8 hex digits: equal for equal runs. */
  readonly hash: string;
  readonly simulatedMs: number;
  readonly messages: number;
  readonly ops: { readonly ok: number; readonly failed: number; readonly unknown: number };
  readonly counts: ReadonlyMap<string, number>;
}

/** Runs a seed (u32). */
export function runRecordSeed(seed: number, options: RecordSeedOptions = {}): RecordSeedResult {
  const dice = new SeededDice(mix(seed ^ 0x4ec0));
  const nodes = options.nodes ?? 3 + dice.below(5);
  const faults = options.faults ?? drawFaults(dice);
  const recordFaults = options.recordFaults ?? drawRecordFaults(seed, dice);
  const sim = newSim(seed, nodes, dice, options);
  const manners = drawManners(dice);
  drawWeather(dice, sim);
  const faultsMs = options.faultsMs ?? RECORD_FAULTS_MS;
  sim.start();
  sim.run(START_MS);
  respawn(sim, manners, dice);
  new Faults(sim, faultsMs, faults);
  new RecordFaults(sim, faultsMs, recordFaults, manners);
  sim.run(faultsMs);
  heal(sim);
  for (const host of sim.recordHosts) host.isFull = false;
  sim.lateCopies = 0;
  sim.arePrograms = "quick";
  manners.stops = 0;
  manners.dies = 0;
  const quietMs = faultsMs + RECORD_QUIET_MS;
  sim.run(quietMs - PROBES_MS);
  manners.isActive = false;
  const probes = new Probes(sim, manners);
  sim.run(quietMs);
  judgeEnd(sim, quietMs - PROBES_MS);
  probes.judge();
  judgeRecordEnd(sim);
  judgeQuiet(sim, faultsMs);
  options.onOver?.(sim);
  sim.ledger.endMs = quietMs;
  sim.judge();
  const { ledger } = sim;
  const ops = { ok: 0, failed: 0, unknown: 0, open: 0 };
  for (const { outcome } of ledger.ops) ops[outcome] += 1;
  const counts = new Map<string, number>();
  for (const { machine } of sim.recordHosts) {
    for (const [name, n] of machine?.state.counts ?? []) {
      counts.set(name, (counts.get(name) ?? 0) + n);
    }
  }
  return {
    seed,
    nodes,
    classes: [...faults, ...recordFaults],
    violations: sim.checkers.violations,
    hash: sim.trace.text(),
    simulatedMs: quietMs,
    messages: sim.recordMessages,
    ops: { ok: ops.ok, failed: ops.failed, unknown: ops.unknown },
    counts,
  };
}

function drawRecordFaults(seed: number, dice: Dice): RecordFault[] {
  const rare = new SeededDice(mix(seed ^ 0xf011));
  return [
    ...RECORD_FAULTS.filter(() => dice.chance(1, 2)),
    ...RARE_FAULTS.filter(() => rare.chance(1, 4)),
  ];
}

const pickOf = (dice: Dice) => (values: readonly number[]) =>
  values[dice.below(values.length)] ?? 0;

function drawFaults(dice: Dice): FaultClass[] {
  const classes = FAULTS.filter(() => dice.chance(1, 2));
  return classes.includes("new_disk") ? classes.filter((fault) => fault !== "operator") : classes;
}

function newSim(seed: number, nodes: number, dice: Dice, options: RecordSeedOptions): RecordSim {
  const spares = nodes > 3 && dice.chance(1, 5) ? 1 : 0;
  const timing = drawTiming(dice);
  const recordTiming = drawRecordTiming(dice);
  const { rules, recordRules, onNote, onRecord, slots } = options;
  const lacking = dice.chance(1, 4) ? dice.below(nodes) : -1;
  return new RecordSim({
    seed,
    nodes,
    voters: nodes > 3 && dice.chance(1, 4) ? 3 : Math.min(nodes - spares, 7),
    spares,
    timing,
    recordTiming,
    drift: DRIFT,
    format: dice.chance(1, 3) ? 1 : 2,
    chains: dice.chance(1, 4) ? 2 : 64,
    mayDelegate: !dice.chance(1, 4),
    mayShip: !dice.chance(1, 4),
    isSticky: dice.chance(1, 6),
    gatherMs: pickOf(dice)([0, 1, 1, 5]),
    lacksProcedures: (node) => node === lacking,
    ...(slots === undefined ? {} : { slots }),
    ...(rules === undefined ? {} : { rules }),
    ...(recordRules === undefined ? {} : { recordRules }),
    ...(onNote === undefined ? {} : { onNote }),
    ...(onRecord === undefined ? {} : { onRecord }),
  });
}

/** Delivered values, or wild ones that the paper's sums allow. */
function drawTiming(dice: Dice): Timing {
  const timing = { ...defaultTiming(), banForMs: 4_000, banForMaxMs: 8_000 };
  if (dice.chance(1, 2)) return timing;
  const wild: Record<string, number> = {};
  for (const [name, { value, wild: values }] of Object.entries(CLUSTER_TUNABLES)) {
    wild[name] = values[dice.below(values.length)] ?? value;
  }
  const drawn = { ...timing, ...wild };
  return { ...drawn, marginMs: Math.max(drawn.marginMs, Math.ceil(marginFor(drawn, DRIFT))) };
}

function drawRecordTiming(dice: Dice): RecordTiming {
  const timing = defaultRecordTiming();
  if (dice.chance(1, 3)) return timing;
  const wild: Record<string, number> = {};
  for (const [name, { value, wild: values }] of Object.entries(RECORD_TUNABLES)) {
    wild[name] = values[dice.below(values.length)] ?? value;
  }
  return { ...timing, ...wild };
}

function drawManners(dice: Dice): Manners {
  const pick = pickOf(dice);
  const kinds = ["n", "n", "n", "c", "l", "s", "f", "p"];
  const keys = Array.from(
    { length: 2 + dice.below(8) },
    () => `${kinds[dice.below(kinds.length)]}${dice.below(4)}`,
  );
  const watches = dice.below(3);
  return {
    keys: [...new Set(keys)],
    watched: [...new Set(keys)].filter((_, at) => at % 3 < watches),
    thinkMs: pick([100, 300, 800]),
    deadlineMs: pick([1_000, 4_000, 10_000]),
    reads: pick([1, 4, 8]),
    deletes: pick([0, 1, 1, 3]),
    stops: pick([0, 0, 50, 300]),
    stopMs: pick([200, 3_000, 11_000]),
    dies: pick([0, 0, 20, 100]),
    calls: pick([0, 5, 9]),
    isActive: true,
  };
}

function drawWeather(dice: Dice, sim: RecordSim): void {
  const pick = pickOf(dice);
  sim.links.weather = {
    loss: pick([0, 0, 200, 1000, 3000]),
    duplicates: pick([0, 0, 500, 5000]),
    tails: pick([0, 300]),
    minMs: 0.2,
    maxMs: pick([1.2, 5.2, 20]),
  };
  sim.lateCopies = pick([0, 1000, 5000]);
  sim.lock.weather = { ambiguous: pick([0, 500, 3000]), stale: pick([0, 1000]), isStalled: false };
  sim.disk = { slow: pick([0, 200, 1000]), slowMs: 300, minMs: 0.3, maxMs: 4 };
  sim.slowFences = pick([0, 300, 2000]);
}
