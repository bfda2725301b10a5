/**
 * The limits of ctdbx: what is larger is refused by name, never cut.
 *
 * Does NOT promise: that a smaller thing fits everywhere; a disk may be full, a memory may be used up.
 */
import { CtdbxError } from "./errors.ts";

/** Longest key, bytes. */
export const KEY_MAX = 65535;
/** Longest value of one record, bytes: 16 MiB. */
export const VALUE_MAX = 16 * 1024 * 1024;
/** Logical size of a database file, bytes; the format's offsets are u32, and sizes multiples of 4. */
export const FILE_MAX = 4294967292;
/** Mapped bytes per thread, all files together. */
export const MAPPED_MAX = 3584 * 1024 * 1024;
/** Hash chains of one database. */
export const HASH_SIZE_MAX = 268435456;
/** Databases open in one thread. */
export const DATABASES_MAX = 1024;

/** The error of a thing that is larger than its limit. */
export function tooLong(what: string, bytes: number, name: string, limit: number): CtdbxError {
  return new CtdbxError("limit", `Cannot store: ${what} has ${bytes} bytes, ${name} is ${limit}`);
}
