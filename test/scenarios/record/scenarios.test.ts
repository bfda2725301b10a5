/**
 * Scenarios of records: what stands in the file is what happens, and no judge objects.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { scenarioNames, scenarioText, tell } from "./scenario.ts";

const test = suite("scenarios of records");

for (const name of scenarioNames()) {
  const text = scenarioText(name);
  test(name, () => {
    const told = tell(text);
    assert.equal(told.violations, []);
    const again = `bun test/scenarios/record/scenario.ts --rewrite ${name}`;
    assert.is(told.text, text, `differs; after a look: ${again}`);
  });
}

test("An unknown command or node is refused", () => {
  assert.throws(() => tell("nodes 3\n\n> dance n1\n"), /Unknown command of a scenario: dance n1/);
  assert.throws(() => tell("nodes 3\n\n> read n7 k\n"), /No such node: n7/);
});

test.run();
