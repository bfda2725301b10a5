/**
 * One TDB as a scenario sees it: commands in words, an answer in one line, whoever does the work.
 *
 *   ask("store", hex("key"), hex("value"), "0") -> "ok"     peer.ts: libtdb in a child (peer.c)
 *   ask("fetch", hex("none")) -> "err not_found ..."        ours.ts: our engine, here
 *                                                           ours_child.ts: our engine in a child
 *
 * Does NOT promise: that both know every command; peer.c and ours.ts list theirs.
 */

import { Buffer } from "node:buffer";

/** Whoever answers commands. */
export interface Session {
  /** Says who it is in failures. */
  readonly name: string;
  /** One command; the answer's line. */
  ask(...words: (string | number)[]): Promise<string>;
}

/** libtdb's open flags (tdb.h). */
export const FLAG = {
  CLEAR_IF_FIRST: 1,
  NOLOCK: 4,
  NOMMAP: 8,
  CONVERT: 16,
  NOSYNC: 64,
  SEQNUM: 128,
  VOLATILE: 256,
  DISALLOW_NESTING: 1024,
  INCOMPATIBLE_HASH: 2048,
  MUTEX_LOCKING: 4096,
} as const;

/** How a scenario opens its file; the words of the `open` command. */
export interface OpenWords {
  readonly path: string;
  /** r read-only, w read-write, c create. */
  readonly mode: "r" | "w" | "c";
  /** Sum of FLAG. */
  readonly flags?: number;
  readonly hashSize?: number;
  readonly maxDead?: number;
}

/** Opens a file in a session; throws when that fails. */
export async function openIn(session: Session, words: OpenWords): Promise<void> {
  const { path, mode, flags = 0, hashSize = 131, maxDead = 0 } = words;
  await good(session, "open", path, mode, flags, hashSize, maxDead);
}

/** Asks and wants "ok"; returns what follows it. */
export async function good(session: Session, ...words: (string | number)[]): Promise<string> {
  const answer = await session.ask(...words);
  if (answer === "ok") return "";
  if (answer.startsWith("ok ")) return answer.slice(3);
  throw new Error(`${session.name}: ${words.join(" ").slice(0, 200)}: ${answer}`);
}

/** "ok", or "err CODE" without the log that follows: what is compared between two engines. */
export function outcome(answer: string): string {
  if (!answer.startsWith("err ")) return answer;
  return answer.split(" ", 2).join(" ");
}

/** Text or bytes as a word. */
export function hex(bytes: string | Uint8Array): string {
  const from = typeof bytes === "string"
    ? Buffer.from(bytes)
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return from.length === 0 ? "-" : from.toString("hex");
}

/** The bytes of a word. */
export function unhex(word: string): Uint8Array<ArrayBuffer> {
  return word === "-" ? new Uint8Array(0) : new Uint8Array(Buffer.from(word, "hex"));
}

/** Records by hex key, hex values. */
export type Records = Map<string, string>;

/** All records of the open file. Throws when a key comes twice or the traverse fails. */
export async function recordsOf(session: Session): Promise<Records> {
  const words = (await good(session, "traverse_read")).split(" ");
  const count = Number(words.pop());
  const records: Records = new Map();
  for (const word of words) {
    const [key = "", value = ""] = word.split("=");
    if (records.has(key)) throw new Error(`${session.name}: key ${key} comes twice`);
    records.set(key, value);
  }
  if (count !== records.size) {
    throw new Error(`${session.name}: says ${count}, shows ${records.size}`);
  }
  return records;
}

/** What differs between two sets of records, in a line; "" when nothing does. */
export function difference(found: Records, wanted: Records): string {
  const lines: string[] = [];
  for (const [key, value] of wanted) {
    const other = found.get(key);
    if (other === undefined) lines.push(`${key} is missing`);
    else if (other !== value) {
      lines.push(`${key} is ${other.slice(0, 60)}, not ${value.slice(0, 60)}`);
    }
  }
  for (const key of found.keys()) if (!wanted.has(key)) lines.push(`${key} should not be there`);
  return lines.slice(0, 5).join("; ");
}
