/**
 * What messages about records are made of: tids, copies, entries of tables, and the fields that many of them have.
 *
 * Does NOT promise: what is done with them; record.ts has the messages.
 */

import { as, bytes, flag, list, oneOf, optional, record, text, u32, u64 } from "../fields.ts";
import type { Shaped } from "../fields.ts";
import { KEY_MAX, SLOTS } from "../limits.ts";
import type { Generation, Rsn } from "../terms.ts";
import { MEMBER } from "./document.ts";

/** Messages in one publication. */
export const RECORD_BATCH_MAX = 256;
/** Entries in one part of a table or report. */
export const RECORD_PART_MAX = 256;
/** Parts of one table or report. */
export const RECORD_PARTS_MAX = 65536;
/** Executed calls that travel with a copy: one for each member at most. */
export const RECORD_CALLS_MAX = 4096;
/** Result of a call that is kept with its proof, bytes; of a longer one only the fact is. */
export const RECORD_RESULT_MAX = 1024;
/** Name of a procedure, characters. */
export const PROCEDURE_NAME_MAX = 64;
/** The form of a procedure's name: printable ASCII without a blank; a program's has a slash and its version. */
export const PROCEDURE_NAME: string = `^[!-~]{1,${PROCEDURE_NAME_MAX}}$`;
/** Keys in one question about several. */
export const RECORD_KEYS_MAX = 256;
/** Who waits for one key: one place for each node. */
export const QUEUE_MAX = 4096;

/** A field that several messages have. */
export const key = text(
  "The key, one character U+0000 .. U+00FF for each byte.",
  KEY_MAX,
  "^[\\u0000-\\u00ff]*$",
);
/** A field that several messages have. */
export const rid = u32("The requester's number of the request; its life never uses it again.");
/** A field that several messages have. */
export const slot = u32("Slot of the vnnmap.", SLOTS - 1);
/** A field that several messages have. */
export const slotGen = u64<Generation>("Generation in which the home of the slot last changed.");
/** A field that several messages have. */
export const generation = u64<Generation>("View in which the question was asked.");
/** A field that several messages have. */
export const id = u32(
  "Tells the answers to this question from others; parts of one answer share it.",
);
/** A field that several messages have. */
export const part = u32("Which part, from 0.", RECORD_PARTS_MAX - 1);
/** A field that several messages have. */
export const parts = u32("How many parts.", RECORD_PARTS_MAX, 1);

/** Which transfer. */
export const TID = record("Tid", "A transfer, recovery or purge of a key, numbered by its home.", {
  gen: u64<Generation>("slotGen of the home that gave it."),
  seq: u32("Counts in the slot, from 1."),
});
/** A field that several messages have. */
export const tid = as("Which transfer this is about.", TID);

/** A call that was executed. */
export const CALL_PROOF = record("CallProof", "The newest call of an origin that was executed.", {
  origin: as("Who called.", MEMBER),
  seq: u32("The origin's number of the call."),
  ok: flag("Was it done? Otherwise the procedure itself refused."),
  result: optional(bytes("Its result, if that is short.")),
});

/** A copy of a record. */
export const COPY = record("Copy", "A copy of a record, with all that belongs to it.", {
  tid: as("The transfer under which its owner took it.", TID),
  rsn: u64<Rsn>("Number of its writes and of the times it was taken."),
  birth: as("The transfer that created this life of the record.", TID),
  data: bytes("The value; empty: deleted."),
  calls: list("Proofs of executed calls.", CALL_PROOF, RECORD_CALLS_MAX),
});

/** A field that several messages have. */
export const held = optional(bytes("Locks that living clients of members hold on the key."));

/** What a member says of its copy in a recovery; of a tid of zero: it has none, and only `held` counts. */
export const STAND = record("Stand", "What a member says of its copy in a recovery.", {
  tid: as("Of the copy.", TID),
  rsn: u64<Rsn>("Of the copy."),
  owner: flag("Is the member its owner?"),
  empty: flag("Is it empty?"),
  held,
});

/** A slot whose table is asked for. */
export const TABLE_WISH = record("TableWish", "A slot whose table is asked for.", {
  slot,
  slotGen,
  fromGen: u64<Generation>("slotGen of the home before."),
});
/** An entry of a home's table. */
export const TABLE_ENTRY = record("TableEntry", "What a home knows of a key.", {
  key,
  slot,
  holder: optional(as("Who has the newest copy.", MEMBER)),
  htid: as("The tid of that copy.", TID),
  phase: oneOf("What is under way.", ["idle", "query", "purge1", "purge2"]),
  pend: optional(record("Pend", "A transfer under way.", {
    to: as("To whom.", MEMBER),
    rid,
    empty: flag("Does the key not exist yet?"),
  })),
  held,
  queue: list(
    "Who waits.",
    record("Place", "A request that waits.", { of: MEMBER, rid }),
    QUEUE_MAX,
  ),
});
/** A slot, and since when its home has it. */
export const SLOT_NAME = record("SlotName", "A slot, and since when its home has it.", {
  slot,
  slotGen,
});
/** A field that several messages have. */
export const slots = list("Which slots.", SLOT_NAME, SLOTS, 1);
/** Where a page of a slot's list begins. */
export const CURSOR = record("Cursor", "The last key of the page before.", {
  hash: u32("Its Jenkins hash."),
  key,
});
/** Which transfer. */
export type Tid = Shaped<typeof TID>;
/** A copy of a record. */
export type Copy = Shaped<typeof COPY>;
/** A call that was executed. */
export type CallProof = Shaped<typeof CALL_PROOF>;
/** What a member says of its copy in a recovery. */
export type StandOf = Shaped<typeof STAND>;
/** An entry of a home's table, as it travels. */
export type TableEntry = Shaped<typeof TABLE_ENTRY>;
/** Where a page begins. */
export type Cursor = Shaped<typeof CURSOR>;
/** A slot in a question or report. */
export type SlotName = Shaped<typeof SLOT_NAME>;
