/**
 * The kinds of fields that messages are declared with: each a schema with its range, its unit, and what it
 * means.
 *
 *   u64("...")  ->  { type: "bigint", minimum: 0, maximum: 2^64-1, title: "u64", description: "..." }
 *
 * `title` is the name that docs/WIRE.md shows; everything else is checked where a message comes in. u64 are bigint in
 * memory, always; u32 and smaller are numbers; times are numbers of milliseconds, with fractions.
 *
 * Does NOT promise: that a value makes sense in its place; the machines judge that.
 */

import type { Static, TObject, TOptional, TProperties, TSchema, TUnsafe } from "typebox";
import { TEXT_MAX } from "./limits.ts";
import { objectOf } from "./schema.ts";
import type { SchemaNode } from "./schema.ts";
import type { ClusterId, NodeId, Tag } from "./terms.ts";

/** Largest u64. */
export const U64_MAX = 0xffff_ffff_ffff_ffffn;
/** Largest u32. */
export const U32_MAX = 0xffff_ffff;
/** Largest time, milliseconds: 2^53-1, so that every whole one is exact. */
export const MS_MAX = Number.MAX_SAFE_INTEGER;
/** What a 128-bit id looks like. */
const HEX32 = "^[0-9a-f]{32}$";

/** A declared field; `T` is its type in memory. */
export type Field<T> = TUnsafe<T>;
/** A value that nobody changes, all the way down. */
export type Frozen<T> = T extends bigint | number | string | boolean | null | undefined | Uint8Array
  ? T
  : T extends readonly (infer Item)[] ? readonly Frozen<Item>[]
  : { readonly [Key in keyof T]: Frozen<T[Key]> };
/** The type of what a schema describes. */
export type Shaped<Schema extends TSchema> = Frozen<Static<Schema>>;

/** A u64: 0 .. 2^64-1. On the wire a CBOR integer of any width. */
export function u64<T extends bigint = bigint>(description: string): Field<T> {
  return field({ type: "bigint", minimum: 0n, maximum: U64_MAX, title: "u64", description });
}

/** A u32, or less: `min` .. `max`. */
export function u32<T extends number = number>(
  description: string,
  max = U32_MAX,
  min = 0,
): Field<T> {
  const title = max === U32_MAX && min === 0 ? "u32" : `u32 ${min}..${max}`;
  return field({ type: "integer", minimum: min, maximum: max, title, description });
}

/** A time or a duration in milliseconds, 0 .. 2^53-1, with fractions. */
export function ms(description: string): Field<number> {
  return field({ type: "number", minimum: 0, maximum: MS_MAX, title: "ms", description });
}

/** Yes or no. */
export function flag(description: string): Field<boolean> {
  return field({ type: "boolean", title: "flag", description });
}

/** A text of `min` .. `max` characters; with a pattern, anchored at both ends, when it has a form. */
export function text<T extends string = string>(
  description: string,
  max: number = TEXT_MAX,
  pattern?: string,
): Field<T> {
  const form = pattern === undefined ? {} : { pattern };
  const title = `text ..${max}`;
  return field({ type: "string", maxLength: max, title, description, ...form });
}

/** Bytes. */
export function bytes(description: string): Field<Uint8Array> {
  return field({ type: "bytes", title: "bytes", description });
}

/**
 * A word of a closed list. A word that a newer version adds is refused by an older one: `newer` has those that came
 * after level 1, by the level that brought them; nobody may send one to a node that does not know it.
 */
export function oneOf<
  const Words extends readonly string[],
  const Newer extends readonly string[] = [],
>(
  description: string,
  words: Words,
  newer?: Readonly<Record<number, Newer>>,
): Field<Words[number] | Newer[number]> {
  const all = [...words, ...Object.values(newer ?? {}).flat()];
  const title = all.map((word) => `"${word}"`).join(" or ");
  const more = newer === undefined ? {} : { newer };
  return field({ enum: all, title, description, ...more });
}

/** The id of a node: 32 hex digits. */
export function nodeId(description: string): Field<NodeId> {
  return hex32<NodeId>("node id", description);
}

/** The id of a disk, made once with the folder that it names: 32 hex digits. */
export function diskId(description: string): Field<string> {
  return hex32<string>("disk id", description);
}

/** The id of a cluster: 32 hex digits. */
export function clusterId(description: string): Field<ClusterId> {
  return hex32<ClusterId>("cluster id", description);
}

/** The tag of a node: 10 of a-z2-7. */
export function tag(description: string): Field<Tag> {
  const form = { maxLength: 10, pattern: "^[a-z2-7]{10}$" };
  return field({ type: "string", ...form, title: "tag", description });
}

/** A field that may be missing; in memory it is then undefined. */
export function optional<Schema extends TSchema>(field: Schema): TOptional<Schema> {
  return { ...field, optional: true } as unknown as TOptional<Schema>;
}

/** Several of the same, `min` .. `max` of them. */
export function list<Schema extends TSchema>(
  description: string,
  items: Schema,
  max: number,
  min = 0,
): Field<Static<Schema>[]> {
  const range = { minItems: min, maxItems: max, title: `list ${min}..${max}`, description };
  return field({ type: "array", items: items as SchemaNode, ...range });
}

/** None, or exactly `count` records, of which many are equal: on the wire a pool and indexes, see shape.ts. */
export function pooled<Schema extends TSchema>(
  description: string,
  items: Schema,
  count: number,
): Field<Static<Schema>[]> {
  const range = { maxItems: count, title: `list 0 or ${count}, pooled`, description, pooled: true };
  return field({ type: "array", items: items as SchemaNode, ...range });
}

/** A thing with named fields. Fields that it does not name are dropped: a newer version may send more. */
export function record<Fields extends TProperties>(
  title: string,
  description: string,
  fields: Fields,
): TObject<Fields> {
  return objectOf(fields, { title, description, about: description });
}

/** The same record said of something else: as `record`, with its own description. */
export function as<Fields extends TProperties>(
  description: string,
  record: TObject<Fields>,
): TObject<Fields> {
  const { title = "record", about = "" } = record as { title?: string; about?: string };
  return objectOf(record.properties, { title, description, about });
}

/** One of several records, told apart by a field of their own that holds a fixed word. */
export function choice<Records extends TObject[]>(
  description: string,
  records: [...Records],
): Field<Static<Records[number]>> {
  return field({ anyOf: records as readonly SchemaNode[], title: "one of", description });
}

/** The field that tells the records of a choice apart. */
export function word<const Word extends string>(value: Word): Field<Word> {
  return field({ const: value, title: `"${value}"`, description: "Which one this is." });
}

/** A field, or null where there is nothing. */
export function orNull<Schema extends TSchema>(schema: Schema): Field<Static<Schema> | null> {
  const { title = "value", description = "" } = schema as SchemaNode;
  const anyOf = [schema as SchemaNode, { type: "null" }];
  return field({ anyOf, title: `${title} or null`, description });
}

/** A field of a form that this file has no kind for. */
export function field<T>(node: SchemaNode): Field<T> {
  return node as unknown as Field<T>;
}

function hex32<T extends string>(title: string, description: string): Field<T> {
  return field({ type: "string", maxLength: 32, pattern: HEX32, title, description });
}
