/**
 * What a transaction costs: each program reads and stores a key of its own, again and again.
 *
 * At the end each reads its last value: a bench in which that is not there fails.
 *
 * Does NOT promise: conflicts; `bench glock` shows what contention costs. A comparison with another system is in
 * `npm run bench -- commits`.
 */

import { CtdbxError } from "../transport/wire/errors.ts";
import { type BenchWish, type Measured, type Player, Times } from "./record_bench.ts";

/** Keys of a program, used in turn. */
const KEYS = 16;
/** For all tries of one, ms. */
const TIMEOUT_MS = 60_000;

/** Transactions of one key, by programs at all nodes. */
export async function transactionLoop(
  players: readonly Player[],
  wish: BenchWish,
): Promise<Measured> {
  const { seconds, clients, bytes, onProgress } = wish;
  const times = new Times();
  const startMs = performance.now();
  const endMs = startMs + 1000 * seconds;
  const loop = async ({ cluster, db }: Player, client: number): Promise<void> => {
    const value = new Uint8Array(bytes);
    const keyOf = (at: number): string => `${cluster.pnn}.${client} ${at % KEYS}`;
    let done = 0;
    for (; performance.now() < endMs; done++) {
      const key = keyOf(done);
      value.fill(done & 255);
      const beganMs = performance.now();
      try {
        await db.transaction(async (tx) => {
          await tx.get(key);
          tx.put(key, value);
        }, { timeoutMs: TIMEOUT_MS });
        times.add(1000 * (performance.now() - beganMs));
      } catch (error) {
        if (!(error instanceof CtdbxError) || error.code !== "unknown") throw error;
        times.unknown += 1;
      }
      onProgress(times.count);
    }
    if (done === 0 || times.unknown > 0) return;
    const found = await db.read(keyOf(done - 1));
    if (found?.length === bytes && found[0] === ((done - 1) & 255)) return;
    throw new CtdbxError("corrupt", `Cannot trust ${db.name}: what was committed is not there`);
  };
  const all = players.flatMap((player) =>
    Array.from({ length: clients }, (_, client) => loop(player, client))
  );
  await Promise.all(all);
  return times.measured("transactions of one key", (performance.now() - startMs) / 1000);
}
