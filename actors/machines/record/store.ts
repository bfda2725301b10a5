/**
 * The port of the record machine's storage: the file of one life, which client programs map.
 *
 *   tryLock ─▶ had ─▶ get, put, drop ─▶ unlock        busy: later        renew: another life, another file
 *
 * Does NOT promise: to be read outside of the mutex as it will be inside.
 */
import type { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Incarnation } from "../../../transport/wire/terms.ts";
import type { Head, Key, Stored } from "./copy.ts";

/** Where copies are stored: a mapped file, with a mutex for each chain of keys. */
export interface RecordStore {
  /** Tries the chain mutex of a key. `died`: it is had, and who had it died in it. */
  tryLock(key: Key): "had" | "died" | "busy";
  unlock(key: Key): void;
  get(key: Key): Stored | undefined;
  /** The same without its value, which may be long. */
  head(key: Key): Head | undefined;
  /** Throws CtdbxError; for want of room never where the value stays, or is empty. Nothing is changed then. */
  put(key: Key, stored: Stored): void;
  drop(key: Key): void;
  /** A new, empty file for a new life; who maps the old one sees that it ended. */
  renew(incarnation: Incarnation): void;
  /** Why nothing can be stored in this life, just now. */
  readonly trouble?: CtdbxError | undefined;
}
