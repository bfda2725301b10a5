/**
 * What a scenario may do to its cluster. Nodes are n0, n1, ..; `leader` is whoever leads.
 *
 * Does NOT promise: to be complete; a new scenario may bring a new command.
 */
import type { LeaderCommand } from "../../transport/wire/messages/leader.ts";
import type { Host } from "../../actors/machines/sim/host.ts";
import { tokenText } from "../../actors/machines/cluster/token.ts";
import { isActive } from "../../actors/machines/cluster/document.ts";
import { judgeEnd } from "../../actors/machines/sim/ends.ts";
import { heal } from "../../actors/machines/sim/faults.ts";
import type { Stage } from "./scenario.ts";

type Command = (stage: Stage, words: readonly string[]) => void;

/** The host that a word names. */
function hostOf({ sim }: Stage, word: string | undefined): Host {
  const host = word === "leader"
    ? sim.hosts.find(({ machine }) => machine?.state.lead !== undefined)
    : sim.hosts[Number(word?.slice(1))];
  if (host === undefined) throw new TypeError(`No such node in a scenario: ${word}`);
  return host;
}

/** For each node that is named; where nobody leads, `leader` is nobody. */
function each(stage: Stage, words: readonly string[], run: (host: Host) => void): void {
  for (const word of words) {
    const isNobody = word === "leader" &&
      stage.sim.hosts.every(({ machine }) => machine?.state.lead === undefined);
    if (isNobody) stage.lines.push("  nobody leads");
    else run(hostOf(stage, word));
  }
}

/** `n0` or `*`. */
function indexOf(stage: Stage, word: string | undefined): number | undefined {
  return word === "*" ? undefined : hostOf(stage, word).index;
}

/** Cuts or opens every way between the nodes of two words, one way or both. */
function setCut(stage: Stage, words: readonly string[], isCut: boolean): void {
  const [from, way, to] = words;
  const { links } = stage.sim;
  const one = indexOf(stage, from);
  const other = indexOf(stage, to);
  for (let a = 0; a < links.count; a++) {
    for (let b = 0; b < links.count; b++) {
      if (a === b || (one ?? a) !== a || (other ?? b) !== b) continue;
      links.cut(a, b, isCut);
      if (way === "<->") links.cut(b, a, isCut);
    }
  }
}

function lockCommand(stage: Stage, [what, value]: readonly string[]): void {
  const { lock } = stage.sim;
  if (what === "cut") lock.cut.add(hostOf(stage, value).index);
  else if (what === "open") lock.cut.delete(hostOf(stage, value).index);
  else if (what === "stall") lock.weather.isStalled = true;
  else if (what === "fair") lock.weather = { ambiguous: 0, stale: 0, isStalled: false };
  else if (what === "back") lock.goBack(Number(value));
  else if (what === "lose") lock.lose();
  else if (what === "stale") lock.weather.stale = 10_000;
  else if (what === "ambiguous") lock.weather.ambiguous = 10_000;
  else throw new TypeError(`Unknown lock command of a scenario: ${what}`);
}

/** `ask n0 ban n2 5000`: what an operator at a node wants. */
function ask(stage: Stage, [at, verb, about, ...rest]: readonly string[]): void {
  const verbId = stage.sim.trace.count.toString(16).padStart(32, "0");
  const command = commandOf(stage, verb, about, rest);
  each(stage, [at ?? ""], (host) => host.feed({ kind: "command", verbId, command }));
}

function commandOf(
  stage: Stage,
  verb: string | undefined,
  about: string | undefined,
  rest: readonly string[],
): LeaderCommand {
  const why = "asked for";
  if (verb === "yield") return { verb, why };
  const { index, nodeId, machine } = hostOf(stage, about);
  const pnn = index as never;
  if (verb === "ban") return { verb, pnn, banMs: Number(rest[0]), why };
  if (verb === "unban") return { verb, pnn };
  if (verb === "blame") return { verb, pnn, credits: Number(rest[0]), why };
  if (verb === "set") return { verb: "flags", pnn, set: [rest[0] as "stopped"], clear: [], why };
  if (verb === "clear") return { verb: "flags", pnn, set: [], clear: [rest[0] as "stopped"], why };
  if (verb === "node_remove") return { verb, pnn, why };
  if (verb === "voter_add") return { verb, nodeId };
  if (verb === "node_add") {
    return { verb, nodeId, name: `n${index}`, addr: `n${index}:4222`, caps: ["leader"] };
  }
  if (verb === "voter_remove") {
    const voters = (machine?.state.accepted ?? stage.sim.hosts[0]?.durable.accepted)?.voters ?? [];
    const voter = voters.find((known) => known.nodeId === nodeId);
    return { verb, voterId: voter?.voterId ?? 1 as never };
  }
  throw new TypeError(`Unknown verb in a scenario: ${verb}`);
}

/** One line for each node: what it is and has. */
function show(stage: Stage): void {
  const { sim } = stage;
  for (const { index, machine } of sim.hosts) {
    if (machine === undefined) {
      stage.lines.push(`  n${index} down`);
      continue;
    }
    const { lead, adopted, promised, incarnation } = machine.state;
    const isServing = sim.checkers.pagesOf(index).some((page) =>
      page.incarnation === incarnation && page.endMs > sim.nowMs
    );
    const words = [
      `n${index} life ${incarnation}`,
      `promised ${tokenText(promised)}`,
      `adopted ${adopted === undefined ? "nothing" : tokenText(adopted.version)}`,
      isServing ? "serves" : "serves not",
    ];
    if (lead !== undefined) {
      words.push(lead.effective === undefined ? "leads, not effective" : "leads");
    }
    const own = adopted?.nodes.find(({ pnn }) => pnn === machine.state.pnn);
    if (own !== undefined && !isActive(own)) words.push(own.adminFlags.join(" "));
    stage.lines.push(`  ${words.join(", ")}`);
  }
}

/** All commands by name. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  start: (stage, words) =>
    words.length === 0 ? stage.sim.start() : each(stage, words, (host) => host.start()),
  settle: ({ sim, lines }) => {
    sim.start();
    sim.run(3000);
    lines.length = 0;
  },
  run: ({ sim }, [ms]) => sim.run(sim.nowMs + Number(ms)),
  pause: (stage, words) => each(stage, words, (host) => host.pause()),
  resume: (stage, words) => each(stage, words, (host) => host.resume()),
  kill: (stage, words) => each(stage, words, (host) => host.kill()),
  power: (stage, words) => each(stage, words, (host) => host.powerOff()),
  new_disk: (stage, words) => each(stage, words, (host) => host.replaceDisk()),
  supervisor: (stage, [word, state]) => {
    hostOf(stage, word).hasSupervisor = state === "on";
  },
  certify: (stage, [word, life]) => {
    const host = hostOf(stage, word);
    host.sendDead(BigInt(life ?? 0) as never, host.clock(stage.sim.nowMs), 1);
  },
  cut: (stage, words) => setCut(stage, words, true),
  open: (stage, words) => setCut(stage, words, false),
  heal: ({ sim, drops }) => {
    drops.length = 0;
    heal(sim);
  },
  drop: (stage, [kind = "all", from, to]) => {
    stage.drops.push({ kind, from: indexOf(stage, from), to: indexOf(stage, to) });
  },
  undrop: ({ drops }) => {
    drops.length = 0;
  },
  trace: ({ shown }, kinds) => kinds.forEach((kind) => shown.add(kind)),
  untrace: ({ shown }) => shown.clear(),
  disk: (stage, [word, ms]) => {
    hostOf(stage, word).diskMs = ms === "fair" ? undefined : Number(ms);
  },
  full: (stage, [word, ms]) => {
    hostOf(stage, word).fullUntilMs = stage.sim.nowMs + Number(ms);
  },
  health: (stage, [word, how]) =>
    hostOf(stage, word).feed({ kind: "health", health: { healthy: how === "well" } }),
  stop: (stage, words) => each(stage, words, (host) => host.feed({ kind: "stop" })),
  lock: lockCommand,
  ask,
  show,
  judge: (stage) => {
    const { checkers, nowMs } = stage.sim;
    const before = checkers.violations.length;
    judgeEnd(stage.sim, nowMs);
    const news = checkers.violations.slice(before);
    stage.lines.push(news.length === 0 ? "  well" : `  ${news.map(({ text }) => text).join("; ")}`);
  },
};
