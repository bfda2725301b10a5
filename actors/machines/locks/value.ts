/**
 * The value of a cluster lock: who holds it and who waits, in the layout of this program (not the one of smbd).
 *
 *   0 u32 "GLK1" | 4 u16 holders | 6 u16 waiters | 8 u64 tid.gen | 16 u32 tid.seq | 20 u32 turn: pnn
 *   24 u64 turn: incarnation | 32 f64 turn: end, ms of its node's clock, 0: not begun | 40 places, 64 bytes each
 *   a place: 0 u32 pnn | 4 u32 client | 8 u64 incarnation | 16 u32 id | 20 u32 pid | 24 u32 1 exclusive, 0 shared
 *            28 u32 grace, ms | 32 u64 since, ms of the wall clock | 40 u64 token.gen | 48 u64 token.rsn
 *            56 u32 token.seq
 *
 * Little-endian. `tid` is the transfer under which the record was taken, as whoever maps the file cannot know it
 * otherwise. An empty value is a lock that nobody has.
 *
 * Does NOT promise: that the lives that are named are members.
 */
import type { Tid } from "../../../transport/wire/messages/record_parts.ts";
import type { Generation, Incarnation, Pnn, Rsn } from "../../../transport/wire/terms.ts";

/** The database of all locks. */
export const LOCK_DATABASE = "g_lock.tdb";
/** Who may hold one lock at a time, and who may wait for it. */
export const HOLDERS_MAX = 1024;
/** See HOLDERS_MAX. */
export const WAITERS_MAX = 1024;
/** Bytes of a lock's name. */
export const LOCK_NAME_MAX = 1024;
/** Longest grace, ms. */
export const GRACE_MS_MAX = 600_000;
/** Bytes before the places, and of each. */
export const HEAD = 40;
/** See HEAD. */
export const PLACE = 64;
/** "GLK1". */
export const MAGIC = 0x314b4c47;

/** One life of a node. */
export interface LifeOf {
  readonly pnn: Pnn;
  readonly incarnation: Incarnation;
}

/** Who has a place: one wish of one program. */
export interface Owner extends LifeOf {
  /** Number of the program's connection at its node; not used again in that life. */
  readonly client: number;
  /** Number of the wish; not used again by that program. */
  readonly id: number;
}

/** The fencing token of a grant: later grants of the same lock have greater ones. */
export interface Token extends Tid {
  readonly rsn: Rsn;
}

/** A holder, or one who waits. */
export interface Place extends Owner {
  readonly isExclusive: boolean;
  readonly pid: number;
  /** So long after its program or node has died nobody else gets the lock, ms. */
  readonly graceMs: number;
  /** When it came, ms of the wall clock of its node. */
  readonly sinceMs: number;
  /** Of the grant; of one who waits: none. */
  readonly token: Token;
}

/** Whose turn it is: its programs may go before those of others that wait, until it is over. */
export interface Turn extends LifeOf {
  /** By the clock of that node; 0: it begins with the next thing that node does. */
  readonly endMs: number;
}

/** All of it. */
export interface LockValue {
  readonly tid: Tid;
  readonly turn: Turn;
  readonly holders: readonly Place[];
  readonly waiters: readonly Place[];
}

/** No token: of one who waits. */
export const NO_TOKEN: Token = { gen: 0n as Generation, seq: 0, rsn: 0n as Rsn };
/** A lock that nobody has. */
export const FREE: LockValue = {
  tid: { gen: 0n as Generation, seq: 0 },
  turn: { pnn: 0 as Pnn, incarnation: 0n as Incarnation, endMs: 0 },
  holders: [],
  waiters: [],
};

/** Is it the same life? */
export function isSameLife(one: LifeOf, other: LifeOf): boolean {
  return one.pnn === other.pnn && one.incarnation === other.incarnation;
}

/** Is it the same wish? An id of 0 means all of that program. */
export function isOf(place: Owner, owner: Owner): boolean {
  return isSameLife(place, owner) && place.client === owner.client &&
    (owner.id === 0 || place.id === owner.id);
}

/** Below 0, 0, above 0: by tid, then by rsn. */
export function compareToken(one: Token, other: Token): number {
  if (one.gen !== other.gen) return one.gen < other.gen ? -1 : 1;
  if (one.seq !== other.seq) return one.seq - other.seq;
  return one.rsn === other.rsn ? 0 : one.rsn < other.rsn ? -1 : 1;
}

/** As text: 16, 8 and 16 hexadecimal digits, so that texts have the order of tokens. */
export function tokenText({ gen, seq, rsn }: Token): string {
  const hex = (value: bigint | number, digits: number) => value.toString(16).padStart(digits, "0");
  return `${hex(gen, 16)}.${hex(seq, 8)}.${hex(rsn, 16)}`;
}

/** The bytes of a value. */
export function writeLock(value: LockValue): Uint8Array {
  const { tid, turn, holders, waiters } = value;
  const bytes = new Uint8Array(HEAD + PLACE * (holders.length + waiters.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, holders.length, true);
  view.setUint16(6, waiters.length, true);
  view.setBigUint64(8, tid.gen, true);
  view.setUint32(16, tid.seq, true);
  view.setUint32(20, turn.pnn, true);
  view.setBigUint64(24, turn.incarnation, true);
  view.setFloat64(32, turn.endMs, true);
  let at = HEAD;
  for (const place of [...holders, ...waiters]) {
    writePlace(view, at, place);
    at += PLACE;
  }
  return bytes;
}

/** Writes one place. */
export function writePlace(view: DataView, at: number, place: Place): void {
  view.setUint32(at, place.pnn, true);
  view.setUint32(at + 4, place.client, true);
  view.setBigUint64(at + 8, place.incarnation, true);
  view.setUint32(at + 16, place.id, true);
  view.setUint32(at + 20, place.pid, true);
  view.setUint32(at + 24, place.isExclusive ? 1 : 0, true);
  view.setUint32(at + 28, place.graceMs, true);
  view.setBigUint64(at + 32, BigInt(place.sinceMs), true);
  view.setBigUint64(at + 40, place.token.gen, true);
  view.setBigUint64(at + 48, place.token.rsn, true);
  view.setUint32(at + 56, place.token.seq, true);
}

/** Reads one place. */
export function readPlace(view: DataView, at: number): Place {
  return {
    pnn: view.getUint32(at, true) as Pnn,
    client: view.getUint32(at + 4, true),
    incarnation: view.getBigUint64(at + 8, true) as Incarnation,
    id: view.getUint32(at + 16, true),
    pid: view.getUint32(at + 20, true),
    isExclusive: view.getUint32(at + 24, true) !== 0,
    graceMs: view.getUint32(at + 28, true),
    sinceMs: Number(view.getBigUint64(at + 32, true)),
    token: {
      gen: view.getBigUint64(at + 40, true) as Generation,
      rsn: view.getBigUint64(at + 48, true) as Rsn,
      seq: view.getUint32(at + 56, true),
    },
  };
}

/** The value of some bytes; undefined: they are none of a lock, or of another layout. */
export function readLock(bytes: Uint8Array): LockValue | undefined {
  if (bytes.length === 0) return FREE;
  if (bytes.length < HEAD) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint16(4, true);
  const waiting = view.getUint16(6, true);
  const isWhole = view.getUint32(0, true) === MAGIC && count <= HOLDERS_MAX &&
    waiting <= WAITERS_MAX && bytes.length === HEAD + PLACE * (count + waiting);
  if (!isWhole) return undefined;
  const places = (from: number, many: number): Place[] =>
    Array.from({ length: many }, (_, index) => readPlace(view, HEAD + PLACE * (from + index)));
  return {
    tid: { gen: view.getBigUint64(8, true) as Generation, seq: view.getUint32(16, true) },
    turn: {
      pnn: view.getUint32(20, true) as Pnn,
      incarnation: view.getBigUint64(24, true) as Incarnation,
      endMs: view.getFloat64(32, true),
    },
    holders: places(0, count),
    waiters: places(count, waiting),
  };
}
