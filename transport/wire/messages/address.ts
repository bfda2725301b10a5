/**
 * The messages by which public addresses move: docs/ADDRESSES.md, "Takeover".
 *
 *   leader      ADDRESS_ASK ──▶ each node                  each second, and at once when something is missing
 *               ADDRESS_ORDER ──▶ node                     all that it is to hold; the newest number counts
 *   node        ADDRESS_REPORT ──▶ leader                  what it could hold, and what it holds
 *   supervisor  ADDRESS_CLEAR ──▶ voters                   a dead life's addresses are gone from the kernel
 *
 * An order says everything that the node is to hold, so a lost one is repaired by the next, and one that comes twice
 * changes nothing.
 *
 * Does NOT promise: any rule of acceptance; those are in actors/machines/addresses/takeover.
 */
import type { IpAddress } from "../address.ts";
import { list, optional, record, text, u32, u64 } from "../fields.ts";
import type { Shaped } from "../fields.ts";
import { PUBLIC_IPS_MAX } from "../limits.ts";
import { declare } from "../message.ts";
import type { MessageOf } from "../message.ts";
import type { Incarnation, Token } from "../terms.ts";
import { pnn } from "./membership.ts";

/** The longest IPv6 address, characters. */
const ADDRESS_CHARACTERS = 39;
/** Four lists of all addresses, in their longest form. */
const REPORT_BYTES_MAX = 4 * PUBLIC_IPS_MAX * (ADDRESS_CHARACTERS + 3) + 4096;
/** The level that these messages came with. */
const LEVEL = 2;

/** An address as its canonical text. */
export const ADDRESS = text<IpAddress>(
  "An IPv4 or IPv6 address, canonical.",
  ADDRESS_CHARACTERS,
  "^[0-9a-f.:]{2,39}$",
);
const addresses = (description: string) => list(description, ADDRESS, PUBLIC_IPS_MAX);
const token = (description: string) => u64<Token>(description);
const incarnation = (description: string) => u64<Incarnation>(description);

/** Leader to each node: what have you, what could you have? */
export const ADDRESS_ASK = declare("address_ask", {
  class: "n",
  since: LEVEL,
  doc:
    "Leader to each node: report. From then on the node takes no orders of lower tokens. Each second, and after " +
    "250 ms where an answer is missing.",
  fields: {
    token: token("The leader's token; its document is in force."),
    rev: u32("The newest report of this life that the leader has; 0: none."),
    incarnation: incarnation("The life of that report; 0: none."),
    run: u32("The last run of this leader that ended well; 0: none yet."),
  },
});
/** Leader to each node: what have you, what could you have? */
export type AddressAsk = MessageOf<typeof ADDRESS_ASK>;

/** Leader to a node: what it is to hold. */
export const ADDRESS_ORDER = declare("address_order", {
  class: "n",
  since: LEVEL,
  doc: "Leader to a member: hold these addresses and no others. Repeated until it is confirmed.",
  bytesMax: REPORT_BYTES_MAX,
  fields: {
    token: token("The leader's token."),
    incarnation: incarnation("The life that is meant."),
    stint: u32("The stint of that life: it ends with its lease, and this order with it."),
    number: u32("Rises with each order of this leader to this stint.", undefined, 1),
    hold: addresses("All that it is to hold."),
  },
});
/** Leader to a node: what it is to hold. */
export type AddressOrder = MessageOf<typeof ADDRESS_ORDER>;

/** What a node says of its addresses. */
export const HOSTING = record("Hosting", "A node's addresses.", {
  known: addresses("Those in its list."),
  able: addresses("Those of them that it could hold now."),
  held: addresses("Those that are set in its kernel."),
  busy: addresses("Those that may be set: they are being taken, or released."),
});
/** What a node says of its addresses. */
export type Hosting = Shaped<typeof HOSTING>;

/** Node to leader: how it stands. */
export const ADDRESS_REPORT = declare("address_report", {
  class: "n",
  since: LEVEL,
  doc:
    "Node to the leader that asked last: what it could hold and what it holds. At once when that changes.",
  bytesMax: REPORT_BYTES_MAX,
  fields: {
    token: token("The leader that it answers; it takes no orders of lower tokens."),
    incarnation: incarnation("Its life: all former ones hold nothing any more."),
    stint: u32("How often its lease has ended in this life."),
    number: u32("The last order that it has followed; 0: none of this leader in this stint."),
    rev: u32("Rises with every change of what is reported."),
    hosting: optional(HOSTING),
  },
});
/** Node to leader: how it stands. */
export type AddressReport = MessageOf<typeof ADDRESS_REPORT>;

/** Supervisor to voters: nothing is left of a dead life. */
export const ADDRESS_CLEAR = declare("address_clear", {
  class: "n",
  since: LEVEL,
  doc:
    "Supervisor to the voters: the daemon of this life is dead, so is everything that it started, and I have removed " +
    "all listed addresses from the kernel. Each 250 ms, 20 times. Not sent when something could not be removed.",
  fields: { pnn: pnn("The node."), incarnation: incarnation("The life that is over.") },
});
/** Supervisor to voters: nothing is left of a dead life. */
export type AddressClear = MessageOf<typeof ADDRESS_CLEAR>;

/** All of them. */
export type AddressMessage = AddressAsk | AddressOrder | AddressReport | AddressClear;
