/**
 * One leader, message by message: how it begins, and when a document is effective (section 3).
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { onChosen } from "../../../../actors/machines/cluster/leader.ts";
import type { Document } from "../../../../transport/wire/messages/document.ts";
import type { Incarnation, Token } from "../../../../transport/wire/terms.ts";
import { nodeIdOf } from "../../../../actors/machines/sim/cluster_sim.ts";
import { Alone, sent, token, viewOf } from "./one_machine.ts";

const test = suite("leader");

const OLD = token(1n, 2);
const OWN = token(2n, 1);
const VIEW = viewOf(OLD, [[0, 1n], [1, 1n], [2, 5n]]);
const NONE = 0n as Document["generation"];

/** Node 0 is chosen; its own promise is durable, PREPARE is out. */
function chosen(): Alone {
  const node = new Alone({ promised: OLD, accepted: VIEW }).begin();
  onChosen(node.machine.state, OWN, "by hand");
  node.settle(node.feed({ kind: "wake" }));
  return node;
}

function promise(node: Alone, from: number, adopted: Document["generation"], more: {
  accepted?: Document;
  ageMs?: number;
  by?: Token;
} = {}) {
  const { accepted = VIEW, ageMs = 100, by = OWN } = more;
  return sent(node.hear(from, {
    kind: "promise",
    token: by,
    accepted,
    adoptedGeneration: adopted,
    ageMs,
    incarnation: (from === 2 ? 5n : 1n) as Incarnation,
  }));
}

function accepted(node: Alone, from: number, life: bigint): void {
  const version = node.machine.state.lead?.open?.doc.version ?? 0n as Document["version"];
  node.hear(from, { kind: "accepted", version, incarnation: life as Incarnation });
}

function beat(node: Alone, from: number, life: bigint, dsMs = node.nowMs): void {
  node.hear(from, {
    kind: "heartbeat",
    tMs: node.nowMs + from,
    incarnation: life as Incarnation,
    diskId: "d".repeat(32),
    promised: OWN,
    dsToken: OWN,
    dsMs,
    health: { healthy: true, runstate: "running" },
  });
}

/** Lets time pass in steps of 10 ms in which these nodes, by number and life, send heartbeats. */
function pass(node: Alone, untilMs: number, lives: readonly (readonly [number, bigint])[]): void {
  while (node.nowMs < untilMs) {
    node.nowMs = Math.min(node.nowMs + 10, untilMs);
    for (const [from, life] of lives) beat(node, from, life);
    node.settle(node.feed({ kind: "wake" }));
  }
}

test("One adopter among the promisers: the view is kept, the generation stays", () => {
  const node = chosen();
  promise(node, 1, VIEW.generation);
  const { lead } = node.machine.state;
  assert.equal([lead?.open?.doc.generation, lead?.open?.doc.view], [VIEW.generation, VIEW.view]);
  assert.is(lead?.open?.doc.parent, VIEW.version);
});

test("The newest accepted document is the base, whoever has it", () => {
  const node = chosen();
  const newer = { ...VIEW, version: OLD + 2n as Document["version"], parent: VIEW.version };
  promise(node, 2, VIEW.generation, { accepted: newer });
  assert.is(node.machine.state.lead?.open?.doc.parent, newer.version);
});

test("A promise of another token is passed over", () => {
  const node = chosen();
  promise(node, 1, VIEW.generation, { by: token(9n, 1) });
  assert.is(node.machine.state.lead?.phase, "promising");
});

test("Without an adopter another view asks all members before it; an old life's word is not enough", () => {
  const node = chosen();
  pass(node, node.nowMs + 900, [[1, 1n], [2, 5n]]);
  promise(node, 1, NONE);
  const { lead } = node.machine.state;
  assert.is(lead?.open?.doc.generation, lead?.open?.doc.version as bigint);
  assert.equal(lead?.open?.doc.view.prevMembers, VIEW.view.members);
  accepted(node, 1, 1n);
  assert.is(lead?.effective, undefined, "node 2 may serve yet");
  accepted(node, 2, 4n);
  assert.is(lead?.effective, undefined, "its fourth life is not the fifth");
  accepted(node, 2, 5n);
  assert.is.not(lead?.effective, undefined);
});

test("A silent member is waited out from the latest possible grant, and not longer than a look", () => {
  const node = chosen();
  pass(node, node.nowMs + 900, [[1, 1n]]);
  promise(node, 1, NONE, { ageMs: 300 });
  const { lead, timing } = node.machine.state;
  const grantMs = node.nowMs - 300 + timing.glMs;
  assert.is(lead?.earlierEndMs, Math.max(grantMs, 1000 + timing.glMs));
  const endMs = grantMs + timing.nodeTtlMs + timing.marginMs;
  pass(node, endMs - 1, [[1, 1n]]);
  accepted(node, 1, 1n);
  assert.is(lead?.effective, undefined);
  pass(node, endMs + 20, [[1, 1n]]);
  accepted(node, 1, 1n);
  assert.equal(lead?.effective?.view.members.map(({ pnn }) => pnn), [0, 1]);
});

test("A vote counts once it is known to be on the voter's disk, whatever came first", () => {
  const voters = VIEW.voters.map((voter) => ({ ...voter, diskId: "d".repeat(32) }));
  const node = new Alone({ promised: OLD, accepted: { ...VIEW, voters } }).begin();
  const { state } = node.machine;
  onChosen(state, OWN, "by hand");
  node.settle(node.feed({ kind: "wake" }));
  promise(node, 1, VIEW.generation, { accepted: { ...VIEW, voters } });
  assert.is(state.lead?.phase, "promising", "its disk is not known");
  beat(node, 1, 1n);
  assert.is(state.lead?.phase, "leading");
});

test("A voter that restarts before the document is effective is asked again", () => {
  const node = chosen();
  pass(node, node.nowMs + 900, [[1, 1n], [2, 5n]]);
  promise(node, 1, NONE);
  accepted(node, 1, 1n);
  const asked = () => {
    node.nowMs += 70;
    return node.settle(node.feed({ kind: "wake" })).flatMap((effect) =>
      effect.kind === "send" && effect.message.kind === "accept" ? effect.to : []
    );
  };
  assert.equal(asked(), [nodeIdOf(2)]);
  beat(node, 1, 2n);
  assert.equal(asked(), [nodeIdOf(1), nodeIdOf(2)]);
});

test("Somebody promised more: the token is dead, and stays so", () => {
  const node = chosen();
  node.hear(1, { kind: "nack", promised: token(7n, 3) });
  assert.is(node.machine.state.lead, undefined);
  promise(node, 1, VIEW.generation);
  onChosen(node.machine.state, OWN, "again");
  assert.is(node.machine.state.lead, undefined);
});

test.run();
