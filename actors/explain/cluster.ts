/**
 * The cluster as a whole: two leaders, no majority, an election, a view that is being changed.
 *
 *   split brain: two nodes that both lead with a majority behind them, or two documents of one version
 *   no quorum:   nobody hears a leader, and fewer voters are heard than a majority
 *
 * Does NOT promise: to see what the nodes that do not answer see. One that is alone, or cut off from all others, cannot
 * be told apart from here; both are said then.
 */
import type { Facts, InsideFacts, NodeFacts, PeerFact, Rule } from "./facts.ts";
import {
  anyLeader,
  askedWords,
  bestWord,
  counted,
  ctdbx,
  found,
  isLeading,
  listed,
  span,
  STANDSTILL,
  waitOutMs,
  withWord,
} from "./words.ts";
import { majorityOf } from "../machines/cluster/document.ts";

/** Findings of voters that are missing: they are what a missing majority is made of. */
const VOTER_LOSS: readonly string[] = [
  "config_error",
  "socket_denied",
  "daemon_stopped",
  "supervisor_stopped",
  "supervisor_killed",
  "daemon_crashing",
  "daemon_starting",
  "daemon_hung",
  "socket_gone",
  "daemon_not_running",
  "nats_denied",
  "vote_elsewhere",
  "disk_full",
  "disk_denied",
  "disk_fault",
  "disk_slow",
  "node_gone",
  "electing",
  "view_change",
  ...STANDSTILL,
];

type Spoken = NodeFacts & { readonly inside: InsideFacts };

function leadWords({ name, inside }: Spoken): string {
  const { lead } = inside;
  return `${name} leads with token ${lead?.token}, since ${
    span(lead?.sinceMs ?? 0)
  }, and a majority followed it ` +
    `${span(lead?.grantedMsAgo ?? 0)} ago; cluster ${inside.clusterId ?? "?"}, document ${
      inside.document?.version ?? "none"
    }`;
}

/** Two nodes that lead at one time, each with a majority of its own. */
function twoLeaders(facts: Facts): string[] {
  const leaders = withWord(facts).filter(({ inside }) => isLeading(inside, facts.timing));
  const tokens = new Set(leaders.map(({ inside }) => `${inside.cluster} ${inside.lead?.token}`));
  const byCluster = Map.groupBy(leaders, ({ inside }) => inside.cluster);
  const isTwice = [...byCluster.values()].some((some) => some.length > 1);
  return isTwice && tokens.size > 1 ? leaders.map(leadWords) : [];
}

/** Documents of one version that say different things. */
function twoDocuments(facts: Facts): string[] {
  const seen = new Map<string, Spoken>();
  for (const node of withWord(facts)) {
    const { document, clusterId } = node.inside;
    if (document === undefined) continue;
    const key = `${clusterId} ${document.version}`;
    const other = seen.get(key);
    if (other === undefined) seen.set(key, node);
    else if (other.inside.document?.hash !== document.hash) {
      return [
        `${other.name} and ${node.name} hold different documents of one version, ${document.version}: ` +
        `${other.inside.document?.hash} and ${document.hash}`,
      ];
    }
  }
  return [];
}

/** Clusters of one name on one bus, each with a leader of its own. */
function twoClusters(facts: Facts): string[] {
  const led = withWord(facts).filter(({ inside: { clusterId, leader } }) =>
    clusterId !== undefined && leader !== undefined
  );
  return [...Map.groupBy(led, ({ inside }) => inside.cluster)].flatMap(([name, nodes]) => {
    const ids = Map.groupBy(nodes, ({ inside }) => inside.clusterId);
    if (ids.size < 2) return [];
    return [...ids].map(([clusterId, some]) =>
      `${listed(some.map((node) => node.name))} ${some.length === 1 ? "follows" : "follow"} ${
        some[0]?.inside.leader
      } in a cluster "${name}" with the id ${clusterId}`
    );
  });
}

/** Asserts that only a broken rule, or a second cluster under the same ids, can fail. */
function breaches(facts: Facts): string[] {
  return withWord(facts).flatMap(({ name, inside }) =>
    inside.history.filter(({ what, text }) => what === "breach" && /\bV(1|2|8|13):/.test(text)).map(
      ({ msAgo, text }) => `${name}, ${span(msAgo)} ago: ${text}`,
    )
  );
}

const SPLIT_BRAIN: Rule = {
  id: "split_brain",
  cause: "Two nodes lead, or two documents are in force",
  evidence:
    "two leaders with a majority each; two documents of one version; documents of two clusters under one " +
    "name; asserts that failed",
  next: "nodes that notice stop themselves; nothing is merged by itself",
  command: "ctdbx leader history all",
  explainsHere: [],
  explainsAll: ["electing", "view_change", "no_lease", "foreign_document", "other_cluster"],
  find: (facts) => {
    const evidence = [
      ...twoLeaders(facts),
      ...twoDocuments(facts),
      ...twoClusters(facts),
      ...breaches(facts),
    ];
    if (evidence.length === 0) return [];
    const words = askedWords(facts);
    return [found({
      title: "Split brain: two parts of the cluster go by different decisions",
      severity: "critical",
      evidence,
      next: [
        "a node that meets a decision which contradicts its own stops itself; nothing is merged by itself",
        "this cannot happen while disks keep what they were told to keep: look for a state folder that was copied, " +
        "restored from a backup, or made anew under the same cluster name",
      ],
      commands: [ctdbx("leader history all", words), ctdbx("node status all", words)],
    })];
  },
};

/** Does a voter count as there: has it answered, or is it heard? */
function isVoterThere(facts: Facts, peer: PeerFact): boolean {
  const node = facts.nodes.find(({ name }) => name === peer.name);
  const { timing } = facts;
  if (node?.inside?.bus.isUp === false) return false;
  const isHeard = withWord(facts).some(({ name, inside }) =>
    name !== peer.name &&
    inside.peers.some((each) =>
      each.name === peer.name && (each.heardMsAgo ?? Infinity) <= timing.deadMs
    )
  );
  // One who answers, though nobody hears its heartbeats, votes for nobody.
  const isAlone = withWord(facts).every(({ name }) => name === peer.name);
  return isHeard || (isAlone && node?.inside !== undefined);
}

function missingWords(facts: Facts, name: string): string {
  const node = facts.nodes.find((each) => each.name === name);
  const best = bestWord(facts);
  const heard = best?.inside.peers.find((peer) => peer.name === name)?.heardMsAgo;
  const since = heard === undefined ? "was never heard" : `was last heard ${span(heard)} ago`;
  if (node?.inside?.bus.isUp === false) return `${name} is not connected to NATS`;
  const why = node?.silence === undefined ? "" : `; asked now: ${node.silence}`;
  return `${name} ${since}${why}`;
}

const NO_QUORUM: Rule = {
  id: "no_quorum",
  cause: "Fewer voters than a majority are there",
  evidence: "how many voters there are, how many are needed, which are missing and since when",
  next: "nothing: no leader, no lease, until enough voters are back; then a leader within 2 s",
  command: "ctdbx daemon start",
  explainsHere: [],
  explainsAll: VOTER_LOSS,
  find: (facts) => {
    const best = bestWord(facts);
    if (best === undefined || !best.inside.bus.isUp || anyLeader(facts) !== undefined) return [];
    const voters = best.inside.peers.filter(({ isVoter }) => isVoter);
    const count = best.inside.document?.voters ?? voters.length;
    if (voters.length < count) return [];
    const there = voters.filter((peer) => isVoterThere(facts, peer));
    const needed = majorityOf(count);
    if (there.length >= needed) return [];
    const missing = voters.filter((peer) => !there.includes(peer)).map(({ name }) => name);
    const local = facts.nodes.filter(({ name, outside }) =>
      missing.includes(name) && outside !== undefined
    );
    const starts = local.map(({ outside }) => ctdbx("daemon start", outside?.words));
    const { timing } = facts;
    return [found({
      title: `No quorum: ${there.length} of ${counted(count, "voter")} ${
        there.length === 1 ? "is" : "are"
      } there, ${needed} are needed`,
      severity: "critical",
      evidence: [
        `there: ${listed(there.map(({ name }) => name))}; missing: ${listed(missing)}`,
        ...missing.map((name) => missingWords(facts, name)),
        `no leader has given a sign for ${span(best.inside.signMsAgo)}`,
      ],
      next: [
        `nothing, until ${
          counted(needed - there.length, "more voter")
        } can be heard: no leader, no lease, nothing is served`,
        `then a leader comes by itself, within ${
          span(timing.suspectMs + count * timing.rankMs + timing.graceMs)
        }`,
        ...local.length === missing.length ? [] : [
          `from here a node that is down and one that is cut off look the same: look at ${
            listed(missing)
          }`,
        ],
      ],
      commands: starts.length > 0
        ? starts
        : [ctdbx("node ping all", askedWords(facts)), ctdbx("node explain")],
      explainsOf: missing,
    })];
  },
};

function standWords({ inside, name }: Spoken): string {
  const { stand } = inside;
  if (stand !== undefined) {
    const rank = stand.rank === undefined ? "" : `, ${stand.rank} stand before it`;
    return `${name} stands since ${span(stand.sinceMs)}: ${stand.why}; asked ${
      counted(stand.rounds, "time")
    }, ${counted(stand.acks, "voter")} answered${rank}`;
  }
  if (inside.holdOffLeftMs !== undefined) {
    return `${name} has given up the lead and does not stand for another ${
      span(inside.holdOffLeftMs)
    }`;
  }
  if (inside.lead !== undefined) {
    return `${name} was chosen ${
      span(inside.lead.sinceMs)
    } ago and is ${inside.lead.phase}, token ${inside.lead.token}`;
  }
  return `${name} does not stand`;
}

const ELECTING: Rule = {
  id: "electing",
  cause: "No leader is known, and a majority is there: an election goes on",
  evidence: "since when no leader gives a sign; who stands, and who answered",
  next: "a leader within 2.3 s",
  command: "ctdbx cluster wait --for leader --timeout 10",
  explainsHere: [],
  explainsAll: ["no_lease", "view_change", "joining", "lock_lost"],
  find: (facts) => {
    const best = bestWord(facts);
    if (best === undefined || !best.inside.bus.isUp || anyLeader(facts) !== undefined) return [];
    if (NO_QUORUM.find(facts).length > 0) return [];
    const { timing } = facts;
    const isLong = best.inside.signMsAgo > 3 * timing.suspectMs;
    const words = askedWords(facts);
    return [found({
      title: isLong
        ? "No leader comes, though a majority of the voters is there"
        : "No leader is known at this moment: an election goes on",
      severity: isLong ? "error" : "warning",
      evidence: [
        `no leader has given a sign for ${span(best.inside.signMsAgo)}`,
        ...withWord(facts).map(standWords),
      ],
      next: [
        `a voter stands ${span(timing.suspectMs)} after the last sign, each rank ${
          span(timing.rankMs)
        } later; ` +
        `without the lock ${span(timing.rankNoLockMs)}; mostly there is a leader within 2.3 s`,
        "leases that last longer than that are extended in time: then nobody pauses",
      ],
      commands: [ctdbx("cluster wait --for leader --timeout 10", words)],
    })];
  },
};

const VIEW_CHANGE: Rule = {
  id: "view_change",
  cause: "The view is being changed: a member is waited for",
  evidence: "what the leader waits for and since when; who is frozen",
  next:
    "a silent member is waited out 3.5 s after its last sign; the change is made after 4 s at the latest",
  command: "ctdbx cluster wait --for serving --timeout 10",
  explainsHere: [],
  explainsAll: ["no_lease", "joining"],
  find: (facts) => {
    const { timing } = facts;
    const leader = withWord(facts).find(({ inside }) => isLeading(inside, timing));
    const open = leader?.inside.lead?.open;
    const deferredMs = leader?.inside.lead?.deferredMs;
    const frozen = withWord(facts).filter(({ inside }) => inside.isFrozen);
    const isOpen = open !== undefined && open.isView && open.sinceMs > timing.beatMs;
    if (!isOpen && deferredMs === undefined && frozen.length === 0) return [];
    const evidence: string[] = [];
    if (open !== undefined && isOpen) {
      const whom = open.waitsFor === undefined ? "a majority" : open.waitsFor;
      evidence.push(`the leader asks since ${span(open.sinceMs)} and waits for ${whom}`);
    }
    if (deferredMs !== undefined) {
      evidence.push(
        `another view is wanted since ${span(deferredMs)}; a silent member is waited out first`,
      );
    }
    if (frozen.length > 0) {
      evidence.push(`frozen until it is in force: ${listed(frozen.map(({ name }) => name))}`);
    }
    const left = deferredMs === undefined ? timing.deferMs : timing.deferMs - deferredMs;
    return [found({
      title: "The view is being changed",
      severity: "warning",
      evidence,
      next: [
        `a silent member is waited out ${span(waitOutMs(timing))} after its last sign`,
        `the change is proposed in ${
          span(Math.max(0, left))
        } at the latest; others pause for one round of messages`,
      ],
      commands: [ctdbx("cluster wait --for serving --timeout 10", askedWords(facts))],
    })];
  },
};

/** Before all others. */
export const SPLIT_RULES: readonly Rule[] = [SPLIT_BRAIN];
/** After NATS, before the nodes. */
export const QUORUM_RULES: readonly Rule[] = [NO_QUORUM];
/** After the nodes. */
export const PASSING_RULES: readonly Rule[] = [ELECTING, VIEW_CHANGE];
