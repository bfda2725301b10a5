/**
 * Results as a table, JSON, JSON lines or CSV.
 *
 *   table   for people: columns padded, long cells cut at 60 characters with …, reasons at 240
 *   json    one value; lists stream as an array with one element a line
 *   jsonl   one JSON object a line
 *   csv     RFC 4180 with a header line; LF ends a line
 *
 * Rows are written as they come. A table keeps the first 100 rows to find its widths; later rows use those.
 *
 * Does NOT promise: a table that can be parsed; use another format for that.
 */

import type { Sink } from "./terminal.ts";

/** The names that -o takes. */
export const FORMATS = ["table", "json", "jsonl", "csv"] as const;
/** One of them. */
export type Format = (typeof FORMATS)[number];

/** What a cell can hold. Undefined and null are an empty cell, and null in JSON. */
export type Cell = string | number | bigint | boolean | null | undefined;
/** One row; its property names are those of JSON and of the CSV header. */
export type Row = Readonly<Record<string, Cell>>;

/** A column: property name, and its title in a table. Numbers align right by themselves. */
export interface Column {
  readonly name: string;
  readonly title: string;
  /** Left out of a table in whose first rows it is empty. */
  readonly whenSet?: boolean;
  /** What it says is for people and is not cut short; for the last one, so that others stay below each other. */
  readonly isProse?: boolean;
}

/** Rows that a table looks at before it prints. */
const WIDTH_ROWS = 100;
/** Longest cell of a table, characters. */
export const CELL_MAX = 60;
/** Longest cell of prose, characters. */
export const PROSE_MAX = 240;

/** How a table may look. */
export interface Look {
  readonly format: Format;
  readonly color: boolean;
}

/** Writes rows of equal shape to a sink. Call end() at the end, also when there were none. */
export class RowWriter {
  readonly #sink: Sink;
  readonly #look: Look;
  #columns: readonly Column[];
  #waiting: Row[] = [];
  #widths: number[] | undefined;
  /** Columns that align right: those with a number in the rows that were looked at. */
  #right: boolean[] = [];
  #count = 0;

  constructor(sink: Sink, look: Look, columns: readonly Column[]) {
    this.#sink = sink;
    this.#look = look;
    this.#columns = columns;
  }

  row(row: Row): void {
    this.#count += 1;
    switch (this.#look.format) {
      case "json":
        this.#sink.write(`${this.#count === 1 ? "[\n" : ",\n"}  ${json(row)}`);
        return;
      case "jsonl":
        this.#sink.write(`${json(row)}\n`);
        return;
      case "csv":
        if (this.#count === 1) this.#csvHead();
        this.#sink.write(csvLine(this.#columns.map(({ name }) => row[name])));
        return;
      case "table":
        if (this.#widths !== undefined) this.#tableRow(row, this.#widths);
        else if (this.#waiting.push(row) >= WIDTH_ROWS) this.#tableHead();
    }
  }

  end(): void {
    const { format } = this.#look;
    if (format === "json") this.#sink.write(this.#count === 0 ? "[]\n" : "\n]\n");
    if (format === "csv" && this.#count === 0) this.#csvHead();
    if (format === "table" && this.#widths === undefined) this.#tableHead();
  }

  #csvHead(): void {
    this.#sink.write(csvLine(this.#columns.map(({ name }) => name)));
  }

  #tableHead(): void {
    this.#columns = this.#columns.filter(({ name, whenSet }) =>
      whenSet !== true || this.#waiting.some((row) => !isEmpty(row[name]))
    );
    const widths = this.#columns.map((column) =>
      Math.max(column.title.length, ...this.#waiting.map((row) => tableCell(row, column).length))
    );
    this.#widths = widths;
    this.#right = this.#columns.map(({ name }) => this.#waiting.some((row) => isNumber(row[name])));
    const titles = this.#columns.map(({ title }) => title);
    const head = this.#padded(titles, widths);
    this.#sink.write(this.#look.color ? `\x1b[1m${head}\x1b[0m\n` : `${head}\n`);
    for (const row of this.#waiting) this.#tableRow(row, widths);
    this.#waiting = [];
  }

  #tableRow(row: Row, widths: readonly number[]): void {
    const cells = this.#columns.map((column) => tableCell(row, column));
    this.#sink.write(`${this.#padded(cells, widths)}\n`);
  }

  #padded(cells: readonly string[], widths: readonly number[]): string {
    const padded = cells.map((cell, index) => {
      const width = widths[index] ?? 0;
      return this.#right[index] ? cell.padStart(width) : cell.padEnd(width);
    });
    return padded.join("  ").trimEnd();
  }
}

/** A single object: in a table one line for each property, under the given titles. */
export function writeObject(sink: Sink, look: Look, columns: readonly Column[], row: Row): void {
  if (look.format === "table") {
    const width = Math.max(...columns.map(({ title }) => title.length));
    for (const { name, title } of columns) {
      if (isEmpty(row[name])) continue;
      const label = title.padEnd(width);
      const value = oneLine(String(row[name]));
      sink.write(`${look.color ? `\x1b[1m${label}\x1b[0m` : label}  ${value}\n`);
    }
  } else if (look.format === "json") {
    sink.write(`${json(row, 2)}\n`);
  } else {
    const writer = new RowWriter(sink, look, columns);
    writer.row(row);
    writer.end();
  }
}

/** Any value as JSON; bigint as a number, with all its digits. */
export function json(value: unknown, indent?: number): string {
  const raw = (JSON as { rawJSON?: (text: string) => unknown }).rawJSON;
  return JSON.stringify(value, (_, part) => {
    if (part === undefined) return null;
    if (typeof part !== "bigint") return part;
    return raw === undefined ? part.toString() : raw(part.toString());
  }, indent);
}

function csvLine(cells: readonly Cell[]): string {
  const texts = cells.map((cell) => {
    const text = isEmpty(cell) ? "" : String(cell);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${texts.join(",")}\n`;
}

function tableCell(row: Row, { name, isProse = false }: Column): string {
  const cell = row[name];
  const text = oneLine(isEmpty(cell) ? "-" : String(cell));
  const most = isProse ? PROSE_MAX : CELL_MAX;
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** Without control characters: those would break the line, or steer the terminal. */
export function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "�");
}

function isEmpty(cell: Cell): boolean {
  return cell === undefined || cell === null;
}

function isNumber(cell: Cell): boolean {
  return typeof cell === "number" || typeof cell === "bigint";
}
