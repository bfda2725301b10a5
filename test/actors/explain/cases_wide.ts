/**
 * Facts for each cause, and what explain must say of them: what was decided, ways that are cut, the cluster, its parts.
 *
 * Does NOT promise: facts of a real daemon; test/live/faults/ has those.
 */

import type { Facts } from "../../../actors/explain/facts.ts";
import type { Case } from "./cases.ts";
import { DEAD, n0Down } from "./cases.ts";
import {
  change,
  inside,
  leaderless,
  lost,
  outside,
  place,
  seen,
  server,
  well,
  word,
} from "./state.ts";

/** Causes among nodes, and lesser ones. */
export const WIDE_CASES: readonly Case[] = [
  {
    id: "nats_down",
    about: "that a node keeps, which does not run",
    facts: outside({ ...well(), servers: [server({ state: "refused" })] }, "n0", {
      servers: ["127.0.0.1:4222"],
      supervisor: DEAD,
    }),
    says: [/n0 keeps that server, and does not run/, "ctdbx daemon start --home /srv/n0"],
  },
  {
    id: "nats_down",
    about: "that a node keeps, and starts again",
    facts: outside({ ...well(), servers: [server({ state: "refused" })] }, "n0", {
      servers: ["127.0.0.1:4222"],
    }),
    says: [/its supervisor \(process 100\) starts it again/, "tail -n 20 /srv/n0/run/nats.log"],
  },
  {
    id: "node_gone",
    node: "n0",
    facts: n0Down({
      left: "its state folder says: it left the cluster",
      daemon: DEAD,
      supervisor: DEAD,
      socket: { state: "missing", waitedMs: 0 },
      page: { isEnded: true, leaseLeftMs: 0 },
    }),
    says: [/it left the cluster/],
  },
  {
    id: "node_stopping",
    node: "n1",
    severity: "warning",
    facts: leaderless(inside(well(), "n1", { runstate: "shutdown" }), 1500),
    says: [/for 2\.0 s at the most/, "ctdbx daemon start"],
  },
  {
    id: "node_leaving",
    node: "n2",
    severity: "warning",
    facts: seen(well(), "n2", { leaving: { why: "left", step: "vote" }, flags: ["draining"] }),
    says: [/its vote is taken back/, "cluster view --home /srv/n0"],
  },
  {
    id: "node_banned",
    node: "n2",
    facts: seen(well(), "n2", {
      condition: "banned",
      flags: ["banned"],
      isMember: false,
      ban: { why: "called dead", banMs: 20_000, count: 2, leftMs: 12_000 },
    }),
    says: [
      /the reason: called dead/,
      /ban number 2 in a row, for 20 s/,
      /ends by itself in 12 s/,
      "node unban n2",
    ],
  },
  ...([
    ["node_stopped", "stopped", "node continue n2", "error"],
    ["node_disabled", "disabled", "node enable n2", "warning"],
    ["node_draining", "draining", "node drain n2 --off", "warning"],
  ] as const).map(([id, flag, command, severity]): Case => ({
    id,
    node: "n2",
    severity,
    facts: seen(well(), "n2", { condition: flag, flags: [flag], isMember: flag !== "stopped" }),
    says: [new RegExp(`its flags are ${flag}`), command],
  })),
  {
    id: "cut_in",
    about: "by its own word",
    node: "n2",
    facts: inside(
      seen(well(), "n2", { heardMsAgo: 120, reportsMsAgo: 4000, isMember: false }),
      "n2",
      { signMsAgo: 4000, isServing: false, isMember: false, leaseLeftMs: -1500 },
    ),
    says: [
      /no sign of a leader for 4\.0 s/,
      /n1 heard its last heartbeat 0\.1 s ago/,
      /is 4\.0 s old/,
    ],
  },
  {
    id: "cut_in",
    about: "by the leader's word alone",
    node: "n2",
    facts: seen(
      change(well(), "n2", { inside: undefined, silence: "no answer within 300 ms" }),
      "n2",
      { heardMsAgo: 120, reportsMsAgo: 4000, isMember: false, condition: "joining" },
    ),
    says: [/n2 does not answer: no answer within 300 ms/],
  },
  {
    id: "cut_out",
    about: "by both sides",
    node: "n2",
    facts: inside(
      seen(well(), "n2", { heardMsAgo: 4300, isMember: false, condition: "disconnected" }),
      "n2",
      { isServing: false, isMember: false, leaseLeftMs: -1800, signMsAgo: 90 },
    ),
    says: [/last sign of n1 90 ms ago/, /n1 heard its last heartbeat 4\.3 s ago/],
  },
  {
    id: "cut_out",
    about: "by its own word alone",
    node: "n0",
    facts: inside(lost(lost(well(), "n1", 100, false), "n2", 100, false), "n0", {
      isServing: false,
      leaseLeftMs: -1800,
    }),
    says: [/no other node answers/],
  },
  {
    id: "cut_off",
    node: "n0",
    facts: inside(
      seen(well(), "n0", { heardMsAgo: 5000, isMember: false, condition: "disconnected" }),
      "n0",
      { signMsAgo: 5100, isServing: false, leaseLeftMs: -2600 },
    ),
    says: [/n0 has had no sign of a leader for 5\.1 s/, /n1 leads meanwhile/],
  },
  {
    id: "no_document",
    node: "n0",
    facts: {
      ...well(),
      nodes: [{
        name: "n0",
        isAsked: true,
        outside: place("n0"),
        inside: (({ document: _d, leader: _l, ...rest }) => ({
          ...rest,
          peers: [],
          isServing: false,
          runstate: "setup",
        }))(word("n0")),
      }],
    },
    says: [/no document of cluster "edge"; its runstate is setup/],
  },
  {
    id: "foreign_document",
    node: "n2",
    facts: {
      ...well(),
      nodes: well().nodes.map((node) => {
        if (node.name !== "n2") return node;
        const { leader: _leader, ...rest } = word("n2", {
          clusterId: "d".repeat(32),
          isServing: false,
          signMsAgo: 9000,
        });
        return { ...node, inside: rest };
      }),
    },
    says: [/is of cluster d{32}/, /of n1 is of cluster c{32}/],
  },
  {
    id: "node_silent",
    about: "certified",
    node: "n2",
    facts: inside(lost(well(), "n2", 4000), "n1", {
      history: [{ msAgo: 3900, what: "certain death", text: "certain death of n2 up to life 7" }],
    }),
    says: [
      /certified the end of its daemon 3\.9 s ago \(n1\)/,
      /view is without n2 already/,
      "node ping n2",
    ],
  },
  {
    id: "node_silent",
    about: "not certified, in the view yet",
    node: "n2",
    facts: lost(well(), "n2", 2000, false),
    says: [/no certificate of its death/, /waited out in 1\.4 s/],
  },
  {
    id: "electing",
    severity: "warning",
    facts: inside(leaderless(well(), 1500), "n2", {
      stand: { sinceMs: 200, why: "no sign of a leader", rounds: 2, acks: 1, rank: 0 },
    }),
    says: [
      /no sign for|no leader has given a sign for 1\.5 s/,
      /n2 stands since 0\.2 s.* asked 2 times, 1 voter/,
    ],
  },
  {
    id: "electing",
    about: "one that has yielded, and one that was chosen",
    severity: "warning",
    facts: inside(inside(leaderless(well(), 1500), "n1", { holdOffLeftMs: 8500 }), "n2", {
      lead: {
        token: "6.3",
        phase: "promising",
        sinceMs: 40,
        isGranting: false,
        grantedMsAgo: 40,
        isEffective: false,
      },
    }),
    says: [
      /n1 has given up the lead and does not stand for another 8\.5 s/,
      /n2 was chosen 40 ms ago and is promising, token 6\.3/,
      /n0 does not stand/,
    ],
  },
  {
    id: "electing",
    about: "for too long",
    severity: "error",
    facts: leaderless(well(), 9000),
    says: [/9\.0 s/],
  },
  {
    id: "view_change",
    severity: "warning",
    facts: inside(well(), "n1", {
      lead: {
        token: "5.1",
        phase: "leading",
        sinceMs: 60_000,
        isGranting: true,
        grantedMsAgo: 80,
        isEffective: true,
        deferredMs: 1500,
      },
    }),
    says: [/another view is wanted since 1\.5 s/, /in 2\.5 s at the latest/],
  },
  {
    id: "view_change",
    about: "a proposal that waits for one",
    severity: "warning",
    facts: inside(inside(well(), "n2", { isFrozen: true }), "n1", {
      lead: {
        token: "5.1",
        phase: "leading",
        sinceMs: 60_000,
        isGranting: true,
        grantedMsAgo: 80,
        isEffective: true,
        open: { sinceMs: 900, isView: true, waitsFor: "n2" },
      },
    }),
    says: [/asks since 0\.9 s and waits for n2/, /frozen until it is in force: n2/],
  },
  {
    id: "joining",
    node: "n2",
    severity: "warning",
    facts: inside(seen(well(), "n2", { condition: "joining", isMember: false }), "n2", {
      isMember: false,
      isServing: false,
      runstate: "first_recovery",
    }),
    says: [/first_recovery/],
  },
  {
    id: "no_lease",
    node: "n2",
    facts: inside(well(), "n2", { isServing: false, leaseLeftMs: -300 }),
    says: [/over since 0\.3 s/, /hears n1 lead/],
  },
  {
    id: "vote_elsewhere",
    node: "n2",
    facts: inside(well(), "n2", { isVoteElsewhere: true }),
    says: [/former disk/],
  },
  {
    id: "clock_skew",
    node: "n2",
    facts: change(well(), "n2", { clockAheadMs: 3_600_000 }),
    says: [/60 min ahead/, /this machine and n0 and n1: \+60 min/, "timedatectl status"],
  },
  {
    id: "clock_skew",
    about: "behind",
    node: "n0",
    facts: change(well(), "n0", { clockAheadMs: -2500 }),
    says: [/2\.5 s behind/, /-2\.5 s/],
  },
  {
    id: "node_unhealthy",
    node: "n2",
    facts: seen(well(), "n2", { condition: "unhealthy", why: "an event script failed" }),
    says: [/an event script failed/],
  },
  {
    id: "lock_unreadable",
    facts: ["n0", "n1", "n2"].reduce(
      (facts, name) =>
        inside(facts, name, {
          lock: { kind: "jetstream", readMsAgo: 6000, trouble: "the server has no JetStream" },
        }),
      { ...well(), servers: [server({ hasJetStream: false })] } as Facts,
    ),
    severity: "warning",
    says: [
      /n2 has had no answer of the jetstream lock for 6\.0 s: the server has no/,
      /has no JetStream, which/,
    ],
  },
  {
    id: "lock_unreadable",
    about: "at one node",
    node: "n2",
    facts: inside(well(), "n2", { lock: { kind: "file", readMsAgo: 5200 } }),
    says: [/n2 has had no answer of the file lock for 5\.2 s/, /does not answer n2/],
  },
  {
    id: "lock_unreadable",
    about: "with a trouble, a little earlier",
    node: "n2",
    facts: inside(well(), "n2", {
      lock: { kind: "jetstream", readMsAgo: 4000, trouble: "no answer within 1000 ms" },
    }),
    says: [/for 4\.0 s: no answer within 1000 ms/],
  },
  {
    id: "lock_lost",
    severity: "warning",
    facts: inside(well(), "n1", { lock: { kind: "jetstream", readMsAgo: 300, isOwn: false } }),
    says: [/shows nobody, read 0\.3 s ago/, /within 2\.5 s/],
  },
  {
    id: "shard_crashing",
    node: "n2",
    severity: "warning",
    facts: inside(well(), "n2", {
      shard: { isUp: false, failures: 4, failedMsAgo: 700, why: "out of memory" },
    }),
    says: [/failed 4 times.*0\.7 s ago: out of memory/, /10 s at the most/],
  },
  {
    id: "nats_partly",
    severity: "warning",
    facts: { ...well(), servers: [server(), server({ server: "b:4222", state: "refused" })] },
    says: [/b:4222: nothing listens there/],
  },
  {
    id: "disk_low",
    node: "n0",
    severity: "warning",
    facts: outside(well(), "n0", { space: { freeBytes: 3e7, totalBytes: 1e11, freeFiles: 9 } }),
    says: [/28 MiB of 93\.1 GiB free/],
  },
  ...([
    ["other_version", "version"],
    ["other_cluster", "cluster"],
    ["odd_messages", "sender"],
  ] as const).map(([id, code]): Case => ({
    id,
    node: "n0",
    severity: "info",
    facts: inside(well(), "n0", { counters: { sent: 1, received: 9, refused: { [code]: 3 } } }),
    says: [new RegExp(`${code} 3, of 9 received`)],
  })),
];
