/**
 * What data threads say to each other about watched records, in program messages of a srvid of their own.
 *
 *   u8 kind   1 list   u32 count, interests    all that this node's programs watch; replaces what was said before
 *             2 add    interest                3 drop   interest
 *             4 wrote  u32 database, u64 since, text key, u64 tid.gen, u32 tid.seq, u64 rsn, blob value
 *             5 again  something was not told: read anew
 *   interest  u32 database, u64 since, u8 1 prefix | 0 key, text
 *
 * Does NOT promise: that anybody watches what it is told of.
 */
import { In, Out } from "./byte_cursor.ts";
import type { Tid } from "./messages/record_parts.ts";
import type { DbId, Generation, Rsn, Version } from "./terms.ts";

/** The srvid of watches. Programs may use none whose top byte is WATCH_TOP. */
export const WATCH_SRVID = 0xf700_0000_0000_0001n;
/** Top byte of all srvids that are the data threads' own. */
export const WATCH_TOP = 0xf7n;
/** Interests of one node. */
export const INTERESTS_MAX = 16_384;

/** A key, or all keys that begin so, of one epoch of a database. */
export interface Interest {
  readonly dbId: DbId;
  readonly since: Version;
  readonly isPrefix: boolean;
  /** A character U+0000 .. U+00FF for each byte. */
  readonly text: string;
}

/** A record has a new value. */
export interface Wrote {
  readonly dbId: DbId;
  readonly since: Version;
  readonly key: string;
  readonly tid: Tid;
  readonly rsn: Rsn;
  /** Empty: deleted. */
  readonly data: Uint8Array;
}

/** What is said. */
export type WatchWord =
  | { readonly kind: "list"; readonly interests: readonly Interest[] }
  | { readonly kind: "add" | "drop"; readonly interest: Interest }
  | { readonly kind: "wrote"; readonly wrote: Wrote }
  | { readonly kind: "again" };

const KIND = { list: 1, add: 2, drop: 3, wrote: 4, again: 5 } as const;

/** The bytes of a word; the caller's for ever. */
export function writeWatch(word: WatchWord): Uint8Array {
  const out = new Out();
  out.room(8);
  out.u8(KIND[word.kind]);
  switch (word.kind) {
    case "list":
      out.u32(word.interests.length);
      for (const interest of word.interests) putInterest(out, interest);
      break;
    case "add":
    case "drop":
      putInterest(out, word.interest);
      break;
    case "wrote":
      putWrote(out, word.wrote);
      break;
    case "again":
      break;
  }
  return out.bytes.slice(0, out.at);
}

function putInterest(out: Out, { dbId, since, isPrefix, text }: Interest): void {
  out.room(16);
  out.u32(dbId);
  out.u64(since);
  out.u8(isPrefix ? 1 : 0);
  out.text(text);
}

function putWrote(out: Out, { dbId, since, key, tid, rsn, data }: Wrote): void {
  out.u32(dbId);
  out.u64(since);
  out.text(key);
  out.room(20);
  out.u64(tid.gen);
  out.u32(tid.seq);
  out.u64(rsn);
  out.blob(data);
}

/** What the bytes say; undefined: nothing of this form. The value lies in the bytes. */
export function readWatch(bytes: Uint8Array): WatchWord | undefined {
  const from = new In();
  from.open(bytes, 0);
  try {
    const word = readWord(from);
    return from.left === 0 ? word : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function readWord(from: In): WatchWord | undefined {
  switch (from.u8()) {
    case KIND.list: {
      const count = from.u32();
      if (count > INTERESTS_MAX) return undefined;
      return { kind: "list", interests: Array.from({ length: count }, () => interestOf(from)) };
    }
    case KIND.add:
      return { kind: "add", interest: interestOf(from) };
    case KIND.drop:
      return { kind: "drop", interest: interestOf(from) };
    case KIND.wrote: {
      const [dbId, since, key] = [from.u32() as DbId, from.u64<Version>(), from.text()];
      const tid = { gen: from.u64<Generation>(), seq: from.u32() };
      return {
        kind: "wrote",
        wrote: { dbId, since, key, tid, rsn: from.u64<Rsn>(), data: from.blob() },
      };
    }
    case KIND.again:
      return { kind: "again" };
  }
  return undefined;
}

function interestOf(from: In): Interest {
  const [dbId, since, sort] = [from.u32() as DbId, from.u64<Version>(), from.u8()];
  if (sort > 1) throw new RangeError("an interest is of a key or a prefix");
  return { dbId, since, isPrefix: sort === 1, text: from.text() };
}
