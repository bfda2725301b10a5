/**
 * Transactions by some clients, spread over the nodes: each reads and stores a key of its own, again and again.
 *
 * Nobody's reads are changed by others, so what is measured is the way to the disks and back. At the end every client
 * reads its last value at its own node: a run in which that is not there does not count.
 *
 * Does NOT promise: conflicts; the lock workloads show what contention costs.
 */

import process from "node:process";
import { type Figure, mustBe, type Scale, Times } from "../workloads/measure.ts";
import type { CommitClient, CommitTable, CommitWorld, Kind } from "./world.ts";

/** Bytes of a value. */
const BYTES = 100;
/** Keys of a client, used in turn. */
const KEYS = 16;
/** Transactions of all clients before the clock starts: the runtimes compile what is hot. */
const WARM: Readonly<Record<Scale, number>> = { full: 400, small: 2 };
/** Of each client while system calls are counted. */
const TRACED = 10;

/** What is wanted. */
export interface TransactionsWish {
  readonly kind: Kind;
  readonly clients: number;
  readonly seconds: number;
  readonly scale: Scale;
}

/** A client and where it is. */
interface Seat {
  readonly client: CommitClient;
  readonly table: CommitTable;
  readonly keys: readonly string[];
  last: { readonly key: string; readonly value: Uint8Array } | undefined;
}

/** Runs it in a database of its own. */
export async function transactions(world: CommitWorld, wish: TransactionsWish): Promise<Figure> {
  const { kind, clients, seconds, scale } = wish;
  const name = `bench_${kind}_${clients}.tdb`;
  const seats: Seat[] = [];
  try {
    for (let at = 0; at < clients; at++) seats.push(await seat(world, at, name, kind));
    const warm = Math.ceil(WARM[scale] / clients);
    await Promise.all(seats.map((each) => loop(each, undefined, warm, Infinity)));
    const times = new Times();
    const before = await world.costs(name);
    const cpuMs = world.cpuMs();
    const own = process.cpuUsage();
    const startMs = performance.now();
    const endMs = startMs + 1000 * seconds;
    await Promise.all(seats.map((each) => loop(each, times, Infinity, endMs)));
    const took = (performance.now() - startMs) / 1000;
    const { user, system } = process.cpuUsage(own);
    const cpuPerOp = (world.cpuMs() - cpuMs) / times.count;
    const after = await world.costs(name);
    const traced = await world.traced(async () => {
      await Promise.all(seats.map((each) => loop(each, undefined, TRACED, Infinity)));
    });
    await judge(seats);
    return times.figure(world, {
      workload: `transactions ${kind}`,
      what: clients === 1 ? "1 client" : `${clients} clients`,
      unit: "transactions",
      seconds: took,
      result: { kind, clients, bytes: BYTES },
      more: {
        daemonCpuUs: 1000 * cpuPerOp,
        ownCpuPart: (user + system) / 1e6 / took,
        ...perEach("entries", before.entries, after.entries, times.count),
        ...perEach("syncs", before.syncs, after.syncs, times.count),
        ...traced === undefined ? {} : { syncsEach: traced / TRACED / clients },
      },
    });
  } finally {
    for (const { client } of seats) await client.close();
  }
}

function perEach(
  what: string,
  before: number | undefined,
  after: number | undefined,
  count: number,
): Record<string, number> {
  if (before === undefined || after === undefined) return {};
  return { [`${what}Each`]: (after - before) / count };
}

async function judge(seats: readonly Seat[]): Promise<void> {
  for (const { table, last } of seats) {
    if (last === undefined) continue;
    const found = await table.read(last.key);
    mustBe(`the value of ${last.key}`, found?.toHex(), last.value.toHex());
  }
}

async function seat(world: CommitWorld, at: number, name: string, kind: Kind): Promise<Seat> {
  const client = await world.client(at % world.nodes);
  const table = await client.open(name, kind);
  const keys = Array.from({ length: KEYS }, (_, key) => `client ${at} key ${key}`);
  return { client, table, keys, last: undefined };
}

async function loop(
  seat: Seat,
  times: Times | undefined,
  most: number,
  endMs: number,
): Promise<void> {
  for (let done = 0; done < most && performance.now() < endMs; done++) {
    const key = seat.keys[done % KEYS] as string;
    const value = new Uint8Array(BYTES).fill(done & 255);
    const beganMs = performance.now();
    await seat.table.transact([key], value);
    times?.add(performance.now() - beganMs);
    seat.last = { key, value };
  }
}
