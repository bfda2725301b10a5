/**
 * One client of a hot record, a process of its own: adds to it, or reads and adds, for some seconds.
 *
 *   hot_child.ts ADDRESS DATABASE INDEX READS SECONDS      READS: of 100 operations
 *   <- ready   -> ready   <- go   -> {"adds":..,"reads":..,"back":..,"elapsedMs":..,"stride":..,"ms":[..]}
 *
 * A client never sees the counter go back; `back` counts how often it did.
 *
 * Does NOT promise: all times; of many, each `stride`-th is kept.
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { Dice } from "../tdb/stream.ts";
import { counterOf } from "./counter.ts";
import { openWorld } from "./clients.ts";
import type { RecordTable } from "./world.ts";

/** The hot record. */
export const HOT_KEY = new TextEncoder().encode("hot");
/** Times that are kept, at most. */
const KEPT_MAX = 32_768;
/** A loop over local records is left for a turn after so long, ms: answers must be read, too. */
const TURN_MS = 5;

/** What a client has done. */
export interface HotAnswer {
  readonly adds: number;
  readonly reads: number;
  readonly back: number;
  /** From "go" to the end of the last operation, which may be late. */
  readonly elapsedMs: number;
  /** Each so many-th operation was timed. */
  readonly stride: number;
  readonly ms: readonly number[];
}

/** Keeps each stride-th time. */
class Kept {
  ms: number[] = [];
  stride = 1;
  #count = 0;

  add(ms: number): void {
    if (this.#count++ % this.stride !== 0) return;
    this.ms.push(ms);
    if (this.ms.length < KEPT_MAX) return;
    this.ms = this.ms.filter((_, index) => index % 2 === 0);
    this.stride *= 2;
  }
}

async function work(table: RecordTable, dice: Dice, reads: number, ms: number): Promise<HotAnswer> {
  const kept = new Kept();
  const answer = { adds: 0, reads: 0, back: 0 };
  let seen = 0;
  const startMs = performance.now();
  let [nowMs, turnMs] = [startMs, startMs];
  while (nowMs - startMs < ms) {
    const beforeMs = nowMs;
    if (dice.draw(100) < reads) {
      const found = table.read(HOT_KEY);
      const value = counterOf(found instanceof Promise ? await found : found);
      if (value < seen) answer.back += 1;
      seen = value;
      answer.reads += 1;
    } else {
      const later = table.add(HOT_KEY, 1);
      if (later !== undefined) await later;
      answer.adds += 1;
    }
    nowMs = performance.now();
    kept.add(nowMs - beforeMs);
    if (nowMs - turnMs < TURN_MS) continue;
    await new Promise<void>((go) => setImmediate(go));
    turnMs = nowMs = performance.now();
  }
  const elapsedMs = performance.now() - startMs;
  return { ...answer, elapsedMs, stride: kept.stride, ms: kept.ms };
}

async function main([address = "", name = "", index, reads, seconds]: string[]): Promise<void> {
  const client = await openWorld(address);
  const table = await client.attach(name);
  const dice = new Dice();
  for (let draw = 0; draw < 1000 * Number(index); draw++) dice.draw(2);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "ready") console.log("ready");
    if (line !== "go") continue;
    const answer = await work(table, dice, Number(reads), 1000 * Number(seconds));
    console.log(JSON.stringify(answer));
  }
  client.close();
}

if (import.meta.main) await main(process.argv.slice(2));
