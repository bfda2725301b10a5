/** Long messages about commits go once while they may be on their way; short ones, and others, at once. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommitPacing, LONG_BYTES, PACE } from "../../../actors/data/commit_pacing.ts";
import type { Submit } from "../../../transport/wire/messages/commit.ts";
import type { Pnn, Version } from "../../../transport/wire/terms.ts";
import { group, put, ZERO } from "../../torture/commit_rig.ts";

const test = suite("pacing of commits");

const [ONE, OTHER] = [1 as Pnn, 2 as Pnn];

function submit(n: number, bytes: number, term = 5n): Submit {
  const writes = [{ key: "k", value: new Uint8Array(bytes) }];
  const base = { kind: "submit", sid: 7n, doneUpTo: 0, reads: [] } as const;
  return { ...base, term: term as Version, n, writes };
}

test("A long transaction goes again only when it has had the time to arrive", () => {
  const pacing = new CommitPacing();
  const bytes = 16 * LONG_BYTES;
  const long = submit(1, bytes);
  const takesMs = bytes / PACE;
  assert.ok(pacing.maySend(ONE, long, 100));
  assert.not(pacing.maySend(ONE, long, 100 + takesMs - 1));
  assert.ok(pacing.maySend(OTHER, long, 101), "another node has not got it");
  assert.ok(pacing.maySend(ONE, submit(2, bytes), 101), "another transaction");
  assert.ok(pacing.maySend(ONE, submit(1, bytes, 6n), 101), "another primary's term");
  assert.ok(pacing.maySend(ONE, long, 101 + takesMs));
  assert.not(pacing.maySend(ONE, long, 102 + takesMs), "it was sent anew");
});

test("Short ones are never held back, and entries are told apart by their chain", () => {
  const pacing = new CommitPacing();
  for (let at = 0; at < 3; at++) assert.ok(pacing.maySend(ONE, submit(1, 100), 100));
  const append = (salt: number) => {
    const entries = [group(ZERO, [[put("k", 2 * LONG_BYTES, salt)]])];
    const about = { term: 5n as Version, lineage: 7n, prevSeq: 0n, prevChain: 0n, commit: 0n };
    return { kind: "append", ...about, entries, readNo: 0 } as const;
  };
  assert.ok(pacing.maySend(ONE, append(1), 100));
  assert.not(pacing.maySend(ONE, append(1), 101));
  assert.ok(pacing.maySend(ONE, append(2), 101));
  assert.ok(pacing.maySend(ONE, { ...append(1), entries: [] }, 101));
});

test("However many there are, few are remembered, and the newest are", () => {
  const pacing = new CommitPacing();
  for (let n = 1; n <= 3000; n++) assert.ok(pacing.maySend(ONE, submit(n, LONG_BYTES), 100));
  assert.not(pacing.maySend(ONE, submit(3000, LONG_BYTES), 101));
  assert.ok(pacing.maySend(ONE, submit(1, LONG_BYTES), 101));
});

test.run();
