/**
 * What a node answers about its event scripts, and what it has done with them.
 *
 *   event status | list | links        event run EVENT ARGS | enable NAME | disable NAME | link IFACE up
 *
 * All on its socket only: what scripts do is the business of their machine.
 *
 * Does NOT promise: an end of `event run` in any time: others' events may come first.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { EventEnd, ScriptRow } from "../../transport/wire/event_daemon.ts";
import { EVENT_ARGS_MAX, SCRIPT_NAME_MAX } from "../../transport/wire/event_daemon.ts";
import type { Args, Verb } from "../control.ts";
import type { ScriptList } from "../events/link.ts";
import type { Scripts } from "../events/scripts.ts";
import type { NodeParts } from "../node_parts.ts";
import { text, wrong } from "./args.ts";

/** How the events of a node are. */
export interface EventStatus {
  /** Of the node's own events: init, setup, startup, running, shutdown, over. */
  readonly phase: string;
  /** The event that runs, or "waiting". */
  readonly doing: string;
  readonly healthy: boolean;
  readonly why?: string;
  /** Until the next monitor event, ms; absent: none is planned. */
  readonly monitorInMs?: number;
  /** How often the event daemon has died. */
  readonly failures: number;
  /** The last run of each event, with how often it ran. */
  readonly events: readonly (EventEnd & EventCounts)[];
}

/** How often an event ended how, since the daemon started. */
export interface EventCounts {
  readonly okCount: number;
  readonly failedCount: number;
  readonly timeoutCount: number;
}

/** Those of the socket. */
export function eventVerbs(node: NodeParts): [string, Verb][] {
  return [
    ["event status", () => statusOf(scriptsOf(node), node.nowMs)],
    ["event list", (): Promise<ScriptList> => scriptsOf(node).list()],
    ["event links", () => linksOf(scriptsOf(node))],
    [
      "event run",
      (args): Promise<EventEnd> => scriptsOf(node).run(text(args, "event"), words(args)),
    ],
    ["event enable", (args): Promise<ScriptRow> => scriptsOf(node).switch(nameOf(args), true)],
    ["event disable", (args): Promise<ScriptRow> => scriptsOf(node).switch(nameOf(args), false)],
    ["event link", (args) => setLink(scriptsOf(node), args)],
  ];
}

function scriptsOf({ scripts }: NodeParts): Scripts {
  if (scripts !== undefined) return scripts;
  const why = "this node has none: its configuration has no section [scripts]";
  throw new CtdbxError("unsupported", `Cannot use event scripts: ${why}`);
}

function statusOf(scripts: Scripts, nowMs: number): EventStatus {
  const { phase, health, last, counts, monitorMs, node } = scripts.state;
  const isPlanned = phase === "running" && node.isActive;
  return {
    phase,
    doing: scripts.doing,
    healthy: health.ok,
    ...health.why === undefined ? {} : { why: health.why },
    ...isPlanned ? { monitorInMs: Math.max(0, Math.round(monitorMs - nowMs)) } : {},
    failures: scripts.failures,
    events: [...last].map(([event, end]) => {
      const { ok = 0, failed = 0, timeout = 0 } = counts.get(event) ?? {};
      return { ...end, okCount: ok, failedCount: failed, timeoutCount: timeout };
    }),
  };
}

function linksOf({ links }: Scripts): { readonly iface: string; readonly isUp: boolean }[] {
  return [...links].map(([iface, isUp]) => ({ iface, isUp }));
}

function setLink(scripts: Scripts, args: Args): { readonly iface: string; readonly isUp: boolean } {
  const iface = text(args, "iface");
  const { up } = args;
  // The kernel's limit is 15 bytes.
  if (!/^[^\s/]{1,15}$/.test(iface)) throw wrong("iface must be the name of an interface");
  if (typeof up !== "boolean") throw wrong("up must be true or false");
  scripts.setLink(iface, up);
  return { iface, isUp: up };
}

function nameOf(args: Args): string {
  const name = text(args, "name");
  if (name.length > 0 && name.length <= SCRIPT_NAME_MAX) return name;
  throw wrong(`name must have 1 to ${SCRIPT_NAME_MAX} characters`);
}

function words(args: Args): string[] {
  const value = args["args"] ?? [];
  if (
    Array.isArray(value) && value.length <= EVENT_ARGS_MAX &&
    value.every((part) => typeof part === "string")
  ) return value;
  throw wrong(`args must be up to ${EVENT_ARGS_MAX} texts`);
}
