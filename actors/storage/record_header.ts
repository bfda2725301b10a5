/**
 * What stands before each value in a volatile database, and how its file is called.
 *
 *   0 u64 rsn | 8 u32 dmaster | 12 u32 index + 1 in the daemon's side arrays | 16 u32 flags | 20 u32 mark | data
 *   NAME.PNN.INCARNATION.SINCE.tdb; without SINCE where the database has no epoch
 *
 * Little-endian. Rsn, dmaster and the flags of read-only copies are CTDB's, so that its clients understand them. A
 * record that was given back, or that the daemon has locked, names nobody as its dmaster: who knows no more than that
 * leaves it alone.
 *
 * Does NOT promise: that the index means something to another life of the daemon.
 * Upstream: ctdb's record header; the bits for "released" and "locked" are ours.
 */
import type { Incarnation, Pnn, Version } from "../../transport/wire/terms.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { DATABASE_NAME_MAX } from "../../transport/wire/limits.ts";

/** Byte offsets of the header's fields. */
export const RECORD_AT = { rsn: 0, dmaster: 8, index: 12, flags: 16, mark: 20 } as const;

/** The flags as the record machine has them. */
export const MACHINE_FLAG = { ro: 1, readers: 2, released: 4, locked: 8 } as const;

/** The flags as they stand in the file. */
export const FILE_FLAG = {
  /** Others read it: CTDB_REC_RO_HAVE_DELEGATIONS. */
  readers: 0x01000000,
  /** This copy may be read: CTDB_REC_RO_HAVE_READONLY. */
  ro: 0x02000000,
  released: 0x10000000,
  locked: 0x20000000,
} as const;

/** Machine to file. */
export function fileFlags(flags: number): number {
  return ((flags & MACHINE_FLAG.ro) !== 0 ? FILE_FLAG.ro : 0) |
    ((flags & MACHINE_FLAG.readers) !== 0 ? FILE_FLAG.readers : 0) |
    ((flags & MACHINE_FLAG.released) !== 0 ? FILE_FLAG.released : 0) |
    ((flags & MACHINE_FLAG.locked) !== 0 ? FILE_FLAG.locked : 0);
}

/** File to machine; bits that the machine does not know are left out. */
export function machineFlags(flags: number): number {
  return ((flags & FILE_FLAG.ro) !== 0 ? MACHINE_FLAG.ro : 0) |
    ((flags & FILE_FLAG.readers) !== 0 ? MACHINE_FLAG.readers : 0) |
    ((flags & FILE_FLAG.released) !== 0 ? MACHINE_FLAG.released : 0) |
    ((flags & FILE_FLAG.locked) !== 0 ? MACHINE_FLAG.locked : 0);
}

/** Do these machine flags hide the dmaster from those who know no more? */
export function hidesMaster(flags: number): boolean {
  return (flags & (MACHINE_FLAG.released | MACHINE_FLAG.locked)) !== 0;
}

/** A name that can be one of a file. */
const NAME = /^[A-Za-z0-9_@%+=,-][A-Za-z0-9_.@%+=,-]*$/;

/** The name if it can be a file's. Throws "limit" or a SyntaxError. */
function fileName(name: string): string {
  if (name.length > DATABASE_NAME_MAX) {
    throw new CtdbxError(
      "limit",
      `Cannot use database ${name.slice(0, 40)}...: its name is longer than ${DATABASE_NAME_MAX}`,
    );
  }
  if (NAME.test(name)) return name;
  const text = JSON.stringify(name);
  throw new SyntaxError(`Cannot use database ${text}: letters, digits and _.@%+=,- make its name`);
}

/**
 * The file of one life of a node, and of one epoch of the database. Throws "limit" or a SyntaxError for a name that no
 * file can have.
 */
export function recordFilePath(
  folder: string,
  name: string,
  pnn: Pnn,
  incarnation: Incarnation,
  since?: Version,
): string {
  const epoch = since === undefined ? "" : `.${since}`;
  return `${folder}/${fileName(name)}.${pnn}.${incarnation}${epoch}.tdb`;
}

/**
 * Is `file`, a name without its folder, one of any life of this database on this node? Of any epoch, where it has
 * epochs: names of databases may end in numbers, too.
 */
export function isRecordFile(file: string, name: string, pnn: Pnn, hasEpochs = false): boolean {
  const start = `${fileName(name)}.${pnn}.`;
  const rest = hasEpochs ? /^\d+\.\d+\.tdb(?:\.new)?$/ : /^\d+\.tdb(?:\.new)?$/;
  return file.startsWith(start) && rest.test(file.slice(start.length));
}

/** Is `file`, a name without its folder, one of any database, node and life that has epochs? */
export function isAnyRecordFile(file: string): boolean {
  return /^.+\.\d+\.\d+\.\d+\.tdb(?:\.new)?$/.test(file);
}
