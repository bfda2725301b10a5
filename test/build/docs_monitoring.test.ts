/** docs/MONITORING.md says what is declared, and names only metrics that there are. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { monitoringPage } from "../../build/docs_monitoring.ts";
import { ROOT } from "../../build/steps.ts";
import { judge, reportLine } from "../../cli/check_report.ts";
import { METRICS } from "../../cli/metrics_text.ts";
import { CONDITIONS, EVENTS, HEARTBEAT_EVENT } from "../../transport/wire/messages/event.ts";
import { EVENT_MAX } from "../../transport/wire/messages/event_form.ts";

const test = suite("docs/MONITORING.md");
const page = readFileSync(join(ROOT, "docs/MONITORING.md"), "utf8");

test("its tables are what the declarations say", () => {
  assert.ok(page === monitoringPage(page), "it is old: run `bun build/docs_monitoring.ts`");
  for (const { topic } of EVENTS) assert.match(page, `### ${topic}\n`);
  assert.throws(() => monitoringPage("nothing"), /it has no place for events/);
});

test("every field of an event has words", () => {
  for (const { topic, fields } of EVENTS) {
    const { properties = {} } = fields as {
      properties?: Record<string, { description?: string }>;
    };
    assert.ok(Object.keys(properties).length > 0, topic);
    for (
      const [name, { description = "" }] of Object.entries(properties)
    ) {
      assert.ok(description.length > 5, `${topic}.${name}`);
    }
  }
  const said = (HEARTBEAT_EVENT.fields as { properties: Record<string, { description?: string }> })
    .properties["condition"]?.description;
  for (const condition of CONDITIONS) assert.match(said ?? "", condition);
});

test("what is written by hand names only what there is", () => {
  const known = new Set(METRICS.map(({ name }) => name));
  const named = new Set(page.match(/\bctdbx_[a-z_]+/g));
  assert.equal([...named].filter((name) => !known.has(name)), []);
  assert.match(page, `at most ${EVENT_MAX} bytes`);
});

test("the example line of check has the form that check prints", () => {
  const [line = ""] = page.split("\n").filter((each) => each.startsWith("WARNING - "));
  assert.match(line, /^WARNING - [^|]+ \| (\w+=[\d.]+(ms)?;\d*:?;\d*:?;0 ?)+$/);
  const report = judge({ rows: [], leaders: [], size: 0, lines: [] }, {}, {});
  assert.is(reportLine(report), "CRITICAL - no node is heard");
});

test.run();
