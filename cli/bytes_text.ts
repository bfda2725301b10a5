/**
 * Bytes as text and back: how keys and values are typed and shown.
 *
 *   text      what you type is its UTF-8                        locking/key
 *   escaped   \HH for a byte, \n \r \t \\ \" \xHH               locking\00key
 *   hex       two digits a byte, spaces allowed between         6c 6f 63
 *   base64    RFC 4648, with or without =                       bG9j
 *
 * Shown bytes are escaped exactly as Debian's tdbdump does it: 0x20..0x7E as they are but for `"` and `\`, all
 * else \HH with upper-case digits. What is shown can therefore be typed back with --escaped.
 *
 * Does NOT promise: C's other escapes: \b would be a hex digit, and `\0` needs both: `\00`.
 */

import { Buffer } from "node:buffer";
import { usage } from "./failure.ts";

/** How bytes are written in an argument. */
export type Encoding = "text" | "escaped" | "hex" | "base64";

const HEX = "0123456789ABCDEF";
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const UTF8 = new TextEncoder();

/** `bytes` in tdbdump's escaping, without quotes around. */
export function escapeBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== QUOTE && byte !== BACKSLASH;
    text += plain ? String.fromCharCode(byte) : `\\${HEX[byte >> 4]}${HEX[byte & 15]}`;
  }
  return text;
}

const NAMED: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, "\\": BACKSLASH, '"': QUOTE };

/** Reads escaped text. `what` names the argument in the error ("the key"). */
export function unescapeText(text: string, what: string): Uint8Array {
  const source = UTF8.encode(text);
  const out = new Uint8Array(source.length);
  let size = 0;
  for (let index = 0; index < source.length; index += 1) {
    const byte = source[index] ?? 0;
    if (byte !== BACKSLASH) {
      out[size++] = byte;
      continue;
    }
    const letter = String.fromCharCode(source[index + 1] ?? 0);
    const named = NAMED[letter];
    if (named !== undefined) {
      out[size++] = named;
      index += 1;
      continue;
    }
    const digits = letter === "x" ? index + 2 : index + 1;
    const value = hexByte(source[digits], source[digits + 1]);
    if (value < 0) {
      throw usage(
        `Cannot read ${what}: byte ${index + 1} begins an escape that is none`,
        'escapes are \\HH (two hex digits), \\xHH, \\n, \\r, \\t, \\\\ and \\"',
      );
    }
    out[size++] = value;
    index = digits + 1;
  }
  return out.slice(0, size);
}

/** The byte of two ASCII hex digits, -1 if they are none. */
export function hexByte(high: number | undefined, low: number | undefined): number {
  const left = digit(high);
  const right = digit(low);
  return left < 0 || right < 0 ? -1 : left * 16 + right;
}

function digit(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** `bytes` as lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  return bufferOf(bytes).toString("hex");
}

/** `bytes` as base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  return bufferOf(bytes).toString("base64");
}

/** The same bytes, not a copy: of 16 MiB it makes text in milliseconds, where a loop takes a second. */
function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Reads an argument in the given encoding. `what` names it in errors. Throws Failure (usage). */
export function fromText(text: string, encoding: Encoding, what: string): Uint8Array {
  if (text.includes("\uFFFD")) {
    throw usage(
      `Cannot read ${what}: it is not UTF-8`,
      "give it with --escaped, --hex or --base64",
    );
  }
  switch (encoding) {
    case "text":
      return UTF8.encode(text);
    case "escaped":
      return unescapeText(text, what);
    case "hex":
      return fromHex(text, what);
    case "base64":
      return fromBase64(text, what);
  }
}

function fromHex(text: string, what: string): Uint8Array {
  const digits = text.replaceAll(/\s+/g, "");
  const bytes = new Uint8Array(digits.length >> 1);
  let isWrong = digits.length % 2 !== 0;
  // Not by a regular expression: those give up on a value of 16 MiB.
  for (let at = 0; at < bytes.length && !isWrong; at += 1) {
    const value = hexByte(digits.charCodeAt(2 * at), digits.charCodeAt(2 * at + 1));
    if (value < 0) isWrong = true;
    else bytes[at] = value;
  }
  if (!isWrong) return bytes;
  throw usage(`Cannot read ${what}: not pairs of hex digits`, "as 6b6579 for key");
}

function fromBase64(text: string, what: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw usage(`Cannot read ${what}: not base64`, "as a2V5 for key");
  }
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** A record as it stands in JSON output: one encoding for both parts. */
export interface ShownRecord {
  readonly key: string;
  readonly value: string;
  readonly encoding: "text" | "hex" | "base64";
}

/**
 * `parts` as strings of one encoding: the wanted one, or text when every part is UTF-8, else hex. JSON can hold
 * every UTF-8 text, NUL included.
 */
export function shown(
  parts: readonly Uint8Array[],
  wanted?: "hex" | "base64",
): { strings: string[]; encoding: ShownRecord["encoding"] } {
  if (wanted === "hex") return { strings: parts.map(toHex), encoding: "hex" };
  if (wanted === "base64") return { strings: parts.map(toBase64), encoding: "base64" };
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return { strings: parts.map((part) => decoder.decode(part)), encoding: "text" };
  } catch {
    return { strings: parts.map(toHex), encoding: "hex" };
  }
}

/** Characters of a key that a message shows. */
const KEY_SHOWN = 60;

/** A key as a message names it: escaped, and no longer than a line. */
export function shortKey(key: Uint8Array): string {
  if (key.length <= KEY_SHOWN) return escapeBytes(key);
  return `${escapeBytes(key.subarray(0, KEY_SHOWN))}...`;
}

/** Pieces as one. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
