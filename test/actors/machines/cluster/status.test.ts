/**
 * What a node says of the cluster and of itself.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { explainLeader, statusOf } from "../../../../actors/machines/cluster/status.ts";
import { ClusterSim, nodeIdOf } from "../../../../actors/machines/sim/cluster_sim.ts";
import type { Host } from "../../../../actors/machines/sim/host.ts";
import { Alone } from "./one_machine.ts";

const test = suite("status");

function cluster(): ClusterSim {
  const sim = new ClusterSim({ seed: 1, nodes: 3, isCalm: true });
  sim.start();
  sim.run(3000);
  return sim;
}

function status(sim: ClusterSim, index: number) {
  const { machine, clock } = hostOf(sim, index);
  assert.ok(machine !== undefined);
  return statusOf(machine.state, clock);
}

function hostOf(sim: ClusterSim, index: number) {
  const host: Host | undefined = sim.hosts[index];
  assert.ok(host !== undefined);
  return { machine: host.machine, clock: host.clock(sim.nowMs), host };
}

test("A member that serves: leader, view and lease, no trouble", () => {
  const sim = cluster();
  const { leader, runstate, trouble, isLeading, leaseLeftMs, nodes, lock } = status(sim, 0);
  assert.equal([leader, runstate, trouble, isLeading], [nodeIdOf(2), "running", "", false]);
  assert.ok(leaseLeftMs > 2000 && leaseLeftMs <= 2500);
  assert.ok(
    nodes.every(({ isMember, isVoter, silentMs }) =>
      isMember && isVoter && (silentMs ?? NaN) < 300
    ),
  );
  assert.is(lock.record?.holder, nodeIdOf(2));
  assert.ok(status(sim, 2).isLeading);
});

test("What is wrong is said in words", () => {
  const sim = cluster();
  hostOf(sim, 0).host.feed({
    kind: "command",
    verbId: "1",
    command: { verb: "ban", pnn: 0 as never, banMs: 9e5, why: "x" },
  });
  sim.run(3300);
  assert.is(status(sim, 0).trouble, "not in the view: banned");
  assert.is(status(sim, 1).nodes[0]?.ban?.why, "x");
  for (const to of [0, 2]) {
    sim.links.cut(1, to, true);
    sim.links.cut(to, 1, true);
  }
  sim.run(6500);
  assert.match(status(sim, 1).trouble, /lease is over/);
  assert.is(status(sim, 1).leader, undefined);
  const alone = new Alone();
  assert.match(statusOf(alone.machine.state, 1000).trouble, /fenced/);
  assert.match(statusOf(alone.begin().machine.state, 1000).trouble, /no leader has told/);
});

test("Why who leads leads", () => {
  const sim = cluster();
  const explain = (index: number) => {
    const { machine, clock } = hostOf(sim, index);
    return machine === undefined ? "" : explainLeader(machine.state, clock).join("\n");
  };
  assert.match(explain(2), /leads with token 0\.3: no sign of a leader/);
  assert.match(explain(0), /Node 00000002a+ led with token 0\.3 \d+ ms ago/);
  hostOf(sim, 2).host.pause();
  sim.run(4200);
  assert.match(explain(0), /This node stands: no sign of a leader; 1 rank before it/);
});

test.run();
