/**
 * One candidate, message by message: when it asks, when it takes the lock, and when it does neither (L1 to L9).
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ClusterEffect, LockResult } from "../../../../actors/machines/cluster/events.ts";
import type { LockRecord } from "../../../../transport/leader_lock.ts";
import { nodeIdOf } from "../../../../actors/machines/sim/cluster_sim.ts";
import type { Incarnation, Token } from "../../../../transport/wire/terms.ts";
import { Alone, sent, START, token, viewOf } from "./one_machine.ts";

const test = suite("candidate");

const HELD = token(1n, 2);
const VIEW = viewOf(HELD, [[0, 1n], [1, 1n], [2, 1n]]);
const OLD_AGE_MS = 1300;

function record(by: Token, holder = nodeIdOf(1), life = 1n): LockRecord {
  return { holder, incarnation: life as Incarnation, token: by, nonce: 1 };
}

type LockOp = Extract<ClusterEffect, { kind: "lock" }>;

/** Node 0 with a register that it has read, and nothing heard of a leader. */
class Candidate extends Alone {
  op: LockOp | undefined;

  /** Lets time pass in steps of 10 ms, answering looks with what the register shows. */
  pass(ms: number, shown: LockResult | undefined): ClusterEffect[] {
    const all: ClusterEffect[] = [];
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      this.nowMs += 10;
      all.push(...this.answered(this.settle(this.feed({ kind: "wake" })), shown));
    }
    return all;
  }

  /** Answers looks among effects; with what follows. */
  answered(effects: readonly ClusterEffect[], shown: LockResult | undefined): ClusterEffect[] {
    const all = [...effects];
    for (let at = 0; at < all.length; at++) {
      const effect = all[at];
      if (effect?.kind !== "lock") continue;
      if (effect.op === "look" && shown !== undefined) {
        all.push(...this.settle(this.feed({ kind: "lock", id: effect.id, result: shown })));
      } else this.op = effect;
    }
    return all;
  }

  /** Both others answer the question that was asked last. */
  ack(effects: readonly ClusterEffect[], ageMs: number, by: Token): ClusterEffect[] {
    const probes = sent(effects).filter((message) => message.kind === "probe");
    const nonce = probes.at(-1)?.nonce ?? 0;
    const ackOf = { kind: "probe_ack", nonce, ageMs, token: by, promised: HELD } as const;
    return [...this.hear(1, ackOf), ...this.hear(2, ackOf)];
  }
}

function candidate(shown: LockResult): { node: Candidate; asked: ClusterEffect[] } {
  const node = new Candidate({ promised: HELD, accepted: VIEW });
  node.begin();
  return { node, asked: node.pass(1500, shown) };
}

const SEEN: LockResult = { kind: "seen", revision: 5, record: record(HELD) };

test("Nobody heard for 1.2 s and the voters say the same: the lock, with a token above all", () => {
  const { node, asked } = candidate(SEEN);
  const effects = node.ack(asked, OLD_AGE_MS, HELD);
  const op = effects.find((effect) => effect.kind === "lock");
  assert.ok(op?.kind === "lock" && op.op === "acquire" && op.revision === 5);
  assert.is(op.record?.token, token(2n, 1));
  const chosen = node.settle(
    node.feed({ kind: "lock", id: op.id, result: { kind: "ok", revision: 6 } }),
  );
  assert.ok(
    sent(chosen).some((message) => message.kind === "prepare" && message.token === token(2n, 1)),
  );
});

test("A voter that heard the leader a moment ago: no lock", () => {
  const { node, asked } = candidate(SEEN);
  assert.not.ok(node.ack(asked, 300, HELD).some(({ kind }) => kind === "lock"));
});

test("A holder that is certainly dead: the last sign may be young, but of no later token", () => {
  const young = () => {
    const node = new Candidate({ promised: HELD, accepted: VIEW });
    node.begin();
    node.feed({ kind: "lock", result: SEEN });
    node.pass(300, SEEN);
    node.digest(1, HELD, VIEW);
    const dead = { kind: "dead", pnn: 1 as never, incarnation: 1n as Incarnation, tMs: 1 } as const;
    const effects = [...node.hear(1, dead), ...node.pass(200, SEEN)];
    return { node, effects };
  };
  const { node, effects } = young();
  assert.ok(
    node.ack(effects, 100, HELD).some((effect) =>
      effect.kind === "lock" && effect.op === "acquire"
    ),
  );
  const other = young();
  assert.not.ok(
    other.node.ack(other.effects, 100, token(3n, 3)).some(({ kind }) => kind === "lock"),
    "a later leader was heard by the voters",
  );
});

test("An unknown result is no leadership, and its late ok gives nothing (L1, L2)", () => {
  const { node, asked } = candidate(SEEN);
  const op = node.ack(asked, OLD_AGE_MS, HELD).find((effect) => effect.kind === "lock") as LockOp;
  const applied = { kind: "seen", revision: 6, record: op.record } as const;
  const looks = node.feed({ kind: "lock", id: op.id, result: { kind: "unknown" } });
  assert.is(node.machine.state.lead, undefined);
  node.feed({ kind: "lock", id: op.id, result: { kind: "ok", revision: 6 } });
  assert.is(node.machine.state.lead, undefined);
  // The look shows that it was applied: the own record is no leader, the next token is another.
  const effects = [...node.answered(looks, applied), ...node.pass(400, applied)];
  const next = node.ack(effects, OLD_AGE_MS, HELD).find((effect) =>
    effect.kind === "lock"
  ) as LockOp;
  assert.ok((next.record?.token ?? 0n) > (op.record?.token ?? 0n));
  assert.is(next.revision, 6);
});

test("An ok that comes a second late gives nothing (L1)", () => {
  const { node, asked } = candidate(SEEN);
  const op = node.ack(asked, OLD_AGE_MS, HELD).find((effect) => effect.kind === "lock") as LockOp;
  node.nowMs += 1100;
  node.feed({ kind: "lock", id: op.id, result: { kind: "ok", revision: 6 } });
  assert.is(node.machine.state.lead, undefined);
});

test("A register that shows less than before is stale; ten times, and it went back (L8)", () => {
  const { node } = candidate(SEEN);
  const { register } = node.machine.state;
  const stale = { kind: "seen", revision: 3, record: record(token(0n, 3)) } as const;
  for (let read = 1; read < 10; read++) node.feed({ kind: "lock", result: stale });
  assert.is(register.revision, 5);
  node.feed({ kind: "lock", result: stale });
  assert.equal([register.revision, register.record?.token], [3, token(0n, 3)]);
});

test("Without a register for 5 s a leader is chosen without it (L9)", () => {
  const node = new Candidate({ promised: HELD, accepted: VIEW });
  node.begin();
  const before = node.pass(4900, undefined);
  assert.not.ok(sent(before).some(({ kind }) => kind === "probe"), "readable until lately");
  const effects = node.ack(node.pass(1000, undefined), OLD_AGE_MS, HELD);
  assert.ok(sent(effects).some(({ kind }) => kind === "prepare"));
});

test("A machine that is called when it wanted to be does not want it again at once", () => {
  // Times with fractions: sums and differences of them do not round alike.
  for (let run = 1; run <= 200; run++) {
    const node = new Candidate({ promised: HELD, accepted: VIEW });
    node.nowMs += run * Math.SQRT2;
    node.begin();
    for (let wake = 0; wake < 100; wake++) {
      node.nowMs = node.machine.wakeMs;
      node.settle(node.feed({ kind: "wake" }));
      assert.ok(node.machine.wakeMs > node.nowMs, `run ${run}, wake ${wake}`);
    }
  }
});

test("Nobody stands who may not: without bus, without a vote, with its vote on another disk, or stopped", () => {
  const probes = (node: Candidate) =>
    sent(node.pass(1500, SEEN)).some(({ kind }) => kind === "probe");
  const make = (accepted = VIEW) => {
    const node = new Candidate({ promised: HELD, accepted });
    node.begin();
    node.feed({ kind: "lock", result: SEEN });
    return node;
  };
  assert.ok(probes(make()));
  const off = make();
  off.feed({ kind: "bus", isUp: false });
  assert.not.ok(probes(off));
  off.feed({ kind: "bus", isUp: true });
  assert.ok(probes(off));
  assert.not.ok(probes(make({ ...VIEW, voters: START.voters.slice(1) })));
  const elsewhere = VIEW.voters.map((voter) => ({ ...voter, diskId: "e".repeat(32) }));
  assert.not.ok(probes(make({ ...VIEW, voters: elsewhere })));
  const nodes = VIEW.nodes.map((node) => ({ ...node, adminFlags: ["stopped" as const] }));
  assert.not.ok(probes(make({ ...VIEW, nodes })));
});

test.run();
