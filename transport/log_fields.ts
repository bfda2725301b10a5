/**
 * Fields of log entries as JSON can hold them: bounded, and without surprises.
 *
 * Does NOT promise: that a field can be read back into what it was.
 */
import { CtdbxError } from "./wire/errors.ts";

/** Longest text of a field, characters; the rest is left out and counted. */
const TEXT_MAX = 2048;
/** Fields of one entry, and things in one list or object of it. */
const THINGS_MAX = 64;
const DEPTH_MAX = 4;
/** Bytes that are shown, as hex. */
const BYTES_MAX = 64;

/** A thing as JSON can hold it: u64 as text, bytes as hex, errors with code and stack; depth 0: all fields. */
export function plainThing(thing: unknown, depth = 0): unknown {
  if (typeof thing === "string") {
    const left = thing.length - TEXT_MAX;
    return left > 0 ? `${thing.slice(0, TEXT_MAX)}... (${left} more)` : thing;
  }
  if (typeof thing === "bigint") return thing.toString();
  if (typeof thing === "function" || typeof thing === "symbol") return String(thing.toString());
  if (typeof thing !== "object" || thing === null) return thing;
  if (depth >= DEPTH_MAX) return "...";
  if (thing instanceof Error) return errorThing(thing, depth);
  if (thing instanceof Uint8Array) {
    const more = thing.length > BYTES_MAX ? `... (${thing.length} bytes)` : "";
    return [...thing.subarray(0, BYTES_MAX)].map((byte) => byte.toString(16).padStart(2, "0")).join(
      "",
    ) + more;
  }
  const inner = (one: unknown) => plainThing(one, depth + 1);
  if (Array.isArray(thing)) return thing.slice(0, THINGS_MAX).map(inner);
  if (thing instanceof Map) {
    return plainThing(Object.fromEntries([...thing].slice(0, THINGS_MAX)), depth);
  }
  if (thing instanceof Set) return plainThing([...thing].slice(0, THINGS_MAX), depth);
  const entries = Object.entries(thing).slice(0, THINGS_MAX);
  return Object.fromEntries(entries.map(([name, one]) => [name, inner(one)]));
}

function errorThing(error: Error, depth: number): unknown {
  const code = error instanceof CtdbxError ? error.code : undefined;
  const { name, message, stack, cause } = error;
  return {
    name,
    message: plainThing(message, depth + 1),
    ...(code === undefined ? {} : { code }),
    // What is no error of ours is a bug, and the stack is what its report needs.
    ...(code === undefined ? { stack: plainThing(stack, depth + 1) } : {}),
    ...(cause === undefined ? {} : { cause: plainThing(cause, depth + 1) }),
  };
}
