/**
 * From tunables to the values of machines: which of them each governs, and in which unit.
 *
 *   RecoveryBanPeriod = 60 s ──▶ cluster.banForMaxMs = 60 000       VacuumInterval = 5 s ──▶ record.vacuumMs = 150
 *
 * Only what is set is fed: a machine that was made with other values than the delivered ones keeps those.
 *
 * Does NOT promise: an effect on what has begun; a machine reads a value when it next needs it.
 */
import type { Timing } from "../machines/cluster/tunables.ts";
import type { CommitTiming } from "../machines/commit/tunables.ts";
import type { RecordTiming } from "../machines/record/tunables.ts";

/** Values that take the place of what a machine was made with. */
export type ClusterPatch = Partial<Timing>;
/** Of the machines in the data thread. Plain data: it goes there. */
export interface DataPatch {
  readonly record: Partial<RecordTiming>;
  readonly commit: Partial<CommitTiming>;
}

/** What a tunable is set to, in its own unit; undefined: nothing is set. */
export type ValueOf = (name: string) => number | undefined;

type Feed<Fields> = readonly [name: string, field: keyof Fields & string, factor: number];

const SECOND = 1000;

/** Of the cluster machine. */
export const CLUSTER_FEEDS: readonly Feed<Timing>[] = [
  ["BanCredits", "banCredits", 1],
  ["FirstBanPeriod", "banForMs", SECOND],
  ["RecoveryBanPeriod", "banForMaxMs", SECOND],
  ["RecoveryGracePeriod", "banGraceMs", SECOND],
  ["LeaderHoldOff", "holdOffMs", SECOND],
  ["HandOverTimeout", "handOverMs", SECOND],
  ["DrainTimeout", "drainMs", SECOND],
];

/** Of the record machines. A slice of the vacuum comes each 3 % of VacuumInterval. */
export const RECORD_FEEDS: readonly Feed<RecordTiming>[] = [
  ["HopcountMakeSticky", "stickyMoves", 1],
  ["StickyDuration", "stickyForMs", SECOND],
  ["StickyPindown", "stickyHoldMs", 1],
  ["VacuumInterval", "vacuumMs", 30],
  ["VacuumAge", "vacuumAgeMs", 1],
  ["VacuumBatch", "vacuumKeys", 1],
  ["RecordMinHold", "minHoldMs", 1],
  ["ProcedureTimeout", "procedureMs", 1],
];

/** Of the commit machines. */
export const COMMIT_FEEDS: readonly Feed<CommitTiming>[] = [
  ["CommitGroupTime", "groupMs", 1],
  ["CommitSlowLimit", "slowMs", 1],
  ["CommitKeepLog", "keepLog", 1],
];

/** So many credits that none of them end in a ban, as long as there is anybody to count them. */
const NEVER = 1_000_000_000;

/** What the cluster machine is to work with. */
export function clusterPatch(valueOf: ValueOf): ClusterPatch {
  const patch = patchOf(CLUSTER_FEEDS, valueOf);
  return valueOf("EnableBans") === 0 ? { ...patch, banCredits: NEVER } : patch;
}

/** What the machines in the data thread are to work with. */
export function dataPatch(valueOf: ValueOf): DataPatch {
  return { record: patchOf(RECORD_FEEDS, valueOf), commit: patchOf(COMMIT_FEEDS, valueOf) };
}

function patchOf<Fields>(feeds: readonly Feed<Fields>[], valueOf: ValueOf): Partial<Fields> {
  const patch: Record<string, number> = {};
  for (const [name, field, factor] of feeds) {
    const value = valueOf(name);
    if (value !== undefined) patch[field] = value * factor;
  }
  return patch as Partial<Fields>;
}

/** Values that machines read at each use, and that may be exchanged under them. */
export class LiveValues<Fields extends object> {
  /** For the machines: always the same object. */
  readonly values: Fields;
  readonly #made: Fields;

  /** `made`: what holds where nothing is fed. */
  constructor(made: Fields) {
    this.#made = made;
    this.values = { ...made };
  }

  /** From now on these hold, and of the rest what it was made with. */
  feed(patch: Partial<Fields>): void {
    Object.assign(this.values, this.#made, patch);
  }
}
