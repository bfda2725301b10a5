/**
 * A scenario: a cluster in virtual time without chance, told by commands; what happens stands below each command.
 *
 *   nodes 3                          the first lines say what the cluster is
 *   breaks no probe                  with this rule broken, the end must be another or a judge must object
 *   > run 2000                       a command
 *     1205.0 n1 chosen 0.2: ...      what happened meanwhile, at the simulated time in ms
 *
 *   bun test/scenarios/scenario.ts --rewrite [FILES]      writes what happens now into the files; read the difference
 *
 * Does NOT promise: that the times stay when the machine changes; their order is what is read.
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { ClusterSim } from "../../actors/machines/sim/cluster_sim.ts";
import { defaultTiming } from "../../actors/machines/cluster/tunables.ts";
import type { Rules } from "../../actors/machines/cluster/rules.ts";
import { COMMANDS } from "./commands.ts";
import { namesIn, rewriteScripts, type Script, tellScript, textIn, type Told } from "./script.ts";

/** Where they are. */
const FOLDER = dirname(fileURLToPath(import.meta.url));

/** A scenario that runs. */
export interface Stage {
  readonly sim: ClusterSim;
  /** Messages that are lost: by kind, sender and receiver; undefined: any. */
  readonly drops: { kind: string; from: number | undefined; to: number | undefined }[];
  /** Kinds of messages that are told. */
  readonly shown: Set<string>;
  readonly lines: string[];
}

/** What came of a scenario of the cluster. */
export interface ClusterTold extends Told {
  /** Names of BROKEN that must be noticed. */
  readonly breaks: readonly string[];
}

/** The names of all scenarios, sorted. */
export function scenarioNames(): string[] {
  return namesIn(FOLDER);
}

/** The text of a scenario. */
export function scenarioText(name: string): string {
  return textIn(FOLDER, name);
}

/** What is no message: the beginning of serving is told by what it follows from. */
const QUIET = new Set(["start", "end", "fenced", "adopted"]);

/** Runs a scenario. Throws on a command that it does not know. */
export function tell(text: string, rules?: Rules): ClusterTold {
  const breaks = text.split("\n").filter((line) => line.startsWith("breaks "))
    .map((line) => line.slice(7).trim());
  return { ...tellScript(scriptOf(rules), text), breaks };
}

function scriptOf(rules?: Rules): Script<Stage> {
  return {
    folder: FOLDER,
    program: "test/scenarios/scenario.ts",
    open: (settings) => open(settings, rules),
    commands: COMMANDS,
    lines: ({ lines }) => lines.splice(0),
    violations: ({ sim }) => sim.checkers.violations,
  };
}

function open(settings: ReadonlyMap<string, number>, rules: Rules | undefined): Stage {
  const lines: string[] = [];
  const drops: Stage["drops"] = [];
  const shown = new Set<string>();
  const nodes = settings.get("nodes") ?? 3;
  const timing: Record<string, number> = { ...defaultTiming() };
  for (const [name, value] of settings) if (name in timing) timing[name] = value;
  const sim: ClusterSim = new ClusterSim({
    seed: 1,
    nodes,
    voters: settings.get("voters") ?? nodes - (settings.get("spares") ?? 0),
    spares: settings.get("spares") ?? 0,
    format: settings.get("format") ?? 1,
    timing: timing as unknown as ReturnType<typeof defaultTiming>,
    isCalm: true,
    ...(rules === undefined ? {} : { rules }),
    onNote: (atMs, node, what, text) => {
      if (!QUIET.has(what)) {
        lines.push(`  ${atMs.toFixed(1)} n${node} ${text === "" ? what : text}`);
      }
    },
    onSend: (from, to, message) => {
      const isLost = drops.some((drop) =>
        (drop.kind === "all" || drop.kind === message.kind) && (drop.from ?? from) === from &&
        (drop.to ?? to) === to
      );
      if (shown.has(message.kind) && from !== to) {
        const mark = isLost || !sim.links.isOpen(from, to) ? " (lost)" : "";
        lines.push(`  ${sim.nowMs.toFixed(1)} n${from} ${message.kind} to n${to}${mark}`);
      }
      return !isLost;
    },
  });
  return { sim, drops, shown, lines };
}

if (import.meta.main) rewriteScripts(scriptOf());
