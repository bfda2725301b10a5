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
import type { DbId, Generation, Pnn, Version } from "../../transport/wire/terms.ts";
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

const MEMBERSHIP_VERBS = ["invite", "uninvite", "join", "leave", "replace", "caps"] as const;

function isMembershipVerb(verb: string | undefined): verb is (typeof MEMBERSHIP_VERBS)[number] {
  return MEMBERSHIP_VERBS.some((one) => one === verb);
}

/** The number of a node, as the newest document that is in force has it. */
function pnnOf({ sim }: Stage, nodeId: string): Pnn | undefined {
  const version = sim.checkers.effective.at(-1);
  const doc = version === undefined ? undefined : sim.checkers.docOf(version);
  return doc?.nodes.find((node) => node.nodeId === nodeId)?.pnn ??
    doc?.gone?.find((node) => node.nodeId === nodeId)?.pnn;
}

/**
 * `invite n3 [name=..] [id=nX] [replaces=nX] [ttl=ms] [novote]`, `uninvite n3`, `join n3 [by=nX] [disk=..] [addr=..]`,
 * `leave n0`, `replace n0 n3`, `caps n0 lmaster`. The invitation of a host has its number in its secret.
 */
function membershipCommand(
  stage: Stage,
  verb: (typeof MEMBERSHIP_VERBS)[number],
  about: string | undefined,
  rest: readonly string[],
): LeaderCommand {
  const host = hostOf(stage, about);
  const given = new Map(rest.map((word) => word.split("=") as [string, string]));
  const atWallMs = BigInt(Math.floor(stage.sim.nowMs));
  const inviteOf = ({ index }: Host) => index.toString(16).padStart(32, "5");
  const pnn = pnnOf(stage, host.nodeId) ?? host.index as Pnn;
  const why = "asked for";
  switch (verb) {
    case "invite": {
      const old = given.get("replaces");
      const replaces = old === undefined ? undefined : pnnOf(stage, hostOf(stage, old).nodeId);
      return {
        verb,
        inviteId: inviteOf(host),
        name: given.get("name") ?? `n${host.index}`,
        nodeId: hostOf(stage, given.get("id") ?? about).nodeId,
        voter: !given.has("novote"),
        ...(replaces === undefined ? {} : { replaces }),
        expiresWallMs: atWallMs + BigInt(given.get("ttl") ?? 60_000),
        atWallMs,
      };
    }
    case "uninvite":
      return { verb, inviteId: inviteOf(host) };
    case "join": {
      const inviteId = inviteOf(hostOf(stage, given.get("by") ?? about));
      const diskId = given.get("disk")?.padStart(32, "0") ?? host.durable.diskId;
      const addr = given.get("addr") ?? `n${host.index}:4222`;
      return { verb, inviteId, nodeId: host.nodeId, diskId, addr, format: 2, atWallMs };
    }
    case "leave":
      return { verb, pnn, why };
    case "replace":
      return { verb, pnn, by: pnnOf(stage, hostOf(stage, rest[0]).nodeId) ?? 99 as Pnn, why };
    case "caps":
      return { verb, pnn, caps: [...rest], why };
  }
}

/** `db_attach visits [kind]`, `db_detach visits`, `db_wipe visits`, `db_set visits on` (sticky), `rehome`. */
function databaseCommand(
  { sim }: Stage,
  verb: string,
  name: string,
  rest: string | undefined,
): LeaderCommand {
  const doc = sim.checkers.docOf(sim.checkers.effective.at(-1) ?? 0n as Version);
  const known = doc?.dbs.find((db) => db.name === name);
  const dbId = known?.dbId ?? 100 + name.length as DbId;
  const since = known?.since ?? 0n as Version;
  const why = "asked for";
  switch (verb) {
    case "db_attach": {
      const databaseKind = rest === "persistent" ? rest : "volatile";
      return { verb, dbId, name, databaseKind };
    }
    case "db_detach":
    case "db_wipe":
      return { verb, dbId, since, why };
    case "db_set":
      return { verb, dbId, sticky: rest === "on" ? "on" : "off" };
    case "rehome":
      return { verb, generation: doc?.generation ?? 0n as Generation, why };
    default:
      throw new TypeError(`Unknown verb in a scenario: ${verb}`);
  }
}

/** `ask n0 ban n2 5000`: what an operator at a node wants. */
function ask(stage: Stage, [at, verb, about, ...rest]: readonly string[]): void {
  const verbId = stage.sim.trace.count.toString(16).padStart(32, "0");
  const command = commandOf(stage, verb, about, rest);
  each(stage, [at ?? ""], (host) => host.feed({ kind: "command", verbId, command }));
}

/** `force n0`: its operator has it lead the cluster on without most of its voters. */
function force(stage: Stage, words: readonly string[]): void {
  const verbId = stage.sim.trace.count.toString(16).padStart(32, "0");
  const atWallMs = BigInt(Math.floor(stage.sim.nowMs));
  each(stage, words, (host) => {
    const { adopted, accepted } = host.machine?.state ?? {};
    const [one, other] = [adopted?.version ?? 0n, accepted?.version ?? 0n];
    const from = (one > other ? one : other) as Version;
    host.feed({ kind: "force", verbId, from, atWallMs });
    // Nobody proposes it, and all that comes is made from it.
    const now = host.machine?.state.accepted;
    if (now !== undefined && now.version !== accepted?.version) {
      stage.sim.checkers.onProposed(stage.sim.nowMs, now);
    }
  });
}

function commandOf(
  stage: Stage,
  verb: string | undefined,
  about: string | undefined,
  rest: readonly string[],
): LeaderCommand {
  const why = "asked for";
  if (verb === "yield") return { verb, why };
  if (verb === "finalize") return { verb, format: 2 };
  if (isMembershipVerb(verb)) return membershipCommand(stage, verb, about, rest);
  if (verb?.startsWith("db_") || verb === "rehome") {
    return databaseCommand(stage, verb, about ?? "", rest[0]);
  }
  const { index, nodeId, machine } = hostOf(stage, about);
  const pnn = pnnOf(stage, nodeId) ?? index as never;
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

/** Nodes, votes, invitations and those that went, by the newest document that is in force. */
function showMembers({ sim, lines }: Stage): void {
  const version = sim.checkers.effective.at(-1);
  const doc = version === undefined ? undefined : sim.checkers.docOf(version);
  if (doc === undefined) return;
  const voterOf = (nodeId: string) => doc.voters.find((voter) => voter.nodeId === nodeId)?.voterId;
  lines.push(`  ${tokenText(doc.version)} format ${doc.format ?? 1}`);
  for (const node of doc.nodes) {
    const words = [`${node.pnn} ${node.name}`];
    const vote = voterOf(node.nodeId);
    if (vote !== undefined) words.push(`vote ${vote}`);
    if (node.wantsVote === true) words.push("gets a vote");
    if (node.replaces !== undefined) words.push(`replaces ${node.replaces}`);
    if (node.leaving !== undefined) words.push(`leaving (${node.leaving})`);
    words.push(...node.adminFlags);
    lines.push(`  ${words.join(", ")}`);
  }
  for (const { pnn, name } of doc.invitations ?? []) lines.push(`  ${pnn} ${name}, invited`);
  for (const { pnn, name, why } of doc.gone ?? []) lines.push(`  ${pnn} ${name}, gone (${why})`);
}

/** The databases, and how many slots have another home or none before, by the newest document that is in force. */
function showDatabases({ sim, lines }: Stage): void {
  const version = sim.checkers.effective.at(-1);
  const doc = version === undefined ? undefined : sim.checkers.docOf(version);
  if (doc === undefined) return;
  const moved = doc.view.slots.filter(({ slotGen }) => slotGen === doc.generation);
  const handed = moved.filter(({ from }) => from !== undefined);
  const about = `${moved.length} slots have new homes, ${handed.length} a home before`;
  lines.push(
    `  ${tokenText(doc.version)} view ${tokenText(doc.generation as bigint as Version)}: ${about}`,
  );
  for (const { name, kind, since, sticky } of doc.dbs) {
    const epoch = since === undefined ? "none" : tokenText(since);
    lines.push(
      `  ${name} ${kind}, epoch ${epoch}${sticky === undefined ? "" : `, sticky ${sticky}`}`,
    );
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
  force,
  show,
  members: showMembers,
  databases: showDatabases,
  lose: (stage, words) => each(stage, words, (host) => host.loseData()),
  level: (stage, [word, level]) => {
    hostOf(stage, word).level = Number(level);
  },
  judge: (stage) => {
    const { checkers, nowMs } = stage.sim;
    const before = checkers.violations.length;
    judgeEnd(stage.sim, nowMs);
    const news = checkers.violations.slice(before);
    stage.lines.push(news.length === 0 ? "  well" : `  ${news.map(({ text }) => text).join("; ")}`);
  },
};
