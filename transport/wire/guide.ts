/**
 * What a declaration lets the gate expect: which types, how long, how many. So a body that cannot become a message is
 * refused at its first wrong head, before it is decoded.
 *
 *   { token: u64, doc: {..} }  ->  map, with fields: hash("token") -> uint or float, hash("doc") -> map ...
 *
 * A field that is not declared may be of a newer version and is passed, within FOREIGN_ITEMS_MAX.
 *
 * Does NOT promise: that what passes is right: ranges, forms and missing fields are for the check.
 */

import type { TSchema } from "typebox";
import { keyHash } from "./key_hash.ts";
import type { SchemaNode } from "./schema.ts";
import { INDEX_SIZE } from "./shape.ts";

/** What may stand in one place. */
export interface Guide {
  /** Bit i: major type i may stand here. */
  readonly majors: number;
  /** Bytes of a text or a byte string at most. */
  readonly bytesMax: number;
  /** Items of an array at most. */
  readonly countMax: number;
  /** What may stand in an array; undefined: anything. */
  readonly items: Guide | undefined;
  /** What may stand in the fields of a map, by the hash of their names. */
  readonly fields: ReadonlyMap<number, Guide>;
}

const NOWHERE: Guide = {
  majors: 0,
  bytesMax: 0,
  countMax: 0,
  items: undefined,
  fields: new Map<number, Guide>(),
};
const ANY: Guide = { ...NOWHERE, majors: 0xff, bytesMax: Infinity, countMax: Infinity };
const UINT = 1 << 0;
const BYTES = 1 << 2;
const TEXT = 1 << 3;
const ARRAY = 1 << 4;
const MAP = 1 << 5;
/** Simple values and floats: some encoders write large whole numbers as floats. */
const SIMPLE = 1 << 7;
/** UTF-8 of one character at most. */
const CHARACTER_SIZE = 4;

/** The guide of a schema. */
export function guideOf(schema: TSchema): Guide {
  return guideOfNode(schema as SchemaNode);
}

function guideOfNode(node: SchemaNode): Guide {
  if (node.anyOf !== undefined) return node.anyOf.map(guideOfNode).reduce(merged, NOWHERE);
  if (node.enum !== undefined || typeof node.const === "string") return textOf(wordMax(node));
  switch (node.type) {
    case "bigint":
    case "integer":
    case "number":
      return { ...NOWHERE, majors: UINT | SIMPLE };
    case "boolean":
    case "null":
      return { ...NOWHERE, majors: SIMPLE };
    case "string":
      return textOf((node.maxLength ?? Infinity) * CHARACTER_SIZE);
    case "object":
      return mapOf(
        Object.entries(node.properties ?? {}).map(([name, field]) => [name, guideOfNode(field)]),
      );
    case "array":
      return node.pooled ? merged(arrayOf(node), poolOf(node)) : arrayOf(node);
    default:
      return ANY;
  }
}

function textOf(bytesMax: number): Guide {
  return { ...NOWHERE, majors: TEXT, bytesMax };
}

function wordMax(node: SchemaNode): number {
  const words = [node.const, ...node.enum ?? []].filter((word) => typeof word === "string");
  return Math.max(0, ...words.map((word) => word.length * CHARACTER_SIZE));
}

function arrayOf({ items, maxItems = Infinity }: SchemaNode): Guide {
  const guide = items === undefined ? undefined : guideOfNode(items);
  return { ...NOWHERE, majors: ARRAY, countMax: maxItems, items: guide };
}

/** A pooled list as it is on the wire: { pool, at }. */
function poolOf(node: SchemaNode): Guide {
  const bytesMax = (node.maxItems ?? Infinity) * INDEX_SIZE;
  const at = { ...NOWHERE, majors: BYTES, bytesMax };
  return mapOf([["pool", arrayOf(node)], ["at", at]]);
}

function mapOf(entries: readonly (readonly [string, Guide])[]): Guide {
  const fields = new Map<number, Guide>();
  for (const [name, guide] of entries) {
    const bytes = new TextEncoder().encode(name);
    fields.set(keyHash(bytes, 0, bytes.length), guide);
  }
  return { ...NOWHERE, majors: MAP, fields };
}

/** What may stand where one or the other may. */
function merged(one: Guide, other: Guide): Guide {
  const fields = new Map(one.fields);
  for (const [hash, guide] of other.fields) {
    const known = fields.get(hash);
    fields.set(hash, known === undefined ? guide : merged(known, guide));
  }
  return {
    majors: one.majors | other.majors,
    bytesMax: Math.max(one.bytesMax, other.bytesMax),
    countMax: Math.max(one.countMax, other.countMax),
    items: mergedItems(one, other),
    fields,
  };
}

function mergedItems(one: Guide, other: Guide): Guide | undefined {
  // Whoever takes no array has no say in it.
  if ((one.majors & ARRAY) === 0) return other.items;
  if ((other.majors & ARRAY) === 0) return one.items;
  if (one.items === undefined || other.items === undefined) return undefined;
  return merged(one.items, other.items);
}
