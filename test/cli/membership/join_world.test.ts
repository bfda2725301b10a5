/** What two machines with one invitation ask the leader for. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { joinVerbId } from "../../../cli/membership/join_world.ts";

const test = suite("join_world");
const [INVITE, OTHER] = ["1".repeat(32), "2".repeat(32)];
const [DISK, COPY] = ["a".repeat(32), "b".repeat(32)];

test("a join that is asked for again is the same one; that of another disk, or invitation, is another", () => {
  const id = joinVerbId(INVITE, DISK);
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.is(joinVerbId(INVITE, DISK), id);
  // The leader answers a verb that waits already once for all: the second machine was told that it had joined.
  assert.is.not(joinVerbId(INVITE, COPY), id);
  assert.is.not(joinVerbId(OTHER, DISK), id);
});

test.run();
