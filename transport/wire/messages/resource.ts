/**
 * The messages by which resources of programs move: those of public addresses, with names in the place of addresses.
 *
 *   leader      RESOURCE_ASK ──▶ each node                 each second, and at once when something is missing
 *               RESOURCE_ORDER ──▶ node                    all that its programs are to own; the newest number counts
 *   node        RESOURCE_REPORT ──▶ leader                 what its programs could own, and what they own
 *   supervisor  RESOURCE_CLEAR ──▶ voters                  no program owns anything by a dead life any more
 *
 * They are messages of their own, so that a program that hangs holds up no address: docs/decisions/0032.
 *
 * Does NOT promise: any rule of acceptance; those are in actors/machines/addresses/takeover.
 */
import { list, optional, record, text, u32, u64 } from "../fields.ts";
import type { Shaped } from "../fields.ts";
import { declare } from "../message.ts";
import type { MessageOf } from "../message.ts";
import { RESOURCE_NAME, RESOURCE_NAME_MAX, RESOURCES_MAX } from "../resource.ts";
import type { ResourceName } from "../resource.ts";
import type { Incarnation, Token } from "../terms.ts";
import { pnn } from "./membership.ts";

/** Four lists of all names, in their longest form. */
const REPORT_BYTES_MAX = 4 * RESOURCES_MAX * (RESOURCE_NAME_MAX + 3) + 4096;
/** The level that these messages came with. */
const LEVEL = 2;

/** A name. */
export const RESOURCE = text<ResourceName>(
  "The name of a resource.",
  RESOURCE_NAME_MAX,
  RESOURCE_NAME,
);
const names = (description: string) => list(description, RESOURCE, RESOURCES_MAX);
const token = (description: string) => u64<Token>(description);
const incarnation = (description: string) => u64<Incarnation>(description);

/** Leader to each node: what do your programs own, what could they? */
export const RESOURCE_ASK = declare("resource_ask", {
  class: "n",
  since: LEVEL,
  doc: "As address_ask, of resources: from then on the node takes no orders of lower tokens.",
  fields: {
    token: token("The leader's token; its document is in force."),
    rev: u32("The newest report of this life that the leader has; 0: none."),
    incarnation: incarnation("The life of that report; 0: none."),
    run: u32("The last run of this leader that ended well; 0: none yet."),
  },
});
/** Leader to each node: what do your programs own, what could they? */
export type ResourceAskMessage = MessageOf<typeof RESOURCE_ASK>;

/** Leader to a node: what its programs are to own. */
export const RESOURCE_ORDER = declare("resource_order", {
  class: "n",
  since: LEVEL,
  doc: "As address_order: the node's programs own these resources and no others.",
  bytesMax: REPORT_BYTES_MAX,
  fields: {
    token: token("The leader's token."),
    incarnation: incarnation("The life that is meant."),
    stint: u32("The stint of that life: it ends with its lease, and this order with it."),
    number: u32("Rises with each order of this leader to this stint.", undefined, 1),
    hold: names("All that its programs are to own."),
  },
});
/** Leader to a node: what its programs are to own. */
export type ResourceOrderMessage = MessageOf<typeof RESOURCE_ORDER>;

/** What a node says of the resources of its programs. */
export const OWNING = record("Owning", "The resources of a node's programs.", {
  known: names("Those that its programs offer to own."),
  able: names("Those of them that they could own now."),
  held: names("Those that they own."),
  busy: names("Those that they may own: they are being taken, or released."),
});
/** What a node says of the resources of its programs. */
export type Owning = Shaped<typeof OWNING>;

/** Node to leader: how it stands. */
export const RESOURCE_REPORT = declare("resource_report", {
  class: "n",
  since: LEVEL,
  doc: "As address_report: to the leader that asked last, at once when something changed.",
  bytesMax: REPORT_BYTES_MAX,
  fields: {
    token: token("The leader that it answers; it takes no orders of lower tokens."),
    incarnation: incarnation("Its life: by all former ones nothing is owned any more."),
    stint: u32("How often its lease has ended in this life."),
    number: u32("The last order that it has followed; 0: none of this leader in this stint."),
    rev: u32("Rises with every change of what is reported."),
    hosting: optional(OWNING),
  },
});
/** Node to leader: how it stands. */
export type ResourceReportMessage = MessageOf<typeof RESOURCE_REPORT>;

/** Supervisor to voters: no program owns anything by a dead life. */
export const RESOURCE_CLEAR = declare("resource_clear", {
  class: "n",
  since: LEVEL,
  doc:
    "Supervisor to the voters: the daemon of this life is dead, and what it let its programs own is over by the " +
    "clock. Each 250 ms, from when that is so, until DEAD is not sent any more.",
  fields: { pnn: pnn("The node."), incarnation: incarnation("The life that is over.") },
});
/** Supervisor to voters: no program owns anything by a dead life. */
export type ResourceClearMessage = MessageOf<typeof RESOURCE_CLEAR>;

/** All of them. */
export type ResourceMessage =
  | ResourceAskMessage
  | ResourceOrderMessage
  | ResourceReportMessage
  | ResourceClearMessage;
