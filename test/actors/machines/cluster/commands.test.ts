/**
 * What commands make of a document, and what is refused.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { mayLose, withBans } from "../../../../actors/machines/cluster/ban.ts";
import {
  isDone,
  refusalOf,
  resultOf,
} from "../../../../actors/machines/cluster/command_effects.ts";
import { votersAfter } from "../../../../actors/machines/cluster/document.ts";
import { newLead } from "../../../../actors/machines/cluster/lead.ts";
import type { AdminFlag, Document } from "../../../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../../../transport/wire/messages/leader.ts";
import type { Pnn, Version, VoterId } from "../../../../transport/wire/terms.ts";
import { nodeIdOf } from "../../../../actors/machines/sim/cluster_sim.ts";
import { Alone, START, token, viewOf } from "./one_machine.ts";

const test = suite("commands");

type Change = Exclude<LeaderCommand, { verb: "yield" } | { verb: "blame" }>;

const VIEW = viewOf(token(1n, 1), [[0, 1n], [1, 1n], [2, 1n]]);
const VERSION = 77n as Version;
const { state } = new Alone().begin().machine;
const pnn = (number: number) => number as Pnn;

function flagged(doc: Document, number: number, ...adminFlags: AdminFlag[]): Document {
  return {
    ...doc,
    nodes: doc.nodes.map((node) => node.pnn === number ? { ...node, adminFlags } : node),
  };
}

function done(doc: Document, command: Change): Document {
  assert.is(refusalOf(state, doc, command), undefined);
  return resultOf(doc, command, VERSION);
}

function refused(doc: Document, command: Change): string {
  const why = refusalOf(state, doc, command);
  assert.type(why, "string");
  return why ?? "";
}

test("A ban keeps its reason, counts, and is done once", () => {
  const ban: Change = { verb: "ban", pnn: pnn(1), banMs: 500, why: "loud" };
  const banned = done(VIEW, ban);
  assert.equal(banned.nodes[1]?.ban, { why: "loud", banMs: 500, count: 1, version: VERSION });
  assert.ok(isDone(banned, ban) && !isDone(VIEW, ban));
  assert.is(resultOf(banned, ban, VERSION), banned);
  const unbanned = done(banned, { verb: "unban", pnn: pnn(1) });
  assert.equal([unbanned.nodes[1]?.adminFlags, unbanned.nodes[1]?.ban], [[], undefined]);
});

test("A flag that is set and cleared at once is set, and then it is done", () => {
  const both: Change = {
    verb: "flags",
    pnn: pnn(1),
    set: ["draining"],
    clear: ["draining"],
    why: "",
  };
  const doc = done(VIEW, both);
  assert.equal(doc.nodes[1]?.adminFlags, ["draining"]);
  assert.ok(isDone(doc, both), "otherwise documents would follow each other for ever");
});

test("A ban of no time at all comes into force, and ends with the next version", () => {
  const lead = newLead(token(1n, 1), "", state.nowMs, state.timing);
  const banned = done(VIEW, { verb: "ban", pnn: pnn(1), banMs: 0, why: "once" });
  assert.is(withBans(state, lead, banned, VERSION), banned);
  const next = withBans(state, lead, banned, VERSION + 1n as Version);
  assert.equal(next.nodes[1]?.adminFlags, []);
  assert.is(next.nodes[1]?.ban?.count, 1);
});

test("Never a majority is banned or stopped", () => {
  const one = flagged(VIEW, 1, "banned");
  assert.match(refused(one, { verb: "ban", pnn: pnn(2), banMs: 1, why: "" }), /no majority/);
  const stop: Change = { verb: "flags", pnn: pnn(2), set: ["stopped"], clear: [], why: "" };
  assert.match(refused(one, stop), /no majority/);
  for (const node of VIEW.nodes) assert.is(mayLose(one, node), node.pnn === 1);
});

test("Voters change one at a time, never to a set that most could not lead", () => {
  const four = done(VIEW, {
    verb: "node_add",
    nodeId: nodeIdOf(3),
    name: "n3",
    addr: "n3:1",
    caps: [],
  });
  state.peers.set(nodeIdOf(3), {} as never);
  const change = done(four, { verb: "voter_add", nodeId: nodeIdOf(3) });
  assert.equal(votersAfter(change).map(({ voterId }) => voterId), [1, 2, 3, 4]);
  assert.is(done(change, { verb: "voter_remove", voterId: 1 as VoterId }), change, "waits");
  // Left would be one that is stopped and one that is not.
  const stopped = flagged(VIEW, 2, "stopped");
  const remove: Change = { verb: "voter_remove", voterId: 1 as VoterId };
  assert.match(refused(stopped, remove), /banned or stopped/);
  const newest: Change = { verb: "voter_remove", voterId: 3 as VoterId };
  assert.match(refused(VIEW, newest), /newest vote/);
  assert.match(refused({ ...VIEW, voters: VIEW.voters.slice(0, 1) }, remove), /last voter/);
});

test("A node gets the next number, which is not given again", () => {
  const add: Change = { verb: "node_add", nodeId: nodeIdOf(9), name: "n9", addr: "n9:1", caps: [] };
  const added = done(VIEW, add);
  assert.is(added.nodes[3]?.pnn, 3);
  assert.match(refused(VIEW, { ...add, name: "n1" }), /node 1 has this name/);
  const wasMember = {
    ...added,
    view: {
      ...added.view,
      maxInc: [...added.view.maxInc, { pnn: pnn(3), incarnation: 1n as never }],
    },
  };
  const marked = done(wasMember, { verb: "node_remove", pnn: pnn(3), why: "" });
  assert.equal(marked.nodes[3]?.adminFlags, ["deleted"]);
  const gone = done(marked, { verb: "node_remove", pnn: pnn(3), why: "" });
  assert.is(gone.nodes.length, 3);
  assert.ok(isDone(gone, { verb: "node_remove", pnn: pnn(3), why: "" }));
  assert.is(done(gone, add).nodes[3]?.pnn, 4);
});

test("A member is out of the view before it is out of the list, a voter is neither", () => {
  assert.match(refused(VIEW, { verb: "node_remove", pnn: pnn(1), why: "" }), /it is a voter/);
  const voters = START.voters.slice(0, 2);
  const marked = flagged({ ...VIEW, voters }, 2, "deleted");
  assert.is(resultOf(marked, { verb: "node_remove", pnn: pnn(2), why: "" }, VERSION), marked);
});

test.run();
