/**
 * The rules of takeover, each broken. docs/ADDRESSES.md says what happens without each.
 *
 * Does NOT promise: that one way of breaking a rule is the worst one.
 */
import { ADDRESS_RULES } from "../../actors/machines/addresses/takeover/rules.ts";
import type {
  AddressRuleName,
  AddressRules,
} from "../../actors/machines/addresses/takeover/rules.ts";

/** A life that no lease bounds, milliseconds. */
const FOR_EVER_MS = 1e9;

/** How each is broken. */
const BROKEN: AddressRules = {
  isFenced: () => false,
  promiseFences: () => false,
  tellsWanted: () => false,
  isOfStint: () => true,
  isNewer: () => true,
  endsWithLease: () => false,
  lifeMs: () => FOR_EVER_MS,
  sweepsFirst: () => false,
  countsOrders: () => false,
  waitsForSilent: () => false,
  isLost: () => true,
  isOver: () => true,
  slackMs: () => 0,
  staysWith: (isHeld, isOrdered, isBusy) => isHeld || isOrdered || isBusy,
  mayOrder: () => true,
  clearLife: (_cleared, dead) => dead,
  isSameAbsence: () => true,
};

/** The rules with one of them broken. */
export function brokenAddressRule(name: AddressRuleName): AddressRules {
  return { ...ADDRESS_RULES, [name]: BROKEN[name] };
}

/** All names of rules. */
export function addressRuleNames(): AddressRuleName[] {
  return Object.keys(ADDRESS_RULES) as AddressRuleName[];
}

/**
 * A seed whose judges notice the broken rule. Those without one go unnoticed by random runs, as other rules or the
 * kernel's own clock stand in for them; each has a directed test in
 * test/actors/machines/addresses/takeover/rules.test.ts, as all have.
 */
export const ADDRESS_NOTICED: Readonly<Partial<Record<AddressRuleName, number>>> = {
  clearLife: 64,
  countsOrders: 1,
  tellsWanted: 30,
  isNewer: 3,
  isOver: 1,
  lifeMs: 6,
  sweepsFirst: 6,
  waitsForSilent: 1,
};
