/**
 * The procedure "g_lock": the rules of locks, as a call that runs where the record of a lock is.
 *
 *   args    u8 op 1 take 2 leave | u8 bits: 1 try or lazy, 2 keep | f64 now | place (64 bytes) | u16 count, dead lives
 *   result  u8 status | u8 bits: 1 more 2 lazy | u16 granted | u16 lives | u64 gen, u32 seq, u64 rsn (own token)
 *           u64 gen, u32 seq, u64 rsn (of those granted) | granted: 20 bytes | lives of others, with grace: 16 bytes
 *
 * A result has 1 kB at most, so that it is kept with the proof of the call. Taking and leaving may both be repeated.
 *
 * Does NOT promise: to know who is dead; who calls it says so, by a view.
 */
import { RECORD_RESULT_MAX } from "../../../transport/wire/messages/record_parts.ts";
import type { Generation, Incarnation, Pnn, Rsn } from "../../../transport/wire/terms.ts";
import type { At } from "../record/events.ts";
import type { HeldBook } from "../record/held.ts";
import type { Ran } from "../record/procedures.ts";
import { NO_DATA } from "../record/copy.ts";
import { leave, living, type Said, type Status, take, united } from "./rules.ts";
import type { LifeOf, LockValue, Owner, Place, Token } from "./value.ts";
import {
  isSameLife,
  NO_TOKEN,
  PLACE,
  readLock,
  readPlace,
  writeLock,
  writePlace,
} from "./value.ts";

/** Its name. */
export const LOCK_PROCEDURE = "g_lock";
/** Lives that are told of, or told as dead, at once. */
export const LIVES_MAX = 24;
const STATUSES = ["granted", "waiting", "busy", "full", "left"] as const satisfies Status[];
const ARGS = 10;
const LIFE = 12;
const RESULT = 46;
const OWNER = 20;
const TOLD = 16;

/** What is asked. */
export interface LockAsk {
  readonly op: "take" | "leave";
  /** Of take: do not wait. Of leave: let it lie free for a moment. */
  readonly isLight: boolean;
  /** Keep the record when nobody has the lock: it will be used again. */
  readonly isKept: boolean;
  readonly nowMs: number;
  readonly place: Place;
  readonly dead: readonly LifeOf[];
}

/** A life that has a place, and the longest grace that it asks for, ms. */
export interface LifeTold extends LifeOf {
  readonly graceMs: number;
}

/** What is answered. */
export interface LockSaid extends Omit<Said, "token"> {
  readonly token: Token;
  readonly grantToken: Token;
  readonly lives: readonly LifeTold[];
}

/** The arguments. */
export function writeAsk({ op, isLight, isKept, nowMs, place, dead }: LockAsk): Uint8Array {
  const some = dead.slice(0, LIVES_MAX);
  const bytes = new Uint8Array(ARGS + PLACE + 2 + LIFE * some.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, op === "take" ? 1 : 2);
  view.setUint8(1, (isLight ? 1 : 0) | (isKept ? 2 : 0));
  view.setFloat64(2, nowMs, true);
  writePlace(view, ARGS, place);
  view.setUint16(ARGS + PLACE, some.length, true);
  some.forEach(({ pnn, incarnation }, index) => {
    view.setUint32(ARGS + PLACE + 2 + LIFE * index, pnn, true);
    view.setBigUint64(ARGS + PLACE + 6 + LIFE * index, incarnation, true);
  });
  return bytes;
}

function readAsk(bytes: Uint8Array): LockAsk | undefined {
  if (bytes.length < ARGS + PLACE + 2) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint16(ARGS + PLACE, true);
  const op = view.getUint8(0);
  const isWhole = count <= LIVES_MAX && bytes.length === ARGS + PLACE + 2 + LIFE * count;
  if (!isWhole || op < 1 || op > 2) return undefined;
  const bits = view.getUint8(1);
  return {
    op: op === 1 ? "take" : "leave",
    isLight: (bits & 1) !== 0,
    isKept: (bits & 2) !== 0,
    nowMs: view.getFloat64(2, true),
    place: readPlace(view, ARGS),
    dead: Array.from({ length: count }, (_, index) => ({
      pnn: view.getUint32(ARGS + PLACE + 2 + LIFE * index, true) as Pnn,
      incarnation: view.getBigUint64(ARGS + PLACE + 6 + LIFE * index, true) as Incarnation,
    })),
  };
}

function livesOf({ holders, waiters }: LockValue, own: LifeOf): LifeTold[] {
  const lives: { pnn: Pnn; incarnation: Incarnation; graceMs: number }[] = [];
  for (const place of [...holders, ...waiters]) {
    if (isSameLife(place, own)) continue;
    const known = lives.find((life) => isSameLife(life, place));
    if (known !== undefined) known.graceMs = Math.max(known.graceMs, place.graceMs);
    else if (lives.length < LIVES_MAX) {
      lives.push({ pnn: place.pnn, incarnation: place.incarnation, graceMs: place.graceMs });
    }
  }
  return lives;
}

function putToken(view: DataView, at: number, { gen, seq, rsn }: Token): void {
  view.setBigUint64(at, gen, true);
  view.setUint32(at + 8, seq, true);
  view.setBigUint64(at + 12, rsn, true);
}

function tokenAt(view: DataView, at: number): Token {
  return {
    gen: view.getBigUint64(at, true) as Generation,
    seq: view.getUint32(at + 8, true),
    rsn: view.getBigUint64(at + 12, true) as Rsn,
  };
}

function writeSaid(said: Said, grantToken: Token, lives: readonly LifeTold[]): Uint8Array {
  const room = RECORD_RESULT_MAX - RESULT - OWNER * said.granted.length;
  const told = lives.slice(0, Math.floor(room / TOLD));
  const bytes = new Uint8Array(RESULT + OWNER * said.granted.length + TOLD * told.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, STATUSES.indexOf(said.status));
  view.setUint8(1, (said.isMore ? 1 : 0) | (said.isLazy ? 2 : 0));
  view.setUint16(2, said.granted.length, true);
  view.setUint16(4, told.length, true);
  putToken(view, 6, said.token ?? NO_TOKEN);
  putToken(view, 26, grantToken);
  let at = RESULT;
  for (const { pnn, incarnation, client, id } of said.granted) {
    view.setUint32(at, pnn, true);
    view.setBigUint64(at + 4, incarnation, true);
    view.setUint32(at + 12, client, true);
    view.setUint32(at + 16, id, true);
    at += OWNER;
  }
  for (const { pnn, incarnation, graceMs } of told) {
    view.setUint32(at, pnn, true);
    view.setBigUint64(at + 4, incarnation, true);
    view.setUint32(at + 12, graceMs, true);
    at += TOLD;
  }
  return bytes;
}

/** What the bytes of a result say; undefined: they say nothing. */
export function readSaid(bytes: Uint8Array | undefined): LockSaid | undefined {
  if (bytes === undefined || bytes.length < RESULT) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const status = STATUSES[view.getUint8(0)];
  const [granted, lives] = [view.getUint16(2, true), view.getUint16(4, true)];
  const isWhole = bytes.length === RESULT + OWNER * granted + TOLD * lives;
  if (status === undefined || !isWhole) return undefined;
  const bits = view.getUint8(1);
  const ownerAt = (at: number): Owner => ({
    pnn: view.getUint32(at, true) as Pnn,
    incarnation: view.getBigUint64(at + 4, true) as Incarnation,
    client: view.getUint32(at + 12, true),
    id: view.getUint32(at + 16, true),
  });
  const lifeAt = (at: number): LifeTold => ({
    pnn: view.getUint32(at, true) as Pnn,
    incarnation: view.getBigUint64(at + 4, true) as Incarnation,
    graceMs: view.getUint32(at + 12, true),
  });
  const from = RESULT + OWNER * granted;
  return {
    status,
    isMore: (bits & 1) !== 0,
    isLazy: (bits & 2) !== 0,
    token: tokenAt(view, 6),
    grantToken: tokenAt(view, 26),
    granted: Array.from({ length: granted }, (_, index) => ownerAt(RESULT + OWNER * index)),
    lives: Array.from({ length: lives }, (_, index) => lifeAt(from + TOLD * index)),
  };
}

/** The procedure. It refuses a record that is no lock of this program. */
export function lockProcedure(data: Uint8Array, args: Uint8Array, at?: At): Ran {
  const ask = readAsk(args);
  if (ask === undefined || at === undefined) return { ok: false, why: "g_lock: wrong arguments" };
  const value = readLock(data);
  if (value === undefined) return { ok: false, why: "the record is no lock of ctdbx" };
  const { op, isLight, isKept, nowMs, place, dead } = ask;
  const by = { life: place, nowMs };
  const isNamed = place.client !== 0;
  const made = op === "take"
    ? take(value, place, isLight, by, at)
    : leave(value, isNamed ? place : undefined, dead, isLight, by, at);
  const { holders, waiters } = made.value;
  const isGone = holders.length === 0 && waiters.length === 0 && !isKept;
  const result = writeSaid(made.said, { ...at.tid, rsn: at.rsn }, livesOf(made.value, place));
  return { ok: true, data: isGone ? NO_DATA : writeLock(made.value), result };
}

/** The rules of HeldBook that need no node: how values and what is held go together. */
export const LOCK_BOOK: Pick<HeldBook, "unite" | "taken"> = {
  unite: (one, other) => {
    const [first, second] = [readLock(one), readLock(other)];
    if (first === undefined || second === undefined) return first === undefined ? other : one;
    return writeLock(united(first, second));
  },
  taken: (data, tid, held, isIn) => {
    const value = readLock(data);
    // Another's value, or one that nobody has and nobody announces.
    if (value === undefined || (data.length === 0 && held === undefined)) return data;
    const told = held === undefined ? undefined : readLock(held);
    if (told === undefined) return writeLock({ ...value, tid });
    const made = living(united(value, told), isIn);
    if (made.holders.length === 0 && made.waiters.length === 0) return NO_DATA;
    return writeLock({ ...made, tid });
  },
};
