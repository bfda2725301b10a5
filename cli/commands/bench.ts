/**
 * `ctdbx bench ...`: what the cluster costs on this machine: time to fail over, messages of metadata.
 *
 *   failover   real processes, real faults, in a cluster of its own that is removed afterwards
 *   meta       free metadata of 10 to 1000 nodes, in virtual time
 *
 * Does NOT promise: a comparison with another system; `npm run bench -- failover` has one in the same run.
 */

import type { Command } from "commander";
import { measure } from "../../actors/machines/sim/metadata/traffic.ts";
import { failoverTrial } from "../failover_trial.ts";
import type { Column } from "../output.ts";
import { RowWriter } from "../output.ts";
import { progress } from "../progress.ts";
import type { CommandWorld, OutputFlags } from "../world.ts";
import { lookOf, nextTurn, outputOptions, whole } from "../world.ts";

const columns = (...pairs: [string, string][]): Column[] =>
  pairs.map(([name, title]) => ({ name, title }));

const FAILOVER = columns(["what", "What"], ["ms", "Ms"]);
const META = columns(
  ["nodes", "Nodes"],
  ["changes", "Changes"],
  ["perChange", "Deliveries per change"],
  ["mostBeyond", "Beyond interested"],
  ["medianBytes", "B/s, median node"],
  ["medianMessages", "Messages/s, median node"],
  ["leaderBytes", "B/s, leader"],
  ["hash", "Hash"],
);
/** Sizes of the clusters. */
const SIZES = [10, 30, 100, 300, 1000];

/** Adds `ctdbx bench`. */
export function addClusterBench(program: Command, world: CommandWorld): void {
  const bench = program.command("bench").description("what the cluster costs on this machine");
  outputOptions(bench.command("failover"))
    .description(
      "real processes and real faults: how long until all is well again (about a minute)",
    )
    .option("--nodes <count>", "how many nodes", whole(3, 16), 3)
    .action((flags: OutputFlags & { nodes: number }) => failover(world, flags));
  outputOptions(bench.command("meta"))
    .description(
      "messages and bytes of free metadata in clusters of 10 to 1000 nodes, in virtual time",
    )
    .option("--nodes-max <count>", "the largest cluster", whole(10, 1000), 1000)
    .option("--seconds <count>", "simulated seconds that are measured", whole(10, 3600), 60)
    .option("--loss <count>", "messages lost in 1000", whole(0, 500), 0)
    .action((flags: MetaFlags) => meta(world, flags));
}

interface MetaFlags extends OutputFlags {
  readonly nodesMax: number;
  readonly seconds: number;
  readonly loss: number;
}

async function failover(
  world: CommandWorld,
  flags: OutputFlags & { nodes: number },
): Promise<void> {
  const { out } = world.terminal;
  const rows = new RowWriter(out, lookOf(world, flags), FAILOVER);
  const bar = progress(world.terminal, "failing over");
  let done = 0;
  try {
    await failoverTrial(flags.nodes, ({ what, ms }) => {
      rows.row({ what, ms: Math.round(ms) });
      bar.at(++done, 0);
    });
  } finally {
    bar.end();
  }
  rows.end();
}

async function meta(world: CommandWorld, flags: MetaFlags): Promise<void> {
  const rows = new RowWriter(world.terminal.out, lookOf(world, flags), META);
  for (const nodes of SIZES.filter((size) => size <= flags.nodesMax)) {
    await nextTurn();
    const found = measure(nodes, 1000 * flags.seconds, flags.loss, 1);
    rows.row({
      nodes,
      changes: found.changes,
      perChange: Number(found.perChange.toFixed(2)),
      mostBeyond: found.mostBeyond,
      medianBytes: Math.round(found.medianBytes),
      medianMessages: Number(found.medianMessages.toFixed(2)),
      leaderBytes: Math.round(found.leaderBytes),
      hash: found.hash,
    });
  }
  rows.end();
}
