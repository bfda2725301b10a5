/**
 * Facts for each cause, and what explain must say of them: processes, NATS, disks, two leaders.
 *
 * Does NOT promise: facts of a real daemon; test/live/faults/ has those.
 */

import type { Facts } from "../../../actors/explain/facts.ts";
import { change, inside, leaderless, lost, outside, server, well } from "./state.ts";

/** A cause, the facts, and what must be said. */
export interface Case {
  readonly id: string;
  readonly about?: string;
  readonly facts: Facts;
  /** The node that it is about. */
  readonly node?: string;
  readonly severity?: string;
  /** Found in evidence, next, commands: each must be there. */
  readonly says: readonly (RegExp | string)[];
}

/** n0 without a word of its own, and what this machine shows of it. */
export const n0Down = (more: Parameters<typeof outside>[2]): Facts =>
  outside(
    lost(change(well(), "n0", { inside: undefined, silence: "it has no socket" }), "n0", 9000),
    "n0",
    more,
  );
/** A process that is gone. */
export const DEAD = { pid: 101, state: "gone" } as const;
/** A line of a log. */
export const log = (part: "daemon" | "supervisor", text: string, msAgo: number) => ({
  part,
  text,
  msAgo,
});

/** Causes that stop a node, and the gravest ones. */
export const DEEP_CASES: readonly Case[] = [
  {
    id: "split_brain",
    about: "two leaders",
    facts: inside(well(), "n2", {
      isLeader: true,
      leader: "n2",
      lead: {
        token: "6.3",
        phase: "leading",
        sinceMs: 900,
        isGranting: true,
        grantedMsAgo: 100,
        isEffective: true,
      },
    }),
    says: [/n1 leads with token 5\.1/, /n2 leads with token 6\.3/, "leader history all"],
  },
  {
    id: "split_brain",
    about: "two documents",
    facts: inside(well(), "n2", {
      document: { version: "5.1.7", generation: "5.1.2", hash: "bb", nodes: 3, voters: 3 },
    }),
    says: [/different documents of one version, 5\.1\.7: aa and bb/],
  },
  {
    id: "split_brain",
    about: "two clusters of one name",
    facts: inside(well(), "n2", { clusterId: "d".repeat(32) }),
    says: [
      /n2 follows n1 in a cluster "edge" with the id d{32}/,
      /n0 and n1 follow n1 .* id c{32}/,
    ],
  },
  {
    id: "split_brain",
    about: "an assert that failed",
    facts: inside(well(), "n0", {
      history: [{ msAgo: 5000, what: "breach", text: "breach n2: V2: two documents 5.1.7" }],
    }),
    says: [/n0, 5\.0 s ago: breach n2: V2/],
  },
  {
    id: "nats_hung",
    facts: {
      ...well(),
      servers: [server({ state: "silent", ms: 300, owner: { pid: 77, state: "stopped" } })],
    },
    severity: "critical",
    says: [
      /process 77, state T/,
      /does not greet within 0\.3 s/,
      "kill -CONT 77",
      /lease ends in 2\.2 s/,
    ],
  },
  {
    id: "nats_hung",
    about: "by a process that is not stopped",
    facts: { ...well(), servers: [server({ state: "silent", ms: 300 })] },
    says: [/takes connections and says nothing/],
  },
  {
    id: "nats_odd",
    facts: { ...well(), servers: [server({ state: "odd", ms: 4, text: "SSH-2.0" })] },
    says: [/is no NATS server: SSH-2\.0/, "/srv/n0/ctdbx.toml"],
  },
  {
    id: "nats_down",
    facts: inside(
      { ...well(), servers: [server({ state: "refused" }), server({ state: "unreachable" })] },
      "n0",
      { bus: { isUp: false, trouble: "nothing listens there" } },
    ),
    says: [
      /nothing listens there/,
      /n0 says: not connected to NATS/,
      /dials again at least each 1\.3 s/,
    ],
  },
  {
    id: "nats_down",
    about: "with a keeper",
    facts: outside({ ...well(), servers: [server({ state: "refused" })] }, "n0", {
      keeper: { pid: 55, state: "stopped" },
    }),
    says: [/keeper of this cluster \(process 55\).* is stopped/, "kill -CONT 55"],
  },
  {
    id: "no_quorum",
    facts: leaderless(lost(lost(well(), "n1", 6000), "n2", 7000), 6100),
    severity: "critical",
    says: [
      /there: n0; missing: n1 and n2/,
      /n1 was last heard 6\.0 s ago; asked now: no answer within 300 ms/,
      /no leader has given a sign for 6\.1 s/,
      /until 1 more voter can be heard/,
      "node ping all",
    ],
  },
  {
    id: "config_error",
    node: "n0",
    facts: n0Down({
      configFault: "Cannot read /srv/n0/ctdbx.toml: nmae is not known here",
      socket: { state: "missing", waitedMs: 0 },
      daemon: DEAD,
      supervisor: DEAD,
      page: { isEnded: true, leaseLeftMs: 0 },
    }),
    says: [/nmae is not known/, "daemon start --home /srv/n0"],
  },
  {
    id: "config_error",
    about: "while the daemon runs",
    node: "n0",
    severity: "warning",
    facts: outside(well(), "n0", { configFault: "Cannot read x: no TOML" }),
    says: [/goes on with what it read at its start/],
  },
  {
    id: "socket_denied",
    node: "n0",
    facts: n0Down({ socket: { state: "denied", waitedMs: 1, text: "permission denied" } }),
    says: ["sudo ctdbx cluster explain --home /srv/n0"],
  },
  {
    id: "daemon_stopped",
    node: "n0",
    facts: n0Down({
      daemon: { pid: 101, state: "stopped", ageMs: 1 },
      socket: { state: "silent", waitedMs: 150 },
      page: { isEnded: false, leaseLeftMs: -7500 },
    }),
    says: [
      /state T/,
      /over since 7\.5 s/,
      /kills it after 30 s .*in 25 s at the latest/,
      "kill -CONT 101",
    ],
  },
  {
    id: "supervisor_stopped",
    node: "n0",
    severity: "warning",
    facts: outside(well(), "n0", { supervisor: { pid: 100, state: "stopped" } }),
    says: [/process 100 is in state T/, "kill -CONT 100", /the daemon works/],
  },
  {
    id: "supervisor_stopped",
    about: "with a dead daemon",
    node: "n0",
    severity: "error",
    facts: n0Down({
      supervisor: { pid: 100, state: "stopped" },
      daemon: DEAD,
      socket: { state: "refused", waitedMs: 0 },
      page: { isEnded: false, leaseLeftMs: -900 },
    }),
    says: [/nothing starts the daemon/],
  },
  {
    id: "supervisor_killed",
    node: "n0",
    facts: n0Down({
      supervisor: { pid: 100, state: "gone" },
      daemon: DEAD,
      socket: { state: "refused", waitedMs: 0 },
      page: { isEnded: false, leaseLeftMs: -900 },
      keeper: { pid: 55, state: "running" },
    }),
    says: [/process 100.* is gone/, /keeper of its cluster \(process 55\) starts it within 1\.0 s/],
  },
  {
    id: "supervisor_killed",
    about: "while the kernel still ends the daemon",
    node: "n0",
    facts: n0Down({
      supervisor: { pid: 100, state: "zombie" },
      daemon: { pid: 101, state: "zombie" },
      socket: { state: "silent", waitedMs: 500 },
    }),
    says: [/process 100.* is dead and not reaped yet/],
  },
  {
    id: "daemon_crashing",
    node: "n0",
    facts: n0Down({
      daemon: DEAD,
      socket: { state: "refused", waitedMs: 0 },
      page: { isEnded: true, leaseLeftMs: 0 },
      log: [
        log("supervisor", "The daemon has died: exit code 1; it is started again", 4000),
        log("daemon", "Cannot use the lock: no folder", 3900),
        log("supervisor", "The daemon has died: exit code 1; it is started again", 3000),
      ],
    }),
    says: [
      /died 2 times in the last 60 s.* 3\.0 s ago.*exit code 1/,
      /Cannot use the lock/,
      /10 s at the most/,
    ],
  },
  {
    id: "daemon_crashing",
    about: "again and again, up at this moment",
    node: "n0",
    facts: outside(well(), "n0", {
      log: [1, 2, 3].map((n) => log("supervisor", "The daemon has died: SIGKILL", n * 1000)),
    }),
    says: [/The daemon of n0 dies again and again/, /3 times/],
  },
  {
    id: "daemon_starting",
    node: "n0",
    severity: "warning",
    facts: n0Down({ socket: { state: "starting", waitedMs: 2 } }),
    says: ["node runstate --for running"],
  },
  {
    id: "daemon_hung",
    node: "n0",
    facts: n0Down({ socket: { state: "silent", waitedMs: 500 } }),
    says: [/event loop does not turn/, /does not answer for 0\.5 s/, "daemon stop --home /srv/n0"],
  },
  {
    id: "daemon_hung",
    about: "in the kernel",
    node: "n0",
    facts: n0Down({
      socket: { state: "silent", waitedMs: 500 },
      daemon: { pid: 101, state: "waiting" },
    }),
    says: [/state D/],
  },
  {
    id: "socket_gone",
    node: "n0",
    facts: n0Down({ socket: { state: "missing", waitedMs: 0 } }),
    says: [/process 101 runs for 90 s/, /is not there/],
  },
  {
    id: "daemon_not_running",
    node: "n0",
    facts: n0Down({
      supervisor: DEAD,
      daemon: DEAD,
      socket: { state: "missing", waitedMs: 0 },
      page: { isEnded: true, leaseLeftMs: 0 },
    }),
    says: [/ended in order/, /nothing starts it again/, "daemon start --home /srv/n0"],
  },
  {
    id: "nats_denied",
    node: "n0",
    facts: {
      ...inside(lost(well(), "n0", 9000), "n0", {
        bus: { isUp: false, trouble: "it refuses key UABC (Authorization Violation)" },
        isServing: false,
        leaseLeftMs: -4000,
        signMsAgo: 6500,
      }),
    },
    says: [/Authorization Violation/, /over since 4\.0 s/, "nats conf --role node"],
  },
  {
    id: "nats_denied",
    about: "on an old connection",
    node: "n0",
    severity: "warning",
    facts: { ...well(), login: { state: "denied", text: "it refuses key UABC" } },
    says: [/n0 is connected still/],
  },
  {
    id: "nats_forbids",
    node: "n2",
    facts: inside(well(), "n2", {
      bus: { isUp: true, trouble: "the server forbids key U to publish ctdbx.edge.n.x" },
    }),
    says: [/forbids key U to publish/],
  },
  {
    id: "nats_lost",
    node: "n0",
    facts: inside(well(), "n0", {
      bus: { isUp: false, trouble: "the connection was cut" },
    }),
    says: [/the connection was cut/, /greets after 2 ms/, /dials again within 1\.3 s/],
  },
  {
    id: "disk_full",
    node: "n0",
    facts: inside(
      outside(well(), "n0", { space: { freeBytes: 0, totalBytes: 524288, freeFiles: 10 } }),
      "n0",
      { disk: { fault: "Cannot write /srv/n0/state/meta.a: no space left (ENOSPC)" } },
    ),
    says: [/ENOSPC/, /0 KiB of 512 KiB free/, /again each 0\.5 s/, "df -h /srv/n0/state"],
  },
  {
    id: "disk_full",
    about: "before a write has failed",
    node: "n0",
    severity: "warning",
    facts: outside(well(), "n0", { space: { freeBytes: 1000, totalBytes: 1e9, freeFiles: 10 } }),
    says: [/its next write may fail/],
  },
  {
    id: "disk_full",
    about: "without files",
    node: "n0",
    severity: "warning",
    facts: outside(well(), "n0", { space: { freeBytes: 1e9, totalBytes: 1e9, freeFiles: 0 } }),
    says: [/and no files/, /it serves still/],
  },
  {
    id: "disk_full",
    about: "by the leader of another machine",
    node: "n1",
    facts: inside(well(), "n1", { disk: { fault: "ENOSPC" } }),
    says: [/hands the lead over/, "node status n1 --home /srv/n0"],
  },
  {
    id: "disk_denied",
    node: "n0",
    facts: outside(well(), "n0", {
      space: {
        freeBytes: 1e10,
        totalBytes: 1e11,
        freeFiles: 5,
        denied: "its file system is mounted read-only",
      },
    }),
    says: [/mounted read-only/, "findmnt -T /srv/n0/state"],
  },
  {
    id: "disk_fault",
    node: "n2",
    facts: inside(well(), "n2", { disk: { fault: "input/output error (EIO)" } }),
    says: [/EIO/],
  },
  {
    id: "disk_slow",
    node: "n0",
    facts: inside(well(), "n0", { disk: { hungMs: 4200 } }),
    says: [/since 4\.2 s/],
  },
];
