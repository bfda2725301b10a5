/**
 * Words between the data thread and programs: which code a reason stands for, and how long is too long.
 *
 * Does NOT promise: that a reason has a code of its own; "state" is said of all others.
 */
import type { ErrorCode } from "../../transport/wire/errors.ts";
import type { At, OpCode, OpWish } from "../machines/record/events.ts";
import { WISH } from "../../transport/wire/client/bodies.ts";
import type { AtBody, Outcome } from "../../transport/wire/client/bodies.ts";

/** Longest time of an operation, ms: what timers take. */
export const OP_MS_MAX = 2 ** 31 - 1;

const TIMES: readonly string[] = ["its time is over", "it came too late"];

/** The code of what did not end well. `code`: what the record machine says; without one its words tell. */
export function codeOf(outcome: Outcome, code: OpCode | undefined, why: string): ErrorCode {
  if (outcome === "unknown") return "unknown";
  if (code === "refused" || code === "cancelled") return "state";
  return code ?? (TIMES.includes(why) ? "timeout" : "state");
}

/** A time that a program has named, made to fit: 1 to OP_MS_MAX. */
export function timeOf(timeoutMs: number): number {
  return Math.min(Math.max(timeoutMs, 1), OP_MS_MAX);
}

/** Which state of a record, for a program. */
export function atOf({ tid: { gen, seq }, rsn }: At): AtBody {
  return { gen, seq, rsn };
}

/** What a program wants of a record. */
export function wishOf(wish: number, procedure: string, args: Uint8Array): OpWish {
  switch (wish) {
    case WISH.read:
      return { what: "read" };
    case WISH.lock:
      return { what: "lock" };
    case WISH.readyToRead:
      return { what: "ready", mode: "read" };
    case WISH.readyToWrite:
      return { what: "ready", mode: "write" };
  }
  return { what: "call", procedure, args };
}
