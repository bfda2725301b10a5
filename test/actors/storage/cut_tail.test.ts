/**
 * What a dead transaction had written behind the file's old end, between the recovery and the mending: neither its
 * first words nor its last one may be taken for a record's.
 *
 *   commit that grows the file, killed at step n -> recovery, killed at its step m -> the bytes, as they lie there
 *
 * A reader of the plain format that makes the file longer looks at the last word for a free left neighbour.
 *
 * Does NOT promise: the contents; transaction_crash.test.ts looks at them.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import { threadMemory } from "../../../assembly/host/memory.ts";
import { SimCrash, SimImageStore } from "../../../transport/sim/image.ts";
import { putFile } from "./vector_files.ts";

const test = suite("TDB recovery: the tail");
const PATH = "tail.tdb";
const RECOVERY = 0xf53bc0e7;
const STEPS_MAX = 400;
const b = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The file as it lies there. */
function bytesOf(store: SimImageStore): DataView {
  const image = store.open(PATH);
  const copy = threadMemory().bytes.slice(image.address, image.address + image.mapped);
  image.close();
  return new DataView(copy.buffer);
}

const wordAt = (file: DataView, at: number): number => file.getUint32(at, true);

/** Is there a transaction to be taken back? */
function isPending(file: DataView): boolean {
  const area = wordAt(file, 44);
  return area !== 0 && wordAt(file, area + 20) === RECOVERY;
}

/** A commit that makes the file longer, killed at its n-th step. Undefined: it got through. */
async function killed(n: number): Promise<{ store: SimImageStore; oldSize: number } | undefined> {
  const store = new SimImageStore({ seed: n });
  const tdb = await openTdb(store, PATH, { create: true, hashSize: 3, areaMin: 16 * 1024 });
  await tdb.transaction(() => tdb.store(b("base"), new Uint8Array(100)));
  const oldSize = tdb.size;
  try {
    await tdb.begin();
    for (let i = 0; i < 20; i++) tdb.store(b(`key ${i}`), new Uint8Array(1000).fill(0x77));
    store.failAt(n, "crash");
    await tdb.commit();
    return undefined;
  } catch (error) {
    assert.instance(error, SimCrash);
    store.reboot("process");
    return { store, oldSize };
  }
}

/** Recovers with the m-th step killed; answers the bytes then, undefined when it got through. */
async function recovered(file: DataView, m: number): Promise<DataView | undefined> {
  const store = new SimImageStore({ seed: m });
  putFile(store, PATH, new Uint8Array(file.buffer));
  store.failAt(m, "crash");
  try {
    (await openTdb(store, PATH)).close();
    return undefined;
  } catch (error) {
    assert.instance(error, SimCrash);
    store.reboot("process");
    return bytesOf(store);
  }
}

test("after the recovery the file ends in a zero word, and zeros stand where the old end was", async () => {
  let seen = 0;
  for (let n = 1; n <= STEPS_MAX; n++) {
    const left = await killed(n);
    if (left === undefined) {
      assert.ok(seen > 0, "no recovery was seen");
      return;
    }
    const before = bytesOf(left.store);
    const last = before.byteLength - 4;
    // Those whose last block was written: a tailer stands at the end.
    if (!isPending(before) || last < left.oldSize || wordAt(before, last) === 0) continue;
    for (let m = 1; m <= STEPS_MAX; m++) {
      const after = await recovered(before, m);
      if (after === undefined) break;
      if (isPending(after)) continue;
      assert.is(wordAt(after, last), 0, `step ${n}, then ${m}: the last word`);
      for (let at = left.oldSize; at < left.oldSize + 24; at += 4) {
        assert.is(wordAt(after, at), 0, `step ${n}, then ${m}: behind the old end`);
      }
      seen++;
      break;
    }
  }
  throw new Error(`more than ${STEPS_MAX} steps`);
});

test.run();
