/**
 * The TDB benchmark itself, small: every work runs on libtdb and on our engine, and the files have equal content.
 */

import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tool } from "../tools.ts";
import { limit } from "../limit.ts";
import { tinyCase, TITLES } from "./tdb/cases.ts";
import { hold, makeFolders, runOnce } from "./tdb/contest.ts";
import type { Contestant } from "./tdb/peer.ts";
import { oursHere, peer, start } from "./tdb/peer.ts";
import { ContentHash, Dice, putKey } from "./tdb/stream.ts";
import { rowsOf, spread, table } from "./tdb/table.ts";

const test = suite("tdb benchmark");

/** libtdb's side; skips the test when it cannot be compiled here. */
function libtdb(): Contestant {
  tool("gcc");
  tool("libtdb");
  tool("libc");
  const found = peer();
  if (typeof found === "string") throw new Error(found);
  return found;
}

for (const lock of ["none", "fcntl", "mutex"] as const) {
  test(
    `all works leave equal, valid files behind on both sides, locks: ${lock}`,
    limit(60_000, () => {
      const sides = [libtdb(), oursHere()];
      const folders = makeFolders();
      try {
        const result = hold(tinyCase(lock), 1, sides, sides, folders);
        assert.match(result.content, /^[0-9a-f]{16}$/);
        assert.equal([...result.works.keys()].sort(), [...tinyCase(lock).works].sort());
        for (const [work, found] of result.works) {
          assert.ok(work in TITLES);
          assert.equal([...found.keys()], sides.map(({ name }) => name));
        }
        assert.is(rowsOf(result).length, result.works.size);
        const lines = table(rowsOf(result)).split("\n");
        assert.is(lines.length, result.works.size + 1);
      } finally {
        folders.remove();
      }
      assert.not(existsSync(folders.memory));
    }),
  );
}

test("a file that is no database is not accepted by any judge", () => {
  const folders = makeFolders();
  const file = join(folders.memory, "bad.tdb");
  try {
    writeFileSync(file, new Uint8Array(8192).fill(7));
    for (const judge of [libtdb(), oursHere()]) {
      assert.throws(() => start(judge, { file, work: "verify" }), /Cannot run/);
    }
  } finally {
    rmSync(file);
    folders.remove();
  }
});

test("a contest whose sides leave different contents does not count", () => {
  const side = libtdb();
  const folders = makeFolders();
  try {
    // One more record on one side only: its later arguments win.
    const other: Contestant = { name: "Bun", command: ["/bin/sh", "-c", CHEAT, ...side.command] };
    const one = { ...tinyCase("none"), works: ["insert"] };
    assert.throws(() => hold(one, 1, [side, other], [side], folders), /Bun has/);
  } finally {
    folders.remove();
  }
});

/** Runs the peer with one record more than asked. */
const CHEAT = 'exec "$0" "$@" records=501';

test("the generator gives the known first numbers of xorshift64", () => {
  let state = 88172645463325252n;
  const dice = new Dice();
  for (let count = 0; count < 1000; count++) {
    state ^= (state << 13n) & 0xffffffffffffffffn;
    state ^= state >> 7n;
    state ^= (state << 17n) & 0xffffffffffffffffn;
    assert.is(dice.draw(1_000_000), Number(((state >> 32n) * 1_000_000n) >> 32n));
  }
});

test("a key is the counter and its golden multiple", () => {
  const words = new Uint32Array(4);
  for (const counter of [0, 1, 65535, 65536, 1_234_567, 0xffffffff]) {
    putKey(words, 0, counter);
    const product = (BigInt(counter) * 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn;
    assert.equal([...words], [counter, 0, Number(product & 0xffffffffn), Number(product >> 32n)]);
  }
});

test("the content hash ignores the order of records and notices a changed byte", () => {
  const hashOf = (records: [number, number][]) => {
    const content = new ContentHash();
    for (const [key, value] of records) content.add(Uint8Array.of(key, value), 0, 1, 1, 1);
    return content.text;
  };
  assert.is(hashOf([[1, 2], [3, 4]]), hashOf([[3, 4], [1, 2]]));
  assert.is.not(hashOf([[1, 2], [3, 4]]), hashOf([[1, 4], [3, 2]]));
  assert.is.not(hashOf([[1, 2]]), hashOf([[1, 2], [1, 2]]));
});

test("median and quartiles are interpolated", () => {
  assert.equal(spread([5]), { low: 5, median: 5, high: 5 });
  assert.equal(spread([4, 1, 3, 2]), { low: 1.75, median: 2.5, high: 3.25 });
});

test("a work that does not exist is refused by both sides", () => {
  const folders = makeFolders();
  try {
    for (const side of [libtdb(), oursHere()]) {
      const one = { ...tinyCase("none"), works: ["dance"] };
      assert.throws(() => runOnce(side, [side], one, folders, true), /no such work/);
    }
  } finally {
    folders.remove();
  }
});

test.run();
