/** The benchmark of allocation itself, small: all contestants agree, and the plans are the same ones everywhere. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { missingTakeoverHelper } from "../peer/ctdb_takeover.ts";
import { measureAllocation, QUICK } from "./allocation.ts";

const test = suite("benchmark of allocation");

test("all contestants make the same plans, the same on every runtime", async () => {
  const hasPeer = missingTakeoverHelper() === undefined;
  const { rows, digest } = await measureAllocation(QUICK, 1, hasPeer);
  assert.equal(rows.map(({ name, steps }) => `${name}: ${steps}`), [
    "90 on 8, none: 90",
    "90 on 8, dead: 22",
    "90 on 8, back: 11",
    "90 on 8, calm: 0",
  ]);
  assert.ok(rows.every(({ kernelMs, twinMs, plainMs }) => kernelMs > 0 && twinMs > 0 && plainMs));
  assert.is(rows.every(({ peerMs }) => peerMs !== undefined), hasPeer);
  assert.is(digest, "5fae36ddd217c33753d61adbd15fe7af");
});

test.run();
