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
import { declare, type Task } from "../declare.ts";
import { object, type RowOf } from "../result.ts";
import { flag, int, list, num, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";

interface TestFlags {
  readonly processes: number;
  readonly seconds: number;
}

const TRIAL = object({
  path: text("File", "the file, absolute"),
  coherent: flag("Coherent", "do all processes see the same locks?"),
  locksPerSecond: num("Locks per second", "taken and given back, by all processes together", "1/s"),
  processes: int("Processes", "how many competed"),
  seconds: int("Seconds", "how long they did", "s"),
  added: int("Added", "what the processes say they have added to the counter in the file"),
  counted: int("Counted", "what the counter says; less than added: two had the lock at once"),
  faults: list("Faults", "what was seen, each a sentence", text("Fault", "a sentence")),
}, {
  table: [
    "path",
    "coherent",
    "locksPerSecond",
    "processes",
    "seconds",
    "added",
    "counted",
    { name: "faults", text: ({ faults }) => faults.length === 0 ? undefined : faults.join("; ") },
  ],
});

type Trial = RowOf<typeof TRIAL>;

const EXPLAINED = `
The file is made when it is absent, and removed afterwards. To test a file system that machines
share, make the file first and run the command on all of them at the same time, on the same file.
Exit code 8: not coherent.
`;

/** Adds `ctdbx lock` with its commands, and returns it. */
export function addLockCommands(program: Command, world: CommandWorld): Command {
  const lock = program.command("lock").description("the leader lock");
  const test = lock.command("test <file>")
    .description("are record locks of a file system coherent between processes, and how fast?")
    .option("--processes <count>", "how many compete", whole(2, 64), 3)
    .option("--seconds <seconds>", "how long they do", whole(1, 3600), 2)
    .addHelpText("after", EXPLAINED);
  declare<TestFlags, Trial>(test, world, { result: TRIAL }, runTest);
  lock.command("trial-child <file>", { hidden: true })
    .description("a process of `lock test`")
    .action((file: string) => runTrialChild(file));
  return lock;
}

async function runTest({ flags, out }: Task<TestFlags, Trial>, file = ""): Promise<void> {
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
  const { faults } = result;
  out.object({ path, coherent: faults.length === 0, processes, seconds, ...result });
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
