/**
 * The options that say which node of this machine a command is about.
 *
 * Does NOT promise: that there is such a node; see config.ts and commands/asking.ts.
 */

import { resolve } from "node:path";
import process from "node:process";
import type { Command } from "commander";

/** Which node of this machine. */
export interface HomeFlags {
  readonly home?: string;
  /** The name of a node in /etc/ctdbx. */
  readonly nodeName?: string;
}

/** Adds --home and --node-name. */
export function homeOption(command: Command): Command {
  const home = process.env["CTDBX_HOME"];
  return command
    .option("--home <folder>", "folder of the node, or of a dev cluster (CTDBX_HOME)", home)
    .option("--node-name <name>", "a node of this machine: /etc/ctdbx/NAME.toml");
}

/** The words that name the same node in another process. */
export function homeWords(flags: HomeFlags): string[] {
  if (flags.home !== undefined) return ["--home", resolve(flags.home)];
  return flags.nodeName === undefined ? [] : ["--node-name", flags.nodeName];
}

/** Adds --home of a development cluster. */
export function devOption(command: Command): Command {
  const named = process.env["CTDBX_HOME"];
  return command.option("--home <folder>", "where it is (CTDBX_HOME)", named);
}
