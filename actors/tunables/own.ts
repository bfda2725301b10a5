/**
 * Tunables that ctdb does not have: values of ctdbx's own machines that an operator may want to set.
 *
 * What safety rests on is not among them: lengths of leases, margins, and the times by which a death is found.
 *
 * Does NOT promise: all values of the machines; those are in their tunables.ts, and most are nobody's business.
 */
import { own, type TunableEntry } from "./entry.ts";

/** All of them. */
export const OWN: readonly TunableEntry[] = [
  own(
    "BanCredits",
    "count",
    8,
    { min: 1, max: 1_000_000, wild: [3, 8, 1_000_000], reader: "the leader" },
    "credits that end in a ban",
  ),
  own(
    "CommitGroupTime",
    "ms",
    1,
    { min: 0, max: 1000, wild: [0, 1, 5] },
    "a group of transactions closes when the disk of the primary is free, or so long after its first one",
  ),
  own(
    "CommitKeepLog",
    "count",
    100_000,
    { min: 1000, max: 10_000_000, wild: [1000, 100_000] },
    "transactions that stay in the log of a persistent database, so that a copy which was away is sent no pages",
  ),
  own(
    "CommitSlowLimit",
    "ms",
    800,
    { min: 200, max: 60_000, wild: [200, 800] },
    "a copy that makes no progress for so long while entries wait goes out of the in-sync set",
  ),
  own(
    "DrainTimeout",
    "s",
    60,
    { min: 1, max: 3600, wild: [1, 3, 20, 60] },
    "a node that is told to stop hands its records over for so long at most",
  ),
  own(
    "FirstBanPeriod",
    "s",
    10,
    { min: 1, max: 86_400, wild: [1, 4, 10], reader: "the leader" },
    "the first ban that credits end in; RecoveryBanPeriod when that is shorter",
  ),
  own(
    "HandOverTimeout",
    "s",
    2,
    { min: 1, max: 60, wild: [1, 2] },
    "a node that is told to stop hands its slots and the lead over for so long at most",
  ),
  own(
    "LeaderHoldOff",
    "s",
    10,
    { min: 1, max: 600, wild: [3, 10] },
    "a node that has yielded the lead does not stand for so long",
  ),
  own(
    "ProcedureTimeout",
    "ms",
    10_000,
    { min: 10, max: 600_000, wild: [20, 300, 10_000] },
    "a program may run a procedure on a record for so long",
  ),
  own(
    "RecordMinHold",
    "ms",
    5,
    { min: 1, max: 1000, wild: [1, 5, 50] },
    "a record stays so long at a node for those who waited for it there",
  ),
  own(
    "VacuumAge",
    "ms",
    1000,
    { min: 50, max: 3_600_000, wild: [50, 300, 1000] },
    "a record of a volatile database that was empty for so long is given up",
  ),
  own(
    "VacuumBatch",
    "count",
    256,
    { min: 4, max: 65_536, wild: [4, 256] },
    "keys that one slice of the vacuum looks at",
  ),
];
