/**
 * What becomes of a CTDB configuration: what goes into the configuration of ctdbx's nodes, what is to be run, and for
 * each option whether it was taken.
 *
 *   CtdbFiles ──▶ translate ──▶ Plan { sections, commands, options }
 *
 * Pure: files are read by folder.ts, and written by the command.
 *
 * Does NOT promise: the same behaviour; each option says how it differs.
 */

import type { IpAddress } from "../../transport/wire/address.ts";
import type { LockConfig } from "../../actors/node_config.ts";
import type { LogLevel } from "../../transport/world.ts";

/** A text of the folder. */
export interface CtdbFile {
  /** As people know it. */
  readonly path: string;
  readonly text: string;
}

/** A script of events/legacy or events/notification. */
export interface CtdbScript {
  /** Without folder. */
  readonly file: string;
  /** Undefined: it is enabled. Otherwise why it is not. */
  readonly why: string | undefined;
}

/** What a folder of CTDB holds; undefined: there is none of that. */
export interface CtdbFiles {
  /** Absolute. */
  readonly folder: string;
  readonly conf?: CtdbFile | undefined;
  readonly nodes?: CtdbFile | undefined;
  readonly publicAddresses?: CtdbFile | undefined;
  readonly homeNodes?: CtdbFile | undefined;
  readonly tunables?: CtdbFile | undefined;
  readonly scriptOptions?: CtdbFile | undefined;
  /** Of events/legacy, in their order. */
  readonly scripts: readonly CtdbScript[];
  /** Of events/notification. */
  readonly notifications: readonly CtdbScript[];
  /** notify.sh, when it can be run. */
  readonly notify?: string | undefined;
}

/** What was made of one option. */
export interface OptionRow {
  /** The file, without folder. */
  readonly file: string;
  readonly line: number | undefined;
  readonly option: string;
  readonly value: string | undefined;
  readonly outcome: "taken" | "changed" | "not taken";
  /** Where it went, how it differs, or why not. */
  readonly text: string;
}

/** One command that is to be run. */
export interface CommandRow {
  /** On which machine: an address of its node; undefined: on one of them, it does not matter on which. */
  readonly at: IpAddress | undefined;
  readonly command: string;
  /** What it is for; a phrase. */
  readonly text: string;
}

/** What a plan is made with beside the files. */
export interface PlanWish {
  readonly cluster: string;
  /** The number of the node whose files these are; undefined: by the addresses of this machine. */
  readonly pnn: number | undefined;
  /** Addresses of this machine. */
  readonly own: readonly string[];
  /** The file with the sections, as commands are to name it. */
  readonly sectionsFile: string;
}

/** A plan as it grows. */
export interface Draft {
  readonly wish: PlanWish;
  readonly files: CtdbFiles;
  readonly options: OptionRow[];
  /** Commands that set up nodes, and those that are run when all are there. */
  readonly setup: CommandRow[];
  readonly after: CommandRow[];
  /** The nodes that are to be, by their old numbers. */
  nodes: readonly { readonly pnn: number; readonly name: string; readonly address: IpAddress }[];
  /** The name of the node whose files these are; undefined: it cannot be told. */
  self: string | undefined;
  lock: LockConfig;
  logLevel: LogLevel | undefined;
  /** Are no public addresses to be moved, and so none had? */
  isFailoverOff: boolean;
  /** A bare name in the folder. */
  debugScript: string | undefined;
}

/** The finished plan. */
export interface Plan {
  /** What goes to the end of each node's configuration; empty: nothing. */
  readonly sections: string;
  readonly commands: readonly CommandRow[];
  readonly options: readonly OptionRow[];
  readonly self: string | undefined;
}

/** A text of TOML. */
export function quoted(text: string): string {
  return JSON.stringify(text).replaceAll("\x7f", "\\u007F");
}

/** A word as a shell takes it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** An address with a port. */
export function withPort(address: IpAddress, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
