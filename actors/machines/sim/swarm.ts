/**
 * One seed: 60 simulated seconds in which everything goes wrong, 20 quiet ones in which everything must heal.
 *
 *   const { violations, hash } = runSeed(4711);
 *
 * The seed draws the number of nodes and voters, the tunables, the weather, which classes of faults there are, and
 * whether operators let nodes join, leave and upgrade meanwhile: from format 2, or from format 1 with mixed versions.
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
import { Operators } from "./operators.ts";

/** How long faults go on, and how long it is quiet after them. */
export const FAULTS_MS = 60_000;
export const QUIET_MS = 20_000;
/** Clocks drift by 1 % at most. */
const DRIFT = 0.01;

/** Whether members change in a run. */
export type MembersKind = "none" | "format 2" | "mixed";

/** What a run is to be, beyond its seed. */
export interface SeedOptions {
  readonly nodes?: number;
  readonly classes?: readonly FaultClass[];
  readonly members?: MembersKind;
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
  const members = options.members ?? drawMembers(seed, classes);
  const sim = new ClusterSim({
    seed,
    nodes,
    voters,
    spares,
    timing,
    format: members === "format 2" ? 2 : 1,
    levelOf: (index) => members === "mixed" && index % 3 !== 1 ? 1 : 2,
    drift: DRIFT,
    ...(options.rules === undefined ? {} : { rules: options.rules }),
    ...(options.onNote === undefined ? {} : { onNote: options.onNote }),
  });
  drawWeather(dice, sim);
  const faultsMs = options.faultsMs ?? FAULTS_MS;
  const quietMs = options.quietMs ?? QUIET_MS;
  sim.start();
  new Faults(sim, faultsMs, classes);
  const operators = members === "none" ? undefined : letOperate(sim, faultsMs);
  sim.run(faultsMs);
  heal(sim);
  const moreMs = operators === undefined ? 0 : 1500 * sim.hosts.length + 6_000;
  const endMs = faultsMs + quietMs + moreMs;
  if (operators !== undefined) finish(sim, operators, faultsMs + moreMs, endMs - quietMs / 2);
  sim.run(endMs);
  judgeEnd(sim, endMs - quietMs / 2);
  operators?.judge();
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

/** Do operators change members, and from where? Drawn apart, so that other draws stay as they were. */
function drawMembers(seed: number, classes: readonly FaultClass[]): MembersKind {
  const dice = new SeededDice(mix(seed ^ 0x3e3b));
  // A disk that is lost while a change of voters needs the vote on it is a real loss of quorum, and nobody can see it
  // coming. Without that the two go together: `members` may be given.
  if (classes.includes("new_disk") || dice.chance(1, 2)) return "none";
  return dice.chance(1, 2) ? "format 2" : "mixed";
}

/** Operators act now and then until `untilMs`. */
function letOperate(sim: ClusterSim, untilMs: number): Operators {
  const operators = new Operators(sim);
  const paceMs = 500 + sim.dice.below(6000);
  const next = (): void => {
    if (sim.nowMs >= untilMs) return;
    operators.act();
    sim.after(sim.dice.below(2 * paceMs), next);
  };
  sim.after(3000, next);
  return operators;
}

/** When it is quiet, all are upgraded, and from `atMs` on the newer format is asked for, until `endMs` at the most. */
function finish(sim: ClusterSim, operators: Operators, atMs: number, endMs: number): void {
  operators.upgrade();
  // A node may just be starting again: it is asked for until it is so.
  const finalize = (): void =>
    operators.ask({ verb: "finalize", format: 2 }, (outcome) => {
      if (outcome === "refused" && sim.nowMs < endMs) sim.after(1_000, finalize);
    });
  sim.at(atMs, finalize);
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
