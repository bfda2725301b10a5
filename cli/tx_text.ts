/**
 * The writes of one transaction as lines of text, in either of two forms, which each line shows by its first character.
 *
 *   {"op":"put","key":"user/1","value":"Ada","encoding":"text"}     encoding: text (without), hex, base64, escaped
 *   {"op":"del","key":"user/2"}
 *   "user/1" "Ada"                  the form of the peer's `ptrans`: no escapes, blanks between; "" as value deletes
 *
 * Takes bytes as they arrive. Lines without anything are passed over. An error names the line, and nothing is done.
 *
 * Does NOT promise: that a key comes once; of several writes to one key the last one counts, as they are one moment.
 * Differs from upstream: what the peer passes over or cuts (lines beyond 1023 bytes, what follows the value, lines
 * with an empty key) is an error here.
 */

import { type Encoding, fromText } from "./bytes_text.ts";
import { type Failure, usage } from "./failure.ts";
import { LineSplitter } from "./line_splitter.ts";
import { overLimits } from "./record_limits.ts";

/** One write; without a value the record is deleted. */
export interface TxWrite {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

const [TAB, CR, BLANK, QUOTE, BRACE] = [9, 13, 32, 0x22, 0x7b];
const ENCODINGS: readonly Encoding[] = ["text", "hex", "base64", "escaped"];
const FIELDS = ["op", "key", "value", "encoding"];
const HINT =
  'a line is {"op":"put","key":"..","value":".."}, {"op":"del","key":".."} or "key" "value"';

/** Takes the bytes of a transaction piece by piece. */
export class TxReader {
  readonly #found: (write: TxWrite) => void;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  readonly #lines = new LineSplitter((line) => this.#take(line), HINT);

  /** `found` is called for each write as soon as its line has ended. */
  constructor(found: (write: TxWrite) => void) {
    this.#found = found;
  }

  /** Takes the next piece. Throws Failure (usage) at the first line that is wrong. */
  push(piece: Uint8Array): void {
    this.#lines.push(piece);
  }

  /** The input has ended; its last line needs no end. Throws as `push`. */
  end(): void {
    this.#lines.end();
  }

  #take(line: Uint8Array): void {
    const bytes = trimmed(line);
    if (bytes.length > 0) this.#found(this.#checked(this.#writeOf(bytes)));
  }

  #writeOf(bytes: Uint8Array): TxWrite {
    switch (bytes[0]) {
      case BRACE:
        return this.#objectOf(bytes);
      case QUOTE:
        return this.#pairOf(bytes);
    }
    throw this.#wrong('it begins with neither { nor "');
  }

  #checked(write: TxWrite): TxWrite {
    const { key, value } = write;
    if (key.length === 0) throw this.#wrong("its key is empty");
    const why = overLimits(key.length, value?.length ?? 0);
    if (why !== undefined) throw this.#wrong(why);
    return write;
  }

  /** Two quoted strings, as they stand. */
  #pairOf(bytes: Uint8Array): TxWrite {
    const key = this.#quoted(bytes, 0, "key");
    let at = key.length + 2;
    const blanks = at;
    while (isBlank(bytes[at])) at += 1;
    if (at === bytes.length) throw this.#wrong("there is no value behind the key");
    if (at === blanks || bytes[at] !== QUOTE) {
      throw this.#wrong("behind the key a blank must come, and the value between quotes");
    }
    const value = this.#quoted(bytes, at, "value");
    if (at + value.length + 2 !== bytes.length) {
      throw this.#wrong("something follows the value; a quote cannot be part of a string here");
    }
    // Copies: the bytes of the line are the caller's.
    return { key: key.slice(), value: value.length === 0 ? undefined : value.slice() };
  }

  #quoted(bytes: Uint8Array, at: number, what: string): Uint8Array {
    const end = bytes.indexOf(QUOTE, at + 1);
    if (end < 0) throw this.#wrong(`its ${what} has no closing quote`);
    return bytes.subarray(at + 1, end);
  }

  #objectOf(bytes: Uint8Array): TxWrite {
    let value: unknown;
    try {
      value = JSON.parse(this.#decoder.decode(bytes));
    } catch (error) {
      throw this.#wrong(error instanceof TypeError ? "it is not UTF-8" : "it is no JSON");
    }
    const fields = value as Readonly<Record<string, unknown>>;
    // A field that is misspelled would be a write that is another one.
    const odd = Object.keys(fields).find((name) => !FIELDS.includes(name));
    if (odd !== undefined) throw this.#wrong(`there is no field ${JSON.stringify(odd)}`);
    const named = fields["encoding"] ?? "text";
    const encoding = ENCODINGS.find((each) => each === named);
    if (encoding === undefined) {
      throw this.#wrong(`encoding must be one of ${ENCODINGS.join(", ")}`);
    }
    const key = this.#part(fields, "key", encoding);
    switch (fields["op"]) {
      case "put": {
        const stored = this.#part(fields, "value", encoding);
        if (stored.length > 0) return { key, value: stored };
        throw this.#wrong('an empty value would delete the record: say "op":"del"');
      }
      case "del":
        if (fields["value"] === undefined) return { key, value: undefined };
        throw this.#wrong("del takes no value");
    }
    throw this.#wrong("op must be put or del");
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

function isBlank(byte: number | undefined): boolean {
  return byte === BLANK || byte === TAB || byte === CR;
}

function trimmed(bytes: Uint8Array): Uint8Array {
  let [start, end] = [0, bytes.length];
  while (start < end && isBlank(bytes[start])) start += 1;
  while (end > start && isBlank(bytes[end - 1])) end -= 1;
  return bytes.subarray(start, end);
}
