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
import { declare, type Task } from "../declare.ts";
import { failoverTrial } from "../failover_trial.ts";
import { progress } from "../progress.ts";
import { type RowOf, rows } from "../result.ts";
import { int, ms, num, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { nextTurn, whole } from "../world.ts";

const FAILOVER = rows({
  what: text("What", "what was done, and what was waited for"),
  ms: ms("Ms", "how long it took"),
});
const META = rows({
  nodes: int("Nodes", "in the cluster"),
  changes: int("Changes", "that were written"),
  perChange: num("Deliveries per change", "messages that carried one change"),
  mostBeyond: num("Beyond interested", "most deliveries of a change to nodes that did not want it"),
  medianBytes: num("B/s, median node", "sent and received by the node in the middle", "bytes/s"),
  medianMessages: num("Messages/s, median node", "the same in messages", "1/s"),
  leaderBytes: num("B/s, leader", "sent and received by the leader", "bytes/s"),
  hash: text("Hash", "of all that happened: equal runs have equal ones"),
});
/** Sizes of the clusters. */
const SIZES = [10, 30, 100, 300, 1000];

/** Adds `ctdbx bench`, and returns it. */
export function addClusterBench(program: Command, world: CommandWorld): Command {
  const bench = program.command("bench").description("what the cluster costs on this machine");
  declare<FailoverFlags, RowOf<typeof FAILOVER>>(
    bench.command("failover")
      .description(
        "real processes and real faults: how long until all is well again (about a minute)",
      )
      .option("--nodes <count>", "how many nodes", whole(3, 16), 3),
    world,
    { result: FAILOVER },
    failover,
  );
  declare<MetaFlags, RowOf<typeof META>>(
    bench.command("meta")
      .description(
        "messages and bytes of free metadata in clusters of 10 to 1000 nodes, in virtual time",
      )
      .option("--nodes-max <count>", "the largest cluster", whole(10, 1000), 1000)
      .option("--seconds <count>", "simulated seconds that are measured", whole(10, 3600), 60)
      .option("--loss <count>", "messages lost in 1000", whole(0, 500), 0),
    world,
    { result: META },
    meta,
  );
  return bench;
}

interface FailoverFlags {
  readonly nodes: number;
}

interface MetaFlags {
  readonly nodesMax: number;
  readonly seconds: number;
  readonly loss: number;
}

async function failover(
  { world, flags, out }: Task<FailoverFlags, RowOf<typeof FAILOVER>>,
): Promise<void> {
  const bar = progress(world.terminal, "failing over");
  let done = 0;
  try {
    await failoverTrial(flags.nodes, ({ what, ms }) => {
      out.row({ what, ms: Math.round(ms) });
      bar.at(++done, 0);
    });
  } finally {
    bar.end();
  }
}

async function meta({ flags, out }: Task<MetaFlags, RowOf<typeof META>>): Promise<void> {
  for (const nodes of SIZES.filter((size) => size <= flags.nodesMax)) {
    await nextTurn();
    const found = measure(nodes, 1000 * flags.seconds, flags.loss, 1);
    out.row({
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
}
