/**
 * The index of the free list while it is made, looked at after each word: a process that dies there leaves records
 * that are all there, a list that can be used, and at most the space of the index lost until a repack.
 *
 *   file without index, 60 free records -> traced store makes one -> each copy: check, fetch all, store, repack, check
 *
 * Does NOT promise: the order in which words reach the disk; for that there are transactions.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { check } from "../../actors/storage/tdb_check.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { ANSWER, KEY_AT, MODE, VALUE_AT } from "../../assembly/host/tdb_kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import { SimImageStore } from "../../transport/sim/image.ts";
import { putFile } from "../actors/storage/vector_files.ts";
import { limit } from "../limit.ts";
import { Rig } from "../assembly/tdb_rig.ts";
import { tracedKernels } from "../assembly/trace.ts";

const test = suite("assembly/tdb_settle: an index that is made");
/** The signature in the index's key length, and where that stands in a record. */
const SIGN_KEY = 0xc7db1d01;
const KEY_LEN = 8;
const FREE = 0xd9fee666;
const RECORDS = 120;
const memory = threadMemory();
const b = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const valueOf = (i: number): Uint8Array => new Uint8Array(20 + i).fill(i);

/** Half of the records deleted; the index that this made is one free record among others. */
async function fileWithoutIndex(): Promise<Uint8Array> {
  const store = new SimImageStore({ seed: 1 });
  const tdb = await openTdb(store, "base", { create: true, hashSize: 3 });
  for (let i = 0; i < RECORDS; i++) tdb.store(b(`key ${i}`), valueOf(i));
  for (let i = 0; i < RECORDS; i += 2) tdb.delete(b(`key ${i}`));
  const { header } = tdb;
  const { address, mapped } = tdb.core.image;
  const file = memory.bytes.slice(address, address + mapped);
  tdb.close();
  const view = new DataView(file.buffer);
  let indexes = 0;
  for (let at = 168; at + 24 <= file.length; at += 4) {
    if (view.getUint32(at + KEY_LEN, true) !== SIGN_KEY) continue;
    view.setUint32(at + KEY_LEN, 0, true);
    indexes++;
  }
  assert.is(indexes, 1, "the file had an index");
  // Free space is full of what was there before, but for the tailers.
  for (let at = header.dataStart; at + 28 <= file.length;) {
    const recLen = view.getUint32(at + 4, true);
    if (view.getUint32(at + 20, true) === FREE) file.fill(0x41, at + 24, at + 20 + recLen);
    at += 24 + recLen;
  }
  return file;
}

/** What stands in the file before each word that a store writes which makes an index. */
async function moments(file: Uint8Array): Promise<Uint8Array[]> {
  const rig = new Rig(file, 0);
  try {
    const copies: Uint8Array[] = [];
    const store = (address: number): void => {
      const isFile = address >= rig.base && address < rig.base + rig.size;
      if (isFile) copies.push(memory.bytes.slice(rig.base, rig.base + rig.size));
    };
    const kernels = await tracedKernels({ load: () => undefined, store }, {});
    memory.bytes.set(b("new"), KEY_AT);
    memory.bytes.set(valueOf(50), VALUE_AT);
    const length = valueOf(50).length;
    const answer = kernels.tdbPlace(rig.db, KEY_AT, 3, VALUE_AT, length, MODE.replace);
    assert.is(answer, ANSWER.done);
    copies.push(memory.bytes.slice(rig.base, rig.base + rig.size));
    return copies;
  } finally {
    rig.close();
  }
}

test.either(
  "killed after any word of it: nothing but space is lost, and a repack finds that again",
  limit(120_000, async () => {
    const copies = await moments(await fileWithoutIndex());
    assert.ok(copies.length > 250, `${copies.length} words: the index was made`);
    let cut = 0;
    for (const [word, copy] of copies.entries()) {
      const store = new SimImageStore({ seed: 2 });
      putFile(store, "killed", copy);
      const tdb = await openTdb(store, "killed");
      const { problems } = await check(tdb);
      // "chain": the new record itself, written and not linked yet.
      const allowed = ["freelist", "tailer", "chain"];
      for (const { kind, text } of problems) {
        assert.ok(allowed.includes(kind), `word ${word}: ${kind}: ${text}`);
      }
      // A free run that does not end as it says: one word for each that is joined, carved or laid out.
      if (problems.some(({ kind }) => kind === "tailer")) cut++;
      for (let i = 1; i < RECORDS; i += 2) assert.equal(tdb.fetch(b(`key ${i}`)), valueOf(i));
      for (let i = 0; i < 40; i++) tdb.store(b(`more ${i}`), valueOf(i));
      await tdb.repack();
      assert.equal((await check(tdb)).problems.map((one) => one.text), [], `word ${word}`);
      tdb.close();
    }
    assert.ok(cut <= 30, `${cut} words with a run that cannot be scanned`);
  }),
);

test.run();
