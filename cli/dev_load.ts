/**
 * The small workload of `ctdbx dev run`: a program for each node that counts in records, and how long each count took.
 *
 *   own NAME    only its own node counts here: the record stays            shared    all nodes count here: it moves
 *
 * A count is one `update`; then the program rests for a millisecond. What it was told is noted down, to be compared
 * later with what is there.
 *
 * Does NOT promise: as many counts a second as there could be; `ctdbx bench` is for that.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "../actors/client/types.ts";
import { CtdbxError } from "../transport/wire/errors.ts";

/** The record that all nodes count in. */
export const SHARED = "shared";
/** Between two counts, ms. */
const REST_MS = 1;
/** A count that takes longer than this has failed, ms. */
const COUNT_MS = 8000;
/** Latencies that are kept of a counter, the newest. */
const KEPT_MAX = 20_000;

/** The record that only one node counts in. */
export function ownKey(name: string): string {
  return `own ${name}`;
}

/** A counter's value: digits, so that people can read it; no record: 0. Throws "corrupt". */
export function countOf(value: Uint8Array | undefined): number {
  if (value === undefined) return 0;
  const text = new TextDecoder().decode(value);
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new CtdbxError("corrupt", `Cannot read a counter: it is "${text.slice(0, 40)}"`);
}

/** What one program was told about one counter. */
export class Tally {
  readonly key: string;
  /** Counts that were done. */
  done = 0;
  /** Counts of which nobody knows whether they were done. */
  unknown = 0;
  /** Counts that were not done. */
  failed = 0;
  /** The highest value that it was told. */
  highest = 0;
  /** Longest time between two counts that were done, since `mark`, ms. */
  pauseMs = 0;
  /** A value that was told after a higher one: something was undone; undefined: nothing was. */
  undone: string | undefined;
  /** The last reason of a count that was not done. */
  why: string | undefined;
  readonly #tookMs: number[] = [];
  #lastMs: number;

  constructor(key: string, nowMs: number) {
    this.key = key;
    this.#lastMs = nowMs;
  }

  /** Looks for the longest pause from now on. */
  mark(nowMs: number): void {
    this.pauseMs = 0;
    this.#lastMs = nowMs;
  }

  /** A count was done. */
  onDone(value: number, startMs: number, nowMs: number): void {
    this.done++;
    if (value <= this.highest) this.undone ??= `it was ${this.highest}, and then ${value}`;
    this.highest = Math.max(this.highest, value);
    this.#pause(nowMs);
    this.#lastMs = nowMs;
    if (this.#tookMs.length >= KEPT_MAX) this.#tookMs.shift();
    this.#tookMs.push(nowMs - startMs);
  }

  /** A count was not done, or nobody knows. */
  onError(error: unknown): void {
    const isUnknown = error instanceof CtdbxError && error.code === "unknown";
    if (isUnknown) this.unknown++;
    else this.failed++;
    this.why = error instanceof Error ? error.message : String(error);
  }

  /** The pause that goes on now counts, too. */
  end(nowMs: number): void {
    this.#pause(nowMs);
  }

  /** The time that a part of the counts did not exceed, ms; NaN without any. `part`: 0 to 1. */
  quantileMs(part: number): number {
    return quantile(this.#tookMs, part);
  }

  #pause(nowMs: number): void {
    this.pauseMs = Math.max(this.pauseMs, nowMs - this.#lastMs);
  }
}

/** The value that a part of them does not exceed; NaN without any. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN;
}

/** The programs of one node. */
export class Program {
  readonly name: string;
  readonly own: Tally;
  readonly shared: Tally;
  readonly #db: Database;
  readonly #nowMs: () => number;
  readonly #runs: Promise<void>[];
  #isOn = true;

  /** Begins to count. */
  constructor(name: string, db: Database, nowMs: () => number) {
    this.name = name;
    this.#db = db;
    this.#nowMs = nowMs;
    this.own = new Tally(ownKey(name), nowMs());
    this.shared = new Tally(SHARED, nowMs());
    this.#runs = [this.own, this.shared].map((tally) => this.#count(tally));
  }

  /** Ends when the counts that are under way have ended. Never throws. */
  async stop(): Promise<void> {
    this.#isOn = false;
    await Promise.all(this.#runs);
  }

  async #count(tally: Tally): Promise<void> {
    while (this.#isOn) {
      const startMs = this.#nowMs();
      try {
        const more = (value: Uint8Array | undefined) => String(countOf(value) + 1);
        const value = await this.#db.update(tally.key, more, { timeoutMs: COUNT_MS });
        tally.onDone(countOf(value), startMs, this.#nowMs());
      } catch (error) {
        tally.onError(error);
      }
      await sleep(REST_MS);
    }
    tally.end(this.#nowMs());
  }
}
