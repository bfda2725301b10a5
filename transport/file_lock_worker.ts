/**
 * The thread that works on the record file of a file lock, so that a file system that hangs holds up this thread alone.
 *
 *   PATH.lock  locked whole (open file description), for the moments of one operation
 *   PATH       u64 revision, little endian, then the record; replaced: PATH~new -> fdatasync -> rename -> fsync folder
 *
 * An fcntl lock cannot be taken over while it is held; so it is not held for the leader's life, only around the file.
 *
 * Does NOT promise: exclusion on a file system whose locks are not coherent; `ctdbx lock test` measures that.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { ERRNO, type Libc, LOCK_COMMAND, LOCK_TYPE, openLibc } from "./ffi.ts";
import { FILE_LOCK_THREAD, type FileLockAnswer, type FileLockRequest } from "./file_lock_steps.ts";
import { LOCK_RECORD_MAX } from "./lock_record.ts";

const REVISION_BYTES = 8;
/** Pause between tries of the lock, ms; others hold it for some milliseconds (two syncs). */
const PAUSE_MS = 3;

/** What the file holds; revision 0: nothing. */
interface Contents {
  readonly revision: number;
  readonly bytes: Uint8Array | undefined;
}

/** Performs one operation. Never throws. */
export function performFileLock(libc: Libc, request: FileLockRequest): FileLockAnswer {
  const { id, path, waitMs, write } = request;
  let isApplied = false;
  try {
    const fd = openSync(`${path}.lock`, "a+", 0o600);
    try {
      if (!lockWhole(libc, fd, waitMs)) {
        return { id, kind: "unknown", revision: 0, why: `${path}.lock is held for ${waitMs} ms` };
      }
      const now = readContents(path);
      if (write === undefined) {
        const { revision, bytes } = now;
        return { id, kind: "seen", revision, ...(bytes === undefined ? {} : { bytes }) };
      }
      if (now.revision !== write.revision) {
        const why = `it is at revision ${now.revision}, not ${write.revision}`;
        return { id, kind: "refused", revision: now.revision, why };
      }
      const revision = now.revision + 1;
      replaceContents(path, revision, write.bytes, () => isApplied = true);
      return { id, kind: "ok", revision };
    } finally {
      closeSync(fd); // and the lock with it
    }
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const why = `${path}: ${text}${isApplied ? " (after it was written)" : ""}`;
    return { id, kind: "unknown", revision: 0, why };
  }
}

function lockWhole(libc: Libc, fd: number, waitMs: number): boolean {
  const endMs = libc.bootMs() + waitMs;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    if (libc.flock(fd, LOCK_COMMAND.OFD_SETLK, LOCK_TYPE.WRITE, 0, 0) === 0) return true;
    const errno = libc.errno();
    if (errno !== ERRNO.EAGAIN && errno !== ERRNO.EACCES) throw new Error(`fcntl: errno ${errno}`);
    if (libc.bootMs() >= endMs) return false;
    Atomics.wait(cell, 0, 0, PAUSE_MS); // this thread has nothing else to do
  }
}

function readContents(path: string): Contents {
  let file: Uint8Array;
  try {
    file = readFileSync(path);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return { revision: 0, bytes: undefined };
    throw error;
  }
  if (file.length <= REVISION_BYTES || file.length > REVISION_BYTES + LOCK_RECORD_MAX) {
    throw new Error(`${file.length} bytes, which is no record of a lock`);
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const revision = Number(view.getBigUint64(0, true));
  if (!(Number.isSafeInteger(revision) && revision > 0)) throw new Error("its revision is none");
  return { revision, bytes: new Uint8Array(file.subarray(REVISION_BYTES)) };
}

function replaceContents(
  path: string,
  revision: number,
  bytes: Uint8Array,
  onApplied: () => void,
): void {
  const file = new Uint8Array(REVISION_BYTES + bytes.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(revision), true);
  file.set(bytes, REVISION_BYTES);
  const fd = openSync(`${path}~new`, "w", 0o600);
  try {
    for (let at = 0; at < file.length;) at += writeSync(fd, file, at, file.length - at, at);
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}~new`, path);
  onApplied();
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

// Loaded as a thread it serves; imported (for tests, or by another thread) it does nothing.
if (parentPort !== null && workerData === FILE_LOCK_THREAD) {
  const port = parentPort;
  const libc = openLibc();
  port.on(
    "message",
    (request: FileLockRequest) => port.postMessage(performFileLock(libc, request)),
  );
}
