/**
 * What a command declares of its result, and the envelope that it comes in as JSON.
 *
 *   rows({ pnn: int(...), name: text(...) })       a list; each element is a row of the table, of CSV and of jsonl
 *   object({ path: text(...), bytes: int(...) })   one thing; in a table a line for each field
 *   object({ ..., nodes: list(...) }, { rowsOf: "nodes" })     one thing in JSON, whose list makes the rows elsewhere
 *
 *   { "version": 1, "command": "node list", "data": ..., "ok": true }
 *   { "version": 1, "command": "node list", "data": null or what there was, "ok": false,
 *     "error": { exit, code, message, hint } }
 *
 * Does NOT promise: the same columns in a table as in JSON; a table is for people.
 */

import type { Report } from "./failure.ts";
import type { Cell } from "./output.ts";
import {
  type Field,
  type Fields,
  int,
  isNested,
  type JsonSchema,
  maybe,
  objectSchema,
  type Shape,
  text,
} from "./schema.ts";

/** The version of the envelope; another one comes when a program that reads it would have to change. */
export const ENVELOPE_VERSION = 1;

/** A column of a table: a field, or something that is made of a row for people. */
export interface TableColumn<Row> {
  readonly name: string;
  /** Without: that of the field. */
  readonly title?: string;
  /** Without: the field as it is. */
  text?(row: Row): Cell;
  /** Left out of a table in which it is empty everywhere. */
  readonly whenSet?: boolean;
}

/** How a result is shown other than in JSON. */
export interface Forms<Row> {
  /** Columns of the table, or lines of an object: names of fields, or columns. Without: all that are no lists. */
  readonly table?: readonly (string | TableColumn<Row>)[];
}

/** A declared result. `T`: the type of a row, or of the object. */
export interface Result<T extends object = object> {
  readonly kind: "rows" | "object";
  readonly fields: Fields;
  readonly table: readonly TableColumn<T>[];
  /** The field whose list makes the rows of CSV, jsonl and the table. */
  readonly rowsOf: string | undefined;
  /** The columns of those rows in a table. */
  readonly rowsTable: readonly TableColumn<object>[];
}

/** The type of a row, or of the object, of a result. */
export type RowOf<R> = R extends Result<infer T> ? T : never;

/** A result of rows. */
export function rows<F extends Fields>(fields: F, forms: Forms<Shape<F>> = {}): Result<Shape<F>> {
  const table = columnsOf(fields, forms);
  return { kind: "rows", fields, table, rowsOf: undefined, rowsTable: [] };
}

/** A result of one object. `rowsTable`: columns of a table of the list `rowsOf`; without: all that are no lists. */
export function object<F extends Fields, R extends object = object>(
  fields: F,
  forms: Forms<Shape<F>> & {
    readonly rowsOf?: string & keyof F;
    readonly rowsTable?: readonly (string | TableColumn<R>)[];
  } = {},
): Result<Shape<F>> {
  const { rowsOf, rowsTable } = forms;
  const inner = rowsOf === undefined ? {} : itemFields(fields[rowsOf]);
  return {
    kind: "object",
    fields,
    table: columnsOf(fields, forms),
    rowsOf,
    rowsTable: columnsOf(inner, rowsTable === undefined ? {} : { table: rowsTable }) as TableColumn<
      object
    >[],
  };
}

/** The fields of the rows in CSV and jsonl. */
export function rowFields({ fields, rowsOf }: Result): Fields {
  return rowsOf === undefined ? fields : itemFields(fields[rowsOf]);
}

function itemFields(list: Field | undefined): Fields {
  const items = list?.["items"] as JsonSchema | undefined;
  return (items?.["properties"] ?? {}) as Fields;
}

/** The same result asked of several nodes: rows that say which node was asked, and why it did not answer. */
export function resultOfNodes({ fields, table }: Result): Result {
  const wider = Object.entries(fields).map((
    [name, field],
  ): [string, Field] => [name, maybe(field)]);
  const all: Fields = { ...ASKED, ...Object.fromEntries(wider), error: ERROR };
  const own = table.filter(({ name }) => name in fields || all[name] === undefined);
  const shown = [
    { name: "askedPnn" },
    { name: "asked" },
    ...own.map((column) => ({ ...column, text: unlessSilent(column) })),
    { name: "error", whenSet: true },
  ];
  return {
    kind: "rows",
    fields: all,
    table: columnsOf(all, { table: shown }),
    rowsOf: undefined,
    rowsTable: [],
  };
}

const ASKED: Fields = {
  askedPnn: int("Pnn", "number of the node that was asked"),
  asked: text("Asked", "name of the node that was asked"),
};

/** Why a node that was asked did not answer. */
export const ERROR: Field<string | null> = maybe(text("Error", "why it did not answer"));

function unlessSilent<T extends object>(column: TableColumn<T>): (row: T) => Cell {
  return (row) => {
    const { error, [column.name]: cell } = row as Record<string, unknown>;
    if (error !== undefined && error !== null) return undefined;
    return column.text === undefined ? cell as Cell : column.text(row);
  };
}

function columnsOf<T extends object>(fields: Fields, { table }: Forms<T>): TableColumn<T>[] {
  const names = Object.keys(fields).filter((name) => !isNested(fields[name] as Field));
  return (table ?? names).map((column) => {
    const named = typeof column === "string" ? { name: column } : column;
    return { ...named, title: named.title ?? fields[named.name]?.title ?? named.name };
  });
}

/** The JSON Schema of what `-o json` prints. */
export function envelopeSchema(command: string, about: string, result: Result): JsonSchema {
  const data = result.kind === "rows"
    ? { type: "array", items: objectSchema(result.fields) }
    : objectSchema(result.fields);
  const common = { version: { const: ENVELOPE_VERSION }, command: { const: command } };
  const report = {
    type: "object",
    required: ["exit", "code", "message", "hint"],
    properties: {
      exit: { type: "integer", minimum: 1, maximum: 14, description: "the exit code" },
      code: { type: "string", description: "what went wrong, in one word" },
      message: { type: "string", description: "the same for people" },
      hint: { type: ["string", "null"], description: "what to do about it" },
      kind: { type: "string", description: "the kind of damage of a file" },
      offset: { type: "number", description: "where the damage is, bytes from the start" },
      stack: { type: "string", description: "only of errors that nobody expected" },
    },
  };
  const variant = (ok: boolean, more: JsonSchema): JsonSchema => ({
    type: "object",
    required: ["version", "command", "ok", ...Object.keys(more)],
    properties: { ...common, ok: { const: ok }, ...more },
    additionalProperties: false,
  });
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: `ctdbx ${command}`,
    description: about,
    oneOf: [
      variant(true, { data }),
      variant(false, { data: { anyOf: [data, { type: "null" }] }, error: report }),
    ],
  };
}

/** The envelope of a command that has failed before it had anything to show. */
export function failedEnvelope(command: string, report: Report): string {
  return `${envelopeHead(command)}null${envelopeTail(report)}\n`;
}

/** What stands before the data. */
export function envelopeHead(command: string): string {
  return `{"version":${ENVELOPE_VERSION},"command":${JSON.stringify(command)},"data":`;
}

/** What stands behind the data; `report`: why it failed. */
export function envelopeTail(report?: Report): string {
  if (report === undefined) return `,"ok":true}`;
  const { exit, code, message, hint = null, ...more } = report;
  return `,"ok":false,"error":${JSON.stringify({ exit, code, message, hint, ...more })}}`;
}
