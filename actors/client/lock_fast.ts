/**
 * Taking and giving a cluster lock in the mapped file, at once, where its record is there.
 *
 * The same rules as at the record elsewhere (machines/locks/rules.ts); what they cannot decide at once is left to the
 * daemon, and nothing is changed then.
 *
 * Does NOT promise: that it can be done; false, or undefined: ask the daemon.
 */
import type { At } from "../machines/record/events.ts";
import { leave, type Said, take } from "../machines/locks/rules.ts";
import type { By } from "../machines/locks/rules.ts";
import { HEAD, MAGIC, readLock, writeLock } from "../machines/locks/value.ts";
import type { LockValue, Owner, Place, Token } from "../machines/locks/value.ts";
import type { NewValue } from "../storage/local_records.ts";
import type { RecordView } from "../storage/tdb_record.ts";
import { RECORD_HEADER } from "../../assembly/host/record_kernels.ts";
import type { Rsn } from "../../transport/wire/terms.ts";

/** The part of a database that is used. */
export interface FastFile {
  updateNow(
    key: Uint8Array,
    change: (value: RecordView, draft: Uint8Array) => NewValue,
  ): boolean;
}

/** The lock as it is here, and which state of the record a write would make. Undefined: it is none, or none yet. */
function lookAt(view: RecordView): { readonly value: LockValue; readonly at: At } | undefined {
  // Of an empty record the transfer is not known here.
  if (view.valueLength < HEAD) return undefined;
  const { bytes, valueOffset, valueLength } = view;
  const words = new DataView(bytes.buffer, bytes.byteOffset + valueOffset - RECORD_HEADER);
  if (words.getUint32(RECORD_HEADER, true) !== MAGIC) return undefined;
  const value = readLock(bytes.subarray(valueOffset, valueOffset + valueLength));
  if (value === undefined) return undefined;
  const rsn = words.getBigUint64(0, true) + 1n;
  return { value, at: { tid: value.tid, rsn: rsn as Rsn } };
}

/** Takes it. Undefined: nothing was done. Throws "unknown": it may have been taken. */
export function takeNow(
  file: FastFile,
  key: Uint8Array,
  place: Place,
  by: By,
): Token | undefined {
  let token: Token | undefined;
  const isDone = file.updateNow(key, (view) => {
    token = undefined;
    const found = lookAt(view);
    if (found === undefined) return undefined;
    const { value, said } = take(found.value, place, true, by, found.at);
    if (said.status !== "granted") return undefined;
    token = said.token;
    return writeLock(value);
  });
  return isDone ? token : undefined;
}

/** Gives it up. Undefined: nothing was done. Throws "unknown": it may have been given up. */
export function leaveNow(
  file: FastFile,
  key: Uint8Array,
  owner: Owner,
  by: By,
): { readonly said: Said; readonly token: Token } | undefined {
  let left: { readonly said: Said; readonly token: Token } | undefined;
  const isDone = file.updateNow(key, (view) => {
    left = undefined;
    const found = lookAt(view);
    if (found === undefined) return undefined;
    const { value, said } = leave(found.value, owner, [], true, by, found.at);
    left = { said, token: { ...found.at.tid, rsn: found.at.rsn } };
    return writeLock(value);
  });
  return isDone ? left : undefined;
}
