/**
 * Procedures: what a call may do to a record, run where the record is, under its lock.
 *
 *   incr    args i64 LE                  the value is an i64 LE; gives the new one
 *   append  args bytes                   puts them at the end; gives the new length as u32 LE
 *   cas     args u32 LE length, old, new sets new if the value is old; gives 1 or 0
 *   set_if  args u8 when, value          when: 0 always, 1 if empty, 2 if not empty; gives the value before
 *   set     args value                   the value is that; gives nothing
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
import type { At, OpCode } from "./events.ts";

/** What a procedure gives back. `code`: "refused", where there is none. */
export type Ran =
  | { readonly ok: true; readonly data: Uint8Array; readonly result: Uint8Array }
  | { readonly ok: false; readonly why: string; readonly code?: OpCode };

/** A procedure. No argument may be changed or kept. `at`: which state of the record its value will be. */
export type Procedure = (data: Uint8Array, args: Uint8Array, at?: At) => Ran;

/** Whoever knows the procedures: of the daemon itself, or of programs ("external"), which are told to run them. */
export interface ProcedureBook {
  get(name: string): Procedure | "external" | undefined;
}

const I64 = 8;
const U32 = 4;

const done = (data: Uint8Array, result: Uint8Array): Ran => ({ ok: true, data, result });
const refused = (why: string): Ran => ({ ok: false, why });
const tooLong = (what: string): Ran => {
  return {
    ok: false,
    why: `the ${what} would be too long: it has ${VALUE_MAX} bytes at most`,
    code: "limit",
  };
};

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

/** A refusal instead of what is too long to be stored, or to be told. */
export function fitting(ran: Ran): Ran {
  if (!ran.ok) return ran;
  if (ran.data.length > VALUE_MAX) return tooLong("value");
  return ran.result.length > VALUE_MAX ? tooLong("result") : ran;
}

/** Runs one. A mistake of its code is a refusal, and nothing worse: all records of the node depend on that. */
export function runProcedure(
  run: Procedure,
  data: Uint8Array,
  args: Uint8Array,
  at: At,
): Ran {
  try {
    return fitting(run(data, args, at));
  } catch (error) {
    return refused(`the procedure has failed: ${error instanceof Error ? error.message : error}`);
  }
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
  if (data.length + args.length > VALUE_MAX) return tooLong("value");
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
  const view = viewOf(data);
  const endOf = (at: number): number =>
    at + U32 > data.length ? Infinity : at + U32 + view.getUint32(at, true);
  let count = 0;
  for (let at = 0; at < data.length; count++) {
    at = endOf(at);
    if (at > data.length) return refused("the value is no list");
  }
  if (max === 0) return done(NO_DATA, u32Bytes(0));
  // The oldest go. There may be millions: nothing is made of each.
  let from = 0;
  for (let over = count + 1 - max; over > 0 && from < data.length; over--) from = endOf(from);
  const length = data.length - from + args.length;
  if (length > VALUE_MAX) return tooLong("list");
  const item = args.subarray(U32);
  const whole = joinBytes(data.subarray(from), u32Bytes(item.length), item);
  return done(whole, u32Bytes(Math.min(count + 1, max)));
}

/** Sets it. */
export function set(_data: Uint8Array, args: Uint8Array): Ran {
  return done(args.slice(), NO_DATA);
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
  ["set", set],
  ["set_if", setIf],
  ["push", push],
  ["delete", remove],
]);
