/**
 * A process dies in a commit while another waits for what it holds: the other finds the old content, whatever
 * it waited for.
 *
 * The death is an image that is closed without a word to its handle: its locks are gone, the magic stays.
 *
 * Does NOT promise: deaths at other moments; see transaction_crash.test.ts.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { check } from "../../../actors/storage/tdb_check.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";

const KEY = new TextEncoder().encode("key");
const OLD = new TextEncoder().encode("old");
const NEW = new TextEncoder().encode("new");

/** What waits, and what it finds. */
const WAITERS: readonly [name: string, wait: (tdb: Tdb) => Promise<Uint8Array | undefined>][] = [
  ["a transaction", (tdb) => tdb.transaction(() => tdb.fetch(KEY))],
  ["a lock on a chain", (tdb) => tdb.withChain(KEY, () => tdb.fetch(KEY))],
  ["a lock on everything", async (tdb) => {
    await tdb.lockAll("read");
    const value = tdb.fetch(KEY);
    tdb.unlockAll();
    return value;
  }],
  ["a traverse", async (tdb) => {
    let value: Uint8Array | undefined;
    await tdb.traverse((record) => void (value = record.value()));
    return value;
  }],
];

const EARLY = new Set(["a transaction", "a lock on a chain"]);

const test = suite("TDB: the holder dies in a commit");
for (const [name, wait] of WAITERS) {
  test(`${name} that waited sees the old content`, async () => {
    const store = new SimImageStore({ seed: 3 });
    const dying = await openTdb(store, "dead.tdb", { create: true, hashSize: 3 });
    dying.store(KEY, OLD);
    await dying.transaction(() => dying.store(new Uint8Array([1]), new Uint8Array(9)));
    dying.delete(new Uint8Array([1]));
    const other = await openTdb(store, "dead.tdb");

    await dying.begin();
    dying.store(KEY, NEW);
    // Those that a transaction keeps out begin to wait before anything tells of a commit.
    const early = EARLY.has(name) ? wait(other) : undefined;
    await dying.prepare();
    const found = early ?? wait(other);
    // Half of the commit: the new bytes are in the file, the magic still says that they do not count.
    const text = new TextDecoder("latin1").decode(
      dying.core.memory.bytes.subarray(other.core.base, other.core.base + 4096),
    );
    const at = text.indexOf("keyold");
    assert.ok(at > 0, "the record is in the file, still old");
    dying.core.memory.bytes.set(NEW, other.core.base + at + KEY.length);
    const area = dying.core.recoveryStart;
    dying.core.image.close();

    assert.equal(await found, OLD);
    assert.is(other.core.word(area + 20), 0, "the magic is off");
    assert.equal((await check(other)).problems, []);
    other.close();
  });
}
test.run();
