/**
 * One seed of addresses: a cluster with kernels, seconds in which everything goes wrong, quiet ones in which every
 * address must come to rest, and the judges.
 *
 *   const { violations, hash } = runAddressSeed(4711);
 *
 * The seed draws nodes, tunables, weather, faults, and which node has which addresses in its list.
 *
 * Does NOT promise: that a seed means the same in another version; what it found is kept as a test.
 */
import type { Dice } from "../../../../transport/world.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";
import { parseAddress } from "../../../../transport/wire/address.ts";
import type { IpAddress } from "../../../../transport/wire/address.ts";
import { ALGORITHMS } from "../../addresses/plan/plan.ts";
import { planAddresses } from "../../addresses/plan/plan_addresses.ts";
import type { Policy } from "../../addresses/takeover/leading.ts";
import { ADDRESS_TUNABLES, defaultAddressTiming } from "../../addresses/takeover/tunables.ts";
import type { AddressTiming } from "../../addresses/takeover/tunables.ts";
import type { AddressRules } from "../../addresses/takeover/rules.ts";
import type { Rules } from "../../cluster/rules.ts";
import { CLUSTER_TUNABLES, defaultTiming, marginFor } from "../../cluster/tunables.ts";
import type { Timing } from "../../cluster/tunables.ts";
import { mix } from "../../mix.ts";
import type { Violation } from "../checkers.ts";
import { judgeEnd } from "../ends.ts";
import { FAULTS, Faults, heal } from "../faults.ts";
import type { FaultClass } from "../faults.ts";
import { ADDRESS_FAULTS, AddressFaults, healAddresses } from "./address_faults.ts";
import type { AddressFault } from "./address_faults.ts";
import { AddressSim } from "./address_sim.ts";
import type { AddressSimOptions } from "./address_sim.ts";
import { judgeAddresses, judgeOffers } from "./ends.ts";
import { KERNEL_LATE_MS } from "./kernel.ts";

/** How long faults go on; how long it is quiet after them, beside the time of a run that hangs. */
export const ADDRESS_FAULTS_MS = 40_000;
export const ADDRESS_QUIET_MS = 25_000;
const DRIFT = 0.01;
/** Few slots: nothing here depends on them. */
const SLOTS = 8;

/** What a run is to be, beyond its seed. */
export interface AddressSeedOptions {
  readonly nodes?: number;
  readonly faults?: readonly FaultClass[];
  readonly addressFaults?: readonly AddressFault[];
  readonly rules?: Rules;
  readonly addressRules?: AddressRules;
  readonly faultsMs?: number;
  readonly planner?: AddressSimOptions["planner"];
  readonly onNote?: AddressSimOptions["onNote"];
  readonly onAddress?: AddressSimOptions["onAddress"];
  /** Called with the run when it is over, before it is judged. */
  readonly onOver?: (sim: AddressSim) => void;
}

/** How it ended. */
export interface AddressSeedResult {
  readonly seed: number;
  readonly nodes: number;
  readonly classes: readonly string[];
  readonly violations: readonly Violation[];
  /** 8 hex digits: equal for equal runs. */
  readonly hash: string;
  readonly simulatedMs: number;
  readonly messages: number;
  readonly counts: ReadonlyMap<string, number>;
}

/** Runs a seed (u32). */
export function runAddressSeed(seed: number, options: AddressSeedOptions = {}): AddressSeedResult {
  const dice = new SeededDice(mix(seed ^ 0xadd4));
  const nodes = options.nodes ?? 3 + dice.below(5);
  const faults = options.faults ??
    FAULTS.filter((fault) => fault !== "operator" && dice.chance(1, 2));
  const addressFaults = options.addressFaults ?? ADDRESS_FAULTS.filter(() => dice.chance(1, 2));
  const sim = newSim(seed, nodes, dice, options);
  dealLists(dice, sim);
  drawWeather(dice, sim);
  const faultsMs = options.faultsMs ?? ADDRESS_FAULTS_MS;
  sim.start();
  new Faults(sim, faultsMs, faults);
  new AddressFaults(sim, faultsMs, addressFaults);
  sim.run(faultsMs);
  heal(sim);
  healAddresses(sim);
  const endMs = faultsMs + ADDRESS_QUIET_MS;
  sim.run(endMs);
  options.onOver?.(sim);
  judgeEnd(sim, endMs - 10_000);
  judgeOffers(sim);
  judgeAddresses(sim);
  return {
    seed,
    nodes,
    classes: [...faults, ...addressFaults],
    violations: sim.checkers.violations,
    hash: sim.trace.text(),
    simulatedMs: endMs,
    messages: sim.addressMessages,
    counts: sim.counts,
  };
}

function newSim(seed: number, nodes: number, dice: Dice, options: AddressSeedOptions): AddressSim {
  const { rules, addressRules, onNote, onAddress, planner = planAddresses } = options;
  return new AddressSim({
    seed,
    nodes,
    planner,
    policy: drawPolicy(dice),
    timing: drawTiming(dice),
    addressTiming: drawAddressTiming(dice),
    drift: DRIFT,
    slots: SLOTS,
    ...(rules === undefined ? {} : { rules }),
    ...(addressRules === undefined ? {} : { addressRules }),
    ...(onNote === undefined ? {} : { onNote }),
    ...(onAddress === undefined ? {} : { onAddress }),
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

function drawAddressTiming(dice: Dice): AddressTiming {
  const timing = { ...defaultAddressTiming(), budgetMs: 6_000 };
  if (dice.chance(1, 2)) return timing;
  const wild: Record<string, number> = {};
  for (const [name, { value, wild: values }] of Object.entries(ADDRESS_TUNABLES)) {
    wild[name] = values[dice.below(values.length)] ?? value;
  }
  return { ...timing, ...wild, budgetMs: 6_000, brokenMs: Math.min(wild["brokenMs"] ?? 0, 5_000) };
}

function drawPolicy(dice: Dice): Policy {
  return {
    algorithm: ALGORITHMS[dice.below(ALGORITHMS.length)] ?? "lcp2",
    noFailback: dice.chance(1, 4),
  };
}

/** Every address stands in the lists of two nodes at least, as a rule of all. */
function dealLists(dice: Dice, sim: AddressSim): void {
  const count = 1 + dice.below(9);
  const isWhole = dice.chance(2, 3);
  const lists = sim.addressHosts.map((): IpAddress[] => []);
  for (let at = 0; at < count; at++) {
    const address = parseAddress(at % 4 === 3 ? `fd00::${at}` : `10.0.0.${at + 1}`);
    const first = dice.below(lists.length);
    const second = (first + 1 + dice.below(lists.length - 1)) % lists.length;
    lists.forEach((list, node) => {
      if (isWhole || node === first || node === second || dice.chance(1, 3)) list.push(address);
    });
  }
  sim.addressHosts.forEach((host, node) => {
    host.all = lists[node] ?? [];
    host.known = host.all;
    host.linked = host.all;
  });
}

function drawWeather(dice: Dice, sim: AddressSim): void {
  const pick = (values: readonly number[]) => values[dice.below(values.length)] ?? 0;
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
  Object.assign(sim.weather, {
    failures: pick([0, 0, 100, 1000]),
    slow: pick([0, 0, 500]),
    slowMs: pick([500, 4_000]),
    lateMs: pick([0, KERNEL_LATE_MS]),
    stuck: pick([0, 2000]),
  });
}
