/**
 * Four processes write to one file, three of them are killed again and again: nothing acknowledged
 * is lost.
 *
 * What each does and why: test/live/writers.ts. A minute of it: npm run test:long -- writers.
 *
 * Does NOT promise: the same schedule twice.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { join } from "node:path";
import { inFolder } from "../live/files.ts";
import { peerProgram } from "../live/peer.ts";
import { runWriters } from "../live/writers.ts";
import { limit } from "../limit.ts";

const DURATION_MS = 5000;

const writers = suite("TDB: mixed writers, killed in a loop");
for (const [name, mutex] of [["byte ranges", false], ["mutexes", true]] as const) {
  writers.either(
    `two of ours and two of libtdb lose nothing (${name})`,
    limit(60_000, async () => {
      peerProgram();
      await inFolder(async (folder) => {
        const report = await runWriters(join(folder, "writers.tdb"), DURATION_MS, 7, mutex);
        assert.ok(report.kills > 3, `${report.kills} kills`);
        assert.ok(report.acknowledged > 100, `${report.acknowledged} acknowledged`);
      });
    }),
  );
}
writers.run();
