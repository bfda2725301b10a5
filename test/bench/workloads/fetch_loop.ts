/**
 * Fetch loop: one client of one node locks, reads, changes and unlocks records that live there.
 *
 * Keys are drawn beforehand and laid out in the order of use; what is timed is batches of BATCH cycles. Where the
 * system's own clients are faster than this runtime's (libtdb in C), they run the same keys, too.
 *
 * A cycle that cannot be done at once is waited for like any; `later` says how many there were, if any and if known.
 *
 * Does NOT promise: the time of a single cycle; a percentile is that of the mean of a batch.
 */

import { Dice, KEY_BYTES } from "../tdb/stream.ts";
import { adding, counterOf } from "./counter.ts";
import { hashOf, mustBe, type Scale, Times } from "./measure.ts";
import type { Run, Workload } from "./workload.ts";
import type { RecordTable } from "./world.ts";

const BATCH = 32;
const VALUE_BYTES = 100;
const NODE = 0;
/** Records that the cycles are drawn from, and cycles. */
const SIZES: Readonly<Record<Scale, readonly (readonly [records: number, cycles: number])[]>> = {
  full: [[1, 1_000_000], [10_000, 1_000_000], [1_000_000, 1_000_000]],
  small: [[1, 6400], [200, 6400]],
};

/** Keys in the order of use. */
function drawn(keys: Uint8Array, cycles: number): Uint8Array {
  const dice = new Dice();
  const records = keys.length / KEY_BYTES;
  const order = new Uint8Array(cycles * KEY_BYTES);
  for (let at = 0; at < order.length; at += KEY_BYTES) {
    const from = KEY_BYTES * dice.draw(records);
    order.set(keys.subarray(from, from + KEY_BYTES), at);
  }
  return order;
}

async function loop(
  table: RecordTable,
  order: Uint8Array,
  times: Times,
): Promise<{ readonly seconds: number; readonly later: number }> {
  const words = new Uint32Array(order.buffer);
  const keyWords = new Uint32Array(KEY_BYTES / 4);
  const key = new Uint8Array(keyWords.buffer);
  const change = adding(1, VALUE_BYTES);
  let laterCount = 0;
  const startMs = performance.now();
  for (let at = 0; at < words.length;) {
    const beforeMs = performance.now();
    const end = Math.min(words.length, at + 4 * BATCH);
    for (; at < end; at += 4) {
      keyWords[0] = words[at] as number;
      keyWords[1] = words[at + 1] as number;
      keyWords[2] = words[at + 2] as number;
      keyWords[3] = words[at + 3] as number;
      const later = table.update(key, change);
      if (later === undefined) continue;
      laterCount += 1;
      await later;
    }
    times.add((performance.now() - beforeMs) / BATCH);
  }
  return { seconds: (performance.now() - startMs) / 1000, later: laterCount };
}

/** Clients that do nothing at once are no news. */
function laters(later: number, cycles: number): Readonly<Record<string, number>> {
  return later === 0 || later === cycles ? {} : { later };
}

/** Sum and hash of all counters, in the order of the keys. */
async function counters(
  table: RecordTable,
  keys: Uint8Array,
): Promise<{ sum: number; hash: string }> {
  const found = new Float64Array(keys.length / KEY_BYTES);
  let sum = 0;
  for (let index = 0; index < found.length; index++) {
    const key = keys.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES);
    const count = counterOf(await table.read(key));
    found[index] = count;
    sum += count;
  }
  return { sum, hash: hashOf(new Uint8Array(found.buffer)) };
}

async function one(
  { world, name, tell }: Run,
  records: number,
  cycles: number,
): Promise<void> {
  const keys = await world.fill(name, NODE, records, VALUE_BYTES);
  const order = drawn(keys, cycles);
  const client = await world.client(NODE);
  const table = await client.attach(name);
  const told = { workload: "fetch-loop", what: `${records} records`, unit: "cycles" };
  // Once for the compilers.
  await loop(table, order.slice(0, Math.min(order.length, 20_000 * KEY_BYTES)), new Times());
  const warm = (await counters(table, keys)).sum;
  const times = new Times();
  const { seconds, later } = await loop(table, order, times);
  const after = await counters(table, keys);
  mustBe("the sum of all counters", after.sum, warm + cycles);
  tell(
    times.figure(world, {
      ...told,
      count: cycles,
      seconds,
      result: after.hash,
      more: laters(later, cycles),
    }),
  );
  if (world.native !== undefined) {
    const nativeTimes = new Times();
    let laterNative = 0;
    const ns = await world.native.run(NODE, name, order, BATCH, () => void laterNative++);
    let totalNs = 0;
    for (const each of ns) {
      totalNs += each;
      nativeTimes.add(each / BATCH / 1e6);
    }
    const last = await counters(table, keys);
    mustBe("the sum of all counters", last.sum, after.sum + cycles);
    tell(nativeTimes.figure(world, {
      ...told,
      client: world.native.client,
      count: cycles,
      seconds: totalNs / 1e9,
      result: last.hash,
      more: laters(laterNative, cycles),
    }));
  }
  client.close();
}

/** See the head. */
export const FETCH_LOOP: Workload = {
  name: "fetch-loop",
  about: "lock, read, write, unlock records of the own node, one client",
  limitMs: { full: 400_000, small: 8000 },
  floor: "round trip",
  async run(run) {
    for (const [records, cycles] of SIZES[run.scale]) {
      await run.world.wipe(run.name);
      await one(run, records, cycles);
    }
  },
};
