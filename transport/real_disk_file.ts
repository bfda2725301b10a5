/**
 * An open file whose calls run on the runtime's own threads, on both runtimes.
 *
 * node:fs/promises does that on Bun. On Deno its write() is a plain system call on the event loop, whatever it
 * returns: a disk that hangs would hold up everything. Deno's own files write on a thread.
 *
 * Does NOT promise: two calls at a time; whoever has the file awaits each.
 */
import { open } from "node:fs/promises";

/** The calls that are needed. Each rejects with an error of the system, `code` "ENOSPC" and so on. */
export interface DiskFile {
  size(): Promise<number>;
  /** Bytes read at a position, 0 at the end. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Bytes written at a position: as many as the system takes. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  truncate(size: number): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/** How to open: read and write what is there, make what is not there, make anew. */
export type OpenHow = "existing" | "new" | "anew";

/** What is used of Deno's files; tsc does not know their types. */
interface DenoFile {
  stat(): Promise<{ size: number }>;
  seek(offset: number, whence: number): Promise<number>;
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  truncate(size: number): Promise<void>;
  syncData(): Promise<void>;
  close(): void;
}

interface DenoFiles {
  open(path: string, options: Record<string, boolean | number>): Promise<DenoFile>;
}

/** Mode of new files. */
const FILE_MODE = 0o600;
const SEEK_START = 0;

/** Opens a file. Rejects with an error of the system. */
export async function openFile(path: string, how: OpenHow): Promise<DiskFile> {
  const { Deno: deno } = globalThis as unknown as { Deno?: DenoFiles };
  return deno === undefined ? await openNode(path, how) : await openDeno(deno, path, how);
}

async function openNode(path: string, how: OpenHow): Promise<DiskFile> {
  const flags = { existing: "r+", new: "wx+", anew: "w+" }[how];
  const file = await open(path, flags, FILE_MODE);
  return {
    size: async () => (await file.stat()).size,
    read: async (into, position) => (await file.read(into, 0, into.length, position)).bytesRead,
    write: async (bytes, position) =>
      (await file.write(bytes, 0, bytes.length, position)).bytesWritten,
    truncate: (size) => file.truncate(size),
    datasync: () => file.datasync(),
    close: () => file.close(),
  };
}

async function openDeno(deno: DenoFiles, path: string, how: OpenHow): Promise<DiskFile> {
  const more = {
    existing: {},
    new: { createNew: true, mode: FILE_MODE },
    anew: { create: true, truncate: true, mode: FILE_MODE },
  }[how];
  const file = await deno.open(path, { read: true, write: true, ...more });
  return {
    size: async () => (await file.stat()).size,
    read: async (into, position) => {
      await file.seek(position, SEEK_START);
      return await file.read(into) ?? 0;
    },
    write: async (bytes, position) => {
      await file.seek(position, SEEK_START);
      return await file.write(bytes);
    },
    truncate: (size) => file.truncate(size),
    datasync: () => file.syncData(),
    close: () => Promise.resolve(file.close()),
  };
}
