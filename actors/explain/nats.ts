/**
 * NATS: are the servers there, do they greet, do they let the node in?
 *
 *   refused: nothing listens   silent: a process that is stopped or hangs   odd: something else   denied: the log-in
 *
 * Without NATS no node can say how another one is, so what is found here stands before all that is found of nodes.
 *
 * Does NOT promise: what other nodes' servers do; only those in the asked node's configuration are tried.
 */
import type { Facts, Rule, ServerFact } from "./facts.ts";
import {
  askedWords,
  COMMOTION,
  counted,
  ctdbx,
  found,
  leaseWords,
  listed,
  onMachine,
  shellWord,
  span,
  STANDSTILL,
  withWord,
} from "./words.ts";
import { isThere } from "./local.ts";
import { BACK_OFF } from "../supervision.ts";

/** A bus dials again after this at the latest, ms (transport/real_bus.ts: 1 s and a quarter). */
const DIAL_MS = 1250;

/** What follows from NATS' absence, everywhere. */
const WITHOUT_NATS: readonly string[] = ["no_quorum", ...STANDSTILL, ...COMMOTION];
/** The reasons of a server, or of the client for it, when credentials are not taken. */
const DENIAL = /authori[sz]ation|authentication|credential|nkey|permission|not allowed|password/i;

function servers(facts: Facts, state: ServerFact["state"]): ServerFact[] {
  return facts.servers.filter((server) => server.state === state);
}

/** Is there none that greets? */
function areAllAway({ servers }: Facts): boolean {
  return servers.length > 0 && servers.every(({ state }) => state !== "greets");
}

function serverWords({ server, state, ms, text, owner }: ServerFact): string {
  const who = owner === undefined ? "" : ` (process ${owner.pid}, ${stateWords(owner.state)})`;
  switch (state) {
    case "greets":
      return `${server} greets after ${span(ms)}`;
    case "refused":
      return `${server}: nothing listens there`;
    case "silent":
      return `${server}${who} takes a connection and does not greet within ${span(ms)}`;
    case "odd":
      return `${server}${who} answers, and is no NATS server: ${text ?? ""}`;
    case "unreachable":
      return `${server} cannot be reached: ${text ?? "no answer"}`;
  }
}

function busServers(facts: Facts): string[] {
  return facts.servers.filter(({ state }) => state === "greets").map(serverWords);
}

function stateWords(state: string): string {
  return state === "stopped" ? "state T: stopped" : state;
}

/** What the daemons do meanwhile. */
function meanwhile(facts: Facts): string[] {
  const asked = facts.nodes.find(({ isAsked }) => isAsked);
  const { timing } = facts;
  return [
    `every daemon dials again at least each ${
      span(DIAL_MS)
    }, for ever, and joins by itself once a server greets`,
    `${asked?.name ?? "the node"}: ${
      leaseWords(asked?.inside, timing)
    }; the same holds at all nodes ` +
    `that have lost NATS, ${span(timing.nodeTtlMs)} after it at the latest`,
  ];
}

function busWords(facts: Facts): string[] {
  return withWord(facts).filter(({ inside }) => !inside.bus.isUp).map(({ name, inside }) =>
    `${name} says: not connected to NATS${
      inside.bus.trouble === undefined ? "" : ` (${inside.bus.trouble})`
    }`
  );
}

const NATS_HUNG: Rule = {
  id: "nats_hung",
  cause: "The NATS server hangs: its process is stopped, or overloaded",
  evidence: "it takes a connection and does not greet within 300 ms; its process and its state",
  next: "connections are given up after 2 to 3 s; daemons dial on; no node serves after its lease",
  command: "kill -CONT PID",
  explainsHere: [],
  explainsAll: WITHOUT_NATS,
  find: (facts) => {
    const hung = servers(facts, "silent");
    if (!areAllAway(facts) || hung.length === 0) return [];
    const stopped = hung.filter(({ owner }) => owner?.state === "stopped");
    return [found({
      title: stopped.length > 0
        ? "The NATS server is stopped: its process does not run, and is not dead"
        : "The NATS server hangs: it takes connections and says nothing",
      severity: "critical",
      evidence: [...facts.servers.map(serverWords), ...busWords(facts)],
      next: meanwhile(facts),
      commands: stopped.map(({ owner }) => `kill -CONT ${owner?.pid}`),
    })];
  },
};

/** A node of this machine that keeps one of the servers itself: that one comes and goes with its supervisor. */
function keptWords(facts: Facts): { readonly next: string; readonly command: string } | undefined {
  const node = onMachine(facts).find(({ outside: { servers = [] } }) =>
    facts.servers.some(({ server }) => servers.includes(server))
  );
  if (node === undefined) return undefined;
  const { name, outside: { supervisor, words, runFolder } } = node;
  return isThere(supervisor)
    ? {
      next:
        `${name} keeps that server: its supervisor (process ${supervisor.pid}) starts it again ` +
        `within ${span(BACK_OFF.mostMs)}`,
      command: `tail -n 20 ${shellWord(`${runFolder}/nats.log`)}`,
    }
    : {
      next: `${name} keeps that server, and does not run: the server comes with it`,
      command: ctdbx("daemon start", words),
    };
}

const NATS_DOWN: Rule = {
  id: "nats_down",
  cause: "No NATS server is there",
  evidence: "nothing listens, or nothing can be reached, at each server of the configuration",
  next: "daemons dial on for ever; no node serves after its lease",
  command: "systemctl start nats-server",
  explainsHere: [],
  explainsAll: WITHOUT_NATS,
  find: (facts) => {
    if (!areAllAway(facts) || servers(facts, "silent").length > 0) return [];
    if (servers(facts, "odd").length > 0) return [];
    const outside = facts.nodes.find(({ isAsked }) => isAsked)?.outside;
    const evidence = [...facts.servers.map(serverWords), ...busWords(facts)];
    const title = "NATS is down: no server listens where the configuration says";
    const kept = keptWords(facts);
    if (kept !== undefined) {
      const next = [kept.next, ...meanwhile(facts)];
      return [found({ title, severity: "critical", evidence, next, commands: [kept.command] })];
    }
    const keeper = outside?.keeper;
    const by = keeper === undefined
      ? "whoever runs the server must start it; `ctdbx nats server` runs one in the foreground"
      : keeper.state === "stopped"
      ? `the keeper of this cluster (process ${keeper.pid}), which would start it again, is stopped`
      : `the keeper of this cluster (process ${keeper.pid}) starts it again at once`;
    const commands = keeper?.state === "stopped"
      ? [`kill -CONT ${keeper.pid}`]
      : keeper === undefined
      ? ["systemctl start nats-server"]
      : [ctdbx("cluster wait --for all-ok --timeout 30", outside?.words)];
    return [
      found({ title, severity: "critical", evidence, next: [by, ...meanwhile(facts)], commands }),
    ];
  },
};

const NATS_ODD: Rule = {
  id: "nats_odd",
  cause: "What listens where NATS should be is no NATS server",
  evidence: "its first bytes",
  next: "nothing; correct `nats.servers`",
  command: "ctdbx daemon stop",
  explainsHere: [],
  explainsAll: WITHOUT_NATS,
  find: (facts) => {
    if (!areAllAway(facts) || servers(facts, "odd").length === 0) return [];
    if (servers(facts, "silent").length > 0) return [];
    const outside = facts.nodes.find(({ isAsked }) => isAsked)?.outside;
    return [found({
      title: "What listens where NATS should be is no NATS server",
      severity: "critical",
      evidence: [...facts.servers.map(serverWords), ...busWords(facts)],
      next: [
        `nothing: nats.servers in ${
          outside?.configPath ?? "the configuration"
        } names the wrong port, ` +
        "or another program has taken it",
      ],
      commands: [ctdbx("daemon stop", outside?.words), ctdbx("daemon start", outside?.words)],
    })];
  },
};

/** Does NATS refuse this node's credentials, and in which words? */
export function denialOf(facts: Facts, name: string): string | undefined {
  const node = facts.nodes.find((each) => each.name === name);
  if (node?.isAsked === true && facts.login?.state === "denied") return facts.login.text;
  const { inside, outside } = node ?? {};
  if (inside?.bus.isUp === true) return undefined;
  const trouble = inside?.bus.trouble;
  if (trouble !== undefined && DENIAL.test(trouble)) return trouble;
  const said = outside?.log.filter(({ text }) => /NATS/.test(text) && DENIAL.test(text)) ?? [];
  const last = said[said.length - 1];
  return inside === undefined ? undefined : last?.text;
}

const NATS_DENIED: Rule = {
  id: "nats_denied",
  cause: "NATS refuses the node's credentials",
  evidence: "the server's words at the log-in, from here and by the daemon",
  next: "the daemon tries again each second; nothing changes until keys or the server's users do",
  command: "ctdbx nats conf",
  explainsHere: STANDSTILL,
  explainsAll: COMMOTION,
  find: (facts) =>
    facts.nodes.flatMap((node) => {
      const { name, inside, outside, isAsked } = node;
      const text = denialOf(facts, name);
      if (text === undefined) return [];
      const isUp = inside?.bus.isUp === true;
      return found({
        node: name,
        title: isUp
          ? `NATS would not take the credentials of ${name} again; its connection is an old one`
          : `NATS refuses the credentials of ${name}`,
        severity: isUp ? "warning" : "error",
        evidence: [
          `the server says: ${text}`,
          ...isAsked
            ? facts.servers.filter(({ state }) => state === "greets").map(serverWords)
            : [],
          isUp ? `${name} is connected still` : `${name} is not connected to NATS`,
        ],
        next: [
          isUp
            ? "nothing, until the connection is cut for any reason: then the node is out"
            : `it tries again at least each ${span(DIAL_MS)}; ${leaseWords(inside, facts.timing)}`,
          `the key of ${name}${
            outside === undefined ? "" : ` in ${outside.configPath}`
          } must be one of the server's users: ` +
          "correct the one or the other, then start the daemon again or reload the server",
        ],
        commands: [ctdbx("nats conf --role node"), ctdbx("daemon stop", outside?.words)],
      });
    }),
};

const NATS_LOST: Rule = {
  id: "nats_lost",
  cause: "The daemon is not connected to NATS, though the server greets",
  evidence: "the daemon's own word and reason, and the server's greeting",
  next: "it dials again within 1.25 s",
  command: "ctdbx daemon status",
  explainsHere: STANDSTILL.filter((id) => id !== "nats_lost"),
  explainsAll: COMMOTION,
  find: (facts) =>
    withWord(facts).filter(({ name, inside }) =>
      // Otherwise it is said why.
      !inside.bus.isUp && !areAllAway(facts) && denialOf(facts, name) === undefined
    ).map(({ name, inside, outside }) =>
      found({
        node: name,
        title: `${name} is not connected to NATS`,
        severity: "error",
        evidence: [
          `it says: ${inside.bus.trouble ?? "not connected"}`,
          ...facts.servers.map(serverWords),
        ],
        next: [
          `it dials again within ${span(DIAL_MS)}, for ever; ${leaseWords(inside, facts.timing)}`,
        ],
        commands: [ctdbx("daemon status", outside?.words ?? askedWords(facts))],
      })
    ),
};

const NATS_FORBIDS: Rule = {
  id: "nats_forbids",
  cause: "NATS forbids the node a subject: its role or its tag is another",
  evidence: "the server's words of the last minute, by the daemon",
  next: "what is forbidden is lost; nothing changes until the server's users do",
  command: "ctdbx nats conf",
  explainsHere: STANDSTILL,
  explainsAll: COMMOTION,
  find: (facts) =>
    withWord(facts).flatMap(({ name, inside }) => {
      const { isUp, trouble } = inside.bus;
      if (!isUp || trouble === undefined) return [];
      return found({
        node: name,
        title: `NATS lets ${name} in, and forbids it what a node must do`,
        severity: "error",
        evidence: [`it says: ${trouble}`, ...busServers(facts)],
        next: [
          "what is forbidden is lost, as if the way were cut; nothing changes until the server's users do",
          `the user with the key of ${name} needs the role "node" with its own tag`,
        ],
        commands: [ctdbx("nats conf --role node"), ctdbx("node status", askedWords(facts))],
      });
    }),
};

const NATS_PARTLY: Rule = {
  id: "nats_partly",
  cause: "Some of the NATS servers are not there",
  evidence: "what each server of the configuration does with a connection",
  next: "daemons take another server; with one of three gone the lock store still works",
  command: "ctdbx lock show",
  explainsHere: [],
  explainsAll: [],
  find: (facts) => {
    const away = facts.servers.filter(({ state }) => state !== "greets");
    if (away.length === 0 || areAllAway(facts)) return [];
    return [found({
      title: `${counted(away.length, "NATS server")} of ${facts.servers.length} ` +
        `${away.length === 1 ? "is" : "are"} not there: ${
          listed(away.map(({ server }) => server))
        }`,
      severity: "warning",
      evidence: facts.servers.map(serverWords),
      next: [
        "daemons take the next server of their list within a second; the lock's bucket needs a majority of its copies",
      ],
      commands: [ctdbx("lock show", askedWords(facts))],
    })];
  },
};

/** They stand before all that is said of the cluster. */
export const NATS_RULES: readonly Rule[] = [NATS_HUNG, NATS_ODD, NATS_DOWN];
/** They stand among the rules about nodes. */
export const NATS_NODE_RULES: readonly Rule[] = [NATS_DENIED, NATS_FORBIDS, NATS_LOST];
/** They come last. */
export const NATS_LATE_RULES: readonly Rule[] = [NATS_PARTLY];
