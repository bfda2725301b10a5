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
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import type { Column } from "../output.ts";
import { RowWriter } from "../output.ts";
import { progress } from "../progress.ts";
import type { CommandWorld, OutputFlags } from "../world.ts";
import { lookOf, nextTurn, outputOptions, whole } from "../world.ts";

interface SimFlags extends OutputFlags {
  readonly seed: number;
  readonly seeds: number;
  readonly nodes?: number;
  readonly faults?: readonly FaultClass[];
  readonly seconds: number;
  readonly story?: boolean;
}

const COLUMNS: readonly Column[] = [
  ["seed", "Seed"],
  ["nodes", "Nodes"],
  ["faults", "Faults"],
  ["leaders", "Leaders"],
  ["views", "Views"],
  ["messages", "Messages"],
  ["hash", "Hash"],
  ["verdict", "Verdict"],
].map(([name = "", title = ""]) => ({ name, title }));

/** Adds `ctdbx sim`. */
export function addSimCommands(program: Command, world: CommandWorld): void {
  const sim = program.command("sim").description("clusters in virtual time, with faults");
  outputOptions(sim.command("run"))
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
    .option("--story", "tell everything that happens")
    .action((flags: SimFlags) => run(world, flags));
}

function faultClasses(text: string): FaultClass[] {
  const names = text === "none" ? [] : text.split(",").map((name) => name.trim());
  const found = names.map((name) => FAULTS.find((fault) => fault === name));
  const wrong = names.find((_, at) => found[at] === undefined);
  if (wrong === undefined) return found as FaultClass[];
  throw new InvalidArgumentError(`${wrong} is none of ${FAULTS.join(", ")} (or "none" alone).`);
}

async function run(world: CommandWorld, flags: SimFlags): Promise<void> {
  const { out } = world.terminal;
  const options: SeedOptions = {
    faultsMs: flags.seconds * 1000,
    ...flags.nodes === undefined ? {} : { nodes: flags.nodes },
    ...flags.faults === undefined ? {} : { classes: flags.faults },
    ...flags.story === undefined ? {} : { onNote: (...note) => out.write(storyLine(...note)) },
  };
  const rows = new RowWriter(out, lookOf(world, flags), COLUMNS);
  const bar = progress(world.terminal, "simulating");
  const failed: SeedResult[] = [];
  try {
    for (let at = 0; at < flags.seeds; at++) {
      const result = runSeed((flags.seed + at) >>> 0, options);
      rows.row(rowOf(result));
      if (result.violations.length > 0) failed.push(result);
      bar.at(at + 1, flags.seeds);
      await nextTurn();
    }
  } finally {
    bar.end();
  }
  rows.end();
  if (failed.length > 0) throw objection(failed, flags);
}

function storyLine(atMs: number, node: number, what: string, text: string): string {
  return `${atMs.toFixed(1).padStart(9)} n${node} ${text === "" ? what : text}\n`;
}

function rowOf(result: SeedResult) {
  const { seed, nodes, classes, leaders, views, messages, hash, violations } = result;
  const [first] = violations;
  const verdict = first === undefined ? "clean" : `${first.rule}: ${first.text}`;
  return { seed, nodes, faults: classes.join(" "), leaders, views, messages, hash, verdict };
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
