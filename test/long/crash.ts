/**
 * A process killed at every single step of a commit: npm run test:long -- crash [--deno]
 *
 * Ours on this runtime (each step of the Image port) and libtdb (each write and sync, through
 * strace), for each kind of file of test/live/kill_runs.ts. The other engine must find the content
 * of before or after, and ours must leave a file that passes both checks.
 *
 * Does NOT promise: power loss; test/actors/storage/transaction_crash.test.ts has that.
 */

import process from "node:process";
import { inFolder } from "../live/files.ts";
import { KILL_KINDS, killLibtdb, killOurs, type KillReport } from "../live/kill_runs.ts";
import { thisRuntime } from "../live/peer.ts";

function print(who: string, kind: string, report: KillReport): void {
  const { kills, before, after, refused } = report;
  console.log(
    `crash, ${who} killed, ${kind}: ${kills} kills, ${before} before, ${after} after; ` +
      `${refused} of the files libtdb recovered fail its own check`,
  );
}

async function main(): Promise<void> {
  for (const kind of KILL_KINDS) {
    const runtime = thisRuntime();
    await inFolder(async (folder) =>
      print(`ours on ${runtime}`, kind.name, await killOurs(folder, kind, runtime, 1))
    );
    await inFolder(async (folder) => print("libtdb", kind.name, await killLibtdb(folder, kind, 1)));
  }
}

await main();
process.exit(0);
