/**
 * An event in words: what, and the rest; for `watch`, and for the lines below `top`.
 *
 *   state   n2  banned   was ok: it was slow           audit   n0  leader yield   done for uid 0 pid 4711: why=drill
 *
 * Does NOT promise: much about an event that is not of the declared form: its `what` and `text`, if those are texts.
 */

import { readEvent, type TopicEvent } from "../transport/wire/messages/event.ts";
import { spanText } from "./answers.ts";
import type { FeedItem } from "./feed.ts";

/** An event for people. */
export interface EventWords {
  /** ISO 8601, UTC, by the clock of who told it; "" when it told none. */
  readonly time: string;
  readonly who: string;
  readonly what: string;
  readonly text: string;
}

/** An item in words. */
export function eventWords({ topic, who, event }: FeedItem): EventWords {
  const read = topic === undefined ? undefined : readEvent(topic, event);
  const time = timeText(event["wallMs"]);
  if (read !== undefined) return { time, who, ...wordsOf(read) };
  return { time, who, what: textOf(event["what"]), text: textOf(event["text"]) };
}

function wordsOf(event: TopicEvent): { readonly what: string; readonly text: string } {
  switch (event.topic) {
    case "cluster":
      return { what: event.what, text: event.text };
    case "state": {
      const { about, from, to, why } = event;
      return { what: "state", text: `${about} is ${to}, was ${from}${because(why)}` };
    }
    case "audit": {
      const { verb, args, outcome, text, tookMs } = event;
      const call = args === "" ? verb : `${verb} ${args}`;
      return {
        what: "audit",
        text: `${call}: ${outcome} after ${spanText(tookMs)}, for ${callerText(event)}${
          because(text)
        }`,
      };
    }
    case "heartbeat": {
      const { condition, why, leader, leaseMs, runstate, incarnation } = event;
      const lead = leader === undefined ? "no leader" : `leader ${leader}`;
      const text = `${runstate}, ${lead}, lease ${spanText(leaseMs)}, life ${incarnation}`;
      return { what: condition, text: `${text}${because(why)}` };
    }
    case "stats": {
      const { messages, process } = event;
      const rates = `${messages.sentRate} messages/s out, ${messages.receivedRate} in`;
      const load = `timers ${process.lagMaxMs} ms late, ${bytesText(process.rssBytes)}`;
      return { what: "stats", text: `${rates}, ${load}, ${(process.cpu * 100).toFixed(1)} % cpu` };
    }
    case "databases":
      return { what: "databases", text: databasesText(event) };
    case "service":
      return { what: "service", text: serviceText(event) };
    case "address":
      return { what: "address", text: event.text };
    case "script":
      return { what: "script", text: scriptText(event) };
    case "services": {
      const bad = event.checks.filter(({ status }) => status !== "ok");
      const rest = bad.map(({ name, status }) => `${name} ${status}`).join(", ");
      return { what: "services", text: `${event.count} checks${because(rest)}` };
    }
  }
}

function serviceText(event: Extract<TopicEvent, { topic: "service" }>): string {
  const { check, what, from, to, why } = event;
  if (what === "changed") return `${check} is ${to}, was ${from}${to === "ok" ? "" : because(why)}`;
  return `${check} is ${to}, ${what}${because(why)}`;
}

function scriptText(event: Extract<TopicEvent, { topic: "script" }>): string {
  const { args, outcome, tookMs, why } = event;
  const name = args === "" ? event.event : `${event.event} ${args}`;
  return `${name} is ${outcome} after ${spanText(tookMs)}${outcome === "ok" ? "" : because(why)}`;
}

function databasesText(
  { count, programs, databases }: Extract<TopicEvent, { topic: "databases" }>,
): string {
  const rows = databases.map(({ name, state, records, waiting, heldMs }) => {
    const held = heldMs === 0 ? "" : `, held up for ${spanText(heldMs)}`;
    return `${name} ${state}, ${records} records, ${waiting} wait${held}`;
  });
  return `${count}, ${programs} programs: ${rows.join("; ")}`;
}

/** Who asked, in words. */
function callerText(event: Extract<TopicEvent, { topic: "audit" }>): string {
  const { way, uid, pid, by } = event;
  if (way === "bus") return by ?? "somebody on NATS";
  return uid === undefined ? "somebody on the socket" : `uid ${uid} pid ${pid ?? "?"}`;
}

function because(why: string | undefined): string {
  return why === undefined || why === "" ? "" : `: ${why}`;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function timeText(value: unknown): string {
  const wallMs = Number(value);
  const isTime = typeof value === "number" && Math.abs(wallMs) < 8.64e15;
  return isTime ? new Date(wallMs).toISOString() : "";
}

/** Bytes for people: 812 B, 3.4 KB, 87 MB. Powers of 1000. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  const units = ["KB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
