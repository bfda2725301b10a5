/**
 * Opening and making TDB files.
 *
 *   OPEN lock -> empty? make header -> alone and clear-if-first? truncate, make header -> judge header ->
 *   mutex file and alone? fresh mutexes -> hold ACTIVE -> unfinished transaction? take it back -> OPEN unlock
 *
 * A file that is not empty is never made anew, whatever it holds. Every locking handle holds ACTIVE while it is
 * open, so that a clear-if-first opener elsewhere does not truncate the file under our mapping.
 *
 * A read-only handle takes no locks, as in libtdb: a file that others write to may look damaged to it. Who names a
 * `locking` gets it; the file is then opened for writing, as locks need that, and only the handle refuses changes.
 *
 * Does NOT promise: a look at the records. check() does that.
 * Upstream: tdb open; differs from upstream: a broken file is not re-created, plain handles hold ACTIVE too.
 */
import type { Image, ImageStore } from "../../transport/image.ts";
import { PAGE, threadMemory } from "../../assembly/host/memory.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import { FILE_MAX, HASH_SIZE_MAX } from "../../transport/wire/limits.ts";
import { Tdb } from "./tdb.ts";
import { TdbCore } from "./tdb_core.ts";
import {
  agree,
  type ByteOrder,
  dataStartOf,
  HASH_SIZE_DEFAULT,
  type HashName,
  makeHeader,
  readHeader,
  requireWritable,
  type TdbHeader,
} from "./tdb_header.ts";
import { AREA_MIN } from "./tdb_transaction.ts";
import { TdbDoor } from "./tdb_door.ts";
import { type LockClass, TdbLocks } from "./tdb_locks.ts";
import { MUTEX_BYTES, mutexAreaBytes } from "./tdb_mutexes.ts";
import { pending } from "./tdb_recovery.ts";

/** How to open or make a file. */
export interface TdbOptions {
  /** Make the file when it is absent or empty. Default false. */
  readonly create?: boolean;
  /** With create: fail with "exists" when it is there. */
  readonly exclusive?: boolean;
  /** No changes; no locks either, unless `locking` names them: see the head of this file. Default false. */
  readonly readOnly?: boolean;
  /** Number of hash chains, only used when the file is made. Default 131. */
  readonly hashSize?: number;
  /** Hash function, only used when the file is made. Default "jenkins". */
  readonly hash?: HashName;
  /** Byte order, only used when the file is made. Default "little". */
  readonly byteOrder?: ByteOrder;
  /** How others are excluded. Default: "mutex" for a file that has mutexes, else "fcntl"; "none" if read-only. */
  readonly locking?: LockClass;
  /** Empty the file when no other handle that holds ACTIVE is open. Default false. */
  readonly clearIfFirst?: boolean;
  /** Count changes in the sequence number. Default false. */
  readonly seqnum?: boolean;
  /** Deleted records that stay in a chain for reuse. Default 0; volatile cluster databases use 5. */
  readonly maxDead?: number;
  /** Transactions do not sync: they survive a killed process, not a power loss. Default false. */
  readonly noSync?: boolean;
  /** Smallest recovery area that a transaction makes, bytes. Default 128 KiB. */
  readonly areaMin?: number;
  /** How long to wait for a lock, milliseconds. Default 10 000. */
  readonly lockTimeoutMs?: number;
}

const LOCK_TIMEOUT_MS = 10_000;
/** The largest values of options: a chain's length, half of FILE_MAX, what a timer can hold. */
const LARGEST = {
  maxDead: 0x7fffffff,
  areaMin: FILE_MAX >>> 1,
  lockTimeoutMs: 0x7fffffff,
} as const;

/** Opens (or makes) a TDB file. Throws "not_found", "exists", "corrupt", "version", "denied", "timeout" ... */
export async function openTdb(
  store: ImageStore,
  path: string,
  options: TdbOptions = {},
): Promise<Tdb> {
  requireSane(options);
  const readOnly = options.readOnly === true;
  const locks = !readOnly || (options.locking ?? "none") !== "none";
  const image = store.open(path, {
    readOnly: !locks,
    create: options.create === true && !readOnly,
    exclusive: options.exclusive === true,
  });
  // Whoever may not change a file neither makes nor empties one.
  const asked = readOnly ? { ...options, create: false, clearIfFirst: false } : options;
  try {
    return locks ? await openWritable(image, asked) : openReadOnly(image, asked);
  } catch (error) {
    image.close();
    throw error;
  }
}

/**
 * Makes a file with mutexes that nobody else knows of yet, at once; `path` must be free. Throws "exists", "no_space",
 * "denied", "busy" (somebody else opened it) ...
 */
export function makeTdbNow(
  store: ImageStore,
  path: string,
  options: Pick<TdbOptions, "hashSize" | "maxDead" | "lockTimeoutMs"> = {},
): Tdb {
  const all: TdbOptions = { ...options, create: true, locking: "mutex", noSync: true };
  requireSane(all);
  const image = store.open(path, { create: true, exclusive: true });
  try {
    const door = new TdbDoor(image, true, 0);
    if (!door.tryOpen() || !door.tryAlone()) {
      throw new CtdbxError("busy", `Cannot make ${path}: somebody has opened it`);
    }
    makeFile(image, all);
    const tdb = makeTdb(image, readFileHeader(image), "mutex", all);
    tdb.core.locks.initMutexes();
    door.joined();
    door.unlockOpen();
    return tdb;
  } catch (error) {
    image.close();
    throw error;
  }
}

function requireSane(options: TdbOptions): void {
  const { hashSize } = options;
  if (hashSize !== undefined && !(Number.isInteger(hashSize) && hashSize >= 1)) {
    throw new RangeError(`Cannot open: hashSize must be an integer from 1, is ${hashSize}`);
  }
  if (hashSize !== undefined && hashSize > HASH_SIZE_MAX) {
    const text = `Cannot open: hashSize is ${hashSize}, HASH_SIZE_MAX is ${HASH_SIZE_MAX}`;
    throw new CtdbxError("limit", text);
  }
  for (const name of ["maxDead", "areaMin", "lockTimeoutMs"] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value <= LARGEST[name])) {
      const range = `an integer from 0 to ${LARGEST[name]}`;
      throw new RangeError(`Cannot open: ${name} must be ${range}, is ${value}`);
    }
  }
}

function openReadOnly(image: Image, options: TdbOptions): Tdb {
  const header = readFileHeader(image);
  const tdb = makeTdb(image, header, "none", options);
  if (!pending(tdb.core)) return tdb;
  tdb.close();
  throw new CtdbxError(
    "state",
    `Cannot open ${image.path} read-only: a transaction is to be taken back first`,
  );
}

async function openWritable(image: Image, options: TdbOptions): Promise<Tdb> {
  // OPEN and ACTIVE lie at the same bytes in every file: take them before the header is known.
  const byteLocks = options.locking === "none" ? "none" : "fcntl";
  const timeoutMs = options.lockTimeoutMs ?? LOCK_TIMEOUT_MS;
  const door = new TdbDoor(image, byteLocks === "fcntl", timeoutMs);
  await door.open();
  let closed = false;
  try {
    const alone = door.tryAlone();
    image.refresh();
    if (options.clearIfFirst === true && (alone || byteLocks === "none")) {
      await clear(image, byteLocks, timeoutMs);
    }
    const fresh = image.mapped === 0;
    if (fresh) makeFile(image, options);
    const header = readFileHeader(image);
    requireWritable(header, image.path);
    const kind = lockClass(image, header, options);
    const tdb = makeTdb(image, header, kind, options);
    try {
      if (kind === "mutex" && (fresh || alone)) tdb.core.locks.initMutexes();
      await door.active();
      tdb.arrive();
      return tdb;
    } catch (error) {
      // Its locks go with it, OPEN too.
      closed = true;
      tdb.close();
      throw error;
    }
  } finally {
    if (!closed) door.unlockOpen();
  }
}

/** Empties the file for the first opener: everything locked, then length 0. */
async function clear(image: Image, kind: LockClass, timeoutMs: number): Promise<void> {
  const all = { start: 168, length: 0 };
  if (kind !== "none") await image.lock(all, "write", timeoutMs);
  image.truncate(0);
  // Before anything is written anew: what was there must not come back under the new length.
  image.sync(0, 0);
  if (kind !== "none") image.unlock(all);
}

function lockClass(image: Image, header: TdbHeader, options: TdbOptions): LockClass {
  const wanted = options.locking;
  if (header.mutexSize === 0) {
    if (wanted === "mutex") {
      const text = `Cannot open ${image.path} with mutexes: it was made without`;
      throw new CtdbxError("state", text);
    }
    return wanted ?? "fcntl";
  }
  if (wanted === "none") return "none";
  if (wanted === "fcntl") {
    throw new CtdbxError("state", `Cannot open ${image.path} with fcntl: it has mutexes`);
  }
  const expected = mutexAreaBytes(header.hashSize, PAGE);
  if (image.mutexSize !== MUTEX_BYTES || header.mutexSize !== expected) {
    const text = `Cannot open ${image.path}: its mutexes are those of another platform`;
    throw new CtdbxError("unsupported", text);
  }
  return "mutex";
}

function makeFile(image: Image, options: TdbOptions): void {
  if (options.create !== true && options.clearIfFirst !== true) {
    throw new CorruptError("truncated", 0, `Cannot open ${image.path}: it is empty`);
  }
  const hashSize = options.hashSize ?? HASH_SIZE_DEFAULT;
  const mutexes = options.locking === "mutex";
  if (mutexes && image.mutexSize !== MUTEX_BYTES) {
    throw new CtdbxError("unsupported", "Cannot make a file with mutexes on this platform");
  }
  const mutexSize = mutexes ? mutexAreaBytes(hashSize, PAGE) : 0;
  const bytes = makeHeader({
    hashSize,
    hash: mutexes ? "jenkins" : options.hash ?? "jenkins",
    byteOrder: mutexes ? "little" : options.byteOrder ?? "little",
    mutexSize,
  });
  image.extend(mutexSize + dataStartOf(hashSize));
  const { regions, bytes: memory } = threadMemory();
  const at = regions.take(bytes.length);
  if (at === undefined) throw new CtdbxError("limit", "Cannot make a file: no memory");
  memory.set(bytes, at);
  // The first header is what readers look for: it comes last.
  if (mutexSize !== 0) image.write(mutexSize, at, bytes.length);
  image.write(0, at, bytes.length);
  regions.give(at, bytes.length);
  if (options.noSync !== true) image.sync(0, image.mapped);
}

/** The header of the file; of both, where there are two. */
function readFileHeader(image: Image): TdbHeader {
  const memory = threadMemory().bytes;
  const end = image.address + image.mapped;
  const first = readHeader(memory.subarray(image.address, end), image.mapped, image.path);
  if (first.mutexSize === 0) return first;
  const from = image.address + first.mutexSize;
  const second = readHeader(
    memory.subarray(from, end),
    image.mapped,
    `${image.path} (second header)`,
  );
  if (agree(first, second)) return first;
  throw new CorruptError("header", 0, `Cannot open ${image.path}: its two headers differ`);
}

function makeTdb(image: Image, header: TdbHeader, kind: LockClass, options: TdbOptions): Tdb {
  const timeoutMs = options.lockTimeoutMs ?? LOCK_TIMEOUT_MS;
  const locks = new TdbLocks(image, kind, header.hashSize, timeoutMs);
  const core = new TdbCore(image, header, locks, {
    maxDead: options.maxDead ?? 0,
    seqnum: options.seqnum === true,
    readOnly: options.readOnly === true,
  });
  return new Tdb(core, { noSync: options.noSync === true, areaMin: options.areaMin ?? AREA_MIN });
}
