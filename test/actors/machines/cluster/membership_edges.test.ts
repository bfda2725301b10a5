/**
 * What membership must not break: limits that add up over the years, voters without their disk, those who have no say,
 * a voter that fell silent just now.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { documentHash } from "../../../../actors/verbs/document_view.ts";
import { refusalOf, resultOf } from "../../../../actors/machines/cluster/command_effects.ts";
import { quorumRefusal } from "../../../../actors/machines/cluster/departure.ts";
import { goneOf, withFormat } from "../../../../actors/machines/cluster/document.ts";
import { isKnown } from "../../../../actors/machines/cluster/grant.ts";
import { newLead } from "../../../../actors/machines/cluster/lead.ts";
import { onChosen } from "../../../../actors/machines/cluster/leader.ts";
import type { ClusterState } from "../../../../actors/machines/cluster/state.ts";
import { hasSuccessor } from "../../../../actors/machines/cluster/yield.ts";
import { ClusterSim, nodeIdOf } from "../../../../actors/machines/sim/cluster_sim.ts";
import { NODES_MAX } from "../../../../transport/wire/limits.ts";
import type { Document } from "../../../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../../../transport/wire/messages/leader.ts";
import { declarationsAt } from "../../../../transport/wire/messages/registry.ts";
import type { Incarnation, NodeId, Pnn, Tag, Version } from "../../../../transport/wire/terms.ts";
import { tagOf } from "../../../../transport/wire/terms.ts";
import { Alone, DISK, token, viewOf } from "./one_machine.ts";

const test = suite("edges of membership");

type Invite = Extract<LeaderCommand, { verb: "invite" }>;

const OLD = token(1n, 2);
const OWN = token(2n, 1);
const VIEW = withFormat(viewOf(OLD, [[0, 1n], [1, 1n], [2, 1n]]), 2);
const OTHER_DISK = "e".repeat(32);
const KEY = "U".padEnd(56, "A");

function invite(number: number, more: Partial<Invite> = {}): Invite {
  return {
    verb: "invite",
    inviteId: number.toString(16).padStart(32, "0"),
    name: `m${number}`,
    nodeId: nodeIdOf(number),
    voter: false,
    expiresWallMs: 2000n,
    atWallMs: 1000n,
    ...more,
  };
}

function refused(doc: Document, command: Invite): string | undefined {
  return refusalOf(new Alone().begin().machine.state, doc, command);
}

/** Would the document reach other nodes and the disk? */
function isSound(doc: Document): boolean {
  const accept = declarationsAt(2).get("accept");
  assert.ok(accept !== undefined);
  return accept.check({ kind: "accept", doc });
}

/** A leader at node 0 by VIEW, which hears nodes 1 and 2 with these disks. */
function leads(doc: Document, disks: readonly string[]): ClusterState {
  const { state } = new Alone({ promised: OLD, accepted: doc }).begin().machine;
  const lead = newLead(OWN, "by hand", state.nowMs, state.timing);
  lead.effective = doc;
  state.lead = lead;
  disks.forEach((diskId, at) => {
    const nodeId = nodeIdOf(at + 1);
    const health = { healthy: true, runstate: "running" };
    const { nowMs } = state;
    const times = { recvMs: nowMs, dsMs: nowMs, dsToken: OWN, incarnation: 1n };
    state.peers.set(nodeId, { nodeId, diskId, health, ...times } as never);
  });
  return state;
}

function withDisks(doc: Document): Document {
  return { ...doc, voters: doc.voters.map((voter) => ({ ...voter, diskId: DISK })) };
}

/** A cluster in format 2 that has a leader; `run` goes on for so long. */
function begun(nodes = 3) {
  const sim = new ClusterSim({ seed: 5, nodes, format: 2, isCalm: true });
  sim.start();
  const run = (ms: number): void => sim.run(sim.nowMs + ms);
  run(5000);
  const leader = sim.hosts.find(({ machine }) => machine?.state.lead?.effective !== undefined);
  assert.ok(leader?.machine !== undefined);
  const { state } = leader.machine;
  const effective = (): Document => state.lead?.effective as Document;
  const others = sim.hosts.filter((host) => host !== leader);
  return { sim, run, leader, state, effective, others };
}

test.either("Numbers end before a document with them could not be sent", () => {
  const last = { ...VIEW, pnnNext: 0xffff_fffd as Pnn };
  assert.is(refused(last, invite(7)), undefined);
  const full = resultOf(last, invite(7), 9n as Version) as Document;
  assert.ok(isSound(full));
  assert.match(refused(full, invite(8)) ?? "", /numbers end/);
  assert.match(refused(VIEW, invite(7, { pnn: 0xffff_fffe as Pnn })) ?? "", /numbers end/);
  const add = { verb: "node_add", nodeId: nodeIdOf(9), name: "x", addr: "x:1", caps: [] } as const;
  assert.type(refusalOf(new Alone().begin().machine.state, full, add), "string");
});

test.either("Numbers of nodes that have gone count: the document remembers each life's end", () => {
  const lives = (count: number) =>
    Array.from({ length: count }, (_, pnn) => ({ pnn, incarnation: 1n }) as never);
  const almost = {
    ...VIEW,
    pnnNext: NODES_MAX - 1 as Pnn,
    view: { ...VIEW.view, maxInc: lives(NODES_MAX - 1) },
  };
  assert.is(refused(almost, invite(7)), undefined);
  const full = resultOf(almost, invite(7), 9n as Version) as Document;
  assert.match(refused(full, invite(8)) ?? "", /4096 nodes are the most, those that have gone/);
  const all = { ...full, view: { ...full.view, maxInc: lives(NODES_MAX) } };
  assert.ok(isSound(all));
  const over = { ...full, view: { ...full.view, maxInc: lives(NODES_MAX + 1) } };
  assert.not.ok(isSound(over), "what the limit is for");
});

test.either("A name that looks like a number, and the tag of a user, are nobody's", () => {
  assert.match(refused(VIEW, invite(7, { name: "1" })) ?? "", /digits only/);
  assert.is(refused(VIEW, invite(7, { name: "1a" })), undefined);
  const user = { role: "client", name: "c", natsKey: KEY, tag: tagOf(nodeIdOf(7)) as Tag } as const;
  assert.match(refused({ ...VIEW, users: [user] }, invite(7)) ?? "", /that of user c/);
});

test.either("Sums of documents say nothing of the secrets of invitations", () => {
  const one = resultOf(VIEW, invite(7), 9n as Version) as Document;
  const two = resultOf(VIEW, invite(7, { inviteId: "f".repeat(32) }), 9n as Version) as Document;
  assert.is.not(one.invitations?.[0]?.inviteId, two.invitations?.[0]?.inviteId);
  assert.is(documentHash(one), documentHash(two));
  assert.is.not(documentHash(one), documentHash(VIEW));
});

test.either("A voter with another disk is no successor: it has no vote to stand with", () => {
  const doc = withDisks(VIEW);
  const { lead } = leads(doc, []);
  assert.ok(lead !== undefined);
  const state = leads(doc, [OTHER_DISK, OTHER_DISK]);
  assert.not.ok(hasSuccessor(state, state.lead ?? lead));
  const well = leads(doc, [OTHER_DISK, DISK]);
  assert.ok(hasSuccessor(well, well.lead ?? lead));
});

test.either("A quorum that a lost disk breaks is told as that", () => {
  const doc = withDisks(VIEW);
  const state = leads(doc, [OTHER_DISK, DISK]);
  assert.match(
    quorumRefusal(state, doc, doc.voters.slice(1)) ?? "",
    /1 of the 2 .* n1 has lost the disk with its vote/,
  );
});

test.either("A candidate whose vote is another disk's by the newest document stands back", () => {
  const node = new Alone({ promised: OLD, accepted: VIEW }).begin();
  const { state } = node.machine;
  onChosen(state, OWN, "by hand");
  node.settle(node.feed({ kind: "wake" }));
  const voters = VIEW.voters.map((voter, at) =>
    at === 0 ? { ...voter, diskId: OTHER_DISK } : voter
  );
  const newer = { ...VIEW, voters, version: OLD + 2n as Version, parent: VIEW.version };
  node.hear(1, {
    kind: "promise",
    token: OWN,
    accepted: newer,
    adoptedGeneration: VIEW.generation,
    ageMs: 100,
    incarnation: 1n as Incarnation,
  });
  assert.is(state.lead, undefined);
  assert.ok(state.holdOffMs > node.nowMs);
});

test.either("Who came with a newer document than the adopted one is heard", () => {
  const { state } = new Alone({ promised: OLD, accepted: VIEW }).begin().machine;
  const came = { ...VIEW.nodes[1], pnn: 3 as Pnn, nodeId: nodeIdOf(3), name: "n3" } as never;
  const newer = { ...VIEW, version: VIEW.version + 1n as Version, nodes: [...VIEW.nodes, came] };
  state.adopted = VIEW;
  assert.not.ok(isKnown(state, nodeIdOf(3)));
  state.accepted = newer;
  assert.ok(isKnown(state, nodeIdOf(3)));
  // One that was taken out is not known by an older document.
  state.adopted = { ...VIEW, version: newer.version + 1n as Version };
  assert.not.ok(isKnown(state, nodeIdOf(3)));
});

test.either("Who is only invited, or of no document, has nothing done by the leader", () => {
  const { run, leader, effective } = begun();
  const user = { role: "admin", name: "x", natsKey: KEY, tag: "a".repeat(10) as Tag } as const;
  const ask = (from: NodeId, verbId: string): void =>
    leader.feed({
      kind: "message",
      from,
      message: { kind: "leader_ask", verbId, command: { verb: "user_add", user } },
    });
  ask(nodeIdOf(77), "1".repeat(32));
  run(1000);
  assert.is(effective().users, undefined);
  ask(leader.nodeId, "2".repeat(32));
  run(1000);
  assert.equal(effective().users, [user]);
});

test.either("A node that has gone has no say: its promises, candidates and certificates are dropped", () => {
  const { run, leader, state, effective, others } = begun();
  const [gone] = others;
  assert.ok(gone !== undefined && state.pnn !== undefined);
  const left = effective().nodes.find(({ nodeId }) => nodeId === gone.nodeId)?.pnn as Pnn;
  leader.feed({
    kind: "command",
    verbId: "1".repeat(32),
    command: { verb: "leave", pnn: left, why: "" },
  });
  run(5000);
  assert.ok(goneOf(effective(), gone.nodeId) !== undefined);
  const before = state.promised;
  leader.feed({
    kind: "message",
    from: gone.nodeId,
    message: { kind: "prepare", token: token(9999n, 3) },
  });
  run(1000);
  assert.is(state.promised, before);
  assert.ok(state.lead !== undefined, "it leads on");
});

test.either(
  "The only voter is replaced, and falls silent and dies at each moment of it: the new one leads in the end",
  () => {
    for (let killMs = 1; killMs <= 40; killMs++) {
      const sim = new ClusterSim({ seed: 5, nodes: 2, voters: 1, format: 2, isCalm: true });
      sim.start();
      sim.run(5000);
      const [old, next] = sim.hosts;
      assert.ok(old !== undefined && next !== undefined);
      const verb = { verb: "replace", pnn: 0 as Pnn, by: 1 as Pnn, why: "" } as const;
      old.feed({ kind: "command", verbId: "1".repeat(32), command: verb });
      sim.run(5000 + killMs);
      sim.links.cut(0, 1, true);
      sim.run(5006 + killMs);
      old.kill();
      sim.run(5300 + killMs);
      sim.links.cut(0, 1, false);
      old.start();
      sim.run(10_000);
      next.feed({ kind: "command", verbId: "1".repeat(32), command: verb });
      sim.run(30_000);
      const doc = next.machine?.state.lead?.effective;
      const voters = doc?.voters.map(({ nodeId }) => nodeId);
      assert.equal(voters, [next.nodeId], `killed after ${killMs} ms`);
      assert.equal(doc?.nodes.map(({ pnn }) => pnn), [1]);
      assert.equal(sim.checkers.violations, []);
    }
  },
);

test.either("A stranger of an older version is not shown a document that it would take for less", () => {
  const node = new Alone({ promised: OLD, accepted: VIEW }).begin();
  node.machine.state.adopted = VIEW;
  const shown = (protocol: number): string[] => {
    node.nowMs += 1000;
    const effects = node.feed({
      kind: "message",
      from: nodeIdOf(9),
      protocol,
      message: {
        kind: "heartbeat",
        tMs: node.nowMs,
        incarnation: 1n as Incarnation,
        diskId: OTHER_DISK,
        promised: OLD,
        health: { healthy: true, runstate: "running" },
      },
    });
    return effects.flatMap((one) =>
      one.kind === "send" && one.to.includes(nodeIdOf(9)) ? [one.message.kind] : []
    );
  };
  assert.equal(shown(1), []);
  assert.equal(shown(2), ["view"]);
});

test.either("A leave just after another voter fell silent waits until that is sure, and is refused then", () => {
  const { sim, run, leader, effective, others } = begun();
  const [leaver, silent] = others;
  assert.ok(leaver !== undefined && silent !== undefined);
  let end = "";
  const verbId = "1".repeat(32);
  sim.asked.set(verbId, (outcome) => end = outcome);
  silent.powerOff();
  run(900);
  const left = effective().nodes.find(({ nodeId }) => nodeId === leaver.nodeId)?.pnn as Pnn;
  leader.feed({ kind: "command", verbId, command: { verb: "leave", pnn: left, why: "" } });
  run(3000);
  assert.is(end, "refused");
  assert.is(effective().nodes.find(({ pnn }) => pnn === left)?.leaving, undefined);
  assert.equal([effective().voters.length, effective().voterChange], [3, undefined]);
});

test.run();
