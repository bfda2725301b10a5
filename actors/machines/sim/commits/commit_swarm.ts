/**
 * One seed of commits: a cluster with clients, 60 seconds in which everything goes wrong, 20 quiet ones in which all
 * must heal, and the judges.
 *
 *   const { faults, hash } = runCommitSeed(4711);
 *
 * The seed draws nodes, kind, copies, tunables, weather, faults, and how clients behave.
 *
 * Does NOT promise: that a seed means the same in another version; what it found is kept as a test.
 */
import { SeededDice } from "../../../../transport/sim/dice.ts";
import type { DbId, Incarnation, Pnn, Version } from "../../../../transport/wire/terms.ts";
import type { Dice } from "../../../../transport/world.ts";
import { type CommitConfig, copiesOf } from "../../commit/config.ts";
import { mOf } from "../../commit/placement.ts";
import { COMMIT_RULES, type CommitRules } from "../../commit/rules.ts";
import { COMMIT_TUNABLES, type CommitTiming, defaultCommitTiming } from "../../commit/tunables.ts";
import { mix } from "../../mix.ts";
import { COMMIT_FAULTS, type CommitFault, CommitFaults, mend } from "./commit_faults.ts";
import { CommitSim, type CommitSimOptions, type Fault } from "./commit_sim.ts";
import { forceAtLast } from "./planned.ts";
import { judgeCommits } from "./judge.ts";
import { plainManners } from "./clients.ts";

/** How long faults go on; then it is quiet. */
export const COMMIT_FAULTS_MS = 60_000;
/** How long it is quiet. */
export const COMMIT_QUIET_MS = 20_000;
/** So much longer, and so often, when not all is well by then. */
const MORE_MS = 10_000;
const MORE_MAX = 4;
/** Clients stop so long before the end, so that all that they asked can end. */
const LAST_MS = 9_500;

/** What a run is to be, beyond its seed. */
export interface CommitSeedOptions {
  readonly nodes?: number;
  readonly kind?: CommitConfig["kind"];
  readonly faults?: readonly CommitFault[];
  readonly rules?: CommitRules;
  readonly timing?: Partial<CommitTiming>;
  readonly faultsMs?: number;
  readonly onMessage?: CommitSimOptions["onMessage"];
  readonly onNote?: CommitSimOptions["onNote"];
  readonly onOver?: (sim: CommitSim) => void;
}

/** How it ended. */
export interface CommitSeedResult {
  readonly seed: number;
  readonly classes: readonly string[];
  readonly faults: readonly Fault[];
  /** 8 hex digits: equal for equal runs. */
  readonly hash: string;
  readonly simulatedMs: number;
  readonly messages: number;
  readonly committed: number;
  readonly aborted: number;
  readonly unknown: number;
  readonly terms: number;
}

/** A database that nobody has begun. */
export function newDatabase(kind: CommitConfig["kind"], k: number): CommitConfig {
  return {
    dbId: 0x1234 as DbId,
    kind,
    k,
    m: 1,
    lineage: 0n,
    replicas: [],
    primary: 0 as Pnn,
    primaryInc: 0n as Incarnation,
    term: 0n as Version,
    isr: [],
    reqSeen: 0,
  };
}

/** Runs a seed (u32). */
export function runCommitSeed(seed: number, options: CommitSeedOptions = {}): CommitSeedResult {
  const dice = new SeededDice(mix(seed ^ 0xc0331));
  const nodes = options.nodes ?? 3 + dice.below(5);
  const kind = options.kind ?? (dice.chance(3, 4) ? "persistent" : "replicated");
  const k = pickOf(dice)([1, 2, 3, 3, 3, 4, 5]);
  const classes = options.faults ?? COMMIT_FAULTS.filter(() => dice.chance(1, 2));
  const sim = new CommitSim({
    seed,
    nodes,
    zones: 1 + dice.below(nodes),
    rules: options.rules ?? COMMIT_RULES,
    timing: { ...drawTiming(dice), ...options.timing },
    config: newDatabase(kind, Math.min(k, nodes)),
    ...(options.onMessage === undefined ? {} : { onMessage: options.onMessage }),
    ...(options.onNote === undefined ? {} : { onNote: options.onNote }),
  });
  drawManners(dice, sim);
  drawWeather(dice, sim);
  const faultsMs = options.faultsMs ?? COMMIT_FAULTS_MS;
  sim.start();
  new CommitFaults(sim, faultsMs, classes, pickOf(dice)([300, 1_000, 3_000]));
  sim.run(faultsMs);
  mend(sim);
  if (classes.includes("force")) forceAtLast(sim);
  sim.run(faultsMs + COMMIT_QUIET_MS - LAST_MS);
  sim.clients.manners.isActive = false;
  sim.run(faultsMs + COMMIT_QUIET_MS);
  // A copy that takes one small entry after the other needs its time.
  let endMs = faultsMs + COMMIT_QUIET_MS;
  for (let more = 0; more < MORE_MAX; more++) {
    if (sim.faults.length > 0 || endFaults(sim).length === 0) break;
    endMs += MORE_MS;
    sim.run(endMs);
  }
  for (const text of endFaults(sim)) sim.report("end", text);
  judgeCommits(sim.clients, sim.history, (rule, text) => sim.report(rule, text));
  options.onOver?.(sim);
  return resultOf(sim, seed, [kind, `k${k}`, `n${nodes}`, ...classes]);
}

function resultOf(
  sim: CommitSim,
  seed: number,
  classes: readonly string[],
): CommitSeedResult {
  const { txns } = sim.clients;
  return {
    seed,
    classes,
    faults: sim.faults,
    hash: sim.trace.text(),
    simulatedMs: sim.nowMs,
    messages: sim.messages,
    committed: txns.filter(({ committed }) => committed !== undefined).length,
    aborted: txns.filter(({ abortedMs }) => abortedMs !== undefined).length,
    unknown: txns.filter(({ isUnknown }) => isUnknown).length,
    terms: Number(sim.doc.config.term >> 20n),
  };
}

/** After the quiet time: one primary serves, every copy has everything, all requests have ended. */
function endFaults(sim: CommitSim): string[] {
  const { hosts, doc, history, clients } = sim;
  const { config } = doc;
  // Nobody has anything of it any more: it can be restored only.
  const isGone = hosts.every(({ disk }) => disk.lineage !== config.lineage);
  if (isGone) return [];
  const faults: string[] = [];
  const primary = hosts[config.primary]?.machine;
  if (primary?.status !== "serving") {
    faults.push(`the primary ${config.primary} is ${primary?.status ?? "none"}`);
  }
  if (clients.open > 0) faults.push(`${clients.open} requests have no end`);
  const last = primary?.state.replica.log.last ?? 0n;
  const file = (at: number) => {
    const records = [...hosts[at]?.disk.file ?? []].map(([key, { value }]) => `${key}=${value}`);
    return records.sort().join(" ");
  };
  for (const { pnn, machine } of hosts) {
    const { replica } = machine?.state ?? {};
    if (replica?.applied.seq !== last || last !== history.last) {
      const has = `n${pnn} has applied ${replica?.applied.seq}`;
      faults.push(`${has}, the log has ${last}, the history ${history.last}`);
    }
    if (file(pnn) !== file(config.primary)) faults.push(`n${pnn} has another content`);
    const isCopy = copiesOf(config).includes(pnn);
    const isIn = config.isr.some((one) => one.pnn === pnn && one.id === replica?.id);
    if (isCopy && !isIn) faults.push(`n${pnn} keeps a copy, and is not in sync`);
  }
  return [...faults, ...wantedFaults(sim)];
}

/** As many copies as people want, and as many in sync as a commit is to need. */
function wantedFaults({ doc, wanted, hosts }: CommitSim): string[] {
  const { config } = doc;
  const k = Math.min(wanted.k, hosts.length);
  const m = mOf(wanted, k);
  const isFull = config.replicas.length === k && config.isr.length === k && config.m === m;
  if (isFull) return [];
  const { replicas, isr } = config;
  return [`${replicas.length} copies, ${isr.length} in sync, m ${config.m}; wanted ${k}, ${m}`];
}

const pickOf = (dice: Dice) => (values: readonly number[]) =>
  values[dice.below(values.length)] ?? 0;

function drawTiming(dice: Dice): CommitTiming {
  const timing = defaultCommitTiming();
  if (dice.chance(1, 4)) return { ...timing, rejoinMs: 1_000, rejoinMaxMs: 4_000 };
  const wild: Record<string, number> = {};
  for (const [name, { value, wild: values }] of Object.entries(COMMIT_TUNABLES)) {
    wild[name] = values[dice.below(values.length)] ?? value;
  }
  return { ...timing, ...wild };
}

function drawManners(dice: Dice, sim: CommitSim): void {
  const pick = pickOf(dice);
  sim.clients.manners = {
    ...plainManners(),
    keys: pick([1, 3, 5, 8]),
    thinkMs: pick([50, 150, 400]),
    perNode: pick([1, 2, 3]),
    deadlineMs: [pick([100, 300, 1_000]), 2_000, 8_000],
    legacy: pick([0, 10, 50]),
    deletes: pick([0, 20, 50]),
    reads: pick([10, 30, 60]),
    dies: pick([0, 5, 50]),
  };
}

function drawWeather(dice: Dice, sim: CommitSim): void {
  const pick = pickOf(dice);
  sim.links.weather = {
    loss: pick([0, 0, 200, 1000, 2000]),
    duplicates: pick([0, 0, 500, 5000]),
    tails: pick([0, 300]),
    minMs: 0.2,
    maxMs: pick([1.2, 5.2, 20]),
  };
  sim.lateCopies = pick([0, 1000, 5000]);
  sim.disk = { slow: pick([0, 200, 1000]), slowMs: 300, minMs: 0.3, maxMs: 4 };
  sim.haste = pick([1, 100]);
}
