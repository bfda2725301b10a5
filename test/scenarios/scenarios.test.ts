/**
 * Scenarios of the cluster machine: what stands in the file is what happens, no judge objects, and a broken rule is
 * noticed by the scenarios that name it.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BROKEN } from "../swarm/broken.ts";
import { scenarioNames, scenarioText, tell } from "./scenario.ts";

const test = suite("scenarios");

for (const name of scenarioNames()) {
  const text = scenarioText(name);
  test(name, () => {
    const told = tell(text);
    assert.equal(told.violations, []);
    assert.is(
      told.text,
      text,
      `differs; after a look: bun test/scenarios/scenario.ts --rewrite ${name}`,
    );
    for (const rule of told.breaks) {
      const rules = BROKEN[rule];
      assert.ok(rules !== undefined, `there is no rule to break named ${rule}`);
      const without = tell(text, rules);
      const isNoticed = without.violations.length > 0 || without.text !== text;
      assert.ok(isNoticed, `nobody notices: ${rule}`);
    }
  });
}

test("Each rule that can be broken is named by a scenario or caught by the swarm", () => {
  const named = new Set(
    scenarioNames().flatMap((name) =>
      scenarioText(name).split("\n").filter((line) => line.startsWith("breaks "))
        .map((line) => line.slice("breaks ".length))
    ),
  );
  // The only one that needs a lease with an echo that no leader sends: test/actors/machines/cluster/lease.test.ts.
  named.add("any digest extends");
  // With rule F in force the first part has a scenario of its own; both together are the swarm's.
  named.add("no rule F, prevMembers of the last view only");
  assert.equal(Object.keys(BROKEN).filter((name) => !named.has(name)), []);
});

test("An unknown command or node is refused", () => {
  assert.throws(() => tell("nodes 3\n\n> dance n1\n"), /Unknown command of a scenario: dance n1/);
  assert.throws(() => tell("nodes 3\n\n> pause n7\n"), /No such node/);
});

test.run();
