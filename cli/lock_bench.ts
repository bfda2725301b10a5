/**
 * What a cluster lock costs: taken and given up over and over, by one program or by many that all want it.
 *
 * Two that are inside at once end the bench: what is measured is also checked.
 *
 * Does NOT promise: turns of the same length for all programs.
 */

import { CtdbxError } from "../transport/wire/errors.ts";
import { type BenchWish, type Measured, type Player, Times } from "./record_bench.ts";

/** Others have a turn of the event loop after so many. */
const TURN_OPS = 512;
const NAME = "bench";

/** All programs want one lock. */
export async function lockLoop(players: readonly Player[], wish: BenchWish): Promise<Measured> {
  const { seconds, clients, onProgress } = wish;
  const times = new Times();
  const startMs = performance.now();
  const endMs = startMs + 1000 * seconds;
  let inside = 0;
  let last = "";
  const loop = async ({ cluster }: Player): Promise<void> => {
    for (let done = 1; performance.now() < endMs; done++) {
      const beganMs = performance.now();
      const lock = await cluster.lock(NAME, { timeoutMs: 60_000 });
      inside += 1;
      const { text } = lock.token;
      if (inside !== 1 || text <= last) {
        const why = inside === 1 ? `token ${text} after ${last}` : `${inside} inside`;
        throw new CtdbxError("corrupt", `Cannot trust the lock ${NAME}: ${why}`);
      }
      last = text;
      inside -= 1;
      await lock.release();
      times.add(1000 * (performance.now() - beganMs));
      if (done % TURN_OPS !== 0) continue;
      onProgress(times.count);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const all = players.flatMap((player) => Array.from({ length: clients }, () => player));
  await Promise.all(all.map(loop));
  return times.measured("locks of one name", (performance.now() - startMs) / 1000);
}
