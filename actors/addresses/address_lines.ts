/**
 * Files of CTDB that say something of an address on each line: words with blanks between, `#` begins a comment.
 *
 *   # web servers
 *   10.1.1.1/24   eth2,eth3        # the words of line 2: ["10.1.1.1/24", "eth2,eth3"]
 *
 * Errors name file and line and say what is wrong; the first one ends the reading, so that nothing is applied of a
 * file with a fault in it.
 *
 * Does NOT promise: files that were not read as UTF-8.
 */

import { type IpAddress, parseAddress } from "../../transport/wire/address.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";

/** A line that says something. */
export interface AddressLine {
  /** 1 is the first. */
  readonly number: number;
  /** At least one. */
  readonly words: readonly string[];
}

/** Longest word that an error shows, characters. */
const SHOWN_CHARACTERS = 60;

/** The lines that say something, with any ends of lines (LF, CRLF). */
export function linesOf(text: string): AddressLine[] {
  return text.split("\n").flatMap((line, index) => {
    // Only at the start of a word: a name may have the sign inside.
    const words = line.replace(/(?:^|\s)#[^]*$/, "").split(/\s+/).filter((word) => word !== "");
    return words.length === 0 ? [] : [{ number: index + 1, words }];
  });
}

/** The error of one line. `where`: the file, as people know it; `what` is wrong, without a full stop. */
export function lineFault(where: string, line: number, what: string): CtdbxError {
  return new CtdbxError("config", `Cannot read ${where}: line ${line}: ${what}`);
}

/** A word of a file as errors show it. */
export function shownWord(word: string): string {
  return JSON.stringify(word.length > SHOWN_CHARACTERS ? `${word.slice(0, 57)}...` : word);
}

/** The address that a word is. Throws CtdbxError "config". */
export function addressAt(where: string, line: number, word: string): IpAddress {
  try {
    return parseAddress(word);
  } catch (error) {
    throw lineFault(where, line, error instanceof Error ? error.message : String(error));
  }
}

/** Tells of addresses that come twice: remembers the line of each. */
export class SeenAddresses {
  readonly #lines = new Map<IpAddress, number>();
  readonly #where: string;

  constructor(where: string) {
    this.#where = where;
  }

  /** Throws CtdbxError "config" when a line before has the same address. */
  add(address: IpAddress, line: number): void {
    const before = this.#lines.get(address);
    if (before !== undefined) {
      throw lineFault(this.#where, line, `${address} stands on line ${before} already`);
    }
    this.#lines.set(address, line);
  }
}
