/**
 * Invitations, joining, leaving, users, formats: what the leader makes of a document, and what it refuses, in words.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  isDone,
  refusalOf,
  resultOf,
} from "../../../../actors/machines/cluster/command_effects.ts";
import {
  leaveStepOf,
  quorumRefusal,
  withoutNode,
} from "../../../../actors/machines/cluster/departure.ts";
import { withFormat } from "../../../../actors/machines/cluster/document.ts";
import { NEEDS_FORMAT_2 } from "../../../../actors/machines/cluster/format.ts";
import { preferenceOf } from "../../../../actors/machines/cluster/yield.ts";
import { nodeIdOf } from "../../../../actors/machines/sim/cluster_sim.ts";
import { GONE_MAX, INVITATIONS_MAX } from "../../../../transport/wire/limits.ts";
import type { Document, DocumentNode } from "../../../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../../../transport/wire/messages/leader.ts";
import type { Pnn, Tag, Version } from "../../../../transport/wire/terms.ts";
import { Alone, token, viewOf } from "./one_machine.ts";

const test = suite("membership");

type Change = Exclude<LeaderCommand, { verb: "yield" } | { verb: "blame" }>;
type Invite = Extract<Change, { verb: "invite" }>;
type Join = Extract<Change, { verb: "join" }>;

const OLD = viewOf(token(1n, 1), [[0, 1n], [1, 1n], [2, 1n]]);
const VIEW = withFormat(OLD, 2);
const VERSION = 77n as Version;
const KEY = "U".padEnd(56, "A");
const pnn = (number: number) => number as Pnn;
const secret = (number: number) => number.toString(16).padStart(32, "0");

/** A leader that hears nodes 1 and 2, of these versions. */
function stateWith(protocols: Readonly<Record<number, number>> = { 1: 2, 2: 2 }) {
  const { state } = new Alone().begin().machine;
  for (const [index, protocol] of Object.entries(protocols)) {
    const nodeId = nodeIdOf(Number(index));
    state.peers.set(nodeId, { nodeId, recvMs: state.nowMs, protocol, incarnation: 1n } as never);
  }
  return state;
}

function done(doc: Document, command: Change, state = stateWith()): Document {
  assert.is(refusalOf(state, doc, command), undefined);
  return resultOf(doc, command, VERSION);
}

function refused(doc: Document, command: Change, state = stateWith()): string {
  const why = refusalOf(state, doc, command);
  assert.type(why, "string", "it is not refused");
  return why ?? "";
}

function invite(number: number, more: Partial<Invite> = {}): Invite {
  return {
    verb: "invite",
    inviteId: secret(number),
    name: `m${number}`,
    nodeId: nodeIdOf(number),
    voter: true,
    expiresWallMs: 2000n,
    atWallMs: 1000n,
    ...more,
  };
}

function join(number: number, more: Partial<Join> = {}): Join {
  return {
    verb: "join",
    inviteId: secret(number),
    nodeId: nodeIdOf(number),
    diskId: "d".repeat(32),
    addr: `m${number}:1`,
    format: 2,
    atWallMs: 1500n,
    ...more,
  };
}

function changed(doc: Document, number: number, change: Partial<DocumentNode>): Document {
  return {
    ...doc,
    nodes: doc.nodes.map((node) => node.pnn === number ? { ...node, ...change } : node),
  };
}

test("An invitation takes the next number, which is not given again even when it is taken back", () => {
  const one = done(VIEW, invite(7));
  assert.equal([one.invitations?.[0]?.pnn, one.pnnNext], [3, 4]);
  assert.ok(isDone(one, invite(7)) && resultOf(one, invite(7), VERSION) === one, "once");
  const back = done(one, { verb: "uninvite", inviteId: secret(7) });
  assert.equal([back.invitations, back.pnnNext], [[], 4]);
  assert.is(done(back, invite(8)).invitations?.[0]?.pnn, 4);
  assert.is(done(VIEW, invite(7, { pnn: pnn(9) })).pnnNext, 10);
  assert.match(
    refused(VIEW, invite(7, { pnn: pnn(1) })),
    /number 1 is that of n1 .* next free one is 3/,
  );
  assert.match(refused(back, invite(8, { pnn: pnn(3) })), /number 3 was given before/);
});

test("Names, ids, tags and keys are one node's, invited or there", () => {
  const one = done(VIEW, invite(7, { natsKey: KEY }));
  assert.match(refused(VIEW, invite(7, { name: "n1" })), /n1 \(number 1\) has it/);
  assert.match(refused(one, invite(8, { name: "m7" })), /m7 \(number 3\) is invited/);
  assert.match(refused(one, invite(8, { nodeId: nodeIdOf(7) })), /node id is taken: m7/);
  // Another id of the same first 50 bits would be the same sender in subjects.
  const sameTag = `${nodeIdOf(7).slice(0, 31)}0` as never;
  assert.match(refused(one, invite(8, { nodeId: sameTag })), /node id is taken: m7/);
  assert.match(refused(one, invite(8, { natsKey: KEY })), /key is taken: m7/);
  assert.match(refused(one, invite(7, { name: "x" })), /for m7 \(number 3\) already/);
});

test("An invitation that is over frees its name, and is not kept", () => {
  const one = done(VIEW, invite(7));
  const later = { atWallMs: 2000n, expiresWallMs: 9000n };
  const two = done(one, invite(8, { ...later, name: "m7" }));
  assert.equal(two.invitations?.map(({ pnn }) => pnn), [4]);
  assert.match(refused(VIEW, invite(7, { expiresWallMs: 1000n })), /over already/);
  let full = VIEW;
  for (let number = 0; number < INVITATIONS_MAX; number++) {
    full = resultOf(full, invite(100 + number, { voter: false }), VERSION);
  }
  assert.match(refused(full, invite(7)), /64 invitations wait/);
  assert.is(refusalOf(stateWith(), full, invite(7, later)), undefined);
});

test("More than seven votes are not promised", () => {
  let doc = VIEW;
  for (let number = 10; number < 14; number++) doc = done(doc, invite(number));
  assert.match(refused(doc, invite(20)), /7 voters are the most/);
  assert.is(refusalOf(stateWith(), doc, invite(20, { voter: false })), undefined);
  assert.is(refusalOf(stateWith(), doc, invite(20, { replaces: pnn(1) })), undefined);
});

test("Who joins is there once; another disk, id, address or cluster is refused in its own words", () => {
  const invited = done(VIEW, invite(7, { natsKey: KEY }));
  const doc = done(invited, join(7));
  const node = doc.nodes[3];
  assert.equal([node?.pnn, node?.name, node?.natsKey, node?.wantsVote], [3, "m7", KEY, true]);
  assert.equal([doc.invitations, isDone(doc, join(7))], [[], true]);
  assert.is(done(doc, join(7)), doc, "again");
  assert.match(
    refused(doc, join(7, { diskId: "e".repeat(32) })),
    /used already, by m7 .* make another/,
  );
  assert.match(refused(doc, join(7, { addr: "x:1" })), /has joined as m7 .* with that address/);
  assert.match(refused(doc, { verb: "uninvite", inviteId: secret(7) }), /it was used: m7/);
  assert.match(refused(invited, join(7, { nodeId: nodeIdOf(8) })), /for a node with another id/);
  assert.match(refused(invited, join(7, { addr: "n1:1" })), /address is taken: n1/);
  assert.match(refused(invited, join(7, { atWallMs: 5000n })), /expired 3 s ago/);
  assert.match(refused(invited, join(7, { format: 1 })), /format 1 only, the cluster has 2/);
  assert.match(refused(invited, join(8)), /no such invitation/);
  assert.match(
    refused(invited, join(8, { nodeId: nodeIdOf(1) })),
    /n1 .* is a node of this cluster already/,
  );
});

test("A node that has gone is told so when it asks to join, and its number stays its own", () => {
  const doc = withoutNode(
    changed(VIEW, 2, { leaving: "replaced", natsKey: KEY }),
    VIEW.nodes[2] as never,
    VERSION,
  );
  const gone = withoutNode(VIEW, { ...VIEW.nodes[2] as DocumentNode, natsKey: KEY }, VERSION);
  assert.match(refused(doc, join(2)), /n2 \(number 2\) has left and cannot come back/);
  assert.is(gone.gone?.[0]?.natsKey, KEY);
  assert.match(refused(gone, invite(2)), /node id is taken: n2/);
  const add: Change = { verb: "node_add", nodeId: nodeIdOf(2), name: "x", addr: "x:1", caps: [] };
  assert.match(refused(gone, add), /went as node 2/);
  let many = VIEW;
  for (let at = 0; at < GONE_MAX + 5; at++) {
    const node = { ...VIEW.nodes[2] as DocumentNode, pnn: pnn(1000 + at), name: `g${at}` };
    many = withoutNode(many, node, VERSION);
  }
  assert.equal([many.gone?.length, many.gone?.[0]?.name], [GONE_MAX, "g5"]);
});

test("A leave that would break the quorum is refused, with what to do", () => {
  const leave: Change = { verb: "leave", pnn: pnn(0), why: "" };
  const deaf = stateWith({ 1: 2 });
  assert.match(
    refused(VIEW, leave, deaf),
    /1 of the 2 voters that are left would answer, 2 must; start n2, or replace or remove/,
  );
  assert.is(
    refusalOf(deaf, VIEW, { verb: "leave", pnn: pnn(2), why: "" }),
    undefined,
    "the silent one",
  );
  const stopped = changed(VIEW, 2, { adminFlags: ["stopped"] });
  assert.match(refused(stopped, leave), /start n2/);
  const otherDisk = {
    ...VIEW,
    voters: VIEW.voters.map((voter) => ({ ...voter, diskId: "e".repeat(32) })),
  };
  assert.match(refused(otherDisk, leave), /0 of the 2 voters/);
  const dead = stateWith();
  dead.deadInc.set(nodeIdOf(1), 1n as never);
  assert.match(refused(VIEW, leave, dead), /start n1/);
  const leaving = changed(changed(VIEW, 1, { leaving: "left" }), 2, { leaving: "left" });
  assert.match(refused(leaving, leave), /all other voters are leaving/);
  // Two that leave count while they have a vote; what would be left at the end does, too.
  const four = {
    ...stopped,
    voters: [...VIEW.voters, { voterId: 4, nodeId: nodeIdOf(3) } as never],
  };
  const fourth = { ...VIEW.nodes[1] as DocumentNode, pnn: pnn(3), nodeId: nodeIdOf(3), name: "n3" };
  const nodes = [...four.nodes, { ...fourth, leaving: "left" as const }];
  const heard = stateWith({ 1: 2, 2: 2, 3: 2 });
  assert.match(refused({ ...four, nodes }, leave, heard), /1 of the 2 voters/);
  const alone = { ...VIEW, nodes: VIEW.nodes.slice(0, 1) };
  assert.match(refused(alone, leave), /the only node/);
  assert.match(quorumRefusal(deaf, VIEW, []) ?? "", /last voter/);
  assert.match(refused(VIEW, { verb: "leave", pnn: pnn(9), why: "" }), /there is no node 9/);
});

test("A node on its way out takes one step after the other", () => {
  const going = changed(VIEW, 0, { leaving: "left" });
  assert.is(leaveStepOf(going, pnn(0), true), "slots");
  const draining = changed(going, 0, { adminFlags: ["draining"] });
  const slots = VIEW.view.slots.map((slot) => ({ ...slot, home: VIEW.view.members[1] as never }));
  const moved = { ...draining, view: { ...draining.view, slots } };
  assert.is(leaveStepOf(draining, pnn(0), true), "slots", "as long as it is home of some");
  assert.is(leaveStepOf(moved, pnn(0), true, 3), "records", "as long as it has some");
  assert.is(leaveStepOf(moved, pnn(0), true), "lead");
  assert.is(leaveStepOf(moved, pnn(0), false), "vote");
  const voteless = { ...moved, voters: moved.voters.slice(1) };
  assert.is(leaveStepOf(voteless, pnn(0), false), "view");
  const deleted = changed(voteless, 0, { adminFlags: ["draining", "deleted"] });
  assert.is(leaveStepOf(deleted, pnn(0), false), "view");
  const out = { ...deleted, view: { ...deleted.view, members: deleted.view.members.slice(1) } };
  assert.is(leaveStepOf(out, pnn(0), false), "list");
  assert.is(leaveStepOf(VIEW, pnn(9), false), "gone");
  assert.match(
    refused(going, { verb: "flags", pnn: pnn(0), set: [], clear: ["draining"], why: "" }),
    /leaving/,
  );
});

test("A replacement is of a node that is there, by one that is there and stays", () => {
  const replace = (old: number, by: number): Change => ({
    verb: "replace",
    pnn: pnn(old),
    by: pnn(by),
    why: "",
  });
  const doc = done(VIEW, replace(0, 1));
  assert.is(doc.nodes[1]?.replaces, 0);
  assert.not.ok(isDone(doc, replace(0, 1)));
  // The one that takes the place votes already, so it is one vote less.
  assert.match(refused(VIEW, replace(0, 1), stateWith({ 1: 2 })), /start n2/);
  assert.match(refused(VIEW, replace(0, 9)), /no node 9: invite it first/);
  assert.match(refused(VIEW, replace(0, 0)), /its own place/);
  assert.match(refused(doc, replace(2, 1)), /n1 replaces node 0 already/);
  assert.match(refused(doc, replace(0, 2)), /n1 is to replace it already/);
  assert.match(
    refused(changed(VIEW, 1, { leaving: "left" }), replace(0, 1)),
    /n1 is leaving itself/,
  );
  assert.match(
    refused(changed(VIEW, 0, { leaving: "left" }), replace(0, 1)),
    /n0 is leaving already/,
  );
  assert.match(
    refused(changed(VIEW, 1, { adminFlags: ["stopped"] }), replace(0, 1)),
    /n1 is stopped/,
  );
});

test("Votes have numbers that are not given again, also when the newest goes", () => {
  const removed = done(VIEW, { verb: "voter_remove", voterId: 3 as never });
  assert.is(removed.voterChange?.remove?.voterId, 3);
  const { voterChange: _, ...rest } = { ...removed, voters: VIEW.voters.slice(0, 2) };
  const added = done(rest, { verb: "voter_add", nodeId: nodeIdOf(2) });
  assert.equal([added.voterChange?.add?.voterId, added.voterIdNext], [4, 5]);
});

test("The newer format comes when every node was heard and knows it; before that its commands are refused", () => {
  const finalize: Change = { verb: "finalize", format: 2 };
  const doc = done(OLD, finalize);
  assert.equal([doc.format, doc.pnnNext, doc.voterIdNext], [2, 3, 4]);
  assert.is(done(doc, finalize), doc);
  assert.is(refused(OLD, finalize, stateWith({ 1: 1, 2: 2 })), "n1 must be upgraded first");
  assert.match(refused(OLD, finalize, stateWith({ 1: 1 })), /n1 must .*; not heard: n2/);
  assert.match(refused(OLD, { verb: "finalize", format: 3 }), /formats up to 2/);
  const commands: Change[] = [
    invite(7),
    join(7),
    { verb: "leave", pnn: pnn(0), why: "" },
    { verb: "caps", pnn: pnn(0), caps: [], why: "" },
    { verb: "flags", pnn: pnn(0), set: ["disabled"], clear: [], why: "" },
    { verb: "user_remove", name: "x" },
  ];
  for (const command of commands) assert.is(refused(OLD, command), NEEDS_FORMAT_2, command.verb);
});

test("Who should not lead leads only while nobody else can; somebody must be able to", () => {
  const caps = (number: number, ...words: string[]): Change => ({
    verb: "caps",
    pnn: pnn(number),
    caps: words,
    why: "",
  });
  const one = done(VIEW, caps(0, "lmaster"));
  assert.equal([0, 1].map((index) => preferenceOf(one, nodeIdOf(index))), [1, 2]);
  const two = done(one, caps(1));
  assert.match(refused(two, caps(2, "lmaster")), /nobody else may lead/);
  assert.is(preferenceOf(changed(two, 2, { leaving: "left" }), nodeIdOf(2)), 0);
  const old = changed(OLD, 0, { caps: [] });
  assert.is(preferenceOf(old, nodeIdOf(0)), 2, "before format 2 everybody may");
});

test("A zone is set, changed and taken away; nothing else of the node changes", () => {
  const zone = (number: number, word?: string): Change => ({
    ...{ verb: "zone", pnn: pnn(number) },
    ...word === undefined ? {} : { zone: word },
  });
  const doc = done(VIEW, zone(1, "rack1"));
  assert.equal(doc.nodes.map((node) => node.zone), [undefined, "rack1", undefined]);
  assert.is(doc.generation, VIEW.generation);
  assert.is(done(doc, zone(1, "rack1")), doc);
  assert.is(done(doc, zone(1, "rack2")).nodes[1]?.zone, "rack2");
  const none = done(doc, zone(1));
  assert.equal(none.nodes, VIEW.nodes);
  assert.ok(!("zone" in (none.nodes[1] ?? {})));
  assert.is(refused(VIEW, zone(9, "x")), "there is no node 9");
  assert.is(refused(OLD, zone(0, "x")), NEEDS_FORMAT_2);
});

test("Users have names, keys and tags of their own", () => {
  const user = { role: "admin", name: "ops", natsKey: KEY, tag: "a".repeat(10) as Tag } as const;
  const doc = done(VIEW, { verb: "user_add", user });
  assert.is(done(doc, { verb: "user_add", user }), doc);
  assert.match(
    refused(doc, { verb: "user_add", user: { ...user, role: "client" } }),
    /another user ops/,
  );
  assert.match(
    refused(doc, { verb: "user_add", user: { ...user, name: "x" } }),
    /key is taken: ops/,
  );
  const other = KEY.replace("UA", "UB");
  assert.match(
    refused(doc, { verb: "user_add", user: { ...user, name: "x", natsKey: other } }),
    /tag aaaaaaaaaa/,
  );
  const gone = done(doc, { verb: "user_remove", name: "ops" });
  assert.equal([gone.users, done(gone, { verb: "user_remove", name: "ops" }) === gone], [[], true]);
});

test.run();
