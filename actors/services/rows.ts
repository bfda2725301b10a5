/**
 * Checks as commands, events and explain have them: plain data from the machine's state.
 *
 * Does NOT promise: the name and password in an address; they are left out.
 */
import { type ProbeWish, shownUrl } from "../../transport/probe.ts";
import { fitText } from "../../transport/wire/limits.ts";
import {
  EVENT_SERVICES_MAX,
  EVENT_TAIL_MAX,
  type ServiceFields,
  type ServicesFields,
} from "../../transport/wire/messages/event_services.ts";
import type { OutboxCounts } from "../machines/checks/outbox.ts";
import { type CheckState, type CheckStatus, STATUSES } from "../machines/checks/state.ts";
import type { CheckConfig } from "./checks_config.ts";
import { tailText } from "./health.ts";

/** One check. */
export interface ServiceRow {
  readonly name: string;
  readonly kind: string;
  readonly target: string;
  readonly status: CheckStatus;
  readonly isCritical: boolean;
  readonly phase: string;
  readonly failures: number;
  /** Failures in a row for a warning, and for an error; 0: never. */
  readonly warnAfter: number;
  readonly errorAfter: number;
  /** How long its status is what it is. */
  readonly sinceMs: number;
  readonly why: string | undefined;
  readonly tail: string | undefined;
  readonly lastMsAgo: number | undefined;
  readonly tookMs: number | undefined;
  /** Until the next look; undefined: none is due. */
  readonly nextMs: number | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly runs: number;
  readonly failed: number;
  readonly late: number;
  readonly restarts: number;
  readonly restart: string | undefined;
  readonly restartWhy: string | undefined;
  readonly gaveUp: boolean;
  readonly disabledWhy: string | undefined;
}

/** One way of notification. */
export interface NotifyRow {
  readonly name: string;
  readonly kind: string;
  readonly target: string;
  readonly on: readonly string[];
  readonly sent: number;
  readonly failed: number;
  readonly dropped: number;
  readonly waiting: number;
  readonly why: string | undefined;
}

/** What a check looks at, in words. */
export function targetOf(wish: ProbeWish): string {
  switch (wish.kind) {
    case "tcp":
      return wish.host.includes(":") ? `[${wish.host}]:${wish.port}` : `${wish.host}:${wish.port}`;
    case "http":
      return fitText(shownUrl(wish.url));
    case "exec":
      return fitText(wish.command.join(" "));
    case "file":
    case "disk":
      return fitText(wish.path);
    case "systemd":
      return wish.unit;
    case "memory":
      return "memory";
  }
}

/** Why a check is not well, for people; undefined: it is. */
export function whyOf({ status, last }: CheckState): string | undefined {
  if (status === "starting") {
    if (last === undefined) return "not looked at yet";
    return last.level === "ok" ? "not looked at again yet" : last.why ?? "it was not well yet";
  }
  return last?.why;
}

/** A row. */
export function rowOf(
  { wish, isCritical, restart }: CheckConfig,
  check: CheckState,
  disabledWhy: string | undefined,
  nowMs: number,
): ServiceRow {
  const { rule, status, phase, failures, last, counts, dueMs } = check;
  return {
    name: rule.name,
    kind: wish.kind,
    target: targetOf(wish),
    status,
    isCritical,
    phase,
    failures,
    warnAfter: rule.warnAfter,
    errorAfter: rule.errorAfter,
    sinceMs: Math.max(0, Math.round(nowMs - check.changedMs)),
    why: whyOf(check),
    tail: last?.tail,
    lastMsAgo: last === undefined ? undefined : Math.max(0, Math.round(nowMs - last.atMs)),
    tookMs: last === undefined ? undefined : Math.round(last.tookMs * 10) / 10,
    nextMs: dueMs === Infinity ? undefined : Math.max(0, Math.round(dueMs - nowMs)),
    intervalMs: rule.intervalMs,
    timeoutMs: rule.timeoutMs,
    runs: counts.runs,
    failed: counts.failed,
    late: counts.late,
    restarts: counts.restarts,
    restart: restart === undefined ? undefined : fitText(restart.join(" ")),
    restartWhy: check.restartWhy,
    gaveUp: check.gaveUp,
    disabledWhy,
  };
}

/** The event of a change. */
export function eventOf(
  { wish, isCritical }: CheckConfig,
  check: CheckState,
  what: string,
  from: CheckStatus,
): ServiceFields {
  const { rule, status, failures, restartsRow, last } = check;
  const why = what === "restarted" ? check.restartWhy : whyOf(check);
  return {
    check: rule.name,
    probe: wish.kind,
    what,
    from,
    to: status,
    critical: isCritical,
    failures,
    restarts: restartsRow,
    ...why === undefined ? {} : { why: fitText(why) },
    ...last?.tail === undefined ? {} : { tail: tailText(last.tail, EVENT_TAIL_MAX) },
  };
}

/** The worst first: failed, starting, warning, disabled, ok. */
const WORST: readonly CheckStatus[] = ["failed", "starting", "warning", "disabled", "ok"];

/** Rows, the worst first; those that are alike by name. */
export function worstFirst<T extends { readonly name: string; readonly status: CheckStatus }>(
  rows: readonly T[],
): T[] {
  const rank = ({ status }: T): number => WORST.indexOf(status) + STATUSES.length;
  return [...rows].sort((one, other) =>
    rank(one) - rank(other) || (one.name < other.name ? -1 : 1)
  );
}

/** The event of each second, or with more than its rows; undefined: there is nothing to tell. */
export function servicesOf(
  rows: readonly ServiceRow[],
  ways: readonly (OutboxCounts & { readonly name: string; readonly waiting: number })[],
  max: number = EVENT_SERVICES_MAX,
): ServicesFields | undefined {
  if (rows.length === 0 && ways.length === 0) return undefined;
  const bad = rows.filter(({ isCritical, status }) =>
    isCritical && (status === "failed" || status === "starting")
  );
  return {
    healthy: bad.length === 0,
    count: rows.length,
    checks: worstFirst(rows).slice(0, max).map((row) => ({
      name: row.name,
      probe: row.kind,
      status: row.status,
      critical: row.isCritical,
      failures: row.failures,
      runs: row.runs,
      failed: row.failed,
      restarts: row.restarts,
      tookMs: row.tookMs ?? 0,
    })),
    notify: ways.slice(0, max).map(({ name, sent, failed, dropped, waiting }) => ({
      name,
      sent,
      failed,
      dropped,
      waiting,
    })),
  };
}
