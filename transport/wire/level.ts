/**
 * Levels: what a version of ctdbx knows of the declared messages and files. Level n is protocol n and format n.
 *
 *   name: text("..."), natsKey: since(2, optional(text("...")))    at level 1: { name }    at level 2: both
 *   oneOf("...", ["stopped"], { 2: ["disabled"] })                 at level 1: "stopped"   at level 2: both
 *
 * A node of a newer version can be made to be one of an older level: what it does not know is dropped or refused as
 * that version did it. So two versions can be tried together with one program.
 *
 * Does NOT promise: that an older version behaved the same in all else; this is about forms.
 */

import type { TSchema } from "typebox";
import { field } from "./fields.ts";

/** The newest level: what this build knows. */
export const LEVEL = 2;

/** What levels need to know of a schema. */
interface LeveledNode {
  readonly since?: number;
  /** Words of an enumeration that came later, by level. */
  readonly newer?: Readonly<Record<number, readonly string[]>>;
  readonly title?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly required?: readonly string[];
  readonly items?: TSchema;
  readonly anyOf?: readonly TSchema[];
}

/** The field, or the record of a choice, exists from this level on. A field that comes later must be optional. */
export function since<Schema extends TSchema>(level: number, schema: Schema): Schema {
  return changed(schema, { since: level });
}

/** The level since when there is such a field; 1 when nothing is said. */
export function levelOf(schema: TSchema): number {
  return (schema as LeveledNode).since ?? 1;
}

/** The schema as a level has it; the same one when nothing in it is newer. */
export function schemaAt<Schema extends TSchema>(schema: Schema, level: number): Schema {
  const { properties, items, anyOf, newer } = schema as LeveledNode;
  if (newer !== undefined) return wordsAt(schema, newer, level);
  if (properties !== undefined) return recordAt(schema, properties, level);
  if (items !== undefined) {
    const made = schemaAt(items, level);
    return made === items ? schema : changed(schema, { items: made });
  }
  if (anyOf !== undefined) {
    const made = anyOf.filter((one) => levelOf(one) <= level).map((one) => schemaAt(one, level));
    return isSame(made, anyOf) ? schema : changed(schema, { anyOf: made });
  }
  return schema;
}

function recordAt<Schema extends TSchema>(
  schema: Schema,
  properties: Readonly<Record<string, TSchema>>,
  level: number,
): Schema {
  const before = Object.entries(properties);
  const after = before.filter(([, field]) => levelOf(field) <= level)
    .map(([name, field]) => [name, schemaAt(field, level)] as const);
  if (isSame(after.map(([, field]) => field), before.map(([, field]) => field))) return schema;
  return changed(schema, { properties: Object.fromEntries(after) });
}

function wordsAt<Schema extends TSchema>(
  schema: Schema,
  newer: Readonly<Record<number, readonly string[]>>,
  level: number,
): Schema {
  const later = Object.entries(newer).filter(([from]) => Number(from) > level)
    .flatMap(([, words]) => words);
  if (later.length === 0) return schema;
  const words = ((schema as LeveledNode).enum ?? []).filter((word) => !later.includes(word));
  const { title = "", description = "" } = schema as LeveledNode;
  return field({ enum: words, title, description }) as unknown as Schema;
}

function isSame(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((each, at) => each === other[at]);
}

/** A copy with some keys changed. */
function changed<Schema extends TSchema>(schema: Schema, keys: object): Schema {
  return { ...schema, ...keys };
}
