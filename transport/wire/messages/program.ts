/**
 * Messages between programs, by 64-bit srvid: what nodes tell each other about them.
 *
 *   data      binary publications (program_layout.ts), numbered per pair of lives ──▶      ◀── msg_ack
 *   interest  nobody told: everything is sent.   useless data ──▶      ◀── msg_interest: only these srvids, please
 *             a program registers one more: msg_interest ──▶ all who were told before;   msg_interest_ack ──▶
 *   look      msg_count_ask: how many programs of yours have this pid, unique id, srvid?  ──▶     ◀── msg_count
 *
 * The messages themselves are not here: they have a layout of their own, which costs a tenth of CBOR.
 *
 * Does NOT promise: that any of these arrives; all are repeated, and right however often they come. The rules are in
 * actors/machines/messages.
 */

import { bytes, flag, optional, u32, u64 } from "../fields.ts";
import { VALUE_MAX } from "../limits.ts";
import { declare } from "../message.ts";
import type { MessageOf } from "../message.ts";
import type { Incarnation } from "../terms.ts";

/** Data of one message between programs, bytes: 16 MiB. A larger one is refused with "limit". */
export const PROGRAM_DATA_MAX: number = VALUE_MAX;
/** One publication, bytes. Longer data travel in several. */
export const PROGRAM_PUBLICATION_MAX = 65536;
/** Entries of one publication. */
export const PROGRAM_ENTRIES_MAX = 256;
/** Receivers of one publication. */
export const PROGRAM_RECEIVERS_MAX = 256;
/** Bits of what a node says of its srvids; each srvid has one of them. */
export const INTEREST_BITS = 2048;
/** Registered for every srvid. Upstream: CTDB_SRVID_ALL. */
export const SRVID_ALL = 0xffff_ffff_ffff_ffffn;

const incarnation = u64<Incarnation>("The sender's life.");
const to = u64<Incarnation>(
  "The receiver's life, as the sender knows it; of another one: dropped.",
);
const version = u32("Counts what this life has said of its srvids, from 1.");
const ask = u32("Tells the answers to this question from others.");

/** Receiver of data to their sender: I have everything before `next`. */
export const MSG_ACK = declare("msg_ack", {
  class: "r",
  since: 2,
  doc: "Receiver of program messages to their sender: every 32 publications, or 50 ms later.",
  fields: {
    incarnation,
    to,
    next: u64("Number of the publication that is to come next; 0: your news are of another life."),
    missed: flag("A later one has come; those from `next` on are wanted again, now."),
  },
});
/** Receiver of data to their sender: I have everything before `next`. */
export type MsgAck = MessageOf<typeof MSG_ACK>;

/** Only these, please. */
export const MSG_INTEREST = declare("msg_interest", {
  class: "r",
  since: 2,
  doc:
    "Node to who sends it program messages: which srvids are registered here. Until acknowledged, repeated.",
  fields: {
    incarnation,
    to,
    version,
    bits: bytes("2048 bits. A srvid whose bit is not set is not registered."),
  },
});
/** Only these, please. */
export type MsgInterest = MessageOf<typeof MSG_INTEREST>;

/** I know what you have. */
export const MSG_INTEREST_ACK = declare("msg_interest_ack", {
  class: "r",
  since: 2,
  doc: "Answer to MSG_INTEREST; a registration is done when all who were told have answered.",
  fields: { incarnation, to, version },
});
/** I know what you have. */
export type MsgInterestAck = MessageOf<typeof MSG_INTEREST_ACK>;

/** How many programs of yours are such? */
export const MSG_COUNT_ASK = declare("msg_count_ask", {
  class: "r",
  since: 2,
  doc: "Node to one or all: how many programs have all of this? Asked again until answered.",
  fields: {
    incarnation,
    ask,
    pid: optional(u32("Process id.")),
    uniqueId: optional(
      u64("What the program has named itself by, so that a pid can be used again."),
    ),
    srvid: optional(u64("Registered by it.")),
  },
});
/** How many programs of yours are such? */
export type MsgCountAsk = MessageOf<typeof MSG_COUNT_ASK>;

/** So many. */
export const MSG_COUNT = declare("msg_count", {
  class: "r",
  since: 2,
  doc: "Answer to MSG_COUNT_ASK.",
  fields: { incarnation, ask, count: u32("How many.") },
});
/** So many. */
export type MsgCount = MessageOf<typeof MSG_COUNT>;
