/**
 * What the workloads must reach: a row for each figure, with the peer's of the same run and the bar.
 *
 * Does NOT promise: a verdict where one of the two has not run.
 */

import type { RingFloor } from "./floor_ring.ts";
import type { Figure, Floor } from "./measure.ts";

/** A figure beside the peer's. */
export interface BarRow {
  readonly what: string;
  readonly ours: string;
  readonly peer: string;
  /** Ours by the peer's, or by the floor. */
  readonly ratio: number | undefined;
  readonly bar: string;
  /** Undefined: there is no bar, or nothing to hold it against. */
  readonly isMet: boolean | undefined;
}

/** A bar: a value of a figure, and how it must be. */
interface Bar {
  readonly workload: string;
  /** Which of its figures: part of `what`; all when absent. */
  readonly only?: string;
  readonly name: string;
  readonly unit: string;
  value(figure: Figure): number;
  /** Against the peer's value of the same, the floor's, or a number. */
  readonly against: "peer" | "round trip" | "number" | keyof RingFloor;
  readonly least?: number;
  readonly most?: number;
}

const rate = {
  name: "rate",
  unit: "/s",
  value: ({ rate }: Figure) => rate,
  against: "peer",
} as const;
const more = (name: string) => (figure: Figure): number => figure.more[name] ?? NaN;

const BARS: readonly Bar[] = [
  {
    ...{ workload: "fetch-loop", only: "10000 records", name: "cycle p50", unit: "us" },
    ...{ value: ({ p50Us }) => p50Us, against: "peer", most: 1.3 },
  },
  {
    ...{ workload: "fetch-loop", only: "1000000 records", name: "cycle p50", unit: "us" },
    ...{ value: ({ p50Us }) => p50Us, against: "peer", most: 1 },
  },
  { workload: "fetch-ring", ...rate, least: 2 },
  {
    ...{ workload: "fetch-ring", name: "ownership p50 by round trips", unit: "us" },
    // A lap is three of them; each has a message to the next node in it.
    ...{ value: ({ p50Us }) => p50Us / 3, against: "round trip", most: 2 },
  },
  { workload: "hot-counter", ...rate, least: 10 },
  { workload: "hot-mix", ...rate, least: 5 },
  { workload: "message-ring", ...rate, least: 2 },
  { workload: "message-ring", ...rate, name: "by the bare ring", against: "ringPerSecond" },
  {
    ...{ workload: "message-ring", ...rate, name: "by the bare ring with programs" },
    against: "programRingPerSecond",
  },
  { workload: "one-way", ...rate, least: 3 },
  {
    ...{ workload: "remote-call", name: "p50 by round trips", unit: "us" },
    ...{ value: ({ p50Us }) => p50Us, against: "round trip", most: 1.3 },
  },
  {
    ...{ workload: "remote-read", name: "p50 by round trips", unit: "us" },
    ...{ value: ({ p50Us }) => p50Us, against: "round trip", most: 1.3 },
  },
  {
    ...{ workload: "traverse", name: "p50", unit: "ms", against: "number", most: 500 },
    value: ({ p50Us }) => p50Us / 1000,
  },
  {
    ...{ workload: "vacuum", name: "p99 by idle p99", unit: "x", against: "number", most: 2 },
    value: more("p99ToIdle"),
  },
  {
    ...{
      workload: "recovery",
      only: "99999",
      name: "recovered after the death counts",
      unit: "ms",
    },
    ...{ against: "number", most: 2000 },
    value: (figure) => more("recoveredMs")(figure) - more("outMs")(figure),
  },
  {
    ...{ workload: "recovery", name: "longest pause, p50 of keys", unit: "ms", against: "number" },
    ...{ value: ({ p50Us }) => p50Us / 1000, most: 20 },
  },
  {
    ...{ workload: "recovery", name: "longest pause, worst key", unit: "ms", against: "number" },
    ...{ value: ({ mostUs }) => mostUs / 1000, most: 250 },
  },
];

/** The rows of all bars for which there is a figure. */
export function barRows(
  ours: readonly Figure[],
  peer: readonly Figure[],
  floor: Floor & Partial<RingFloor>,
): BarRow[] {
  return BARS.flatMap((bar) => {
    const fits = ({ workload, what }: Figure) =>
      workload === bar.workload && (bar.only === undefined || what.includes(bar.only));
    return ours.filter(fits).map((figure) => {
      // Of several clients of the peer the fastest counts.
      const same = peer.filter((each) => fits(each) && each.what === figure.what);
      return rowOf(bar, figure, same.at(-1), floor);
    });
  });
}

function rowOf(
  bar: Bar,
  figure: Figure,
  peer: Figure | undefined,
  floor: Floor & Partial<RingFloor>,
): BarRow {
  const value = bar.value(figure);
  const peers = peer === undefined ? undefined : bar.value(peer);
  const { roundTripUs, ringPerSecond, programRingPerSecond } = floor;
  const bases = { peer: peers, "round trip": roundTripUs, number: undefined };
  const base = { ...bases, ringPerSecond, programRingPerSecond }[bar.against];
  const ratio = base === undefined ? undefined : value / base;
  const held = bar.against === "number" ? value : ratio;
  const limit = bar.least ?? bar.most;
  const isMet = held === undefined || limit === undefined
    ? undefined
    : bar.least === undefined
    ? held <= limit
    : held >= limit;
  const sign = bar.least === undefined ? "<=" : ">=";
  // Beside a floor the peer's figure says nothing.
  const isFloor = limit === undefined && base !== undefined;
  return {
    what: `${figure.workload}: ${bar.name} (${figure.what})`,
    ours: `${value.toPrecision(4)} ${bar.unit}`,
    peer: peers === undefined || isFloor ? "-" : `${peers.toPrecision(4)} ${bar.unit}`,
    ratio,
    bar: limit === undefined ? "-" : `${sign} ${limit}${bar.against === "number" ? "" : " x"}`,
    isMet,
  };
}
