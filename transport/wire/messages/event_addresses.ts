/**
 * What monitors are told of public addresses: an event as it happens, and figures among the statistics of each second.
 *
 * Does NOT promise: an event for each address when many move at once; the figures count all of them.
 */

import { list, optional, record, text } from "../fields.ts";
import { declareEvent, type EventOf, type FieldsOf, measure, openWord } from "./event_form.ts";

/** Addresses that one event names, at most. */
export const EVENT_ADDRESSES_MAX = 16;

/** Something happened to an address, or to all of them. */
export const ADDRESS_EVENT = declareEvent("address", {
  doc:
    "As it happens: an address was set or removed at the node that tells it; and from the leader: what became of a " +
    "takeover run, and addresses that nobody can host. At most 64 a second from a node; the statistics count all.",
  fields: {
    what: openWord(
      "taken, released: set here, removed here. lost: it was gone and is set again. foreign: it was here and should " +
        "not be. broken: it cannot be set here. ended: all were let go. run, run done, run failed, run overtaken: a " +
        "takeover run of the leader. unhosted: there are some that nobody can host. all hosted: there are none any " +
        "more. A later version may know more.",
    ),
    text: text("The same in words."),
    address: optional(text("The address; missing: it is about more than one.", 45)),
    run: optional(measure("count", "Of a run: its number, since this leader leads.")),
    moves: optional(measure("count", "run: addresses that get another node.")),
    unhosted: optional(measure("count", "run, unhosted: addresses that nobody can host.")),
    tookMs: optional(measure("ms", "run done, failed, overtaken: how long it took.")),
    addresses: optional(
      list("unhosted: the first of them.", text("An address.", 45), EVENT_ADDRESSES_MAX),
    ),
  },
});
/** Something happened to an address. */
export type AddressEvent = EventOf<typeof ADDRESS_EVENT>;
/** The same without the head. */
export type AddressFields = FieldsOf<typeof ADDRESS_EVENT>;

const OF_CLUSTER = record("OfCluster", "From the leader alone: all addresses of the cluster.", {
  known: measure("count", "Addresses in any list."),
  hosted: measure("count", "Set where they belong."),
  moving: measure("count", "On their way to another node."),
  waiting: measure("count", "Held up: a node that is silent may have them."),
  unhosted: measure("count", "Nobody can host them."),
});

/** Public addresses in the statistics. */
export const ADDRESS_STATS = record(
  "Addresses",
  "Public addresses; missing: this node has none in its list, and leads no cluster that has.",
  {
    listed: measure("count", "Addresses in the list of this node."),
    held: measure("count", "Addresses that are set here."),
    taken: measure("count", "Addresses set here, since the daemon started."),
    released: measure("count", "Addresses removed here, since the daemon started."),
    lost: measure("count", "Addresses that were gone from here, since the daemon started."),
    foreign: measure("count", "Addresses found here that should not be, since it started."),
    broken: measure("count", "Addresses that could not be set here, since the daemon started."),
    runs: measure("count", "Takeover runs that it began as leader, since the daemon started."),
    runsFailed: measure("count", "Takeover runs of those that failed."),
    moves: measure("count", "Addresses that those runs gave to another node."),
    lastRunMs: measure("ms", "How long its last run took that has ended; 0: there was none."),
    untold: measure("count", "Events of addresses that were not told, since there were too many."),
    cluster: optional(OF_CLUSTER),
  },
);
