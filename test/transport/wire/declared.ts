/**
 * Messages made from their declarations: any that is allowed, by chance.
 *
 *   anyBody(HEARTBEAT)  ->  a fast-check arbitrary of its bodies
 *
 * Does NOT promise: bodies near their limits of length; fields.test.ts goes there one field at a time.
 */

import fc from "fast-check";
import type { SchemaNode } from "../../../transport/wire/schema.ts";
import type { SomeDeclaration } from "../../../transport/wire/messages/registry.ts";
import { anyEntry } from "./commit/any_entry.ts";

/** Items of a list, unless it needs more. */
const ITEMS = 3;

/** Any body that a declaration allows. */
export function anyBody(declaration: SomeDeclaration): fc.Arbitrary<Record<string, unknown>> {
  return anyOf(declaration.body as SchemaNode) as fc.Arbitrary<Record<string, unknown>>;
}

function anyOf(node: SchemaNode): fc.Arbitrary<unknown> {
  if (node.anyOf !== undefined) return fc.oneof(...node.anyOf.map((one) => anyOf(one)));
  if (node.enum !== undefined) return fc.constantFrom(...node.enum);
  if (node.const !== undefined) return fc.constant(node.const);
  if (node.title === "entry") return anyEntry;
  switch (node.type) {
    case "bigint":
      return fc.bigInt({ min: BigInt(node.minimum ?? 0), max: BigInt(node.maximum ?? 0) });
    case "integer":
      return fc.integer({ min: Number(node.minimum), max: Number(node.maximum) });
    case "number":
      return anyNumber(Number(node.minimum), Number(node.maximum));
    case "bytes":
      return fc.uint8Array({ maxLength: 40 });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "string":
      return anyText(node);
    case "array":
      return anyList(node);
    case "object":
      return anyRecord(node);
    default:
      throw new Error(`no values are known for ${node.title}`);
  }
}

function anyNumber(min: number, max: number): fc.Arbitrary<number> {
  const whole = fc.integer({ min, max: Math.min(max, 2 ** 31 - 1) });
  return fc.oneof(whole, fc.double({ min, max, noNaN: true }), fc.constantFrom(min, max));
}

/** The form of a key: each character a byte. */
const BYTES = "^[\\u0000-\\u00ff]*$";

function anyText({ maxLength = 0, pattern }: SchemaNode): fc.Arbitrary<string> {
  if (pattern === BYTES) {
    const unit = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
    return fc.string({ unit, maxLength: Math.min(80, maxLength) });
  }
  if (pattern === undefined || pattern.includes("\\u0000")) {
    const text = fc.string({ unit: "grapheme", maxLength: Math.min(8, maxLength) });
    return pattern === undefined ? text : text.filter((value) => new RegExp(pattern).test(value));
  }
  return fc.stringMatching(new RegExp(pattern)).filter((value) => value.length <= maxLength);
}

function anyList(node: SchemaNode): fc.Arbitrary<unknown[]> {
  const { items = {}, minItems = 0, maxItems = 0, pooled = false } = node;
  const maxLength = Math.max(minItems, Math.min(ITEMS, maxItems));
  const some = fc.array(anyOf(items), { minLength: minItems, maxLength });
  if (!pooled) return some;
  // None, or the few that there are over and over.
  return some.map((few) =>
    few.length === 0 ? [] : Array.from({ length: maxItems }, (_, i) => few[(i * i) % few.length])
  );
}

function anyRecord({ properties = {}, required = [] }: SchemaNode): fc.Arbitrary<object> {
  const fields = Object.fromEntries(
    Object.entries(properties).map(([name, field]) => [name, anyOf(field)]),
  );
  return fc.record(fields, { requiredKeys: [...required], noNullPrototype: true });
}

/** Where two values differ, as a path; undefined: nowhere. Missing and undefined are different. */
export function difference(one: unknown, other: unknown, path = ""): string | undefined {
  if (Object.is(one, other)) return undefined;
  const isPair = typeof one === "object" && typeof other === "object" && one !== null &&
    other !== null && Object.getPrototypeOf(one) === Object.getPrototypeOf(other);
  if (!isPair) return `${path}: ${String(one)} and ${String(other)}`;
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  for (const name of names) {
    if (!Object.hasOwn(one, name) || !Object.hasOwn(other, name)) {
      return `${path}/${name} is missing`;
    }
    const [mine, its] = [one[name as never], other[name as never]];
    const found = difference(mine, its, `${path}/${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
