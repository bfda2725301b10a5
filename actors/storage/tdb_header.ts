/**
 * The header of a TDB file: read, judged, made.
 *
 *   0 "TDB file\n" | 32 version | 36 hash_size | 40 rwlocks | 44 recovery_start | 48 sequence_number
 *   52 magic1_hash | 56 magic2_hash | 60 feature_flags | 64 mutex_size | 68 reserved ... 168
 *
 * The word at 32 tells the byte order of all others. The pair of hash magics tells which hash function the file
 * uses. A file with a mutex area has a second, complete header behind it, from which all offsets count.
 *
 * Does NOT promise: that what lies behind a good header is good; see tdb_check.ts.
 * Upstream: tdb open and tdb_private.h (format version 6).
 */
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import { FILE_MAX } from "../../transport/wire/limits.ts";

/** Bytes of a header. */
export const HEADER_BYTES = 168;
/** Offset of the head of chain 0. */
export const FIRST_HEAD = 172;
export const VERSION = 0x2601196d;
export const HASH_SIZE_DEFAULT = 131;
/** Logical offsets of header words. */
export const AT = { recoveryStart: 44, sequenceNumber: 48, freeHead: 168 } as const;

const MAGIC_TEXT = "TDB file\n";
const RWLOCKS_JENKINS = 0x0bad1a51;
const RWLOCKS_FEATURES = 0x0bad1a52;
const FEATURE_MUTEX = 1;

/** Of all words of a file. */
export type ByteOrder = "little" | "big";
/** Hash function of a file. */
export type HashName = "old" | "jenkins";

/** What a header says. Sizes are bytes; hashSize counts chains. */
export interface TdbHeader {
  readonly byteOrder: ByteOrder;
  readonly hash: HashName;
  readonly hashSize: number;
  /** Logical offset of the first record. */
  readonly dataStart: number;
  readonly rwlocks: number;
  readonly featureFlags: number;
  /** Bytes before the second header, 0 without a mutex area. */
  readonly mutexSize: number;
}

/** H("TDB file\n" NUL) and H(LIVE in the file's byte order), by hash and byte order. */
const HASH_MAGICS: Record<HashName, Record<ByteOrder, readonly [number, number]>> = {
  old: { little: [0xf67d9f0d, 0x3afef920], big: [0xf67d9f0d, 0x566f1e0f] },
  jenkins: { little: [0xd7b694e5, 0x76b9440e], big: [0xd7b694e5, 0x123c1283] },
};

/** Bytes that the first record begins at. */
export function dataStartOf(hashSize: number): number {
  return FIRST_HEAD + 4 * hashSize;
}

function readByteOrder(view: DataView, path: string): ByteOrder {
  if (view.getUint32(32, true) === VERSION) return "little";
  if (view.getUint32(32, false) === VERSION) return "big";
  const found = view.getUint32(32, true).toString(16).padStart(8, "0");
  throw new CorruptError("header", 32, `Cannot open ${path}: unknown TDB version 0x${found}`);
}

function readHash(one: number, two: number, order: ByteOrder, path: string): HashName {
  if (one === 0 && two === 0) return "old";
  for (const name of ["old", "jenkins"] as const) {
    const pair = HASH_MAGICS[name][order];
    if (pair[0] === one && pair[1] === two) return name;
  }
  throw new CorruptError(
    "header",
    52,
    `Cannot open ${path}: it uses a hash function not known here`,
  );
}

/** Is there a header at all? Files without the magic text are not TDB files. */
export function hasMagicText(bytes: Uint8Array): boolean {
  if (bytes.length < MAGIC_TEXT.length + 1) return false;
  for (let i = 0; i < MAGIC_TEXT.length; i++) {
    if (bytes[i] !== MAGIC_TEXT.charCodeAt(i)) return false;
  }
  return bytes[MAGIC_TEXT.length] === 0;
}

/**
 * Reads and judges the header in `bytes`, the start of a file or of what follows its mutex area.
 * `size` = bytes of the file from there on. Throws CorruptError kind "header" or "truncated", code "version".
 */
export function readHeader(bytes: Uint8Array, size: number, path: string): TdbHeader {
  if (!hasMagicText(bytes)) {
    throw new CorruptError("header", 0, `Cannot open ${path}: it is not a TDB file`);
  }
  if (size < HEADER_BYTES || bytes.length < HEADER_BYTES) {
    throw new CorruptError("truncated", size, `Cannot open ${path}: it ends inside its header`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const byteOrder = readByteOrder(view, path);
  const word = (at: number): number => view.getUint32(at, byteOrder === "little");
  const hashSize = word(36);
  const rwlocks = word(40);
  const featureFlags = rwlocks === RWLOCKS_FEATURES ? word(60) : 0;
  const mutexSize = featureFlags & FEATURE_MUTEX ? word(64) : 0;
  const hash = readHash(word(52), word(56), byteOrder, path);
  if (hashSize === 0) throw new CorruptError("header", 36, `Cannot open ${path}: hash size is 0`);
  if (rwlocks !== 0 && rwlocks !== RWLOCKS_JENKINS && rwlocks !== RWLOCKS_FEATURES) {
    throw new CorruptError("header", 40, `Cannot open ${path}: it has obsolete spin locks`);
  }
  if ((featureFlags & ~FEATURE_MUTEX) !== 0) {
    const flags = featureFlags.toString(16);
    // No damage: another program has written it, or a newer version of this one.
    throw new CtdbxError("version", `Cannot open ${path}: unknown feature flags 0x${flags}`);
  }
  const dataStart = dataStartOf(hashSize);
  const room = size - mutexSize;
  if (mutexSize !== 0 && (mutexSize % 4096 !== 0 || room < HEADER_BYTES)) {
    throw new CorruptError("header", 64, `Cannot open ${path}: its mutex area does not fit`);
  }
  if (dataStart > room) {
    // An honest size cut off, or a size that no file of this format can have?
    const kind = dataStart > FILE_MAX / 4 ? "header" : "truncated";
    throw new CorruptError(
      kind,
      36,
      `Cannot open ${path}: ${hashSize} hash chains do not fit into ${room} bytes`,
    );
  }
  return { byteOrder, hash, hashSize, dataStart, rwlocks, featureFlags, mutexSize };
}

/** Two headers of one file (before and behind its mutex area) must say the same. */
export function agree(one: TdbHeader, other: TdbHeader): boolean {
  return one.byteOrder === other.byteOrder && one.hash === other.hash &&
    one.hashSize === other.hashSize && one.rwlocks === other.rwlocks &&
    one.featureFlags === other.featureFlags && one.mutexSize === other.mutexSize;
}

/** The 168 bytes of a fresh header. */
export function makeHeader(
  wanted: { hashSize: number; hash: HashName; byteOrder: ByteOrder; mutexSize: number },
): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  for (let i = 0; i < MAGIC_TEXT.length; i++) bytes[i] = MAGIC_TEXT.charCodeAt(i);
  const view = new DataView(bytes.buffer);
  const little = wanted.byteOrder === "little";
  const magics = HASH_MAGICS[wanted.hash][wanted.byteOrder];
  const mutexes = wanted.mutexSize !== 0;
  const rwlocks = wanted.hash === "jenkins" ? RWLOCKS_JENKINS : 0;
  view.setUint32(32, VERSION, little);
  view.setUint32(36, wanted.hashSize, little);
  view.setUint32(40, mutexes ? RWLOCKS_FEATURES : rwlocks, little);
  view.setUint32(52, magics[0], little);
  view.setUint32(56, magics[1], little);
  view.setUint32(60, mutexes ? FEATURE_MUTEX : 0, little);
  view.setUint32(64, wanted.mutexSize, little);
  return bytes;
}

/** Fails with code "version" unless this build can write such a file as asked. */
export function requireWritable(header: TdbHeader, path: string): void {
  if (header.mutexSize !== 0 && header.byteOrder === "big") {
    throw new CtdbxError(
      "version",
      `Cannot open ${path}: mutexes in a file of the other byte order`,
    );
  }
}
