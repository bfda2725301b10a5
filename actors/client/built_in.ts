/**
 * Arguments and results of the built-in procedures (machines/record/procedures.ts says what they do).
 *
 * Does NOT promise: that a value is of the form that a procedure wants; the procedure refuses then.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { VALUE_MAX } from "../../transport/wire/limits.ts";

/** `own` bytes beside values of `length` bytes must travel as one. Throws "limit". */
function checkRoom(what: string, own: number, length: number): void {
  if (own + length <= VALUE_MAX) return;
  const most = `VALUE_MAX - ${own} (${VALUE_MAX - own}) is the most`;
  throw new CtdbxError(
    "limit",
    `Cannot store: ${what} ${length} bytes, ${most} for this operation`,
  );
}

function joined(head: Uint8Array, ...more: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(more.reduce((size, each) => size + each.length, head.length));
  whole.set(head);
  let at = head.length;
  for (const each of more) {
    whole.set(each, at);
    at += each.length;
  }
  return whole;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** Of `incr`. Throws RangeError on what is no whole number, and beyond 64 bits, signed. */
export function incrementOf(by: bigint | number): Uint8Array {
  if (typeof by !== "bigint" && !Number.isInteger(by)) {
    throw new RangeError(`Cannot add ${String(by)}: it must be a whole number`);
  }
  const whole = BigInt(by);
  if (BigInt.asIntN(64, whole) !== whole) {
    throw new RangeError(`Cannot add ${whole}: it has more than 64 bits`);
  }
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, whole, true);
  return bytes;
}

/** Of `append`. */
export function appendOf(more: Uint8Array): Uint8Array {
  return more;
}

/** Of `cas`. Throws "limit". */
export function casOf(expected: Uint8Array, next: Uint8Array): Uint8Array {
  checkRoom("the expected and the new value together have", 4, expected.length + next.length);
  return joined(u32(expected.length), expected, next);
}

/** Of `set_if`. Throws RangeError, "limit". */
export function setIfOf(when: "empty" | "present", value: Uint8Array): Uint8Array {
  if (when !== "empty" && when !== "present") {
    throw new RangeError(`Cannot store if ${String(when)}: "empty" and "present" are possible`);
  }
  checkRoom("the value has", 1, value.length);
  return joined(new Uint8Array([when === "empty" ? 1 : 2]), value);
}

/** Of `push`. Throws RangeError, "limit". */
export function pushOf(max: number, item: Uint8Array): Uint8Array {
  if (!Number.isInteger(max) || max < 1 || max > 0xffff_ffff) {
    throw new RangeError(`Cannot push: a list has 1 to 2^32-1 items at most, not ${max}`);
  }
  checkRoom("the item has", 4, item.length);
  return joined(u32(max), item);
}

/** A number of 64 bits, signed: the value that `incr` works on. Undefined: 0. Throws "state" on other bytes. */
export function numberOf(value: Uint8Array | undefined): bigint {
  if (value === undefined) return 0n;
  if (value.length !== 8) {
    throw new CtdbxError("state", `Cannot read a number: it has 8 bytes, not ${value.length}`);
  }
  return new DataView(value.buffer, value.byteOffset, 8).getBigInt64(0, true);
}

/** A length or count of 32 bits. */
export function sizeOf(value: Uint8Array): number {
  if (value.length !== 4) {
    throw new CtdbxError("state", `Cannot read a size: it has 4 bytes, not ${value.length}`);
  }
  return new DataView(value.buffer, value.byteOffset, 4).getUint32(0, true);
}
