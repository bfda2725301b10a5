/**
 * What commands are given, and the options that all of them share.
 *
 * Does NOT promise: that two commands can run in one process at the same time; they share stdin.
 */

import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { Cluster, ConnectOptions } from "../actors/client/types.ts";
import type { ImageStore } from "../transport/image.ts";
import type { Encoding } from "./bytes_text.ts";
import { joined } from "./bytes_text.ts";
import { usage } from "./failure.ts";
import type { Format, Look } from "./output.ts";
import { FORMATS } from "./output.ts";
import type { Terminal } from "./terminal.ts";

/** The world of a command. */
export interface CommandWorld {
  readonly terminal: Terminal;
  readonly store: ImageStore;
  /** How a program reaches a cluster; without: as the library does. */
  readonly connect?: (options: ConnectOptions) => Promise<Cluster>;
}

/** Options of every command that opens a database. */
export interface OpenFlags {
  /** Seconds to wait for a lock. */
  readonly timeout?: number;
  readonly readOnly?: boolean;
  /** Commander's form of --no-lock. */
  readonly lock: boolean;
}

/** Options of commands with formatted output. */
export interface OutputFlags {
  readonly output?: Format;
  readonly color: boolean;
}

/** Options of commands that take keys or values. */
export interface EncodingFlags {
  readonly hex?: boolean;
  readonly base64?: boolean;
  readonly escaped?: boolean;
}

/** The --timeout of a command that opens a database; the options of openOptions() go with it. */
export const LOCK_WAIT = { text: "wait so long for a lock", seconds: 10 } as const;

/** Adds --no-lock; --read-only for commands that only look. */
export function openOptions(command: Command, looksOnly: boolean): Command {
  command.option("--no-lock", "take no locks: only for files that nobody else uses");
  if (looksOnly) {
    command.option(
      "--read-only",
      "open without write access and locks; refuses a pending recovery",
    );
  }
  return command;
}

/** Adds -o and --no-color. */
export function outputOptions(command: Command, more = " of the result"): Command {
  return command
    .addOption(new Option("-o, --output <format>", `form${more}`).choices(FORMATS))
    .option("--no-color", "no colours (the same as NO_COLOR=1)");
}

/** Adds --hex, --base64 and --escaped, of which one may be given. */
export function encodingOptions(command: Command, of: string): Command {
  const names = ["hex", "base64", "escaped"] as const;
  const texts = {
    hex: `${of}: hex digits`,
    base64: `${of}: base64`,
    escaped: `${of}: text with \\HH escapes, as tdbdump shows it`,
  };
  for (const name of names) {
    const others = names.filter((other) => other !== name);
    command.addOption(new Option(`--${name}`, texts[name]).conflicts(others));
  }
  return command;
}

/** The encoding that was chosen. */
export function encodingOf(flags: EncodingFlags): Encoding {
  if (flags.hex) return "hex";
  if (flags.base64) return "base64";
  return flags.escaped ? "escaped" : "text";
}

/** Format and colour of a command's result. */
export function lookOf(world: CommandWorld, flags: OutputFlags): Look {
  return {
    format: flags.output ?? "table",
    color: flags.color && world.terminal.colorAllowed,
  };
}

/** A parser of whole numbers for commander, between `least` and `most`. */
export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Must be a whole number from ${least} to ${most}.`);
  };
}

/** A parser of u64 for commander. */
export function wide(text: string): bigint {
  const value = /^\d{1,20}$/.test(text) ? BigInt(text) : -1n;
  if (value >= 0n && value < 1n << 64n) return value;
  throw new InvalidArgumentError("Must be a whole number from 0 to 18446744073709551615.");
}

/** A parser of seconds for commander: 0 to 86400, with a fraction. */
export function seconds(text: string): number {
  const value = /^\d{1,5}(\.\d{1,9})?$/.test(text) ? Number(text) : NaN;
  if (value <= 86400) return value;
  throw new InvalidArgumentError("Must be seconds, from 0 to 86400, as 10 or 0.5.");
}

/** A turn of the event loop: signals and time-outs are heard only then. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** All of standard input, at most `max` bytes. `what` names it in the error. */
export async function readInput(
  world: CommandWorld,
  max: number,
  what: string,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of world.terminal.input()) {
    size += piece.length;
    if (size > max) throw usage(`Cannot read ${what}: more than ${max} bytes on standard input`);
    pieces.push(piece.slice());
  }
  return joined(pieces);
}
