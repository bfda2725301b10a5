/**
 * `ctdbx lock test FILE`: may a file of this file system carry the leader lock?
 *
 * Does NOT promise: that other machines see the same locks; run it on all of them at the same time to know.
 */

import { closeSync, existsSync, openSync, statSync, unlinkSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { EXIT } from "../exit_codes.ts";
import { Failure, requireName, systemFailure } from "../failure.ts";
import { runTrialChild } from "../lock_child.ts";
import { lockTrial, type TrialResult } from "../lock_trial.ts";
import type { Column } from "../output.ts";
import { writeObject } from "../output.ts";
import type { CommandWorld, OutputFlags } from "../world.ts";
import { lookOf, outputOptions, whole } from "../world.ts";

interface TestFlags extends OutputFlags {
  readonly processes: number;
  readonly seconds: number;
}

const COLUMNS: readonly Column[] = [
  { name: "path", title: "File" },
  { name: "coherent", title: "Coherent" },
  { name: "locksPerSecond", title: "Locks per second" },
  { name: "processes", title: "Processes" },
  { name: "seconds", title: "Seconds" },
  { name: "added", title: "Added" },
  { name: "counted", title: "Counted" },
  { name: "faults", title: "Faults" },
];

const EXPLAINED = `
The file is made when it is absent, and removed afterwards. To test a file system that machines
share, make the file first and run the command on all of them at the same time, on the same file.
Exit code 8: not coherent.
`;

/** Adds `ctdbx lock` with its commands. */
export function addLockCommands(program: Command, world: CommandWorld): void {
  const lock = program.command("lock").description("the leader lock");
  const test = lock.command("test <file>")
    .description("are record locks of a file system coherent between processes, and how fast?")
    .option("--processes <count>", "how many compete", whole(2, 64), 3)
    .option("--seconds <seconds>", "how long they do", whole(1, 3600), 2)
    .addHelpText("after", EXPLAINED);
  outputOptions(test).action((file: string, flags: TestFlags) => runTest(world, file, flags));
  lock.command("trial-child <file>", { hidden: true })
    .description("a process of `lock test`")
    .action((file: string) => runTrialChild(file));
}

async function runTest(world: CommandWorld, file: string, flags: TestFlags): Promise<void> {
  requireName("Cannot test locks of a file", file);
  const path = resolve(file);
  const { processes, seconds } = flags;
  const isNew = prepare(path);
  let result: TrialResult;
  try {
    result = await lockTrial({ path, processes, seconds });
  } finally {
    if (isNew) unlinkSync(path);
  }
  const { faults, ...numbers } = result;
  writeObject(world.terminal.out, lookOf(world, flags), COLUMNS, {
    path,
    coherent: faults.length === 0,
    processes,
    seconds,
    ...numbers,
    faults: faults.length === 0 ? undefined : faults.join("; "),
  });
  if (faults.length === 0) return;
  throw new Failure(
    EXIT.expectation,
    `Cannot use ${path} for a lock: its locks are not coherent (${faults.join("; ")})`,
    'use the lock "jetstream", or a file system with coherent locks',
  );
}

/** Makes the file when it is absent; tells whether it did. Refuses a file that holds something of others. */
function prepare(path: string): boolean {
  const isNew = !existsSync(path);
  try {
    if (!isNew) {
      const stat = statSync(path);
      // 16 bytes are what a test leaves: the lock's place and the counter.
      if (stat.isFile() && stat.size <= 16) return false;
      const why = stat.isFile() ? "it holds something" : "it is no plain file";
      throw new Failure(EXIT.conflict, `Cannot test locks of ${path}: ${why}`, "name a new file");
    }
    closeSync(openSync(path, "wx", 0o600));
    return true;
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw systemFailure(error, `Cannot test locks of ${path}`);
  }
}
