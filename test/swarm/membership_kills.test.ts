/**
 * A join, a leave, a replacement, each with somebody killed at each of its steps: the command is asked again and ends,
 * no judge objects, and the document is what was wanted.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ClusterSim, nodeIdOf } from "../../actors/machines/sim/cluster_sim.ts";
import { judgeEnd } from "../../actors/machines/sim/ends.ts";
import type { Host } from "../../actors/machines/sim/host.ts";
import { Operators } from "../../actors/machines/sim/operators.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../transport/wire/messages/leader.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import { limit } from "../limit.ts";

const test = suite("membership with somebody killed at each step");

const NODES = 3;
/** The host that comes; the others are there from the start. */
const NEW = NODES;
const SETTLE_MS = 3_000;
/** A killed daemon is started again after this. */
const DOWN_MS = 300;
const END_MS = 25_000;
const INVITE_ID = "1".repeat(32);
/** More steps than any of them has. */
const STEPS_MAX = 400;

type Who = "leader" | "new" | "old";

interface Deed {
  /** Which of the three may be killed in it. */
  readonly whom: readonly Who[];
  begin(sim: ClusterSim, operators: Operators): void;
  wanted(doc: Document): void;
}

const namesOf = (doc: Document) => doc.nodes.map(({ name }) => name).sort().join(" ");
const votersOf = (doc: Document) =>
  doc.voters.map(({ nodeId }) => doc.nodes.find((node) => node.nodeId === nodeId)?.name).sort()
    .join(" ");

/** Invites the new host, and lets it join. */
function bringIn(sim: ClusterSim, operators: Operators, replaces?: Pnn): void {
  const host = sim.hosts[NEW] as Host;
  const nodeId = nodeIdOf(NEW);
  const { diskId } = host.durable;
  const invite: LeaderCommand = {
    verb: "invite",
    inviteId: INVITE_ID,
    name: "new",
    nodeId,
    voter: true,
    ...(replaces === undefined ? {} : { replaces }),
    expiresWallMs: 1_000_000n,
    atWallMs: 0n,
  };
  operators.ask(invite, () => {
    const addr = "new:4222";
    operators.ask({
      verb: "join",
      inviteId: INVITE_ID,
      nodeId,
      diskId,
      addr,
      format: 2,
      atWallMs: 1n,
    });
    host.start();
  });
}

const DEEDS: Readonly<Record<string, Deed>> = {
  join: {
    whom: ["leader", "new"],
    begin: bringIn,
    wanted(doc) {
      assert.is(namesOf(doc), "n0 n1 n2 new");
      assert.is(votersOf(doc), "n0 n1 n2 new");
    },
  },
  leave: {
    whom: ["leader", "old"],
    begin: (_sim, operators) => operators.ask({ verb: "leave", pnn: 0 as Pnn, why: "a test" }),
    wanted(doc) {
      assert.is(namesOf(doc), "n1 n2");
      assert.is(votersOf(doc), "n1 n2");
      assert.equal(doc.gone?.map(({ name, why }) => [name, why]), [["n0", "left"]]);
    },
  },
  "leave of the leader": {
    whom: ["leader", "old"],
    begin: (sim, operators) => {
      const leader = sim.hosts.findIndex(({ machine }) => machine?.state.lead !== undefined);
      operators.ask({ verb: "leave", pnn: leader as Pnn, why: "a test" });
    },
    wanted(doc) {
      assert.is(doc.nodes.length, 2);
      assert.is(votersOf(doc), namesOf(doc));
      assert.is(doc.gone?.length, 1);
    },
  },
  replace: {
    whom: ["leader", "new", "old"],
    begin: (sim, operators) => bringIn(sim, operators, 0 as Pnn),
    wanted(doc) {
      assert.is(namesOf(doc), "n1 n2 new");
      assert.is(votersOf(doc), "n1 n2 new");
      assert.equal(doc.gone?.map(({ name, why }) => [name, why]), [["n0", "replaced"]]);
    },
  },
};

/** Runs a deed with somebody killed at a step, which is whatever happens next anywhere; answers how many there were. */
function run(name: string, deed: Deed, who: Who, step: number): number {
  let steps = -1;
  let killed = "nobody";
  const sim: ClusterSim = new ClusterSim({
    seed: 1 + step,
    nodes: NODES + 1,
    spares: 1,
    format: 2,
    isCalm: true,
    onNote: () => {
      if (steps < 0) return;
      steps += 1;
      if (steps === step) sim.after(0, () => void (killed = strike(sim, who)));
    },
  });
  for (const host of sim.hosts.slice(0, NODES)) host.start();
  sim.run(SETTLE_MS);
  const operators = new Operators(sim);
  steps = 0;
  deed.begin(sim, operators);
  sim.run(END_MS);
  judgeEnd(sim, END_MS - 5_000);
  const about = `${name}, ${who} (${killed}) killed at step ${step}`;
  const texts = sim.checkers.violations.map(({ rule, text }) => `${rule}: ${text}`);
  assert.equal(texts, [], about);
  assert.equal([...operators.open.values()], [], about);
  const version = sim.checkers.effective.at(-1);
  const doc = version === undefined ? undefined : sim.checkers.docOf(version);
  assert.ok(doc !== undefined);
  deed.wanted(doc);
  assert.equal(doc.invitations ?? [], []);
  for (const one of doc.nodes) {
    assert.is(one.leaving ?? one.replaces ?? one.wantsVote, undefined, about);
  }
  return steps;
}

function strike(sim: ClusterSim, who: Who): string {
  const host = who === "leader"
    ? sim.hosts.find(({ machine }) => machine?.state.lead !== undefined)
    : sim.hosts[who === "new" ? NEW : 0];
  if (host === undefined || !host.isUp) return "nobody";
  host.kill();
  sim.after(DOWN_MS, () => host.start());
  return `n${host.index}`;
}

for (const [name, deed] of Object.entries(DEEDS)) {
  for (const who of deed.whom) {
    test(
      `${name}: the ${who} is killed at any step`,
      limit(60_000, () => {
        let count = STEPS_MAX;
        for (let step = 1; step <= count; step++) {
          // As long as the undisturbed part of the run: later steps do not come.
          const steps = run(name, deed, who, step);
          count = Math.min(STEPS_MAX, steps);
        }
        assert.ok(count > 10 && count < STEPS_MAX, `${count} steps`);
      }),
    );
  }
}

test.run();
