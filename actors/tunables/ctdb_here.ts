/**
 * Tunables of ctdb that govern something in ctdbx, with ctdb's names, units and defaults.
 *
 * Does NOT promise: the same effect to the letter; `doc` says what it is here.
 * Upstream: ctdb 4.17, tunables.
 */
import { VOLATILE_HASH_SIZE_MAX } from "../../transport/wire/limits.ts";
import { here, type TunableEntry } from "./entry.ts";

const SWITCH = { min: 0, max: 1, wild: [0, 1] } as const;

/** All of them. */
export const CTDB_HERE: readonly TunableEntry[] = [
  here(
    "AllowClientDBAttach",
    "switch",
    1,
    { ...SWITCH, reader: "the asked node" },
    "0: programs may not make databases; those that are there they may go on using, and `ctdbx db attach` makes " +
      "them all the same. Differs from upstream: ctdb refuses those that are there, too",
  ),
  here(
    "DatabaseHashSize",
    "count",
    100_001,
    { min: 1, max: VOLATILE_HASH_SIZE_MAX, wild: [1, 101, 100_001], reader: "the asked node" },
    "hash chains of a volatile database that is made from now on, when neither the program nor `--hash-size` says it",
  ),
  here(
    "DBRecordCountWarn",
    "count",
    100_000,
    { min: 0, max: 0xffff_ffff, wild: [0, 3, 100_000] },
    "a database with more records at this node is told in the log; 0: never. Differs from upstream: looked at all " +
      "the time, not only in recoveries",
  ),
  here(
    "DBSizeWarn",
    "bytes",
    100_000_000,
    { min: 0, max: 0xffff_ffff, wild: [0, 4096, 100_000_000] },
    "a database whose file is larger at this node is told in the log; 0: never",
  ),
  here(
    "EnableBans",
    "switch",
    1,
    { ...SWITCH, reader: "the leader" },
    "0: credits end in no ban. A node that breaks the protocol is left out all the same, and `node ban` works",
  ),
  here(
    "EventScriptTimeout",
    "s",
    30,
    { min: 1, max: 3600, wild: [1, 30] },
    "all scripts of an event together may take so long; then their process group is killed. [scripts] of a node may " +
      "say otherwise",
  ),
  here(
    "HopcountMakeSticky",
    "count",
    50,
    { min: 1, max: 1_000_000, wild: [1, 5, 50] },
    "a record that moves so often in a second stays StickyPindown wherever it comes, for StickyDuration; in " +
      "databases whose setting sticky is not off",
  ),
  here(
    "IPAllocAlgorithm",
    "choice",
    2,
    { min: 0, max: 2, wild: [0, 1, 2], reader: "the leader" },
    "how public addresses are dealt: 0 deterministic, 1 non-deterministic, 2 LCP2 (docs/ADDRESSES.md)",
  ),
  here(
    "MonitorInterval",
    "s",
    15,
    { min: 1, max: 3600, wild: [1, 15] },
    "longest time between two monitor events: they begin at 2 s, and the time doubles up to this",
  ),
  here(
    "MonitorTimeoutCount",
    "count",
    20,
    { min: 1, max: 1000, wild: [1, 20] },
    "so many monitor events in a row that take too long make a node unhealthy",
  ),
  here(
    "NoIPFailback",
    "switch",
    0,
    { ...SWITCH, reader: "the leader" },
    "1: an address stays where it is when a node becomes healthy; it moves only away from one that may not have it",
  ),
  here(
    "NoIPTakeover",
    "switch",
    0,
    { ...SWITCH, reader: "the leader" },
    "1: an address goes to no other node; where its node may not have it any more nobody has it",
  ),
  here(
    "RecLockLatencyMs",
    "ms",
    1000,
    { min: 0, max: 3_600_000, wild: [0, 1, 1000] },
    "an operation on the leader lock that takes longer is told in the log; 0: never",
  ),
  here(
    "RecoveryBanPeriod",
    "s",
    300,
    { min: 1, max: 86_400, wild: [1, 8, 300], reader: "the leader" },
    "the longest ban that credits end in. The first takes FirstBanPeriod, each later one twice as long as the one " +
      "before. Differs from upstream: there every ban takes this long",
  ),
  here(
    "RecoveryGracePeriod",
    "s",
    120,
    { min: 1, max: 86_400, wild: [1, 120], reader: "the leader" },
    "credits of a node are forgotten after so long without a new one",
  ),
  here(
    "StickyDuration",
    "s",
    600,
    { min: 1, max: 86_400, wild: [5, 600] },
    "how long a record that has become sticky is that",
  ),
  here(
    "StickyPindown",
    "ms",
    200,
    { min: 1, max: 10_000, wild: [1, 50, 200] },
    "how long a sticky record stays at a node to which it has come",
  ),
  here(
    "TakeoverTimeout",
    "s",
    9,
    { min: 1, max: 600, wild: [2, 9], reader: "the leader" },
    "a run that moves addresses may take three times as long; then it has failed, and begins anew",
  ),
  here(
    "TickleUpdateInterval",
    "s",
    20,
    { min: 1, max: 600, wild: [1, 20], reader: "each node" },
    "how often the kernel is looked at for connections of clients to public addresses. Differs from upstream: what " +
      "`addtickle` tells goes to all nodes at once",
  ),
  here(
    "VacuumInterval",
    "s",
    10,
    { min: 1, max: 600, wild: [1, 2, 10] },
    "pace of the vacuum of volatile databases. It works in slices, one each 3 % of this: at 10 s one each 300 ms. " +
      "Differs from upstream: 0, by which ctdb stops it, is refused",
  ),
];
