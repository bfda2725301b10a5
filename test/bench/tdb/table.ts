/**
 * Turns the figures of the TDB benchmark into rows, and rows into a table for people.
 *
 *   ns per operation   libtdb   Bun   ratio (quartiles)   Deno   ratio (quartiles)   bar
 *
 * A ratio is ours / libtdb of the same round; the median of the rounds counts. A bar is held against the better
 * runtime.
 *
 * Does NOT promise: that two runs give the same verdict where the quartiles lie on both sides of a bar.
 */

import type { Case } from "./cases.ts";
import { FLAT_MAX, TITLES } from "./cases.ts";
import type { Result, Series } from "./contest.ts";
import type { Contestant } from "./peer.ts";

/** Median and quartiles. */
export interface Spread {
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

/** One of our runtimes in a row. */
export interface Side {
  /** ns per operation. */
  readonly ns: Spread;
  readonly coldNs: number;
  /** ours / libtdb; undefined without libtdb. */
  readonly ratio?: Spread;
}

/** One line of the table. */
export interface Row {
  readonly name: string;
  readonly title: string;
  readonly records: number;
  readonly lock: string;
  readonly libtdb?: { readonly ns: Spread; readonly coldNs: number };
  readonly sides: Readonly<Record<string, Side>>;
  readonly bar?: number;
  /** Does the better runtime keep the bar? */
  readonly met?: boolean;
}

/** Median and quartiles of at least one value. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (part: number) => {
    const place = part * (sorted.length - 1);
    const low = sorted[Math.floor(place)] ?? NaN;
    const high = sorted[Math.ceil(place)] ?? NaN;
    return low + (high - low) * (place - Math.floor(place));
  };
  return { low: at(0.25), median: at(0.5), high: at(0.75) };
}

/** The rows of one case. */
export function rowsOf(result: Result): Row[] {
  return [...result.works].flatMap(([work, sides]) => {
    if (result.one.name !== "large-vary") return [rowOf(result.one, work, sides)];
    // What counts in the long case is where it arrives, not its average.
    const last = new Map([...sides].map(([name, series]) => [name, lastWindows(series)]));
    return [
      { ...rowOf({ ...result.one, bars: {} }, work, sides), title: "100 000 of these, all" },
      { ...rowOf(result.one, work, last), title: "100 000 of these, the last 30 %" },
    ];
  });
}

function lastWindows(series: Series): Series {
  const windows = (series.windows ?? []).slice(-3);
  return { ns: [mean(windows)], coldNs: series.coldNs };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function rowOf(one: Case, work: string, series: Map<Contestant["name"], Series>): Row {
  const reference = series.get("libtdb");
  const sides: Record<string, Side> = {};
  for (const [name, { ns, coldNs }] of series) {
    if (name === "libtdb") continue;
    const ratios = ns.map((value, round) => value / (reference?.ns[round] ?? NaN));
    sides[name] = {
      ns: spread(ns),
      coldNs: spread(coldNs).median,
      ...(reference === undefined ? {} : { ratio: spread(ratios) }),
    };
  }
  const bar = one.bars[work];
  const best = Math.min(...Object.values(sides).map((side) => side.ratio?.median ?? NaN));
  return {
    name: `${one.name}/${work}`,
    title: (TITLES[work] ?? work) + (one.note === undefined ? "" : `, ${one.note}`),
    records: one.records,
    lock: one.lock,
    ...(reference === undefined
      ? {}
      : { libtdb: { ns: spread(reference.ns), coldNs: spread(reference.coldNs).median } }),
    sides,
    ...(bar === undefined || reference === undefined ? {} : { bar, met: best <= bar }),
  };
}

/** How much slower the last three tenths of "vary" are than the first three. */
export function growth(series: Series): number {
  const windows = series.windows ?? [];
  return mean(windows.slice(-3)) / mean(windows.slice(0, 3));
}

/** "vary" tenth by tenth, a line per contestant; ours must be flat. */
export function windowLines(result: Result): string[] {
  const lines: string[] = [];
  for (const [name, series] of result.works.get("vary") ?? []) {
    if (series.windows === undefined) continue;
    const figures = series.windows.map((ns) => duration(ns).padStart(8)).join("");
    const grown = growth(series);
    const verdict = name === "libtdb" ? "" : grown <= FLAT_MAX ? "  flat" : "  NOT FLAT";
    lines.push(`${name.padEnd(7)}${figures}   x${grown.toFixed(2)}${verdict}`);
  }
  return lines;
}

/** A time with its unit: "54 ns", "1.24 us", "3.1 ms". */
export function duration(ns: number): string {
  if (ns < 1000) return `${ns.toFixed(0)} ns`;
  const [value, unit] = ns < 1e6 ? [ns / 1000, "us"] : [ns / 1e6, "ms"];
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
}

function ratioText(ratio: Spread | undefined): string {
  if (ratio === undefined) return "";
  const digits = ratio.median < 0.1 ? 4 : 2;
  const [low, median, high] = [ratio.low, ratio.median, ratio.high].map((v) => v.toFixed(digits));
  return low === high ? `${median}` : `${median} (${low}-${high})`;
}

function countText(count: number): string {
  return count >= 1e6 ? `${count / 1e6} M` : `${count / 1000} k`;
}

/** The table as text, without a line break at its end. */
export function table(rows: readonly Row[]): string {
  const runtimes = [...new Set(rows.flatMap((row) => Object.keys(row.sides)))];
  const head = ["", "records", "locks", "libtdb"];
  for (const name of runtimes) head.push(name, "ratio");
  head.push("bar", "");
  const lines = rows.map((row) => {
    const cells = [row.title, countText(row.records), row.lock];
    cells.push(row.libtdb === undefined ? "" : duration(row.libtdb.ns.median));
    for (const name of runtimes) {
      const side = row.sides[name];
      cells.push(side === undefined ? "" : duration(side.ns.median), ratioText(side?.ratio));
    }
    cells.push(row.bar === undefined ? "" : `<= ${row.bar}`);
    cells.push(row.met === undefined ? "" : row.met ? "met" : "MISSED");
    return cells;
  });
  return columns([head, ...lines], [0, 2]);
}

/** Lays cells out in columns; those named in `left` are flush left, the others right. */
export function columns(lines: readonly (readonly string[])[], left: readonly number[]): string {
  const widths: number[] = [];
  for (const line of lines) {
    line.forEach((cell, index) => widths[index] = Math.max(widths[index] ?? 0, cell.length));
  }
  return lines.map((line) =>
    line.map((cell, index) => {
      const width = widths[index] ?? 0;
      return left.includes(index) ? cell.padEnd(width) : cell.padStart(width);
    }).join("  ").trimEnd()
  ).join("\n");
}

/** How the first 1000 operations of a process fare, beside the later ones. */
export function coldTable(rows: readonly Row[]): string {
  const runtimes = [...new Set(rows.flatMap((row) => Object.keys(row.sides)))];
  const lines = rows.map((row) => [
    row.title,
    row.libtdb === undefined ? "" : duration(row.libtdb.coldNs),
    ...runtimes.map((name) => duration(row.sides[name]?.coldNs ?? NaN)),
  ]);
  return columns([["", "libtdb", ...runtimes], ...lines], [0]);
}
