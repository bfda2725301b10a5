/**
 * What every adapter of the Host port refuses.
 *
 * Does NOT promise: that a sound path can be used.
 */
import { CtdbxError } from "./wire/errors.ts";

/** Longest path of a unix socket, bytes: what struct sockaddr_un holds. */
export const SOCKET_PATH_MAX = 107;

/** Throws "limit" on a path that is longer: the system would cut it, and meet somebody else there. */
export function checkSocketPath(path: string): void {
  const size = new TextEncoder().encode(path).length;
  if (size <= SOCKET_PATH_MAX) return;
  throw new CtdbxError(
    "limit",
    `Cannot use socket ${path}: the path has ${size} bytes, SOCKET_PATH_MAX is ${SOCKET_PATH_MAX}`,
  );
}

/** Throws RangeError on what is no id of a process. */
export function checkPid(pid: number): void {
  if (Number.isInteger(pid) && pid > 0) return;
  throw new RangeError(`Cannot look for process ${pid}: ids are whole and above 0`);
}
