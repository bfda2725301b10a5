/**
 * Copying a whole persistent database from another node, and mending one page of it.
 *
 *   file    sync_open ──▶ source ── sync_opened, or sync_no
 *           sync_ask  ──▶ source ── sync_part, one for each range that was asked for: sums, table, then pages
 *           sync_close ──▶ source
 *   page    page_ask ──▶ any copy ── page_is, or nothing
 *
 * These are between the storages of two nodes, beside the machine: it only says that a copy is wanted (`catch_up`).
 *
 * Does NOT promise: delivery; who waits in vain asks again. What comes must be compared with its sum.
 */
import { bytes, list, oneOf, record, u32, u64, word } from "../fields.ts";
import type { Shaped } from "../fields.ts";

/** Ranges in one question. */
export const SYNC_RANGES_MAX = 256;
/** Bytes in one answer: a part of 128 KiB fits whatever the bus takes of a batch. */
export const SYNC_PART_BYTES: number = 128 * 1024;
/** Bytes of a page, and of its entry among the sums: MD5 (16), u64 dbseq of the apply that made it so. */
export const SYNC_PAGE = 4096;
/** Bytes of a page's entry among the sums. */
export const SYNC_SUM = 24;

const id = u32("The asker's number of the copy that it makes; its life never uses it again.");
const WHAT = ["sums", "table", "pages"] as const;

/** Copy or follower to another node. */
export const SYNC_OPEN = record("sync_open", "To who has more: hold the database still for me.", {
  kind: word("sync_open"),
  id,
  lineage: u64("The history."),
  above: u64("The snapshot must be of an entry above this one."),
});
/** The source to the asker. */
export const SYNC_OPENED = record("sync_opened", "Source to asker: this is what I hold.", {
  kind: word("sync_opened"),
  id,
  lineage: u64("The history."),
  seq: u64("The snapshot is as of this entry."),
  chain: u64("Its chain."),
  dbseq: u64("The last transaction in it."),
  placeTerm: u64("Term of the entry; 0: not known."),
  fileBytes: u32("Bytes of the file, a multiple of 4096."),
  areaStart: u32("Where its recovery area begins."),
  areaCapacity: u32("Bytes of that area."),
  intentPages: u32("Pages that one intent of its .sum takes."),
  tableBytes: u32("Bytes of the session table."),
});
/** The source to the asker. */
export const SYNC_NO = record("sync_no", "Source to asker: not from me.", {
  kind: word("sync_no"),
  id,
  why: oneOf("Why.", ["lineage", "behind", "busy", "lost", "gone"]),
});
/** A range of what is asked for. */
export const SYNC_RANGE = record(
  "SyncRange",
  "A range of sums or pages, or of bytes of the table.",
  {
    from: u32("The first."),
    count: u32("How many: what one answer holds at most, or less.", SYNC_PART_BYTES, 1),
  },
);
/** The asker to the source. */
export const SYNC_ASK = record("sync_ask", "Asker to source: these, please.", {
  kind: word("sync_ask"),
  id,
  what: oneOf("Of what.", WHAT),
  ranges: list("Which; each is answered for itself.", SYNC_RANGE, SYNC_RANGES_MAX, 1),
});
/** The source to the asker. */
export const SYNC_PART = record("sync_part", "Source to asker: one range of what was asked.", {
  kind: word("sync_part"),
  id,
  what: oneOf("Of what.", WHAT),
  from: u32("The first."),
  data: bytes("24 bytes for a sum (MD5, u64 dbseq), 4096 for a page, one for a byte of the table."),
});
/** The asker to the source. */
export const SYNC_CLOSE = record("sync_close", "Asker to source: done, or given up.", {
  kind: word("sync_close"),
  id,
});
/** To any copy. */
export const PAGE_ASK = record("page_ask", "To any copy: has your file this page, with this sum?", {
  kind: word("page_ask"),
  page: u32("Number of the page."),
  sum: bytes("What it must be: 16 bytes."),
});
/** Its answer, if it has. */
export const PAGE_IS = record("page_is", "To who asked: the page.", {
  kind: word("page_is"),
  page: u32("Number of the page."),
  sum: bytes("16 bytes; the asker compares."),
  data: bytes("4096 bytes."),
});

/** All of them. */
export const SYNC_MESSAGES = [
  SYNC_OPEN,
  SYNC_OPENED,
  SYNC_NO,
  SYNC_ASK,
  SYNC_PART,
  SYNC_CLOSE,
  PAGE_ASK,
  PAGE_IS,
] as const;

/** To who has more. */
export type SyncOpen = Shaped<typeof SYNC_OPEN>;
/** What the source holds. */
export type SyncOpened = Shaped<typeof SYNC_OPENED>;
/** Not from this source. */
export type SyncNo = Shaped<typeof SYNC_NO>;
/** These, please. */
export type SyncAsk = Shaped<typeof SYNC_ASK>;
/** One range. */
export type SyncPart = Shaped<typeof SYNC_PART>;
/** Done. */
export type SyncClose = Shaped<typeof SYNC_CLOSE>;
/** A page that is wanted. */
export type PageAsk = Shaped<typeof PAGE_ASK>;
/** A page. */
export type PageIs = Shaped<typeof PAGE_IS>;
/** Any of them. */
export type SyncMessage =
  | (SyncOpen | SyncOpened | SyncNo | SyncAsk | SyncPart | SyncClose)
  | (PageAsk | PageIs);
