/**
 * Processes killed at steps of a commit on real files; the other engine finds the content of
 * before or after.
 *
 * Does NOT promise: every step (test/long/crash.ts does), or power loss, which real files cannot
 * show.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { inFolder } from "./files.ts";
import { KILL_KINDS, killLibtdb, killOurs } from "./kill_runs.ts";
import { peerProgram, thisRuntime } from "./peer.ts";

/** Of the many steps in the middle of a commit, one in so many; test/long/crash.ts does all. */
const STRIDE = thisRuntime() === "bun" ? 31 : 37;

const crash = suite("TDB: killed in a commit");
for (const kind of KILL_KINDS) {
  crash(
    `ours, and libtdb finds before or after: ${kind.name}`,
    limit(60_000, async () => {
      peerProgram();
      await inFolder(async (folder) => {
        const { kills, before } = await killOurs(folder, kind, thisRuntime(), STRIDE);
        assert.ok(kills > 8 && before > 4, `${kills} kills, ${before} times before`);
      });
    }),
  );
  crash(
    `libtdb, and ours finds before or after: ${kind.name}`,
    limit(60_000, async () => {
      peerProgram();
      await inFolder(async (folder) => {
        const { kills, before } = await killLibtdb(folder, kind, STRIDE);
        assert.ok(kills > 8 && before > 4, `${kills} kills, ${before} times before`);
      });
    }),
  );
}
crash.run();
