/**
 * The rules that "one kernel has an address" hangs on, each a small function.
 *
 * The machine asks this table and nothing else, so that a test may break one rule and see who notices; a machine that
 * runs has ADDRESS_RULES. docs/ADDRESSES.md has a row for each: what happens without it.
 *
 * Does NOT promise: that the rules are all of the protocol; what only costs time is in the parts of the machine.
 */
import type { Incarnation, Token } from "../../../../transport/wire/terms.ts";

/** A rule for each promise. Those without arguments are steps that are taken, or not. */
export interface AddressRules {
  /** H1: no orders of a token below one that was answered, */
  isFenced(token: Token, floor: Token): boolean;
  /** or below the one that the cluster machine has promised. */
  promiseFences(): boolean;
  /** H2: what is to be held, and is not set, is reported as busy: it may be taken without another order. */
  tellsWanted(): boolean;
  /** H3: an order is for one stint: the time from a lease to its end. */
  isOfStint(ordered: number, own: number): boolean;
  /** H4: of two orders the later one counts. */
  isNewer(ordered: number, own: number): boolean;
  /** H5: all is released when the lease is over, */
  endsWithLease(nowMs: number, leaseEndMs: number): boolean;
  /** and the kernel knows when that is: set for so long, milliseconds. */
  lifeMs(remainingMs: number): number;
  /** H6: a life says nothing before what former ones set is removed. */
  sweepsFirst(): boolean;
  /** H7: what was extended after the kernel was asked what it has may be there, though it was not then. */
  isLost(wasKept: boolean): boolean;
  /** L1: an address that an order names is taken for held until the node has followed a later one. */
  countsOrders(): boolean;
  /** L1: what a node has set, or was ordered by this leader, stays with it; what is busy there may be another's. */
  staysWith(isHeld: boolean, isOrdered: boolean, isBusy: boolean): boolean;
  /** L2: nobody gets an address that nobody holds while somebody who has not answered might. */
  waitsForSilent(): boolean;
  /** L3: who is silent holds nothing from here on. */
  isOver(nowMs: number, overMs: number): boolean;
  /** L3: the kernel may be late, and a leader may notice late that it is none. */
  slackMs(kernelMs: number, glMs: number): number;
  /** L4: only who may extend leases now may order. */
  mayOrder(isGranting: boolean): boolean;
  /** L5: a death counts when its addresses were removed: `cleared`, not `dead`. */
  clearLife(
    cleared: Incarnation | undefined,
    dead: Incarnation | undefined,
  ): Incarnation | undefined;
  /** L6: a node that came back meanwhile is absent from its last life on. */
  isSameAbsence(known: Incarnation, last: Incarnation): boolean;
}

/** By how much the slack is longer, for clocks that differ by 1 % each. */
const DRIFT = 1.04;

/** The rules as the paper has them. */
export const ADDRESS_RULES: AddressRules = {
  isFenced: (token, floor) => token < floor,
  promiseFences: () => true,
  tellsWanted: () => true,
  isOfStint: (ordered, own) => ordered === own,
  isNewer: (ordered, own) => ordered > own,
  endsWithLease: (nowMs, leaseEndMs) => nowMs >= leaseEndMs,
  lifeMs: (remainingMs) => Math.floor(remainingMs / 1000) * 1000,
  sweepsFirst: () => true,
  isLost: (wasKept) => !wasKept,
  countsOrders: () => true,
  staysWith: (isHeld, isOrdered) => isHeld || isOrdered,
  waitsForSilent: () => true,
  isOver: (nowMs, overMs) => nowMs >= overMs,
  slackMs: (kernelMs, glMs) => Math.max(kernelMs, glMs) * DRIFT,
  mayOrder: (isGranting) => isGranting,
  clearLife: (cleared) => cleared,
  isSameAbsence: (known, last) => known === last,
};

/** The name of a rule. */
export type AddressRuleName = keyof AddressRules;
