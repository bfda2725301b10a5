/**
 * The C library as ctdbx calls it: one small facade, and what its error numbers mean.
 *
 * Plain numbers go in, plain numbers come out, nothing is allocated on the hot calls (record lock,
 * mutex). ffi_bun.ts and ffi_deno.ts bind the functions; openLibc() picks the one of the runtime it
 * runs on. Make one per thread: engines compile a call best when its target never changes.
 *
 *   struct flock, 32 bytes, little endian, 64-bit glibc:
 *   | type u16 | whence u16 | pad u32 | start i64 | length i64 | pid i32 (0 for OFD) | pad |
 *     word 0                            words 2,3   words 4,5    word 6
 *
 * Does NOT promise: musl, or glibc before 2.34 (pthread_* outside libc.so.6); errors are numbers
 * here, not thrown.
 */

import { CtdbxError, type ErrorCode } from "./wire/errors.ts";
import { bunRuntime } from "./ffi_bun.ts";
import { denoRuntime } from "./ffi_deno.ts";
import type { FfiRuntime } from "./ffi_symbols.ts";
import { fillFlock, makeFlock } from "./flock.ts";

/**
 * Where a run of mutexes begins, in the form that the runtime passes fastest. Made by
 * Libc.mutexBase().
 */
export type MutexBase = number | bigint;

/** Calls return what C returns (-1: ask errno() at once) unless the comment says otherwise. */
export interface Libc {
  /**
   * Address of the first byte; valid while the buffer lives and does not move (own ArrayBuffer,
   * never grown).
   */
  addressOf(bytes: Uint8Array): number;
  /** The error number of the last call that returned -1. */
  errno(): number;
  /** Paths are bytes that end in NUL: see cPath(). */
  open(path: Uint8Array, flags: number, mode: number): number;
  close(fd: number): number;
  unlink(path: Uint8Array): number;
  access(path: Uint8Array, mode: number): number;
  rename(from: Uint8Array, to: Uint8Array): number;
  ftruncate(fd: number, size: number): number;
  /** Returns the error number itself, 0 for success; does not set errno. */
  posixFallocate(fd: number, offset: number, length: number): number;
  pwrite(fd: number, bytes: Uint8Array, length: number, offset: number): number;
  lseek(fd: number, offset: number, whence: number): number;
  /** The mode of an open file (st_mode), -1 on failure. */
  mode(fd: number): number;
  fdatasync(fd: number): number;
  fsync(fd: number): number;
  /** Both times become now. */
  futimens(fd: number): number;
  /** Returns the address, or -1. */
  mmap(
    address: number,
    length: number,
    prot: number,
    flags: number,
    fd: number,
    offset: number,
  ): number;
  munmap(address: number, length: number): number;
  /** fcntl() with a struct flock that is rewritten in place. `command` is one of LOCK_COMMAND. */
  flock(fd: number, command: number, type: number, start: number, length: number): number;

  mutexBase(address: number): MutexBase;
  /** Robust, process-shared, error-checking. These four return the error number, 0 for success. */
  mutexInit(base: MutexBase, offset: number): number;
  mutexTrylock(base: MutexBase, offset: number): number;
  mutexUnlock(base: MutexBase, offset: number): number;
  mutexConsistent(base: MutexBase, offset: number): number;

  /** CLOCK_BOOTTIME, ms with fractions: never back, goes on while the machine sleeps. Allocates nothing. */
  bootMs(): number;
  /** The process that connected a unix socket: [pid, uid]; undefined when the descriptor is none. */
  peerOf(fd: number): readonly [number, number] | undefined;
  /** CLOEXEC is added to the type. */
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array): number;
  /** Sends all of `bytes`, or nothing; never waits (EAGAIN). */
  sendto(fd: number, bytes: Uint8Array, to: Uint8Array): number;
  /** One message; never waits (EAGAIN). What does not fit is cut off, and the result is the length it had. */
  recv(fd: number, bytes: Uint8Array): number;
  /** `argument` is read, and written to. */
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  getpid(): number;
  gettid(): number;
  tgkill(pid: number, tid: number, signal: number): number;
  /**
   * Makes `signal` interrupt a system call and do nothing else. Returns -1 when somebody handles it
   * already.
   */
  interruptible(signal: number): number;
}

/** open(2) flags. */
export const OPEN = {
  RDONLY: 0,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  NONBLOCK: 0o4000,
  DIRECTORY: 0o200000,
  CLOEXEC: 0o2000000,
} as const;
/** mmap(2) protections and flags. */
export const MAP = {
  READ: 1,
  WRITE: 2,
  SHARED: 1,
  PRIVATE: 2,
  FIXED: 0x10,
  ANONYMOUS: 0x20,
  NORESERVE: 0x4000,
} as const;
/** fcntl(2) commands for locks that belong to the open file description. */
export const LOCK_COMMAND = { OFD_GETLK: 36, OFD_SETLK: 37, OFD_SETLKW: 38 } as const;
/** Types of a struct flock. */
export const LOCK_TYPE = { READ: 0, WRITE: 1, UNLOCK: 2 } as const;
/** lseek(2): from the end. */
export const SEEK_END = 2;
/** Error numbers of Linux, the same on x86-64 and arm64. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENOMEM: 12,
  EACCES: 13,
  EAGAIN: 11,
  EBUSY: 16,
  EEXIST: 17,
  ENOTDIR: 20,
  ENODEV: 19,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EDEADLK: 35,
  EOPNOTSUPP: 95,
  EDQUOT: 122,
  EOWNERDEAD: 130,
  ENOTRECOVERABLE: 131,
} as const;

/** What the numbers mean to a caller; anything else is "io". */
const CODES: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [ERRNO.ENOENT, "not_found"],
  [ERRNO.ENOTDIR, "not_found"],
  [ERRNO.EEXIST, "exists"],
  [ERRNO.EPERM, "denied"],
  [ERRNO.EACCES, "denied"],
  [ERRNO.EROFS, "read_only"],
  [ERRNO.ENOSPC, "no_space"],
  [ERRNO.EDQUOT, "no_space"],
  [ERRNO.EFBIG, "limit"],
  [ERRNO.ENOMEM, "limit"],
  [ERRNO.EMFILE, "limit"],
  [ERRNO.ENFILE, "limit"],
]);

/** The thrown form of an error number. `what` is the sentence so far: "Cannot open /x". */
export function systemError(what: string, errno: number): CtdbxError {
  const name = Object.entries(ERRNO).find((entry) => entry[1] === errno)?.[0] ?? "errno";
  return new CtdbxError(CODES.get(errno) ?? "io", `${what}: ${name} (${errno})`, { cause: errno });
}

/** A path as C reads it. Throws TypeError for an empty path or one with a NUL in it. */
export function cPath(path: string): Uint8Array<ArrayBuffer> {
  if (path === "" || path.includes("\0")) {
    throw new TypeError(`Cannot use path ${JSON.stringify(path)}: it is empty or holds a NUL`);
  }
  return new TextEncoder().encode(`${path}\0`);
}

/** The C library through the FFI of this runtime. Throws "unsupported" where there is none. */
export function openLibc(): Libc {
  const runtime = bunRuntime() ?? denoRuntime();
  if (runtime !== undefined) return bindLibc(runtime);
  throw new CtdbxError("unsupported", "Cannot call libc: neither Bun nor Deno with --allow-ffi");
}

/** PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_ROBUST and PTHREAD_MUTEX_ERRORCHECK of glibc. */
const PSHARED = 1;
const ROBUST = 1;
const ERRORCHECK = 2;
/** statx(2): take the descriptor itself; offset of the u16 stx_mode in its 256-byte result. */
const AT_EMPTY_PATH = 0x1000;
const STATX_MODE = 2;
const STATX_BYTES = 256;
const STX_MODE_AT = 28;
/** getsockopt(2). */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** socket(2), sendto(2), recv(2). */
const SOCK_CLOEXEC = 0o2000000;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** clock_gettime(2); its struct timespec is 16 bytes, seconds and nanoseconds, 64 bits each. */
const CLOCK_BOOTTIME = 7;
const TIMESPEC_WORDS = 4;
const TWO_32 = 4294967296;

function bindLibc(runtime: FfiRuntime): Libc {
  const c = runtime.symbols;
  const flock = makeFlock();
  const flockBytes = new Uint8Array(flock.buffer);
  const fcntl = c.fcntl as (fd: number, command: number, flock: Uint8Array) => number;
  const statx = new DataView(new ArrayBuffer(STATX_BYTES));
  const statxBytes = new Uint8Array(statx.buffer);
  const attributes = mutexAttributes(runtime);
  const time = new Uint32Array(new ArrayBuffer(TIMESPEC_WORDS * 4));
  const timeBytes = new Uint8Array(time.buffer);
  const clockGettime = c.clock_gettime as (clock: number, time: Uint8Array) => number;
  return {
    addressOf: runtime.addressOf,
    errno: () => runtime.readI32(Number(c.__errno_location())),
    open: (path, flags, mode) => Number(c.open(path, flags, mode)),
    close: (fd) => Number(c.close(fd)),
    unlink: (path) => Number(c.unlink(path)),
    access: (path, mode) => Number(c.access(path, mode)),
    rename: (from, to) => Number(c.rename(from, to)),
    ftruncate: (fd, size) => Number(c.ftruncate(fd, size)),
    posixFallocate: (fd, offset, length) => Number(c.posix_fallocate(fd, offset, length)),
    pwrite: (fd, bytes, length, offset) => Number(c.pwrite(fd, bytes, length, offset)),
    lseek: (fd, offset, whence) => Number(c.lseek(fd, offset, whence)),
    mode: (fd) =>
      Number(c.statx(fd, new Uint8Array(1), AT_EMPTY_PATH, STATX_MODE, statxBytes)) === 0
        ? statx.getUint16(STX_MODE_AT, true)
        : -1,
    fdatasync: (fd) => Number(c.fdatasync(fd)),
    fsync: (fd) => Number(c.fsync(fd)),
    futimens: (fd) => Number(c.futimens(fd, 0)),
    mmap(address, length, prot, flags, fd, offset) {
      const mapped = Number(c.mmap(address, length, prot, flags, fd, offset));
      // MAP_FAILED is all ones: whatever a runtime makes of that, no mapping begins off a page.
      return mapped > 0 && mapped % 4096 === 0 ? mapped : -1;
    },
    munmap: (address, length) => Number(c.munmap(address, length)),
    flock(fd, command, type, start, length) {
      fillFlock(flock, type, start, length);
      return fcntl(fd, command, flockBytes);
    },
    mutexBase: runtime.mutexBase,
    mutexInit: (base, offset) =>
      Number(c.pthread_mutex_init(runtime.mutexAddress(base, offset), attributes())),
    mutexTrylock: runtime.trylock,
    mutexUnlock: runtime.unlock,
    mutexConsistent: (base, offset) =>
      Number(c.pthread_mutex_consistent(runtime.mutexAddress(base, offset))),
    bootMs() {
      clockGettime(CLOCK_BOOTTIME, timeBytes);
      // By index: each operation on a record asks for the time, and taking an array apart costs as much as the call.
      const seconds = (time[1] as number) * TWO_32 + (time[0] as number);
      return seconds * 1000 + (time[2] as number) / 1e6;
    },
    ...socketCalls(c),
    getpid: () => Number(c.getpid()),
    gettid: () => Number(c.gettid()),
    tgkill: (pid, tid, signal) => Number(c.tgkill(pid, tid, signal)),
    interruptible: (signal) => interruptible(runtime, signal),
  };
}

function socketCalls(
  c: FfiRuntime["symbols"],
): Pick<Libc, "peerOf" | "socket" | "bind" | "sendto" | "recv" | "ioctl"> {
  return {
    peerOf: (fd) => peerOf(c, fd),
    socket: (family, type, protocol) => Number(c.socket(family, type | SOCK_CLOEXEC, protocol)),
    bind: (fd, address) => Number(c.bind(fd, address, address.length)),
    sendto: (fd, bytes, to) =>
      Number(c.sendto(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL, to, to.length)),
    recv: (fd, bytes) => Number(c.recv(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_TRUNC)),
    ioctl: (fd, request, argument) => Number(c.ioctl(fd, request, argument)),
  };
}

/** getsockopt(2) with SO_PEERCRED; its struct ucred is three 32-bit words: pid, uid, gid. */
function peerOf(c: FfiRuntime["symbols"], fd: number): readonly [number, number] | undefined {
  const words = new Uint32Array(new ArrayBuffer(3 * 4));
  const size = new Uint32Array(new ArrayBuffer(4)).fill(words.byteLength);
  const [bytes, sizeBytes] = [new Uint8Array(words.buffer), new Uint8Array(size.buffer)];
  if (Number(c.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, bytes, sizeBytes)) !== 0) return undefined;
  const [pid = 0, uid = 0] = words;
  return pid === 0 ? undefined : [pid, uid];
}

/** pthread_mutexattr_t (4 bytes in glibc) of the mutexes that libtdb makes; made when they are asked for. */
function mutexAttributes(runtime: FfiRuntime): () => Uint8Array {
  const c = runtime.symbols;
  let made: Uint8Array | undefined;
  return () => {
    if (made !== undefined) return made;
    made = new Uint8Array(new ArrayBuffer(64));
    c.pthread_mutexattr_init(made);
    c.pthread_mutexattr_setpshared(made, PSHARED);
    c.pthread_mutexattr_setrobust(made, ROBUST);
    c.pthread_mutexattr_settype(made, ERRORCHECK);
    return made;
  };
}

/** Installs abs(), which does nothing to anybody, as the handler, without SA_RESTART. */
function interruptible(runtime: FfiRuntime, signal: number): number {
  const c = runtime.symbols;
  const abs = Number(c.dlsym(0, cPath("abs")));
  // struct sigaction: handler u64, mask 128 bytes, flags, restorer; zeros are what we want.
  const wanted = new BigUint64Array(new ArrayBuffer(256));
  const previous = new BigUint64Array(new ArrayBuffer(256));
  const [wantedBytes, previousBytes] = [wanted, previous].map((it) => new Uint8Array(it.buffer));
  if (abs === 0 || wantedBytes === undefined || previousBytes === undefined) return -1;
  wanted[0] = BigInt(abs);
  if (Number(c.sigaction(signal, wantedBytes, previousBytes)) !== 0) return -1;
  if (previous[0] === 0n || previous[0] === wanted[0]) return 0;
  c.sigaction(signal, previousBytes, wantedBytes); // somebody else's: put it back
  return -1;
}
