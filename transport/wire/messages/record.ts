/**
 * Records of volatile databases: who owns which, and how ownership, copies and work travel.
 *
 *   move      req ──▶ home ── recall ──▶ holder ── grant ──▶ requester ── ack | nack ──▶ home
 *   read      ro_ask ──▶ owner ── ro ──▶ reader          write needs: revoke ──▶ reader ── revoked ──▶ owner
 *   work      call ──▶ owner ── call_done | call_no ──▶ origin
 *   vacuum    release ──▶ home ── purge1, purge2 ──▶ members
 *   recovery  query ──▶ members;   table_ask ──▶ home before;   report_ask ──▶ members
 *   traverse  list_ask ──▶ home;   read_ask ──▶ holder
 *
 * One publication carries many of them: all that a turn has for one peer. What is declared here is their form and their
 * limits; they travel in a binary layout of their own (record_layout.ts), which costs a tenth of CBOR.
 *
 * Does NOT promise: order or delivery; each is right when it comes late, twice or never. The rules are in
 * actors/machines/record.
 */

import {
  as,
  bytes,
  choice,
  flag,
  list,
  oneOf,
  optional,
  record,
  text,
  u32,
  u64,
  word,
} from "../fields.ts";
import type { Shaped } from "../fields.ts";
import { SLOTS, WHOLE_MAX } from "../limits.ts";
import { declare } from "../message.ts";
import type { MessageOf } from "../message.ts";
import type { DbId, Generation, Rsn, Version } from "../terms.ts";
import { MEMBER } from "./document.ts";
import {
  COPY,
  generation,
  held,
  id,
  key,
  part,
  parts,
  PROCEDURE_NAME,
  PROCEDURE_NAME_MAX,
  RECORD_BATCH_MAX,
  RECORD_PART_MAX,
  rid,
  slot,
  SLOT_NAME,
  slotGen,
  slots,
  STAND,
  TABLE_ENTRY,
  TABLE_WISH,
  TID,
  tid,
} from "./record_parts.ts";
import { LIST, LIST_ASK, READ, READ_ASK } from "./record_list.ts";
import type { List, ListAsk, ListWish, Page, Read, ReadAsk } from "./record_list.ts";
import type {
  CallProof,
  Copy,
  Cursor,
  SlotName,
  StandOf,
  TableEntry,
  Tid,
} from "./record_parts.ts";

const ABOUT = { key, slotGen };
const MOVE = { ...ABOUT, tid };

/** Requester to home: I want to own it. */
export const REQ = record("req", "Requester to home: I want to own it.", {
  kind: word("req"),
  ...ABOUT,
  rid,
});
/** Home to holder: give it to. */
export const RECALL = record("recall", "Home to holder: give it to.", {
  kind: word("recall"),
  ...MOVE,
  ft: as("The tid that the holder's copy must have.", TID),
  to: as("Who asked.", MEMBER),
  rid,
  held,
});
/** Holder, or home of a key that does not exist, to requester: it is yours. */
export const GRANT = record("grant", "It is yours.", {
  kind: word("grant"),
  ...MOVE,
  rid,
  held,
  copy: COPY,
});
/** Requester to home: I took it. */
export const ACK = record("ack", "Requester to home: I took it.", {
  kind: word("ack"),
  ...MOVE,
  have: as("Tid of the own copy.", TID),
});
/** Requester to home: I never will. */
export const NACK = record("nack", "Requester to home: I never will take this one.", {
  kind: word("nack"),
  ...MOVE,
  have: as("Tid of the own copy; zero: none.", TID),
});
/** Holder to home: I do not have that copy. */
export const NOCOPY = record("nocopy", "Holder to home: I do not have that copy.", {
  kind: word("nocopy"),
  ...MOVE,
});
/** Owner of an empty record to home. */
export const RELEASE = record("release", "Owner of an empty record to home: I give it up.", {
  kind: word("release"),
  ...MOVE,
  rsn: u64<Rsn>("Of the copy."),
});
/** Home to members: make it a tombstone. */
export const PURGE1 = record("purge1", "Home to members: it is deleted; leave a tombstone.", {
  kind: word("purge1"),
  ...MOVE,
});
/** Member to home: there is a tombstone, or nothing. */
export const PURGE1_DONE = record("purge1_done", "Member to home: done.", {
  kind: word("purge1_done"),
  ...MOVE,
});
/** Home to members: forget it. */
export const PURGE2 = record("purge2", "Home to members: forget it.", {
  kind: word("purge2"),
  ...MOVE,
});
/** Member to home: forgotten. */
export const PURGE2_DONE = record("purge2_done", "Member to home: done.", {
  kind: word("purge2_done"),
  ...MOVE,
});
/** Home to members: what do you have of this key? */
export const QUERY = record("query", "Home to members: what do you have of this key?", {
  kind: word("query"),
  ...MOVE,
  generation,
});
/** Member to home: this. */
export const QUERY_ANSWER = record("query_answer", "Member to home: this, or nothing.", {
  kind: word("query_answer"),
  ...MOVE,
  generation,
  stand: optional(as("Missing: nothing.", STAND)),
});

/** New home to the one before: give me the tables. */
export const TABLE_ASK = record("table_ask", "New home to the one before: give me the tables.", {
  kind: word("table_ask"),
  wishes: list("Which.", TABLE_WISH, SLOTS),
});
/** Home before to new home: these are the tables, or a part of them. */
export const TABLE = record(
  "table",
  "Home before to new home: a part of the tables of some slots.",
  {
    kind: word("table"),
    id,
    part,
    parts,
    slots: list("The slots whose tables these are.", SLOT_NAME, SLOTS, 1),
    entries: list("Entries.", TABLE_ENTRY, RECORD_PART_MAX),
  },
);
/** Home before to new home: I have no table. */
export const NO_TABLE = record("no_table", "Home before to new home: I never had these whole.", {
  kind: word("no_table"),
  slots,
});
/** New home to the one before: I have it. */
export const TABLE_DONE = record(
  "table_done",
  "New home to the one before: I have these, drop yours.",
  {
    kind: word("table_done"),
    slots,
  },
);
/** Home before to new home: do you have it? */
export const TABLE_KEPT = record("table_kept", "Home before to new home: do you have these?", {
  kind: word("table_kept"),
  slots,
});

/** New home to members: what do you have of these slots? */
export const REPORT_ASK = record("report_ask", "New home to members: what do you have of these?", {
  kind: word("report_ask"),
  generation,
  slots,
});
/** Member to new home: this. */
export const REPORT = record("report", "Member to new home: a part of all that it has of them.", {
  kind: word("report"),
  generation,
  id,
  part,
  parts,
  slots: list("The slots that are whole in this report.", SLOT_NAME, SLOTS),
  stands: list(
    "The copies.",
    record("KeyStand", "What a member has of a key.", { key, slot, stand: STAND }),
    RECORD_PART_MAX,
  ),
});

const path = oneOf("To the owner by a hint, to the home, or passed on by the home.", [
  "hint",
  "home",
  "passed",
]);
const why = oneOf("Why not: no such key, nobody owns it here, not here.", [
  "absent",
  "unowned",
  "moved",
]);
/** Reader to owner, or to home: let me read it. */
export const RO_ASK = record("ro_ask", "Reader to owner or home: let me read it.", {
  kind: word("ro_ask"),
  ...ABOUT,
  rid,
  origin: as("Who wants to read.", MEMBER),
  path,
});
/** Owner to reader: read this until I revoke it. */
export const RO = record("ro", "Owner to reader: read this until I revoke it.", {
  kind: word("ro"),
  key,
  rid,
  copy: COPY,
});
/** Owner or home to reader: no. */
export const RO_NO = record("ro_no", "To a reader: no.", { kind: word("ro_no"), key, rid, why });
/** Owner to reader: read it no longer. */
export const REVOKE = record("revoke", "Owner to reader: read it no longer.", {
  kind: word("revoke"),
  key,
  rid,
});
/** Reader to owner: I do not. */
export const REVOKED = record("revoked", "Reader to owner: I do not.", {
  kind: word("revoked"),
  key,
  rid,
});

const seq = u32("The origin's number of the call.");
/** Origin to owner, or to home: do this to it. */
export const CALL = record("call", "Origin to owner or home: do this to it.", {
  kind: word("call"),
  ...ABOUT,
  seq,
  birth: as("The life of the record that it is for; zero: not known, and not executed.", TID),
  procedure: text("Which procedure.", PROCEDURE_NAME_MAX, PROCEDURE_NAME),
  args: bytes("What it gets."),
  origin: as("Who calls.", MEMBER),
  path,
});
/** Owner to origin: done. */
export const CALL_DONE = record("call_done", "Owner to origin: executed.", {
  kind: word("call_done"),
  key,
  seq,
  ok: flag("Was it done? Otherwise the procedure itself refused."),
  result: optional(bytes("What it gave; missing: it was too long to be kept for a repetition.")),
  copy: COPY,
});
/** Owner or home to origin: not executed. */
export const CALL_NO = record("call_no", "To an origin: not executed, now and by this message.", {
  kind: word("call_no"),
  key,
  seq,
  why: oneOf("Why.", ["absent", "unowned", "moved", "birth", "noproc"]),
  birth: optional(as("The life of the record that is there.", TID)),
});

/** Any of them. */
export const RECORD_MESSAGE = choice(
  "A message about records.",
  [
    ...[REQ, RECALL, GRANT, ACK, NACK, NOCOPY, RELEASE],
    ...[PURGE1, PURGE1_DONE, PURGE2, PURGE2_DONE, QUERY, QUERY_ANSWER],
    ...[TABLE_ASK, TABLE, NO_TABLE, TABLE_DONE, TABLE_KEPT, REPORT_ASK, REPORT],
    ...[RO_ASK, RO, RO_NO, REVOKE, REVOKED, CALL, CALL_DONE, CALL_NO],
    ...[LIST_ASK, LIST, READ_ASK, READ],
  ] as const,
);

export type { List, ListAsk, ListWish, Page, Read, ReadAsk };
export type { CallProof, Copy, Cursor, SlotName, StandOf, TableEntry, Tid };
/** Requester to home. */
export type Req = Shaped<typeof REQ>;
/** Home to holder. */
export type Recall = Shaped<typeof RECALL>;
/** To the requester. */
export type Grant = Shaped<typeof GRANT>;
/** Requester to home. */
export type Ack = Shaped<typeof ACK>;
/** Requester to home. */
export type Nack = Shaped<typeof NACK>;
/** Holder to home. */
export type NoCopy = Shaped<typeof NOCOPY>;
/** Owner to home. */
export type Release = Shaped<typeof RELEASE>;
/** A step of a purge, or the answer to it. */
export type Purge =
  | Shaped<typeof PURGE1>
  | Shaped<typeof PURGE1_DONE>
  | Shaped<typeof PURGE2>
  | Shaped<typeof PURGE2_DONE>;
/** Home to members. */
export type Query = Shaped<typeof QUERY>;
/** Member to home. */
export type QueryAnswer = Shaped<typeof QUERY_ANSWER>;
/** New home to the one before. */
export type TableAsk = Shaped<typeof TABLE_ASK>;
/** Home before to new home. */
export type Table = Shaped<typeof TABLE>;
/** Home before to new home. */
export type NoTable = Shaped<typeof NO_TABLE>;
/** New home to the one before. */
export type TableDone = Shaped<typeof TABLE_DONE>;
/** Home before to new home. */
export type TableKept = Shaped<typeof TABLE_KEPT>;
/** New home to members. */
export type ReportAsk = Shaped<typeof REPORT_ASK>;
/** Member to new home. */
export type Report = Shaped<typeof REPORT>;
/** Reader to owner or home. */
export type RoAsk = Shaped<typeof RO_ASK>;
/** Owner to reader. */
export type Ro = Shaped<typeof RO>;
/** To the reader. */
export type RoNo = Shaped<typeof RO_NO>;
/** Owner to reader. */
export type Revoke = Shaped<typeof REVOKE>;
/** Reader to owner. */
export type Revoked = Shaped<typeof REVOKED>;
/** Origin to owner or home. */
export type Call = Shaped<typeof CALL>;
/** Owner to origin. */
export type CallDone = Shaped<typeof CALL_DONE>;
/** To the origin. */
export type CallNo = Shaped<typeof CALL_NO>;
/** Any of them. */
export type RecordMessage =
  | (Req | Recall | Grant | Ack | Nack | NoCopy | Release | Purge | Query | QueryAnswer)
  | (TableAsk | Table | NoTable | TableDone | TableKept | ReportAsk | Report)
  | (RoAsk | Ro | RoNo | Revoke | Revoked | Call | CallDone | CallNo)
  | (ListAsk | List | ReadAsk | Read);

/** All that a turn has for one peer about one database. */
export const RECORDS = declare("records", {
  class: "r",
  since: 2,
  doc: "Node to node: all that a turn has for it about one database, in no order that matters.",
  bytesMax: WHOLE_MAX,
  fields: {
    dbId: u32<DbId>("The database."),
    since: u64<Version>("Document that attached or last wiped it; of another one: dropped."),
    generation: u64<Generation>("Generation that the sender has adopted."),
    by: as("The sender's life.", MEMBER),
    to: as("The receiver's life; another one drops it.", MEMBER),
    messages: list("The messages.", RECORD_MESSAGE, RECORD_BATCH_MAX, 1),
  },
});
/** All that a turn has for one peer about one database. */
export type Records = MessageOf<typeof RECORDS>;
