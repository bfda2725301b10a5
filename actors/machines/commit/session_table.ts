/**
 * A session table as bytes: what a checkpoint keeps, and a node gets that copies the whole file.
 *
 *   u32 layout 1 | u32 sessions, each { u64 sid | 16 bytes node id | u64 incarnation | u32 number | u32 doneUpTo
 *               | u32 done, each { u32 n | u64 seq | u64 dbseq } }          by sid, by n: little endian, no padding
 *
 * One form only: equal tables have equal bytes, on whatever copy. No bytes at all are a table without sessions.
 *
 * Does NOT promise: a checksum; who keeps or sends the bytes has one.
 */
import { In, Out } from "../../../transport/wire/byte_cursor.ts";
import type { Done, Session, SessionsSnapshot } from "./sessions.ts";

const LAYOUT = 1;
const NODE_ID = 16;
/** Bytes of a session without what was done, and of one transaction. */
const SESSION_BYTES = 44;
const DONE_BYTES = 20;

/** The bytes of a table; the caller's for ever. Throws RangeError on a node id that is not 32 hex digits. */
export function writeSessions({ sessions }: SessionsSnapshot): Uint8Array<ArrayBuffer> {
  const out = new Out();
  out.room(8);
  out.u32(LAYOUT);
  out.u32(sessions.length);
  for (const session of [...sessions].sort(bySid)) putSession(out, session);
  return out.bytes.slice(0, out.at);
}

function bySid(one: Session, other: Session): number {
  return one.sid < other.sid ? -1 : 1;
}

function putSession(out: Out, session: Session): void {
  const { sid, nodeId, incarnation, number, doneUpTo, done } = session;
  const id = Uint8Array.fromHex(nodeId);
  if (id.length !== NODE_ID) {
    throw new RangeError(`Cannot write a session of ${nodeId}: no node id`);
  }
  out.room(SESSION_BYTES + DONE_BYTES * done.size);
  out.u64(sid);
  out.bytes.set(id, out.at);
  out.at += NODE_ID;
  out.u64(incarnation);
  out.u32(number);
  out.u32(doneUpTo);
  out.u32(done.size);
  for (const [n, { seq, dbseq }] of [...done].sort(([one], [other]) => one - other)) {
    out.u32(n);
    out.u64(seq);
    out.u64(dbseq);
  }
}

/** The table of these bytes; undefined: they are none that was written so. */
export function readSessions(bytes: Uint8Array): SessionsSnapshot | undefined {
  if (bytes.length === 0) return { sessions: [] };
  const from = new In();
  from.open(bytes, 0);
  try {
    if (from.u32() !== LAYOUT) return undefined;
    const sessions: Session[] = [];
    let last = -1n;
    for (let left = from.u32(); left > 0; left--) {
      const session = sessionOf(from);
      if (session === undefined || session.sid <= last) return undefined;
      last = session.sid;
      sessions.push(session);
    }
    return from.left === 0 ? { sessions } : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  } finally {
    from.close();
  }
}

function sessionOf(from: In): Session | undefined {
  const sid = from.u64<bigint>();
  if (from.left < NODE_ID) return undefined;
  const nodeId = from.bytes.slice(from.at, from.at + NODE_ID).toHex();
  from.at += NODE_ID;
  const [incarnation, number, doneUpTo] = [from.u64<bigint>(), from.u32(), from.u32()];
  const done = new Map<number, Done>();
  let last = 0;
  for (let left = from.u32(); left > 0; left--) {
    const n = from.u32();
    if (n <= last) return undefined;
    last = n;
    done.set(n, { seq: from.u64(), dbseq: from.u64() });
  }
  return { sid, nodeId, incarnation, number, doneUpTo, done };
}
