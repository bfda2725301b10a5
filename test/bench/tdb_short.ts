/**
 * The comparison with libtdb that `npm run demo:tdb` shows: some seconds, 10 k records, this runtime only.
 *
 *   bun test/bench/tdb_short.ts [--json]
 *
 * Does NOT promise: figures to quote; `npm run bench -- tdb` is for that.
 */

import process from "node:process";
import { SHORT_CASES } from "./tdb/cases.ts";
import { hold, makeFolders } from "./tdb/contest.ts";
import { oursHere, peer } from "./tdb/peer.ts";
import type { Row } from "./tdb/table.ts";
import { rowsOf, table } from "./tdb/table.ts";

/** One is thrown away. */
const ROUNDS = 3;

/** What the short comparison found. */
export interface Comparison {
  readonly rows: readonly Row[];
  /** Why there is no libtdb in the rows, if there is none. */
  readonly reason?: string;
}

/**
 * Runs the short comparison, <= 8 s; processes only, nothing is opened in this one. Without libtdb, ours alone.
 * Throws when a file is not valid afterwards, or the two sides' contents differ.
 */
export function shortComparison(): Comparison {
  const libtdb = peer();
  const own = oursHere();
  const sides = typeof libtdb === "string" ? [own] : [libtdb, own];
  const judges = typeof libtdb === "string" ? [own] : [libtdb];
  const folders = makeFolders();
  try {
    const rows = SHORT_CASES.flatMap((one) => rowsOf(hold(one, ROUNDS, sides, judges, folders)));
    return typeof libtdb === "string" ? { rows, reason: libtdb } : { rows };
  } finally {
    folders.remove();
  }
}

if (import.meta.main) {
  const { rows, reason } = shortComparison();
  if (process.argv.includes("--json")) console.log(JSON.stringify({ rows, reason }, null, 2));
  else console.log(reason === undefined ? table(rows) : `${table(rows)}\n${reason}`);
}
