/**
 * Procedures: what a call may do to a record, run where the record is, under its lock.
 *
 *   incr    args i64 LE                  the value is an i64 LE; gives the new one
 *   append  args bytes                   puts them at the end; gives the new length as u32 LE
 *   cas     args u32 LE length, old, new sets new if the value is old; gives 1 or 0
 *   set_if  args u8 when, value          when: 0 always, 1 if empty, 2 if not empty; gives the value before
 *   push    args u32 LE max, item        a list of items (u32 LE length, bytes) of at most max, the oldest go; gives
 *                                        its length
 *   delete  args none                    empties it; gives the value before
 *
 * A procedure is a pure function of value and arguments. It may refuse: then nothing is changed, and the call failed.
 *
 * Does NOT promise: to be quick with long values; who runs it holds the record's lock.
 */
import { VALUE_MAX } from "../../../transport/wire/limits.ts";
import { NO_DATA } from "./copy.ts";

/** What a procedure gives back. */
export type Ran =
  | { readonly ok: true; readonly data: Uint8Array; readonly result: Uint8Array }
  | { readonly ok: false; readonly why: string };

/** A procedure. Neither argument may be changed or kept. */
export type Procedure = (data: Uint8Array, args: Uint8Array) => Ran;

const I64 = 8;
const U32 = 4;

const done = (data: Uint8Array, result: Uint8Array): Ran => ({ ok: true, data, result });
const refused = (why: string): Ran => ({ ok: false, why });

/** A u32 as four bytes. */
export function u32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(U32);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** An i64 as eight bytes. */
export function i64Bytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(I64);
  new DataView(bytes.buffer).setBigInt64(0, value, true);
  return bytes;
}

/** Bytes one after another. */
export function joinBytes(...pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Are they the same bytes? */
export function isSameBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one === other) return true;
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Adds to a number. */
export function incr(data: Uint8Array, args: Uint8Array): Ran {
  if (args.length !== I64) return refused("incr needs 8 bytes");
  if (data.length !== 0 && data.length !== I64) return refused("the value is no number");
  const before = data.length === 0 ? 0n : viewOf(data).getBigInt64(0, true);
  const after = BigInt.asIntN(64, before + viewOf(args).getBigInt64(0, true));
  const bytes = i64Bytes(after);
  return done(bytes, bytes);
}

/** Puts bytes at the end. */
export function append(data: Uint8Array, args: Uint8Array): Ran {
  if (data.length + args.length > VALUE_MAX) return refused("the value would be too long");
  const whole = joinBytes(data, args);
  return done(whole, u32Bytes(whole.length));
}

/** Compares, and sets. */
export function cas(data: Uint8Array, args: Uint8Array): Ran {
  if (args.length < U32) return refused("cas needs a length");
  const length = viewOf(args).getUint32(0, true);
  if (U32 + length > args.length) return refused("cas has less than its length says");
  const isSame = isSameBytes(data, args.subarray(U32, U32 + length));
  return isSame
    ? done(args.slice(U32 + length), new Uint8Array([1]))
    : done(data, new Uint8Array([0]));
}

/** Sets, on a condition. */
export function setIf(data: Uint8Array, args: Uint8Array): Ran {
  const when = args[0];
  if (when === undefined || when > 2) return refused("set_if needs 0, 1 or 2");
  const isWanted = when === 0 || (when === 1) === (data.length === 0);
  return done(isWanted ? args.slice(1) : data, data);
}

/** Puts an item at the end of a bounded list. */
export function push(data: Uint8Array, args: Uint8Array): Ran {
  if (args.length < U32) return refused("push needs a maximum");
  const max = viewOf(args).getUint32(0, true);
  const items: Uint8Array[] = [];
  for (let at = 0; at < data.length;) {
    if (at + U32 > data.length) return refused("the value is no list");
    const end = at + U32 + viewOf(data).getUint32(at, true);
    if (end > data.length) return refused("the value is no list");
    items.push(data.subarray(at, end));
    at = end;
  }
  items.push(joinBytes(u32Bytes(args.length - U32), args.subarray(U32)));
  const kept = items.slice(Math.max(0, items.length - max));
  const whole = joinBytes(...kept);
  if (whole.length > VALUE_MAX) return refused("the list would be too long");
  return done(whole, u32Bytes(kept.length));
}

/** Empties it. */
export function remove(data: Uint8Array): Ran {
  return done(NO_DATA, data);
}

/** The built-in ones by name. */
export const PROCEDURES: ReadonlyMap<string, Procedure> = new Map<string, Procedure>([
  ["incr", incr],
  ["append", append],
  ["cas", cas],
  ["set_if", setIf],
  ["push", push],
  ["delete", remove],
]);
