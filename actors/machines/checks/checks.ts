/**
 * The machine of a node's checks: when each is made, what failures in a row come to, when a service is started anew.
 *
 *   due ──▶ queued ──▶ run effect ──▶ done { level } ──▶ failures in a row ──▶ warning, failed ──▶ restart effect
 *                        └ no end: kill effect, counted as a failure                              ▲ back-off, limit
 *
 * At most RUNNING_MAX are under way at once; none twice. Time comes with each event; nothing else does.
 *
 * Does NOT promise: looks on the dot; jitter moves each by up to a tenth of its interval.
 */
import type { ProbeLevel } from "../../../transport/probe.ts";
import { mix, textHash } from "../mix.ts";
import {
  type CheckRule,
  CHECKS_MAX,
  type CheckState,
  type CheckStatus,
  FIRST_SPREAD_MS,
  GUARD_MS,
  JITTER_OF,
  LATE_MS,
  newCheck,
  RUNNING_MAX,
} from "./state.ts";

/** What came of a look. */
export interface Look {
  readonly level: ProbeLevel;
  readonly why?: string;
  readonly tail?: string;
}

/** What happens to one check. `run` is that of the effect which it answers. */
export type CheckEvent =
  | { readonly kind: "done"; readonly check: string; readonly run: number; readonly look: Look }
  | {
    readonly kind: "restarted";
    readonly check: string;
    readonly run: number;
    /** Why the command failed; undefined: it did not. */
    readonly why: string | undefined;
  }
  | { readonly kind: "ask" | "enable" | "disable"; readonly check: string };
/** What happens to the machine. */
export type ChecksEvent = { readonly kind: "start" } | { readonly kind: "wake" } | CheckEvent;

/** What is to be done. */
export type ChecksEffect =
  | { readonly kind: "run" | "restart" | "kill"; readonly check: string; readonly run: number }
  /** A look has ended and counts; who asked for one is answered. */
  | { readonly kind: "looked"; readonly check: string }
  | {
    readonly kind: "changed";
    readonly check: string;
    readonly from: CheckStatus;
    readonly to: CheckStatus;
  }
  /** The service would be started anew, and was so as often as it may be. */
  | { readonly kind: "gave up"; readonly check: string };

/** The checks of one node. */
export class ChecksMachine {
  readonly checks: ReadonlyMap<string, CheckState>;
  readonly #seed: number;
  #effects: ChecksEffect[] = [];
  #throws = 0;

  /** `seed`: any u32, for the jitter. Throws RangeError on more than CHECKS_MAX, or two of one name. */
  constructor(rules: readonly CheckRule[], disabled: ReadonlySet<string>, seed: number) {
    if (rules.length > CHECKS_MAX) throw new RangeError(`CHECKS_MAX is ${CHECKS_MAX}`);
    this.checks = new Map(
      rules.map((rule) => [rule.name, newCheck(rule, disabled.has(rule.name))]),
    );
    if (this.checks.size !== rules.length) throw new RangeError("two checks have one name");
    this.#seed = seed;
  }

  /** When it wants a wake event; Infinity: never. */
  get wakeMs(): number {
    let atMs = Infinity;
    const isFull = this.#running >= RUNNING_MAX;
    for (const check of this.checks.values()) {
      if (isBusy(check)) atMs = Math.min(atMs, endOf(check));
      else if (!isFull && check.phase === "idle") atMs = Math.min(atMs, check.dueMs);
    }
    return atMs;
  }

  /** Handles one event. What is not known, or is over, changes nothing. */
  step(event: ChecksEvent, nowMs: number): readonly ChecksEffect[] {
    this.#effects = [];
    if (event.kind === "start") {
      for (const check of this.checks.values()) this.#begin(check, nowMs);
    } else if (event.kind !== "wake") {
      const check = this.checks.get(event.check);
      if (check !== undefined) this.#on(check, event, nowMs);
    }
    this.#tend(nowMs);
    return this.#effects;
  }

  #begin(check: CheckState, nowMs: number): void {
    check.changedMs = nowMs;
    check.graceEndMs = nowMs + check.rule.graceMs;
    if (check.status === "disabled") return;
    check.dueMs = nowMs + textHash(check.rule.name, this.#seed) % FIRST_SPREAD_MS;
  }

  #on(check: CheckState, event: CheckEvent, nowMs: number): void {
    switch (event.kind) {
      case "done":
        if (check.phase === "running" && check.run === event.run) {
          this.#onEnd(check, event.look, nowMs);
        }
        return;
      case "restarted":
        if (check.phase === "restarting" && check.run === event.run) {
          this.#onRestarted(check, event.why, nowMs);
        }
        return;
      case "ask":
        check.isAsked = true;
        if (check.phase === "idle") check.dueMs = nowMs;
        return;
      case "enable":
        return this.#enable(check, nowMs);
      case "disable":
        return this.#disable(check, nowMs);
    }
  }

  #enable(check: CheckState, nowMs: number): void {
    renew(check);
    if (check.status !== "disabled") return;
    forget(check);
    check.graceEndMs = nowMs + check.rule.graceMs;
    this.#become(check, "starting", nowMs);
    if (check.phase === "idle") check.dueMs = nowMs;
  }

  #disable(check: CheckState, nowMs: number): void {
    if (check.status === "disabled") return;
    forget(check);
    this.#become(check, "disabled", nowMs);
    check.dueMs = Infinity;
    if (check.phase === "queued") check.phase = "idle";
    // What runs goes on to its end where somebody asked for it; the rest is of no use any more.
    if (check.phase === "running" && !check.isAsked) this.#kill(check);
  }

  #kill(check: CheckState): void {
    this.#effects.push({ kind: "kill", check: check.rule.name, run: check.run });
    check.phase = "idle";
  }

  /** Gives up what has no end, and begins what is due, the longest due first. */
  #tend(nowMs: number): void {
    const queued: CheckState[] = [];
    for (const check of this.checks.values()) {
      if (isBusy(check) && nowMs >= endOf(check)) this.#onNoEnd(check, nowMs);
      if (check.phase === "idle" && nowMs >= check.dueMs) check.phase = "queued";
      if (check.phase === "queued") queued.push(check);
    }
    if (queued.length === 0) return;
    queued.sort((one, other) => one.dueMs - other.dueMs);
    for (const check of queued.slice(0, Math.max(0, RUNNING_MAX - this.#running))) {
      this.#enter(check, "running", nowMs);
      this.#effects.push({ kind: "run", check: check.rule.name, run: check.run });
    }
  }

  get #running(): number {
    let count = 0;
    for (const check of this.checks.values()) if (isBusy(check)) count += 1;
    return count;
  }

  #enter(check: CheckState, phase: "running" | "restarting", nowMs: number): void {
    check.phase = phase;
    check.run += 1;
    check.sinceMs = nowMs;
    check.dueMs = Infinity;
  }

  #onNoEnd(check: CheckState, nowMs: number): void {
    const isRestart = check.phase === "restarting";
    this.#kill(check);
    if (isRestart) this.#onRestarted(check, "the command has no end", nowMs);
    else this.#onEnd(check, { level: "failed", why: "the look has no end" }, nowMs);
  }

  #onEnd(check: CheckState, look: Look, nowMs: number): void {
    const { rule, counts } = check;
    const tookMs = Math.max(0, nowMs - check.sinceMs);
    check.phase = "idle";
    // This process, or its machine, stood still: that says nothing of the service. Once; a second time it does.
    const isLate = look.level === "failed" && tookMs > rule.timeoutMs + LATE_MS;
    check.lates = isLate ? check.lates + 1 : 0;
    if (check.lates === 1) {
      counts.late += 1;
      check.dueMs = check.status === "disabled" && !check.isAsked ? Infinity : nowMs;
      return;
    }
    check.isAsked = false;
    counts.runs += 1;
    if (look.level === "failed") counts.failed += 1;
    check.last = { ...look, tookMs, atMs: nowMs };
    if (check.status === "disabled") check.dueMs = Infinity;
    else {
      check.dueMs = nowMs + this.#jittered(look.level === "ok" ? rule.intervalMs : rule.retryMs);
      this.#judge(check, look.level, nowMs);
    }
    this.#effects.push({ kind: "looked", check: rule.name });
  }

  #judge(check: CheckState, level: ProbeLevel, nowMs: number): void {
    if (level === "failed") return this.#onFailure(check, nowMs);
    const { rule } = check;
    check.failures = 0;
    check.newFailures = 0;
    check.passesRow += 1;
    check.wellMs = Math.min(check.wellMs, nowMs);
    const { restart } = rule;
    if (restart !== undefined && nowMs - check.wellMs >= restart.mostMs) renew(check);
    if (check.status === "failed" && check.passesRow < rule.passes) return;
    this.#become(check, level, nowMs);
  }

  #onFailure(check: CheckState, nowMs: number): void {
    const { rule } = check;
    check.passesRow = 0;
    check.wellMs = Infinity;
    if (nowMs < check.graceEndMs) return;
    check.failures += 1;
    check.newFailures += 1;
    const is = (after: number): boolean => after > 0 && check.failures >= after;
    if (is(rule.errorAfter)) this.#become(check, "failed", nowMs);
    else if (is(rule.warnAfter) && mayWarn(check)) this.#become(check, "warning", nowMs);
    this.#mayRestart(check, nowMs);
  }

  #mayRestart(check: CheckState, nowMs: number): void {
    const { restart, name } = check.rule;
    if (restart === undefined || check.newFailures < restart.after) return;
    if (check.restartsRow >= restart.limit) {
      if (!check.gaveUp) this.#effects.push({ kind: "gave up", check: name });
      check.gaveUp = true;
      return;
    }
    if (nowMs < check.restartFromMs) return;
    check.restartsRow += 1;
    check.counts.restarts += 1;
    this.#enter(check, "restarting", nowMs);
    this.#effects.push({ kind: "restart", check: name, run: check.run });
  }

  #onRestarted(check: CheckState, why: string | undefined, nowMs: number): void {
    const { rule } = check;
    const { restart } = rule;
    check.phase = "idle";
    check.restartWhy = why ?? "done";
    check.graceEndMs = nowMs + rule.graceMs;
    check.newFailures = 0;
    const nextMs = check.status === "disabled" ? Infinity : nowMs + this.#jittered(rule.retryMs);
    check.dueMs = check.isAsked ? nowMs : nextMs;
    if (restart === undefined) return;
    const waitMs = restart.firstMs * 2 ** Math.max(0, check.restartsRow - 1);
    check.restartFromMs = nowMs + Math.min(restart.mostMs, waitMs);
  }

  #become(check: CheckState, to: CheckStatus, nowMs: number): void {
    const from = check.status;
    if (from === to) return;
    check.status = to;
    check.changedMs = nowMs;
    this.#effects.push({ kind: "changed", check: check.rule.name, from, to });
  }

  #jittered(spanMs: number): number {
    this.#throws = (this.#throws + 1) >>> 0;
    const part = mix(this.#seed ^ mix(this.#throws)) / 2 ** 32;
    return spanMs * (1 + (2 * part - 1) / JITTER_OF);
  }
}

/** Has it something under way? */
function isBusy({ phase }: CheckState): boolean {
  return phase === "running" || phase === "restarting";
}

/** When what is under way is given up. */
function endOf({ rule, phase, sinceMs }: CheckState): number {
  const limitMs = phase === "restarting" ? rule.restart?.timeoutMs ?? 0 : rule.timeoutMs;
  return sinceMs + limitMs + GUARD_MS;
}

/** One that has failed stays so until it passes; one that is to fail, and was never well, waits for its verdict. */
function mayWarn({ status, rule }: CheckState): boolean {
  return status === "ok" || status === "warning" ||
    (status === "starting" && rule.errorAfter === 0);
}

/** What was seen of it counts no more. */
function forget(check: CheckState): void {
  check.failures = 0;
  check.newFailures = 0;
  check.passesRow = 0;
  check.lates = 0;
  check.wellMs = Infinity;
}

/** It may be started anew as often as at first. */
function renew(check: CheckState): void {
  check.restartsRow = 0;
  check.restartFromMs = 0;
  check.gaveUp = false;
}
