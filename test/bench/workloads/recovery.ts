/**
 * Recovery: one of the nodes is killed while keys that it has nothing to do with are in use.
 *
 *   fill | 50 keys at each survivor, each changed again and again | ... idle ... | kill | out | recovered | 1 s more
 *                                                                  longest pause    longest pause of each key
 *
 * Percentiles are those of the keys' longest pauses. The counters must hold all changes that were acknowledged, and
 * all records that lived at survivors must be there. `unknown`: changes of which the client was told just that.
 *
 * Does NOT promise: pauses below some milliseconds: keys take turns on one timer; `idleMostMs` shows what that costs.
 */

import { clearInterval, setInterval } from "node:timers";
import { setTimeout as sleep } from "node:timers/promises";
import { adding, counterOf } from "./counter.ts";
import { mustBe, type Scale, Times } from "./measure.ts";
import { fillAll } from "./traverse.ts";
import type { Run, Workload } from "./workload.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Maybe, RecordClient, RecordTable } from "./world.ts";

const RECORDS: Readonly<Record<Scale, readonly number[]>> = {
  full: [0, 100_000, 1_000_000],
  small: [300],
};
const KEYS: Readonly<Record<Scale, number>> = { full: 50, small: 4 };
/** Longer than stock ctdbd refuses another recovery after the last. */
const IDLE_MS: Readonly<Record<Scale, number>> = { full: 12_000, small: 300 };
const AFTER_MS: Readonly<Record<Scale, number>> = { full: 1000, small: 100 };
const EVERY_MS = 1;

/** A key in use. */
class Probe {
  readonly key: Uint8Array;
  readonly table: RecordTable;
  longestMs = 0;
  changes = 0;
  /** Changes of which nobody knows whether they were done: the view changed in the middle. */
  unknown = 0;
  lastMs = performance.now();
  pending: Promise<void> | undefined;
  readonly #change = adding(1);

  constructor(table: RecordTable, text: string) {
    this.table = table;
    this.key = new TextEncoder().encode(text);
  }

  /** Changes the record, unless the last change is still on its way. */
  touch(onError: (error: unknown) => void): void {
    if (this.pending !== undefined) return;
    const failed = (error: unknown): void => {
      if (!(error instanceof CtdbxError) || error.code !== "unknown") return onError(error);
      this.unknown += 1;
    };
    let later: Maybe<void>;
    try {
      later = this.table.update(this.key, this.#change);
    } catch (error) {
      return failed(error);
    }
    if (later === undefined) return this.#done();
    this.pending = later.then(() => this.#done(), failed).then(() => {
      this.pending = undefined;
    });
  }

  #done(): void {
    const nowMs = performance.now();
    this.longestMs = Math.max(this.longestMs, nowMs - this.lastMs);
    this.lastMs = nowMs;
    this.changes += 1;
  }
}

/** Keeps keys in use. */
class Probes {
  readonly all: Probe[] = [];
  #error: unknown;
  #timer: ReturnType<typeof setInterval> | undefined;

  start(): void {
    this.#timer = setInterval(() => {
      for (const probe of this.all) probe.touch((error) => this.#error ??= error);
    }, EVERY_MS);
  }

  /** The longest pauses so far; they are counted anew from then on. */
  pauses(): Times {
    const times = new Times();
    for (const probe of this.all) times.add(probe.longestMs);
    for (const probe of this.all) probe.longestMs = 0;
    return times;
  }

  /** No pause began before this: the killing itself held this process up. */
  from(ms: number): void {
    for (const probe of this.all) probe.lastMs = Math.max(probe.lastMs, ms);
  }

  /** Ends; resolves when each key's last change is done. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const probe of this.all) await probe.pending;
    if (this.#error !== undefined) {
      throw new Error("Cannot change a record", { cause: this.#error });
    }
  }
}

async function probesAt(clients: readonly RecordClient[], name: string, keys: number) {
  const probes = new Probes();
  for (const client of clients) {
    const table = await client.attach(name);
    for (let index = 0; index < keys; index++) {
      const probe = new Probe(table, `untouched ${client.pnn}.${index}`);
      probe.touch((error) => {
        throw error;
      });
      await probe.pending;
      probes.all.push(probe);
    }
  }
  return probes;
}

/** Answers which node it has killed. */
async function one(
  { world, scale, name, tell }: Run,
  [records, who]: readonly [number, "follower" | "leader"],
): Promise<number> {
  const filled = await fillAll(world, name, records);
  const leader = await world.leader();
  const victim = who === "leader" ? leader : (leader + 1) % world.nodes;
  const survivors = Array.from({ length: world.nodes }, (_, pnn) => pnn)
    .filter((pnn) => pnn !== victim);
  const clients = await Promise.all(survivors.map((pnn) => world.client(pnn)));
  const probes = await probesAt(clients, name, KEYS[scale]);
  probes.start();
  await sleep(IDLE_MS[scale]);
  const idle = probes.pauses();
  const killedMs = world.kill(victim);
  probes.from(killedMs);
  await world.untilOut(victim);
  const outMs = performance.now() - killedMs;
  await world.untilRecovered(victim);
  const recoveredMs = performance.now() - killedMs;
  await sleep(AFTER_MS[scale]);
  await probes.stop();
  const pauses = probes.pauses();
  let unknown = 0;
  for (const probe of probes.all) {
    const more = counterOf(await probe.table.read(probe.key)) - probe.changes;
    mustBe("changes that are missing or too many", more >= 0 && more <= probe.unknown, true);
    unknown += probe.unknown;
  }
  const live = await clients[0]?.attach(name).then((table) => table.traverse(() => {}));
  const part = filled / world.nodes;
  mustBe("the number of records", live, part * survivors.length + probes.all.length);
  for (const client of clients) client.close();
  tell(pauses.figure(world, {
    workload: "recovery",
    what: `${filled} records, the ${who} killed; pauses of untouched keys`,
    unit: "recoveries",
    count: 1,
    seconds: recoveredMs / 1000,
    result: live,
    more: {
      outMs,
      recoveredMs,
      idleP50Ms: idle.us(0.5) / 1000,
      idleMostMs: idle.us(1) / 1000,
      unknown,
    },
  }));
  return victim;
}

/** See the head. The small form leaves the killed node dead. */
export const RECOVERY: Workload = {
  name: "recovery",
  about: "a node is killed; how long keys of others are not served",
  limitMs: { full: 900_000, small: 15_000 },
  floor: undefined,
  async run(run) {
    const { world, scale, name } = run;
    const victims = scale === "small" ? ["follower"] as const : ["follower", "leader"] as const;
    for (const records of RECORDS[scale]) {
      for (const who of victims) {
        await world.wipe(name);
        const victim = await one(run, [records, who]);
        if (scale === "full") await world.revive(victim);
      }
    }
  },
};
