/**
 * What transactions and locks must reach, beside the peer's figures of the same run.
 *
 * Does NOT promise: a verdict where one of the two has not run.
 */

import type { Figure } from "../workloads/measure.ts";

/** A row of the table. */
export interface CommitBar {
  readonly text: string;
  readonly ours: number;
  readonly peer: number | undefined;
  /** Undefined: there is nothing to hold it against. */
  readonly isMet: boolean | undefined;
}

/** A bar: a figure of ours, by its `workload` and `what`, beside one of the peer's. */
interface Bar {
  readonly workload: string;
  readonly what: string;
  readonly peerWhat?: string;
  /** Of rates: ours by the peer's is at least this. */
  readonly least?: number;
  /** Of the time of one, ms: at most this. */
  readonly mostMs?: number;
}

const BARS: readonly Bar[] = [
  { workload: "transactions persistent", what: "1 client", least: 3 },
  { workload: "transactions persistent", what: "32 clients", peerWhat: "1 client", least: 20 },
  { workload: "transactions replicated", what: "1 client", least: 3 },
  { workload: "transactions replicated", what: "32 clients", peerWhat: "1 client", least: 20 },
  { workload: "large transaction", what: "100000 keys, persistent", mostMs: 2000 },
  { workload: "glock", what: "1 client", least: 1 },
  { workload: "glock", what: "3 nodes that want it", least: 2 },
];

/** The rows of all bars for which there is a figure. */
export function commitBars(ours: readonly Figure[], peer: readonly Figure[]): CommitBar[] {
  return BARS.flatMap((bar) => {
    const own = ours.find((each) => each.workload === bar.workload && each.what === bar.what);
    if (own === undefined) return [];
    const wanted = bar.peerWhat ?? bar.what;
    const other = peer.find((each) => each.workload === bar.workload && each.what === wanted);
    return [bar.mostMs === undefined ? byRate(bar, own, other) : byTime(bar, own, bar.mostMs)];
  });
}

function byRate({ what, workload, least = 1 }: Bar, own: Figure, peer?: Figure): CommitBar {
  const ratio = peer === undefined ? undefined : own.rate / peer.rate;
  const isMet = ratio === undefined ? undefined : ratio >= least;
  const cells = [
    `${workload}, ${what}`.padEnd(40),
    `${own.rate.toFixed(0)} /s`.padStart(12),
    (peer === undefined ? "-" : `${peer.rate.toFixed(0)} /s`).padStart(12),
    (ratio === undefined ? "-" : `${ratio.toPrecision(3)} x`).padStart(10),
    `>= ${least} x`.padStart(10),
    isMet === undefined ? "" : isMet ? "met" : "MISSED",
  ];
  return { text: cells.join("  "), ours: own.rate, peer: peer?.rate, isMet };
}

function byTime({ what, workload }: Bar, own: Figure, mostMs: number): CommitBar {
  const ms = own.p50Us / 1000;
  const isMet = ms <= mostMs;
  const cells = [
    `${workload}, ${what}`.padEnd(40),
    `${ms.toFixed(0)} ms`.padStart(12),
    "-".padStart(12),
    "-".padStart(10),
    `<= ${mostMs} ms`.padStart(10),
    isMet ? "met" : "MISSED",
  ];
  return { text: cells.join("  "), ours: ms, peer: undefined, isMet };
}
