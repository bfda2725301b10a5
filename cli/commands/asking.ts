/**
 * What the commands share that ask a daemon: which one, and one question with its answer.
 *
 * Does NOT promise: an answer of another node than the one that is asked.
 */

import process from "node:process";
import type { Command } from "commander";
import { RealHost } from "../../transport/real_host.ts";
import type { NodePaths } from "../config.ts";
import { Daemon } from "../control_client.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";

/** How long an answer is waited for, ms. */
const ANSWER_MS = 20_000;

/** Which node of this machine. */
export interface HomeFlags {
  readonly home?: string;
  /** The name of a node in /etc/ctdbx. */
  readonly nodeName?: string;
}

/** Adds --home and --node-name. */
export function homeOption(command: Command): Command {
  return command
    .option("--home <folder>", "folder of the node (CTDBX_HOME)", process.env["CTDBX_HOME"])
    .option("--node-name <name>", "a node of this machine: /etc/ctdbx/NAME.toml");
}

/** One question to a daemon. Throws Failure. */
export async function askOnce(
  paths: NodePaths,
  verb: string,
  args: Readonly<Record<string, unknown>> = {},
): Promise<unknown> {
  const daemon = await Daemon.dial(new RealHost(), paths);
  try {
    return await inTime(daemon.ask(verb, args));
  } finally {
    daemon.close();
  }
}

function inTime<T>(answer: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const seconds = ANSWER_MS / 1000;
    reject(
      new Failure(
        EXIT.unknownOutcome,
        `Cannot tell the outcome: the daemon has not answered for ${seconds} s`,
        "it may hang; `ctdbx daemon stop` ends it",
      ),
    );
  }, ANSWER_MS);
  return Promise.race([answer, promise]).finally(() => clearTimeout(timer));
}
