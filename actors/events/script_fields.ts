/**
 * What monitors are told of an event whose scripts have ended.
 *
 * Does NOT promise: what each script said; the end of what the one that failed said.
 */
import { fitText, TEXT_MAX } from "../../transport/wire/limits.ts";
import type { EventEnd } from "../../transport/wire/event_daemon.ts";
import { SCRIPT_TAIL_MAX, type ScriptFields } from "../../transport/wire/messages/event_scripts.ts";
import { plainTail } from "../services/health.ts";

/** Scripts that were not run, and are none that failed. */
const NOT_RUN = ["disabled"];

/** The event's own fields. */
export function scriptFields(
  { event, args, outcome, scripts, tookMs, why }: EventEnd,
): ScriptFields {
  const run = scripts.filter((script) => !NOT_RUN.includes(script.outcome));
  const failed = outcome === "ok" ? undefined : run.find((script) => script.outcome !== "ok");
  const tail = plainTail(failed?.output ?? "", SCRIPT_TAIL_MAX).trimEnd();
  return {
    event,
    args: fitText(args.join(" "), TEXT_MAX),
    outcome,
    scripts: run.length,
    tookMs: Math.max(0, tookMs),
    ...failed === undefined ? {} : { failed: failed.name },
    ...why === undefined ? {} : { why: fitText(why) },
    ...tail === "" ? {} : { tail },
  };
}
