/** Epochs of a database within one life of its node: names of their files; what programs find in one that is over. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LocalNode } from "../../../actors/storage/local_node.ts";
import {
  isAnyRecordFile,
  isRecordFile,
  recordFilePath,
} from "../../../actors/storage/record_header.ts";
import { FileRecordStore } from "../../../actors/storage/record_store.ts";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import type { CtdbxError } from "../../../transport/wire/errors.ts";
import { type Incarnation, PNN_UNKNOWN, type Version } from "../../../transport/wire/terms.ts";
import { b, copy, FOLDER, NAME, OTHER, PAGE_PATH, PNN, RecordRig } from "./record_rig.ts";

const test = suite("epochs of a record file");

test("an epoch is part of a file's name, and names that end in numbers are told apart", () => {
  const path = recordFilePath(FOLDER, NAME, PNN, 7n as Incarnation, 9n as Version);
  assert.is(path, `${FOLDER}/${NAME}.${PNN}.7.9.tdb`);
  assert.ok(isRecordFile(`${NAME}.${PNN}.7.9.tdb`, NAME, PNN, true));
  assert.ok(isRecordFile(`${NAME}.${PNN}.6.1.tdb.new`, NAME, PNN, true));
  assert.not(isRecordFile(`${NAME}.${PNN}.7.9.tdb`, NAME, PNN));
  assert.not(isRecordFile(`${NAME}.${PNN}.7.tdb`, NAME, PNN, true));
  // A database whose name is `${NAME}.${PNN}`.
  assert.not(isRecordFile(`${NAME}.${PNN}.${PNN}.7.9.tdb`, NAME, PNN, true));
  assert.ok(isAnyRecordFile("x.0.1.2.tdb"));
  assert.ok(isAnyRecordFile("x.0.1.2.tdb.new"));
  for (const name of ["x.tdb", "x.1.2.tdb", "x.0.1.2.tdb.old", "0.1.2.tdb"]) {
    assert.not(isAnyRecordFile(name), name);
  }
});

test("in a file that is over programs find nothing, whatever they have mapped, and it has no name", async () => {
  const rig = new RecordRig(97);
  rig.store.put("key", copy("value"));
  rig.store.put("other", copy("value"));
  const client = await rig.client();
  const hold = await client.fetchLock(b("other"), { timeoutMs: 100 });
  assert.ok(typeof hold !== "string");
  const path = rig.store.path ?? "";
  const mapped = rig.images.open(path);
  rig.store.end();
  assert.not(rig.images.exists(path));
  assert.is(rig.store.path, undefined);
  for (const wish of [client.read(b("key"), () => {}), client.write(b("key"), b("new"))]) {
    assert.is(wish, "elsewhere");
  }
  assert.is(await client.fetchLock(b("key"), { timeoutMs: 100 }), "elsewhere");
  // A lock of before excludes nobody any more: nothing is stored by it.
  assert.throws(() => hold.store(b("late")), /emptied or detached/);
  assert.is(hold.release(), "done");
  // The same place in the file of the next epoch of this life is free.
  rig.store.renew(1n as Incarnation);
  assert.is(rig.store.get("key"), undefined);
  mapped.close();
});

test("what a lock stored before the file was over may be gone: unknown; what it read is no matter", async () => {
  const rig = new RecordRig(97);
  for (const key of ["a", "b", "c"]) rig.store.put(key, copy("value"));
  const client = await rig.client();
  const hold = async (key: string) => {
    const held = await client.fetchLock(b(key), { timeoutMs: 100 });
    assert.ok(typeof held !== "string");
    return held;
  };
  const [one, two, three] = [await hold("a"), await hold("b"), await hold("c")];
  one.store(b("new"));
  three.store(b("new"));
  rig.lease(0);
  assert.is(three.release(), "unsure");
  rig.lease(10_000);
  rig.store.end();
  assert.is(one.release(), "unknown");
  assert.is(two.release(), "done");
  assert.is(await three.settled(100), false);
});

test("a file that is over is a sound database still", async () => {
  const rig = new RecordRig(97);
  rig.store.put("key", copy("value"));
  const keep = rig.images.open(rig.store.path ?? "");
  const tdb = await openTdb(rig.images, rig.store.path ?? "", { readOnly: true, locking: "none" });
  rig.store.end();
  assert.ok(tdb.fetch(b("key")) !== undefined);
  tdb.close();
  keep.close();
});

test("hashes of keys are those of the file, with a file and without", () => {
  const rig = new RecordRig(97);
  const before = FileRecordStore.hashOf("key \u0000\u00ff");
  rig.store.put("key \u0000\u00ff", copy("value"));
  assert.is(FileRecordStore.hashOf("key \u0000\u00ff"), before);
  rig.store.close();
  assert.is(FileRecordStore.hashOf("key \u0000\u00ff"), before);
  assert.is(FileRecordStore.hashOf(""), 0xdeadbeef);
});

test("the result of a call that came in a message is copied, so that the message can go", () => {
  const { store } = new RecordRig();
  const message = new Uint8Array(64 * 1024).fill(7);
  const origin = { pnn: OTHER, incarnation: 8n as Incarnation };
  const result = message.subarray(10, 14);
  store.put("key", copy("value", { calls: [{ origin, seq: 4, ok: true, result }] }));
  const kept = store.get("key")?.calls[0]?.result;
  assert.equal(kept, new Uint8Array([7, 7, 7, 7]));
  assert.is(kept?.buffer.byteLength, 4);
});

test("a node whose number is not known yet is a node of a moment", () => {
  const rig = new RecordRig();
  const options = { images: rig.images, clock: rig.clock, pagePath: PAGE_PATH, folder: FOLDER };
  rig.page.write({
    ...rig.page.read()!,
    pnn: PNN_UNKNOWN,
  });
  let code = "";
  try {
    LocalNode.open(options);
  } catch (error) {
    code = (error as CtdbxError).code;
  }
  assert.is(code, "busy");
  rig.page.write({ ...rig.page.read()!, pnn: PNN });
  assert.is(LocalNode.open(options).life.pnn, PNN);
});

test.run();
