/** The benchmark of a node that was away (test/bench/commits/catch_up.ts), small: bytes, in virtual time. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { catchUp } from "../../bench/commits/catch_up.ts";

const test = suite("catch-up of a node that was away");

test("a node that missed 1 % gets the entries, or the pages that differ", async () => {
  for (const [way, bytes] of [["log", 300_000], ["pages", 1_000_000]] as const) {
    const { more: { sentBytes = 0, missedBytes = 0 } } = await catchUp(way, bytes);
    assert.is(missedBytes, bytes / 100);
    assert.ok(sentBytes > missedBytes && sentBytes < bytes, `${way}: ${sentBytes} bytes`);
  }
});

test.run();
