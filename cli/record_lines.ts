/**
 * Records as JSON lines: read as `-o jsonl` prints them.
 *
 *   {"key":"user/1","value":"Ada","encoding":"text"}      text, hex, base64 or escaped; without encoding: text
 *
 * Takes bytes as they arrive and hands out one record at a time. Other fields of a line are passed over, so that the
 * lines of any command with keys and values can be read. An error names the line.
 *
 * Does NOT promise: to find a key that comes twice; the later one is stored over the earlier.
 */

import { type Encoding, fromText } from "./bytes_text.ts";
import type { DumpRecord } from "./dump_text.ts";
import { type Failure, usage } from "./failure.ts";
import { LineSplitter } from "./line_splitter.ts";
import { TOO_LARGE } from "./record_limits.ts";

const ENCODINGS: readonly Encoding[] = ["text", "hex", "base64", "escaped"];
const HINT = 'a line is {"key":"...","value":"...","encoding":"text"}, or hex, base64, escaped';

/** Takes the bytes of JSON lines piece by piece. */
export class LinesReader {
  readonly #found: (record: DumpRecord) => void;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  readonly #lines = new LineSplitter((line) => this.#take(line), TOO_LARGE);

  /** `found` is called for each record as soon as its line has ended. */
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

  /** The input has ended; its last line needs no end. */
  end(): void {
    this.#lines.end();
  }

  #take(bytes: Uint8Array): void {
    let text: string;
    try {
      text = this.#decoder.decode(bytes).trim();
    } catch {
      throw this.#wrong("it is not UTF-8");
    }
    if (text !== "") this.#found(this.#recordOf(text));
  }

  #recordOf(text: string): DumpRecord {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw this.#wrong("it is no JSON");
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.#wrong("it is no object");
    }
    const fields = value as Readonly<Record<string, unknown>>;
    const named = fields["encoding"] ?? "text";
    const encoding = ENCODINGS.find((each) => each === named);
    if (encoding === undefined) {
      throw this.#wrong(`encoding must be one of ${ENCODINGS.join(", ")}`);
    }
    return {
      key: this.#part(fields, "key", encoding),
      value: this.#part(fields, "value", encoding),
    };
  }

  #part(
    fields: Readonly<Record<string, unknown>>,
    name: "key" | "value",
    encoding: Encoding,
  ): Uint8Array {
    const text = fields[name];
    if (typeof text !== "string") throw this.#wrong(`${name} must be a text`);
    if (!text.isWellFormed()) throw this.#wrong(`${name} has half a character`);
    // U+FFFD is refused in arguments, where it stands for bytes that were lost; in a file it may be meant.
    if (encoding === "text") return new TextEncoder().encode(text);
    return fromText(text, encoding, `line ${this.#lines.line}, ${name}`);
  }

  #wrong(why: string): Failure {
    return usage(`Cannot read line ${this.#lines.line}: ${why}`, HINT);
  }
}
