/**
 * Ways that are cut, by the words of both sides.
 *
 *                heard by others   hears the leader
 *   cut in             yes               no              cut out: the other way round        cut off: neither
 *
 * A cut node's NATS says "connected": between servers, or by permissions, one way can be gone while the other works.
 *
 * Does NOT promise: to tell a node that is cut off from one that is down, when only one side can be asked.
 */
import type { Facts, Found, NodeFacts, PeerFact, Rule } from "./facts.ts";
import { heardWords, hears, isActive, isHeard, isOut, outWords, seenBy } from "./seen.ts";
import { anyLeader, askedWords, COMMOTION, ctdbx, found, isLeading } from "./words.ts";
import { leaseWords, shellWord, span, STANDSTILL, withWord } from "./words.ts";

/** What takes one way alone. */
const WHERE = "one way alone is lost by a route between NATS servers, a firewall, or permissions";

/**
 * A node without a word of its own: do its heartbeats go on coming to the leader? One that has just died was heard a
 * moment ago, too.
 */
function isDeafOnly(
  { silence }: NodeFacts,
  peer: PeerFact | undefined,
  { timing }: Facts,
): boolean {
  const isGone = silence?.startsWith("nobody listens") ?? false;
  return !isGone && peer !== undefined && (peer.heardMsAgo ?? Infinity) <= 2 * timing.beatMs;
}

const CUT_IN: Rule = {
  id: "cut_in",
  cause: "A node hears nothing, and is heard: its way in is cut",
  evidence:
    "its last sign of a leader; the others' last heartbeat of it; the digest that it reports",
  next: "the view goes on without it; it changes no leader; it comes back by itself",
  command: "ctdbx node ping NODE",
  explainsHere: [...STANDSTILL, "cut_off"],
  explainsAll: COMMOTION,
  find: (facts) =>
    facts.nodes.flatMap((node): Found[] => {
      const { name, inside } = node;
      if (isHeard(facts, name) !== true || !isActive(facts, name)) return [];
      if (inside !== undefined && hears({ ...node, inside }, facts)) return [];
      if (inside?.bus.isUp === false || inside?.runstate === "shutdown") return [];
      const leader = seenBy(facts, name).find(({ by }) => isLeading(by.inside, facts.timing));
      const reports = leader?.peer.reportsMsAgo;
      if (inside === undefined && !isDeafOnly(node, leader?.peer, facts)) return [];
      if (reports !== undefined && reports <= facts.timing.deadMs) return [];
      return [found({
        node: name,
        title: `${name} is heard but hears nothing: the way to it is cut`,
        severity: "error",
        evidence: [
          ...inside === undefined
            ? [`${name} does not answer: ${node.silence ?? "no reason is known"}`]
            : [
              `${name} has had no sign of a leader for ${
                span(inside.signMsAgo)
              }; NATS says "connected"`,
            ],
          ...heardWords(facts, name),
          reports === undefined
            ? "its heartbeats report no word of this leader"
            : `the newest word of the leader that its heartbeats report is ${span(reports)} old`,
        ],
        next: [
          outWords(facts, name),
          "it asks the voters before it would lead, hears no answer, and disturbs nobody",
          WHERE,
          "when the way is free again it comes back by itself, within about a second",
        ],
        commands: [
          ctdbx(`node ping ${shellWord(name)}`, askedWords(facts)),
          ctdbx("node explain", node.outside?.words),
        ],
      })];
    }),
};

const CUT_OUT: Rule = {
  id: "cut_out",
  cause: "A node hears the leader, and is not heard: its way out is cut",
  evidence:
    "its last sign of the leader; its lease, which nobody extends; the others' last heartbeat of it",
  next: "the view goes on without it; it comes back by itself",
  command: "ctdbx node ping NODE",
  explainsHere: STANDSTILL.filter((id) => id !== "cut_in"),
  explainsAll: COMMOTION,
  find: (facts) =>
    withWord(facts).flatMap((node): Found[] => {
      const { name, inside } = node;
      if (inside.isLeader || !hears(node, facts) || !inside.bus.isUp) return [];
      if (!isActive(facts, name) || inside.runstate === "shutdown") return [];
      const heard = isHeard(facts, name);
      // Alone at this node: nobody answers it, and nobody extends its lease.
      const nobodyAnswers = facts.nodes.length > 1 &&
        facts.nodes.every((other) => other.name === name || other.inside === undefined);
      const isUnheard = heard === false || (heard === undefined && nobodyAnswers && isOut(node));
      if (!isUnheard) return [];
      return [found({
        node: name,
        title: `${name} hears the leader but is not heard: the way from it is cut`,
        severity: "error",
        evidence: [
          `${name} had its last sign of ${inside.leader ?? "a leader"} ${
            span(inside.signMsAgo)
          } ago`,
          ...heardWords(facts, name),
          leaseWords(inside, facts.timing),
          ...nobodyAnswers ? ["no other node answers what it asks"] : [],
        ],
        next: [
          outWords(facts, name),
          WHERE,
          "when the way is free again it comes back by itself, within about a second",
        ],
        commands: [
          ctdbx(`node ping ${shellWord(name)}`, askedWords(facts)),
          ctdbx("node explain", node.outside?.words),
        ],
      })];
    }),
};

const CUT_OFF: Rule = {
  id: "cut_off",
  cause: "A node neither hears nor is heard, and runs: it is cut off",
  evidence: "its own word, and that of nodes which follow a leader",
  next: "the others go on; it serves nothing and comes back by itself",
  command: "ctdbx node ping NODE",
  explainsHere: STANDSTILL.filter((id) => id !== "cut_off"),
  explainsAll: COMMOTION,
  find: (facts) =>
    withWord(facts).flatMap((node): Found[] => {
      const { name, inside } = node;
      const leader = anyLeader(facts);
      if (leader === undefined || hears(node, facts) || !inside.bus.isUp) return [];
      if (isHeard(facts, name) !== false || !isActive(facts, name)) return [];
      if (inside.document === undefined || inside.runstate === "shutdown") return [];
      return [found({
        node: name,
        title: `${name} is cut off: it runs, hears nobody, and nobody hears it`,
        severity: "error",
        evidence: [
          `${name} has had no sign of a leader for ${
            span(inside.signMsAgo)
          }; NATS says "connected"`,
          ...heardWords(facts, name),
          `${leader} leads meanwhile`,
          leaseWords(inside, facts.timing),
        ],
        next: [
          outWords(facts, name),
          "when it can be heard again it comes back by itself, within about a second",
        ],
        commands: [ctdbx(`node ping ${shellWord(name)}`, askedWords(facts))],
      })];
    }),
};

/** One after another. */
export const CUT_RULES: readonly Rule[] = [CUT_IN, CUT_OUT, CUT_OFF];
