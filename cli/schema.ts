/**
 * The kinds of fields that results are declared with: each is a JSON Schema (draft 2020-12) with a title, which heads
 * its column in a table, and a description, which says what it means and in which unit.
 *
 *   ms("Lease, ms", "until the lease ends")
 *      ->  { type: "number", minimum: 0, title: "Lease, ms", description: "until ...", "x-unit": "ms" }
 *
 * They are plain objects, not made by the schema library: loading that takes longer than most commands run. Tests
 * compile every schema with it and hold what is printed against it.
 *
 * Does NOT promise: a check of what is printed, when it is printed; fit() only gives it its declared form.
 */

/** Any JSON Schema. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

declare const AS: unique symbol;

/** A declared field; `T` is its type in memory. null among them: it may be missing, and is then null in JSON. */
export interface Field<T = unknown> extends JsonSchema {
  readonly title: string;
  readonly description: string;
  /** Only for the type checker. */
  readonly [AS]?: T;
}

/** Fields by their names, in the order in which they are shown. */
export type Fields = Readonly<Record<string, Field>>;

/** The type of what a field holds. */
export type Typed<F> = F extends Field<infer T> ? T : never;

/** The type of an object with these fields. What may be null may also be left out. */
export type Shape<F extends Fields> =
  & { readonly [K in keyof F as null extends Typed<F[K]> ? never : K]: Typed<F[K]> }
  & { readonly [K in keyof F as null extends Typed<F[K]> ? K : never]?: Typed<F[K]> | undefined };

/** A text. */
export function text(title: string, description: string): Field<string> {
  return { type: "string", title, description };
}

/** One of some words. */
export function word<T extends string>(
  title: string,
  description: string,
  words: readonly T[],
): Field<T> {
  return { type: "string", enum: words, title, description };
}

/** A whole number from 0 on, below 2^53. `unit`: what it counts, as "bytes". */
export function int(title: string, description: string, unit?: string): Field<number> {
  return { type: "integer", minimum: 0, title, description, ...unitOf(unit) };
}

/** A number, with fractions, below 0 too. */
export function num(title: string, description: string, unit?: string): Field<number> {
  return { type: "number", title, description, ...unitOf(unit) };
}

/** A time or a duration in milliseconds, 0 or more, with fractions. */
export function ms(title: string, description: string): Field<number> {
  return { type: "number", minimum: 0, title, description, "x-unit": "ms" };
}

/** Yes or no. */
export function flag(title: string, description: string): Field<boolean> {
  return { type: "boolean", title, description };
}

/** A u64: a string of digits, since most readers of JSON round numbers beyond 2^53. */
export function u64(title: string, description: string): Field<string> {
  return { type: "string", pattern: "^[0-9]{1,20}$", title, description };
}

/** A list. */
export function list<T>(
  title: string,
  description: string,
  item: Field<T>,
): Field<readonly T[]> {
  return { type: "array", items: item, title, description };
}

/** An object with fields of its own. */
export function record<F extends Fields>(
  title: string,
  description: string,
  fields: F,
): Field<Shape<F>> {
  return { ...objectSchema(fields), title, description };
}

/** Counts by names that are not known beforehand. */
export function counts(
  title: string,
  description: string,
): Field<Readonly<Record<string, number>>> {
  const additionalProperties = { type: "integer", minimum: 0 };
  return { type: "object", additionalProperties, title, description };
}

/** The same field, which may be unknown: null in JSON, "-" in a table, an empty cell in CSV. */
export function maybe<T>(field: Field<T>): Field<T | null> {
  const { type, enum: words } = field;
  const types = Array.isArray(type) ? type : [type];
  if (types.includes("null")) return field as Field<T | null>;
  const wider = Array.isArray(words) ? { enum: [...words, null] } : {};
  return { ...field, type: [...types, "null"], ...wider } as Field<T | null>;
}

/** The schema of an object that has exactly these fields. */
export function objectSchema(fields: Fields): JsonSchema {
  return {
    type: "object",
    properties: fields,
    required: Object.keys(fields),
    additionalProperties: false,
  };
}

/** Is it a list or an object, and so none for a cell of a table? */
export function isNested(field: Field): boolean {
  const { type } = field;
  return (Array.isArray(type) ? type : [type]).some((each) =>
    each === "array" || each === "object"
  );
}

/** A value in the form that its schema declares: each field is there, in order, null where it is unknown; no others. */
export function fit(schema: JsonSchema, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (Array.isArray(value)) {
    const items = (schema["items"] ?? {}) as JsonSchema;
    return value.map((item) => fit(items, item));
  }
  const properties = schema["properties"];
  if (typeof value !== "object" || properties === undefined) return value;
  return fitRow(properties as Fields, value);
}

/** The same of an object with these fields. */
export function fitRow(fields: Fields, value: object): Record<string, unknown> {
  const given = value as Readonly<Record<string, unknown>>;
  const fitted: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) fitted[name] = fit(field, given[name]);
  return fitted;
}

function unitOf(unit: string | undefined): JsonSchema {
  return unit === undefined ? {} : { "x-unit": unit };
}
