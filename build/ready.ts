/**
 * The program that live tests start, made ready for the runtime that runs them.
 *
 *   Bun   a binary as users have it, without a nats-server inside: compiled, it starts in half the time
 *   Deno  a folder of modules (build/folder.ts)
 *
 * Does NOT promise: what is peculiar to sources; tests of that take them (test/live/cli_world.ts, fromSources).
 */

import process from "node:process";
import { BINARY_OPTIONS } from "./binary.ts";
import { folderProgram } from "./folder.ts";
import { keptProgram } from "./kept_program.ts";
import { pack } from "./pack.ts";
import { join } from "node:path";

/** For CTDBX_PROGRAM: what processes of this runtime start. */
export function readyProgram(): string {
  return process.versions["deno"] === undefined ? binaryProgram() : folderProgram();
}

/** The binary of this checkout, made when it is not there. Throws with the bundler's words. */
export function binaryProgram(): string {
  const make = (folder: string) =>
    void pack({ kind: "binary" }, BINARY_OPTIONS, join(folder, "ctdbx"));
  return keptProgram({ main: "ctdbx", make });
}
