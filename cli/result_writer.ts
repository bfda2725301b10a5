/**
 * Writes a declared result in the form that was asked for, row by row as it comes.
 *
 *   begin ── row() ... ── say() ── row() ... ── end(), or fail() with the reason: JSON is closed in both cases
 *
 * Does NOT promise: that a table's lines come at once: it keeps its first 100 rows to find its widths; flush()
 * after say() for what somebody watches.
 */

import type { Report } from "./failure.ts";
import type { Cell, Column, Format, Row } from "./output.ts";
import { json, RowWriter, writeObject } from "./output.ts";
import type { Result, TableColumn } from "./result.ts";
import { envelopeHead, envelopeTail, rowFields } from "./result.ts";
import { type Fields, fitRow } from "./schema.ts";
import type { Sink } from "./terminal.ts";

/** Properties that hold a reason, in words for people. */
const PROSE: readonly string[] = ["why", "text", "refusal", "said", "error"];

/** How a result may look; no format: the command's own bytes, for one that has such. */
export interface Wanted {
  readonly format: Format | undefined;
  readonly color: boolean;
}

/** Writes the result of one command. */
export class ResultWriter<T extends object = object> {
  readonly #sink: Sink;
  readonly #wanted: Wanted;
  readonly #command: string;
  readonly #result: Result<T>;
  readonly #fields: Fields;
  /** What of the JSON value is written. */
  #state: "nothing" | "rows" | "whole" | "closed" = "nothing";
  #rows: RowWriter | undefined;
  #hasSpoken = false;

  constructor(sink: Sink, wanted: Wanted, command: string, result: Result<T>) {
    this.#sink = sink;
    this.#wanted = wanted;
    this.#command = command;
    this.#result = result;
    this.#fields = rowFields(result);
  }

  /** The form; "raw": none was asked for, and the command has bytes of its own. */
  get format(): Format | "raw" {
    return this.#wanted.format ?? "raw";
  }

  /** Is it for people? */
  get isTable(): boolean {
    return this.#wanted.format === "table";
  }

  get color(): boolean {
    return this.#wanted.color;
  }

  /** Writes one row of a result of rows. */
  row(value: T): void {
    if (this.#result.kind !== "rows") throw new TypeError("the result is declared as one object");
    // Work that goes on when the command's time was over finds no reader any more.
    if (this.#state === "closed") return;
    if (this.format !== "json") return this.#flatRow(value, this.#result.table as Cells);
    this.#sink.write(this.#state === "nothing" ? `${envelopeHead(this.#command)}[\n  ` : ",\n  ");
    this.#state = "rows";
    this.#sink.write(json(fitRow(this.#fields, value)));
  }

  /** Writes the object of a result that is one. In a table: its rows, if it has such, else a line for each field. */
  object(value: T): void {
    if (this.#state === "closed") return;
    if (this.#result.kind !== "object" || this.#state !== "nothing") {
      throw new TypeError("the result is not declared as one object, or is written already");
    }
    const { fields, rowsOf, table, rowsTable } = this.#result;
    if (this.format === "json") {
      this.#sink.write(`${envelopeHead(this.#command)}${json(fitRow(fields, value), 2)}`);
      this.#state = "whole";
      return;
    }
    if (rowsOf !== undefined) {
      const list = (value as Record<string, unknown>)[rowsOf] as readonly object[];
      for (const each of list) this.#flatRow(each, rowsTable);
      this.#state = "whole";
      return this.endRows();
    }
    this.#state = "whole";
    if (!this.isTable) return this.#flatRow(value, []);
    const row: Record<string, Cell> = {};
    for (const column of table) row[column.name] = cellOf(column as TableColumn<object>, value);
    writeObject(this.#sink, { format: "table", color: this.color }, titled(table as Cells), row);
  }

  /** Writes a text for people; nothing in the other forms. It ends with a line feed, or the caller has a reason. */
  say(text: string): void {
    if (!this.isTable || this.#state === "closed") return;
    this.#rows?.end();
    this.#rows = undefined;
    this.#hasSpoken = true;
    this.#sink.write(text);
  }

  /** Writes the command's own bytes. Only where `format` is "raw". */
  raw(data: string | Uint8Array): void {
    if (this.format !== "raw") throw new TypeError("a form was asked for");
    if (this.#state === "closed") return;
    this.#sink.write(data);
  }

  /** Ends the table, so that what is said next stands below it; also one without rows. */
  endRows(): void {
    if (this.format === "json" || this.format === "raw") return;
    (this.#rows ?? this.#newRows(this.#tableColumns())).end();
    this.#rows = undefined;
    this.#hasSpoken = true;
  }

  /** Hands over what is written. A table's rows may wait; see say(). */
  flush(): void {
    this.#sink.flush();
  }

  /** Ends a result that is complete. Throws TypeError when one was declared and none was written. */
  end(): void {
    if (this.#state === "closed") return;
    if (this.format === "json") {
      if (this.#state === "nothing") {
        if (this.#result.kind === "object") {
          throw new TypeError("the command has written no result");
        }
        this.#sink.write(`${envelopeHead(this.#command)}[]`);
      } else if (this.#state === "rows") this.#sink.write("\n]");
      this.#sink.write(`${envelopeTail()}\n`);
    } else if (this.#rows !== undefined) this.#rows.end();
    else if (this.#result.kind === "rows" && !this.#hasSpoken) this.endRows();
    this.#state = "closed";
  }

  /** Ends a result that is not complete, or whose judgement is an error. */
  fail(report: Report): void {
    if (this.#state === "closed") return;
    if (this.format === "json") {
      if (this.#state === "nothing") this.#sink.write(`${envelopeHead(this.#command)}null`);
      else if (this.#state === "rows") this.#sink.write("\n]");
      this.#sink.write(`${envelopeTail(report)}\n`);
    } else this.#rows?.end();
    this.#state = "closed";
  }

  #tableColumns(): Cells {
    const { kind, table, rowsTable } = this.#result;
    return kind === "rows" ? table as Cells : rowsTable;
  }

  #flatRow(value: object, columns: Cells): void {
    if (this.format === "raw") throw new TypeError("no form was asked for");
    this.#rows ??= this.#newRows(columns);
    if (this.isTable) {
      const row: Record<string, Cell> = {};
      for (const column of columns) row[column.name] = cellOf(column, value);
      return this.#rows.row(row);
    }
    const fitted = fitRow(this.#fields, value);
    this.#rows.row((this.format === "csv" ? flattened(fitted) : fitted) as Row);
  }

  #newRows(columns: Cells): RowWriter {
    const format = this.#wanted.format ?? "table";
    const all = format === "table" ? columns : everyColumn(this.#fields);
    return new RowWriter(this.#sink, { format, color: this.color }, titled(all));
  }
}

type Cells = readonly TableColumn<object>[];

function everyColumn(fields: Fields): TableColumn<object>[] {
  return Object.entries(fields).map(([name, { title }]) => ({ name, title }));
}

function titled(columns: Cells): Column[] {
  return columns.map(({ name, title = name, whenSet = false }, index) => ({
    name,
    title,
    whenSet,
    isProse: index === columns.length - 1 && PROSE.includes(name),
  }));
}

function cellOf({ name, text }: TableColumn<object>, value: object): Cell {
  const cell = text === undefined ? (value as Record<string, unknown>)[name] : text(value);
  return asCell(cell);
}

/** Lists of plain values as one text, objects as JSON: for CSV, and for cells of tables. */
function asCell(value: unknown): Cell {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value) && value.every((part) => typeof part !== "object")) {
    return value.join("; ");
  }
  return typeof value === "object" ? json(value) : value as Cell;
}

function flattened(row: Readonly<Record<string, unknown>>): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, asCell(value)]));
}
