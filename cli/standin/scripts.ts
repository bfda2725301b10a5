/**
 * Answers about scripts and interfaces, in the form of CTDB's tool.
 *
 *   scriptstatus [EVENT] | event status legacy EVENT | event script list|enable|disable legacy NAME
 *   ifaces | setifacelink IFACE up|down | checktcpport PORT | getvar NAME | setvar NAME VALUE
 *
 * Does NOT promise: to run an event from within one: that would wait for itself.
 */

import type { ScriptList } from "../../actors/events/link.ts";
import type { EventStatus } from "../../actors/verbs/events.ts";
import type { ScriptEnd } from "../../transport/wire/event_daemon.ts";
import {
  machineLines,
  said,
  type StandinCall,
  type StandinEnd,
  type StandinPorts,
  unsaid,
} from "./form.ts";

/** ENOENT and EINVAL, with which CTDB's tool ends in these cases. */
const NO_ENTRY = 2;
const INVALID = 22;

const STATUS_WORDS: Readonly<Record<ScriptEnd["outcome"], string>> = {
  ok: "OK",
  failed: "ERROR",
  timeout: "TIMEDOUT",
  killed: "ERROR",
  refused: "ERROR",
  disabled: "DISABLED",
  cancelled: "ERROR",
};

/** The last run of an event, script by script. */
export async function eventStatus(event: string, ports: StandinPorts): Promise<StandinEnd> {
  const { events } = await ports.ask("event status") as EventStatus;
  const found = events.find((each) => each.event === event);
  if (found === undefined) return unsaid(`Event ${event} has never run in legacy`, INVALID);
  const lines = found.scripts.map(({ name, outcome, tookMs, startWallMs, output }) => {
    const shown = name.padEnd(20);
    if (outcome === "disabled") return `${shown} DISABLED\n`;
    const word = STATUS_WORDS[outcome].padEnd(10);
    const said = outcome === "ok" || output === ""
      ? ""
      : `  OUTPUT: ${output.trimEnd().replaceAll("\n", "\n  ")}\n`;
    return `${shown} ${word} ${(tookMs / 1000).toFixed(3)} ${timeText(startWallMs)}\n${said}`;
  });
  return { code: found.outcome === "ok" ? 0 : 1, out: lines.join("") };
}

/** As C's ctime has it, in UTC. */
function timeText(wallMs: number): string {
  const [day, date, month, year, time] = new Date(wallMs).toUTCString().split(/[ ,]+/);
  return `${day} ${month} ${date} ${time} ${year}`;
}

/** `event script ...` */
export async function eventScript(
  words: readonly string[],
  ports: StandinPorts,
): Promise<StandinEnd> {
  const [verb, , name] = words;
  if (verb === "list") {
    const { scripts } = await ports.ask("event list") as ScriptList;
    const lines = scripts.filter(({ state }) => state !== "ignored")
      .map(({ name, state }) => `${state === "enabled" ? "*" : " "} ${name}\n`);
    return said(lines.join(""));
  }
  if ((verb !== "enable" && verb !== "disable") || name === undefined) {
    return unsaid("usage: event script list|enable|disable legacy [NAME]");
  }
  try {
    await ports.ask(`event ${verb}`, { name });
    return { code: 0 };
  } catch (error) {
    return unsaid(error instanceof Error ? error.message : String(error), NO_ENTRY);
  }
}

/**
 * The interfaces of this node's public addresses, with what scripts have told of them. Others are left out:
 * 10.interface looks at all that it is told here, and would never forget one that is not used any more.
 */
export async function ifaces({ machine }: StandinCall, ports: StandinPorts): Promise<StandinEnd> {
  const listed = await ports.ask("ip list") as readonly {
    readonly interfaces: readonly string[];
  }[];
  const links = await ports.ask("event links") as readonly {
    readonly iface: string;
    readonly isUp: boolean;
  }[];
  const down = new Set(links.filter(({ isUp }) => !isUp).map(({ iface }) => iface));
  const counts = new Map<string, number>();
  for (const iface of listed.flatMap(({ interfaces }) => interfaces)) {
    counts.set(iface, (counts.get(iface) ?? 0) + 1);
  }
  if (machine !== undefined) {
    const rows = [...counts].map(([iface, count]) => [iface, down.has(iface) ? 0 : 1, count]);
    return said(machineLines(machine, [["Name", "LinkStatus", "References"], ...rows]));
  }
  const lines = [...counts].map(([iface, count]) =>
    `name:${iface} link:${down.has(iface) ? "down" : "up"} references:${count}\n`
  );
  return said(`Interfaces on this node\n${lines.join("")}`);
}

/** A script tells of an interface. */
export async function setLink(
  [, iface, state]: readonly string[],
  ports: StandinPorts,
): Promise<StandinEnd> {
  if (iface === undefined || (state !== "up" && state !== "down")) {
    return unsaid("usage: setifacelink IFACE up|down");
  }
  await ports.ask("event link", { iface, up: state === "up" });
  return { code: 0 };
}

/** Ends with 98 when somebody listens on the port, with 0 when nobody does. */
export async function checkPort(
  [, text = ""]: readonly string[],
  ports: StandinPorts,
): Promise<StandinEnd> {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) return unsaid("usage: checktcpport PORT");
  return { code: await ports.bind(port) };
}

/** A tunable. */
export async function getVar(
  [, name = ""]: readonly string[],
  ports: StandinPorts,
): Promise<StandinEnd> {
  const { name: known, value } = await ports.ask("tunable get", { name }) as {
    readonly name: string;
    readonly value: number;
  };
  return said(`${known.padEnd(26)} = ${value}\n`);
}

/** Sets a tunable, of all nodes: there is one value. */
export async function setVar(
  [, name = "", to = ""]: readonly string[],
  ports: StandinPorts,
): Promise<StandinEnd> {
  await ports.ask("tunable set", { name, to });
  return { code: 0 };
}
