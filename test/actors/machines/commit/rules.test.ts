/**
 * Each rule of the commit machine has a directed scene: with the rule the promise holds, without it the scene notices.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { COMMIT_RULES } from "../../../../actors/machines/commit/rules.ts";
import { brokenRule, ruleNames } from "../../../swarm/commit_broken.ts";
import { PRIMARY_SCENES } from "./rules_primary.ts";
import { PLANNER_SCENES, REPLICA_SCENES } from "./rules_replica.ts";

const test = suite("commit rules");
const SCENES = { ...PRIMARY_SCENES, ...REPLICA_SCENES, ...PLANNER_SCENES };

test("Each rule has a scene", () => {
  assert.equal(Object.keys(SCENES).sort(), ruleNames().sort());
});

for (const name of ruleNames()) {
  test(`With it the promise holds, without it that is seen: ${name}`, () => {
    const scene = SCENES[name];
    assert.ok(scene !== undefined);
    assert.ok(scene(COMMIT_RULES), "with the rule");
    assert.not.ok(scene(brokenRule(name)), "without it");
  });
}

test.run();
