/**
 * The largest keys and values: one less, the limit, one more; and what libtdb makes of them.
 *
 * Does NOT promise: that libtdb has these limits; records of its own that are larger stay readable
 * (see below).
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { KEY_MAX, VALUE_MAX } from "../../transport/wire/limits.ts";
import { inFolder, tdbtoolCheck } from "./files.ts";
import { Ours } from "./ours.ts";
import { startPeer } from "./peer.ts";
import { good, hex, openIn } from "./session.ts";

const small = new Uint8Array([1, 2, 3]);

async function onTdb(run: (tdb: Tdb, path: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const path = join(folder, "limits.tdb");
    const tdb = await openTdb(new RealImageStore(), path, { create: true, noSync: true });
    await run(tdb, path);
    tdb.close();
    tdbtoolCheck(path);
  });
}

/** Refused with code "limit" and a text that names the limit and both sizes. */
function wantLimit(run: () => unknown, name: string, size: number): void {
  try {
    run();
  } catch (error) {
    assert.instance(error, CtdbxError);
    assert.is((error as CtdbxError).code, "limit");
    assert.match((error as CtdbxError).message, new RegExp(`${size}.*${name}`));
    return;
  }
  throw new Error(`${name}: ${size} was accepted`);
}

function same(found: Uint8Array | undefined, wanted: Uint8Array): void {
  assert.ok(found !== undefined && Buffer.compare(found, wanted) === 0, "other bytes");
}

function pattern(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 7 + (i >>> 8);
  return bytes;
}

const limits = suite("TDB: limits");
limits("keys of KEY_MAX - 1 and KEY_MAX bytes are stored, found and deleted", () =>
  onTdb((tdb) => {
    for (const length of [KEY_MAX - 1, KEY_MAX]) {
      const key = pattern(length);
      tdb.store(key, small);
      same(tdb.fetch(key), small);
      assert.is(tdb.delete(key), true);
      assert.is(tdb.exists(key), false);
    }
    return Promise.resolve();
  }));

limits(
  "a key of KEY_MAX + 1 bytes is refused by every operation, with the limit's name",
  () =>
    onTdb((tdb) => {
      const key = pattern(KEY_MAX + 1);
      const runs = [
        () => tdb.store(key, small),
        () => tdb.append(key, small),
        () => tdb.fetch(key),
        () => tdb.exists(key),
        () => tdb.delete(key),
      ];
      for (const run of runs) wantLimit(run, "KEY_MAX", key.length);
      return Promise.resolve();
    }),
);

limits(
  "values of VALUE_MAX - 1 and VALUE_MAX bytes are stored and found, also by libtdb",
  () =>
    onTdb(async (tdb, path) => {
      for (const length of [VALUE_MAX - 1, VALUE_MAX]) {
        const value = pattern(length);
        tdb.store(small, value);
        same(tdb.fetch(small), value);
      }
      const peer = startPeer();
      await openIn(peer, { path, mode: "w" });
      const word = await good(peer, "fetch", hex(small));
      assert.is(word.length, 2 * VALUE_MAX);
      assert.ok(word === hex(pattern(VALUE_MAX)), "libtdb finds other bytes");
      await peer.end();
    }),
);

limits(
  "a value of VALUE_MAX + 1 bytes is refused, stored or appended, and the old one stays",
  () =>
    onTdb((tdb) => {
      tdb.store(small, pattern(VALUE_MAX));
      wantLimit(() => tdb.store(small, new Uint8Array(VALUE_MAX + 1)), "VALUE_MAX", VALUE_MAX + 1);
      wantLimit(() => tdb.append(small, new Uint8Array(1)), "VALUE_MAX", VALUE_MAX + 1);
      same(tdb.fetch(small), pattern(VALUE_MAX));
      return Promise.resolve();
    }),
);

limits(
  "the same limits hold inside a transaction, which can then go on",
  () =>
    onTdb(async (tdb) => {
      await tdb.begin();
      wantLimit(() => tdb.store(small, new Uint8Array(VALUE_MAX + 1)), "VALUE_MAX", VALUE_MAX + 1);
      wantLimit(() => tdb.store(pattern(KEY_MAX + 1), small), "KEY_MAX", KEY_MAX + 1);
      tdb.store(pattern(KEY_MAX), small);
      await tdb.commit();
      same(tdb.fetch(pattern(KEY_MAX)), small);
    }),
);

limits(
  "a longer key that libtdb stored is passed by, shown and checked",
  () =>
    inFolder(async (folder) => {
      const path = join(folder, "long.tdb");
      const peer = startPeer();
      await openIn(peer, { path, mode: "c", hashSize: 1 });
      const long = hex(pattern(KEY_MAX + 10));
      await good(peer, "store", long, "07", 0);
      await good(peer, "store", hex("short"), "08", 0);
      await peer.end();
      const ours = new Ours(new RealImageStore());
      await openIn(ours, { path, mode: "w" });
      assert.is(await good(ours, "fetch", hex("short")), "08");
      await good(ours, "check");
      const shown = await good(ours, "traverse_read");
      assert.ok(shown.includes(`${long}=07`));
      await good(ours, "close");
    }),
);
limits.run();
