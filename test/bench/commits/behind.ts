/**
 * A real node that was cut off while 1 % of the records of a large database changed: the bytes that it receives until
 * its copy has all, and the time that takes.
 *
 *   fill ─▶ cut a node off ─▶ change 1 %, one record a transaction ─▶ heal ─▶ until its number is that of the others
 *
 * Received is what its NATS connections bring as bodies of messages, so heartbeats are in it, and what the cut node's
 * own programs ask for is not, as there are none.
 *
 * Does NOT promise: which way it catches up; by entries while the log reaches back, else by pages.
 */

import { join } from "node:path";
import { connect } from "../../../actors/mod.ts";
import type { Cluster, Database } from "../../../actors/client/types.ts";
import { askOnce } from "../../../cli/commands/asking.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import type { DevCluster } from "../../live/dev_rig.ts";
import { type Figure, mustBe, Times } from "../workloads/measure.ts";

const NAME = "bench_behind.tdb";
const RECORD_BYTES = 1000;
/** Records of one transaction when the database is filled. */
const FILL_TXN = 1000;
const CHANGED_PART = 0.01;
/** Changes that are under way together. */
const TOGETHER = 32;
const SEED = 4242;
const TIMEOUT_MS = 600_000;
const LOOK_MS = 20;
const TOLD_MS = 1500;
/** A cut lasts until it is healed. */
const CUT = "3600s";

/** One program, with the database open. */
interface Program {
  readonly cluster: Cluster;
  readonly db: Database;
}

interface Stats {
  readonly messages: { readonly receivedBytes: number };
}

/** Of a database of about so many bytes; `say` hears how far it is. */
export async function behind(
  dev: DevCluster,
  bytes: number,
  say: (text: string) => void = () => {},
): Promise<Figure> {
  const records = Math.ceil(bytes / RECORD_BYTES);
  const hashSize = Math.max(101, records | 1);
  const here = await program(dev, 0, hashSize);
  const away = await awayOf(dev);
  const there = await program(dev, away, hashSize);
  try {
    const fillMs = await timed(() => fill(here.db, records, say));
    await until(async () => await seqnum(there) === await seqnum(here));
    await dev.dev(`chaos partition n${away} ${CUT}`);
    const changed = await change(here.db, records);
    say(`${changed} records changed`);
    const before = await received(dev, away);
    await dev.dev(`chaos heal n${away}`);
    const times = new Times();
    times.add(
      await timed(() => until(async () => await seqnum(there) === await seqnum(here))),
    );
    const got = await received(dev, away) - before;
    const [last = 0] = changedOf(records).slice(-1);
    mustBe("a changed record", (await there.db.read(keyOf(last)))?.[0], valueOf(last, 1)[0]);
    const missed = changed * RECORD_BYTES;
    return times.figure({ name: "ctdbx", about: "real processes" }, {
      workload: "behind",
      what: `1 % of ${(bytes / 1e6).toPrecision(3)} MB missed`,
      unit: "catch-ups",
      seconds: times.us(1) / 1e6,
      result: { records, changed },
      more: {
        receivedBytes: got,
        missedBytes: missed,
        receivedToMissed: got / missed,
        fillMs,
      },
    });
  } finally {
    await here.cluster.close();
    await there.cluster.close();
  }
}

async function program(dev: DevCluster, pnn: number, hashSize: number): Promise<Program> {
  const home = join(dev.home, `n${pnn}`);
  const cluster = await connect({ home, timeoutMs: TIMEOUT_MS });
  return { cluster, db: await cluster.attach(NAME, { type: "persistent", hashSize }) };
}

/** A node that is neither primary nor leader, nor the one with the program. */
async function awayOf(dev: DevCluster): Promise<number> {
  const all = await dev.json<
    readonly { readonly name: string; readonly commit?: { readonly primary?: number | null } }[]
  >("db status");
  const primary = all.find(({ name }) => name === NAME)?.commit?.primary;
  const leader = await dev.leader();
  const free = [2, 1].find((pnn) => pnn !== primary && pnn !== leader);
  return free ?? (primary === 2 ? 1 : 2);
}

async function fill(db: Database, records: number, say: (text: string) => void): Promise<void> {
  for (let from = 0; from < records; from += FILL_TXN) {
    const most = Math.min(records, from + FILL_TXN);
    await db.transaction((tx) => {
      for (let at = from; at < most; at++) tx.put(keyOf(at), valueOf(at, 0));
    }, { timeoutMs: TIMEOUT_MS });
    if (from % (100 * FILL_TXN) === 0) say(`${most} of ${records} records`);
  }
}

/** The records that change, each once. */
function changedOf(records: number): number[] {
  const dice = new SeededDice(SEED);
  const chosen = new Set<number>();
  const wanted = Math.ceil(records * CHANGED_PART);
  while (chosen.size < wanted) chosen.add(dice.below(records));
  return [...chosen];
}

async function change(db: Database, records: number): Promise<number> {
  const left = changedOf(records);
  const count = left.length;
  const one = async (): Promise<void> => {
    for (let at = left.pop(); at !== undefined; at = left.pop()) {
      const record = at;
      await db.transaction((tx) => tx.put(keyOf(record), valueOf(record, 1)), {
        timeoutMs: TIMEOUT_MS,
      });
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, one));
  return count;
}

function seqnum({ db }: Program): Promise<bigint> {
  return db.seqnum();
}

async function received(dev: DevCluster, pnn: number): Promise<number> {
  // The data thread tells its counts once a second.
  await new Promise((resolve) => setTimeout(resolve, TOLD_MS));
  return (await askOnce(dev.paths(pnn), "node stats") as Stats).messages.receivedBytes;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return performance.now() - beganMs;
}

async function until(isThere: () => Promise<boolean>): Promise<void> {
  const lastMs = performance.now() + TIMEOUT_MS;
  while (!await isThere().catch(() => false)) {
    if (performance.now() > lastMs) throw new Error("Cannot go on: the node does not catch up");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function keyOf(record: number): string {
  return `record ${record}`;
}

function valueOf(record: number, round: number): Uint8Array {
  return new Uint8Array(RECORD_BYTES).fill((record + round) & 255);
}
