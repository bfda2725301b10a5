/**
 * The benchmark of records itself, small: libtdb and ours leave equal, valid files behind.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { tool } from "../tools.ts";
import { RECORD_CASES, RECORDS_ENGINE, recordsPeer, rowsOfCase } from "./records.ts";
import type { Case } from "./tdb/cases.ts";
import { makeFolders } from "./tdb/contest.ts";
import { oursHere } from "./tdb/peer.ts";

const test = suite("records benchmark");

test(
  "the cycle gives equal results and files on both sides; the works of ours alone run, too",
  limit(60_000, () => {
    tool("gcc");
    tool("libtdb");
    tool("libc");
    const libtdb = recordsPeer();
    if (typeof libtdb === "string") throw new Error(libtdb);
    const own = oursHere(RECORDS_ENGINE);
    const folders = makeFolders();
    try {
      const [first] = RECORD_CASES;
      assert.ok(first !== undefined);
      const tiny: Case = { ...first, name: "tiny", records: 300, hash: 131, ops: 500, warm: 0 };
      const [row, ...others] = rowsOfCase(tiny, 2, [libtdb, own], folders);
      assert.equal(others, []);
      assert.is(row?.title, "client: lock, read, write, unlock");
      assert.ok(row?.sides[own.name]?.ratio !== undefined);
      const alone = rowsOfCase({ ...tiny, works: ["read", "put"] }, 1, [own], folders);
      assert.is(alone.length, 2);
    } finally {
      folders.remove();
    }
  }),
);

test.run();
