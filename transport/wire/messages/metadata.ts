/**
 * Free metadata: what has a natural owner and may come late. Last writer wins by Lamport stamp.
 *
 *   change   md_publish ──▶ the interested, once; never acknowledged, never passed on
 *   repair   md_digest ──▶ one random peer: equal? silence
 *              different ◀── md_buckets ──▶ md_stamps ──▶ md_records, both ways
 *   GC       md_round ──▶ all interested;  ◀── md_round_answer;  md_floor ──▶ all
 *   ask      md_read, md_write ──▶ the leader;  ◀── md_read_answer (in parts), md_write_answer
 *
 * Order of two records of one key: (c, w), the higher wins. A record with value null says that there is nothing.
 *
 * Does NOT promise: that a publication arrives; the digests see to it later. The rules are in actors/machines/metadata.
 */

import type { ErrorCode } from "../errors.ts";
import { list, ms, nodeId, oneOf, optional, orNull, record, text, u32, u64 } from "../fields.ts";
import type { Shaped } from "../fields.ts";
import { DATABASE_NAME_MAX, META_BODY_MAX, META_KEY_MAX, META_RECORDS_MAX } from "../limits.ts";
import { META_BUCKETS_MAX, META_READ_PARTS_MAX, META_VALUE_MAX } from "../limits.ts";
import { declare } from "../message.ts";
import type { MessageOf } from "../message.ts";

/** The form of a scope: c (cluster), d/DATABASE or n/NODE ID. */
const SCOPE = `^(?:c|d/[A-Za-z0-9._-]{1,${DATABASE_NAME_MAX}}|n/[0-9a-f]{32})$`;
/** The form of a key: no control characters. */
const KEY = "^[^\\u0000-\\u001f\\u007f]+$";

const scope = text("Which scope: c, d/DATABASE or n/NODE ID.", DATABASE_NAME_MAX + 2, SCOPE);
const key = text("Its name in the scope.", META_KEY_MAX, KEY);
const value = orNull(text("What it says; null: it is deleted.", META_VALUE_MAX));
const wallMs = ms("Wall clock of the writer, since 1970: to show, never to decide.");
const by = text("Which part, or which person, wrote it.");
const c = u64("Lamport stamp of the write.");
const w = nodeId("Who wrote it.");
const hash = u64("Over the records, tombstones too, whatever their order.");
const count = u32("How many, tombstones too.");
const askId = u32("Tells the answers to this question from others.");
const round = u32("Number of the leader's round.");
const path = text("The part: the first hex digits of the keys' hashes.", 8, "^[0-9a-f]{0,8}$");
/** A word and not a list of words, so that a newer version may send a new one; it counts as "io" here. */
const code = optional(
  text<ErrorCode>("Why not: an ErrorCode of transport/wire/errors.ts.", 32, "^[a-z][a-z_]{0,31}$"),
);
/** What all messages about a scope between those interested have. */
const about = {
  scope,
  interest: u32("Hash of who is interested, as the sender has it; unlike the receiver's: dropped."),
  floor: u64("Up to this stamp the sender lacks nothing: what it does not hold was deleted."),
  phase: oneOf(
    "How much of it the sender has: not yet known, what came since nobody had it, all.",
    [
      "cold",
      "alone",
      "whole",
    ],
  ),
};

/** A piece of metadata. */
export const META_RECORD = record("MetaRecord", "A piece of metadata.", {
  scope,
  key,
  value,
  c,
  w,
  wallMs,
  by,
});
/** A piece of metadata. */
export type MetaRecord = Shaped<typeof META_RECORD>;

/** Which write of a key. */
export const META_STAMP = record("MetaStamp", "Which write of a key.", { key, c, w });
/** Which write of a key. */
export type MetaStamp = Shaped<typeof META_STAMP>;

/** What a comparison says of a part of a scope. */
export const META_BUCKET = record("MetaBucket", "What a comparison says of a part of a scope.", {
  path,
  hash,
  count,
});
/** What a comparison says of a part of a scope. */
export type MetaBucket = Shaped<typeof META_BUCKET>;

const records = list("The records.", META_RECORD, META_RECORDS_MAX);
const stamps = (description: string) => list(description, META_STAMP, META_RECORDS_MAX);

/** Writer to the interested: it changed. */
export const MD_PUBLISH = declare("md_publish", {
  class: ["all", "db", "n"],
  doc:
    "Writer to each interested node, once per change: on `all` for scope c, on `db` for d/; on `n` for n/, and " +
    "for the leader.",
  bytesMax: META_BODY_MAX,
  fields: { records: list("Records of one scope.", META_RECORD, META_RECORDS_MAX, 1) },
});
/** Writer to the interested: it changed. */
export type MdPublish = MessageOf<typeof MD_PUBLISH>;

/** Do we have the same? */
export const MD_DIGEST = declare("md_digest", {
  class: "n",
  doc:
    "Node to one random interested peer per scope and period, and after a gap. Equal: no answer.",
  fields: { ...about, hash, count },
});
/** Do we have the same? */
export type MdDigest = MessageOf<typeof MD_DIGEST>;

/** Where do we differ? */
export const MD_BUCKETS = declare("md_buckets", {
  class: "n",
  doc: "To a peer that holds something else: the sums of some parts.",
  bytesMax: 8192,
  fields: { ...about, buckets: list("Sums, by path.", META_BUCKET, META_BUCKETS_MAX) },
});
/** Where do we differ? */
export type MdBuckets = MessageOf<typeof MD_BUCKETS>;

/** All that I have in these parts. */
export const MD_STAMPS = declare("md_stamps", {
  class: "n",
  doc: "To a peer that differs in these parts: which writes the sender holds there, all of them.",
  bytesMax: META_BODY_MAX,
  fields: {
    ...about,
    paths: list("Parts that are whole in this message.", path, META_BUCKETS_MAX),
    stamps: stamps("The writes."),
  },
});
/** All that I have in these parts. */
export type MdStamps = MessageOf<typeof MD_STAMPS>;

/** What you lack, what I lack, what was deleted. */
export const MD_RECORDS = declare("md_records", {
  class: "n",
  doc: "Answer to MD_STAMPS, or to the wishes of MD_RECORDS.",
  // The records fill META_BODY_MAX, wishes and deletions come on top.
  bytesMax: 2 * META_BODY_MAX,
  fields: {
    ...about,
    records,
    want: list("Keys of records that the sender wants.", key, META_RECORDS_MAX),
    gone: stamps("Writes that the receiver holds and that were deleted."),
  },
});
/** What you lack, what I lack, what was deleted. */
export type MdRecords = MessageOf<typeof MD_RECORDS>;

/** The leader: what do you have on disk? */
export const MD_ROUND = declare("md_round", {
  class: "n",
  doc:
    "Leader to each interested node: the digest of what is on your disk, for the removal of tombstones.",
  fields: {
    scope,
    round,
    interest: u32("Hash of who is interested by the leader; who knows others does not answer."),
  },
});
/** The leader: what do you have on disk? */
export type MdRound = MessageOf<typeof MD_ROUND>;

/** This is on my disk. */
export const MD_ROUND_ANSWER = declare("md_round_answer", {
  class: "n",
  doc: "Interested node to leader: this is on my disk, and nothing else.",
  fields: { scope, round, hash, count },
});
/** This is on my disk. */
export type MdRoundAnswer = MessageOf<typeof MD_ROUND_ANSWER>;

/** The leader: all have everything up to here. */
export const MD_FLOOR = declare("md_floor", {
  class: ["all", "db", "n"],
  doc: "Leader to the interested, after a round in which all were equal.",
  fields: {
    scope,
    round,
    floor: u64("All have everything up to this stamp; tombstones up to it go."),
  },
});
/** The leader: all have everything up to here. */
export type MdFloor = MessageOf<typeof MD_FLOOR>;

/** What is there? */
export const MD_READ = declare("md_read", {
  class: "n",
  doc: "A node that is not interested asks the leader, or one that is.",
  fields: { scope, askId, prefix: text("Only keys that begin so.", META_KEY_MAX) },
});
/** What is there? */
export type MdRead = MessageOf<typeof MD_READ>;

/** This is there. */
export const MD_READ_ANSWER = declare("md_read_answer", {
  class: "n",
  doc: "Answer to MD_READ, in portions; tombstones are not sent.",
  bytesMax: META_BODY_MAX,
  fields: {
    askId,
    code,
    part: u32("Which portion, from 0.", META_READ_PARTS_MAX - 1),
    parts: u32("How many portions.", META_READ_PARTS_MAX, 1),
    records,
  },
});
/** This is there. */
export type MdReadAnswer = MessageOf<typeof MD_READ_ANSWER>;

/** Write this for me. */
export const MD_WRITE = declare("md_write", {
  class: "n",
  doc: "A node that is not interested has the leader write: its own stamp might be too low.",
  bytesMax: 3 * META_VALUE_MAX + 4096,
  fields: { askId, scope, key, value, wallMs, by },
});
/** Write this for me. */
export type MdWrite = MessageOf<typeof MD_WRITE>;

/** Written, or not. */
export const MD_WRITE_ANSWER = declare("md_write_answer", {
  class: "n",
  doc: "Answer to MD_WRITE.",
  fields: { askId, code, c: u64("Stamp of the write; 0 with a code.") },
});
/** Written, or not. */
export type MdWriteAnswer = MessageOf<typeof MD_WRITE_ANSWER>;
