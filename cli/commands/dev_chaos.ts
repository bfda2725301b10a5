/**
 * `ctdbx dev chaos ...`: faults on demand, in a cluster of this machine.
 *
 *   pause TARGET 5s   skew TARGET 5s   partition TARGET 5s [--from n1]   kill TARGET   heal TARGET
 *
 * Does NOT promise: an end of what was cut off from here; a fault ends by itself when its time is over.
 */

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { type NodeId, tagOf } from "../../transport/wire/terms.ts";
import type { LeaderAnswer } from "../answers.ts";
import { declare, type Task } from "../declare.ts";
import { devHome, devNode, nodeIds, planOf } from "../dev_cluster.ts";
import { SILENT_MS, waitUp } from "../dev_up.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { meant } from "../nearest.ts";
import { isAlive, startDetached, until } from "../processes.ts";
import { object, type RowOf } from "../result.ts";
import { int, list, ms, text, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { askOnce, look } from "./asking.ts";
import { devOption } from "../home_option.ts";

/** With --wait all is well again after this, ms, or something is wrong. */
const WELL_MS = 60_000;

interface ChaosFlags {
  readonly home?: string;
}

interface CutFlags extends ChaosFlags {
  readonly from?: string;
  readonly way?: "both" | "in" | "out";
}

const KINDS = ["partition", "pause", "skew", "kill", "heal"] as const;
type Kind = (typeof KINDS)[number];

const FAULT = object({
  fault: word("Fault", "what was done", KINDS),
  node: text("Node", "name of the node it was done to"),
  durationMs: ms("For, ms", "how long it lasts; 0: it is over at once"),
  from: list("From", "of a partition: the nodes it is cut from", text("Node", "its name")),
  pid: int("Process", "process id of the daemon; 0: none was touched"),
});
type Fault = RowOf<typeof FAULT>;

const ABOUT: Readonly<Record<Kind, string>> = {
  partition: "cut a node from others",
  pause: "stop a daemon (SIGSTOP) for a time; its supervisor kills one that is silent for 30 s",
  skew: "let a node's clock run fast by 1 %, and its wall clock jump by an hour",
  kill: "kill a daemon (SIGKILL); its supervisor starts it again",
  heal: "end the partition and the skew of a node now",
};

/** Adds `ctdbx dev chaos`. */
export function addChaosCommands(dev: Command, world: CommandWorld): void {
  const chaos = dev.command("chaos").description("make a fault, for a time");
  for (const kind of KINDS) {
    const command = devOption(chaos.command(kind).description(ABOUT[kind]))
      .argument("<target>", "n0, n1, ... or leader");
    const isTimed = kind !== "kill" && kind !== "heal";
    if (isTimed) command.argument("<duration>", "as 500ms, 5s or 2m", milliseconds);
    if (kind === "partition") cutOptions(command);
    const waits = "until it is over and all nodes say that all is well";
    declare<CutFlags, Fault>(
      command,
      world,
      { result: FAULT, changes: true, waits },
      (task, target = "", duration) => makeFault(task, kind, target, Number(duration ?? 0)),
    );
  }
}

function cutOptions(command: Command): void {
  const way = new Option("--way <way>", "in: it hears nothing; out: it is not heard");
  command.option("--from <nodes>", "from these only, with commas: n1,n2 (all)")
    .addOption(way.choices(["both", "in", "out"]));
}

function milliseconds(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,6})(ms|s|m)$/.exec(text) ?? [];
  const ms = Number(count) * ({ ms: 1, s: 1000, m: 60_000 }[unit] ?? NaN);
  if (ms >= 1 && ms <= 3_600_000) return ms;
  throw new InvalidArgumentError("Must be from 1ms to 60m.");
}

async function makeFault(
  { flags, out }: Task<CutFlags, Fault>,
  kind: Kind,
  target: string,
  durationMs: number,
): Promise<void> {
  const home = devHome(flags.home);
  const { nodes } = planOf(home);
  const index = await indexOf(home, nodes, target);
  const node = `n${index}`;
  const from: string[] = [];
  let pid = 0;
  if (kind === "partition") from.push(...await cut(home, index, durationMs, flags));
  else if (kind === "heal") await askOnce(devNode(home, index), "chaos heal");
  else if (kind === "skew") await askOnce(devNode(home, index), "chaos skew", { ms: durationMs });
  else pid = await hit(home, index, kind, durationMs);
  if (flags.wait === true) {
    await sleep(durationMs);
    await waitUp(home, nodes, () => true, WELL_MS);
  }
  if (!out.isTable) return out.object({ fault: kind, node, durationMs, from, pid });
  const cutFrom = from.length === 0 ? "" : ` from ${from.join(", ")}`;
  out.say(`${kind}: ${node}${cutFrom}${durationMs > 0 ? ` for ${durationMs / 1000} s` : ""}\n`);
}

/** Kills or stops a daemon; its process id. */
async function hit(
  home: string,
  index: number,
  kind: "kill" | "pause",
  durationMs: number,
): Promise<number> {
  const { pid } = await askOnce(devNode(home, index), "node process") as { pid: number };
  if (kind === "kill") {
    process.kill(pid, "SIGKILL");
    await until(() => !isAlive(pid), SILENT_MS);
  } else {
    process.kill(pid, "SIGSTOP");
    // A process of its own lets it go on, whatever becomes of this one.
    const later = `sleep ${durationMs / 1000}; kill -CONT ${pid}`;
    startDetached(["/bin/sh", "-c", later], "/dev/null");
  }
  return pid;
}

/** Cuts a node from others; their names. */
async function cut(
  home: string,
  index: number,
  ms: number,
  flags: CutFlags,
): Promise<string[]> {
  const plan = planOf(home);
  const ids = nodeIds(home, plan);
  const others = flags.from === undefined
    ? [...ids.keys()].filter((other) => other !== index)
    : await Promise.all(
      flags.from.split(",").map((name) => indexOf(home, plan.nodes, name.trim())),
    );
  const tags = others.map((other) => tagOf(ids[other] as NodeId));
  await askOnce(devNode(home, index), "chaos cut", { tags, ms, way: flags.way ?? "both" });
  return others.map((other) => `n${other}`);
}

async function indexOf(home: string, nodes: number, target: string): Promise<number> {
  const index = /^n(\d{1,2})$/.exec(target)?.[1];
  if (index !== undefined && Number(index) < nodes) return Number(index);
  if (target !== "leader") {
    const names = [...Array(nodes).keys()].map((each) => `n${each}`);
    throw usage(
      `Cannot find ${target}: targets are n0 to n${nodes - 1}, leader`,
      meant(target, [...names, "leader"]) ?? "`ctdbx dev status` shows the nodes",
    );
  }
  const views = await Promise.all(
    Array.from(
      { length: nodes },
      (_, each) => look(devNode(home, each), "leader show", {}, SILENT_MS).catch(() => ({})),
    ),
  ) as LeaderAnswer[];
  // A leader that was cut off may still take itself for one: the newest token counts.
  const known = views.filter(({ leader }) => leader !== undefined)
    .sort((one, other) => Number(other.election ?? 0) - Number(one.election ?? 0));
  const leader = known[0]?.leader;
  if (leader !== undefined) return Number(leader.slice(1));
  throw new Failure(
    EXIT.noQuorum,
    "Cannot find the leader: no node knows one",
    "name a node, as n0; `ctdbx cluster health` says what is wrong",
  );
}
