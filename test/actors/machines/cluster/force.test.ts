/**
 * A cluster led on by force: when it is refused, what the document says then, and what becomes of those that were only
 * cut off. Scenario `forced` has the way there and back.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { genesis } from "../../../../actors/machines/cluster/document.ts";
import type { ClusterEffect } from "../../../../actors/machines/cluster/events.ts";
import { FORCE_SILENCE_MS, forceRefusal } from "../../../../actors/machines/cluster/force.ts";
import { counterOf, tokenOfVersion } from "../../../../actors/machines/cluster/token.ts";
import { ClusterSim, nodeIdOf } from "../../../../actors/machines/sim/cluster_sim.ts";
import type { Host } from "../../../../actors/machines/sim/host.ts";
import type { DbCfg, Document } from "../../../../transport/wire/messages/document.ts";
import type {
  ClusterId,
  DbId,
  Incarnation,
  Pnn,
  Version,
} from "../../../../transport/wire/terms.ts";
import { Alone, DISK, START, token, viewOf } from "./one_machine.ts";

const test = suite("led on by force");

const NEW_START = genesis({
  clusterId: "c".repeat(32) as ClusterId,
  format: 2,
  nodes: START.nodes.map(({ nodeId, name, addr }) => ({ nodeId, name, addr, isVoter: true })),
});
const LEADER = token(4n, 2);
const VERB = "5".repeat(32);
const BANK: DbCfg = {
  ...{ dbId: 7 as DbId, name: "bank", kind: "persistent", since: 3n as Version },
  commit: {
    ...{ m: 2, lineage: 9n, replicas: [0, 1] as Pnn[], primary: 1 as Pnn },
    ...{ primaryInc: 1n as Incarnation, term: 5n as Version, reqSeen: 0, changed: 6n as Version },
    isr: [{ pnn: 0 as Pnn, id: "a" }, { pnn: 1 as Pnn, id: "b" }],
  },
};
const BARE: DbCfg = { dbId: 8 as DbId, name: "new", kind: "persistent" };
const VIEW: Document = {
  ...viewOf(LEADER, [[0, 1n], [1, 1n], [2, 1n]], 1n, NEW_START),
  dbs: [BANK, BARE],
};

/** Node 0 with a document of a leader that fell silent when it began. */
function alone(accepted: Document = VIEW): Alone {
  return new Alone({ accepted, promised: LEADER }).begin();
}

function force(node: Alone, from = VIEW.version): ClusterEffect[] {
  const event = { kind: "force", verbId: VERB, from, atWallMs: 77n } as const;
  return node.settle(node.feed(event));
}

function answerOf(effects: readonly ClusterEffect[]): string {
  const answer = effects.find((effect) => effect.kind === "answer");
  return answer?.kind === "answer" ? `${answer.outcome}: ${answer.text}` : "none";
}

test("Refused while a leader may be there, and while most of the voters are", () => {
  const node = alone();
  assert.match(answerOf(force(node)), /refused: a leader was heard, .* try again in 10 s/);
  node.nowMs += FORCE_SILENCE_MS - 1500;
  assert.match(answerOf(force(node)), /try again in 2 s/);
  node.nowMs += 1500;
  node.feed({ kind: "wake" });
  assert.is(forceRefusal(node.machine.state), undefined);
  const { peers } = node.machine.state;
  const heard = { nodeId: nodeIdOf(1), recvMs: node.nowMs - FORCE_SILENCE_MS + 1 };
  peers.set(nodeIdOf(1), heard as never);
  assert.match(answerOf(force(node)), /refused: most of the voters are there: n0, n1; they elect/);
  peers.set(nodeIdOf(1), { ...heard, recvMs: node.nowMs - FORCE_SILENCE_MS } as never);
  const other = VIEW.version - 1n as Version;
  assert.match(answerOf(force(node, other)), /refused: the document has changed meanwhile/);
  assert.equal(node.machine.state.accepted, VIEW, "nothing was done");
});

test("Refused for who cannot: another format, a node that goes, is stopped, or cannot write", () => {
  const wait = (node: Alone) => {
    node.nowMs += FORCE_SILENCE_MS;
    node.feed({ kind: "wake" });
    return forceRefusal(node.machine.state) ?? "";
  };
  assert.match(wait(alone(START)), /format is 1/);
  const changed = (more: object): Document => ({
    ...VIEW,
    nodes: VIEW.nodes.map((node, at) => at === 0 ? { ...node, ...more } : node),
  });
  assert.match(wait(alone(changed({ leaving: "left" }))), /none of the cluster/);
  assert.match(wait(alone(changed({ adminFlags: ["stopped"] }))), /this node is stopped/);
  const full = alone();
  full.machine.state.diskFault = "no space";
  assert.match(wait(full), /cannot write: no space/);
});

test("The document: one voter, far above; votes come back; databases are unsure; numbers are left out", () => {
  const node = alone();
  node.machine.state.highToken = token(9n, 3);
  node.nowMs += FORCE_SILENCE_MS;
  assert.match(answerOf(force(node)), /^done: led on as/);
  const { accepted, promised, durable } = node.machine.state;
  const doc = accepted as Document;
  assert.is(counterOf(promised), 9n + 65536n);
  assert.equal([tokenOfVersion(doc.version), durable.accepted], [promised, doc], "it is on disk");
  assert.equal(doc.voters, [{
    voterId: VIEW.voters[0]?.voterId,
    nodeId: nodeIdOf(0),
    diskId: DISK,
  }]);
  assert.equal(doc.nodes.map(({ wantsVote }) => wantsVote), [undefined, true, true]);
  assert.ok(doc.generation as bigint === doc.version, "nobody serves by the view before");
  assert.equal(doc.view.prevMembers.map(({ pnn }) => pnn), [0, 1, 2]);
  assert.equal(doc.dbs[0]?.commit, { ...BANK.commit, unsure: true, changed: doc.version });
  assert.equal(doc.dbs[1], BARE, "what has not begun is not unsure");
  assert.equal([doc.pnnNext, doc.voterIdNext], [3 + 16, 4 + 16]);
  assert.equal(doc.forced, {
    ...{ count: 1, by: nodeIdOf(0), from: VIEW.version, version: doc.version, atWallMs: 77n },
  });
});

/** Three nodes, calm; node 0 is cut off from the others, who go on. */
function cutOff(): { readonly sim: ClusterSim; readonly one: Host; readonly others: Host[] } {
  const sim = new ClusterSim({ seed: 5, nodes: 3, format: 2, isCalm: true });
  sim.start();
  sim.run(3000);
  const [one, ...others] = sim.hosts as [Host, ...Host[]];
  sim.lock.cut.add(one.index);
  for (const { index } of others) {
    sim.links.cut(0, index, true);
    sim.links.cut(index, 0, true);
  }
  sim.run(16_000);
  return { sim, one, others };
}

test("Those that were only cut off go on by themselves, and follow when they meet", () => {
  const { sim, one, others } = cutOff();
  const from = one.machine?.state.adopted?.version ?? 0n as Version;
  one.feed({ kind: "force", verbId: VERB, from, atWallMs: 1n });
  sim.run(22_000);
  assert.ok(one.machine?.state.lead?.effective !== undefined, "it leads, alone");
  assert.ok(others.some(({ machine }) => machine?.state.lead !== undefined), "so does another");
  const before = others[0]?.machine?.state.adopted?.version ?? 0n as Version;
  sim.lock.cut.delete(one.index);
  for (const { index } of others) {
    sim.links.cut(0, index, false);
    sim.links.cut(index, 0, false);
  }
  sim.run(40_000);
  const docs = sim.hosts.map(({ machine }) => machine?.state.adopted);
  const [doc] = docs;
  assert.ok(doc !== undefined && doc.version > before);
  assert.equal(docs.map((each) => each?.version), [doc.version, doc.version, doc.version]);
  assert.equal([doc.forced?.count, doc.voters.length, doc.view.members.length], [1, 3, 3]);
  assert.equal(sim.hosts.map(({ machine }) => machine?.state.stopped), [
    undefined,
    undefined,
    undefined,
  ]);
});

test.run();
