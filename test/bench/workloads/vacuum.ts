/**
 * Vacuum: many records are deleted and cleared away while others are in use at a steady rate.
 *
 *   | load alone | deletions, PER_TURN each millisecond ... | until the last is cleared away at all nodes |
 *     idle p99     load p99 while the vacuum works
 *
 * The load is LOAD operations per second over many keys, each at its node; one in ten is done by another node, so the
 * record moves. Where the process itself was late, the operations that could not begin count as late (addPaced).
 *
 * Where they are not all cleared in CLEAR_MS, the figure is that of what was: `clearedPart` says how many.
 *
 * Does NOT promise: that a deleted key is looked for more than once: they are expected to go in any order, and each
 * is waited for.
 */

import { clearInterval, setInterval } from "node:timers";
import { setTimeout as sleep } from "node:timers/promises";
import { KEY_BYTES } from "../tdb/stream.ts";
import { adding, counterOf } from "./counter.ts";
import { type Figure, mustBe, type Scale, Times } from "./measure.ts";
import type { Workload } from "./workload.ts";
import type { RecordClient, RecordTable, RecordWorld } from "./world.ts";

const DELETIONS: Readonly<Record<Scale, number>> = { full: 100_000, small: 300 };
/** How long the clearing is watched, ms. */
const CLEAR_MS: Readonly<Record<Scale, number>> = { full: 120_000, small: 15_000 };
const IDLE_MS: Readonly<Record<Scale, number>> = { full: 10_000, small: 500 };
/** Operations per second. */
const LOAD = 1000;
const LOAD_KEYS: Readonly<Record<Scale, number>> = { full: 600, small: 60 };
/** Of so many rounds over the keys, each key is done in one by another node than its own. */
const MOVES_EACH = 10;
/** Deleted per millisecond. */
const PER_TURN = 10;
/** Deleted keys looked at per look. */
const LOOKS = 500;
const LOOK_EVERY_MS = 5;
const VALUE_BYTES = 100;

/** A steady load. */
class Load {
  times = new Times();
  readonly #tables: readonly RecordTable[];
  readonly #keys: readonly Uint8Array[];
  readonly #change = adding(1);
  readonly #pending = new Set<Promise<void>>();
  #done = 0;
  #count = 0;
  #error: unknown;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(tables: readonly RecordTable[], keyCount: number) {
    this.#tables = tables;
    const encoder = new TextEncoder();
    this.#keys = Array.from({ length: keyCount }, (_, index) => encoder.encode(`load ${index}`));
  }

  start(): void {
    const startMs = performance.now();
    this.#timer = setInterval(() => {
      const due = Math.floor((performance.now() - startMs) * LOAD / 1000);
      try {
        while (this.#count < due) this.#one(this.#count++);
      } catch (error) {
        this.#error ??= error;
        this.halt();
      }
    }, 1000 / LOAD);
  }

  #one(index: number): void {
    const at = index % this.#keys.length;
    const round = Math.floor(index / this.#keys.length);
    const moves = (index + round) % MOVES_EACH === 0 ? 1 : 0;
    const table = this.#tables[(at + moves) % this.#tables.length];
    const key = this.#keys[at];
    if (table === undefined || key === undefined) return;
    const beforeMs = performance.now();
    const done = (): void => {
      this.times.addPaced(performance.now() - beforeMs, 1000 / LOAD);
      this.#done += 1;
    };
    const later = table.update(key, this.#change);
    if (later === undefined) return done();
    const pending: Promise<void> = later.then(done, (error) => {
      this.#error ??= error;
    }).then(() => void this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  /** The times so far; then they are counted anew. */
  take(): Times {
    const { times } = this;
    this.times = new Times();
    return times;
  }

  /** Nothing more is begun. */
  halt(): void {
    clearInterval(this.#timer);
  }

  /** Ends it; all that was acknowledged must be in the counters. */
  async stop(): Promise<void> {
    this.halt();
    await Promise.all(this.#pending);
    if (this.#error !== undefined) throw new Error("Cannot load", { cause: this.#error });
    let sum = 0;
    for (const key of this.#keys) sum += counterOf(await this.#tables[0]?.read(key));
    mustBe("the sum of the load's counters", sum, this.#done);
  }
}

interface Part {
  readonly table: RecordTable;
  readonly keys: readonly Uint8Array[];
}

async function fill(
  world: RecordWorld,
  name: string,
  clients: readonly RecordClient[],
  count: number,
): Promise<Part[]> {
  const parts: Part[] = [];
  for (const client of clients) {
    const part = Math.floor(count / clients.length);
    const bytes = await world.fill(name, client.pnn, part, VALUE_BYTES);
    const keys = Array.from(
      { length: part },
      (_, index) => bytes.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES),
    );
    parts.push({ table: await client.attach(name), keys });
  }
  return parts;
}

async function deleteAll(parts: readonly Part[]): Promise<void> {
  const most = Math.max(...parts.map(({ keys }) => keys.length));
  let turn = 0;
  for (let index = 0; index < most; index++) {
    for (const { table, keys } of parts) {
      const key = keys[index];
      const later = key === undefined ? undefined : table.delete(key);
      if (later !== undefined) await later;
    }
    turn += parts.length;
    if (turn < PER_TURN) continue;
    turn = 0;
    await sleep(1);
  }
}

/** Waits until none of the keys is kept anywhere, or the time is over; how many are not. */
async function untilCleared(
  parts: readonly Part[],
  untilMs: number,
  signal: AbortSignal,
): Promise<number> {
  let cleared = 0;
  for (const { keys } of parts) {
    for (let at = 0; at < keys.length;) {
      const end = Math.min(keys.length, at + LOOKS);
      const before = at;
      while (at < end && !parts.some(({ table }) => table.isKept(keys[at] as Uint8Array))) at += 1;
      cleared += at - before;
      if (performance.now() >= untilMs) return cleared;
      await sleep(LOOK_EVERY_MS, undefined, { signal });
    }
  }
  return cleared;
}

/** See the head. */
export const VACUUM: Workload = {
  name: "vacuum",
  about: "deleted records are cleared away under a steady load; times are the load's",
  limitMs: { full: 300_000, small: 20_000 },
  floor: "round trip",
  async run({ world, scale, name, tell, signal }) {
    if (scale === "small") await world.hurryVacuum(1);
    const clients = await Promise.all(
      Array.from({ length: world.nodes }, (_, pnn) => world.client(pnn)),
    );
    const parts = await fill(world, name, clients, DELETIONS[scale]);
    const load = new Load(parts.map(({ table }) => table), LOAD_KEYS[scale]);
    signal.addEventListener("abort", () => load.halt());
    try {
      const { before, ...found } = await measure(world, parts, load, scale, signal);
      mustBe("the epoch: a vacuum elects nobody and recovers nothing", await world.epoch(), before);
      const left = await parts[0]?.table.traverse(() => {});
      mustBe("the number of records", left, LOAD_KEYS[scale]);
      for (const client of clients) client.close();
      tell(figureOf(world, found, left));
    } finally {
      load.halt();
    }
  },
};

interface Measured {
  readonly idle: Times;
  readonly busy: Times;
  readonly count: number;
  readonly cleared: number;
  readonly deletedMs: number;
  readonly clearedMs: number;
}

/** The load alone, then with deletions and the vacuum. */
async function measure(
  world: RecordWorld,
  parts: readonly Part[],
  load: Load,
  scale: Scale,
  signal: AbortSignal,
): Promise<Measured & { readonly before: string }> {
  load.start();
  await sleep(IDLE_MS[scale] / 2, undefined, { signal });
  load.take();
  await sleep(IDLE_MS[scale], undefined, { signal });
  const idle = load.take();
  const before = await world.epoch();
  const startMs = performance.now();
  await deleteAll(parts);
  const deletedMs = performance.now() - startMs;
  const cleared = await untilCleared(parts, startMs + CLEAR_MS[scale], signal);
  const clearedMs = performance.now() - startMs;
  const busy = load.take();
  await load.stop();
  const count = parts.reduce((sum, { keys }) => sum + keys.length, 0);
  return { idle, busy, count, cleared, deletedMs, clearedMs, before };
}

function figureOf(world: RecordWorld, found: Measured, left: number | undefined): Figure {
  const { idle, busy, count, cleared, deletedMs, clearedMs } = found;
  return busy.figure(world, {
    workload: "vacuum",
    what: `${count} deletions under ${LOAD} operations/s; times of those`,
    unit: "deletions",
    count: cleared,
    seconds: clearedMs / 1000,
    result: left,
    more: {
      idleP50Us: idle.us(0.5),
      idleP99Us: idle.us(0.99),
      p99ToIdle: busy.us(0.99) / idle.us(0.99),
      deletedMs,
      clearedMs,
      clearedPart: cleared / count,
    },
  });
}
