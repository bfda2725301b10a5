/**
 * A test of a rule: its case ends well, and does not when the rule is broken.
 *
 * Does NOT promise: that the case is the only one in which the rule matters.
 */
import * as assert from "uvu/assert";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import type { RecordRuleName, RecordRules } from "../../../../actors/machines/record/rules.ts";
import { brokenRule } from "../../../swarm/record_broken.ts";

/** A case: does it end well by these rules? */
export type Case = (rules: RecordRules) => boolean;

/** Makes tests of rules in a suite. */
export function rulesIn(
  test: (name: string, run: () => void) => void,
): (name: RecordRuleName, text: string, run: Case) => void {
  return (name, text, run) =>
    test(`${name}: ${text}`, () => {
      assert.ok(run(RECORD_RULES), "with the rule");
      assert.not.ok(run(brokenRule(name)), "without the rule");
    });
}
