/**
 * The daemon's store of copies: what is put is got, in a file that names its life; the chain mutex; reading beside a
 * client.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as machine from "../../../actors/machines/record/copy.ts";
import type { RecordStore } from "../../../actors/machines/record/store.ts";
import {
  FILE_FLAG,
  fileFlags,
  MACHINE_FLAG,
  machineFlags,
  recordFilePath,
} from "../../../actors/storage/record_header.ts";
import { RecordSide } from "../../../actors/storage/record_side.ts";
import type { StoredRecord } from "../../../actors/storage/record_store.ts";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import { check } from "../../../actors/storage/tdb_check.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { PNN_UNKNOWN } from "../../../transport/wire/terms.ts";
import type { Generation, Incarnation, Rsn } from "../../../transport/wire/terms.ts";
import { b, copy, FOLDER, NAME, OTHER, PNN, RecordRig } from "./record_rig.ts";

const test = suite("record store");

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CtdbxError) return error.code;
    throw error;
  }
  return "no error";
}

/** The bytes in the file under a key. */
async function raw(rig: RecordRig, key: string): Promise<DataView> {
  const tdb = await openTdb(rig.images, rig.store.path ?? "", { readOnly: true, locking: "none" });
  const value = tdb.fetch(b(key)) ?? new Uint8Array(0);
  tdb.close();
  return new DataView(value.buffer, value.byteOffset, value.length);
}

test("it is the port that the record machine wants, with the machine's own flags", () => {
  const port: RecordStore = new RecordRig().store;
  assert.is(typeof port.tryLock, "function");
  const { FLAG_RO: ro, FLAG_READERS: readers, FLAG_RELEASED: released, FLAG_LOCKED: locked } =
    machine;
  assert.equal({ ...MACHINE_FLAG }, { ro, readers, released, locked });
  for (let flags = 0; flags < 16; flags++) assert.is(machineFlags(fileFlags(flags)), flags);
});

test("what is put is got, all of it", () => {
  const { store } = new RecordRig();
  const stored = copy("value", {
    tid: { gen: 0xfedcba9876543210n as Generation, seq: 0xffffffff },
    birth: { gen: 5n as Generation, seq: 9 },
    rsn: 0xffffffff_00000001n as Rsn,
    calls: [{ origin: { pnn: OTHER, incarnation: 8n as Incarnation }, seq: 4, ok: true }],
    dmaster: OTHER,
    flags: machine.FLAG_RO,
  });
  store.put("key", stored);
  assert.equal(store.get("key"), stored);
  store.put("key", copy("", { flags: machine.FLAG_RELEASED }));
  assert.equal(store.get("key"), copy("", { flags: machine.FLAG_RELEASED }), "calls are gone, too");
  assert.is(store.get("kez"), undefined);
  store.drop("key");
  assert.is(store.get("key"), undefined);
  store.drop("key");
  assert.is(store.size.records, 0);
});

test("keys and values of any bytes and lengths", () => {
  const { store } = new RecordRig();
  const keys = ["", "\u0000", "\u00ff\u0080", "k".repeat(41), "k".repeat(65535)];
  const long = new Uint8Array(3 * 1024 * 1024).fill(7);
  const values = [new Uint8Array(0), b("x"), new Uint8Array(5000).fill(1), long];
  for (const data of values) {
    for (const key of keys) store.put(key, copy("", { data }));
    for (const key of keys) assert.equal(store.get(key)?.data, data, `${key.length}`);
  }
  assert.is(codeOf(() => store.put("k".repeat(65536), copy(""))), "limit");
});

test("the file has CTDB's header, little-endian; a locked or released record names nobody as its dmaster", async () => {
  const rig = new RecordRig();
  rig.store.put("key", copy("value", { rsn: 0x1_00000002n as Rsn, flags: machine.FLAG_READERS }));
  const view = await raw(rig, "key");
  assert.is(view.byteLength, 24 + 5);
  assert.is(view.getBigUint64(0, true), 0x1_00000002n);
  assert.is(view.getUint32(8, true), PNN);
  assert.is(view.getUint32(16, true), FILE_FLAG.readers);
  assert.is(view.getUint32(20, true), 0);
  for (const flags of [machine.FLAG_LOCKED, machine.FLAG_RELEASED]) {
    rig.store.put("key", copy("value", { flags }));
    assert.is((await raw(rig, "key")).getUint32(8, true), PNN_UNKNOWN);
    assert.is(rig.store.get("key")?.dmaster, PNN);
  }
});

test("a record that somebody else wrote, without an entry beside the file, is read", async () => {
  const rig = new RecordRig();
  const other = await openTdb(rig.images, rig.store.path ?? "");
  const value = new DataView(new ArrayBuffer(24 + 2));
  value.setBigUint64(0, 9n, true);
  value.setUint32(8, OTHER, true);
  value.setUint32(12, 77, true);
  other.store(b("theirs"), new Uint8Array(value.buffer));
  other.store(b("short"), new Uint8Array(23));
  const got = rig.store.get("theirs");
  assert.is(got?.rsn, 9n);
  assert.is(got?.dmaster, OTHER);
  assert.equal(got?.tid, { gen: 0n, seq: 0 });
  assert.is(rig.store.get("short"), undefined, "no header, no record");
  rig.store.put("short", copy("now"));
  assert.equal(rig.store.get("short"), copy("now"));
  // An index that belongs to another key is not believed.
  const index = (await raw(rig, "short")).getUint32(12, true);
  value.setUint32(12, index, true);
  other.store(b("theirs"), new Uint8Array(value.buffer));
  assert.equal(rig.store.get("theirs")?.tid, { gen: 0n, seq: 0 });
  rig.store.put("theirs", copy("ours", { tid: { gen: 8n as Generation, seq: 2 } }));
  assert.equal(rig.store.get("short"), copy("now"));
  assert.is(rig.store.get("theirs")?.tid.seq, 2);
  other.close();
});

test("a new life has a new, empty file; those of former lives lose their names, other databases do not", () => {
  const rig = new RecordRig();
  const former = rig.store.path ?? "";
  rig.store.put("key", copy("value"));
  rig.images.open(`${FOLDER}/other.tdb.3.1.tdb`, { create: true }).close();
  rig.images.open(`${FOLDER}/${NAME}.33.1.tdb`, { create: true }).close();
  const mapped = rig.images.open(former);
  rig.life(2n);
  assert.equal(rig.files, ["locking.tdb.3.2.tdb", "locking.tdb.33.1.tdb", "other.tdb.3.1.tdb"]);
  assert.is(rig.store.get("key"), undefined);
  assert.is(rig.store.size.records, 0);
  assert.ok(mapped.size() > 0, "who has it mapped keeps it");
  assert.is(codeOf(() => rig.store.renew(2n as Incarnation)), "exists");
});

test("without a life there is no file; names that no file can have are refused", () => {
  const rig = new RecordRig();
  rig.store.close();
  assert.is(rig.store.get("key"), undefined);
  assert.is(codeOf(() => rig.store.put("key", copy(""))), "state");
  for (const name of ["", ".", "..", "a/b", ".x", "a\u0000b", "ä"]) {
    assert.throws(
      () => recordFilePath(FOLDER, name, PNN, 1n as Incarnation),
      /Cannot use database/,
    );
  }
  assert.is(codeOf(() => recordFilePath(FOLDER, "x".repeat(128), PNN, 1n as Incarnation)), "limit");
});

test("a chain that is given back within microseconds is had by the first try", () => {
  const rig = new RecordRig();
  const open = rig.images.open.bind(rig.images);
  let busy = 0;
  rig.images.open = (path, options) => {
    const image = open(path, options);
    const tryMutex = image.tryMutex.bind(image);
    image.tryMutex = (offset) => busy-- > 0 ? "busy" : tryMutex(offset);
    return image;
  };
  rig.life(2n);
  for (const tries of [1, 20, 50]) {
    busy = tries;
    assert.is(rig.store.tryLock("key"), "had", `${tries}`);
    rig.store.unlock("key");
  }
  busy = 1_000;
  assert.is(rig.store.tryLock("key"), "busy");
});

test("a chain that a client has is busy; nested tries are had; other chains are free", async () => {
  const rig = new RecordRig(97);
  const { store } = rig;
  store.put("key", copy("1"));
  const records = await rig.client();
  const hold = await records.fetchLock(b("key"), { timeoutMs: 0 });
  if (typeof hold === "string") throw new Error(hold);
  assert.is(store.tryLock("key"), "busy");
  assert.is(codeOf(() => store.put("key", copy("2"))), "busy");
  assert.is(store.tryLock("another"), "had");
  assert.is(store.tryLock("another"), "had");
  store.unlock("another");
  assert.is(records.write(b("another"), b("x")), "busy", "once more to unlock");
  store.unlock("another");
  assert.is(codeOf(() => store.unlock("another")), "state");
  assert.is(hold.release(), "done");
  assert.is(store.tryLock("key"), "had");
  store.unlock("key");
});

test("beside a client that has the chain, the copy is read as it is", async () => {
  const rig = new RecordRig(1);
  const { store } = rig;
  const long = new Uint8Array(3 * 1024 * 1024).fill(9);
  store.put("key", copy("1"));
  store.put("long", copy("", { data: long }));
  const records = await rig.client();
  const hold = await records.fetchLock(b("key"), { timeoutMs: 0 });
  if (typeof hold === "string") throw new Error(hold);
  assert.ok(hold.store(b("22")));
  assert.equal(store.get("key"), copy("22", { rsn: 2n as Rsn }));
  assert.equal(store.get("long")?.data, long);
  assert.is(store.get("none"), undefined);
  hold.release();
});

test("a client that died in the mutex is told of once, whoever finds it", async () => {
  const rig = new RecordRig(1);
  const { store } = rig;
  store.put("key", copy("1"));
  for (const looks of [false, true]) {
    const records = await rig.client();
    const opened: ReturnType<typeof rig.images.open>[] = [];
    const open = rig.images.open;
    rig.images.open = (path, options) => {
      const image = open(path, options);
      opened.push(image);
      return image;
    };
    const dying = await rig.client();
    rig.images.open = open;
    assert.is(typeof await dying.fetchLock(b("key"), { timeoutMs: 0 }), "object");
    assert.is(store.tryLock("key"), "busy");
    for (const image of opened) rig.images.kill(image);
    if (looks) assert.equal(store.get("key"), copy("1"));
    assert.is(store.tryLock("key"), "died");
    store.unlock("key");
    assert.is(store.tryLock("key"), "had");
    store.unlock("key");
    assert.is(records.read(b("key"), () => {}), "done");
    records.close();
  }
});

test("entries beside the file are used again, and take 32 bytes", () => {
  const side = new RecordSide();
  const first = side.take(1);
  side.set(first, copy(""));
  const second = side.take(2);
  side.drop(first);
  assert.not(side.has(first, 1));
  assert.ok(side.has(second, 2));
  assert.not(side.has(second, 3));
  assert.not(side.has(-1, 2));
  assert.not(side.has(2, 0));
  assert.is(side.take(3), first);
  assert.is(side.take(4), 2);
  assert.is(side.count, 3);
  for (let index = 3; index < 200_000; index++) assert.is(side.take(index), index);
  assert.ok(side.bytes / side.count < 45, "of which some are not used yet");
});

test("many records come and go, and the file stays sound", async () => {
  const rig = new RecordRig(13);
  const { store } = rig;
  const known = new Map<string, string>();
  let dice = 1;
  for (let step = 0; step < 20_000; step++) {
    dice = (Math.imul(dice, 1103515245) + 12345) >>> 0;
    const key = `key ${(dice >>> 8) % 300}`;
    const kind = dice % 7;
    if (kind === 0) {
      store.drop(key);
      known.delete(key);
    } else {
      const value = "v".repeat((dice >>> 16) % 3000 % (kind === 1 ? 3000 : 90));
      store.put(key, copy(value));
      known.set(key, value);
    }
  }
  for (const [key, value] of known) assert.equal(store.get(key), copy(value), key);
  assert.is(store.size.records, known.size);
  const tdb = await openTdb(rig.images, store.path ?? "");
  const report = await check(tdb, { strict: true });
  assert.equal(report.problems, []);
  tdb.close();
});

test("without space the same value gets another header all the same, and a record can be emptied", () => {
  const rig = new RecordRig();
  const { store, images } = rig;
  let isFull = false;
  const open = images.open.bind(images);
  images.open = (path, options) => {
    const image = open(path, options);
    const extend = image.extend.bind(image);
    image.extend = (size) => {
      if (isFull) throw new CtdbxError("no_space", `Cannot extend ${path}: simulated`);
      extend(size);
    };
    return image;
  };
  rig.life(2n);
  const long = new Uint8Array(1024 * 1024).map((_, at) => at % 251);
  const whole = copy("", { data: long, dmaster: OTHER });
  store.put("key", whole);
  isFull = true;
  let more = 0;
  while (codeOf(() => store.put(`more ${more}`, whole)) === "no error") more += 1;
  assert.is(codeOf(() => store.put("more", whole)), "no_space");
  const changed: StoredRecord = {
    ...whole,
    tid: { gen: 9n as Generation, seq: 3 },
    rsn: 0x1_0000_0005n as Rsn,
    dmaster: PNN,
    flags: machine.FLAG_READERS,
  };
  store.put("key", changed);
  assert.equal(store.get("key"), changed);
  const other = { ...changed, data: long.map((byte) => byte ^ 1) };
  assert.is(codeOf(() => store.put("key", other)), "no_space");
  assert.is(codeOf(() => store.put("key", { ...changed, data: long.slice(1) })), "no_space");
  assert.equal(store.get("key"), changed, "nothing was changed");
  const empty = copy("", { rsn: 9n as Rsn });
  store.put("key", empty);
  assert.equal(store.get("key"), empty);
  store.drop("key");
  assert.is(store.get("key"), undefined);
  store.put("key", other);
  assert.equal(store.get("key"), other, "the room of what was there is used again");
  assert.is(store.size.records, more + 1);
});

test.run();
