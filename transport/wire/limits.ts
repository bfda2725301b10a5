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
/** Hash chains of one volatile database; each costs its nodes 44 bytes, of the file and of mapped memory. */
export const VOLATILE_HASH_SIZE_MAX = 4 * 1024 * 1024;
/** Hash chains of a volatile database of which nothing else is said: as many as CTDB's. */
export const VOLATILE_HASH_SIZE = 100_001;
/** Hash chains of all volatile databases of a cluster: 1.4 GiB, and twice that while a file takes another's place. */
export const VOLATILE_CHAINS_MAX = 32 * 1024 * 1024;
/** Databases open in one thread. */
export { DATABASES_MAX } from "../../assembly/host/tdb_kernels.ts";

/** One message on the bus, bytes: 256 KiB. A larger one travels in parts. */
export const MESSAGE_MAX = 256 * 1024;
/** All parts of one message together, bytes: 64 MiB. */
export const WHOLE_MAX = 64 * 1024 * 1024;
/** Bytes that the envelope of a message may take beside the body or a part of it. */
export const ENVELOPE_MAX = 512;
/** Parts of one message; so parts of the largest have 16 KiB at least, and a bus may take less than MESSAGE_MAX. */
export const PARTS_MAX = 4096;
/** Bytes of a part at least, on the average of a message's parts. */
export const PART_BYTES_MIN = 1024;
/** Unfinished messages that are kept of one sender; beyond, its oldest is dropped. */
export const UNFINISHED_MAX = 4;
/** Bytes of parts of all senders that are kept; beyond, those of whom most is kept are dropped. 128 MiB. */
export const UNFINISHED_BYTES_MAX: number = 2 * WHOLE_MAX;
/** How long parts wait for the rest, milliseconds. */
export const UNFINISHED_MS = 10_000;
/** Messages, finished or dropped, whose late parts are still known as such. */
export const OVER_MAX = 1024;
/** Body of a message whose declaration says nothing else, bytes. */
export const BODY_MAX = 4096;
/** A cluster's document, bytes, encoded: 4096 nodes and 1024 databases fit with room to spare. 8 MiB. */
export const DOCUMENT_MAX = 8 * 1024 * 1024;
/** How deep arrays and maps of a message may lie in each other. */
export const DEPTH_MAX = 16;
/** Fields of one map of a message. */
export const MAP_FIELDS_MAX = 32;
/** Heads in all fields of a message that this version does not know. */
export const FOREIGN_ITEMS_MAX = 1024;
/** Name of a field, bytes. */
export const FIELD_NAME_MAX = 64;
/** Nodes of a cluster. */
export const NODES_MAX = 4096;
/** Voters of a cluster. */
export const VOTERS_MAX = 7;
/** Invitations that wait at once. */
export const INVITATIONS_MAX = 64;
/** Nodes that left, as far as a document remembers them. */
export const GONE_MAX = 256;
/** Users of the bus beside the nodes. */
export const USERS_MAX = 256;
/** Nodes that one without a document knows of. */
export const SEEDS_MAX = 64;
/** Slots of the vnnmap. */
export const SLOTS = 1024;
/** Public addresses of a cluster. */
export const PUBLIC_IPS_MAX = 4096;
/** A reason, a name of a node and other words for people, characters. */
export const TEXT_MAX = 256;
/** Why something was refused, characters. */
export const FAULT_TEXT_MAX = 200;
/** Name of a database, characters. */
export const DATABASE_NAME_MAX = 127;
/** Key of a metadata record, characters. */
export const META_KEY_MAX = 256;
/** Value of a metadata record, characters. */
export const META_VALUE_MAX = 16 * 1024;
/** Metadata records in one message. */
export const META_RECORDS_MAX = 256;
/** Parts of a scope that one message compares. */
export const META_BUCKETS_MAX = 64;
/** Portions of the answer to a read of a scope. */
export const META_READ_PARTS_MAX = 16384;
/** Body of a message of metadata records, bytes: 1 MiB; senders stop adding records before it. */
export const META_BODY_MAX = 1024 * 1024;

/** A text for people, made to fit: at most `max` characters of Unicode. */
export function fitText(text: string, max = TEXT_MAX): string {
  const whole = text.toWellFormed();
  if (whole.length <= max) return whole;
  // By code units, which are never fewer than characters; a pair that is cut in two becomes one sign.
  return `${whole.slice(0, max - 3).toWellFormed()}...`;
}

/** Longest answer of a node to a question over the bus, characters of JSON: it must come in one piece. */
export const ANSWER_MAX: number = 192 * 1024;

/** The error of a thing that is larger than its limit. */
export function tooLong(what: string, bytes: number, name: string, limit: number): CtdbxError {
  return new CtdbxError("limit", `Cannot store: ${what} has ${bytes} bytes, ${name} is ${limit}`);
}
