/**
 * Bytes that arrive in pieces, cut into lines.
 *
 *   push(piece), push(piece), end() ─▶ take(line) for each line without its LF; the last one needs none
 *
 * Does NOT promise: UTF-8, or that a line has anything in it.
 */

import { KEY_MAX, VALUE_MAX } from "../transport/wire/limits.ts";
import { joined } from "./bytes_text.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure } from "./failure.ts";

/** Bytes of a line at most: each byte of the largest record as \u00XX, and what stands around. */
const LINE_MAX = 6 * (KEY_MAX + VALUE_MAX) + 1024;
const TOO_LONG = "the line is longer than that of the largest record";
const LF = 10;

/** One input's. */
export class LineSplitter {
  readonly #take: (line: Uint8Array) => void;
  readonly #tooLong: (line: number) => Failure;
  readonly #most: number;
  #line = 1;
  #parts: Uint8Array[] = [];
  #partsSize = 0;

  /**
   * `take` gets each line as soon as it has ended; `tooLong` says what is wrong with one of more than `most` bytes, by
   * its number: the words, or a hint that goes with those that are usual.
   */
  constructor(
    take: (line: Uint8Array) => void,
    tooLong: string | ((line: number) => Failure),
    most = LINE_MAX,
  ) {
    this.#take = take;
    this.#most = most;
    this.#tooLong = typeof tooLong === "string"
      ? (line) => new Failure(EXIT.other, `Cannot read line ${line}: ${TOO_LONG}`, tooLong)
      : tooLong;
  }

  /** Number of the line that is being read, or taken, from 1. */
  get line(): number {
    return this.#line;
  }

  /** Takes a piece, which the caller may use again. Throws Failure (a line is too long), and what `take` throws. */
  push(piece: Uint8Array): void {
    let start = 0;
    for (let end = piece.indexOf(LF); end >= 0; end = piece.indexOf(LF, start)) {
      this.#keep(piece.subarray(start, end));
      this.#end();
      start = end + 1;
    }
    if (start < piece.length) this.#keep(piece.slice(start));
  }

  /** The input has ended. Throws as `push`. */
  end(): void {
    if (this.#partsSize > 0) this.#end();
  }

  #keep(part: Uint8Array): void {
    this.#partsSize += part.length;
    if (this.#partsSize > this.#most) throw this.#tooLong(this.#line);
    this.#parts.push(part);
  }

  #end(): void {
    const bytes = this.#parts.length === 1 ? this.#parts[0] as Uint8Array : joined(this.#parts);
    this.#parts = [];
    this.#partsSize = 0;
    this.#take(bytes);
    this.#line += 1;
  }
}
