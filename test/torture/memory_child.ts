/**
 * Opens, checks and rescues files, and says how much memory that took: memory_bound.test.ts runs it.
 *
 *   bun test/torture/memory_child.ts GOOD FILE ...      a line of JSON for each FILE
 *
 * GOOD is a small database: everything is done to it first, so that what the runtime needs for code is not counted.
 * The peak is the system's own (VmHWM), set back before each file where the system allows that.
 *
 * Does NOT promise: a number that is the same twice; runtimes give memory back when they like.
 */

import { readFileSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { check } from "../../actors/storage/tdb_check.ts";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { openTdb, type TdbOptions } from "../../actors/storage/tdb_open.ts";
import { rescue } from "../../actors/storage/tdb_rescue.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";

/** What was done to a file. Sizes are bytes. */
export interface MemoryReport {
  readonly path: string;
  readonly size: number;
  /** Highest resident size while it was worked on, less the resident size before; the worst of all ways. */
  readonly grew: number;
  /** How each step ended: "ok", "problems", or an error's code. */
  readonly steps: readonly string[];
}

const store = new RealImageStore();

/** A size of /proc/self/status, bytes. */
function statusOf(name: "VmRSS" | "VmHWM"): number {
  const text = readFileSync("/proc/self/status", "latin1");
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1];
  if (found === undefined) throw new Error(`/proc/self/status has no ${name}`);
  return Number(found) * 1024;
}

/** Sets the peak back to what is resident now. Where it may not be, the peak of before counts, too. */
function resetPeak(): void {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Only on systems that forbid it: the bound is harder to keep then, not easier.
  }
}

async function step(name: string, work: () => Promise<string> | string): Promise<string> {
  try {
    return `${name}: ${await work()}`;
  } catch (error) {
    if (!(error instanceof CtdbxError)) throw error;
    return `${name}: ${error.code}`;
  }
}

/** Everything that a program might do to a file it knows nothing of. */
async function workOn(path: string, options: TdbOptions): Promise<string[]> {
  const steps: string[] = [];
  const open: Tdb[] = [];
  steps.push(
    await step("open", async () => {
      open.push(await openTdb(store, path, options));
      return "ok";
    }),
  );
  for (const tdb of open) {
    steps.push(await step("check", async () => (await check(tdb)).ok ? "ok" : "problems"));
    steps.push(
      await step("rescue", () => {
        rescue(tdb, () => {});
        return "ok";
      }),
    );
    tdb.close();
  }
  return steps;
}

/** Each way of opening has its own path; the first changes nothing in the file. */
const WAYS: readonly TdbOptions[] = [{ readOnly: true }, {}, { locking: "none" }];

async function main([good = "", ...paths]: string[]): Promise<void> {
  for (const options of WAYS) await workOn(good, options);
  for (const path of paths) {
    const { size } = statSync(path);
    const steps: string[] = [];
    let grew = 0;
    for (const options of WAYS) {
      collect();
      resetPeak();
      const before = statusOf("VmRSS");
      steps.push(...await workOn(path, options));
      grew = Math.max(grew, statusOf("VmHWM") - before);
    }
    const report: MemoryReport = { path, size, grew, steps };
    console.log(JSON.stringify(report));
  }
}

/** What an earlier way of opening left behind is not counted for this one. Deno's V8 does it by itself. */
function collect(): void {
  (globalThis as { Bun?: { gc(force: boolean): void } }).Bun?.gc(true);
}

await main(process.argv.slice(2));
process.exit(0);
