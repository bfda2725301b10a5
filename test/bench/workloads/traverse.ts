/**
 * Traverse: a client of one node visits all records of a database, which live at all nodes in equal parts.
 *
 * Does NOT promise: records that change meanwhile; that is a test, not a benchmark.
 */

import { ContentHash, KEY_BYTES } from "../tdb/stream.ts";
import { mustBe, type Scale, Times } from "./measure.ts";
import type { Workload } from "./workload.ts";
import type { RecordWorld } from "./world.ts";

const RECORDS: Readonly<Record<Scale, number>> = { full: 100_000, small: 900 };
const ROUNDS: Readonly<Record<Scale, number>> = { full: 5, small: 2 };
const VALUE_BYTES = 100;

/** Fills a database with `records` records in equal parts; how many there are then. */
export async function fillAll(world: RecordWorld, name: string, records: number): Promise<number> {
  let count = 0;
  for (let pnn = 0; pnn < world.nodes; pnn++) {
    const part = Math.floor(records / world.nodes);
    count += (await world.fill(name, pnn, part, VALUE_BYTES)).length / KEY_BYTES;
  }
  return count;
}

/** See the head. */
export const TRAVERSE: Workload = {
  name: "traverse",
  about: "all records of all nodes, seen by one client; times per traverse",
  limitMs: { full: 120_000, small: 8000 },
  floor: undefined,
  async run({ world, scale, name, tell }) {
    const count = await fillAll(world, name, RECORDS[scale]);
    const client = await world.client(0);
    const table = await client.attach(name);
    const times = new Times();
    const hashes = new Set<string>();
    let seconds = 0;
    for (let round = 0; round < ROUNDS[scale]; round++) {
      const content = new ContentHash();
      const bytes = new Uint8Array(KEY_BYTES + VALUE_BYTES);
      const startMs = performance.now();
      const found = await table.traverse((key, value) => {
        bytes.set(key);
        bytes.set(value, key.length);
        content.add(bytes, 0, key.length, key.length, value.length);
      });
      times.add(performance.now() - startMs);
      seconds += (performance.now() - startMs) / 1000;
      mustBe("the number of records", found, count);
      hashes.add(content.text);
    }
    mustBe("the number of different contents", hashes.size, 1);
    client.close();
    const what = `${count} records of ${VALUE_BYTES} bytes`;
    const told = { workload: "traverse", what, unit: "records", seconds, result: [...hashes] };
    tell(times.figure(world, { ...told, count: count * ROUNDS[scale] }));
  },
};
