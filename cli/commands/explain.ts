/**
 * `ctdbx cluster explain` and `ctdbx node explain [NODE]`: cause, evidence, what happens by itself, what to run.
 *
 *   gather (half a second at the most) ─▶ rules (actors/explain/) ─▶ root causes, each with what belongs to it
 *
 * Exit code 8 when something is wrong, 10 when two parts of the cluster go by different decisions. A daemon that does
 * not run, or hangs, is a finding and no error.
 *
 * Does NOT promise: the cause of what happens on another machine beyond what its nodes say.
 */

import type { Command } from "commander";
import { explain, type Finding, gravest } from "../../actors/explain/explain.ts";
import { checksOf, unseenOf } from "../../actors/explain/checks.ts";
import { type Facts, SEVERITIES } from "../../actors/explain/facts.ts";
import { withoutOutsiders } from "../../actors/explain/seen.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { gather } from "../explain/gather.ts";
import { storyText } from "../explain/text.ts";
import { Failure } from "../failure.ts";
import { object, type RowOf } from "../result.ts";
import { flag, list, maybe, ms, record, text, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import {} from "./asking.ts";
import { nodeHint } from "../nearest.ts";

const LINE = text("Line", "a sentence, with figures where there are any");
const FINDING = {
  id: text("Cause", "name of the cause; docs/EXPLAIN.md has all of them"),
  node: maybe(text("Node", "which node it is about; null: the cluster")),
  severity: word("Severity", "how grave it is; info: nothing is wrong", SEVERITIES),
  title: text("Finding", "what is wrong, a sentence"),
  evidence: list("Evidence", "by what it is told", LINE),
  next: list("Next", "what happens by itself, with the time left", LINE),
  commands: list("Commands", "what to run, the best first", text("Command", "a command line")),
} as const;

const EXPLAINED = object({
  healthy: flag("Healthy", "nothing is wrong, as far as it could be looked at"),
  asked: text("Asked", "name of the node from which it was looked"),
  severity: maybe(word("Severity", "the gravest of all findings; null: there is none", SEVERITIES)),
  findings: list(
    "Findings",
    "root causes, the first one first",
    record("Finding", "a root cause", {
      ...FINDING,
      also: list(
        "Also",
        "what follows from it, or what it is made of",
        record("Finding", "a finding of the same trouble", FINDING),
      ),
    }),
  ),
  checks: list("Checks", "what was looked at", LINE),
  unseen: list("Unseen", "what could not be looked at, and why", LINE),
  tookMs: ms("Took, ms", "how long gathering the facts took"),
}, { rowsOf: "findings" });
type Explained = RowOf<typeof EXPLAINED>;

/** Adds `explain` to `ctdbx cluster`. */
export function addClusterExplain(cluster: Command, world: CommandWorld): void {
  declare<object, Explained>(
    cluster.command("explain").description(
      "what is wrong, why, what happens next by itself, and what to run; exit code 8, or 10 for a split brain",
    ),
    world,
    { result: EXPLAINED, asks: "nodes", hasOwnNodes: true },
    (task) => run(task, task.flags.node),
  );
}

/** Adds `explain` to `ctdbx node`. */
export function addNodeExplain(node: Command, world: CommandWorld): void {
  declare<object, Explained>(
    node.command("explain").argument("[node]", "name or number; default: the one that is asked")
      .description("the same about one node, and what concerns all of them"),
    world,
    { result: EXPLAINED, asks: "nodes", hasOwnNodes: true },
    (task, name) => run(task, name ?? task.flags.node ?? ""),
  );
}

/** `names`: the nodes that it is about, with commas between; "": the asked one; undefined or "all": every one. */
async function run(task: Task<object, Explained>, names: string | undefined): Promise<void> {
  const { world, flags, out } = task;
  const startMs = performance.now();
  const gathered = await gather(flags, world.store);
  const tookMs = Math.round(performance.now() - startMs);
  const about = names === undefined || names === "all" ? undefined : nodesOf(gathered, names);
  const facts = about === undefined ? withoutOutsiders(gathered) : gathered;
  const findings = explain(facts).filter((finding) => isAbout(finding, about));
  const severity = gravest(findings);
  const healthy = severity === undefined || severity === "info";
  const asked = askedOf(facts);
  const checks = checksOf(facts);
  const unseen = unseenOf(facts);
  if (out.isTable) {
    const look = { columns: world.terminal.columns, color: out.color };
    out.say(storyText(findings, look));
    if (healthy) {
      const lines = [...checks, ...unseen.map((line) => `not looked at: ${line}`)];
      const head = findings.length === 0 ? "" : "\n";
      out.say(
        `${head}All is well, as far as could be seen:\n${
          lines.map((line) => `   ${line}\n`).join("")
        }`,
      );
    }
  } else out.object({ healthy, asked, severity, findings, checks, unseen, tookMs });
  if (!healthy) throw failure(findings);
}

function askedOf({ nodes }: Facts): string {
  return nodes.find(({ isAsked }) => isAsked)?.name ?? "";
}

function isAbout(finding: Finding, about: readonly string[] | undefined): boolean {
  if (about === undefined || finding.node === undefined) return true;
  return [finding, ...finding.also].some(({ node }) => node !== undefined && about.includes(node));
}

/** Names of nodes by what was typed. Throws Failure (not found). */
function nodesOf(facts: Facts, names: string): string[] {
  if (names === "") return [askedOf(facts)];
  const known = facts.nodes.map(({ name }) => name);
  if (names === "others") return known.filter((name) => name !== askedOf(facts));
  const numbers = new Map(
    facts.nodes.flatMap(({ inside }) =>
      (inside?.peers ?? []).map(({ pnn, name }) => [String(pnn), name] as const)
    ),
  );
  return names.split(",").map((typed) => {
    const name = known.includes(typed) ? typed : numbers.get(typed);
    if (name !== undefined) return name;
    throw new Failure(
      EXIT.notFound,
      `Cannot find node ${typed}: known are ${known.join(", ")}`,
      nodeHint(typed, known),
    );
  });
}

function failure(findings: readonly Finding[]): Failure {
  const [first] = findings;
  const isSplit = findings.some(({ id }) => id === "split_brain");
  const command = first?.commands[0];
  return new Failure(
    isSplit ? EXIT.splitBrain : EXIT.expectation,
    `Cannot call it well: ${first?.title ?? "something is wrong"}`,
    command === undefined ? undefined : `run: ${command}`,
  );
}
