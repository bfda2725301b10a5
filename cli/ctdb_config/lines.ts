/**
 * Reading CTDB's own files that are no lists of addresses: `ctdb.conf`, `ctdb.tunables`, `script.options`, `nodes`.
 *
 *   ctdb.conf       [section] / key = value / # or ; begin a comment line / a backslash at the end goes on
 *   ctdb.tunables   NAME=VALUE          script.options   NAME=VALUE, as a shell reads it
 *   nodes           an address a line; the number of a line is the number of its node, # for one that is gone
 *
 * What is malformed names its file and line, and ends the reading.
 *
 * Does NOT promise: what a shell makes of script.options; scripts read that file by themselves.
 * Upstream: ctdb.conf(5), ctdb-tunables(7), ctdb-script.options(5), ctdb(7).
 */

import { type IpAddress, parseAddress } from "../../transport/wire/address.ts";
import { findTunable } from "../../actors/tunables/catalogue.ts";
import { U32_MAX } from "../../actors/tunables/entry.ts";
import { usage } from "../failure.ts";

/** One `key = value`. */
export interface Setting {
  readonly section: string;
  /** Lower case, one blank between words. */
  readonly key: string;
  readonly value: string;
  /** Where it stands; 1 is the first. */
  readonly line: number;
}

/** One line of ctdb.tunables. */
export interface TunableLine {
  /** As ctdb writes it. */
  readonly name: string;
  readonly value: number;
  readonly line: number;
}

/** One variable of script.options. */
export interface OptionLine {
  readonly name: string;
  readonly line: number;
}

/** One node of the file `nodes`. */
export interface NodeLine {
  readonly pnn: number;
  /** Undefined: a node that is gone; its number stays. */
  readonly address: IpAddress | undefined;
  readonly line: number;
}

/** The error of one line. Exit code 2. */
export function lineFault(where: string, line: number, what: string): Error {
  return usage(`Cannot read ${where}: line ${line}: ${what}`, "nothing was written");
}

interface Line {
  readonly text: string;
  readonly number: number;
}

/** Lines that say something; a backslash at the end of one joins the next. */
function linesOf(text: string, comment: RegExp, joins: boolean): Line[] {
  const found: Line[] = [];
  let open: Line | undefined;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = open === undefined ? raw.trim() : `${open.text} ${raw.trim()}`;
    const number = open?.number ?? index + 1;
    open = undefined;
    if (joins && line.endsWith("\\")) {
      open = { text: line.slice(0, -1).trimEnd(), number };
      continue;
    }
    if (line !== "" && !comment.test(line)) found.push({ text: line, number });
  }
  return open === undefined ? found : [...found, open];
}

/** The settings of ctdb.conf, in their order; a section may come again. Throws Failure. */
export function readConf(text: string, where: string): Setting[] {
  const settings: Setting[] = [];
  let section: string | undefined;
  for (const { text: line, number } of linesOf(text, /^[#;]/, true)) {
    const head = /^\[\s*([^\]]*?)\s*\]$/.exec(line);
    if (head !== null) {
      section = (head[1] ?? "").toLowerCase();
      continue;
    }
    const at = line.indexOf("=");
    if (at < 1) {
      const what = `${shown(line)} is neither [section] nor key = value`;
      throw lineFault(where, number, what);
    }
    if (section === undefined) throw lineFault(where, number, `${shown(line)} is in no section`);
    const key = line.slice(0, at).trim().toLowerCase().replaceAll(/\s+/g, " ");
    settings.push({ section, key, value: line.slice(at + 1).trim(), line: number });
  }
  return settings;
}

/** The lines of ctdb.tunables. A tunable that ctdb does not have is a fault, as it is to ctdb. Throws Failure. */
export function readTunables(text: string, where: string): TunableLine[] {
  return linesOf(text, /^#/, false).map(({ text: line, number }) => {
    const parts = /^(\w+)\s*=\s*(.*)$/.exec(line);
    if (parts === null) throw lineFault(where, number, `${shown(line)} is no NAME=VALUE`);
    const [, name = "", value = ""] = parts;
    const entry = findTunable(name);
    if (entry === undefined || !entry.isCtdbs) {
      throw lineFault(where, number, `there is no tunable ${shown(name)}`);
    }
    if (!/^\d{1,10}$/.test(value) || Number(value) > U32_MAX) {
      throw lineFault(where, number, `${entry.name} must be 0 to ${U32_MAX}, is ${shown(value)}`);
    }
    return { name: entry.name, value: Number(value), line: number };
  });
}

/** The variables that script.options sets, one for each line that is an assignment. */
export function readScriptOptions(text: string): OptionLine[] {
  return linesOf(text, /^#/, true).flatMap(({ text: line, number }) => {
    const name = /^(?:export\s+)?([A-Za-z_]\w*)=/.exec(line)?.[1];
    return name === undefined ? [] : [{ name, line: number }];
  });
}

/** The nodes, by their numbers. Throws Failure. */
export function readNodes(text: string, where: string): NodeLine[] {
  const seen = new Map<string, number>();
  // Here a line with # is no comment: it is the number of a node that is gone.
  return linesOf(text, /^$/, false).map(({ text: line, number }, pnn) => {
    if (line.startsWith("#")) return { pnn, address: undefined, line: number };
    const address = addressOf(line, where, number);
    const before = seen.get(address);
    if (before !== undefined) {
      throw lineFault(where, number, `${address} stands on line ${before} already`);
    }
    seen.set(address, number);
    return { pnn, address, line: number };
  });
}

function addressOf(text: string, where: string, line: number): IpAddress {
  try {
    return parseAddress(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw lineFault(where, line, `${shown(text)} is no address of a node: ${why}`);
  }
}

/** A word of a file as errors show it. */
export function shown(word: string): string {
  return JSON.stringify(word.length > 60 ? `${word.slice(0, 57)}...` : word);
}
