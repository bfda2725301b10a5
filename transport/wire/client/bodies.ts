/**
 * The bodies of the frames that come often, both ways.
 *
 *   op        u16 ref | u32 timeoutMs | u8 wish | key | call: u8 + name, arguments       key: u16 + bytes
 *   answer    u8 outcome | u8 has (1 result, 2 at) | at | ok: result, else why           at: u64 gen, u32 seq, u64 rsn
 *   locked    at | data
 *   unlock    u8 has | data
 *   traverse  u16 ref | u32 timeoutMs | u8 isCount | u32 credit | key (prefix)
 *   record    key | data                       end     u8 outcome | u64 count | why
 *   post      u8 to | u32 pnn | u64 srvid | data
 *   items     each: u8 type | u32 pnn | u32 program | u64 srvid | u32 size or count | data
 *   took      u32 count | u32 bytes
 *   change    u8 type | key | data
 *   run       key | u8 + name | u32 + data | arguments
 *   ran       u8 ok | u8 has | u32 + data | result or why
 *
 * Does NOT promise: sense; a ref may name nothing.
 */
import type { FrameBody, FrameWriter } from "./frames.ts";
import { FRAME } from "./frames.ts";

/** What an op wants. */
export const WISH = { read: 0, lock: 1, readyToRead: 2, readyToWrite: 3, call: 4 } as const;
/** How something ended. */
export const OUTCOMES = ["ok", "failed", "unknown"] as const;
/** One of OUTCOMES. */
export type Outcome = (typeof OUTCOMES)[number];
/** To whom a message goes. */
export const SEND_TO = ["node", "all", "connected"] as const;
/** One of SEND_TO. */
export type SendToKind = (typeof SEND_TO)[number];
/** What an item of a program's messages is. */
export const ITEM = { message: 1, gap: 2, life: 3, ended: 4 } as const;
/** What a change is. */
export const CHANGE = { value: 1, deleted: 2, again: 3 } as const;

const NO_BYTES = new Uint8Array(0);
const encoder = new TextEncoder();

/** Which state of a record. */
export interface AtBody {
  readonly gen: bigint;
  readonly seq: number;
  readonly rsn: bigint;
}

function writeAt(writer: FrameWriter, { gen, seq, rsn }: AtBody): void {
  writer.u64(gen).u32(seq).u64(rsn);
}

function readAt(body: FrameBody): AtBody {
  return { gen: body.u64(), seq: body.u32(), rsn: body.u64() };
}

function choice<T>(all: readonly T[], index: number, what: string): T {
  const found = all[index];
  if (found === undefined) throw new RangeError(`no such ${what}: ${index}`);
  return found;
}

/** An operation. */
export interface OpBody {
  readonly ref: number;
  readonly timeoutMs: number;
  /** One of WISH. */
  readonly wish: number;
  readonly procedure: string;
  readonly args: Uint8Array;
}

/** Writes an op; `procedure` and `args` for a call only. */
export function writeOp(
  writer: FrameWriter,
  id: number,
  { ref, timeoutMs, wish, procedure, args }: OpBody,
  key: Uint8Array,
): void {
  writer.begin(FRAME.op, id).u16(ref).u32(timeoutMs).u8(wish).short(key);
  if (wish === WISH.call) {
    const name = encoder.encode(procedure);
    writer.u8(name.length).bytes(name).bytes(args);
  }
  writer.end();
}

/** Reads an op. Throws RangeError. The arguments are a copy. */
export function readOp(body: FrameBody): OpBody & { readonly key: string } {
  const ref = body.u16();
  const timeoutMs = body.u32();
  const wish = body.u8();
  const key = body.key();
  if (wish === WISH.call) {
    const procedure = body.text(body.u8());
    return { ref, timeoutMs, wish, key, procedure, args: body.bytes().slice() };
  }
  if (wish > WISH.call || body.left > 0) throw new RangeError(`an op that is none: ${wish}`);
  return { ref, timeoutMs, wish, key, procedure: "", args: NO_BYTES };
}

/** How an operation ended. */
export interface AnswerBody {
  readonly outcome: Outcome;
  readonly why: string;
  /** In place; undefined: there is none. */
  readonly result: Uint8Array | undefined;
  readonly at: AtBody | undefined;
}

/** Writes an answer. */
export function writeAnswer(writer: FrameWriter, id: number, answer: AnswerBody): void {
  const { outcome, why, result, at } = answer;
  writer.begin(FRAME.answer, id).u8(OUTCOMES.indexOf(outcome));
  writer.u8((result === undefined ? 0 : 1) | (at === undefined ? 0 : 2));
  if (at !== undefined) writeAt(writer, at);
  if (outcome !== "ok") writer.text(why);
  else if (result !== undefined) writer.bytes(result);
  writer.end();
}

/** Reads an answer. Throws RangeError. */
export function readAnswer(body: FrameBody): AnswerBody {
  const outcome = choice(OUTCOMES, body.u8(), "outcome");
  const has = body.u8();
  const at = (has & 2) === 0 ? undefined : readAt(body);
  const isOk = outcome === "ok";
  return {
    outcome,
    at,
    why: isOk ? "" : body.text(),
    result: isOk && (has & 1) !== 0 ? body.bytes() : undefined,
  };
}

/** Writes what a lock found. */
export function writeLocked(writer: FrameWriter, id: number, at: AtBody, data: Uint8Array): void {
  writer.begin(FRAME.locked, id);
  writeAt(writer, at);
  writer.bytes(data).end();
}

/** Reads it. Throws RangeError. */
export function readLocked(body: FrameBody): { readonly at: AtBody; readonly data: Uint8Array } {
  return { at: readAt(body), data: body.bytes() };
}

/** Writes the end of a lock. */
export function writeUnlock(writer: FrameWriter, id: number, data: Uint8Array | undefined): void {
  writer.begin(FRAME.unlock, id).u8(data === undefined ? 0 : 1).bytes(data ?? NO_BYTES).end();
}

/** Reads it; a copy. Throws RangeError. */
export function readUnlock(body: FrameBody): Uint8Array | undefined {
  return body.u8() === 0 ? undefined : body.bytes().slice();
}

/** A traverse. */
export interface TraverseBody {
  readonly ref: number;
  readonly timeoutMs: number;
  readonly isCount: boolean;
  readonly credit: number;
}

/** Writes it. */
export function writeTraverse(
  writer: FrameWriter,
  id: number,
  { ref, timeoutMs, isCount, credit }: TraverseBody,
  prefix: Uint8Array,
): void {
  writer.begin(FRAME.traverse, id).u16(ref).u32(timeoutMs).u8(isCount ? 1 : 0).u32(credit);
  writer.short(prefix).end();
}

/** Reads it. Throws RangeError. */
export function readTraverse(body: FrameBody): TraverseBody & { readonly prefix: string } {
  const ref = body.u16();
  const timeoutMs = body.u32();
  const isCount = body.u8() !== 0;
  return { ref, timeoutMs, isCount, credit: body.u32(), prefix: body.key() };
}

/** Writes the end of a traverse. */
export function writeEnd(
  writer: FrameWriter,
  id: number,
  end: { readonly outcome: Outcome; readonly count: number; readonly why: string },
): void {
  writer.begin(FRAME.end, id).u8(OUTCOMES.indexOf(end.outcome)).u64(BigInt(end.count));
  writer.text(end.why).end();
}

/** Reads it. Throws RangeError. */
export function readEnd(
  body: FrameBody,
): { readonly outcome: Outcome; readonly count: number; readonly why: string } {
  const outcome = choice(OUTCOMES, body.u8(), "outcome");
  return { outcome, count: body.size(), why: body.text() };
}

/** A message to be sent. */
export interface PostBody {
  readonly to: SendToKind;
  /** With "node". */
  readonly pnn: number;
  readonly srvid: bigint;
  readonly data: Uint8Array;
}

/** Writes it; id 0: no answer is wanted. */
export function writePost(
  writer: FrameWriter,
  id: number,
  { to, pnn, srvid, data }: PostBody,
): void {
  writer.begin(FRAME.post, id).u8(SEND_TO.indexOf(to)).u32(pnn).u64(srvid).bytes(data).end();
}

/** Reads it; the data are a copy. Throws RangeError. */
export function readPost(body: FrameBody): PostBody {
  const to = choice(SEND_TO, body.u8(), "receiver");
  return { to, pnn: body.u32(), srvid: body.u64(), data: body.copy() };
}

/** One item of a program's messages. */
export interface ItemBody {
  /** One of ITEM. */
  readonly type: number;
  readonly pnn: number;
  readonly program: number;
  readonly srvid: bigint;
  /** Of a gap: how many. */
  readonly count: number;
  readonly data: Uint8Array;
}

/** Writes an item into a frame that has begun. */
export function writeItem(writer: FrameWriter, item: ItemBody): void {
  const { type, pnn, program, srvid, count, data } = item;
  writer.u8(type).u32(pnn).u32(program).u64(srvid);
  writer.u32(type === ITEM.message ? data.length : count).bytes(data);
}

/** Reads the next item; its data are a copy. Throws RangeError. */
export function readItem(body: FrameBody): ItemBody {
  const type = body.u8();
  const pnn = body.u32();
  const program = body.u32();
  const srvid = body.u64();
  const count = body.u32();
  const data = type === ITEM.message ? body.copy(count) : NO_BYTES;
  return { type, pnn, program, srvid, count, data };
}

/** Writes a change. */
export function writeChange(
  writer: FrameWriter,
  id: number,
  type: number,
  key: string,
  data: Uint8Array,
): void {
  writer.begin(FRAME.change, id).u8(type).key(key).bytes(data).end();
}

/** Reads it; in place. Throws RangeError. */
export function readChange(
  body: FrameBody,
): { readonly type: number; readonly key: Uint8Array; readonly data: Uint8Array } {
  return { type: body.u8(), key: body.short(), data: body.bytes() };
}

/** What a program's procedure is to do. */
export interface RunBody {
  readonly procedure: string;
  readonly data: Uint8Array;
  readonly args: Uint8Array;
}

/** Writes it. */
export function writeRun(
  writer: FrameWriter,
  id: number,
  { procedure, data, args }: RunBody,
  key: string,
): void {
  const name = encoder.encode(procedure);
  writer.begin(FRAME.run, id).key(key).u8(name.length).bytes(name);
  writer.u32(data.length).bytes(data).bytes(args).end();
}

/** Reads it; in place. Throws RangeError. */
export function readRun(body: FrameBody): RunBody & { readonly key: Uint8Array } {
  const key = body.short();
  const procedure = body.text(body.u8());
  return { key, procedure, data: body.bytes(body.u32()), args: body.bytes() };
}

/** How it went. */
export type RanBody =
  /** Data undefined: as it was. */
  | { readonly ok: true; readonly data: Uint8Array | undefined; readonly result: Uint8Array }
  | { readonly ok: false; readonly why: string };

/** Writes it. */
export function writeRan(writer: FrameWriter, id: number, ran: RanBody): void {
  writer.begin(FRAME.ran, id).u8(ran.ok ? 1 : 0);
  if (ran.ok) {
    const data = ran.data ?? NO_BYTES;
    writer.u8(ran.data === undefined ? 0 : 1).u32(data.length).bytes(data).bytes(ran.result);
  } else writer.text(ran.why);
  writer.end();
}

/** Reads it; copies. Throws RangeError. */
export function readRan(body: FrameBody): RanBody {
  if (body.u8() === 0) return { ok: false, why: body.text() };
  const has = body.u8() !== 0;
  const data = body.bytes(body.u32()).slice();
  return { ok: true, data: has ? data : undefined, result: body.bytes().slice() };
}
