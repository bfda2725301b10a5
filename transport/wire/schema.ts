/**
 * What a declaration is at run time: plain data, in the words of JSON Schema where it has one.
 *
 *   { type: "integer", minimum: 0, maximum: 7, title: "u32 0..7", description: "..." }
 *
 * TypeBox gives these their static types, and is not loaded: all that is made of a declaration (shape.ts, check.ts,
 * guide.ts) reads this form.
 *
 * Does NOT promise: to be JSON Schema: "bigint", "bytes" and "any" are types here.
 */

import type { TObject, TProperties } from "typebox";

/** A schema, or a part of one. */
export interface SchemaNode {
  /** Name of the form, for people. */
  readonly title?: string;
  readonly description?: string;
  /** "bigint", "integer", "number", "boolean", "string", "bytes", "null", "any", "array" or "object". */
  readonly type?: string;
  /** Smallest number, bigint where the type is. */
  readonly minimum?: number | bigint;
  /** Largest number, bigint where the type is. */
  readonly maximum?: number | bigint;
  /** Characters of a text at most. */
  readonly maxLength?: number;
  /** Form of a text, as a regular expression. */
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  /** Properties that must be there. */
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
  readonly minItems?: number;
  readonly maxItems?: number;
  /** A list of many equal items, none or `maxItems` of them; on the wire a pool and indexes. */
  readonly pooled?: boolean;
  /** One of these. */
  readonly anyOf?: readonly SchemaNode[];
  /** The only word. */
  readonly const?: unknown;
  /** The only words. */
  readonly enum?: readonly unknown[];
  /** As a field: may it be missing? */
  readonly optional?: boolean;
}

/** The schema of things with these fields, which have no title. */
export function objectOf<Fields extends TProperties>(
  properties: Fields,
  said: Pick<SchemaNode, "title" | "description"> & { readonly about?: string } = {},
): TObject<Fields> {
  const required = Object.entries(properties as Readonly<Record<string, SchemaNode>>)
    .filter(([, field]) => field.optional !== true)
    .map(([name]) => name);
  return { type: "object", required, properties, ...said } as unknown as TObject<Fields>;
}
