/**
 * One seed: 60 simulated seconds in which everything goes wrong, 20 quiet ones in which everything must heal.
 *
 *   const { violations, hash } = runSeed(4711);
 *
 * The seed draws the number of nodes and voters, the tunables, the weather, and which classes of faults there are.
 *
 * Does NOT promise: that a seed means the same in another version; what it found is kept as a scenario.
 */
import type { Dice } from "../../../transport/world.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { mix } from "../mix.ts";
import { CLUSTER_TUNABLES, defaultTiming, marginFor } from "../cluster/tunables.ts";
import type { Timing } from "../cluster/tunables.ts";
import type { Rules } from "../cluster/rules.ts";
import { ClusterSim } from "./cluster_sim.ts";
import type { SimOptions } from "./cluster_sim.ts";
import type { Violation } from "./checkers.ts";
import { judgeEnd } from "./ends.ts";
import { FAULTS, Faults, heal } from "./faults.ts";
import type { FaultClass } from "./faults.ts";

/** How long faults go on, and how long it is quiet after them. */
export const FAULTS_MS = 60_000;
export const QUIET_MS = 20_000;
/** Clocks drift by 1 % at most. */
const DRIFT = 0.01;

/** What a run is to be, beyond its seed. */
export interface SeedOptions {
  readonly nodes?: number;
  readonly classes?: readonly FaultClass[];
  readonly rules?: Rules;
  readonly faultsMs?: number;
  readonly quietMs?: number;
  readonly onNote?: SimOptions["onNote"];
}

/** How it ended. */
export interface SeedResult {
  readonly seed: number;
  readonly nodes: number;
  readonly classes: readonly FaultClass[];
  readonly violations: readonly Violation[];
  /** 8 hex digits: equal for equal runs. */
  readonly hash: string;
  readonly simulatedMs: number;
  readonly messages: number;
  readonly leaders: number;
  readonly views: number;
}

/** Runs a seed (u32). */
export function runSeed(seed: number, options: SeedOptions = {}): SeedResult {
  const dice = new SeededDice(mix(seed ^ 0x5eed));
  const nodes = options.nodes ?? 3 + dice.below(5);
  const classes = options.classes ?? drawClasses(dice);
  const spares = nodes > 3 && dice.chance(1, 4) ? 1 : 0;
  const voters = nodes > 3 && dice.chance(1, 4) ? 3 : Math.min(nodes - spares, 7);
  const timing = drawTiming(dice);
  const sim = new ClusterSim({
    seed,
    nodes,
    voters,
    spares,
    timing,
    drift: DRIFT,
    ...(options.rules === undefined ? {} : { rules: options.rules }),
    ...(options.onNote === undefined ? {} : { onNote: options.onNote }),
  });
  drawWeather(dice, sim);
  const faultsMs = options.faultsMs ?? FAULTS_MS;
  const quietMs = options.quietMs ?? QUIET_MS;
  sim.start();
  new Faults(sim, faultsMs, classes);
  sim.run(faultsMs);
  heal(sim);
  const endMs = faultsMs + quietMs;
  sim.run(endMs);
  judgeEnd(sim, faultsMs + quietMs / 2);
  return {
    seed,
    nodes,
    classes,
    violations: sim.checkers.violations,
    hash: sim.trace.text(),
    simulatedMs: endMs,
    messages: sim.messages,
    leaders: sim.chosen.length,
    views: sim.checkers.effective.length,
  };
}

function drawClasses(dice: Dice): FaultClass[] {
  const classes = FAULTS.filter(() => dice.chance(1, 2));
  // A voter whose disk is gone counts as one that is stopped; operators do not know of it, and could stop one more.
  return classes.includes("new_disk") ? classes.filter((fault) => fault !== "operator") : classes;
}

/** Delivered values, or wild ones that the paper's sums allow. */
function drawTiming(dice: Dice): Timing {
  const timing = defaultTiming();
  if (dice.chance(1, 2)) return { ...timing, banForMs: 4_000, banForMaxMs: 8_000 };
  const wild: Record<string, number> = {};
  for (const [name, { value, wild: values }] of Object.entries(CLUSTER_TUNABLES)) {
    wild[name] = values[dice.below(values.length)] ?? value;
  }
  const drawn = { ...timing, ...wild };
  const least = Math.ceil(marginFor(drawn, DRIFT));
  return { ...drawn, marginMs: Math.max(drawn.marginMs, least) };
}

function drawWeather(dice: Dice, sim: ClusterSim): void {
  const pick = (values: readonly number[]) => values[dice.below(values.length)] ?? 0;
  sim.links.weather = {
    loss: pick([0, 0, 200, 1000]),
    duplicates: pick([0, 0, 500, 5000]),
    tails: pick([0, 300]),
    minMs: 0.2,
    maxMs: pick([1.2, 5.2, 20]),
  };
  sim.lock.weather = { ambiguous: pick([0, 500, 3000]), stale: pick([0, 1000]), isStalled: false };
  sim.disk = { slow: pick([0, 200, 1000]), slowMs: 300, minMs: 0.3, maxMs: 4 };
  sim.slowFences = pick([0, 300, 2000]);
}
