/**
 * Messages of a traverse: which keys there are, and what they say.
 *
 *   list_ask ──▶ home ──▶ list          read_ask ──▶ holder ──▶ read
 *
 * Does NOT promise: one moment for all; actors/machines/record/traverse.ts says what can be relied on.
 */

import { as, bytes, flag, list, optional, record, word } from "../fields.ts";
import type { Shaped } from "../fields.ts";
import { SLOTS } from "../limits.ts";
import { MEMBER } from "./document.ts";
import { CURSOR, id, key, RECORD_KEYS_MAX, slot, slotGen, TID } from "./record_parts.ts";

/** A slot whose keys are wanted. */
export const LIST_WISH = record("ListWish", "A slot whose keys are wanted.", {
  slot,
  slotGen,
  id,
  after: optional(CURSOR),
  keys: list("Only these; none: all, in pages.", key, RECORD_KEYS_MAX),
});
/** Any node to home: what is in these slots? */
export const LIST_ASK = record("list_ask", "Any node to home: which keys are in these slots?", {
  kind: word("list_ask"),
  wishes: list("Which.", LIST_WISH, SLOTS, 1),
});
/** A page of a slot's keys. */
export const PAGE = record("Page", "A page of a slot's keys, by hash and key.", {
  slot,
  slotGen,
  id,
  entries: list(
    "Keys and who has them.",
    record("Where", "Where a record is.", {
      key,
      holder: optional(as("Missing: that is being found out; ask again.", MEMBER)),
      htid: as("The tid of its copy.", TID),
    }),
    RECORD_KEYS_MAX,
  ),
  next: optional(CURSOR),
});
/** Home to the asker: a page of each. */
export const LIST = record("list", "Home to the asker: a page of each slot that is open.", {
  kind: word("list"),
  pages: list("The pages.", PAGE, SLOTS, 1),
});
/** Any node to holder: what do they say? */
export const READ_ASK = record("read_ask", "Any node to holder: what do these records say?", {
  kind: word("read_ask"),
  id,
  isCount: flag("Is only wanted whether they are empty?"),
  keys: list("Which.", record("ReadWish", "A record.", { key, htid: TID }), RECORD_KEYS_MAX),
});
/** Holder to asker: this. */
export const READ = record("read", "Holder to asker: this, as of one moment each.", {
  kind: word("read"),
  id,
  values: list(
    "What they say; keys that are busy are left out.",
    record("Value", "A record.", {
      key,
      moved: flag("Is it elsewhere?"),
      empty: flag("Is it empty?"),
      data: optional(bytes("The value, if it was wanted.")),
    }),
    RECORD_KEYS_MAX,
  ),
});

/** A slot whose keys are wanted. */
export type ListWish = Shaped<typeof LIST_WISH>;
/** A page of a slot's keys. */
export type Page = Shaped<typeof PAGE>;
/** Any node to home. */
export type ListAsk = Shaped<typeof LIST_ASK>;
/** Home to the asker. */
export type List = Shaped<typeof LIST>;
/** Any node to holder. */
export type ReadAsk = Shaped<typeof READ_ASK>;
/** Holder to asker. */
export type Read = Shaped<typeof READ>;
