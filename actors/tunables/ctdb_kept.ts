/**
 * Tunables of ctdb that can be set and read, and change nothing in ctdbx: each says why, and what does the work.
 *
 * Setting one is no error, so that scripts and files of ctdb go on working; it is answered that it changes nothing.
 *
 * Does NOT promise: that they stay without effect; one that gets a counterpart moves to ctdb_here.ts.
 * Upstream: ctdb 4.17, tunables.
 */
import { kept, type TunableEntry } from "./entry.ts";

const LEASE = "belongs to the arithmetic of leases, which must be the same everywhere and is fixed";
const NO_RECOVERY =
  "there is no recovery that stops the cluster; each slot is recovered by its new home alone";

/** All of them. */
export const CTDB_KEPT: readonly TunableEntry[] = [
  kept(
    "AllowMixedVersions",
    "switch",
    0,
    "versions are agreed on: nodes of two levels work together until `cluster upgrade --finalize`",
  ),
  kept(
    "AllowUnhealthyDBRead",
    "switch",
    0,
    "a database that is damaged at one node is read at the others; `db lost` and `tdb rescue` read what is left",
  ),
  kept("ControlTimeout", "s", 60, "each command has --request-timeout and --timeout of its own"),
  kept(
    "DatabaseMaxDead",
    "count",
    5,
    "dead records are not kept in chains; the free list has an index (docs/decisions/0005)",
  ),
  kept(
    "DBRecordSizeWarn",
    "bytes",
    10_000_000,
    "no node goes through all records to find the largest; a value has 16 MiB at most",
  ),
  kept(
    "DeferredAttachTO",
    "s",
    120,
    "the deadline of a program's own call bounds how long an attach waits",
  ),
  kept("ElectionTimeout", "s", 3, `the length of an election ${LEASE}`),
  kept("FetchCollapse", "switch", 1, "requests of one node for one record are always one"),
  kept("KeepaliveInterval", "s", 5, `the heartbeat (250 ms) ${LEASE}`),
  kept(
    "KeepaliveLimit",
    "count",
    5,
    `when a silent node is called dead (1.5 s) ${LEASE}; a certified death is known in milliseconds`,
  ),
  kept(
    "LockProcessesPerDB",
    "count",
    200,
    "locks are taken without helper processes, by mutexes in the file",
  ),
  kept(
    "LogLatencyMs",
    "ms",
    0,
    "latencies are counted, not logged: `ctdbx db stats`, the waits in metrics and on NATS",
  ),
  kept(
    "MaxQueueDropMsg",
    "count",
    1_000_000,
    "a program that does not take its messages loses some, and is told which, beyond 8192 messages or 32 MiB",
  ),
  kept(
    "PullDBPreallocation",
    "bytes",
    10_485_760,
    "no database is pulled as a whole; records go in bounded batches",
  ),
  kept(
    "QueueBufferSize",
    "bytes",
    1024,
    "nodes speak over NATS, whose client has buffers of its own",
  ),
  kept("RecBufferSizeLimit", "bytes", 1_000_000, "batches are bounded by what NATS carries"),
  kept(
    "RecdFailCount",
    "count",
    10,
    "there is no recovery daemon; a supervisor watches the daemon, and the daemon its threads",
  ),
  kept("RecdPingTimeout", "s", 60, "there is no recovery daemon; see RecdFailCount"),
  kept("RecoverInterval", "s", 1, "nothing is polled for consistency; changes are told"),
  kept(
    "RecoverTimeout",
    "s",
    30,
    `${NO_RECOVERY}. The manual page of ctdb says 120, its program has 30`,
  ),
  kept(
    "RecoveryDropAllIPs",
    "s",
    120,
    "a node that is out of the view serves nothing once its lease is over, after 2.5 s at most",
  ),
  kept("RepackLimit", "count", 10_000, "free space is joined as it comes; no file is repacked"),
  kept("RerecoveryTimeout", "s", 10, NO_RECOVERY),
  kept(
    "SeqnumInterval",
    "ms",
    1000,
    "sequence numbers of persistent databases are exact at each commit; watches tell of changes",
  ),
  kept(
    "StatHistoryInterval",
    "s",
    1,
    "statistics are told each second on NATS; their history is where they are collected",
  ),
  kept(
    "TraverseTimeout",
    "s",
    20,
    "who traverses says how long: --timeout, or the deadline of the program's call",
  ),
  kept(
    "VacuumFastPathCount",
    "count",
    60,
    "the vacuum always walks on a little, besides what it was told to be empty",
  ),
  kept("VacuumMaxRunTime", "s", 120, "the vacuum works in slices of a millisecond or so"),
  kept("VerboseMemoryNames", "switch", 0, "the memory of the runtimes has no names"),
];
