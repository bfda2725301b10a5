/**
 * The event about event scripts: one of them, as CTDB calls them, has ended at a node.
 *
 * Does NOT promise: what each script said; `event status EVENT` has that. Here is the one that failed.
 */

import { optional, text } from "../fields.ts";
import { declareEvent, type EventOf, type FieldsOf, measure, openWord } from "./event_form.ts";

/** The end of what a script said, characters. */
export const SCRIPT_TAIL_MAX = 1024;
/** The arguments of an event, characters. */
const ARGS_MAX = 256;

/** Event scripts have been run. */
export const SCRIPT_EVENT = declareEvent("script", {
  doc:
    "As it happens: an event that scripts are called for (docs/EVENTS.md) has ended at this node.",
  fields: {
    event: openWord("Which: init, setup, startup, monitor, takeip, ..., as in CTDB."),
    args: text("Its arguments, with blanks between.", ARGS_MAX),
    outcome: openWord(
      "ok; failed; timeout; refused: a script is not safe to run; cancelled: something else was to be run; " +
        "lost: the event daemon died. A later version may know more.",
    ),
    scripts: measure("count", "Scripts that were run."),
    tookMs: measure("ms", "How long all of them took."),
    failed: optional(text("The script that ended it.", 128)),
    why: optional(text("Why it was not well, in words.")),
    tail: optional(text("The end of what that script said.", SCRIPT_TAIL_MAX)),
  },
});
/** Event scripts have been run. */
export type ScriptEvent = EventOf<typeof SCRIPT_EVENT>;
/** The same without the head. */
export type ScriptFields = FieldsOf<typeof SCRIPT_EVENT>;
