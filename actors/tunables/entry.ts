/**
 * What is known of a tunable: a value that an operator sets for the whole cluster or for one node, while it runs.
 *
 *   here       it governs something of ctdbx
 *   kept       ctdb has it, and it can be set and read; nothing in ctdbx changes with it, and the entry says why
 *   obsolete   ctdb itself has given it up; it cannot be set
 *
 * Does NOT promise: that safety rests on any of them; what it rests on (leases, margins) is no tunable.
 */

/** What a value counts. "switch": 0 or 1. "choice": one of some numbers. */
export type TunableUnit = "s" | "ms" | "bytes" | "count" | "switch" | "choice";

/** Whose value counts: each node's for itself, or that of the node which leads, or which is asked. */
export type TunableReader = "each node" | "the leader" | "the asked node";

/** One tunable. */
export interface TunableEntry {
  /** As it is written; names are told apart without regard to case. */
  readonly name: string;
  /** Does ctdb have it, under this name? */
  readonly isCtdbs: boolean;
  readonly effect: "here" | "kept" | "obsolete";
  readonly unit: TunableUnit;
  /** What holds where nothing is set; in its unit. For ctdb's own: what ctdb 4.17 has. */
  readonly value: number;
  /** Least and greatest, both allowed; whole numbers. */
  readonly min: number;
  readonly max: number;
  /** What the simulator draws for it; all in its range. */
  readonly wild: readonly number[];
  /** Here: whose value counts. */
  readonly reader?: TunableReader;
  /** Here: what it governs. Otherwise: why it changes nothing, and what does the work instead. */
  readonly doc: string;
}

/** The largest value that ctdb can keep. */
export const U32_MAX = 0xffff_ffff;

/** Range, odd values, and whose value counts. */
interface Here {
  readonly min: number;
  readonly max: number;
  readonly wild: readonly number[];
  readonly reader?: TunableReader;
}

/** One of ctdb's that governs something. */
export function here(
  name: string,
  unit: TunableUnit,
  value: number,
  { min, max, wild, reader = "each node" }: Here,
  doc: string,
): TunableEntry {
  return { name, isCtdbs: true, effect: "here", unit, value, min, max, wild, reader, doc };
}

/** One that ctdb does not have. */
export function own(
  name: string,
  unit: TunableUnit,
  value: number,
  more: Here,
  doc: string,
): TunableEntry {
  return { ...here(name, unit, value, more, doc), isCtdbs: false };
}

/** One of ctdb's that changes nothing here. Its range is ctdb's: 0 to U32_MAX, a switch 0 or 1. */
export function kept(name: string, unit: TunableUnit, value: number, doc: string): TunableEntry {
  const max = unit === "switch" ? 1 : unit === "choice" ? 2 : U32_MAX;
  const wild = [...new Set([0, value, max])];
  return { name, isCtdbs: true, effect: "kept", unit, value, min: 0, max, wild, doc };
}

/** One that ctdb has given up. */
export function obsolete(
  name: string,
  unit: TunableUnit,
  value: number,
  doc: string,
): TunableEntry {
  const wild = [value];
  return {
    ...{ name, isCtdbs: true, effect: "obsolete", unit, value, min: value, max: value, wild, doc },
  };
}
