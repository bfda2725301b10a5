/**
 * The times of the cluster machine, each with its unit and the odd values that the simulator may draw for it.
 *
 * A wild set is drawn as a whole from what the paper's sums allow: nodeTTL above the time in which a lease is extended,
 * margin above 2 % of (gl + nodeTtl) and 1 % of the reported age. `marginFor` says how small margin may be.
 *
 * Does NOT promise: that a cluster whose nodes have different values is right; they belong to the cluster.
 */

import { count, ms, type Tunable } from "../tunable.ts";

/** All of them, by the name they have in Timing. */
export const CLUSTER_TUNABLES = {
  beatMs: ms("beatMs", 250, [150, 250], "heartbeat and digest"),
  suspectMs: ms("suspectMs", 1200, [600, 900, 1200], "no sign of a leader for so long: stand"),
  glMs: ms(
    "glMs",
    700,
    [500, 700, 1000],
    "age of the digest time that a voter reports, in the grant rule",
  ),
  nodeTtlMs: ms("nodeTtlMs", 2500, [1500, 2500, 4000], "length of a node lease"),
  marginMs: ms("marginMs", 250, [120, 250], "for drift: 1 % each way of all that is measured"),
  grantLossMs: ms("grantLossMs", 1500, [1000, 1500], "grant rule fails for so long: step down"),
  rankMs: ms("rankMs", 60, [0, 20, 60], "each rank waits so long before it stands"),
  rankNoLockMs: ms("rankNoLockMs", 300, [100, 300], "the same without a register"),
  deadMs: ms(
    "deadMs",
    1500,
    [1000, 1500],
    "no heartbeat for so long: the leader calls a node dead",
  ),
  graceMs: ms("graceMs", 800, [500, 800], "a new or woken leader draws no conclusion from silence"),
  answeringMs: ms("answeringMs", 600, [400, 600], "rule F: heartbeat not older than this"),
  deferMs: ms("deferMs", 4000, [2000, 4000], "rule F: longest deferral"),
  unreadableMs: ms(
    "unreadableMs",
    5000,
    [2000, 5000],
    "register unreadable for so long: do without (L9)",
  ),
  renewMs: ms("renewMs", 2500, [1000, 2500], "the leader renews its record"),
  lookMs: ms("lookMs", 1000, [300, 1000], "voters look at the register"),
  lockLimitMs: ms("lockLimitMs", 1000, [300, 1000], "a lock operation without a result is unknown"),
  probeMs: ms("probeMs", 120, [120], "PROBE again"),
  prepareMs: ms("prepareMs", 150, [150], "PREPARE again"),
  acceptMs: ms("acceptMs", 60, [60], "ACCEPT again"),
  stallMs: ms(
    "stallMs",
    500,
    [400, 500],
    "a gap between two steps that says: this node was stopped",
  ),
  ageCapMs: ms("ageCapMs", 5000, [5000], "largest age in a PROMISE"),
  holdOffMs: ms("holdOffMs", 10000, [3000, 10000], "one that yielded does not stand for so long"),
  handOverMs: ms(
    "handOverMs",
    2000,
    [500, 2000],
    "told to stop: slots and lead are handed over for so long at most",
  ),
  drainMs: ms(
    "drainMs",
    60000,
    [500, 3000, 20000],
    "told to stop with databases: their records are handed over for so long at most",
  ),
  diskRetryMs: ms("diskRetryMs", 500, [500], "a failed write of the own metadata is tried again"),
  banForMs: ms("banForMs", 10000, [4000], "first ban; doubled each time"),
  banForMaxMs: ms("banForMaxMs", 300000, [8000], "longest ban"),
  banGraceMs: ms(
    "banGraceMs",
    120000,
    [120000],
    "credits are forgotten after so long without a new one",
  ),
  banCredits: count("banCredits", 8, [3, 8, 1000000], "credits that end in a ban"),
} as const satisfies Record<string, Tunable>;

/** The values in force. */
export type Timing = { readonly [Name in keyof typeof CLUSTER_TUNABLES]: number };

/** The values as they are delivered. */
export function defaultTiming(): Timing {
  const entries = Object.entries(CLUSTER_TUNABLES).map(([name, tunable]) => [name, tunable.value]);
  return Object.fromEntries(entries) as Timing;
}

/** The least margin for two clocks that drift by `drift` (0.01: 1 %): what the sums of the paper need. */
export function marginFor(timing: Timing, drift: number): number {
  const span = timing.glMs + timing.nodeTtlMs;
  return 2 * drift * span + drift * (span + timing.marginMs);
}
