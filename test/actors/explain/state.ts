/**
 * Facts as data, for tests of explain: three nodes that are well, and what tests change of them.
 *
 *   well()                       n0 is asked, on this machine; n1 leads; n2; all answer
 *   change(facts, "n2", {...})   the same with other facts of one node; inside(..), outside(..) for a part
 *
 * Does NOT promise: facts that a daemon would send; test/live/faults/ has those.
 */

import type { Facts, InsideFacts, NodeFacts, OutsideFacts } from "../../../actors/explain/facts.ts";
import type { PeerFact, ServerFact } from "../../../actors/explain/facts.ts";
import { defaultTiming } from "../../../actors/machines/cluster/tunables.ts";

/** Names of the three. */
export const NAMES = ["n0", "n1", "n2"] as const;
/** The one that leads. */
export const LEADER = "n1";

/** A peer that is well, as the leader sees it. */
export function peer(name: string, more: Partial<PeerFact> = {}): PeerFact {
  return {
    pnn: Number(name.slice(1)),
    name,
    condition: "ok",
    flags: [],
    isMember: true,
    isVoter: true,
    heardMsAgo: 100,
    reportsMsAgo: 200,
    echoedMsAgo: 150,
    ...more,
  };
}

/** A node that is well, by its own word. */
export function word(name: string, more: Partial<InsideFacts> = {}): InsideFacts {
  const isLeader = name === LEADER;
  return {
    v: 1,
    name,
    cluster: "edge",
    clusterId: "c".repeat(32),
    pnn: Number(name.slice(1)),
    wallMs: 1_000_000,
    runstate: "running",
    condition: "ok",
    isMember: true,
    isServing: true,
    leaseLeftMs: 2200,
    isFrozen: false,
    document: { version: "5.1.7", generation: "5.1.2", hash: "aa", nodes: 3, voters: 3 },
    leader: LEADER,
    isLeader,
    signMsAgo: 120,
    ...isLeader
      ? {
        lead: {
          token: "5.1",
          phase: "leading",
          sinceMs: 60_000,
          isGranting: true,
          grantedMsAgo: 80,
          isEffective: true,
        } as const,
      }
      : {},
    isVoteElsewhere: false,
    bus: { isUp: true },
    disk: {},
    lock: { kind: "jetstream", readMsAgo: 700, holder: LEADER, ...isLeader ? { isOwn: true } : {} },
    counters: { sent: 1000, received: 2000, refused: {} },
    shard: { isUp: true, failures: 0 },
    data: { isUp: true, failures: 0, databases: [] },
    peers: NAMES.map((each) => peer(each)),
    peersLeftOut: 0,
    history: [],
    ...more,
  };
}

/** A node of this machine that is well. */
export function place(name: string, more: Partial<OutsideFacts> = {}): OutsideFacts {
  return {
    words: `--home /srv/${name}`,
    configPath: `/srv/${name}/ctdbx.toml`,
    stateFolder: `/srv/${name}/state`,
    runFolder: `/srv/${name}/run`,
    socketPath: `/srv/${name}/run/ctdbx.sock`,
    supervisor: { pid: 100, state: "running", ageMs: 90_000 },
    daemon: { pid: 101, state: "running", ageMs: 90_000 },
    socket: { state: "answers", waitedMs: 3 },
    page: { isEnded: false, leaseLeftMs: 2200 },
    space: { freeBytes: 1e10, totalBytes: 1e11, freeFiles: 1e6 },
    log: [],
    ...more,
  };
}

/** A NATS server that is well. */
export function server(more: Partial<ServerFact> = {}): ServerFact {
  return {
    server: "127.0.0.1:4222",
    state: "greets",
    ms: 2,
    version: "2.9.10",
    hasJetStream: true,
    ...more,
  };
}

/** Three nodes that are well. */
export function well(): Facts {
  return {
    nodes: NAMES.map((name): NodeFacts => ({
      name,
      isAsked: name === "n0",
      inside: word(name),
      ...name === "n0" ? { outside: place(name) } : {},
      clockAheadMs: 1,
    })),
    servers: [server()],
    timing: defaultTiming(),
  };
}

/** The facts with some of one node's replaced; an undefined one is taken away. */
export function change(
  facts: Facts,
  name: string,
  more: { readonly [Key in keyof NodeFacts]?: NodeFacts[Key] | undefined },
): Facts {
  const nodes = facts.nodes.map((node) => {
    if (node.name !== name) return node;
    const entries = Object.entries({ ...node, ...more }).filter(([, part]) => part !== undefined);
    return Object.fromEntries(entries) as unknown as NodeFacts;
  });
  return { ...facts, nodes };
}

/** The facts with a part of one node's own word replaced. */
export function inside(facts: Facts, name: string, more: Partial<InsideFacts>): Facts {
  const node = facts.nodes.find((each) => each.name === name);
  return change(facts, name, { inside: { ...node?.inside ?? word(name), ...more } });
}

/** The facts with a part of what the machine shows of a node replaced; it is on this machine then. */
export function outside(facts: Facts, name: string, more: Partial<OutsideFacts>): Facts {
  const node = facts.nodes.find((each) => each.name === name);
  return change(facts, name, { outside: { ...node?.outside ?? place(name), ...more } });
}

/** The facts with what all nodes know of one replaced. */
export function seen(facts: Facts, of: string, more: Partial<PeerFact>): Facts {
  const nodes = facts.nodes.map((node) => {
    if (node.inside === undefined) return node;
    const peers = node.inside.peers.map((each) => each.name === of ? { ...each, ...more } : each);
    return { ...node, inside: { ...node.inside, peers } };
  });
  return { ...facts, nodes };
}

/** A node that says nothing, and is not heard by others for so long; the view goes on without it. */
export function lost(facts: Facts, name: string, heardMsAgo: number, isOut = true): Facts {
  const silent = change(facts, name, {
    inside: undefined,
    clockAheadMs: undefined,
    silence: "no answer within 300 ms",
  });
  return seen(silent, name, {
    heardMsAgo,
    reportsMsAgo: heardMsAgo + 200,
    echoedMsAgo: heardMsAgo + 50,
    isMember: !isOut,
    condition: "disconnected",
  });
}

/** Nobody has given a sign of leading for so long. */
export function leaderless(facts: Facts, signMsAgo: number): Facts {
  const nodes = facts.nodes.map((node) => {
    if (node.inside === undefined) return node;
    const { leader: _leader, lead: _lead, ...rest } = node.inside;
    const leaseLeftMs = 2500 - signMsAgo;
    const said = { isLeader: false, signMsAgo, leaseLeftMs, isServing: leaseLeftMs > 0 };
    return { ...node, inside: { ...rest, ...said } };
  });
  return { ...facts, nodes };
}
