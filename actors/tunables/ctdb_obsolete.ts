/**
 * Tunables that ctdb itself has given up: they answer as obsolete, and cannot be set.
 *
 * Does NOT promise: what they meant in which version of ctdb.
 * Upstream: ctdb 4.17, where they can still be set and are not listed.
 */
import { obsolete, type TunableEntry } from "./entry.ts";

const ALGORITHM = "IPAllocAlgorithm chooses";

/** All of them. */
export const CTDB_OBSOLETE: readonly TunableEntry[] = [
  obsolete("DeferredRebalanceOnNodeAdd", "s", 300, "a node that is new gets addresses at once"),
  obsolete("DeterministicIPs", "switch", 0, ALGORITHM),
  obsolete("DisableIPFailover", "switch", 0, "the configuration says whether there is failover"),
  obsolete("EventScriptUnhealthyOnTimeout", "switch", 0, "MonitorTimeoutCount says after how many"),
  obsolete("LCP2PublicIPs", "switch", 1, ALGORITHM),
  obsolete(
    "MaxRedirectCount",
    "count",
    3,
    "a request is not redirected; the home of its slot knows",
  ),
  obsolete("NoIPHostOnAllDisabled", "switch", 1, "nobody hosts when all are disabled"),
  obsolete("ReclockPingPeriod", "s", 60, "the leader lock is renewed by its own times"),
  obsolete("RecoverPDBBySeqNum", "switch", 1, "committed transactions are kept by agreement"),
  obsolete("Samba3AvoidDeadlocks", "switch", 0, "no such order of locks is needed"),
  obsolete("TDBMutexEnabled", "switch", 1, "mutexes are used where the machine has them"),
  obsolete("VacuumLimit", "count", 5000, "VacuumBatch says how many keys a slice has"),
  obsolete("VerifyRecoveryLock", "switch", 1, "the leader lock is always verified"),
];
