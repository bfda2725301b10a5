/**
 * A lock of the cluster, taken and given up again and again: by one client, or by one at each node that all want it.
 *
 * Two that are inside at once end the run: what is measured is also checked.
 *
 * Does NOT promise: turns of the same length for all; `leastPart` is the part of who had least.
 */

import { type Figure, mustBe, Times } from "../workloads/measure.ts";
import type { CommitClient, CommitWorld } from "./world.ts";

/** Others have a turn of the event loop after so many. */
const TURN_OPS = 256;
/** Of each client before the clock starts. */
const WARM = 50;

/** `clients`: 1, or as many as there are nodes. */
export async function locks(world: CommitWorld, clients: number, seconds: number): Promise<Figure> {
  const all: CommitClient[] = [];
  try {
    for (let at = 0; at < clients; at++) all.push(await world.client(at % world.nodes));
    const times = new Times();
    const counts = all.map(() => 0);
    let inside = 0;
    const one = (): void => {
      mustBe("the number of holders", inside, 0);
      inside += 1;
      inside -= 1;
    };
    for (const client of all) {
      for (let warm = 0; warm < WARM; warm++) await client.locked(`bench lock ${clients}`, one);
    }
    const startMs = performance.now();
    const endMs = startMs + 1000 * seconds;
    await Promise.all(all.map(async (client, index) => {
      for (let done = 1; performance.now() < endMs; done++) {
        const beganMs = performance.now();
        await client.locked(`bench lock ${clients}`, one);
        times.add(performance.now() - beganMs);
        counts[index] = done;
        if (done % TURN_OPS === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }));
    return times.figure(world, {
      workload: "glock",
      what: clients === 1 ? "1 client" : `${clients} nodes that want it`,
      unit: "locks",
      seconds: (performance.now() - startMs) / 1000,
      result: { clients },
      more: { leastPart: Math.min(...counts) * clients / times.count },
    });
  } finally {
    for (const client of all) await client.close();
  }
}
