/**
 * Every single flipped bit of a small database outside of values is noticed by open or check, or leaves the same
 * dump. What each byte is for is worked out from the file itself; bits of bytes with a meaning must be noticed.
 *
 * One class cannot be noticed by the format's nature: a value's length, within the room of its record. Nothing in
 * the file repeats it (padding may hold anything), so it counts as a part of the value; it is shown here that no
 * other record's dump changes. Block sums of persistent databases find it, as they find flips inside of values.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { threadMemory } from "../../../assembly/host/memory.ts";
import { check } from "../../../actors/storage/tdb_check.ts";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { limit } from "../../limit.ts";
import { putFile, vectorBytes } from "./vector_files.ts";

const test = suite("bit flips");

const LIVE = 0x26011999;
const DEAD = 0xfee1dead;
const FREE = 0xd9fee666;
/** Where header and records lie; behind it are large free records and the recovery area, one byte like the other. */
const NEAR = 8192;
/** The bits of one "silent" byte in so many are flipped behind NEAR. */
const FAR_STRIDE = 1024;

/** What a byte of the file is. "must": a flip is noticed, always. "silent": means nothing to a reader. */
type Class = "must" | "may" | "silent" | "length" | "value";

/** Classes of all bytes. */
function classify(tdb: Tdb): Class[] {
  const { core } = tdb;
  const classes: Class[] = new Array<Class>(core.size).fill("may");
  const set = (from: number, to: number, what: Class): void => void classes.fill(what, from, to);
  set(0, 10, "must"); // magic text
  set(10, 32, "silent");
  set(32, 44, "must"); // version, hash size, hash kind
  set(48, 52, "silent"); // sequence number
  set(52, 60, "must"); // hash magics
  set(60, 168, "silent"); // features of files that say they have some, reserved words
  set(168, core.header.dataStart, "must"); // heads
  for (let at = core.header.dataStart; at < core.size;) {
    const recLen = core.word(at + 4);
    const magic = core.word(at + 20);
    const body = at + 24;
    const end = body + recLen;
    if (magic === LIVE || magic === DEAD) {
      const value = body + core.word(at + 8);
      const padding = value + core.word(at + 12);
      set(at, body, "must");
      set(at + 12, at + 16, magic === LIVE ? "length" : "may");
      set(body, value, "must");
      set(value, padding, "value");
      set(padding, end - 4, "silent");
      set(end - 4, end, "must");
    } else if (magic === FREE) {
      set(at, at + 8, "must");
      set(at + 8, at + 20, "silent");
      set(at + 20, body, "must");
      set(body, end - 4, "silent");
      set(end - 4, end, "must");
    } else {
      assert.is(at, core.recoveryStart, "only the recovery area has another magic");
      set(at, body, "may");
      set(at + 20, body, "must");
      set(body, end, "silent");
    }
    at = end;
  }
  return classes;
}

async function dump(tdb: Tdb): Promise<Map<string, string>> {
  const records = new Map<string, string>();
  const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
  await tdb.traverse((record) => void records.set(text(record.key()), text(record.value())));
  return records;
}

/** The dump of a database that check finds nothing wrong with; undefined when check or the dump noticed. */
async function look(tdb: Tdb): Promise<Map<string, string> | undefined> {
  const report = await check(tdb);
  return report.ok ? await dump(tdb) : undefined;
}

/** Runs `work`; undefined when it ends with an error of ours. */
async function noticing<T>(work: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CtdbxError)) throw error;
    return undefined;
  }
}

/** Are two dumps equal but for the length of one value? */
function differInOneLength(one: Map<string, string>, other: Map<string, string>): boolean {
  if (one.size !== other.size) return false;
  const differing = [...one].filter(([key, value]) => other.get(key) !== value);
  return differing.length === 1 && differing.every(([key, value]) => {
    const found = other.get(key) ?? "-";
    return found.startsWith(value) || value.startsWith(found);
  });
}

/** Noticed and unnoticed flips of each class. */
type Counts = Record<Class, { noticed: number; unnoticed: number }>;

/**
 * Flips the bits of the file "db" in turn, and all of "silent" bytes at multiples of `stride`, behind NEAR of
 * FAR_STRIDE. The header is read at open, so its flips are looked at by a new handle, the others by one that is open;
 * `anew`: every seventh of all flips, by new handles that may write.
 */
async function flipAll(
  store: SimImageStore,
  how: { stride: number; anew: boolean },
): Promise<Counts> {
  const tdb = await openTdb(store, "db", { locking: "none", readOnly: true });
  const original = await look(tdb);
  if (original === undefined) throw new Error("The file is not sound before the flips");
  const classes = classify(tdb);
  const { bytes } = threadMemory();
  const { address, mapped } = tdb.core.image;
  const before = bytes.slice(address, address + mapped);
  const flipped = before.slice();
  const lookAnew = async (): Promise<Map<string, string> | undefined> => {
    putFile(store, "flipped", flipped);
    const readOnly = !how.anew;
    const handle = await openTdb(store, "flipped", { locking: "none", noSync: true, readOnly });
    try {
      return await look(handle);
    } finally {
      handle.close();
    }
  };
  const lookHere = async (offset: number): Promise<Map<string, string> | undefined> => {
    bytes[address + offset] = flipped[offset] as number;
    try {
      return await look(tdb);
    } finally {
      bytes[address + offset] = before[offset] as number;
    }
  };
  const none = () => ({ noticed: 0, unnoticed: 0 });
  const counts = { must: none(), may: none(), silent: none(), length: none(), value: none() };
  for (const [offset, what] of classes.entries()) {
    const stride = offset < NEAR ? how.stride : FAR_STRIDE;
    if (what === "value" || (what === "silent" && offset % stride !== 0)) continue;
    for (let bit = 0; bit < 8; bit++) {
      if (how.anew && (8 * offset + bit) % 7 !== 0) continue;
      flipped[offset] = (before[offset] as number) ^ (1 << bit);
      const isHeader = offset < 168 || how.anew;
      const found = await noticing(isHeader ? lookAnew : () => lookHere(offset));
      flipped[offset] = before[offset] as number;
      counts[what][found === undefined ? "noticed" : "unnoticed"]++;
      if (found === undefined) continue;
      const where = `bit ${bit} of the byte at ${offset}, ${what}`;
      if (what === "must") assert.unreachable(`${where}: not noticed`);
      if (what === "length" && differInOneLength(original, found)) continue;
      assert.equal([...found], [...original], where);
    }
  }
  tdb.close();
  return counts;
}

test.either(
  "in a file with live, dead and free records and a recovery area",
  limit(90_000, async () => {
    for (
      const [anew, byteOrder] of [[false, "little"], [true, "little"], [false, "big"]] as const
    ) {
      const store = new SimImageStore({ seed: 1 });
      putFile(store, "db", new Uint8Array(0));
      const made = await openTdb(store, "db", {
        create: true,
        hashSize: 3,
        hash: "old",
        byteOrder,
        maxDead: 3,
        noSync: true,
      });
      const key = (index: number): Uint8Array => new TextEncoder().encode(`key ${index}`);
      for (let index = 0; index < 12; index++) made.store(key(index), new Uint8Array(3 * index));
      await made.transaction(() => made.store(key(5), new Uint8Array(300)));
      for (const index of [1, 4, 6]) made.delete(key(index));
      const { live, dead, free, recoveryBytes } = await check(made);
      assert.ok(
        live === 9 && dead >= 2 && free >= 1 && recoveryBytes > 0,
        `${live} ${dead} ${free}`,
      );
      made.close();
      const counts = await flipAll(store, { stride: 64, anew });
      assert.is(counts.must.unnoticed, 0);
      assert.ok(counts.must.noticed > (anew ? 240 : 8 * 9 * 24), String(counts.must.noticed));
      assert.is(counts.silent.noticed, 0);
      assert.ok(counts.length.noticed > counts.length.unnoticed);
    }
  }),
);

test.either(
  "in libtdb's file of one record",
  limit(60_000, async () => {
    const store = new SimImageStore({ seed: 1 });
    putFile(store, "db", vectorBytes("03-one-record.tdb"));
    const counts = await flipAll(store, { stride: 32, anew: false });
    assert.is(counts.must.unnoticed, 0);
    // Magic text 10, three header words, two hash magics, 132 heads; each record's next, rec_len, magic, tailer;
    // key_len, hash and key of the live one.
    assert.is(counts.must.noticed, 8 * (10 + 12 + 8 + 4 * 132 + 2 * 16 + 8 + 5));
    assert.is(counts.silent.noticed, 0);
    assert.is(counts.length.noticed + counts.length.unnoticed, 32);
  }),
);

test.run();
