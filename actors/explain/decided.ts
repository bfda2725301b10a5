/**
 * What somebody has decided about a node: bans, and the flags that operators set. No fault is behind these, so they
 * stand after what is broken; a node that is out by decision is not called silent or cut off for it.
 *
 * Does NOT promise: who decided it; the audit events say that.
 */
import type { Facts, Found, PeerFact, Rule } from "./facts.ts";
import { askedWords, bestWord, ctdbx, found, shellWord, span, withWord } from "./words.ts";

/** What a node that is not in the view by decision shows besides. */
const OUT: readonly string[] = [
  "no_lease",
  "joining",
  "cut_in",
  "cut_out",
  "cut_off",
  "node_unhealthy",
  "address_none_here",
];

/** Every node as the best informed one sees it. */
function peersOf(facts: Facts): readonly PeerFact[] {
  return bestWord(facts)?.inside.peers ?? [];
}

/** How long a ban lasts yet: the leader counts it from when it first saw it. */
function banLeftMs(facts: Facts, name: string): number | undefined {
  for (const { inside } of withWord(facts)) {
    const left = inside.peers.find((peer) => peer.name === name)?.ban?.leftMs;
    if (left !== undefined) return left;
  }
  return undefined;
}

const NODE_BANNED: Rule = {
  id: "node_banned",
  cause: "A node is banned: by an operator, or for trouble that it made again and again",
  evidence: "the reason as it was given, how long, the how manieth in a row",
  next: "the ban ends by itself; each one in a row is twice as long, 5 min at the most",
  command: "ctdbx node unban NODE",
  explainsHere: OUT,
  explainsAll: [],
  find: (facts) =>
    peersOf(facts).filter(({ flags }) => flags.includes("banned")).map(({ name, ban }): Found => {
      const left = banLeftMs(facts, name);
      const { timing } = facts;
      return found({
        node: name,
        title: `${name} is banned`,
        severity: "error",
        evidence: ban === undefined ? ["no reason is kept"] : [
          `the reason: ${ban.why}`,
          `ban number ${ban.count} in a row, for ${span(ban.banMs)}`,
        ],
        next: [
          left === undefined
            ? `it ends by itself ${
              ban === undefined ? "" : `${span(ban.banMs)} `
            }after the present leader has first seen it`
            : `it ends by itself in ${span(left)}; the node is taken in with the next view`,
          `the next one in a row is longer, ${
            span(timing.banForMaxMs)
          } at the most; credits are forgotten after ${span(timing.banGraceMs)}`,
        ],
        commands: [ctdbx(`node unban ${shellWord(name)}`, askedWords(facts))],
      });
    }),
};

/** The rule for a flag that stays until it is taken back. */
function flagRule(
  flag: string,
  words: {
    readonly id: string;
    readonly cause: string;
    readonly title: (name: string) => string;
    readonly effect: string;
    readonly back: (name: string) => string;
    readonly severity: Found["severity"];
  },
): Rule {
  const { id, cause, title, effect, back, severity } = words;
  return {
    id,
    cause,
    evidence: "the flag in the document",
    next: `nothing: ${effect}, until it is taken back`,
    command: ctdbx(back("NODE")),
    explainsHere: OUT,
    explainsAll: [],
    find: (facts) =>
      // One that leaves is drained and taken out on the way: that is said in its own words.
      peersOf(facts).filter((peer) => peer.flags.includes(flag) && peer.leaving === undefined).map((
        { name, isMember, flags },
      ) =>
        found({
          node: name,
          title: title(name),
          severity,
          evidence: [
            `the document says so: its flags are ${flags.join(", ")}`,
            isMember ? "it is in the view" : "it is not in the view",
          ],
          next: [`nothing: ${effect}, until an operator takes it back`],
          commands: [ctdbx(back(shellWord(name)), askedWords(facts))],
        })
      ),
  };
}

const NODE_STOPPED = flagRule("stopped", {
  id: "node_stopped",
  cause: "A node is stopped by an operator",
  title: (name) => `${name} is stopped by an operator`,
  effect: "it stays out of the view, its daemon runs, it neither serves nor leads",
  back: (name) => `node continue ${name}`,
  severity: "error",
});

const NODE_DISABLED = flagRule("disabled", {
  id: "node_disabled",
  cause: "A node is disabled by an operator",
  title: (name) => `${name} is disabled by an operator`,
  effect: "it stays a member and serves no addresses",
  back: (name) => `node enable ${name}`,
  severity: "warning",
});

const NODE_DRAINING = flagRule("draining", {
  id: "node_draining",
  cause: "A node is drained by an operator",
  title: (name) => `${name} is drained by an operator`,
  effect: "it stays a member and is home of no slot",
  back: (name) => `node drain ${name} --off`,
  severity: "warning",
});

const NODE_STOPPING: Rule = {
  id: "node_stopping",
  cause: "A node ends in order",
  evidence: "its own runstate, shutdown",
  next: "slots and lead are handed over, for 2 s at the most; then its process ends",
  command: "ctdbx daemon start",
  explainsHere: [...OUT, "node_silent", "address_waits"],
  explainsAll: ["electing", "view_change"],
  find: (facts) =>
    withWord(facts).filter(({ inside }) => inside.runstate === "shutdown").map(
      ({ name, inside, outside }) =>
        found({
          node: name,
          title: `${name} ends in order: it was told to stop`,
          severity: "warning",
          evidence: [
            `its runstate is shutdown; ${inside.isMember ? "it is" : "it is not"} in the view`,
          ],
          next: [
            `slots and lead are handed over, for ${
              span(facts.timing.handOverMs)
            } at the most; then its process ends, and stays down`,
          ],
          commands: [ctdbx("daemon start", outside?.words)],
        }),
    ),
};

/** What a node on its way out waits for. */
const STEPS: Readonly<Record<string, string>> = {
  slots: "its slots move to the others",
  records: "its records move to the others, but those that programs hold locked",
  lead: "it hands the lead over",
  vote: "its vote is taken back, for which a majority of those that stay must answer",
  view: "it goes out of the view",
  list: "it goes off the list",
};

const NODE_LEAVING: Rule = {
  id: "node_leaving",
  cause: "A node is on its way out of the cluster",
  evidence: "the document; the step that it waits for",
  next: "the leader takes step after step; a new leader goes on where the former one was",
  command: "ctdbx cluster view",
  explainsHere: OUT,
  explainsAll: [],
  find: (facts) =>
    peersOf(facts).flatMap(({ name, leaving }) => {
      if (leaving === undefined) return [];
      return found({
        node: name,
        title: leaving.why === "replaced"
          ? `${name} is replaced: it is on its way out of the cluster`
          : `${name} leaves the cluster`,
        severity: "warning",
        evidence: [`the step that it waits for: ${STEPS[leaving.step] ?? leaving.step}`],
        next: [
          "the leader takes step after step by itself, and ends it; then its daemon ends for good",
        ],
        commands: [ctdbx("cluster view", askedWords(facts))],
      });
    }),
};

const NODE_GONE: Rule = {
  id: "node_gone",
  cause: "A node has left, or was replaced",
  evidence: "its own word; the list of those that are gone",
  next: "nothing: its identity is used up; a new node joins by a new invitation",
  command: "ctdbx cluster invite NAME",
  explainsHere: [...OUT, "no_document", "node_silent", "daemon_not_running", "daemon_crashing"],
  explainsAll: [],
  find: (facts) =>
    facts.nodes.flatMap(({ name, outside }) => {
      const said = outside?.log.findLast(({ text }) =>
        /\b(has left the cluster|was replaced|is gone from the cluster)\b/.test(text)
      );
      const left = outside?.left ?? said?.text;
      if (left === undefined) return [];
      return found({
        node: name,
        title: `${name} does not belong to the cluster any more`,
        severity: "error",
        evidence: [left],
        next: ["nothing: its identity is used up, and the daemon refuses to start by it again"],
        commands: [ctdbx("cluster invite --help")],
      });
    }),
};

/** Before the processes: that they do not run follows from it. */
export const GONE_RULES: readonly Rule[] = [NODE_GONE];
/** Bans and flags. */
export const DECIDED_RULES: readonly Rule[] = [
  NODE_STOPPING,
  NODE_LEAVING,
  NODE_BANNED,
  NODE_STOPPED,
  NODE_DISABLED,
  NODE_DRAINING,
];
