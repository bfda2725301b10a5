/**
 * Nodes one by one: silent ones, those on their way in, those without a lease, a vote, or the right time.
 *
 * Does NOT promise: the cause of a silence on another machine: dead, stopped and cut off look the same from here; what
 * is known of it is listed.
 */
import type { Facts, Found, Rule } from "./facts.ts";
import { flagsOf, heardWords, isActive, isHeard, outWords } from "./seen.ts";
import { askedWords, bestWord, COMMOTION, ctdbx, found, leaseWords } from "./words.ts";
import { listed, shellWord, span, STANDSTILL, withWord } from "./words.ts";

/** The last thing in anybody's history that tells of a node's end. */
function deathWords(facts: Facts, name: string): string[] {
  for (const { name: by, inside } of withWord(facts)) {
    const last = inside.history.findLast(({ what, text }) =>
      (what === "certain death" || what === "called dead") && text.includes(` ${name}`)
    );
    if (last === undefined) continue;
    return [
      last.what === "certain death"
        ? `its supervisor has certified the end of its daemon ${span(last.msAgo)} ago (${by})`
        : `${by} called it dead ${span(last.msAgo)} ago: its end is not certified`,
    ];
  }
  return [
    "no certificate of its death has come: it is stopped, hangs, is cut off, or its machine is gone",
  ];
}

const NODE_SILENT: Rule = {
  id: "node_silent",
  cause: "A node of another machine is silent: dead, stopped, hung, or cut off",
  evidence: "its last heartbeat; whether its death was certified; what became of the question",
  next: "the leader calls it dead after 1.5 s, waits its lease out, 3.5 s, and goes on without it",
  command: "ctdbx node explain, on its machine",
  explainsHere: ["node_unhealthy", "joining", "address_waits"],
  explainsAll: COMMOTION,
  find: (facts) => {
    const best = bestWord(facts);
    if (best === undefined || !best.inside.bus.isUp) return [];
    return facts.nodes.flatMap((node): Found[] => {
      const { name, inside, silence, isAsked } = node;
      if (isAsked || inside !== undefined) return [];
      // One that was not asked, as one of very many: others know whether it is heard.
      if (silence === undefined && flagsOf(facts, name)?.condition !== "disconnected") return [];
      const heard = isHeard(facts, name);
      const isMember = flagsOf(facts, name)?.isMember ?? false;
      if (heard === true && isMember) return [];
      return [found({
        node: name,
        title: heard === true ? `${name} is heard, but does not answer` : `${name} is silent`,
        severity: "error",
        evidence: [
          ...heardWords(facts, name),
          `asked now: ${silence ?? "it was not asked"}`,
          ...deathWords(facts, name),
        ],
        next: [
          outWords(facts, name),
          "once it runs and can be heard it comes back by itself, within about a second",
        ],
        commands: [
          ctdbx(`node ping ${shellWord(name)}`, askedWords(facts)),
          // On its own machine.
          ctdbx(`node explain --node-name ${shellWord(name)}`),
        ],
      })];
    });
  },
};

/** The last words of what its parts looked at. */
function outputOf({ nodes }: Facts, name: string): string[] {
  const unwell = nodes.find((node) => node.name === name)?.inside?.unwell ?? [];
  return unwell.flatMap(({ source, tail = [] }) => tail.map((line) => `${source} said: ${line}`));
}

const NODE_UNHEALTHY: Rule = {
  id: "node_unhealthy",
  cause: "A node says itself that it is not well",
  evidence: "its own words",
  next: "it stays in the view, leads last, until it says that it is well",
  command: "ctdbx node status NODE",
  explainsHere: ["address_none_here"],
  explainsAll: [],
  find: (facts) =>
    (bestWord(facts)?.inside.peers ?? []).flatMap(({ name, condition, why }) => {
      if (condition !== "unhealthy") return [];
      return found({
        node: name,
        title: `${name} is not well, by its own word`,
        severity: "warning",
        evidence: [why ?? "it gives no reason", ...outputOf(facts, name)],
        next: ["it stays a member and stands for the lead last, until it says that it is well"],
        commands: [ctdbx(`node status ${shellWord(name)}`, askedWords(facts))],
      });
    }),
};

const JOINING: Rule = {
  id: "joining",
  cause: "A node is heard and not in the view yet",
  evidence: "its heartbeats, its runstate, the document that it has",
  next: "the leader takes it in with the next view, within a second",
  command: "ctdbx cluster wait --for all-ok --timeout 30",
  explainsHere: ["no_lease", "address_none_here"],
  explainsAll: [],
  find: (facts) =>
    (bestWord(facts)?.inside.peers ?? []).flatMap(({ name, condition, heardMsAgo }) => {
      if (condition !== "joining") return [];
      const inside = facts.nodes.find((node) => node.name === name)?.inside;
      return found({
        node: name,
        title: `${name} is on its way into the view`,
        severity: "warning",
        evidence: [
          heardMsAgo === undefined
            ? "it is heard"
            : `its last heartbeat came ${span(heardMsAgo)} ago`,
          ...inside === undefined ? [] : [`its runstate is ${inside.runstate}`],
        ],
        next: ["the leader takes it in with the next view, mostly within a second"],
        commands: [ctdbx("cluster wait --for all-ok --timeout 30", askedWords(facts))],
      });
    }),
};

const NO_LEASE: Rule = {
  id: "no_lease",
  cause: "A member has no lease, and nothing else explains it",
  evidence: "its lease, its runstate, the leader it hears",
  next: "the leader extends leases each 0.25 s; a node without one serves nothing",
  command: "ctdbx cluster wait --for serving --timeout 10",
  explainsHere: ["address_none_here"],
  explainsAll: [],
  find: (facts) =>
    withWord(facts).flatMap((node): Found[] => {
      const { name, inside, outside } = node;
      if (inside.isServing || inside.document === undefined || !isActive(facts, name)) return [];
      const { timing } = facts;
      return [found({
        node: name,
        title: `${name} has no lease: it serves nothing`,
        severity: "error",
        evidence: [
          leaseWords(inside, timing),
          `its runstate is ${inside.runstate}; ${
            inside.leader === undefined ? "it hears no leader" : `it hears ${inside.leader} lead`
          }`,
        ],
        next: [
          `a leader that a majority follows extends leases each ${
            span(timing.beatMs)
          }; it serves again by itself`,
        ],
        commands: [
          ctdbx("cluster wait --for serving --timeout 10", outside?.words ?? askedWords(facts)),
        ],
      })];
    }),
};

const NO_DOCUMENT: Rule = {
  id: "no_document",
  cause: "A node belongs to no cluster yet",
  evidence: "it has no document, in its files or from others",
  next: "nothing, until it is invited and joins",
  command: "ctdbx cluster join",
  explainsHere: STANDSTILL,
  explainsAll: [],
  find: (facts) =>
    withWord(facts).filter(({ inside }) => inside.document === undefined).map(
      ({ name, inside, outside }) =>
        found({
          node: name,
          title: `${name} belongs to no cluster yet`,
          severity: "error",
          evidence: [
            `it has no document of cluster "${inside.cluster}"; its runstate is ${inside.runstate}`,
            "a node whose state folder was removed is new to the others, too: its vote was on the disk that is gone",
          ],
          next: ["nothing, until a member invites it and it joins"],
          commands: [ctdbx("cluster join --help", outside?.words ?? "")],
        }),
    ),
};

const FOREIGN_DOCUMENT: Rule = {
  id: "foreign_document",
  cause: "A node has the document of another cluster with the same name",
  evidence: "both ids",
  next: "nothing: nobody takes its messages, and it takes nobody's",
  command: "ctdbx node status",
  explainsHere: [...STANDSTILL, "other_cluster"],
  explainsAll: [],
  find: (facts) => {
    const best = bestWord(facts)?.inside;
    return withWord(facts).filter(({ inside }) =>
      best?.clusterId !== undefined && inside.clusterId !== undefined &&
      inside.cluster === best.cluster && inside.clusterId !== best.clusterId
    ).map(({ name, inside, outside }) =>
      found({
        node: name,
        title: `${name} belongs to another cluster that has the same name`,
        severity: "error",
        evidence: [
          `its document is of cluster ${inside.clusterId}`,
          `that of ${best?.name} is of cluster ${best?.clusterId}`,
        ],
        next: [
          "nothing: messages of one cluster are refused in the other, and nothing is mixed up",
        ],
        commands: [ctdbx("node status", outside?.words ?? askedWords(facts))],
      })
    );
  },
};

const VOTE_ELSEWHERE: Rule = {
  id: "vote_elsewhere",
  cause: "A voter has another disk than the one with its vote",
  evidence: "the disk id in the document and that of its state folder",
  next: "it serves, and does not vote",
  command: "ctdbx cluster status",
  explainsHere: [],
  explainsAll: [],
  find: (facts) =>
    withWord(facts).filter(({ inside }) => inside.isVoteElsewhere).map(({ name, outside }) =>
      found({
        node: name,
        title: `${name} does not vote: its vote is on another disk`,
        severity: "warning",
        evidence: [
          `the document binds its vote to a disk; ${
            outside?.stateFolder ?? "its state folder"
          } is another one`,
          "what it had promised was on the former disk, so its word counts in no election",
        ],
        next: ["it stays a member without a vote; a majority is counted as if it were silent"],
        commands: [ctdbx("cluster status", askedWords(facts))],
      })
    ),
};

const WALL_SKEW_MS = 2000;

const CLOCK_SKEW: Rule = {
  id: "clock_skew",
  cause: "A node's wall clock is off",
  evidence: "its wall clock beside those of the others and of this machine, more than 2 s apart",
  next:
    "nothing breaks: leases and elections go by another clock; times in logs and expiry of invitations are wrong",
  command: "timedatectl status",
  explainsHere: [],
  explainsAll: [],
  find: (facts) => {
    const known = facts.nodes.filter(({ clockAheadMs }) => clockAheadMs !== undefined);
    // This machine's own clock is one among them, with distance 0.
    const all = [0, ...known.map(({ clockAheadMs }) => clockAheadMs ?? 0)].sort((one, other) =>
      one - other
    );
    const middle = all[Math.floor((all.length - 1) / 2)] ?? 0;
    return known.flatMap(({ name, clockAheadMs = 0 }) => {
      const off = clockAheadMs - middle;
      if (Math.abs(off) < WALL_SKEW_MS) return [];
      const others = known.filter((other) => other.name !== name).map((other) => other.name);
      return found({
        node: name,
        title: `The wall clock of ${name} is ${span(Math.abs(off))} ${
          off > 0 ? "ahead" : "behind"
        }`,
        severity: "warning",
        evidence: [
          `against the middle of this machine${
            others.length === 0 ? "" : ` and ${listed(others)}`
          }: ${off > 0 ? "+" : "-"}${span(Math.abs(off))}`,
          "leases, leaders and records do not go by it",
        ],
        next: [
          "nothing breaks; times in logs, events and metadata are wrong, and so are decisions on invitations' expiry",
        ],
        commands: ["timedatectl status", ctdbx("node ping all", askedWords(facts))],
      });
    });
  },
};

/** Before what was decided about nodes. */
export const NODE_RULES: readonly Rule[] = [
  NO_DOCUMENT,
  FOREIGN_DOCUMENT,
  NODE_SILENT,
];
/** After what may explain them. */
export const NODE_LATE_RULES: readonly Rule[] = [
  JOINING,
  NO_LEASE,
  VOTE_ELSEWHERE,
  CLOCK_SKEW,
  NODE_UNHEALTHY,
];
