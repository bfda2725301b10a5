/**
 * Says what is wrong with a value that its check has refused: the path to it, and what must be there.
 *
 *   { doc: { nodes: [ok, ok, bad] } }  ->  "doc/nodes/2/addr must be text ..300 of the form ..."
 *
 * It goes down by the checks of the parts, one level at a time, so its cost is that of a few checks.
 *
 * Does NOT promise: all that is wrong; it names the first.
 */

import type { TSchema } from "typebox";
import { checkOf, isObject } from "./check.ts";
import type { Check } from "./check.ts";
import { FAULT_TEXT_MAX, fitText } from "./limits.ts";
import type { SchemaNode } from "./schema.ts";

/** Says what is wrong with a value that the check of its schema refuses, in at most FAULT_TEXT_MAX characters. */
export type FaultFinder = (value: unknown) => string;

/** A part of a schema with its own check. */
interface Part {
  readonly check: Check;
  readonly find: (value: unknown, path: string) => string;
}

/** The finder for a schema. Its parts are made when they are first needed. */
export function faultFinder(schema: TSchema): FaultFinder {
  const part = partOf(schema as SchemaNode);
  return (value) => fitText(part.find(value, ""), FAULT_TEXT_MAX);
}

function partOf(node: SchemaNode): Part {
  const { type, items, properties = {}, required = [], title = "" } = node;
  const ofItems = items === undefined ? undefined : lazyPart(items);
  const ofFields = Object.entries(properties).map(([name, field]) =>
    [name, lazyPart(field)] as const
  );
  const inList = (list: readonly unknown[], path: string): string => {
    const at = list.findIndex((item) => ofItems !== undefined && !ofItems().check(item));
    if (at >= 0 && ofItems !== undefined) return ofItems().find(list[at], `${path}/${at}`);
    return said(path, `must be a ${title}, has ${list.length} items`);
  };
  const inRecord = (record: Record<string, unknown>, path: string): string => {
    const missing = required.find((name) => !Object.hasOwn(record, name));
    if (missing !== undefined) return said(path, `must have ${missing}`);
    for (const [name, part] of ofFields) {
      if (!Object.hasOwn(record, name) || part().check(record[name])) continue;
      return part().find(record[name], `${path}/${name}`);
    }
    return said(path, `must be ${title}`);
  };
  const find = (value: unknown, path: string): string => {
    if (type === "array") {
      return Array.isArray(value) ? inList(value, path) : said(path, "must be a list");
    }
    if (type === "object") {
      return isObject(value) ? inRecord(value, path) : said(path, `must be a map of ${title}`);
    }
    const form = node.pattern === undefined ? "" : ` of the form ${node.pattern}`;
    return said(path, `must be ${title}${form}`);
  };
  return { check: checkOf(node), find };
}

function said(path: string, what: string): string {
  return `${path.slice(1)} ${what}`.trim();
}

function lazyPart(node: SchemaNode): () => Part {
  let part: Part | undefined;
  return () => part ??= partOf(node);
}
