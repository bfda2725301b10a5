/**
 * What every adapter of the Disk port refuses, and how a file that is being made is called.
 *
 * Does NOT promise: that a sound path can be used.
 */
import { CtdbxError } from "./wire/errors.ts";

/** Longest file that Disk reads or writes, bytes: 64 MiB. What is larger is an image. */
export const FILE_READ_MAX = 64 * 1024 * 1024;
/** Ending of a file that `replace` has not renamed yet; `list` leaves it out. One is left after a crash at most. */
export const UNFINISHED = "~new";

/** Throws RangeError on a path that is not absolute, or that no system takes. */
export function checkPath(path: string): void {
  if (path.startsWith("/") && !path.includes("\0") && !path.endsWith(UNFINISHED)) return;
  throw new RangeError(`Cannot use path ${JSON.stringify(path)}: it must be absolute`);
}

/** Throws "limit" on contents that read() would refuse. */
export function checkContents(what: string, size: number): void {
  if (size <= FILE_READ_MAX) return;
  throw new CtdbxError(
    "limit",
    `${what}: it has ${size} bytes, FILE_READ_MAX is ${FILE_READ_MAX}`,
  );
}
