/**
 * `ctdbx tdb` for live tests: run in this process with a caught terminal, or as a process of this runtime; and
 * a dump with awkward records.
 *
 * Does NOT promise: parallel runs; a command has the process for itself.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import * as assert from "uvu/assert";
import { run } from "../../cli/run.ts";
import { selfCommand } from "../../cli/self.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import type { CaptureOptions } from "../cli/capture.ts";
import { capture } from "../cli/capture.ts";
import type { Test } from "../suite.ts";
import { tool } from "../tools.ts";

/** Text to bytes. */
export const UTF8 = new TextEncoder();

/** What the tests of a suite share. */
export interface Context {
  folder: string;
  store: RealImageStore;
}

/** What a command did. */
export interface Outcome {
  exit: number;
  out: string;
  err: string;
  bytes: Uint8Array;
}

/** Runs `ctdbx tdb WORDS` in this process. */
export async function tdb(
  { store }: Context,
  words: string[],
  options: CaptureOptions = {},
): Promise<Outcome> {
  const terminal = capture(options);
  const exit = await run(["tdb", ...words], { store, terminal });
  return { exit, out: terminal.outText(), err: terminal.errText(), bytes: terminal.outBytes() };
}

/** The same, demanded to succeed. */
export async function ok(
  context: Context,
  words: string[],
  options?: CaptureOptions,
): Promise<Outcome> {
  const outcome = await tdb(context, words, options);
  assert.is(outcome.exit, 0, outcome.err);
  return outcome;
}

/** A program of the machine; its stdout. */
export function output(name: string, args: string[], input = ""): string {
  const result = spawnSync(tool(name), args, { input, encoding: "latin1" });
  assert.is(result.status, 0, `${name}: ${result.stderr}`);
  return result.stdout;
}

/** A command line without quotes, split at blanks. */
export function words(command: string): string[] {
  return command.split(" ");
}

/** How the command line is started, in the form that test/run.ts has made ready. */
export function program(): [string, string[]] {
  const [first = "", ...options] = selfCommand();
  return [first, options];
}

/** How a file of TypeScript is started on this runtime. */
export function runtime(): string[] {
  return process.execPath.includes("deno") ? [process.execPath, "run", "-A"] : [process.execPath];
}

/** Processes that a suite starts run from sources, for what is peculiar to them: threads in files of their own. */
export function fromSources(test: Pick<Test<object>, "before" | "after">): void {
  let packed: string | undefined;
  test.before(() => {
    packed = process.env["CTDBX_PROGRAM"];
    delete process.env["CTDBX_PROGRAM"];
  });
  test.after(() => {
    if (packed !== undefined) process.env["CTDBX_PROGRAM"] = packed;
  });
}

/** The dump of a database with awkward keys and values, longer and shorter records, and many of them. */
export function sampleDump(records: number): string {
  const every = [...Array(256).keys()];
  const escaped = every.map((byte) => `\\${byte.toString(16).toUpperCase().padStart(2, "0")}`);
  const lines = [
    `{\nkey(256) = "${escaped.join("")}"\ndata(0) = ""\n}\n`,
    `{\nkey(0) = ""\ndata(3) = "\\00\\22\\5C"\n}\n`,
    `{\nkey(2) = "a\\00"\ndata(256) = "${escaped.join("")}"\n}\n`,
  ];
  for (let index = 0; index < records; index += 1) {
    const key = `key/${index}`;
    const value = "v".repeat(index % 50);
    lines.push(`{\nkey(${key.length}) = "${key}"\ndata(${value.length}) = "${value}"\n}\n`);
  }
  return lines.join("");
}

/** The records of a dump, for comparisons that do not mind their order. */
export function sortedRecords(dump: string): string[] {
  return dump.split("{\n").sort();
}

/** Gives a suite its store and a folder that is removed afterwards. */
export function withFolder(test: Test<Context>): void {
  test.before((context) => {
    context.store = new RealImageStore();
    context.folder = mkdtempSync(join(tmpdir(), "ctdbx-cli-"));
  });
  test.after((context) => rmSync(context.folder, { recursive: true, force: true }));
}
