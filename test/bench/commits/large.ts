/**
 * One transaction of many keys: all of them, or none.
 *
 * Does NOT promise: a rate; each is done once, in a database of its own, after a transaction of one key.
 */

import { type Figure, mustBe, Times } from "../workloads/measure.ts";
import type { CommitWorld, Kind } from "./world.ts";

/** Bytes of a value. */
const BYTES = 100;

/** Stores so many keys at once. */
export async function large(world: CommitWorld, kind: Kind, count: number): Promise<Figure> {
  const client = await world.client(0);
  try {
    const table = await client.open(`bench_large_${count}.tdb`, kind);
    const value = new Uint8Array(BYTES).fill(7);
    await table.store(["before"], value);
    const keys = Array.from({ length: count }, (_, at) => `key ${at}`);
    const times = new Times();
    const beganMs = performance.now();
    await table.store(keys, value);
    times.add(performance.now() - beganMs);
    for (const key of [keys[0], keys.at(-1)] as string[]) {
      mustBe(`the value of ${key}`, (await table.read(key))?.toHex(), value.toHex());
    }
    return times.figure(world, {
      workload: "large transaction",
      what: `${count} keys, ${kind}`,
      unit: "transactions",
      seconds: times.us(1) / 1e6,
      result: { count, kind },
    });
  } finally {
    await client.close();
  }
}
