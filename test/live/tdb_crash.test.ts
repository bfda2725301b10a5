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
import { KILL_KINDS, killLibtdb, killOurs, killUnderOpenHandles } from "./kill_runs.ts";
import { peerProgram, thisRuntime } from "./peer.ts";

/** Of the many steps in the middle of a commit, one in so many; test/long/crash.ts does all. */
const STRIDE = thisRuntime() === "bun" ? 41 : 47;

const crash = suite("TDB: killed in a commit");
for (const kind of KILL_KINDS) {
  crash.either(
    `ours, and libtdb finds before or after: ${kind.name}`,
    limit(120_000, async () => {
      peerProgram();
      await inFolder(async (folder) => {
        const { kills, before } = await killOurs(folder, kind, thisRuntime(), STRIDE);
        assert.ok(kills > 8 && before > 4, `${kills} kills, ${before} times before`);
      });
    }),
  );
  crash.either(
    `libtdb, and ours finds before or after: ${kind.name}`,
    limit(120_000, async () => {
      peerProgram();
      await inFolder(async (folder) => {
        const { kills, before } = await killLibtdb(folder, kind, STRIDE);
        assert.ok(kills > 8 && before > 4, `${kills} kills, ${before} times before`);
      });
    }),
  );
}
for (const first of ["ours", "libtdb"] as const) {
  for (const kind of KILL_KINDS.filter(({ area }) => area === "libtdb")) {
    crash.either(
      `a handle that was open takes the dead commit back: ${first} first, ${kind.name}`,
      () => {
        peerProgram();
        return inFolder(async (folder) => {
          const found = await killUnderOpenHandles(folder, kind, thisRuntime(), first);
          assert.equal(found, ["before", "before", "before", "before"]);
        });
      },
    );
  }
}
crash.run();
