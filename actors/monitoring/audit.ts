/**
 * Who has had what changed: every verb that does more than look is told on `audit` when it has ended, with its outcome.
 *
 *   verb(args) ──▶ done | CtdbxError ──▶ { verb, args, way, uid, pid | by, outcome, code, text, tookMs }
 *
 * What only looks is named in LOOKING; a verb that is not there is audited, so a new one cannot be forgotten.
 *
 * Does NOT promise: an event for a command during which the node died; its log has what was begun.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { fitText } from "../../transport/wire/limits.ts";
import { AUDIT_ARGS_MAX, type AuditFields } from "../../transport/wire/messages/event.ts";
import type { Clock } from "../../transport/world.ts";
import type { Args, Caller, Verb } from "../control.ts";

/** Verbs that change nothing. */
export const LOOKING: ReadonlySet<string> = new Set([
  "node status",
  "node list",
  "node ping",
  "node server",
  "node process",
  "node heartbeat",
  "node stats",
  "cluster status",
  "cluster health",
  "cluster preflight",
  "cluster invitations",
  "cluster leave check",
  "cluster upgrade",
  "cluster digest",
  "cluster force look",
  "cluster view",
  "user list",
  "ip ls",
  "ip plan",
  "ip held",
  "ip list",
  "ip history",
  "ip tickle ls",
  "iface ls",
  "resource ls",
  "resource programs",
  "resource history",
  "explain facts",
  "explain around",
  "event status",
  "event list",
  "event links",
  // What a script has seen of an interface, every few seconds.
  "event link",
  "leader show",
  "leader history",
  "lock show",
  "slot map",
  "meta status",
  "meta list",
  "db ls",
  "db status",
  "db stats",
  "db slice",
  "db check",
  "db check look",
  "db force look",
  "data status",
  "rec where",
  "recovery status",
  "recovery report",
  "recovery history",
  "recovery explain",
  "service ls",
  "service show",
  "service notify",
  "tunable list",
  "tunable get",
  "tunable history",
  "watch",
  "relay",
]);

/** Arguments whose values are nobody's business. */
const SECRET = /seed|secret|password|passwd|token|creds|nonce|invite|invitation|value|private/i;
/** Ids that are no secrets; others of their form open doors, as that of an invitation does. */
const OPEN_ID = /^(?:nodeId|diskId|clusterId|verbId)$/;
const ID = /\b[0-9a-f]{32}\b/g;
const HIDDEN = "(not shown)";
/** One value, characters. */
const VALUE_MAX = 200;

/** What auditing needs. */
export interface Auditor {
  readonly clock: Pick<Clock, "nowMs">;
  readonly tell: (fields: AuditFields) => void;
}

/** The verb, audited; one that only looks stays as it is. */
export function audited(name: string, verb: Verb, auditor: Auditor): Verb {
  if (LOOKING.has(name)) return verb;
  return async (args, call) => {
    const startMs = auditor.clock.nowMs();
    const about = { verb: fitText(name, 64), args: argsText(args), ...callerOf(call.by) };
    const end = (outcome: AuditFields["outcome"], why: object = {}): void => {
      const tookMs = Math.max(0, Math.round(auditor.clock.nowMs() - startMs));
      auditor.tell({ ...about, outcome, ...why, tookMs });
    };
    try {
      const result = await verb(args, call);
      end("done");
      return result;
    } catch (error) {
      end(...whyNot(error));
      throw error;
    }
  };
}

function whyNot(error: unknown): ["refused" | "unknown", object] {
  const code = error instanceof CtdbxError ? error.code : "io";
  const text = fitText(
    (error instanceof Error ? error.message : String(error)).replace(ID, HIDDEN),
  );
  return [code === "unknown" || code === "timeout" ? "unknown" : "refused", { code, text }];
}

function callerOf(by: Caller | undefined): Pick<AuditFields, "way" | "uid" | "pid" | "by"> {
  if (by?.way === "bus") return { way: "bus", by: by.tag };
  if (by?.uid === undefined || by.pid === undefined) return { way: "socket" };
  return { way: "socket", uid: by.uid, pid: by.pid };
}

/** Arguments as `name=value`, bounded; secrets by name only. */
export function argsText(args: Args): string {
  const parts = Object.entries(args).map(([name, value]) => {
    if (SECRET.test(name)) return `${name}=${HIDDEN}`;
    const text = valueText(value);
    return `${name}=${OPEN_ID.test(name) ? text : text.replace(ID, HIDDEN)}`;
  });
  return fitText(parts.join(" "), AUDIT_ARGS_MAX);
}

function valueText(value: unknown): string {
  if (typeof value === "string") {
    const text = fitText(value, VALUE_MAX);
    return /^[\w.,:/@-]+$/.test(text) ? text : JSON.stringify(text);
  }
  if (Array.isArray(value) && value.every((part) => typeof part !== "object" || part === null)) {
    return fitText(value.map(valueText).join(","), VALUE_MAX);
  }
  // What lies deeper may hold anything.
  return typeof value === "object" && value !== null ? "{...}" : String(value);
}
