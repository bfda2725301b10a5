/**
 * A record as a reader sees it: where its key and value lie in the thread's memory.
 *
 * Does NOT promise: to stay. It is one object used again for each record, and the bytes are the file itself:
 * both are good inside the callback only.
 */

import { DB, FLAG } from "../../assembly/host/tdb_kernels.ts";
import type { TdbCore } from "./tdb_core.ts";

/** Key and value of a record, in place. */
export class RecordView {
  /** The whole Memory of the thread. */
  readonly bytes: Uint8Array;
  /** Index of the key's first byte in `bytes`, and its length in bytes. */
  keyOffset = 0;
  keyLength = 0;
  /** Index of the value's first byte in `bytes`, and its length in bytes. */
  valueOffset = 0;
  valueLength = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** A copy of the key. */
  key(): Uint8Array {
    return this.bytes.slice(this.keyOffset, this.keyOffset + this.keyLength);
  }

  /** A copy of the value. */
  value(): Uint8Array {
    return this.bytes.slice(this.valueOffset, this.valueOffset + this.valueLength);
  }
}

/** Lets a view show the record at an offset: in place, or copied out where it does not lie in one piece. */
export function see(core: TdbCore, view: RecordView, off: number): RecordView {
  const { words } = core.memory;
  const { db } = core;
  const flags = words[(db + DB.flags) >>> 2] as number;
  if ((flags & (FLAG.swapped | FLAG.overlay)) === 0) {
    const at = (words[(db + DB.base) >>> 2] as number) + off;
    const keyLength = words[(at + 8) >>> 2] as number;
    view.keyLength = keyLength;
    view.valueLength = words[(at + 12) >>> 2] as number;
    view.keyOffset = at + 24;
    view.valueOffset = at + 24 + keyLength;
    return view;
  }
  view.keyLength = core.word(off + 8);
  view.valueLength = core.word(off + 12);
  const length = view.keyLength + view.valueLength;
  let at = core.kernel.tdbWhere(db, off + 24, length) >>> 0;
  if (at === 0) {
    at = core.spare(length);
    core.kernel.tdbGet(db, off + 24, at, length);
  }
  view.keyOffset = at;
  view.valueOffset = at + view.keyLength;
  return view;
}
