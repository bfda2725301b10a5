/**
 * Times of operations, what a workload finds, and limits for what might never end.
 *
 *   times.add(ms) ... times.figure({...}) -> rate, p50, p99, p99.9, hash of the result
 *
 * All samples are kept: percentiles are exact.
 *
 * Does NOT promise: a clock finer than the runtime's; short operations are timed in batches.
 */

import { createHash } from "node:crypto";
import { clearTimeout, setTimeout } from "node:timers";

/** Full: for real; small: some hundred milliseconds each, to see that it works. */
export type Scale = "full" | "small";

/** What one workload found. */
export interface Figure {
  readonly workload: string;
  /** Which of several, and of what. */
  readonly what: string;
  /** Whose figures, and who the client was. */
  readonly world: string;
  readonly client: string;
  /** What is counted, for instance "laps". */
  readonly unit: string;
  readonly count: number;
  readonly seconds: number;
  /** Units per second. */
  readonly rate: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly mostUs: number;
  /** Of the floor of the same run; undefined: there is none that it can be compared with. */
  readonly toFloor?: number;
  /** Of what must come out the same in each run. */
  readonly hash: string;
  /** More, by name; the unit is in the name. */
  readonly more: Readonly<Record<string, number>>;
}

/** What a workload says of itself; the rest comes from its times. */
export interface Told {
  readonly workload: string;
  readonly what: string;
  readonly client?: string;
  readonly unit: string;
  /** Units; default: as many as there are times. */
  readonly count?: number;
  readonly seconds: number;
  readonly result: unknown;
  readonly more?: Readonly<Record<string, number>>;
}

/** The floor: what bare NATS does on this machine now. */
export interface Floor {
  /** p50 of a request and its answer between two processes. */
  readonly roundTripUs: number;
  /** Messages of 100 bytes from one process to another. */
  readonly oneWayPerSecond: number;
}

/** Times of single operations, ms. */
export class Times {
  #ms = new Float64Array(1024);
  #count = 0;
  #isSorted = false;

  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    if (this.#count === this.#ms.length) {
      const more = new Float64Array(2 * this.#count);
      more.set(this.#ms);
      this.#ms = more;
    }
    this.#ms[this.#count++] = ms;
    this.#isSorted = false;
  }

  /**
   * A time of an operation that should have begun each `everyMs`. When one takes longer, those that could not begin
   * meanwhile are added with the times they would have had.
   */
  addPaced(ms: number, everyMs: number): void {
    this.add(ms);
    for (let late = ms - everyMs; late > everyMs; late -= everyMs) this.add(late);
  }

  /** The time that `part` (0 to 1) of the operations do not exceed, us. NaN: there are none. */
  us(part: number): number {
    if (!this.#isSorted) {
      this.#ms.subarray(0, this.#count).sort();
      this.#isSorted = true;
    }
    const at = Math.min(this.#count - 1, Math.max(0, Math.ceil(part * this.#count) - 1));
    return 1000 * (this.#ms[at] ?? NaN);
  }

  /** What the table shows. */
  figure(world: { name: string; about: string }, told: Told): Figure {
    const { workload, what, unit, seconds, more = {}, count = this.#count } = told;
    return {
      workload,
      what,
      world: world.name,
      client: told.client ?? world.about,
      unit,
      count,
      seconds,
      rate: count / seconds,
      p50Us: this.us(0.5),
      p99Us: this.us(0.99),
      p999Us: this.us(0.999),
      mostUs: this.us(1),
      hash: hashOf(told.result),
      more,
    };
  }
}

/** Hash of a result: 16 digits. bigint are written in decimal, bytes in hex. */
export function hashOf(result: unknown): string {
  const text = result instanceof Uint8Array ? result : JSON.stringify(
    result,
    (_key, value: unknown) => typeof value === "bigint" ? String(value) : value,
  );
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** Something took longer than it may. */
export class LateError extends Error {
  constructor(what: string, limitMs: number) {
    super(`Cannot finish ${what}: not done after ${limitMs} ms`);
    this.name = "LateError";
  }
}

/** Waits for at most `limitMs`. Throws a LateError with `what`. */
export async function within<T>(limitMs: number, what: string, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new LateError(what, limitMs));
    }, limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Throws when a result is not what it must be: such a run does not count. */
export function mustBe(what: string, found: unknown, wanted: unknown): void {
  if (found === wanted) return;
  throw new Error(`The run does not count: ${what} is ${String(found)}, not ${String(wanted)}`);
}
