/**
 * What a node says of itself for explain: bounded, without secrets, and true to the machine's state.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { insideFacts, PEERS_MAX, type Speaker } from "../../../actors/explain/inside.ts";
import { genesis } from "../../../actors/machines/cluster/document.ts";
import { newLead } from "../../../actors/machines/cluster/lead.ts";
import { RULES } from "../../../actors/machines/cluster/rules.ts";
import { type ClusterState, newState, type Peer } from "../../../actors/machines/cluster/state.ts";
import { defaultTiming } from "../../../actors/machines/cluster/tunables.ts";
import type { Document } from "../../../transport/wire/messages/document.ts";
import { ANSWER_MAX, NODES_MAX, TEXT_MAX } from "../../../transport/wire/limits.ts";
import type { ClusterId, Generation, NodeId, Pnn, Token } from "../../../transport/wire/terms.ts";
import type { Incarnation, Version } from "../../../transport/wire/terms.ts";

const NOW_MS = 100_000;
const id = (n: number) => n.toString(16).padStart(32, "0") as NodeId;

/** A document of so many nodes, seven of which vote. */
function documentOf(count: number, name: (n: number) => string = (n) => `n${n}`): Document {
  const nodes = Array.from({ length: count }, (_, n) => ({
    nodeId: id(n),
    name: name(n),
    addr: `h${n}:4379`,
    isVoter: n < 7,
  }));
  return genesis({ clusterId: "c".repeat(32) as ClusterId, nodes });
}

function stateOf(doc: Document | undefined): ClusterState {
  const config = { nodeId: id(0), timing: defaultTiming(), rules: RULES, seeds: [], seed: 1 };
  const state = newState(config);
  state.nowMs = NOW_MS;
  state.accepted = doc;
  state.adopted = doc;
  state.pnn = 0 as Pnn;
  return state;
}

function speaker(state: ClusterState, more: Partial<Speaker> = {}): Speaker {
  return {
    state,
    nowMs: NOW_MS,
    config: { name: "n0", cluster: "edge", lock: { kind: "jetstream" } } as Speaker["config"],
    post: {
      counters: { sent: 5, received: 7, refused: new Map([["form", 2]]) },
    } as unknown as Speaker["post"],
    shards: undefined,
    world: { clock: { wallMs: () => 1234 }, bus: {} },
    lockTrouble: undefined,
    ...more,
  };
}

function hear(state: ClusterState, n: number, agoMs: number): Peer {
  const peer: Peer = {
    nodeId: id(n),
    incarnation: 1n as Incarnation,
    tMs: 0,
    recvMs: NOW_MS - agoMs,
    promised: 0n as Token,
    dsToken: state.lead?.token ?? 0n as Token,
    dsMs: NOW_MS - agoMs - 40,
    health: { healthy: true, runstate: "running" },
    diskId: "d",
    protocol: 2,
    echoedMs: NOW_MS - agoMs,
  };
  state.peers.set(peer.nodeId, peer);
  return peer;
}

const test = suite("explain: facts from inside");

test("of the largest cluster, with the longest names and texts, they fit into one answer", () => {
  const name = (n: number) => `${n}`.padEnd(TEXT_MAX, "x");
  const state = stateOf(documentOf(NODES_MAX, name));
  state.diskFault = "y".repeat(5000);
  for (let n = 1; n < 300; n++) hear(state, n, n);
  for (let n = 0; n < 256; n++) {
    state.history.add(n, { what: "disk", why: "z".repeat(4000) });
  }
  const facts = insideFacts(speaker(state, { lockTrouble: "w".repeat(5000) }));
  assert.is(facts.peers.length, PEERS_MAX);
  assert.is(facts.peersLeftOut, NODES_MAX - PEERS_MAX);
  // Voters are never left out.
  assert.is(facts.peers.filter(({ isVoter }) => isVoter).length, 7);
  const bytes = new TextEncoder().encode(JSON.stringify(facts)).length;
  assert.ok(bytes < ANSWER_MAX, `${bytes} bytes`);
});

test("the secret of an invitation is not among them", () => {
  const secret = "5ec2e7".repeat(5) + "00";
  const doc = {
    ...documentOf(3),
    format: 2,
    invitations: [{
      inviteId: secret,
      name: "n9",
      pnn: 9 as Pnn,
      nodeId: id(9),
      voter: true,
      expiresWallMs: 1n,
      madeVersion: 1n as Version,
    }],
  } as unknown as Document;
  assert.not.ok(JSON.stringify(insideFacts(speaker(stateOf(doc)))).includes(secret));
});

test("times count from the given moment: signs, lease, write, peers; the leader's word of echoes and bans", () => {
  const base = documentOf(3);
  const ban = { why: "a test", banMs: 9000, count: 1, version: 5n as Version };
  const nodes = base.nodes.map((node) =>
    node.pnn === 2 ? { ...node, adminFlags: ["banned" as const], ban } : node
  );
  const state = stateOf({ ...base, nodes });
  state.sign.atMs = NOW_MS - 300;
  state.leaseEndMs = NOW_MS + 1800;
  state.persisting = 3;
  state.persistMs = NOW_MS - 700;
  state.register.readMs = NOW_MS - 900;
  const lead = newLead(77n as Token, "a test", NOW_MS - 5000, state.timing);
  lead.phase = "leading";
  lead.isGranting = true;
  lead.grantMs = NOW_MS - 60;
  lead.effective = state.adopted;
  lead.banSeen.set(id(2), { version: 5n as Version, atMs: NOW_MS - 4000 });
  state.lead = lead;
  hear(state, 1, 200);
  const facts = insideFacts(speaker(state));
  assert.equal(
    [facts.signMsAgo, facts.leaseLeftMs, facts.disk.hungMs, facts.lock.readMsAgo],
    [300, 1800, 700, 900],
  );
  assert.equal([facts.lead?.grantedMsAgo, facts.lead?.isEffective, facts.isLeader], [
    60,
    true,
    true,
  ]);
  assert.is(facts.lock.isOwn, false);
  const [, one, two] = facts.peers;
  assert.equal([one?.heardMsAgo, one?.reportsMsAgo, one?.echoedMsAgo], [200, 240, 200]);
  assert.equal(two?.ban, { why: "a test", banMs: 9000, count: 1, leftMs: 5000 });
  assert.equal([two?.condition, two?.heardMsAgo], ["banned", undefined]);
  assert.equal(facts.counters, { sent: 5, received: 7, refused: { form: 2 } });
});

test("frozen: another view was accepted than the one that is adopted", () => {
  const state = stateOf(documentOf(3));
  assert.is(insideFacts(speaker(state)).isFrozen, false);
  state.accepted = { ...documentOf(3), generation: 9n as Generation };
  assert.is(insideFacts(speaker(state)).isFrozen, true);
});

test("a vote that is bound to another disk; one that is not bound yet, or to this one", () => {
  const doc = documentOf(3);
  const bound = (diskId: string | undefined) => {
    const voters = doc.voters.map((voter) =>
      diskId === undefined || voter.nodeId !== id(0) ? voter : { ...voter, diskId }
    );
    const state = stateOf({ ...doc, voters });
    state.durable = { ...state.durable, diskId: "a" };
    return insideFacts(speaker(state)).isVoteElsewhere;
  };
  assert.equal([bound(undefined), bound("a"), bound("b")], [false, false, true]);
});

test("an open proposal: since when, whether it is a view, and whom it waits for", () => {
  const state = stateOf(documentOf(3));
  const lead = newLead(77n as Token, "a test", NOW_MS - 5000, state.timing);
  const proposal = (generation: bigint, missing: number | undefined) => ({
    doc: { ...documentOf(3), version: 9n as Version, generation: generation as Generation },
    acks: new Map(),
    to: [],
    nodeIds: new Map(),
    missing: missing === undefined
      ? undefined
      : { pnn: missing as Pnn, incarnation: 1n as Incarnation },
    sinceMs: NOW_MS - 400,
    acceptAtMs: 0,
    rounds: 0,
  });
  state.lead = lead;
  lead.open = proposal(9n, 2);
  assert.equal(insideFacts(speaker(state)).lead?.open, {
    sinceMs: 400,
    isView: true,
    waitsFor: "n2",
  });
  lead.open = proposal(8n, undefined);
  assert.equal(insideFacts(speaker(state)).lead?.open, { sinceMs: 400, isView: false });
});

test("a node without a document says so little; the trouble of bus and lock in their own words", () => {
  const facts = insideFacts(speaker(stateOf(undefined), {
    world: { clock: { wallMs: () => 1 }, bus: { trouble: "nothing listens there" } },
    lockTrouble: "no NATS",
  }));
  assert.equal([facts.document, facts.clusterId, facts.leader], [undefined, undefined, undefined]);
  assert.equal(facts.peers, []);
  assert.is(facts.bus.trouble, "nothing listens there");
  assert.is(facts.lock.trouble, "no NATS");
});

test("why a thread died: the sentence of the error, not the lines of the program around it", () => {
  const why =
    `59 |   read: () => 1,\n60 |   crash: () => {\n      ^\nerror: it was asked to\n   at x:1`;
  const shards = { isUp: false, failures: 2, lastFailure: { atMs: NOW_MS - 50, why } };
  const facts = insideFacts(
    speaker(stateOf(documentOf(1)), { shards: shards as unknown as Speaker["shards"] }),
  );
  assert.equal(facts.shard, {
    isUp: false,
    failures: 2,
    failedMsAgo: 50,
    why: "error: it was asked to",
  });
});

test("of databases those are told at which something waits or is not open; keys that are no text in hex", () => {
  const quiet = { waiting: 0, slotsOpening: 0, keysQueried: 0, heldUp: undefined };
  const data = {
    isUp: true,
    failures: 0,
    lastFailure: undefined,
    glance: {
      databases: [
        { name: "quiet", ...quiet },
        { name: "busy", ...quiet, waiting: 2 },
        { name: "text", ...quiet, heldUp: { key: "a b", pid: 4, ageMs: 10.4 } },
        { name: "plain", ...quiet, heldUp: { key: "a/b", pid: undefined, ageMs: 10 } },
        { name: "bytes", ...quiet, heldUp: { key: "\u0000\u00ff", pid: 5, ageMs: 10 } },
      ],
    },
  };
  const facts = insideFacts(
    speaker(stateOf(documentOf(1)), { data: data as unknown as NonNullable<Speaker["data"]> }),
  );
  const none = { slotsOpening: 0, keysQueried: 0 };
  assert.equal(facts.data, {
    isUp: true,
    failures: 0,
    databases: [
      { name: "busy", waiting: 2, ...none },
      {
        name: "text",
        waiting: 0,
        ...none,
        heldUp: { key: "612062", isHex: true, pid: 4, ageMs: 10 },
      },
      { name: "plain", waiting: 0, ...none, heldUp: { key: "a/b", isHex: false, ageMs: 10 } },
      {
        name: "bytes",
        waiting: 0,
        ...none,
        heldUp: { key: "00ff", isHex: true, pid: 5, ageMs: 10 },
      },
    ],
  });
  const many = Array.from({ length: 40 }, (_, n) => ({ name: `d${n}`, ...quiet, waiting: 1 }));
  const crowd = { ...data, glance: { databases: many } };
  const told = insideFacts(
    speaker(stateOf(documentOf(1)), { data: crowd as unknown as NonNullable<Speaker["data"]> }),
  );
  assert.is(told.data?.databases.length, 16);
});

test("documents of one content have one sum, of another content another", () => {
  const sum = (doc: Document) => insideFacts(speaker(stateOf(doc))).document?.hash;
  const doc = documentOf(3);
  const turned = Object.fromEntries(Object.entries(doc).reverse()) as unknown as Document;
  assert.is(sum(doc), sum(turned));
  assert.is.not(sum(doc), sum({ ...doc, coreVersion: 3n as Version }));
});

test.run();
