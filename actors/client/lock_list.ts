/**
 * Looks at cluster locks: who has them, and who waits.
 *
 * Does NOT promise: one moment for all of them.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { LOCK_DATABASE, LOCK_NAME_MAX, readLock } from "../machines/locks/value.ts";
import type { Place } from "../machines/locks/value.ts";
import { tokenOf } from "./lock_held.ts";
import type { LockInfo, LockPlace } from "./lock_types.ts";
import type { Cluster, Database } from "./types.ts";

/** The key of a lock's record. Throws SyntaxError. */
export function lockKey(name: string): Uint8Array {
  const key = typeof name === "string" ? new TextEncoder().encode(name) : new Uint8Array(0);
  if (key.length >= 1 && key.length <= LOCK_NAME_MAX) return key;
  const is = typeof name === "string" ? `${key.length}` : `a ${typeof name}`;
  throw new SyntaxError(`Cannot use a lock: its name has 1 to ${LOCK_NAME_MAX} bytes, is ${is}`);
}

/** The database of locks; undefined: nobody has used one yet. */
async function locksOf(cluster: Cluster): Promise<Database | undefined> {
  try {
    return await cluster.attach(LOCK_DATABASE, { create: false });
  } catch (error) {
    if (error instanceof CtdbxError && error.code === "not_found") return undefined;
    throw error;
  }
}

/** The locks that somebody has, or waits for. */
export async function* listLocks(cluster: Cluster): AsyncGenerator<LockInfo> {
  const locks = await locksOf(cluster);
  if (locks === undefined) return;
  for await (const { key, value } of locks.traverse({})) {
    const info = infoOf(key, value);
    if (info !== undefined && info.holders.length + info.waiters.length > 0) yield info;
  }
}

/** One of them; undefined: nobody has it, or waits. Throws "state": the record is of another program. */
export async function showLock(cluster: Cluster, name: string): Promise<LockInfo | undefined> {
  const key = lockKey(name);
  const value = await (await locksOf(cluster))?.read(key);
  if (value === undefined) return undefined;
  const info = infoOf(key, value);
  if (info !== undefined) return info.holders.length + info.waiters.length > 0 ? info : undefined;
  throw new CtdbxError("state", `Cannot show the lock ${name}: the record is no lock of ctdbx`);
}

function infoOf(key: Uint8Array, bytes: Uint8Array | undefined): LockInfo | undefined {
  const value = bytes === undefined ? undefined : readLock(bytes);
  if (value === undefined) return undefined;
  const placeOf = (place: Place, isHolder: boolean): LockPlace => ({
    pnn: place.pnn,
    incarnation: place.incarnation,
    pid: place.pid,
    mode: place.isExclusive ? "exclusive" : "shared",
    sinceMs: place.sinceMs,
    graceMs: place.graceMs,
    token: isHolder ? tokenOf(place.token) : undefined,
  });
  return {
    name: new TextDecoder().decode(key),
    holders: value.holders.map((place) => placeOf(place, true)),
    waiters: value.waiters.map((place) => placeOf(place, false)),
  };
}
