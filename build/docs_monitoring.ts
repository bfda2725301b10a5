/**
 * Writes the tables of docs/MONITORING.md from the declarations of events and metrics; the rest of the page is by hand.
 *
 *   bun build/docs_monitoring.ts [--check]      --check: only compare; exit code 1 when the page is old
 *
 *   <!-- events: ... -->   ...replaced...   <!-- /events -->          the same with metrics
 *
 * Does NOT promise: that what is written by hand is true; test/live/faults/planned.test.ts runs the example.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { METRICS } from "../cli/metrics_text.ts";
import { EVENTS } from "../transport/wire/messages/event.ts";
import { EVENT_HEAD } from "../transport/wire/messages/event_form.ts";
import { ROOT } from "./steps.ts";
import { tableText } from "./table.ts";

const PAGE = "docs/MONITORING.md";

/** A schema as the page needs it. */
interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
}

/** The page with its tables as the declarations say them now. Throws RangeError when a place for one is missing. */
export function monitoringPage(page: string): string {
  return replaced(replaced(page, "events", eventsText()), "metrics", metricsText());
}

function replaced(page: string, name: string, text: string): string {
  const form = new RegExp(`(<!-- ${name}: [^\\n]* -->\\n)[\\s\\S]*?(<!-- /${name} -->)`);
  if (!form.test(page)) throw new RangeError(`Cannot write ${PAGE}: it has no place for ${name}`);
  return page.replace(form, (_, before: string, after: string) => `${before}\n${text}\n${after}`);
}

function eventsText(): string {
  const required = ["v", "topic", "cluster", "node", "tag", "wallMs", "seq"];
  const head = { properties: EVENT_HEAD as unknown as Schema["properties"], required } as Schema;
  const parts = [`Every event begins with:\n\n${tableText(HEAD_CELLS, fieldRows(head))}`];
  for (const { topic, doc, fields } of EVENTS) {
    parts.push(`### ${topic}\n\n${doc}\n\n${tableText(HEAD_CELLS, fieldRows(fields as Schema))}`);
  }
  return parts.join("\n");
}

const HEAD_CELLS = ["field", "unit or type", "meaning"];

/** A row for each field; those of records within follow under `outer.inner`, of lists under `outer[].inner`. */
function fieldRows({ properties = {}, required = [] }: Schema, before = ""): string[][] {
  return Object.entries(properties).flatMap(([name, field]) => {
    const path = `${before}${name}`;
    const about = [
      required.includes(name) ? `\`${path}\`` : `\`${path}\`, optional`,
      field.items === undefined
        ? field.properties === undefined ? field.title ?? "" : "object"
        : "list",
      field.description ?? "",
    ];
    if (field.items !== undefined) return [about, ...fieldRows(field.items, `${path}[].`)];
    return field.properties === undefined ? [about] : [about, ...fieldRows(field, `${path}.`)];
  });
}

function metricsText(): string {
  const rows = METRICS.map(({ name, kind, labels, help }) => [
    `\`${name}\``,
    kind,
    labels.map((label) => `\`${label}\``).join(", "),
    help,
  ]);
  return tableText(["metric", "kind", "more labels", "meaning"], rows);
}

function main(words: readonly string[]): number {
  const path = join(ROOT, PAGE);
  const before = readFileSync(path, "utf8");
  const page = monitoringPage(before);
  if (!words.includes("--check")) {
    writeFileSync(path, page);
    return 0;
  }
  if (before === page) return 0;
  console.error(`${PAGE} is old: run \`bun build/docs_monitoring.ts\``);
  return 1;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
