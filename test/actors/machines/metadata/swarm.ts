/**
 * One seed of metadata: a cluster drawn with its times and faults, a minute of writes and trouble, then quiet.
 *
 *   trouble: crashes (what was not saved is lost), lost files, cuts one way and both, halves, changes of the leader,
 *            nodes taken off the list and put on it, databases that change hands; loss, repetition, delay, bad disks
 *   quiet:   all run, nothing is lost; everything must be the same everywhere, and every tombstone gone
 *
 * Does NOT promise: to find what needs more than seven nodes.
 */
import {
  CLUSTER_SCOPE,
  databaseScope,
  nodeScope,
  type Scope,
} from "../../../../actors/machines/metadata/record.ts";
import {
  METADATA_TUNABLES,
  type MetadataTiming,
} from "../../../../actors/machines/metadata/tunables.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";
import type { Dice } from "../../../../transport/world.ts";
import { textHash } from "../../../../actors/machines/mix.ts";
import { Ledger } from "./ledger.ts";
import { NO_FAULTS, Rig, type Watcher } from "../../../../actors/machines/sim/metadata/rig.ts";

const TROUBLE_MS = 60_000;
/** Long enough for several digests and rounds with the largest times that are drawn. */
const QUIET_MS = 90_000;
const DATABASES = ["a.tdb", "b.tdb"];
const KEYS = 4;

/** What became of a seed. */
export interface Outcome {
  readonly faults: readonly string[];
  readonly writes: number;
  readonly excused: number;
  readonly rounds: number;
  /** Of all that was done, in order: equal on every runtime. */
  readonly trace: number;
}

/** Runs one seed. `watch`: to look closer at one that failed. */
export function runSeed(seed: number, watch?: Watcher["onEffect"]): Outcome {
  const dice = new SeededDice(seed);
  const ledger = new Ledger();
  let trace = 0;
  let rounds = 0;
  const rig: Rig = new Rig(dice.u32(), 3 + dice.below(5), {
    onEffect(node, effect) {
      ledger.onEffect(node, effect);
      watch?.(node, effect);
      trace = textHash(`${node.index} ${effect.type} ${rig.nowMs}`, trace);
      if (effect.type === "publish" && effect.message.kind === "md_floor") rounds++;
    },
    onLoss: (node, scope) => ledger.onLoss(rig, node, scope),
  }, drawTiming(dice));
  rig.faults = {
    loss: pick(dice, [0, 20, 100, 300]),
    twice: pick(dice, [0, 100, 500]),
    delayMs: pick(dice, [1, 5, 100]),
    badSave: pick(dice, [0, 100]),
  };
  for (const name of DATABASES) rig.attach(name, someNodes(dice, rig));
  rig.startAll(0);
  while (rig.nowMs < TROUBLE_MS) {
    if (dice.chance(1, 12)) makeTrouble(dice, rig);
    else writeSomething(dice, rig);
    rig.run(dice.below(300));
  }
  makePeace(rig);
  rig.run(QUIET_MS);
  ledger.judge(rig);
  const { faults, writeCount: writes, excusedCount: excused } = ledger;
  return { faults, writes, excused, rounds, trace };
}

function drawTiming(dice: Dice): MetadataTiming {
  const entries = Object.values(METADATA_TUNABLES).map(({ name, value, wild }) =>
    [name, dice.chance(1, 2) ? value : pick<number>(dice, wild)] as const
  );
  const timing = Object.fromEntries(entries) as MetadataTiming;
  // Within a minute and a half of quiet all must have come round a few times.
  return {
    ...timing,
    digestMs: pick(dice, [500, 2000, 5000]),
    roundMs: pick(dice, [2000, 10_000]),
    roundLimitMs: pick(dice, [1000, 10_000]),
  };
}

function pick<T>(dice: Dice, choices: readonly T[]): T {
  return choices[dice.below(choices.length)] as T;
}

function someNodes(dice: Dice, rig: Rig): number[] {
  const all = rig.nodes.map(({ index }) => index);
  const count = 1 + dice.below(3);
  return Array.from({ length: count }, () => all.splice(dice.below(all.length), 1)[0] as number);
}

function writeSomething(dice: Dice, rig: Rig): void {
  const node = pick(dice, rig.nodes);
  if (node.machine === undefined) return;
  const scope: Scope = pick(dice, [
    CLUSTER_SCOPE,
    nodeScope(node.nodeId),
    nodeScope(pick(dice, rig.nodes).nodeId),
    ...DATABASES.map(databaseScope),
  ]);
  const value = dice.chance(1, 3) ? null : `${dice.below(1000)}`;
  rig.write(node.index, scope, `key${dice.below(KEYS)}`, value, dice.chance(1, 4));
}

/** One thing goes wrong, or right again. */
function makeTrouble(dice: Dice, rig: Rig): void {
  const { index } = pick(dice, rig.nodes);
  const other = pick(dice, rig.nodes).index;
  const deeds = [
    () => rig.crash(index),
    () => rig.start(index),
    () => rig.start(index),
    () => rig.lead(dice.chance(1, 10) ? undefined : index),
    () => rig.cut(index, other),
    () => {
      for (const { index: third } of rig.nodes) {
        rig.cut(index, third);
        rig.cut(third, index);
      }
    },
    () => rig.heal(),
    () => rig.heal(),
    () => rig.setNode(index, false),
    () => rig.setNode(index, true),
    () => rig.attach(pick(dice, DATABASES), someNodes(dice, rig)),
    () => {
      const scopes = [...rig.node(index).disk.scopes.keys()];
      if (scopes.length > 0) rig.loseFile(index, pick(dice, scopes));
    },
    () => rig.tell(rig.node(index), { type: "gap" }),
  ];
  pick(dice, deeds)();
}

function makePeace(rig: Rig): void {
  rig.faults = NO_FAULTS;
  rig.heal();
  for (const { index } of rig.nodes) {
    if (rig.isGone(index)) rig.setNode(index, true);
    rig.start(index);
  }
  rig.lead(rig.leader ?? 0);
}
