/**
 * The text of tdbdump: written and read.
 *
 *   {
 *   key(4) = "abc\00"          N bytes; " \ and everything outside 0x20..0x7E as \HH
 *   data(2) = "\FF\01"
 *   }
 *
 * The reader takes bytes as they arrive and hands out one record at a time, so a dump of any size needs the
 * memory of its largest record. It is as strict as tdbrestore but for three things that editors do: blank
 * lines, spaces around a line, CR before LF. An error names line and column.
 *
 * Does NOT promise: tdbdump's -e form; that begins with text that is no record.
 */

import { escapeBytes, hexByte } from "./bytes_text.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure, usage } from "./failure.ts";
import { LineSplitter } from "./line_splitter.ts";
import { TOO_LARGE } from "./record_limits.ts";
import type { Sink } from "./terminal.ts";

/** One record of a dump. */
export interface DumpRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** A record in place: what a traverse shows. */
export interface RecordPlace {
  readonly bytes: Uint8Array;
  readonly keyOffset: number;
  readonly keyLength: number;
  readonly valueOffset: number;
  readonly valueLength: number;
}

/** Each byte's text: its length, then up to three characters. Made once for a writer: 1 KiB. */
function escapeTable(): Uint8Array {
  const table = new Uint8Array(4 * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    const text = escapeBytes(Uint8Array.of(byte));
    table[4 * byte] = text.length;
    for (let at = 0; at < text.length; at += 1) table[4 * byte + 1 + at] = text.charCodeAt(at);
  }
  return table;
}

/** Writes records as tdbdump does: byte by byte from where they are, without strings or copies. */
export class DumpWriter {
  readonly #sink: Sink;
  readonly #table = escapeTable();
  #buffer = new Uint8Array(4096);
  #used = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Writes one record. Throws what the sink throws. */
  record({ bytes, keyOffset, keyLength, valueOffset, valueLength }: RecordPlace): void {
    this.#begin(keyLength, valueLength);
    this.#escaped(bytes, keyOffset, keyLength);
    this.#text(`"\ndata(${valueLength}) = "`);
    this.#escaped(bytes, valueOffset, valueLength);
    this.#end();
  }

  /** The same of a key and a value that lie apart. */
  pair(key: Uint8Array, value: Uint8Array): void {
    this.#begin(key.length, value.length);
    this.#escaped(key, 0, key.length);
    this.#text(`"\ndata(${value.length}) = "`);
    this.#escaped(value, 0, value.length);
    this.#end();
  }

  #begin(keyLength: number, valueLength: number): void {
    const most = 3 * (keyLength + valueLength) + 64;
    if (most > this.#buffer.length) this.#buffer = new Uint8Array(2 * most);
    this.#used = 0;
    this.#text(`{\nkey(${keyLength}) = "`);
  }

  #end(): void {
    this.#text('"\n}\n');
    this.#sink.write(this.#buffer.subarray(0, this.#used));
  }

  #text(text: string): void {
    for (let at = 0; at < text.length; at += 1) this.#buffer[this.#used++] = text.charCodeAt(at);
  }

  #escaped(bytes: Uint8Array, offset: number, length: number): void {
    const table = this.#table;
    const buffer = this.#buffer;
    let used = this.#used;
    for (let at = offset; at < offset + length; at += 1) {
      const entry = 4 * (bytes[at] as number);
      buffer[used++] = table[entry + 1] as number;
      if (table[entry] === 1) continue;
      buffer[used++] = table[entry + 2] as number;
      buffer[used++] = table[entry + 3] as number;
    }
    this.#used = used;
  }
}

/** One record as tdbdump prints it. */
export function dumpText(key: Uint8Array, value: Uint8Array): string {
  return `{\nkey(${key.length}) = "${escapeBytes(key)}"\n` +
    `data(${value.length}) = "${escapeBytes(value)}"\n}\n`;
}

/** Bytes of one line that are kept at most: a value of 16 MiB, all of it escaped, and its frame. */
const LINE_MAX = 3 * 16 * 1024 * 1024 + 64;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** What the next line must be. */
type Place = "open" | "key" | "data" | "close";

/** Takes the bytes of a dump piece by piece. */
export class DumpReader {
  readonly #found: (record: DumpRecord) => void;
  readonly #lines = new LineSplitter(
    (line) => this.#take(line),
    (line) => this.#tooLong(line),
    LINE_MAX,
  );
  #place: Place = "open";
  #key: Uint8Array = new Uint8Array(0);
  #value: Uint8Array = new Uint8Array(0);

  /** `found` is called for each record as soon as its closing brace was read. */
  constructor(found: (record: DumpRecord) => void) {
    this.#found = found;
  }

  /** Number of the line that is being read, from 1. */
  get line(): number {
    return this.#lines.line;
  }

  /** Takes the next piece. Throws Failure (usage) at the first line that is wrong. */
  push(piece: Uint8Array): void {
    this.#lines.push(piece);
  }

  /** The input has ended. Throws when it ends inside a record. */
  end(): void {
    this.#lines.end();
    if (this.#place !== "open") {
      this.#fail(1, `the text ends inside a record, ${WANTED[this.#place]}`);
    }
  }

  #tooLong(line: number): Failure {
    const why = "the line is longer than the largest record that ctdbx stores";
    // Inside a record it may well be one of libtdb's: nothing is wrong with the call.
    if (this.#place === "open") this.#fail(1, why);
    return new Failure(EXIT.other, `Cannot read the dump: line ${line}: ${why}`, TOO_LARGE);
  }

  /** Reads the finished line. */
  #take(line: Uint8Array): void {
    let start = 0;
    let end = line.length;
    while (start < end && isSpace(line[start])) start += 1;
    while (end > start && isSpace(line[end - 1])) end -= 1;
    if (start < end) this.#read(line, start, end);
  }

  #read(line: Uint8Array, start: number, end: number): void {
    const only = end - start === 1 ? line[start] : 0;
    switch (this.#place) {
      case "open":
        if (only !== 0x7b) this.#fail(start + 1, WANTED.open);
        this.#place = "key";
        return;
      case "key":
        this.#key = this.#part(line, start, end, "key");
        this.#place = "data";
        return;
      case "data":
        this.#value = this.#part(line, start, end, "data");
        this.#place = "close";
        return;
      case "close":
        if (only !== 0x7d) this.#fail(start + 1, WANTED.close);
        this.#found({ key: this.#key, value: this.#value });
        this.#place = "open";
    }
  }

  /** Reads `name(N) = "..."`. */
  #part(line: Uint8Array, start: number, end: number, name: "key" | "data"): Uint8Array {
    let head = "";
    let at = start;
    while (at < end && line[at] !== QUOTE && at - start < 40) {
      head += String.fromCharCode(line[at] ?? 0);
      at += 1;
    }
    const match = /^(key|data)\((\d{1,10})\) = $/.exec(head);
    if (match === null || match[1] !== name || line[at] !== QUOTE) {
      this.#fail(start + 1, WANTED[name]);
    }
    const size = Number(match[2]);
    const bytes = this.#quoted(line, at + 1, end);
    if (bytes.length !== size) {
      this.#fail(start + 1, `${name}(${size}) has ${bytes.length} bytes between the quotes`);
    }
    return bytes;
  }

  /** Reads up to the closing quote, which must be the last byte of the line. */
  #quoted(line: Uint8Array, start: number, end: number): Uint8Array {
    const out = new Uint8Array(end - start);
    let size = 0;
    for (let at = start; at < end; at += 1) {
      const byte = line[at] ?? 0;
      if (byte === QUOTE) {
        if (at !== end - 1) this.#fail(at + 2, "something follows the closing quote");
        return out.slice(0, size);
      }
      if (byte !== BACKSLASH) {
        out[size++] = byte;
        continue;
      }
      const value = at + 2 < end ? hexByte(line[at + 1], line[at + 2]) : -1;
      if (value < 0) this.#fail(at + 1, "a backslash must be followed by two hex digits");
      out[size++] = value;
      at += 2;
    }
    this.#fail(end + 1, "the closing quote is missing");
  }

  #fail(column: number, why: string): never {
    throw usage(
      `Cannot read the dump: line ${this.line}, column ${column}: ${why}`,
      "the text must be what `ctdbx tdb dump` or tdbdump prints",
    );
  }
}

const WANTED: Readonly<Record<Place, string>> = {
  open: "expected {",
  key: 'expected key(N) = "..."',
  data: 'expected data(N) = "..."',
  close: "expected }",
};

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d;
}
