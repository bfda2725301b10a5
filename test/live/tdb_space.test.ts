/**
 * A full disk while the file grows or a transaction commits: the error says so, the file stays
 * good, work goes on.
 *
 * The disk is a small tmpfs where tests run as root; elsewhere these are skipped. The limit of
 * file sizes (RLIMIT_FSIZE) is tried with libtdb as the other user of the file.
 *
 * Does NOT promise: quotas; they give the same error number as a full disk.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { RealImageStore } from "../../transport/real_image.ts";
import { skip } from "../limit.ts";
import { inFolder, tdbtoolCheck } from "./files.ts";
import { Ours } from "./ours.ts";
import { startPeer } from "./peer.ts";
import {
  difference,
  FLAG,
  good,
  hex,
  openIn,
  type OpenWords,
  type Records,
  recordsOf,
} from "./session.ts";

const DISK_BYTES = 1024 * 1024;
const MUTEX = FLAG.MUTEX_LOCKING | FLAG.INCOMPATIBLE_HASH;

/** Runs with a disk of DISK_BYTES mounted in a folder. */
async function onSmallDisk(run: (folder: string) => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) skip("not root: cannot mount a small tmpfs");
  await inFolder(async (folder) => {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    const options = ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", disk];
    const mounted = spawnSync("mount", options, { encoding: "utf8" });
    if (mounted.status !== 0) skip(`cannot mount a tmpfs: ${mounted.stderr.trim()}`);
    try {
      await run(disk);
    } finally {
      spawnSync("umount", ["-l", disk]);
    }
  });
}

/** Stores until the disk is full; returns what was stored. Throws when it never is. */
async function fill(ours: Ours, prefix: string, length: number): Promise<Records> {
  const stored: Records = new Map();
  for (let i = 0; i < 10_000; i++) {
    const [key, value] = [hex(`${prefix} ${i}`), hex(new Uint8Array(length).fill(i))];
    const answer = await ours.ask("store", key, value, 0);
    if (answer === "ok") stored.set(key, value);
    else {
      assert.match(answer, /^err no_space /);
      return stored;
    }
  }
  throw new Error("the disk is never full");
}

async function wantAll(ours: Ours, records: Records, path: string): Promise<void> {
  await good(ours, "check");
  assert.is(difference(await recordsOf(ours), records), "");
  tdbtoolCheck(path);
}

const space = suite("TDB: disk full");
for (const [name, flags] of [["byte ranges", 0], ["mutexes", MUTEX]] as const) {
  space(
    `a store that must grow the file fails with no_space, later ones work again (${name})`,
    () =>
      onSmallDisk(async (disk) => {
        const words: OpenWords = { path: join(disk, "full.tdb"), mode: "c", flags, hashSize: 31 };
        const filler = join(disk, "filler");
        writeFileSync(filler, new Uint8Array(500_000));
        const ours = new Ours(new RealImageStore());
        await openIn(ours, words);
        const stored = await fill(ours, "first", 3000);
        assert.ok(stored.size > 10);
        const sizeBefore = statSync(words.path).size;
        await wantAll(ours, stored, words.path);
        // What needs no new space still works.
        const [key = ""] = stored.keys();
        await good(ours, "store", key, "0102", 0);
        stored.set(key, "0102");
        await wantAll(ours, stored, words.path);
        assert.is(statSync(words.path).size, sizeBefore);
        rmSync(filler);
        for (const [more, value] of await fill(ours, "second", 3000)) stored.set(more, value);
        assert.ok(statSync(words.path).size > sizeBefore);
        await wantAll(ours, stored, words.path);
        const peer = startPeer();
        await openIn(peer, words);
        assert.is(difference(await recordsOf(peer), stored), "");
        await peer.end();
        await good(ours, "close");
      }),
  );

  space(
    `a transaction that does not fit fails with no_space and leaves the old content (${name})`,
    () =>
      onSmallDisk(async (disk) => {
        const words: OpenWords = { path: join(disk, "full.tdb"), mode: "c", flags, hashSize: 31 };
        const filler = join(disk, "filler");
        const ours = new Ours(new RealImageStore());
        await openIn(ours, words);
        const kept: Records = new Map();
        for (let i = 0; i < 20; i++) kept.set(hex(`key ${i}`), "aa".repeat(2000));
        for (const [key, value] of kept) await good(ours, "store", key, value, 0);
        const used = statSync(words.path).size;
        writeFileSync(filler, new Uint8Array(DISK_BYTES - used - 16_384));
        const refused = await tooLarge(ours, kept);
        assert.match(refused, /^err no_space /);
        assert.is(ours.db.inTransaction, false);
        await wantAll(ours, kept, words.path);
        rmSync(filler);
        const changed = new Map(kept);
        for (const key of kept.keys()) changed.set(key, "bb".repeat(5000));
        assert.is(await tooLarge(ours, kept), "ok");
        await wantAll(ours, changed, words.path);
        await good(ours, "close");
      }),
  );
}

/** One transaction that needs some 100 kB more; its answer. */
async function tooLarge(ours: Ours, records: Records): Promise<string> {
  await good(ours, "begin");
  for (const key of records.keys()) {
    const answer = await ours.ask("store", key, "bb".repeat(5000), 0);
    if (answer !== "ok") {
      await ours.ask("cancel");
      return answer;
    }
  }
  const answer = await ours.ask("commit");
  if (answer !== "ok" && ours.db.inTransaction) await good(ours, "cancel");
  return answer;
}

space(
  "libtdb that may not make the file longer does not keep us from doing it",
  () =>
    inFolder(async (folder) => {
      const words: OpenWords = { path: join(folder, "limited.tdb"), mode: "c", hashSize: 7 };
      const peer = startPeer();
      const ours = new Ours(new RealImageStore());
      await openIn(peer, words);
      await openIn(ours, words);
      await good(peer, "store", hex("small"), "01", 0);
      await good(peer, "limit_size", 20_000);
      assert.match(await peer.ask("store", hex("large"), "02".repeat(30_000), 0), /^err /);
      await good(ours, "check");
      await good(ours, "store", hex("large"), "03".repeat(30_000), 0);
      assert.is(await good(peer, "fetch", hex("large")), "03".repeat(30_000));
      await good(ours, "check");
      await good(ours, "close");
      await peer.end();
      tdbtoolCheck(words.path);
    }),
);
space.run();
