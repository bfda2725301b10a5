/**
 * Programs that know records only, at a database with transactions: a call is one, made of what was read, and of the
 * history that it was read in.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommitWork } from "../../../actors/data/commit_work.ts";
import type { OpEnd } from "../../../actors/data/types.ts";
import type { Clock } from "../../../transport/world.ts";
import { CommitFake } from "../client/commit_fake.ts";
import { b, t } from "./data_rig.ts";

const test = suite("records of a database with transactions");
const STANDING: Clock = { nowMs: () => 0, wallMs: () => 0, after: () => () => {} };

test("After a fork a call is done again with what is there now, though the version is the same", async () => {
  const [before, now] = [2n ** 63n + 1n, 2n ** 63n + 2n];
  const fake = new CommitFake();
  fake.lineage = before;
  fake.other("log", "old ");
  fake.before = () => {
    if (fake.lineage === now) return;
    fake.lineage = now;
    fake.write("log", b("new "));
  };
  const work = new CommitWork(fake, STANDING);
  const wish = { what: "call", procedure: "append", args: b("line") } as const;
  const end = await new Promise<OpEnd>((resolve) => work.begin(1, "log", wish, 1000, resolve));
  assert.is(end.what === "answer" ? end.outcome : end.what, "ok");
  assert.is(t(fake.records.get("log")?.value), "new line");
  assert.equal(fake.submitted.map(({ lineage }) => lineage), [before, now]);
  assert.equal(fake.reads, ["local", "latest"]);
});

test.run();
