/**
 * Several faults at once: the root cause first, what follows from it under it, and what stands for itself beside it.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { explain, type Finding, gravest } from "../../../actors/explain/explain.ts";
import { checksOf, unseenOf } from "../../../actors/explain/checks.ts";
import type { Facts, Rule } from "../../../actors/explain/facts.ts";
import { change, inside, leaderless, lost, outside, seen, server, well } from "./state.ts";

const test = suite("explain: ranking");

/** Findings as words: "cause@node", with those under it in brackets. */
function shape(findings: readonly Finding[]): string[] {
  const name = ({ id, node }: Finding) => node === undefined ? id : `${id}@${node}`;
  return findings.map((finding) =>
    finding.also.length === 0
      ? name(finding)
      : `${name(finding)} [${finding.also.map(name).sort().join(" ")}]`
  );
}

const STOPPED = {
  daemon: { pid: 101, state: "stopped" },
  socket: { state: "silent", waitedMs: 150 },
  page: { isEnded: false, leaseLeftMs: -3000 },
} as const;

test("NATS is gone: all that the nodes show follows from it", () => {
  let facts: Facts = { ...well(), servers: [server({ state: "refused" })] };
  for (const name of ["n1", "n2"]) facts = lost(facts, name, 5000, false);
  facts = inside(leaderless(facts, 5000), "n0", { bus: { isUp: false } });
  assert.equal(shape(explain(facts)), ["nats_down [no_lease@n0]"]);
});

test("NATS hangs, seen before the daemons notice it", () => {
  let facts: Facts = { ...well(), servers: [server({ state: "silent", ms: 300 })] };
  for (const name of ["n1", "n2"]) facts = lost(facts, name, 5000, false);
  const [first, ...more] = explain(leaderless(facts, 5000));
  assert.is(first?.id, "nats_hung");
  assert.equal(more, []);
  assert.ok(first?.also.some(({ id }) => id === "no_quorum"));
});

test("the leader is stopped: the silence and the election are its doing", () => {
  const facts = inside(
    leaderless(outside(lost(well(), "n1", 1400, false), "n1", STOPPED), 1400),
    "n2",
    { stand: { sinceMs: 60, why: "no sign of a leader", rounds: 1, acks: 0 } },
  );
  const [first, ...more] = explain(facts);
  assert.is(first?.id, "daemon_stopped");
  assert.is(first?.node, "n1");
  assert.equal(more, []);
  assert.ok(first?.also.some(({ id }) => id === "electing"));
});

test("two of three are dead: no quorum, made of these two", () => {
  let facts = well();
  for (const name of ["n1", "n2"]) {
    facts = outside(lost(facts, name, 6000), name, {
      supervisor: { pid: 1, state: "gone" },
      daemon: { pid: 2, state: "gone" },
      socket: { state: "refused", waitedMs: 0 },
      page: { isEnded: false, leaseLeftMs: -4000 },
    });
  }
  assert.equal(shape(explain(leaderless(facts, 6000))), [
    "no_quorum [no_lease@n0 node_silent@n1 node_silent@n2 supervisor_killed@n1 supervisor_killed@n2]",
  ]);
});

test("a wrong configuration explains why the daemon does not run, and its silence", () => {
  const facts = outside(lost(well(), "n2", 9000), "n2", {
    configFault: "Cannot read it",
    supervisor: { pid: 1, state: "gone" },
    daemon: { pid: 2, state: "gone" },
    socket: { state: "missing", waitedMs: 0 },
    page: { isEnded: true, leaseLeftMs: 0 },
  });
  assert.equal(shape(explain(facts)), ["config_error@n2 [daemon_not_running@n2 node_silent@n2]"]);
});

test("faults of two nodes stand beside each other, the graver one first", () => {
  const facts = change(inside(well(), "n0", { disk: { fault: "ENOSPC" } }), "n2", {
    clockAheadMs: 60_000,
  });
  assert.equal(shape(explain(facts)), ["disk_full@n0", "clock_skew@n2"]);
});

test("of equal ones the asked node's comes first, then by name", () => {
  let facts = well();
  for (const name of ["n2", "n1", "n0"]) facts = inside(facts, name, { disk: { fault: "ENOSPC" } });
  const other = {
    ...facts,
    nodes: facts.nodes.map((node) => ({ ...node, isAsked: node.name === "n2" })),
  };
  assert.equal(shape(explain(facts)), ["disk_full@n0", "disk_full@n1", "disk_full@n2"]);
  assert.equal(shape(explain(other)), ["disk_full@n2", "disk_full@n0", "disk_full@n1"]);
});

test("a full disk explains why its node is out; the other node's silence is its own", () => {
  let facts = inside(seen(well(), "n0", { condition: "joining", isMember: false }), "n0", {
    disk: { fault: "ENOSPC" },
    isServing: false,
    isMember: false,
  });
  facts = lost(facts, "n2", 9000);
  assert.equal(shape(explain(facts)), [
    "disk_full@n0 [joining@n0 no_lease@n0]",
    "node_silent@n2",
  ]);
});

test("split brain stands before everything, also with the disk full and a node away", () => {
  let facts = inside(well(), "n2", { clusterId: "d".repeat(32) });
  facts = inside(facts, "n0", { disk: { fault: "ENOSPC" } });
  const [first, second] = explain(facts);
  assert.is(first?.id, "split_brain");
  assert.is(second?.id, "disk_full");
});

test("a banned node is not called cut off, joining, or without a lease besides", () => {
  const facts = inside(
    seen(well(), "n2", { condition: "banned", flags: ["banned"], isMember: false }),
    "n2",
    { isServing: false, isMember: false, leaseLeftMs: -9000 },
  );
  assert.equal(shape(explain(facts)), ["node_banned@n2"]);
});

test("a wrong key of one node is not the cluster's", () => {
  const facts = inside(lost(well(), "n0", 9000), "n0", {
    bus: { isUp: false, trouble: "it refuses key U (Authorization Violation)" },
    isServing: false,
    leaseLeftMs: -5000,
  });
  assert.equal(shape(explain(facts)), ["nats_denied@n0 [no_lease@n0]"]);
});

test("what is only worth knowing explains nothing and is no trouble", () => {
  const refused = { counters: { sent: 1, received: 9, refused: { version: 3 } } };
  const facts = inside(well(), "n0", refused);
  assert.equal(shape(explain(facts)), ["other_version@n0"]);
  assert.is(gravest(explain(facts)), "info");
  const worse = inside(facts, "n0", { ...refused, disk: { fault: "EIO" } });
  assert.is(gravest(explain(worse)), "error");
  assert.is(gravest([]), undefined);
});

test("a chain of three hangs under its first link", () => {
  const rule = (id: string, explainsHere: readonly string[]): Rule => ({
    id,
    cause: "",
    evidence: "",
    next: "",
    command: "",
    explainsHere,
    explainsAll: [],
    find: () => [{
      node: "n0",
      title: id,
      severity: id === "c" ? "critical" : "warning",
      evidence: [],
      next: [],
      commands: [],
    }],
  });
  const rules = [rule("d", []), rule("a", ["b"]), rule("b", ["c"]), rule("c", [])];
  // The group of the critical one comes first, by its root.
  assert.equal(shape(explain(well(), rules)), ["a@n0 [b@n0 c@n0]", "d@n0"]);
});

test("all well: what was looked at is said with figures, and what could not be", () => {
  const text = checksOf(well()).join("\n");
  for (
    const part of [
      "3 of 3 nodes have answered",
      "n1 leads, with a majority behind it 80 ms ago; 3 of 3",
      "the shortest lease lasts 2.2 s more",
      "n0, n1 and n2 have document 5.1.7",
      "NATS 2.9.10 at 127.0.0.1:4222 greets after 2 ms",
      "wall clocks are within 1 ms",
      "n0: supervisor running, 9.3 GiB free, no warning",
    ]
  ) assert.ok(text.includes(part), `${part} in:\n${text}`);
  assert.equal(unseenOf(well()).length, 1);
  assert.match(unseenOf(well())[0] ?? "", /of n1 and n2: they are not on this machine/);
  assert.match(unseenOf(lost(well(), "n2", 100)).join(), /what n2 would say: no answer/);
});

test.run();
