/**
 * What the checks of a node go by, and what is known of each of them.
 *
 *   starting ── first ok ──▶ ok ◀──▶ warning ◀──▶ failed        disabled: by an operator, until it is enabled again
 *
 * Does NOT promise: a verdict of one failure; `warnAfter` and `errorAfter` say how many in a row it takes.
 */

import type { ProbeLevel } from "../../../transport/probe.ts";

/** Checks of one node. */
export const CHECKS_MAX = 128;
/** Looks that are under way at once; the others wait for their turn. */
export const RUNNING_MAX = 8;
/** A look whose end is not told so long after its time-out is given up, ms. */
export const GUARD_MS = 5000;
/** A look that ends so long after its time-out was held up with all of this process: no word on the service, ms. */
export const LATE_MS = 1000;
/** Up to a tenth of an interval is added or taken, so that nodes do not look at one service in step. */
export const JITTER_OF = 10;
/** Of the first looks after a start, ms. */
export const FIRST_SPREAD_MS = 250;

/** When a service is started anew. */
export interface RestartRule {
  /** After so many failures in a row. */
  readonly after: number;
  /** So often, until it has been well for `mostMs`. */
  readonly limit: number;
  /** Between the first two; doubled each time, up to `mostMs`. */
  readonly firstMs: number;
  readonly mostMs: number;
  /** The command has so long. */
  readonly timeoutMs: number;
}

/** How a check is judged and when it is made. */
export interface CheckRule {
  readonly name: string;
  /** From the end of one look to the start of the next, after one that was well. */
  readonly intervalMs: number;
  /** The same after one that was not. */
  readonly retryMs: number;
  readonly timeoutMs: number;
  /** Failures in a row until it is a warning, and until it has failed; 0: never. */
  readonly warnAfter: number;
  readonly errorAfter: number;
  /** Looks in a row that must be well until one that has failed is well again. */
  readonly passes: number;
  /** After the daemon's start, and after a restart of the service: failures do not count for so long. */
  readonly graceMs: number;
  readonly restart?: RestartRule;
}

/** How a check stands. */
export type CheckStatus = "starting" | "ok" | "warning" | "failed" | "disabled";
/** All of them. */
export const STATUSES: readonly CheckStatus[] = ["starting", "ok", "warning", "failed", "disabled"];

/** What is under way. restarting: the service is being started anew. */
export type CheckPhase = "idle" | "queued" | "running" | "restarting";

/** The last look. */
export interface LastLook {
  readonly level: ProbeLevel;
  readonly why?: string;
  readonly tail?: string;
  readonly tookMs: number;
  /** When it ended, by the node's clock. */
  readonly atMs: number;
}

/** One check. */
export interface CheckState {
  readonly rule: CheckRule;
  status: CheckStatus;
  phase: CheckPhase;
  /** Tells this look, or restart, from those before. */
  run: number;
  /** When what is under way was begun. */
  sinceMs: number;
  /** When the next look is due. */
  dueMs: number;
  /** When `status` came. */
  changedMs: number;
  graceEndMs: number;
  /** Failures, and passes, in a row. */
  failures: number;
  passesRow: number;
  /** Failures in a row since its service was started anew. */
  newFailures: number;
  /** Ends in a row that were too late to say anything. */
  lates: number;
  /** Restarts since it was last well for long, and when the next may be. */
  restartsRow: number;
  restartFromMs: number;
  /** One would be due, and there were as many as may be: an operator has to do something about it. */
  gaveUp: boolean;
  /** Since when every look was well; Infinity: the last was not. */
  wellMs: number;
  /** An operator wants a look now, whatever is due. */
  isAsked: boolean;
  last: LastLook | undefined;
  /** What the last restart came to; undefined: there was none. */
  restartWhy: string | undefined;
  readonly counts: CheckCounts;
}

/** Since the daemon's start. */
export interface CheckCounts {
  runs: number;
  failed: number;
  restarts: number;
  /** Looks that ended too late to count. */
  late: number;
}

/** A check of which nothing is known yet. */
export function newCheck(rule: CheckRule, isDisabled: boolean): CheckState {
  return {
    rule,
    status: isDisabled ? "disabled" : "starting",
    phase: "idle",
    run: 0,
    sinceMs: 0,
    dueMs: Infinity,
    changedMs: 0,
    graceEndMs: 0,
    failures: 0,
    passesRow: 0,
    newFailures: 0,
    lates: 0,
    restartsRow: 0,
    restartFromMs: 0,
    gaveUp: false,
    wellMs: Infinity,
    isAsked: false,
    last: undefined,
    restartWhy: undefined,
    counts: { runs: 0, failed: 0, restarts: 0, late: 0 },
  };
}
