/**
 * What the commands on tunables show: declared results, and how people read a value.
 *
 * Does NOT promise: that a node of another version has the same tunables.
 */

import { object, type RowOf, rows } from "../result.ts";
import { flag, int, list, maybe, record, text, word } from "../schema.ts";

/** One change, as the node tells it. */
const CHANGE = {
  name: text("Tunable", "its name"),
  place: text("Where", "cluster, or the node whose own value it is"),
  before: maybe(int("Before", "in its unit; null: nothing was set there")),
  after: maybe(int("After", "in its unit; null: nothing is set there any more")),
  by: text("By", "who asked for it, as the node of `at` knew it"),
  at: text("At", "name of the node that was asked"),
  when: text("When", "by the wall clock of that node, ISO 8601"),
  wallMs: int("Wall, ms", "the same since 1970", "ms"),
};

const TUNABLE = {
  name: text("Tunable", "its name; case does not matter"),
  value: int("Value", "what holds at the node, in its unit"),
  unit: word("Unit", "of its values", ["s", "ms", "bytes", "count", "switch", "choice"]),
  default: int("Default", "what holds where nothing is set"),
  from: word("From", "where the value comes from", ["default", "cluster", "node"]),
  min: int("Least", "the least value"),
  max: int("Most", "the greatest value"),
  effect: word(
    "Effect",
    "here: it governs something; kept: it can be set and changes nothing; obsolete: it cannot be set",
    ["here", "kept", "obsolete"],
  ),
  reader: maybe(
    word("Read by", "whose value counts", ["each node", "the leader", "the asked node"]),
  ),
  isCtdbs: flag("CTDB's", "does ctdb have it?"),
  doc: text("Meaning", "what it governs, or why it changes nothing"),
};

/** A value as people read it. */
export function valueText(value: number | null | undefined, unit: string): string | undefined {
  if (value === null || value === undefined) return undefined;
  return unit === "s" || unit === "ms" || unit === "bytes" ? `${value} ${unit}` : `${value}`;
}

/** Of `ls`. */
export const TUNABLES = rows(TUNABLE, {
  table: [
    "name",
    { name: "value", text: ({ value, unit }) => valueText(value, unit) },
    { name: "default", text: ({ default: value, unit }) => valueText(value, unit) },
    { name: "from", text: ({ from }) => from === "default" ? undefined : from, whenSet: true },
    "effect",
  ],
});
/** One row of it, and what a node answers to "tunable list". */
export type TunableRow = RowOf<typeof TUNABLES>;

/** Of `get`. */
export const TUNABLE_SHOWN = object({
  ...TUNABLE,
  isWhole: flag("Whole", "false: only what this node holds, as the metadata cannot be read now"),
  cluster: maybe(int("Cluster", "what is set for the cluster; null: nothing")),
  nodes: list(
    "Nodes",
    "those that have a value of their own",
    record("Node", "one of them", {
      pnn: int("Pnn", "its number"),
      name: text("Node", "its name"),
      value: int("Value", "its own"),
    }),
  ),
  last: maybe(record("Last", "the last change that is remembered", CHANGE)),
}, {
  table: [
    "name",
    { name: "value", text: ({ value, unit }) => valueText(value, unit) },
    { name: "default", text: ({ default: value, unit }) => valueText(value, unit) },
    { name: "cluster", text: ({ cluster, unit }) => valueText(cluster, unit) },
    {
      name: "nodes",
      title: "Of nodes",
      text: ({ nodes, unit }) =>
        nodes.map(({ name, value }) => `${name} ${valueText(value, unit)}`).join(", ") || undefined,
    },
    { name: "range", title: "Range", text: ({ min, max, unit }) => rangeOf(min, max, unit) },
    "effect",
    { name: "reader", whenSet: true },
    "doc",
    {
      name: "isWhole",
      title: "Note",
      text: ({ isWhole }) =>
        isWhole ? undefined : "the metadata cannot be read now: of other nodes nothing is known",
      whenSet: true,
    },
    { name: "last", title: "Last set", text: ({ last }) => last ? lastText(last) : undefined },
  ],
});
/** It. */
export type TunableShown = RowOf<typeof TUNABLE_SHOWN>;

function rangeOf(min: number, max: number, unit: string): string {
  return unit === "switch" ? "0 or 1" : `${min} to ${valueText(max, unit)}`;
}

function lastText({ when, by }: { readonly when: string; readonly by: string }): string {
  return `${when} by ${by}`;
}

/** Of `set` and `reset`. */
export const TUNABLE_SET = object({
  ...TUNABLE,
  done: list(
    "Done",
    "what was set where",
    record("Place", "one of them", {
      place: text("Where", "cluster, or a node"),
      before: maybe(int("Before", "what was set there; null: nothing")),
      after: maybe(int("After", "what is set there now; null: nothing")),
      changed: flag("Changed", "false: it was so"),
    }),
  ),
});
/** It. */
export type TunableSet = RowOf<typeof TUNABLE_SET>;

/** Of `history`. */
export const TUNABLE_HISTORY = rows(CHANGE, {
  table: ["when", "name", "place", "before", "after", "by", "at"],
});
/** One row of it. */
export type TunableChange = RowOf<typeof TUNABLE_HISTORY>;

/** Of `diff`. */
export const TUNABLE_DIFF = rows({
  name: TUNABLE.name,
  unit: TUNABLE.unit,
  default: TUNABLE.default,
  differs: word("Differs", "default: all nodes from the default alike; nodes: among the nodes", [
    "default",
    "nodes",
  ]),
  nodes: list(
    "Nodes",
    "what holds at each that answered",
    record("Node", "one of them", {
      pnn: int("Pnn", "its number"),
      name: text("Node", "its name"),
      value: int("Value", "what holds there"),
      from: TUNABLE.from,
    }),
  ),
}, {
  table: [
    "name",
    { name: "default", text: ({ default: value, unit }) => valueText(value, unit) },
    "differs",
    {
      name: "nodes",
      text: ({ nodes, unit, differs }) =>
        differs === "default"
          ? valueText(nodes[0]?.value, unit)
          : nodes.map(({ name, value }) => `${name} ${valueText(value, unit)}`).join(", "),
    },
  ],
});
/** One row of it. */
export type TunableDiff = RowOf<typeof TUNABLE_DIFF>;
