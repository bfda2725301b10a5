/**
 * Cuts that stay: one-way, partial, at random. No election ping-pong, and a leader where one is possible.
 *
 *   5 s whole ─▶ 30 s with a fixed layout of one-way cuts ─▶ at most two leaders were chosen; one leads, if some node
 *                                                          has a round trip with a majority
 *
 * Does NOT promise: that everybody is in the view; who cannot be heard is not.
 */
import { SeededDice } from "../../../transport/sim/dice.ts";
import type { Dice } from "../../../transport/world.ts";
import type { Rules } from "../cluster/rules.ts";
import { mix } from "../mix.ts";
import { ClusterSim } from "./cluster_sim.ts";
import type { SimOptions } from "./cluster_sim.ts";
import type { Links } from "./links.ts";
import type { SeedResult } from "./swarm.ts";

const WHOLE_MS = 5_000;
const CUT_MS = 30_000;
/** Leaders that may be chosen while the cuts stay. */
const CHANGES_MAX = 2;

/** Runs one layout (u32). */
export function runLayout(
  seed: number,
  options: { readonly rules?: Rules; readonly onNote?: NonNullable<SimOptions["onNote"]> } = {},
): SeedResult {
  const dice = new SeededDice(mix(seed ^ 0x1a40));
  const nodes = 3 + dice.below(5);
  const sim = new ClusterSim({ seed, nodes, drift: 0.01, ...options });
  sim.start();
  sim.run(WHOLE_MS);
  const before = sim.chosen.length;
  lay(dice, sim.links);
  sim.run(WHOLE_MS + CUT_MS);
  const changes = sim.chosen.length - before;
  if (changes > CHANGES_MAX) {
    sim.checkers.report(
      sim.nowMs,
      "ping-pong",
      `${changes} leaders in ${CUT_MS / 1000} s of one layout`,
    );
  }
  const isLed = sim.hosts.some(({ machine }) => machine?.state.lead?.effective !== undefined);
  if (!isLed && isLeaderPossible(sim.links)) {
    sim.checkers.report(sim.nowMs, "end", "nobody leads, and somebody could");
  }
  return {
    seed,
    nodes,
    classes: ["one_way"],
    violations: sim.checkers.violations,
    hash: sim.trace.text(),
    simulatedMs: sim.nowMs,
    messages: sim.messages,
    leaders: sim.chosen.length,
    views: sim.checkers.effective.length,
  };
}

/** Cuts links: each with the same chance, or all of one node in one direction, or those from one side to the other. */
function lay(dice: Dice, links: Links): void {
  const kind = dice.below(3);
  const chance = 1 + dice.below(5);
  const special = dice.below(links.count);
  const side = Array.from({ length: links.count }, () => dice.chance(1, 2));
  for (let from = 0; from < links.count; from++) {
    for (let to = 0; to < links.count; to++) {
      if (from === to) continue;
      const isCut = kind === 0
        ? dice.chance(chance, 10)
        : kind === 1
        ? (chance > 2 ? from : to) === special
        : side[from] === true && side[to] === false;
      links.cut(from, to, isCut);
    }
  }
}

/** Has some node a round trip with a majority, itself included? */
function isLeaderPossible(links: Links): boolean {
  for (let node = 0; node < links.count; node++) {
    let heard = 1;
    for (let other = 0; other < links.count; other++) {
      if (other !== node && links.isOpen(node, other) && links.isOpen(other, node)) heard += 1;
    }
    if (heard >= Math.floor(links.count / 2) + 1) return true;
  }
  return false;
}
