/**
 * Says what is wrong with a value that a compiled check has refused: the path to it, and why.
 *
 *   { doc: { nodes: [ok, ok, bad] } }  ->  "doc/nodes/2/addr must match pattern ..."
 *
 * It goes down by compiled checks of the parts, one level at a time, so its cost is that of a few checks; the
 * validator's own list of faults takes a hundred times as long on a document.
 *
 * Does NOT promise: all that is wrong; it names the first.
 */

import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { FAULT_TEXT_MAX, fitText } from "./limits.ts";
import type { SchemaNode } from "./shape.ts";

/** Says what is wrong with a value that the check of its schema refuses, in at most FAULT_TEXT_MAX characters. */
export type FaultFinder = (value: unknown) => string;

/** A part of a schema with its own check. */
interface Part {
  readonly check: (value: unknown) => boolean;
  readonly find: (value: unknown, path: string) => string;
}

/** The finder for a schema. Its parts are compiled when they are first needed. */
export function faultFinder(schema: TSchema): FaultFinder {
  const part = partOf(schema);
  return (value) => fitText(part.find(value, ""), FAULT_TEXT_MAX);
}

function partOf(schema: TSchema): Part {
  const compiled = Compile(schema);
  const { type, items, properties = {}, required = [], title = "" } = schema as SchemaNode;
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
    // The validator's own words only for what is small.
    if (type === "array") {
      return Array.isArray(value) ? inList(value, path) : said(path, "must be a list");
    }
    if (type === "object") {
      return isRecord(value) ? inRecord(value, path) : said(path, `must be a map of ${title}`);
    }
    const [first] = compiled.Errors(value);
    return said(path, first?.message ?? "is wrong");
  };
  return { check: (value) => compiled.Check(value), find };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function said(path: string, what: string): string {
  return `${path.slice(1)} ${what}`.trim();
}

function lazyPart(node: SchemaNode): () => Part {
  let part: Part | undefined;
  return () => part ??= partOf(node as TSchema);
}
