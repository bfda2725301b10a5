/**
 * Does a value have the declared form? One function for each part of a declaration.
 *
 *   record { n: u32 0..7, name?: text }  ->  own n: a whole number, 0 <= n <= 7; name: absent, undefined or a text
 *
 * Making them takes a twentieth of the time that compiled code takes, or less, and they are as quick: a process checks
 * a few messages of each kind, and starts often (decision 0037). TypeBox gives the same verdicts but for long texts of
 * composed characters (test/transport/wire/check.test.ts): here a character is one of Unicode.
 *
 * Does NOT promise: that a value makes sense in its place; nor to say what is wrong: fault.ts does.
 */

import type { SchemaNode } from "./schema.ts";

/** Has a value the form? Total. */
export type Check = (value: unknown) => boolean;

/** The check of a schema. Throws RangeError on a type that it does not know. */
export function checkOf(node: SchemaNode): Check {
  const { anyOf, enum: words, type } = node;
  if (anyOf !== undefined) return checkOfUnion(anyOf);
  if (words !== undefined) return (value) => words.includes(value);
  if (Object.hasOwn(node, "const")) return (value) => value === node.const;
  switch (type) {
    case "bigint":
      return checkOfBigint(BigInt(node.minimum ?? 0), BigInt(node.maximum ?? 0));
    case "integer":
      return checkOfNumber(node, Number.isInteger);
    case "number":
      return checkOfNumber(node, Number.isFinite);
    case "boolean":
      return (value) => typeof value === "boolean";
    case "string":
      return checkOfText(node);
    case "bytes":
      return (value) => value instanceof Uint8Array;
    case "null":
      return (value) => value === null;
    case "any":
      return () => true;
    case "array":
      return checkOfList(node);
    case "object":
      return checkOfObject(node);
    default:
      throw new RangeError(`Cannot check ${node.title}: it is of type ${type}`);
  }
}

/** Is it a thing with fields? */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkOfUnion(nodes: readonly SchemaNode[]): Check {
  const checks = nodes.map(checkOf);
  return (value) => checks.some((check) => check(value));
}

function checkOfBigint(min: bigint, max: bigint): Check {
  return (value) => typeof value === "bigint" && value >= min && value <= max;
}

function checkOfNumber(node: SchemaNode, isOne: (value: unknown) => boolean): Check {
  const { minimum: min = -Infinity, maximum: max = Infinity } = node;
  return (value) => isOne(value) && (value as number) >= min && (value as number) <= max;
}

function checkOfText({ maxLength: max = Infinity, pattern }: SchemaNode): Check {
  const form = pattern === undefined ? undefined : new RegExp(pattern, "u");
  return (value) =>
    typeof value === "string" && isWithin(value, max) && (form === undefined || form.test(value));
}

/** Has a text at most so many characters? A character of Unicode is one or two code units. */
function isWithin(text: string, max: number): boolean {
  if (text.length <= max) return true;
  return text.length <= 2 * max && [...text].length <= max;
}

function checkOfList({ items = {}, minItems = 0, maxItems = 0, pooled }: SchemaNode): Check {
  const check = checkOf(items);
  const isCount = pooled === true
    ? (count: number) => count === 0 || count === maxItems
    : (count: number) => count >= minItems && count <= maxItems;
  return (value) => {
    if (!Array.isArray(value) || !isCount(value.length)) return false;
    // By index: a hole in a list is an item, too.
    for (let at = 0; at < value.length; at++) if (!check(value[at])) return false;
    return true;
  };
}

function checkOfObject({ properties = {}, required = [] }: SchemaNode): Check {
  const needed = new Set(required);
  const fields = Object.entries(properties).map(([name, node]) => ({
    name,
    check: checkOf(node),
    isNeeded: needed.has(name),
  }));
  return (value) => {
    if (!isObject(value)) return false;
    for (const { name, check, isNeeded } of fields) {
      const given = Object.hasOwn(value, name) ? value[name] : undefined;
      if (given === undefined ? isNeeded : !check(given)) return false;
    }
    return true;
  };
}
