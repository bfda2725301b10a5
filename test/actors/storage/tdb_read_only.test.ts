/**
 * Handles that may not change a file: without locks, as libtdb has them, or with the locks that they name.
 *
 * Does NOT promise: what a handle without locks sees while others write; nobody can.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import type { Image } from "../../../transport/image.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";
import { CorruptError, CtdbxError } from "../../../transport/wire/errors.ts";
import { b } from "./record_rig.ts";

const test = suite("read-only handles");
const PATH = "/looked.tdb";
/** OPEN and ACTIVE, as every user of the format takes them. */
const ACTIVE = { start: 4, length: 1 };
const LOCKINGS = ["mutex", "fcntl"] as const;

function code(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof CtdbxError) return error.code;
    throw error;
  }
  return "";
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(() => undefined, (error: unknown) => error);
  return error instanceof CtdbxError ? error.code : String(error);
}

for (const locking of LOCKINGS) {
  test.either(`one that names locks waits for who changes a chain (${locking})`, async () => {
    const store = new SimImageStore({ seed: 1 });
    const writer = await openTdb(store, PATH, { create: true, locking });
    writer.store(b("key"), b("value"));
    const reader = await openTdb(store, PATH, { readOnly: true, locking });
    assert.is(reader.locking, locking);
    assert.equal(reader.fetch(b("key")), b("value"));
    assert.ok(writer.tryLockChain(b("key")));
    assert.is(code(() => reader.exists(b("key"))), "busy");
    writer.unlockChain(b("key"));
    assert.ok(reader.exists(b("key")));
    assert.ok(reader.tryLockChain(b("key"), "read"));
    assert.is(code(() => writer.store(b("key"), b("other"))), "busy");
    reader.unlockChain(b("key"));
    writer.store(b("key"), b("other"));
    assert.equal(reader.fetch(b("key")), b("other"));
    reader.close();
    writer.close();
  });

  test.either(`it changes nothing (${locking})`, async () => {
    const store = new SimImageStore({ seed: 2 });
    assert.is(
      await codeOf(openTdb(store, PATH, { readOnly: true, locking, create: true })),
      "not_found",
    );
    const maker = await openTdb(store, PATH, { create: true, locking });
    maker.store(b("key"), b("value"));
    maker.close();
    const reader = await openTdb(store, PATH, { readOnly: true, locking, clearIfFirst: true });
    assert.is(code(() => reader.store(b("key"), b("other"))), "read_only");
    assert.is(code(() => reader.append(b("key"), b("other"))), "read_only");
    assert.is(code(() => reader.delete(b("key"))), "read_only");
    assert.is(await codeOf(reader.begin()), "read_only");
    assert.is(await codeOf(reader.wipe()), "read_only");
    assert.is(await codeOf(reader.repack()), "read_only");
    assert.equal(reader.fetch(b("key")), b("value"));
    reader.close();
  });

  test.either(`it is there, for who empties a file that nobody has open (${locking})`, async () => {
    const store = new SimImageStore({ seed: 3 });
    const maker = await openTdb(store, PATH, { create: true, locking });
    maker.close();
    const stranger = store.open(PATH);
    const alone = (image: Image): boolean => {
      const isAlone = image.tryLock(ACTIVE, "write");
      if (isAlone) image.unlock(ACTIVE);
      return isAlone;
    };
    assert.ok(alone(stranger));
    const reader = await openTdb(store, PATH, { readOnly: true, locking });
    assert.not.ok(alone(stranger));
    reader.close();
    assert.ok(alone(stranger));
    stranger.close();
  });
}

test.either("one without locks waits for nobody, and says of damage that it may be none", async () => {
  const store = new SimImageStore({ seed: 4 });
  const writer = await openTdb(store, PATH, { create: true, hashSize: 1 });
  writer.store(b("key"), b("value"));
  const reader = await openTdb(store, PATH, { readOnly: true });
  assert.is(reader.locking, "none");
  assert.ok(writer.tryLockChain(b("key")));
  assert.equal(reader.fetch(b("key")), b("value"));
  // Half of what a writer does to a record that it frees.
  const { core } = writer;
  const off = core.word(172);
  core.setWord(off + 20, 0xd9fee666);
  let error: unknown;
  try {
    reader.exists(b("key"));
  } catch (caught) {
    error = caught;
  }
  assert.instance(error, CorruptError);
  assert.match(String(error), /magic wrong at \d+; read without locks/);
  core.setWord(off + 20, 0x26011999);
  writer.unlockChain(b("key"));
  reader.close();
  let sure: unknown;
  core.setWord(off + 20, 0xd9fee666);
  try {
    writer.exists(b("key"));
  } catch (caught) {
    sure = caught;
  }
  assert.match(String(sure), /magic wrong at \d+$/);
  writer.close();
});

test.run();
