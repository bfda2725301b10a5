/**
 * The times and bounds of the metadata machine, each with its unit and odd values for the simulator to draw.
 *
 * Does NOT promise: that nodes with different values do well together; they only stay right.
 */

import { type Tunable, tunable } from "../tunable.ts";

/** All of them, by the name they have in MetadataTiming. */
export const METADATA_TUNABLES = {
  tickMs: tunable("tickMs", "ms", 250, [100, 400], "what is due is looked for so often"),
  digestMs: tunable("digestMs", "ms", 5000, [500, 20000], "one digest per scope, to one peer"),
  coldMs: tunable("coldMs", "ms", 1000, [300, 3000], "digests of a scope not yet had"),
  aloneMs: tunable(
    "aloneMs",
    "ms",
    5000,
    [1000, 10000],
    "nobody has a scope for so long: the leader starts it empty",
  ),
  slowMs: tunable("slowMs", "ms", 1000, [200, 5000], "slow changes of a scope go out once in this"),
  saveMs: tunable("saveMs", "ms", 1000, [0, 5000], "changes wait so long for more, before a save"),
  roundMs: tunable("roundMs", "ms", 60000, [2000, 10000], "between rounds for tombstones"),
  roundLimitMs: tunable(
    "roundLimitMs",
    "ms",
    10000,
    [1000],
    "a round that takes longer has failed",
  ),
  askLimitMs: tunable("askLimitMs", "ms", 3000, [500], "a question to another node"),
  tombstonesWarn: tunable("tombstonesWarn", "count", 150, [3], "more tombstones than this: warn"),
  reserveBlock: tunable("reserveBlock", "count", 65536, [4], "stamps made durable at a time"),
} as const satisfies Record<string, Tunable>;

/** The values in force. */
export type MetadataTiming = { readonly [Name in keyof typeof METADATA_TUNABLES]: number };

/** The values as they are delivered. */
export function defaultMetadataTiming(): MetadataTiming {
  const entries = Object.entries(METADATA_TUNABLES).map(([name, { value }]) => [name, value]);
  return Object.fromEntries(entries) as MetadataTiming;
}
