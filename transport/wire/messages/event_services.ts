/**
 * The events about services of a node: a check that has changed, and all of them each second.
 *
 * Does NOT promise: the whole output of a check; its end, and `service show` has a little more.
 */

import { flag, list, optional, record, text } from "../fields.ts";
import { declareEvent, type EventOf, type FieldsOf, measure, openWord } from "./event_form.ts";

/** The end of a check's output in an event, characters. */
export const EVENT_TAIL_MAX = 1024;
/** Checks, and ways of notification, that one event has rows of, at most. */
export const EVENT_SERVICES_MAX = 16;

const STATUS_MEANING =
  "starting: not well yet since the daemon's start; ok; warning; failed; disabled: by an operator. " +
  "A later version may know more.";

/** A check has changed, or its service is started anew. */
export const SERVICE_EVENT = declareEvent("service", {
  doc: "As it happens: a check of a service has another result than before, or acts on it.",
  fields: {
    check: text("Name of the check.", 63),
    probe: openWord("What it looks at: tcp, http, exec, file, systemd, disk, memory."),
    what: openWord(
      "changed: `to` is new. restarting: the service is started anew. restarted: that has ended. " +
        "gave up: it would be started anew, and was so as often as it may be.",
    ),
    from: openWord("Its status before."),
    to: openWord(`Its status now. ${STATUS_MEANING}`),
    critical: flag("Is the node unhealthy while it has failed?"),
    failures: measure("count", "Failures in a row."),
    restarts: measure("count", "Restarts since it was last well for long."),
    why: optional(text("Why, in words.")),
    tail: optional(text("The end of what was said by what was looked at.", EVENT_TAIL_MAX)),
  },
});
/** A check has changed. */
export type ServiceEvent = EventOf<typeof SERVICE_EVENT>;
/** The same without the head. */
export type ServiceFields = FieldsOf<typeof SERVICE_EVENT>;

const CHECK = record("Check", "One check, since the daemon's start.", {
  name: text("Its name.", 63),
  probe: openWord("What it looks at."),
  status: openWord(`How it stands. ${STATUS_MEANING}`),
  critical: flag("Is the node unhealthy while it has failed?"),
  failures: measure("count", "Failures in a row."),
  runs: measure("count", "Looks that were made."),
  failed: measure("count", "Looks that have failed."),
  restarts: measure("count", "Restarts of its service."),
  tookMs: measure("ms", "How long the last look took; 0: there was none."),
});
const WAY = record("Way", "One way of notification, since the daemon's start.", {
  name: text("Its name.", 63),
  sent: measure("count", "Notifications that have arrived."),
  failed: measure("count", "Notifications that did not arrive, after all tries."),
  dropped: measure("count", "Notifications for which there was no room."),
  waiting: measure("count", "Notifications that wait, or are under way."),
});

/** How the services of a node are. */
export const SERVICES_EVENT = declareEvent("services", {
  doc:
    "Each second, from every node that has checks or notifications: how they stand, the worst first.",
  fields: {
    healthy: flag("Are all that make the node unhealthy well?"),
    count: measure("count", "Checks of this node."),
    checks: list("The first of them.", CHECK, EVENT_SERVICES_MAX),
    notify: list("Ways of notification.", WAY, EVENT_SERVICES_MAX),
  },
});
/** How the services of a node are. */
export type ServicesEvent = EventOf<typeof SERVICES_EVENT>;
/** The same without the head. */
export type ServicesFields = FieldsOf<typeof SERVICES_EVENT>;
