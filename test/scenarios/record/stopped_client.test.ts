/**
 * A whole node stands still with a client inside the mutex, is expelled, and goes on: what its client touches does not
 * count. Section 11, step 4.
 *
 *   0.0 s  node 1 owns the record; its client is inside the mutex       1..9 s  the node stands still
 *   ...    the others expel it, recover the record, and write it        9 s     the client goes on: reads, or writes
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RECORD_RULES } from "../../../actors/machines/record/rules.ts";
import type { RecordRules } from "../../../actors/machines/record/rules.ts";
import type { Manners } from "../../../actors/machines/sim/records/clients.ts";
import { MappedClient } from "../../../actors/machines/sim/records/mapped_client.ts";
import { RecordSim } from "../../../actors/machines/sim/records/record_sim.ts";
import { RemoteClient } from "../../../actors/machines/sim/records/remote_client.ts";
import { brokenRule } from "../../swarm/record_broken.ts";

const test = suite("a client that is stopped inside");

const MANNERS: Manners = {
  keys: ["n0"],
  watched: [],
  thinkMs: 1_000,
  deadlineMs: 20_000,
  reads: 0,
  deletes: 0,
  stops: 0,
  stopMs: 1,
  dies: 0,
  calls: 0,
  isActive: false,
};

/** What the client was told, and what the judges say. */
function run(what: "read" | "write", rules: RecordRules): { outcome: string; rules: string[] } {
  const sim = new RecordSim({ seed: 1, nodes: 3, isCalm: true, recordRules: rules });
  sim.start();
  sim.run(3_000);
  const host = sim.recordHosts[1];
  const other = sim.recordHosts[2];
  if (host === undefined || other === undefined) throw new RangeError("three nodes");
  const first = new RemoteClient(sim, host, 1, MANNERS);
  first.lock("n0");
  sim.run(4_000);
  // A reader elsewhere: so there is a copy to fall back to.
  new RemoteClient(sim, other, 2, MANNERS).read("n0");
  sim.run(5_000);
  // Its client goes into the mutex and is stopped there; so is its node.
  const client = new MappedClient(sim, host, 3, { ...MANNERS, stops: 10_000, stopMs: 2_000 });
  client.do("n0", what, 60_000);
  sim.run(5_500);
  host.stop();
  sim.run(10_000);
  new RemoteClient(sim, other, 4, MANNERS).lock("n0");
  sim.run(12_000);
  host.host.resume();
  sim.run(25_000);
  sim.judge();
  const log = sim.ledger.ops[2];
  const said = new Set(sim.checkers.violations.map(({ rule }) => rule));
  return { outcome: log?.outcome ?? "none", rules: [...said] };
}

test("A write of it is unknown, and nobody is misled", () => {
  assert.equal(run("write", RECORD_RULES), { outcome: "unknown", rules: [] });
});

test("A read of it is done again, in the next life", () => {
  assert.equal(run("read", RECORD_RULES), { outcome: "ok", rules: [] });
});

test("Without the check after, a write is told as done that never counted", () => {
  assert.equal(run("write", brokenRule("checksLeaseAfter")), { outcome: "ok", rules: ["order"] });
});

test.run();
