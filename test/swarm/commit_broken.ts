/**
 * The rules of the commit machine and its planner, each broken. docs/COMMITS.md says what happens without each, and who
 * notices.
 *
 * Does NOT promise: that one way of breaking a rule is the worst one.
 */
import { COMMIT_RULES } from "../../actors/machines/commit/rules.ts";
import type { CommitRuleName, CommitRules } from "../../actors/machines/commit/rules.ts";

const yes = () => true;

/** Rules that are more than a step which is taken or not. */
const OTHERS: Partial<CommitRules> = {
  isForTerm: yes,
  isForLife: yes,
  isAbortOfNow: yes,
  isPrimaryLife: yes,
  countsDisk: yes,
  hasEnough: yes,
  isTermHeard: yes,
  fencesAck: yes,
  isWishNew: yes,
  isWishOfNow: yes,
  mayShrink: yes,
  mayLead: yes,
};

/** The rules with one of them broken. */
export function brokenRule(name: CommitRuleName): CommitRules {
  return { ...COMMIT_RULES, [name]: OTHERS[name] ?? (() => false) };
}

/** All names of rules. */
export function ruleNames(): CommitRuleName[] {
  return Object.keys(COMMIT_RULES) as CommitRuleName[];
}
