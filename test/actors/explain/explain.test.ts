/**
 * Every cause with facts that fit it: it is found, first, with its figures; and facts that nearly fit it do not.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { explain, type Finding, RULES } from "../../../actors/explain/explain.ts";
import type { Facts } from "../../../actors/explain/facts.ts";
import { withoutOutsiders } from "../../../actors/explain/seen.ts";
import { DEAD, DEEP_CASES, log, n0Down } from "./cases.ts";
import { ADDRESS_CASES } from "./cases_addresses.ts";
import { bankWithout, COMMIT_CASES } from "./cases_commits.ts";
import { RECORD_CASES } from "./cases_records.ts";
import { RESOURCE_CASES } from "./cases_resources.ts";
import { SERVICE_CASES } from "./cases_services.ts";
import { WIDE_CASES } from "./cases_wide.ts";
import { change, inside, leaderless, lost, NAMES, outside, peer, place } from "./state.ts";
import { seen, server, well } from "./state.ts";

const CASES = [
  ...[...DEEP_CASES, ...WIDE_CASES, ...RECORD_CASES, ...COMMIT_CASES],
  ...[...SERVICE_CASES, ...ADDRESS_CASES, ...RESOURCE_CASES],
];
const test = suite("explain: causes");

/** All that a finding says. */
function said({ title, evidence, next, commands }: Finding): string {
  return [title, ...evidence, ...next, ...commands].join("\n");
}

for (const { id, about, facts, node, severity, says } of CASES) {
  test(`${id}${about === undefined ? "" : `: ${about}`}`, () => {
    const [first] = explain(facts);
    assert.is(first?.id, id);
    assert.is(first?.node, node);
    assert.is(first?.severity, severity ?? (node === undefined ? "critical" : first?.severity));
    const text = said(first as Finding);
    for (const part of says) {
      if (typeof part === "string") assert.ok(text.includes(part), `${part} in:\n${text}`);
      else assert.match(text, part);
    }
    // Without its rule the same facts are explained differently.
    const others = explain(facts, RULES.filter((rule) => rule.id !== id));
    assert.is.not(others[0]?.id, id);
  });
}

test("three nodes that are well: nothing is found", () => {
  assert.equal(explain(well()), []);
});

test("every rule has a case, a name of its own, and words for the table", () => {
  const ids = RULES.map(({ id }) => id);
  assert.is(new Set(ids).size, ids.length);
  assert.equal([...new Set(CASES.map(({ id }) => id))].sort(), [...ids].sort());
  for (const { id, cause, evidence, next, command } of RULES) {
    for (const words of [cause, evidence, next, command]) assert.ok(words.length > 3, id);
  }
  for (const { id, explainsHere, explainsAll } of RULES) {
    for (const other of [...explainsHere, ...explainsAll]) {
      assert.ok(ids.includes(other), `${id} explains ${other}, which no rule finds`);
      const isLater = ids.indexOf(other) > ids.indexOf(id);
      if (!isLater) assert.ok(LOOPS.has(`${id} ${other}`), `${id} stands behind ${other}`);
    }
  }
});

/** Pairs in which the one that stands first wins: both are lists of what follows from a node's standstill. */
const LOOPS = new Set(
  ["cut_in", "cut_out", "cut_off", "node_silent", "no_lease", "joining", "nats_lost"].flatMap((
    id,
  ) => RULES.map((rule) => `${rule.id} ${id}`)),
);

test("what has left, or has not joined yet, is no trouble of the cluster's; asked for itself it is", () => {
  const old = place("n9", {
    left: "its state folder says: it has left",
    supervisor: DEAD,
    daemon: DEAD,
    socket: { state: "missing", waitedMs: 0 },
  });
  const node = { name: "n9", isAsked: false, outside: old, silence: "it has no socket" };
  const facts: Facts = { ...well(), nodes: [...well().nodes, node] };
  assert.is(explain(facts)[0]?.id, "node_gone");
  assert.equal(explain(withoutOutsiders(facts)), []);
  const asked = { ...facts, nodes: [{ ...node, isAsked: true }, ...well().nodes] };
  assert.is(explain(withoutOutsiders(asked))[0]?.id, "node_gone");
  assert.is(withoutOutsiders({ ...facts, nodes: [node] }).nodes.length, 0, "nobody else is there");
  const { left: _, ...place9 } = old;
  const down = { ...facts, nodes: [...well().nodes, { ...node, outside: place9 }] };
  assert.is(withoutOutsiders(down).nodes.length, 3, "it has not joined yet");
  const listed = inside(down, "n1", { peers: [...NAMES, "n9"].map((name) => peer(name)) });
  assert.is(withoutOutsiders(listed).nodes.length, 4, "it is on the leader's list");
  const runs = outside(facts, "n9", { socket: { state: "silent", waitedMs: 500 } });
  assert.is(withoutOutsiders(runs).nodes.length, 4, "its process is there");
});

test("a node that was stopped in order: the others do not wait, they serve on", () => {
  const stopped = n0Down({
    supervisor: DEAD,
    daemon: DEAD,
    socket: { state: "missing", waitedMs: 0 },
    page: { isEnded: true, leaseLeftMs: 0 },
  });
  const next = (facts: Facts) => explain(facts)[0]?.next.join("\n") ?? "";
  assert.match(next(seen(stopped, "n0", { isMember: true })), /3\.5 s after its last sign/);
  assert.match(next(seen(stopped, "n0", { isMember: false })), /the view is without n0 already/);
});

/** Facts that nearly fit a cause, and must not be explained by it. */
const NEARLY: readonly (readonly [string, string, Facts])[] = [
  ["no_quorum", "two of three are there", leaderless(lost(well(), "n1", 6000), 6100)],
  [
    "no_quorum",
    "somebody hears a leader",
    inside(lost(lost(well(), "n1", 6000), "n2", 6000), "n0", { leader: "n1" }),
  ],
  [
    "split_brain",
    "a leader that nobody follows any more",
    inside(well(), "n2", {
      lead: {
        token: "4.3",
        phase: "leading",
        sinceMs: 90_000,
        isGranting: true,
        grantedMsAgo: 900,
        isEffective: true,
      },
    }),
  ],
  [
    "split_brain",
    "documents of two versions",
    inside(well(), "n2", {
      document: { version: "5.1.6", generation: "5.1.2", hash: "bb", nodes: 3, voters: 3 },
    }),
  ],
  [
    "cut_in",
    "a node that has just died",
    seen(
      change(well(), "n2", { inside: undefined, silence: "nobody listens on its subject: x" }),
      "n2",
      { heardMsAgo: 300, reportsMsAgo: 1900 },
    ),
  ],
  [
    "node_silent",
    "a member that is heard, and is slow to answer",
    change(well(), "n2", {
      inside: undefined,
      silence: "no answer within 300 ms",
    }),
  ],
  [
    "cut_off",
    "a banned node",
    seen(
      inside(well(), "n2", { signMsAgo: 9000, isServing: false }),
      "n2",
      { flags: ["banned"], heardMsAgo: 9000, condition: "banned" },
    ),
  ],
  ["clock_skew", "one second", change(well(), "n2", { clockAheadMs: 1000 })],
  [
    "lock_unreadable",
    "a lock of one node",
    inside(well(), "n0", {
      lock: { kind: "single", readMsAgo: 99_000 },
    }),
  ],
  [
    "lock_unreadable",
    "the leader between two renewals",
    inside(well(), "n1", {
      lock: { kind: "jetstream", readMsAgo: 3400, trouble: "no answer within 1000 ms" },
    }),
  ],
  [
    "supervisor_killed",
    "an end in order",
    n0Down({
      supervisor: DEAD,
      daemon: DEAD,
      socket: { state: "missing", waitedMs: 0 },
      page: { isEnded: true, leaseLeftMs: 0 },
    }),
  ],
  [
    "daemon_hung",
    "one that is stopped",
    n0Down({
      daemon: { pid: 101, state: "stopped" },
      socket: { state: "silent", waitedMs: 150 },
    }),
  ],
  [
    "socket_gone",
    "one that is just starting",
    n0Down({
      daemon: { pid: 101, state: "running", ageMs: 500 },
      socket: { state: "missing", waitedMs: 0 },
    }),
  ],
  [
    "daemon_crashing",
    "a death of long ago",
    outside(well(), "n0", {
      log: [log("supervisor", "The daemon has died: SIGKILL", 400_000)],
    }),
  ],
  ["nats_down", "one of two servers", {
    ...well(),
    servers: [server(), server({ state: "refused" })],
  }],
  ["disk_slow", "a write that takes its time", inside(well(), "n0", { disk: { hungMs: 900 } })],
  [
    "shard_crashing",
    "a thread that is well for minutes",
    inside(well(), "n0", {
      shard: { isUp: true, failures: 2, failedMsAgo: 70_000 },
    }),
  ],
  [
    "data_crashing",
    "a data thread that is well for minutes",
    inside(well(), "n0", {
      data: { isUp: true, failures: 2, failedMsAgo: 70_000, databases: [] },
    }),
  ],
  [
    "record_held",
    "a record that a program has for a moment",
    inside(well(), "n0", {
      data: {
        isUp: true,
        failures: 0,
        databases: [{
          name: "visits",
          waiting: 1,
          slotsOpening: 0,
          keysQueried: 0,
          heldUp: { key: "a", isHex: false, pid: 9, ageMs: 300 },
        }],
      },
    }),
  ],
  [
    "view_change",
    "a document that is no view",
    inside(well(), "n1", {
      lead: {
        token: "5.1",
        phase: "leading",
        sinceMs: 60_000,
        isGranting: true,
        grantedMsAgo: 80,
        isEffective: true,
        open: { sinceMs: 900, isView: false },
      },
    }),
  ],
  [
    "split_brain",
    "an assert about one message",
    inside(well(), "n0", {
      history: [{ msAgo: 900, what: "breach", text: "breach n2: V16: a message of a dead life" }],
    }),
  ],
  [
    "split_brain",
    "what an operator has typed",
    inside(well(), "n0", {
      history: [{ msAgo: 900, what: "stepped down", text: "stepped down: yields: V2: a test" }],
    }),
  ],
  [
    "split_brain",
    "one leader each of two clusters of two names",
    inside(well(), "n2", {
      cluster: "other",
      clusterId: "d".repeat(32),
      lead: {
        token: "6.3",
        phase: "leading",
        sinceMs: 900,
        isGranting: true,
        grantedMsAgo: 100,
        isEffective: true,
      },
    }),
  ],
  [
    "foreign_document",
    "a node of another cluster's name",
    inside(well(), "n2", { cluster: "other", clusterId: "d".repeat(32) }),
  ],
  [
    "foreign_document",
    "a node of another cluster's name",
    inside(well(), "n2", { cluster: "other", clusterId: "d".repeat(32) }),
  ],
  [
    "cut_off",
    "a node without NATS",
    inside(seen(well(), "n0", { heardMsAgo: 9000 }), "n0", {
      signMsAgo: 9000,
      isServing: false,
      bus: { isUp: false },
    }),
  ],
  ["cut_off", "a node that hears the leader", seen(well(), "n0", { heardMsAgo: 9000 })],
  [
    "cut_off",
    "an election: nobody hears a leader",
    seen(leaderless(well(), 3000), "n0", {
      heardMsAgo: 9000,
    }),
  ],
  [
    "lock_unreadable",
    "a read of 4 s ago, without a trouble",
    inside(well(), "n2", {
      lock: { kind: "jetstream", readMsAgo: 4000 },
    }),
  ],
  [
    "lock_unreadable",
    "a node without NATS, which keeps that lock",
    inside(well(), "n0", {
      bus: { isUp: false },
      lock: { kind: "jetstream", readMsAgo: 9000 },
    }),
  ],
  [
    "cut_in",
    "a node that ends in order",
    inside(
      seen(well(), "n2", { reportsMsAgo: 4000 }),
      "n2",
      { runstate: "shutdown", signMsAgo: 4000, isServing: false },
    ),
  ],
  [
    "cut_out",
    "a node that ends in order",
    inside(
      seen(well(), "n2", { heardMsAgo: 4000 }),
      "n2",
      { runstate: "shutdown", isServing: false },
    ),
  ],
  [
    "daemon_crashing",
    "two deaths, and it is up",
    outside(well(), "n0", {
      log: [1, 2].map((n) => log("supervisor", "The daemon has died: SIGKILL", n * 1000)),
    }),
  ],
  [
    "daemon_crashing",
    "the daemon's own words, or another line of the supervisor",
    outside(well(), "n0", {
      log: [1, 2, 3, 4].map((n) => log(n % 2 === 0 ? "daemon" : "supervisor", "NATS is gone", n)),
    }),
  ],
  ["node_silent", "the asked node itself", n0Down({ socket: { state: "silent", waitedMs: 500 } })],
  [
    "nats_denied",
    "words in the log of a daemon that is gone",
    n0Down({
      daemon: DEAD,
      supervisor: DEAD,
      socket: { state: "missing", waitedMs: 0 },
      log: [log("daemon", "No NATS: it refuses key U (Authorization Violation)", 9000)],
    }),
  ],
];

for (const [id, about, facts] of NEARLY) {
  test(`not ${id}: ${about}`, () => {
    const all = explain(facts).flatMap((finding) => [finding, ...finding.also]);
    assert.not.ok(all.some((finding) => finding.id === id), JSON.stringify(all, undefined, 1));
  });
}

test("a database that waits for a copy names the nodes that are not well, and how to ask them", () => {
  const waits = explain(bankWithout()).find(({ id }) => id === "commit_waits");
  assert.equal(waits?.evidence.at(-1), "not well: n2");
  assert.is(waits?.commands[0], "ctdbx node status n2 --home /srv/n0");
});

test.run();
