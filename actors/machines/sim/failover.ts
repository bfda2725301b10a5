/**
 * How long it takes when one node fails, in simulated time: the rows of section 5 of the paper.
 *
 *   fault ─▶ first effective document of the new leader ─▶ effective view without the node; pauses of all others
 *
 * Does NOT promise: the times of a real cluster; there the same is measured with processes.
 */
import { SeededDice } from "../../../transport/sim/dice.ts";
import type { Rules } from "../cluster/rules.ts";
import { mix } from "../mix.ts";
import { ClusterSim } from "./cluster_sim.ts";
import type { Host } from "./host.ts";

/** What happens to whom. */
export const FAILOVERS = [
  "leader stopped",
  "leader killed",
  "leader lost power",
  "follower stopped",
  "follower killed",
] as const;
/** One of FAILOVERS. */
export type Failover = (typeof FAILOVERS)[number];

/** Milliseconds after the fault; NaN: it did not happen. */
export interface FailoverTimes {
  /** First effective document of a new leader; NaN when a follower failed. */
  readonly documentMs: number;
  /** Effective view without the failed life. */
  readonly viewMs: number;
  /** Longest time in which one of the others did not serve. */
  readonly pauseMs: number;
}

const SETTLE_MS = 4_000;
const WATCH_MS = 8_000;

/** One run: 3 to 7 nodes, fair or slow links and disks, lost lock acknowledgements and stale reads in some. */
export function runFailover(what: Failover, seed: number, rules?: Rules): FailoverTimes {
  const dice = new SeededDice(mix(seed ^ 0xfa11));
  const nodes = 3 + dice.below(5);
  const seen = { documentMs: NaN, viewMs: NaN };
  const fault: { atMs: number; victim: Host | undefined } = { atMs: Infinity, victim: undefined };
  const sim: ClusterSim = new ClusterSim({
    seed,
    nodes,
    drift: 0.01,
    ...(rules === undefined ? {} : { rules }),
    onNote: (atMs, node, event) => {
      const { atMs: faultMs, victim } = fault;
      if (event !== "effective" || atMs < faultMs || node === victim?.index) return;
      if (Number.isNaN(seen.documentMs)) seen.documentMs = atMs - faultMs;
      if (Number.isNaN(seen.viewMs) && isWithout(sim, victim)) seen.viewMs = atMs - faultMs;
    },
  });
  sim.links.weather = { ...sim.links.weather, tails: 300, maxMs: dice.chance(1, 2) ? 1.2 : 5.2 };
  sim.disk = { ...sim.disk, slow: dice.chance(2, 3) ? 200 + dice.below(800) : 0 };
  sim.start();
  sim.run(SETTLE_MS + dice.below(1_000));
  const victim = victimOf(sim, what);
  if (victim === undefined) return { ...seen, pauseMs: NaN };
  const faultMs = sim.nowMs;
  fault.atMs = faultMs;
  fault.victim = victim;
  strike(what, victim);
  sim.run(faultMs + WATCH_MS);
  const pauses = sim.pauses.filter(({ node, endMs }) => node !== victim.index && endMs > faultMs);
  const pauseMs = Math.max(0, ...pauses.map(({ forMs }) => forMs));
  const isLeader = what.startsWith("leader");
  return { documentMs: isLeader ? seen.documentMs : NaN, viewMs: seen.viewMs, pauseMs };
}

function isWithout(sim: ClusterSim, victim: Host | undefined): boolean {
  const version = sim.checkers.effective.at(-1);
  const doc = version === undefined ? undefined : sim.checkers.docOf(version);
  return doc !== undefined && doc.view.members.every(({ pnn }) => pnn !== victim?.index);
}

function victimOf(sim: ClusterSim, what: Failover): Host | undefined {
  const isLeader = what.startsWith("leader");
  return sim.hosts.find(({ machine }) => (machine?.state.lead !== undefined) === isLeader);
}

function strike(what: Failover, victim: Host): void {
  if (what.endsWith("stopped")) victim.pause();
  else if (what.endsWith("killed")) victim.kill();
  else victim.powerOff();
}

/** The value below which a share (0 to 1) of the others lie. */
export function quantileOf(values: readonly number[], share: number): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((one, other) => one - other);
  return sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)] ?? NaN;
}
