/**
 * Times and counts of the commit machine, each with what it is and what the simulator may draw for it.
 *
 * Safety rests on none of them.
 *
 * Does NOT promise: that any mix is quick.
 */

import { count, ms, type Tunable, tunable } from "../tunable.ts";

const MIB = 1024 * 1024;

function bytes(name: string, value: number, wild: readonly number[], doc: string): Tunable {
  return tunable(name, "bytes", value, wild, doc);
}

/** All of them, by the name they have in CommitTiming. */
export const COMMIT_TUNABLES = {
  groupMs: ms("groupMs", 1, [0.2, 1, 5], "a group closes so long after its first request"),
  groupBytes: bytes("groupBytes", MIB, [40, 300, MIB], "a group closes at this size"),
  groupsMax: count("groupsMax", 64, [1, 3, 64], "groups that are not committed yet"),
  backlogBytes: bytes(
    "backlogBytes",
    16 * MIB,
    [500, 16 * MIB],
    "committed and not applied; beyond, no new groups",
  ),
  appendBytes: bytes("appendBytes", MIB, [50, 500, MIB], "entries in one APPEND or SHIP, about"),
  flightBytes: bytes("flightBytes", 4 * MIB, [200, 4 * MIB], "sent to one copy and not answered"),
  repeatMs: ms("repeatMs", 50, [40, 60], "what was not answered is sent again; doubled"),
  repeatMaxMs: ms("repeatMaxMs", 500, [200, 500], "longest time between two of them"),
  idleMs: ms("idleMs", 500, [100, 500], "an empty APPEND when there is nothing else"),
  tellMs: ms("tellMs", 2, [0, 2, 20], "copies are told so soon what is committed"),
  deafMs: ms(
    "deafMs",
    1500,
    [600, 1500],
    "a copy that answered nothing so long does not count for serving",
  ),
  slowMs: ms("slowMs", 800, [200, 800], "no progress so long while entries wait: out of the set"),
  calmMs: ms("calmMs", 300, [50, 300], "a copy keeps up so long before it comes into the set"),
  calmGroups: count("calmGroups", 2, [1, 2], "and lacks so many groups at most"),
  rejoinMs: ms("rejoinMs", 30_000, [500, 5_000], "and comes back no more often; doubled"),
  rejoinMaxMs: ms("rejoinMaxMs", 600_000, [2_000, 10_000], "longest time between two of them"),
  resubmitMs: ms("resubmitMs", 250, [60, 250], "a request that was not answered is sent again"),
  readRepeatMs: ms("readRepeatMs", 100, [50, 100], "the same for reads"),
  shippedMs: ms("shippedMs", 1000, [100, 1000], "a follower tells where it is"),
  followMs: ms(
    "followMs",
    5000,
    [1_000, 5_000],
    "a follower that told nothing so long is forgotten",
  ),
  sessionKeepMs: ms(
    "sessionKeepMs",
    24 * 3_600_000,
    [4_000, 24 * 3_600_000],
    "sessions of a life that left the view are kept so long",
  ),
  windowMax: count(
    "windowMax",
    1024,
    [3, 1024],
    "transactions of a session whose fate it does not know",
  ),
  sessionsMax: count("sessionsMax", 65_536, [20, 65_536], "sessions of one database"),
  checkpointEntries: count(
    "checkpointEntries",
    1024,
    [3, 50, 1024],
    "applied entries between two checkpoints",
  ),
  keepEntries: count("keepEntries", 4096, [2, 20, 4096], "applied entries kept in memory"),
  keepLog: count("keepLog", 100_000, [5, 100, 100_000], "applied entries kept on the disk"),
  txnBytes: bytes("txnBytes", 30 * MIB, [400, 30 * MIB], "the largest transaction"),
} as const satisfies Record<string, Tunable>;

/** The values in force. */
export type CommitTiming = { readonly [Name in keyof typeof COMMIT_TUNABLES]: number };

/** The values as they are delivered. */
export function defaultCommitTiming(): CommitTiming {
  const entries = Object.entries(COMMIT_TUNABLES).map(([name, { value }]) => [name, value]);
  return Object.fromEntries(entries) as CommitTiming;
}
