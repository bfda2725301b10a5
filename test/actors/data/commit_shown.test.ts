/**
 * What a node has shown from above its file it does not take back: after a kill its file has less than its log, and a
 * read waits for all that is committed.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ALL, attached, NAME, opsAt, put, read } from "./commit_whole.ts";

const test = suite("what was shown");

test.either("killed within a moment after a commit: the next life shows it, or nothing until it can", async () => {
  const whole = await attached(91);
  const primary = opsAt(whole, 0).look().primary as number;
  const [n = 0, other = 1] = ALL.filter((one) => one !== primary);
  await put(whole, n, "old", "kept");
  await whole.cluster.run(2000);
  await put(whole, n, "key", "shown");
  assert.is((await read(whole, n, "key", "local")).value, "shown");
  const { disk } = whole.shards[n]!.commits[0]!;
  assert.ok(disk!.file.dbseq < disk!.view.dbseq, "its file does not have it yet");
  for (const one of ALL) whole.crash(one);
  // The other one has it, too; the primary stays away.
  await whole.cluster.start(n);
  await whole.cluster.start(other);
  await whole.until(() => whole.shards[n]?.host.database(NAME) !== undefined, 60_000);
  const again = whole.shards[n]!.commits[0]!;
  assert.ok(again.disk!.mayLack(again.machine!.state.replica.applied.seq));
  assert.is((await read(whole, n, "key", "local")).value, "shown");
  assert.is((await read(whole, n, "old", "local")).value, "kept");
});

test.run();
