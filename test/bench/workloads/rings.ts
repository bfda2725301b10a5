/**
 * Rings: a record, or a message, goes round the nodes, one client at each.
 *
 *   fetch-ring     message -> lock the record, add 1, unlock -> message to the next node     one token
 *   message-ring   message -> message to the next node                                       two, opposite ways
 *
 * The rate is per node: laps of the fetch ring, messages that a node gets in the message ring.
 *
 * Does NOT promise: what several records at once would do.
 */

import { adding, counterOf } from "./counter.ts";
import { mustBe, type Scale, Times } from "./measure.ts";
import type { Run, Workload } from "./workload.ts";
import type { RecordClient, RecordWorld } from "./world.ts";

const LAPS: Readonly<Record<Scale, number>> = { full: 5000, small: 20 };
const MESSAGE_LAPS: Readonly<Record<Scale, number>> = { full: 10_000, small: 40 };
/** Of all laps, run before the clock starts. */
const WARM_PART = 0.1;
const SRVID = 0xae00_0000_0000_1000n;
const KEY = new TextEncoder().encode("ring");
const TOKEN = new Uint8Array(8);

async function clientsOf(world: RecordWorld): Promise<RecordClient[]> {
  return await Promise.all(Array.from({ length: world.nodes }, (_, pnn) => world.client(pnn)));
}

/** Counts laps at the first node and times those after the warm-up. */
class Laps {
  readonly times = new Times();
  readonly done: Promise<void>;
  readonly #all: number;
  readonly #warm: number;
  #count = 0;
  #lastMs = 0;
  #firstMs = 0;
  fail: (error: unknown) => void = () => {};
  #finish: () => void = () => {};

  constructor(timed: number) {
    this.#warm = Math.ceil(timed * WARM_PART);
    this.#all = timed + this.#warm;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.done = promise;
    this.#finish = resolve;
    this.fail = reject;
  }

  get all(): number {
    return this.#all;
  }

  get seconds(): number {
    return (this.#lastMs - this.#firstMs) / 1000;
  }

  /** The token is at the first node again; true: it goes on. */
  lap(): boolean {
    const nowMs = performance.now();
    if (this.#count === this.#warm) this.#firstMs = nowMs;
    if (this.#count > this.#warm) this.times.add(nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    if (this.#count++ < this.#all) return true;
    this.#finish();
    return false;
  }
}

async function fetchRing({ world, scale, name, tell }: Run): Promise<void> {
  const clients = await clientsOf(world);
  const laps = new Laps(LAPS[scale]);
  const change = adding(1);
  const tables = await Promise.all(clients.map((client) => client.attach(name)));
  for (const [pnn, client] of clients.entries()) {
    const next = (pnn + 1) % clients.length;
    await client.listen(SRVID, () => {
      if (pnn === 0 && !laps.lap()) return;
      const later = tables[pnn]?.update(KEY, change);
      if (later === undefined) client.send(next, SRVID, TOKEN);
      else later.then(() => client.send(next, SRVID, TOKEN)).catch(laps.fail);
    });
  }
  const cpuMs = world.cpuMs();
  clients.at(-1)?.send(0, SRVID, TOKEN);
  await laps.done;
  const cpuUsPerLap = 1000 * (world.cpuMs() - cpuMs) / laps.all;
  const sum = counterOf(await tables[0]?.read(KEY));
  mustBe("the counter", sum, laps.all * clients.length);
  for (const client of clients) client.close();
  tell(laps.times.figure(world, {
    workload: "fetch-ring",
    what: "one record round all nodes",
    unit: "laps",
    seconds: laps.seconds,
    result: sum,
    more: { cpuUsPerLap },
  }));
}

async function messageRing({ world, scale, tell }: Run): Promise<void> {
  const clients = await clientsOf(world);
  const rings = [1, -1].map((step) => ({ step, laps: new Laps(MESSAGE_LAPS[scale]) }));
  for (const [pnn, client] of clients.entries()) {
    for (const [index, { step, laps }] of rings.entries()) {
      const srvid = SRVID + BigInt(index);
      const next = (pnn + step + clients.length) % clients.length;
      await client.listen(srvid, () => {
        if (pnn !== 0 || laps.lap()) client.send(next, srvid, TOKEN);
      });
    }
  }
  const cpuMs = world.cpuMs();
  for (const [index] of rings.entries()) clients.at(-1)?.send(0, SRVID + BigInt(index), TOKEN);
  await Promise.all(rings.map(({ laps }) => laps.done));
  const usedUs = 1000 * (world.cpuMs() - cpuMs);
  for (const client of clients) client.close();
  const [first, second] = rings.map(({ laps }) => laps);
  if (first === undefined || second === undefined) throw new Error("Cannot happen: two rings");
  const hops = new Times();
  for (const { times } of [first, second]) {
    for (let index = 0; index < times.count; index++) {
      hops.add(times.us((index + 1) / times.count) / 1000 / clients.length);
    }
  }
  tell(hops.figure(world, {
    workload: "message-ring",
    what: "two tokens, opposite ways; times per hop",
    unit: "messages per node",
    count: first.times.count + second.times.count,
    seconds: Math.max(first.seconds, second.seconds),
    result: [first.all, second.all],
    more: { cpuUsPerHop: usedUs / clients.length / (first.all + second.all) },
  }));
}

/** See the head. */
export const FETCH_RING: Workload = {
  name: "fetch-ring",
  about: "one record round all nodes, one client at each; times per lap",
  limitMs: { full: 60_000, small: 60_000 },
  floor: "round trip",
  run: fetchRing,
};

/** See the head. */
export const MESSAGE_RING: Workload = {
  name: "message-ring",
  about: "messages round all nodes, one client at each",
  limitMs: { full: 60_000, small: 60_000 },
  floor: "round trip",
  run: messageRing,
};
