/**
 * `ctdbx sim run`: whole clusters in virtual time, with faults, and judges that look at all nodes at once.
 *
 *   seed ──▶ nodes, tunables, weather, faults ──▶ 60 s of trouble, 20 s of quiet ──▶ verdict, hash of the run
 *
 * The same seed gives the same run, and the same hash, on every runtime; so a failing one can be looked at again.
 *
 * Does NOT promise: that a seed means the same in another version of ctdbx.
 */

import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { type FaultClass, FAULTS } from "../../actors/machines/sim/faults.ts";
import { runSeed, type SeedOptions, type SeedResult } from "../../actors/machines/sim/swarm.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { progress } from "../progress.ts";
import { type RowOf, rows } from "../result.ts";
import { int, list, text, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { nextTurn, whole } from "../world.ts";

interface SimFlags {
  readonly seed: number;
  readonly seeds: number;
  readonly nodes?: number;
  readonly faults?: readonly FaultClass[];
  readonly seconds: number;
  readonly story?: boolean;
}

const RUNS = rows({
  seed: int("Seed", "what all chance came from"),
  nodes: int("Nodes", "in the cluster"),
  faults: list("Faults", "kinds of faults that were made", word("Fault", "its kind", FAULTS)),
  leaders: int("Leaders", "elections that were won"),
  views: int("Views", "views that came into force"),
  messages: int("Messages", "sent between nodes"),
  hash: text("Hash", "of all that happened: equal runs have equal ones"),
  verdict: text("Verdict", "clean, or the first rule that was broken, and how"),
  story: list("Story", "with --story: all that happened", text("Line", "ms, node, what")),
}, {
  table: [
    "seed",
    "nodes",
    { name: "faults", text: ({ faults }) => faults.join(" ") },
    "leaders",
    "views",
    "messages",
    "hash",
    "verdict",
  ],
});
type Run = RowOf<typeof RUNS>;

/** Adds `ctdbx sim`. */
export function addSimCommands(program: Command, world: CommandWorld): void {
  const sim = program.command("sim").description("clusters in virtual time, with faults");
  const command = sim.command("run")
    .description("run one seed or several; exit code 8 when a judge objects")
    .option("--seed <number>", "the first seed, 0 to 4294967295", whole(0, 0xffff_ffff), 1)
    .option("--seeds <count>", "how many seeds, one after another", whole(1, 10_000_000), 1)
    .option("--nodes <count>", "how many nodes, 3 to 64; drawn from the seed without", whole(3, 64))
    .option("--faults <names>", `with commas; drawn without: ${FAULTS.join(", ")}`, faultClasses)
    .option(
      "--seconds <count>",
      "simulated seconds of faults, before 20 quiet ones",
      whole(1, 86_400),
      60,
    )
    .option("--story", "tell everything that happens");
  declare<SimFlags, Run>(command, world, { result: RUNS }, run);
}

function faultClasses(text: string): FaultClass[] {
  const names = text === "none" ? [] : text.split(",").map((name) => name.trim());
  const found = names.map((name) => FAULTS.find((fault) => fault === name));
  const wrong = names.find((_, at) => found[at] === undefined);
  if (wrong === undefined) return found as FaultClass[];
  throw new InvalidArgumentError(`${wrong} is none of ${FAULTS.join(", ")} (or "none" alone).`);
}

async function run({ world, flags, out }: Task<SimFlags, Run>): Promise<void> {
  let story: string[] = [];
  const onNote = (...note: [number, number, string, string]): void => {
    const line = storyLine(...note);
    if (out.isTable) out.say(`${line}\n`);
    else story.push(line);
  };
  const options: SeedOptions = {
    faultsMs: flags.seconds * 1000,
    ...flags.nodes === undefined ? {} : { nodes: flags.nodes },
    ...flags.faults === undefined ? {} : { classes: flags.faults },
    ...flags.story === undefined ? {} : { onNote },
  };
  const bar = progress(world.terminal, "simulating");
  const failed: SeedResult[] = [];
  try {
    for (let at = 0; at < flags.seeds; at++) {
      const result = runSeed((flags.seed + at) >>> 0, options);
      out.row({ ...rowOf(result), story });
      story = [];
      if (result.violations.length > 0) failed.push(result);
      bar.at(at + 1, flags.seeds);
      await nextTurn();
    }
  } finally {
    bar.end();
  }
  if (failed.length > 0) throw objection(failed, flags);
}

function storyLine(atMs: number, node: number, what: string, text: string): string {
  return `${atMs.toFixed(1).padStart(9)} n${node} ${text === "" ? what : text}`;
}

function rowOf(result: SeedResult): Omit<Run, "story"> {
  const { seed, nodes, classes, leaders, views, messages, hash, violations } = result;
  const [first] = violations;
  const verdict = first === undefined ? "clean" : `${first.rule}: ${first.text}`;
  return { seed, nodes, faults: classes, leaders, views, messages, hash, verdict };
}

function objection(failed: readonly SeedResult[], flags: SimFlags): Failure {
  const [first] = failed;
  const count = failed.length === 1 ? "1 seed" : `${failed.length} seeds`;
  return new Failure(
    EXIT.expectation,
    `The judges object to ${count} of ${flags.seeds}, first to ${first?.seed}`,
    `ctdbx sim run --seed ${first?.seed} --story tells what happened`,
  );
}
