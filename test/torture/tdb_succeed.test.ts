/**
 * A store that must move its record, looked at after each word it writes: a process that dies there leaves the old
 * value or the new one, never both, and a delete afterwards leaves neither.
 *
 *   file -> traced store, a copy of the file at each word -> each copy opened by the engine: fetch, delete, fetch
 *
 * Does NOT promise: the order in which words reach the disk; for that there are transactions.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { check } from "../../actors/storage/tdb_check.ts";
import { openTdb, type TdbOptions } from "../../actors/storage/tdb_open.ts";
import { ANSWER, KEY_AT, MODE, VALUE_AT } from "../../assembly/host/tdb_kernels.ts";
import { DB, FLAG } from "../../assembly/host/tdb_kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import { SimImageStore } from "../../transport/sim/image.ts";
import { putFile } from "../actors/storage/vector_files.ts";
import { limit } from "../limit.ts";
import { Rig } from "../assembly/tdb_rig.ts";
import { tracedKernels } from "../assembly/trace.ts";

const test = suite("assembly/tdb_chain: a record that moves");
const LIVE = 0x26011999;
const DEAD = 0xfee1dead;
const HEAD = 172;
const memory = threadMemory();
const b = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const value = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);
const KEYS = ["one", "two", "three", "four", "five"];
const OLD = value(20, 1);
const NEW = value(90, 2);

/** A way for a record to move. */
interface Plan {
  readonly name: string;
  readonly options: TdbOptions;
  /** Records to delete before, which leave dead records or free ones. */
  readonly deleted?: readonly string[];
  /** Length of a record in the middle of the chain, directly before "two", deleted before. */
  readonly middle?: number;
  /** More records, every other one deleted: free records. */
  readonly fragments?: number;
  /** Another process's traverse stands on the old record. */
  readonly held?: boolean;
}

const PLANS: readonly Plan[] = [
  { name: "free space is taken, the old record is freed", options: {} },
  { name: "the old record is held by a traverse", options: {}, held: true },
  { name: "big-endian", options: { byteOrder: "big" } },
  { name: "the free list is indexed", options: {}, fragments: 120 },
  { name: "a dead record is reused", options: { maxDead: 4 }, deleted: ["large 0"] },
  { name: "dead records are kept, none is large enough", options: { maxDead: 4 } },
  { name: "dead ones behind it are trimmed", options: { maxDead: 4 }, deleted: ["six", "seven"] },
  { name: "a dead one before it is trimmed", options: { maxDead: 4 }, middle: 3 },
  { name: "the dead one before it is reused", options: { maxDead: 4 }, middle: 150 },
];

/** One chain with everything in it; room for more behind. */
async function fileOf(plan: Plan): Promise<Uint8Array> {
  const { deleted = [], fragments = 0, middle, options } = plan;
  const store = new SimImageStore({ seed: 1 });
  const base = await openTdb(store, "base", { ...options, maxDead: 0, create: true, hashSize: 1 });
  base.store(b("room"), value(3000, 7));
  base.delete(b("room"));
  const length = (key: string): number => key.startsWith("large") ? 150 : 3;
  for (const key of deleted) base.store(b(key), value(length(key), 9));
  for (const key of KEYS) {
    base.store(b(key), OLD);
    if (key === "two" && middle !== undefined) base.store(b("middle"), value(middle, 8));
  }
  for (let i = 0; i < fragments; i++) base.store(b(`fragment ${i}`), value(20 + i, 5));
  for (let i = 0; i < fragments; i += 2) base.delete(b(`fragment ${i}`));
  base.close();
  const tdb = await openTdb(store, "base", options);
  for (const key of deleted) tdb.delete(b(key));
  if (middle !== undefined) tdb.delete(b("middle"));
  const { address, mapped } = tdb.core.image;
  const file = memory.bytes.slice(address, address + mapped);
  tdb.close();
  return file;
}

/** Every record's offset by its key, as far as the chain leads. */
function chain(rig: Rig): { key: string; off: number; magic: number }[] {
  const found = [];
  for (let off = rig.word(HEAD); off !== 0; off = rig.word(off)) {
    const at = rig.base + off + 24;
    const key = new TextDecoder().decode(memory.bytes.slice(at, at + rig.word(off + 8)));
    found.push({ key, off, magic: rig.word(off + 20) });
  }
  return found;
}

/** What stands in the file before each word that the store writes, and at its end. */
async function moments(plan: Plan, file: Uint8Array, key: string): Promise<Uint8Array[]> {
  const rig = new Rig(file, plan.held === true ? FLAG.probe : 0);
  try {
    const copy = (): Uint8Array => memory.bytes.slice(rig.base, rig.base + rig.size);
    const copies: Uint8Array[] = [];
    const store = (address: number): void => {
      if (address >= rig.base && address < rig.base + rig.size) copies.push(copy());
    };
    const old = chain(rig).find((record) => record.key === key && record.magic === LIVE)?.off ?? 0;
    const probe = (offset: number): number => offset === old ? 0 : 1;
    const kernels = await tracedKernels({ load: () => undefined, store }, { probe });
    if (plan.options.maxDead !== undefined) rig.set(DB.maxDead, plan.options.maxDead);
    memory.bytes.set(b(key), KEY_AT);
    memory.bytes.set(NEW, VALUE_AT);
    const hash = kernels.tdbHash(rig.db, KEY_AT, key.length);
    const answer = kernels.tdbPlace(rig.db, KEY_AT, key.length, VALUE_AT, NEW.length, MODE.replace);
    assert.is(answer, ANSWER.done, `hash ${hash}`);
    copies.push(copy());
    wantOldOne(rig, plan, key, old);
    return copies;
  } finally {
    rig.close();
  }
}

/** The old record: dead behind the new one where it is held or kept, else in no chain. */
function wantOldOne(rig: Rig, plan: Plan, key: string, old: number): void {
  const records = chain(rig);
  const at = records.findIndex(({ off }) => off === old);
  const stays = plan.held === true || plan.options.maxDead !== undefined;
  assert.is(at >= 0, stays, `${plan.name}: old record in the chain`);
  if (!stays) return;
  assert.is(records[at]?.magic, DEAD);
  assert.is(records[at - 1]?.key, key, "the new one is directly before it");
  assert.is(records[at - 1]?.magic, LIVE);
}

for (const plan of PLANS) {
  test.either(
    `old or new after each word, and gone when deleted: ${plan.name}`,
    limit(120_000, async () => {
      const file = await fileOf(plan);
      for (const key of KEYS) {
        const copies = await moments(plan, file, key);
        assert.ok(copies.length > 20, `${copies.length} words`);
        let switched = 0;
        for (const [index, bytes] of copies.entries()) {
          const isNew = await wantOneValue(plan, bytes, key);
          if (index > 0 && isNew !== switched > 0) {
            assert.is(switched++, 0, "back to the old value");
          }
        }
        assert.is(switched, 1, "the last copy has the new value");
        await wantSound(plan, copies.at(-1)!);
      }
    }),
  );
}

/** Opens what a dead process left. Answers whether the new value is there; then deletes the key. */
async function wantOneValue(plan: Plan, bytes: Uint8Array, key: string): Promise<boolean> {
  const store = new SimImageStore({ seed: 1 });
  putFile(store, "left", bytes);
  const tdb = await openTdb(store, "left", { maxDead: plan.options.maxDead ?? 0 });
  try {
    const found = tdb.fetch(b(key));
    const isNew = found?.length === NEW.length;
    assert.equal(found, isNew ? NEW : OLD);
    for (const other of KEYS) if (other !== key) assert.equal(tdb.fetch(b(other)), OLD, other);
    let copies = 0;
    await tdb.traverse((record) => {
      if (new TextDecoder().decode(record.key()) === key) copies++;
    });
    assert.is(copies, 1, "one record of the key");
    assert.ok(tdb.delete(b(key)));
    assert.is(tdb.fetch(b(key)), undefined, "deleted is deleted");
    return isNew;
  } finally {
    tdb.close();
  }
}

async function wantSound(plan: Plan, bytes: Uint8Array): Promise<void> {
  const store = new SimImageStore({ seed: 1 });
  putFile(store, "left", bytes);
  const tdb = await openTdb(store, "left", {});
  const report = await check(tdb);
  assert.equal(report.problems.map(({ text }) => text), [], plan.name);
  tdb.close();
}

test.either("a delete takes every record of the key, should a file have two", async () => {
  for (const maxDead of [0, 3]) {
    const store = new SimImageStore({ seed: 1 });
    putFile(store, "twins", await fileOf({ name: "", options: {} }));
    const tdb = await openTdb(store, "twins", { maxDead });
    const { core } = tdb;
    // Renamed in place, "four" becomes a second and a third record of another key.
    const places: number[] = [];
    for (let off = core.word(HEAD); off !== 0; off = core.word(off)) places.push(off);
    const first = places[1]!;
    for (const off of [places[2]!, places[4]!]) {
      const at = core.base + off;
      memory.bytes.copyWithin(at + 8, core.base + first + 8, core.base + first + 44);
    }
    const key = tdb.core.memory.bytes.slice(
      core.base + first + 24,
      core.base + first + 24 + core.word(first + 8),
    );
    assert.ok((await check(tdb)).problems.some(({ kind }) => kind === "duplicate"));
    assert.ok(tdb.delete(key));
    assert.is(tdb.fetch(key), undefined, "no older value comes back");
    assert.is(tdb.delete(key), false);
    const report = await check(tdb);
    assert.equal(report.problems.map(({ text }) => text), []);
    tdb.close();
  }
});

test.run();
