/**
 * Workloads on records and messages of a running cluster, each by programs at one or several nodes.
 *
 *   fetch     each program changes records of its own, over and over          what a change costs that moves nothing
 *   ring      a record goes round the nodes, one change at each               what a move costs
 *   hot       all programs add to one counter; the sum is held against it      what contention costs
 *   messages  a message goes round the nodes                                  what a message costs
 *   traverse  all records once, from all nodes                                what looking at everything costs
 *
 * Does NOT promise: a comparison with another system; `npm run bench` has one in the same run.
 */

import { setImmediate as turn } from "node:timers/promises";
import type { Cluster, Database, Listener } from "../actors/client/types.ts";
import { CtdbxError } from "../transport/wire/errors.ts";

/** A program of the bench: a connection to one node, and the database. */
export interface Player {
  readonly cluster: Cluster;
  readonly db: Database;
}

/** What was measured. */
export interface Measured {
  readonly what: string;
  readonly count: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  /** Operations of which it is not known whether they were done. */
  readonly unknown: number;
}

/** How long, and how much. */
export interface BenchWish {
  readonly seconds: number;
  /** Programs at each node, as loops of one process. */
  readonly clients: number;
  /** Records of a traverse, or of one program's own. */
  readonly records: number;
  /** Bytes of a value or a message. */
  readonly bytes: number;
  readonly onProgress: (done: number) => void;
}

/** Records that are stored at once by one player. */
const AT_ONCE = 64;
/** Work in place is done so often between two turns of the event loop. */
const TURN_OPS = 256;

/** Times of operations; percentiles come from at most 2^20 of them, evenly thinned out. */
export class Times {
  #us: number[] = [];
  #step = 1;
  #seen = 0;
  count = 0;
  unknown = 0;

  add(us: number): void {
    this.count += 1;
    this.#seen += 1;
    if (this.#seen % this.#step !== 0) return;
    this.#us.push(us);
    if (this.#us.length < 1 << 20) return;
    this.#us = this.#us.filter((_, at) => at % 2 === 0);
    this.#step *= 2;
  }

  /** The time that a part of all operations stays below, µs; 0: there was none. */
  at(part: number): number {
    const sorted = [...this.#us].sort((one, other) => one - other);
    return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  }

  measured(what: string, seconds: number): Measured {
    return {
      what,
      count: this.count,
      seconds,
      perSecond: seconds > 0 ? this.count / seconds : 0,
      p50Us: this.at(0.5),
      p99Us: this.at(0.99),
      p999Us: this.at(0.999),
      unknown: this.unknown,
    };
  }
}

/** Counts, and times, one operation; its outcome may be unknown, everything else is an error of the bench. */
async function timed(times: Times, work: () => Promise<unknown>): Promise<void> {
  const startMs = performance.now();
  try {
    await work();
    times.add(1000 * (performance.now() - startMs));
  } catch (error) {
    if (!(error instanceof CtdbxError) || error.code !== "unknown") throw error;
    times.unknown += 1;
  }
}

const keyOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Each program changes records of its own. */
export async function fetchLoop(players: readonly Player[], wish: BenchWish): Promise<Measured> {
  const { seconds, clients, records, bytes, onProgress } = wish;
  const times = new Times();
  const value = new Uint8Array(bytes);
  const all = everyClient(players, clients).map(([player, name]) => ({
    player,
    keys: Array.from({ length: records }, (_, at) => keyOf(`fetch/${name}/${at}`)),
  }));
  let stored = 0;
  await Promise.all(all.map(({ player, keys }) =>
    atOnce(keys, async (key) => {
      await player.db.put(key, value);
      onProgress(++stored);
    })
  ));
  // Only now: what is measured moves nothing.
  const startMs = performance.now();
  const endMs = startMs + 1000 * seconds;
  const loop = async ({ db }: Player, keys: readonly Uint8Array[]): Promise<void> => {
    let done = 0;
    for (let at = 0; done === 0 || performance.now() < endMs; at = (at + 1) % keys.length) {
      const key = keys[at] as Uint8Array;
      const beganMs = performance.now();
      const isDone = changedNow(db, key, value, times);
      if (isDone === true) times.add(1000 * (performance.now() - beganMs));
      else if (isDone === false) await timed(times, () => db.update(key, () => value));
      done += 1;
      if (done % TURN_OPS !== 0) continue;
      onProgress(times.count);
      await turn();
    }
  };
  await Promise.all(all.map(({ player, keys }) => loop(player, keys)));
  return times.measured("changes of own records", (performance.now() - startMs) / 1000);
}

/** A change in place; false: the record is not here just now; undefined: it is not known whether it was done. */
function changedNow(
  db: Database,
  key: Uint8Array,
  value: Uint8Array,
  times: Times,
): boolean | undefined {
  try {
    return db.updateNow(key, ({ bytes, valueOffset, valueLength }) => {
      value[0] = ((valueLength > 0 ? bytes[valueOffset] ?? 0 : 0) + 1) & 255;
      return value;
    });
  } catch (error) {
    if (!(error instanceof CtdbxError) || error.code !== "unknown") throw error;
    times.unknown += 1;
    return undefined;
  }
}

/** Does something about each, several at once. */
async function atOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) await work(items[at] as T);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

function everyClient(players: readonly Player[], clients: number): [Player, string][] {
  return players.flatMap((player) =>
    Array.from({ length: clients }, (_, at): [Player, string] => [
      player,
      `${player.cluster.pnn}.${at}`,
    ])
  );
}

/** A record goes round the nodes: each adds one when it is its turn. */
export async function fetchRing(players: readonly Player[], wish: BenchWish): Promise<Measured> {
  const { seconds, onProgress } = wish;
  const times = new Times();
  const key = keyOf("ring");
  const startMs = performance.now();
  const endMs = startMs + 1000 * seconds;
  // Once at least, however long the first turn takes to come.
  for (let laps = 0; laps === 0 || performance.now() < endMs; laps += 1) {
    const { db } = players[laps % players.length] as Player;
    await timed(times, async () => {
      await db.update(key, (value) => plusOne(value));
    });
    onProgress(times.count);
    // What is done at once is no pause, and a signal wants to be heard.
    if (times.count % TURN_OPS === 0) await turn();
  }
  return times.measured(
    players.length > 1 ? "changes, each at the next node" : "changes at one node",
    (performance.now() - startMs) / 1000,
  );
}

function plusOne(value: Uint8Array | undefined): Uint8Array {
  const next = new Uint8Array(8);
  if (value !== undefined) next.set(value.subarray(0, 8));
  const view = new DataView(next.buffer);
  view.setBigUint64(0, view.getBigUint64(0, true) + 1n, true);
  return next;
}

/** All programs add to one counter. Throws when it does not hold what was added. */
export async function hotCounter(players: readonly Player[], wish: BenchWish): Promise<Measured> {
  const { seconds, clients, onProgress } = wish;
  const times = new Times();
  const key = keyOf("hot");
  const startMs = performance.now();
  const endMs = startMs + 1000 * seconds;
  const loop = async ({ db }: Player): Promise<void> => {
    do {
      await timed(times, () => db.increment(key, 1));
      onProgress(times.count);
    } while (performance.now() < endMs);
  };
  await Promise.all(everyClient(players, clients).map(([player]) => loop(player)));
  const took = (performance.now() - startMs) / 1000;
  const [first] = players;
  const sum = first === undefined ? 0n : await first.db.increment(key, 0);
  if (sum < BigInt(times.count) || sum > BigInt(times.count + times.unknown)) {
    throw new CtdbxError(
      "corrupt",
      `Cannot trust the counter: ${times.count} were added, ${times.unknown} perhaps, it holds ${sum}`,
    );
  }
  return times.measured("additions to one counter", took);
}

/** A message goes round the nodes. */
export async function messageRing(
  players: readonly Player[],
  wish: BenchWish,
  srvid: bigint,
): Promise<Measured> {
  const { seconds, bytes, onProgress } = wish;
  const times = new Times();
  const listeners: Listener[] = [];
  try {
    for (const { cluster } of players) listeners.push(await cluster.listen(srvid));
    const startMs = performance.now();
    const endMs = startMs + 1000 * seconds;
    const data = new Uint8Array(bytes);
    for (let at = 0; times.count === 0 || performance.now() < endMs;) {
      const next = (at + 1) % players.length;
      const beganMs = performance.now();
      (players[at] as Player).cluster.post((players[next] as Player).cluster.pnn, srvid, data);
      await heard(listeners[next] as Listener);
      times.add(1000 * (performance.now() - beganMs));
      onProgress(times.count);
      at = next;
    }
    return times.measured(
      players.length > 1 ? "messages, each to the next node" : "messages at one node",
      (performance.now() - startMs) / 1000,
    );
  } finally {
    await Promise.all(listeners.map((listener) => listener.close()));
  }
}

async function heard(listener: Listener): Promise<void> {
  for (;;) {
    const { done, value } = await listener.next();
    if (done) throw new CtdbxError("state", "Cannot go on: a listener was cut off");
    if (value.type === "message") return;
    if (value.type === "lost") throw new CtdbxError("state", "Cannot go on: a message was lost");
  }
}

/** Fills a database from all nodes, then looks at all records several times. */
export async function traverseAll(
  players: readonly Player[],
  wish: BenchWish,
): Promise<Measured> {
  const { records, bytes, seconds, onProgress } = wish;
  const value = new Uint8Array(bytes).fill(0x78);
  await fill(players, records, value, onProgress);
  const times = new Times();
  const [{ db }] = players as [Player];
  const startMs = performance.now();
  const endMs = startMs + 1000 * seconds;
  let seen = 0;
  do {
    const beganMs = performance.now();
    let found = 0;
    for await (const _ of db.traverse({ prefix: "traverse/", timeoutMs: 600_000 })) found += 1;
    if (found !== records) {
      throw new CtdbxError("corrupt", `Cannot trust the traverse: ${found} of ${records} came`);
    }
    seen += found;
    times.add(1000 * (performance.now() - beganMs));
    onProgress(seen);
  } while (performance.now() < endMs);
  return times.measured(`traverses of ${records} records`, (performance.now() - startMs) / 1000);
}

async function fill(
  players: readonly Player[],
  records: number,
  value: Uint8Array,
  onProgress: (done: number) => void,
): Promise<void> {
  let stored = 0;
  const work = async ({ db }: Player, first: number): Promise<void> => {
    const own: string[] = [];
    for (let at = first; at < records; at += players.length) own.push(`traverse/${at}`);
    await atOnce(own, async (key) => {
      await db.put(key, value);
      onProgress(++stored);
    });
  };
  await Promise.all(players.map(work));
}
