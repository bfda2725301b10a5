/**
 * Operations at a record, asked of the node's daemon.
 *
 *   operate ─▶ answer | ready, then `done` | locked, then `unlock` ─▶ answer | over: no answer will come
 *
 * Does NOT promise: to repeat anything; who asks knows what may be done twice.
 */
import {
  readAnswer,
  readLocked,
  WISH,
  writeOp,
  writeUnlock,
} from "../../transport/wire/client/bodies.ts";
import type { AtBody, Outcome } from "../../transport/wire/client/bodies.ts";
import { FRAME } from "../../transport/wire/client/frames.ts";
import type { FrameBody } from "../../transport/wire/client/frames.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { ErrorCode } from "../../transport/wire/errors.ts";
import { KEY_MAX, tooLong, VALUE_MAX } from "../../transport/wire/limits.ts";
import { PROCEDURE_NAME } from "../../transport/wire/messages/record_parts.ts";
import type { Line, Pending } from "./line.ts";
import type { KeyLike, ValueLike } from "./types.ts";

/** No bytes. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** How an operation went on. */
export type OpReply =
  | {
    readonly what: "answer";
    readonly outcome: Outcome;
    readonly code: ErrorCode;
    readonly why: string;
    /** A copy. */
    readonly result: Uint8Array | undefined;
    readonly at: AtBody | undefined;
  }
  | { readonly what: "ready"; readonly id: number }
  | { readonly what: "locked"; readonly op: OpPending; readonly data: Uint8Array }
  /** Lost: cut off; late: no answer; closed: by this program. Whether it was done is not known. */
  | { readonly what: "over"; readonly why: "lost" | "late" | "closed" };

/** What is wanted of a record. */
export interface OpAsk {
  readonly ref: number;
  /** One of WISH. */
  readonly wish: number;
  readonly procedure?: string;
  readonly args?: Uint8Array;
}

/** An operation that waits. */
export class OpPending implements Pending {
  untilMs: number;
  /** Its number on the line. */
  id = 0;
  #resolve: (reply: OpReply) => void;
  /** What came while nobody waited: the end of a lock that was lost. */
  #early: OpReply | undefined;

  constructor(untilMs: number, resolve: (reply: OpReply) => void) {
    this.untilMs = untilMs;
    this.#resolve = resolve;
  }

  frame(kind: number, body: FrameBody): boolean {
    if (kind === FRAME.ready) {
      this.#tell({ what: "ready", id: this.id });
      return false;
    }
    if (kind === FRAME.locked) {
      const { data } = readLocked(body);
      // It is held for as long as the program likes.
      this.untilMs = Infinity;
      const tell = this.#resolve;
      this.#resolve = (reply) => this.#early = reply;
      tell({ what: "locked", op: this, data: data.slice() });
      return true;
    }
    this.#tell(answerOf(body));
    return false;
  }

  over(why: "lost" | "late" | "closed"): void {
    this.#tell({ what: "over", why });
  }

  /** Waits for what comes next, until a time. */
  next(untilMs: number): Promise<OpReply> {
    if (this.#early !== undefined) return Promise.resolve(this.#early);
    this.untilMs = untilMs;
    return new Promise((resolve) => this.#resolve = resolve);
  }

  /** Has the lock ended by itself? */
  get isEnded(): boolean {
    return this.#early !== undefined;
  }

  #tell(reply: OpReply): void {
    this.#resolve(reply);
  }
}

function answerOf(body: FrameBody): OpReply {
  const { outcome, why, result, at } = readAnswer(body);
  const space = why.indexOf(" ");
  return {
    what: "answer",
    outcome,
    code: (outcome === "ok" ? "state" : why.slice(0, space)) as ErrorCode,
    why: why.slice(space + 1),
    result: result?.slice(),
    at,
  };
}

/** Asks, once. Waits until the line is up; throws "timeout" if it is not in time, and why it is over. */
export async function operate(
  line: Line,
  ask: OpAsk,
  key: Uint8Array,
  untilMs: number,
  nowMs: number,
): Promise<OpReply> {
  if (!line.isUp) await line.up(untilMs);
  return await begin(line, ask, key, untilMs, nowMs);
}

/** The same, on a line that is up. */
export function begin(
  line: Line,
  { ref, wish, procedure = "", args = NO_BYTES }: OpAsk,
  key: Uint8Array,
  untilMs: number,
  nowMs: number,
): Promise<OpReply> {
  return new Promise((resolve) => {
    const pending = new OpPending(untilMs, resolve);
    const timeoutMs = Math.max(1, Math.round(untilMs - nowMs));
    pending.id = line.begin(
      pending,
      (writer, id) => writeOp(writer, id, { ref, timeoutMs, wish, procedure, args }, key),
    );
  });
}

/** Says that what was `ready` has been used. */
export function done(line: Line, id: number): void {
  line.tell((writer) => writer.begin(FRAME.done, id).end());
}

/** Gives a lock back, with a value or without. */
export async function unlock(
  line: Line,
  op: OpPending,
  data: Uint8Array | undefined,
  untilMs: number,
): Promise<OpReply> {
  const reply = op.next(untilMs);
  if (!op.isEnded) line.tell((writer) => writeUnlock(writer, op.id, data));
  return await reply;
}

/** The error of an operation that did not end well. `mayRun`: what was lost may have been done. */
export function failure(what: string, reply: OpReply, mayRun: boolean): CtdbxError {
  if (reply.what === "answer") {
    return new CtdbxError(reply.code, `Cannot ${what}: ${reply.why}`);
  }
  const why = reply.what !== "over"
    ? "the node answered something else"
    : reply.why === "late"
    ? "the node did not answer in time"
    : reply.why === "lost"
    ? "the connection was cut"
    : "the connection was closed";
  if (mayRun) return new CtdbxError("unknown", `Cannot tell what came of ${what}: ${why}`);
  const code = reply.what === "over" && reply.why === "late" ? "timeout" : "state";
  return new CtdbxError(code, `Cannot ${what}: ${why}`);
}

/**
 * What a call gave. Throws "unknown" when it was done, once, and its first answer was lost: a result that is long is
 * not kept for a second one, and none is not an empty one.
 */
export function resultOf(procedure: string, result: Uint8Array | undefined): Uint8Array {
  if (result !== undefined) return result;
  const why = "it was done, but its answer was lost, and what it gave is too long to be told again";
  throw new CtdbxError("unknown", `Cannot tell what ${procedure} gave: ${why}`);
}

const PROCEDURE = new RegExp(PROCEDURE_NAME);

/** A name that a procedure can have. Throws "unsupported". */
export function procedureName(name: string): string {
  if (PROCEDURE.test(name)) return name;
  const said = JSON.stringify(name);
  throw new CtdbxError("unsupported", `Cannot do ${said}: no procedure has such a name`);
}

const encoder = new TextEncoder();

/** The bytes of a key. Throws "limit", a RangeError, or a TypeError on what is neither bytes nor text. */
export function keyBytes(key: KeyLike): Uint8Array {
  const bytes = bytesOf("a key", key);
  if (bytes.length > KEY_MAX) throw tooLong("the key", bytes.length, "KEY_MAX", KEY_MAX);
  if (bytes.length === 0) throw new RangeError("Cannot use a key of no bytes: 1 is the shortest");
  return bytes;
}

/** The bytes of a value. Throws "limit", or a TypeError on what is neither bytes nor text. */
export function valueBytes(value: ValueLike | undefined): Uint8Array {
  return value === undefined ? NO_BYTES : givenBytes(value);
}

/** The same where there must be one: who stores nothing by mistake would delete. Throws as `valueBytes`. */
export function givenBytes(value: ValueLike): Uint8Array {
  const bytes = bytesOf("a value", value);
  if (bytes.length > VALUE_MAX) throw tooLong("the value", bytes.length, "VALUE_MAX", VALUE_MAX);
  return bytes;
}

/** The bytes of a call's arguments. Throws "limit", or a TypeError on what is neither bytes nor text. */
export function argsBytes(args: ValueLike): Uint8Array {
  const bytes = bytesOf("arguments", args);
  if (bytes.length <= VALUE_MAX) return bytes;
  const said = `the arguments have ${bytes.length} bytes, VALUE_MAX is ${VALUE_MAX}`;
  throw new CtdbxError("limit", `Cannot call: ${said}`);
}

/** A srvid. Throws a TypeError on what is no bigint, and a RangeError beyond 64 bits. */
export function checkedSrvid(what: string, srvid: bigint): bigint {
  if (typeof srvid !== "bigint") {
    throw new TypeError(`Cannot ${what} ${String(srvid)}: a srvid is a bigint, as 7n`);
  }
  if (BigInt.asUintN(64, srvid) === srvid) return srvid;
  throw new RangeError(`Cannot ${what} ${srvid}: a srvid has 64 bits`);
}

function bytesOf(what: string, given: Uint8Array | string): Uint8Array {
  if (typeof given === "string") return encoder.encode(given);
  if (given instanceof Uint8Array) {
    // A Buffer's slice() is no copy, and code behind this relies on one.
    const isPlain = given.constructor === Uint8Array;
    return isPlain ? given : new Uint8Array(given.buffer, given.byteOffset, given.length);
  }
  const is = given === null ? "null" : isPromise(given) ? "a promise" : typeof given;
  throw new TypeError(`Cannot use ${what}: it must be bytes (Uint8Array) or text, is ${is}`);
}

function isPromise(given: unknown): boolean {
  return given instanceof Promise;
}

/** An empty value is none. */
export function valueOrNone(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes === undefined || bytes.length === 0 ? undefined : bytes;
}

/** Does it only look at the record? Then it may be asked again when the answer was lost. */
export function isRepeatable(wish: number): boolean {
  return wish !== WISH.call;
}

/** What a node that drains says of a wish to have a record there (machines/record/work.ts). */
const DRAINING = "this node is draining";

/** Does the node hand its records over, and take none? */
export function isDraining(reply: OpReply): boolean {
  return reply.what === "answer" && reply.why === DRAINING;
}

/** The error of who gives a text where only bytes are quick enough. */
export function wantsBytes(what: string): TypeError {
  return new TypeError(
    `Cannot do ${what} with a text as its key: encode it once, and use the bytes`,
  );
}
