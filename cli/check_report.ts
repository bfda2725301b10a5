/**
 * The verdict of `check`: from a board and limits to a line as monitoring systems of Nagios' kind read it.
 *
 *   OK - 3 of 3 nodes ok, leader n1 | nodes=3;;;0 missing=0;1;2;0 lease=1812ms;500:;1: lag=2.1ms;250;2000;0 skew=...
 *
 * Does NOT promise: causes; `ctdbx cluster explain` has those.
 */

import { spanText } from "./answers.ts";
import type { BoardRow, BoardView } from "./board.ts";

/** The verdicts by exit code, as plugins have them. */
export const CHECK_STATUSES = ["OK", "WARNING", "CRITICAL", "UNKNOWN"] as const;
/** One of them. */
export type CheckStatus = (typeof CHECK_STATUSES)[number];

/** What is judged by limits, with the unit and what breaks them. */
export const LIMITS = {
  missing: { unit: "", about: "nodes that are not ok: so many or more" },
  lease: { unit: "ms", about: "shortest lease of a node that should have one: below" },
  lag: { unit: "ms", about: "latest timer of a node: above" },
  skew: { unit: "ms", about: "difference between the clocks of two nodes: above" },
} as const;
/** A name in LIMITS. */
export type LimitName = keyof typeof LIMITS;
/** A value for each that is judged. */
export type Limits = Readonly<Partial<Record<LimitName, number>>>;

/** What holds where nothing else is said. A lease is 2.5 s long and made longer four times a second. */
export const WARN_LIMITS: Limits = { missing: 1, lease: 500, lag: 250, skew: 500 };
export const CRIT_LIMITS: Limits = { missing: 2, lease: 1, lag: 2000, skew: 5000 };

/** A measured value with its limits. */
export interface Measured {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly warn: number | null;
  readonly crit: number | null;
}

/** The verdict. */
export interface CheckReport {
  readonly status: CheckStatus;
  readonly text: string;
  readonly measured: readonly Measured[];
}

/** Reads `missing=1,lag=200`. Throws RangeError on what is none. */
export function readLimits(text: string): Limits {
  const limits: Partial<Record<LimitName, number>> = {};
  for (const part of text.split(",")) {
    const match = /^([a-z]+)=(\d{1,9}(?:\.\d{1,3})?)$/.exec(part.trim());
    const name = Object.keys(LIMITS).find((each) => each === match?.[1]) as LimitName | undefined;
    if (name === undefined) {
      const names = Object.keys(LIMITS).join(", ");
      throw new RangeError(`"${part}" is no limit; they are ${names}, as missing=1,lag=200`);
    }
    limits[name] = Number(match?.[2]);
  }
  return limits;
}

/** Judges what was heard. */
export function judge(view: BoardView, warn: Limits, crit: Limits): CheckReport {
  const { rows, leaders, size } = view;
  if (rows.length === 0) {
    return { status: "CRITICAL", text: "no node is heard", measured: [] };
  }
  const values = valuesOf(view);
  const measured: Measured[] = [
    { name: "nodes", value: Math.max(size, rows.length), unit: "", warn: null, crit: null },
    ...Object.entries(values).map(([name, value]) => ({
      name,
      value: Math.round(value * 10) / 10,
      unit: LIMITS[name as LimitName].unit,
      warn: warn[name as LimitName] ?? null,
      crit: crit[name as LimitName] ?? null,
    })),
  ];
  const found: [CheckStatus, string][] = [
    ...leadersOf(leaders),
    ...Object.entries(values).flatMap(([name, value]) =>
      breach(name as LimitName, value, warn, crit, rows)
    ),
  ];
  const worst = found.some(([status]) => status === "CRITICAL")
    ? "CRITICAL"
    : found.length > 0
    ? "WARNING"
    : "OK";
  const ok = rows.filter(({ condition }) => condition === "ok").length;
  const summary = `${ok} of ${Math.max(size, rows.length)} nodes ok`;
  const lead = leaders.length === 1 ? [`leader ${leaders[0]}`] : [];
  // The gravest first: some systems cut the line.
  const grave = (status: CheckStatus): number => CHECK_STATUSES.indexOf(status);
  const texts = found.sort(([one], [other]) => grave(other) - grave(one)).map(([, text]) => text);
  return { status: worst, text: [...texts, summary, ...lead].join(", "), measured };
}

/** The line. */
export function reportLine({ status, text, measured }: CheckReport): string {
  // A bar begins the values, and a line break the next line.
  // deno-lint-ignore no-control-regex
  const clean = text.replaceAll(/[|\u0000-\u001f\u007f-\u009f]/g, " ");
  const values = measured.map(({ name, value, unit, warn, crit }) => {
    const range = (limit: number | null): string =>
      limit === null ? "" : name === "lease" ? `${limit}:` : `${limit}`;
    return `${name}=${value}${unit};${range(warn)};${range(crit)};0`;
  });
  const perf = values.length === 0 ? "" : ` | ${values.join(" ")}`;
  return `${status} - ${clean}${perf}`;
}

function leadersOf(leaders: readonly string[]): [CheckStatus, string][] {
  if (leaders.length === 0) return [["CRITICAL", "nobody leads"]];
  if (leaders.length === 1) return [];
  // For a second after a change the former leader's last heartbeat still says so.
  return [["WARNING", `${leaders.join(" and ")} say that they lead`]];
}

/** What is judged; a lease only when a node should have one. */
function valuesOf({ rows, size }: BoardView): Partial<Record<LimitName, number>> {
  const ok = rows.filter(({ condition }) => condition === "ok");
  const leases = ok.map(({ leaseMs }) => leaseMs);
  const lags = rows.flatMap(({ stats }) => stats === undefined ? [] : [stats.process.lagMaxMs]);
  const skews = rows.filter(isThere).map(({ skewMs }) => skewMs);
  return {
    missing: Math.max(size, rows.length) - ok.length,
    ...leases.length === 0 ? {} : { lease: Math.min(...leases) },
    ...lags.length === 0 ? {} : { lag: Math.max(...lags) },
    ...skews.length === 0 ? {} : { skew: Math.max(...skews) - Math.min(...skews) },
  };
}

function isThere({ condition }: BoardRow): boolean {
  return condition !== "silent" && condition !== "down";
}

function breach(
  name: LimitName,
  value: number,
  warn: Limits,
  crit: Limits,
  rows: readonly BoardRow[],
): [CheckStatus, string][] {
  const breaks = (limit: number | undefined): boolean => {
    if (limit === undefined) return false;
    if (name === "missing") return value >= limit;
    return name === "lease" ? value < limit : value > limit;
  };
  const status = breaks(crit[name]) ? "CRITICAL" : breaks(warn[name]) ? "WARNING" : undefined;
  return status === undefined ? [] : [[status, breachText(name, value, rows)]];
}

function breachText(name: LimitName, value: number, rows: readonly BoardRow[]): string {
  switch (name) {
    case "missing": {
      const bad = rows.filter(({ condition }) => condition !== "ok").map((row) =>
        `${row.name} is ${row.condition}${row.why === undefined ? "" : `: ${row.why}`}`
      );
      const unheard = value - bad.length;
      return [...bad, ...unheard > 0 ? [`${unheard} not heard`] : []].join(", ");
    }
    case "lease":
      return `the shortest lease is ${spanText(value)}`;
    case "lag": {
      const late = rows.find(({ stats }) => stats?.process.lagMaxMs === value);
      return `${late?.name ?? "a node"} is ${spanText(value)} late`;
    }
    case "skew":
      return `clocks differ by ${spanText(value)}`;
  }
}
