/**
 * One operation on a record that is in use at another node, alone on its way.
 *
 *   node 1   changes the record each USE_EVERY_MS ms
 *   node 0   remote-call: adds 1 to it, one addition after the other      remote-read: reads it
 *
 * What a system does about it is its own affair: ask the other node, or bring the record, or a copy. The counter must
 * be the sum of all that was acknowledged, and no read may see it go back. Times are those of operations that had to
 * wait.
 *
 * Does NOT promise: that each operation goes over the network; `herePart` says how many found the record at home.
 */

import { clearInterval, setImmediate, setInterval } from "node:timers";
import { counterOf } from "./counter.ts";
import { mustBe, type Scale, Times } from "./measure.ts";
import type { Run, Workload } from "./workload.ts";
import type { RecordTable } from "./world.ts";

/** Operations that had to wait. */
const WAITED: Readonly<Record<Scale, number>> = { full: 3000, small: 20 };
/** Of those before the clock starts. */
const WARM_PART = 0.1;
/** So many times more operations at the most. */
const HERE_MAX = 1000;
const USE_EVERY_MS = 1;
const KEY = new TextEncoder().encode("remote");

/** Keeps the record in use at its node. */
class Use {
  count = 0;
  readonly #table: RecordTable;
  readonly #timer: ReturnType<typeof setInterval>;
  #pending: Promise<void> | undefined;
  #error: unknown;

  constructor(table: RecordTable) {
    this.#table = table;
    this.#timer = setInterval(() => this.#one(), USE_EVERY_MS);
  }

  #one(): void {
    if (this.#pending !== undefined) return;
    const later = this.#table.add(KEY, 1);
    if (later === undefined) this.count += 1;
    else {
      this.#pending = later.then(() => {
        this.count += 1;
        this.#pending = undefined;
      }, (error) => void (this.#error ??= error));
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#pending;
    if (this.#error !== undefined) throw new Error("Cannot use it", { cause: this.#error });
  }
}

/** What node 0 does once; answers the counter that it saw, or nothing. */
type One = (table: RecordTable) => Promise<number | void> | number | void;

async function remote(
  { world, scale, name, tell }: Run,
  workload: string,
  one: One,
): Promise<void> {
  const near = await world.client(0);
  const far = await world.client(1 % world.nodes);
  const table = await near.attach(name);
  const use = new Use(await far.attach(name));
  const times = new Times();
  const warm = Math.ceil(WAITED[scale] * WARM_PART);
  let [added, seen, back, here, waited] = [0, 0, 0, 0, 0];
  const startMs = performance.now();
  while (waited < WAITED[scale] + warm && here < HERE_MAX * WAITED[scale]) {
    const beforeMs = performance.now();
    const later = one(table);
    const value = later instanceof Promise ? await later : later;
    if (later instanceof Promise) {
      if (waited++ >= warm) times.add(performance.now() - beforeMs);
    } else {
      here += 1;
      // The other client is in this process, too.
      await new Promise<void>((go) => setImmediate(go));
    }
    if (typeof value !== "number") added += 1;
    else if (value < seen) back += 1;
    else seen = value;
  }
  const seconds = (performance.now() - startMs) / 1000;
  await use.stop();
  mustBe("the counter", counterOf(await table.read(KEY)), use.count + added);
  mustBe("times that the counter went back", back, 0);
  near.close();
  far.close();
  tell(times.figure(world, {
    workload,
    what: "a record that another node changes 1000 times a second",
    unit: "operations",
    count: here + waited,
    seconds,
    result: back,
    more: { herePart: here / (here + waited), usedPerSecond: use.count / seconds },
  }));
}

const limitMs = { full: 60_000, small: 60_000 };

/** See the head. */
export const REMOTE_CALL: Workload = {
  name: "remote-call",
  about: "additions to a counter that is in use at another node, one after the other",
  limitMs,
  floor: "round trip",
  run: (run) => remote(run, "remote-call", (table) => table.add(KEY, 1) ?? undefined),
};

/** See the head. */
export const REMOTE_READ: Workload = {
  name: "remote-read",
  about: "reads of a counter that is in use at another node, one after the other",
  limitMs,
  floor: "round trip",
  run: (run) =>
    remote(run, "remote-read", (table) => {
      const found = table.read(KEY);
      return found instanceof Promise ? found.then(counterOf) : counterOf(found);
    }),
};
