/**
 * The last part of the main job: what is promised of transactions, where it costs most. All daemons are killed at once.
 *
 *   "ledger", persistent ─▶ money moves between two accounts, a transaction each ─▶ kill -9 of every daemon
 *      ─▶ all are back ─▶ read at another node: all that was committed is there, each once, each whole
 *
 * Does NOT promise: that the machine itself loses its power; the torture of the storage does that in memory.
 */

import type { Cluster, Database } from "../actors/client/types.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import type { JobWorld } from "./dev_job.ts";
import { ms, wrong } from "./dev_job_words.ts";
import { countOf, quantile } from "./dev_load.ts";

/** The persistent database of the accounts. */
export const LEDGER_DB = "ledger";
/** The accounts, and how many transfers there were: all that a transaction reads and writes. */
const KEYS = ["ann", "bob", "transfers"] as const;
/** What both accounts have together. */
const MONEY = 1000;
/** How long money moves before all are killed, ms. */
const WORK_MS = 1000;
/** How often it is looked whether one transfer is done, ms. */
const LOOK_MS = 50;
/** A transfer that has no answer after this is not waited for, ms. */
const TRANSFER_MS = 8000;
/** A database has begun at all of its copies after this, ms. */
const ATTACH_MS = 30_000;

/** What stands in the ledger. */
interface Ledger {
  readonly ann: number;
  readonly bob: number;
  readonly transfers: number;
}

/**
 * Transfers, the death of all, and what is there afterwards. `restore` is called when all are back: databases that were
 * kept in memory have begun anew; it answers what it has done, in words. Throws Failure, CtdbxError.
 */
export async function lasting(world: JobWorld, restore: () => Promise<string>): Promise<void> {
  const first = await world.connect(0);
  let mover: Mover;
  let killMs: number;
  let pids: readonly number[];
  try {
    const db = await attach(first);
    const before = await open(db);
    mover = new Mover(db, before, () => world.nowMs());
    await world.sleep(WORK_MS);
    // On a machine that is busy with other things the first one may take longer.
    while (mover.tookMs.length === 0 && !mover.isOver) await world.sleep(LOOK_MS);
    if (mover.tookMs.length === 0) throw wrong(`no transaction was committed: ${mover.why}`);
    await showTransfers(world, db, mover);
    killMs = world.nowMs();
    pids = await world.killAll();
    await mover.stop();
  } finally {
    await first.close();
  }
  await world.well();
  const backMs = world.nowMs() - killMs;
  const found = await readAt(world, world.names.length - 1);
  judge(found, mover);
  world.show(
    "kill -9 of all",
    `of the daemons of ${listed(world.names)} at once (processes ${
      pids.join(", ")
    }); all is well ` +
      `after ${ms(backMs)}`,
    `"${LEDGER_DB}" at ${
      world.names.at(-1)
    }: ${found.transfers} transfers; ${mover.acked} were told as ` +
      `committed, each is there, once and whole; ann has ${found.ann}, bob ${found.bob}`,
    afterwards(mover, found),
    await restore(),
  );
}

async function attach(cluster: Cluster): Promise<Database> {
  return await cluster.attach(LEDGER_DB, { type: "persistent", timeoutMs: ATTACH_MS });
}

/** Makes the accounts where there are none; what they have. */
async function open(db: Database): Promise<Ledger> {
  const { value } = await db.transaction(async (tx) => {
    const values = await Promise.all(KEYS.map((key) => tx.get(key)));
    if (values[0] === undefined) {
      tx.put("ann", String(MONEY));
      tx.put("bob", "0");
      tx.put("transfers", "0");
      return { ann: MONEY, bob: 0, transfers: 0 };
    }
    return ledgerOf(values);
  }, { timeoutMs: ATTACH_MS, latest: true });
  return value;
}

function ledgerOf(values: readonly (Uint8Array | undefined)[]): Ledger {
  const [ann = 0, bob = 0, transfers = 0] = values.map(countOf);
  return { ann, bob, transfers };
}

async function readAt(world: JobWorld, index: number): Promise<Ledger> {
  const cluster = await world.connect(index);
  try {
    const db = await attach(cluster);
    await using snapshot = await db.snapshot({ latest: true, timeoutMs: ATTACH_MS });
    const values: (Uint8Array | undefined)[] = [];
    for (const key of KEYS) values.push(await snapshot.get(key));
    return ledgerOf(values);
  } finally {
    await cluster.close();
  }
}

async function showTransfers(world: JobWorld, db: Database, mover: Mover): Promise<void> {
  const { m, copies } = await db.commits();
  const names = copies.filter(({ role }) => role === "primary" || role === "in_sync")
    .map(({ pnn }) => world.names[pnn] ?? `number ${pnn}`).sort();
  world.show(
    "transactions",
    `a program at ${
      world.names[0]
    } moves money between "ann" and "bob" in the persistent database ` +
      `"${LEDGER_DB}"; copies are on the disks of ${listed(names)}`,
    `each transfer is a transaction on three records, on ${m} disk${
      m === 1 ? "" : "s"
    } before it is ` +
      `told: ${mover.tookMs.length} of them, ${
        ms(quantile(mover.tookMs, 0.5))
      } each (median; p99 ` +
      `${ms(quantile(mover.tookMs, 0.99))})`,
  );
}

/** All that was told is there, once, and nothing else but what nobody knew. Throws Failure. */
function judge({ ann, bob, transfers }: Ledger, { acked, unknown }: Mover): void {
  if (ann + bob !== MONEY) {
    throw wrong(
      `a transaction is there in part: ann has ${ann}, bob ${bob}, together not ${MONEY}`,
    );
  }
  if (transfers < acked) {
    throw wrong(`${acked} transfers were told as committed, and ${transfers} are there`);
  }
  if (transfers > acked + unknown) {
    throw wrong(
      `${acked} transfers were told as committed, of ${unknown} nobody knew, and ${transfers} are there`,
    );
  }
}

function afterwards({ acked, unknown }: Mover, { transfers }: Ledger): string {
  if (unknown === 0) return "no transfer was under way whose outcome nobody knew";
  const more = transfers - acked;
  return `${unknown} under way had no answer any more: ${
    more === 0 ? "not executed" : `${more} executed, once`
  }`;
}

/** Names in a row: n0, n1 and n2. */
function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? "nobody";
  return names.length < 2 ? last : `${names.slice(0, -1).join(", ")} and ${last}`;
}

/** A program that moves one unit after the other, from who has more, and counts what it was told. */
class Mover {
  /** Transfers that are in the ledger by what it was told. */
  acked: number;
  /** Of so many it was not told whether they are. */
  unknown = 0;
  /** Nothing more will move. */
  isOver = false;
  /** The last reason of a transfer that was not done. */
  why = "nobody says why";
  /** How long each took, ms. */
  readonly tookMs: number[] = [];
  readonly #db: Database;
  readonly #nowMs: () => number;
  readonly #run: Promise<void>;
  #isOn = true;

  constructor(db: Database, { transfers }: Ledger, nowMs: () => number) {
    this.#db = db;
    this.#nowMs = nowMs;
    this.acked = transfers;
    this.#run = this.#move();
  }

  /** Ends when the transfer that is under way has ended. Never throws. */
  async stop(): Promise<void> {
    this.#isOn = false;
    await this.#run;
  }

  async #move(): Promise<void> {
    while (this.#isOn) {
      const startMs = this.#nowMs();
      try {
        await this.#db.transaction(async (tx) => {
          const all = ledgerOf(await Promise.all(KEYS.map((key) => tx.get(key))));
          const step = all.ann > all.bob ? 1 : -1;
          tx.put("ann", String(all.ann - step));
          tx.put("bob", String(all.bob + step));
          tx.put("transfers", String(all.transfers + 1));
        }, { timeoutMs: TRANSFER_MS });
        this.acked += 1;
        this.tookMs.push(this.#nowMs() - startMs);
      } catch (error) {
        this.why = error instanceof Error ? error.message : String(error);
        if (error instanceof CtdbxError && error.code === "unknown") this.unknown += 1;
        // What was under way is enough: nothing more is asked of nodes that are gone.
        break;
      }
    }
    this.isOver = true;
  }
}
