/**
 * Times of the takeover machine, each with what it is and what the simulator may draw for it.
 *
 * Safety rests on `kernelMs` alone: the kernel of this machine must not keep an address longer than that beyond the
 * life time which was set.
 *
 * Does NOT promise: that any mix is quick.
 */
import { count, ms, type Tunable } from "../../tunable.ts";

/** All of them, by the name they have in AddressTiming. */
export const ADDRESS_TUNABLES = {
  askMs: ms("askMs", 1000, [300, 1000, 3000], "the leader asks each node so often"),
  retryMs: ms("retryMs", 250, [60, 250, 800], "the same where an answer is missing, doubled"),
  gatherMs: ms("gatherMs", 300, [50, 300, 2000], "a new leader waits for answers before it plans"),
  reportMs: ms(
    "reportMs",
    10,
    [1, 10, 100],
    "changes wait so long for others before they are reported",
  ),
  lookMs: ms("lookMs", 1000, [300, 1000], "a node compares its interfaces with what it holds"),
  renewMs: ms("renewMs", 500, [200, 500], "lives of addresses are extended by so much at least"),
  againMs: ms("againMs", 500, [100, 500], "what could not be released or removed is tried again"),
  brokenMs: ms(
    "brokenMs",
    10000,
    [1000, 10000],
    "an address that could not be taken is not offered",
  ),
  budgetMs: ms(
    "budgetMs",
    27000,
    [6000, 27000],
    "a run may take so long; upstream: 3 x TakeoverTimeout",
  ),
  pinMs: ms(
    "pinMs",
    20000,
    [2000, 20000],
    "an address that was moved by hand stays; upstream: 2 x 10 s",
  ),
  kernelMs: ms(
    "kernelMs",
    1000,
    [1000],
    "the kernel may drop an address so late; at most a second by its code",
  ),
  blameCredits: count("blameCredits", 4, [1, 4], "credits of a node for a run that failed by it"),
} as const satisfies Record<string, Tunable>;

/** The values in force. */
export type AddressTiming = { readonly [Name in keyof typeof ADDRESS_TUNABLES]: number };

/** The values as they are delivered. */
export function defaultAddressTiming(): AddressTiming {
  const entries = Object.entries(ADDRESS_TUNABLES).map(([name, { value }]) => [name, value]);
  return Object.fromEntries(entries) as AddressTiming;
}
