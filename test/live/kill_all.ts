/**
 * All daemons of a cluster killed at once (SIGKILL; in each third round their supervisors, too), again and again, while
 * eight programs at all nodes write to a persistent database; after each round what is there is compared with what the
 * programs were told.
 *
 *   round:  each writer takes its list of the last round out (judged) ─▶ all write ─▶ kill -9 of all ─▶ all are back
 *
 * A transaction moves money between two accounts, and puts its number at the end of its writer's list. So a list says
 * which were executed, in which order, and how often; and the sum of the money, whether each was executed whole.
 *
 * Does NOT promise: lost power; the disks' caches outlive a process.
 */

import * as assert from "uvu/assert";
import type { Database, Transaction } from "../../actors/client/types.ts";
import { supervisorOf, until } from "../../cli/processes.ts";
import { SeededDice } from "../../transport/sim/dice.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { type DataRig, shown, withData } from "./data_rig.ts";
import { kill } from "./dev_rig.ts";

const NAME = "ledger";
const NODES = [0, 1, 2] as const;
const WRITERS = 8;
const ACCOUNTS = Array.from({ length: 16 }, (_, at) => `account ${at}`);
const START = 1000;
/** Transactions that each writer is told of, before all are killed. */
const LEAST = 2;
/** All are killed so long after that at most, ms. */
const MORE_MS = 400;
/** In each round of so many the supervisors die, too: else they would wait longer each time. */
const SUPERVISORS_IN = 3;
/** In one of so many rounds those that come back are killed once more, before all is well. */
const TWICE_IN = 4;
/** After a transaction that failed, ms. */
const PAUSE_MS = 20;
/** All is well again after this, or something is wrong: a hundred rounds meet busy moments, s. */
const WELL_S = 240;
const SUM_TRIES = 10;
/** The copy was exchanged under a snapshot. */
const OVER = /snapshot is over: (this copy began anew|the file was exchanged)/;
const BEGIN = { timeoutMs: 30_000, tries: 100 } as const;

/** What a run has seen. */
export interface KillReport {
  readonly rounds: number;
  readonly kills: number;
  /** Transactions that were told as committed: all of them are there. */
  readonly acked: number;
  /** Those of which the programs were not told, and how many of these had been executed. */
  readonly unknown: number;
  readonly executed: number;
  /** Snapshots that ended while they were read, in the words that were told. */
  readonly over: readonly string[];
}

/** A program that writes. */
class Writer {
  readonly at: number;
  readonly db: Database;
  /** Numbers of transactions of this round, by what it was told. */
  acked: number[] = [];
  unknown: number[] = [];
  #number = 0;
  #isOn = false;
  #done: Promise<void> = Promise.resolve();

  constructor(at: number, db: Database) {
    this.at = at;
    this.db = db;
  }

  begin(): void {
    this.#isOn = true;
    this.#done = this.#work();
  }

  /** Ends when what is under way has ended. Rejects with a mistake of the test. */
  async stop(): Promise<void> {
    this.#isOn = false;
    await this.#done;
  }

  async #work(): Promise<void> {
    while (this.#isOn) {
      this.#number += 1;
      const number = this.#number;
      try {
        await this.db.transaction((tx) => this.#write(tx, number), { timeoutMs: 5000, tries: 100 });
        this.acked.push(number);
      } catch (error) {
        if (!(error instanceof CtdbxError)) throw error;
        if (error.code === "unknown") this.unknown.push(number);
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  async #write(tx: Transaction, number: number): Promise<void> {
    const [one = "", other = ""] = [number, number * 5 + this.at + 1].map((at) =>
      ACCOUNTS[at % 16]
    );
    const list = shown(await tx.get(`list ${this.at}`));
    tx.put(`list ${this.at}`, `${list} ${number}`);
    if (one === other) return;
    const [has, gets] = await Promise.all([tx.get(one), tx.get(other)]);
    tx.put(one, String(Number(shown(has)) - 1));
    tx.put(other, String(Number(shown(gets)) + 1));
  }

  /** Begins the list of a round, and takes that of the one before out; once, however often it is tried. */
  async takeOut(round: number): Promise<number[]> {
    const [list, former] = [`list ${this.at}`, `former ${this.at}`];
    for (;;) {
      try {
        const { value } = await this.db.transaction(async (tx) => {
          const now = shown(await tx.get(list));
          if (now.startsWith(`${round}:`)) return shown(await tx.get(former));
          tx.put(list, `${round}:`);
          tx.put(former, now);
          return now;
        }, { ...BEGIN, latest: true });
        return value.split(" ").slice(1).map(Number);
      } catch (error) {
        if (!(error instanceof CtdbxError && error.code === "unknown")) throw error;
      }
    }
  }
}

/** Runs so many rounds, on a cluster of its own. Rejects with what is wrong. `told` is called after each round. */
export async function killAll(
  rounds: number,
  seed: number,
  told: (report: KillReport) => void = () => {},
): Promise<KillReport> {
  let report: KillReport = { rounds: 0, kills: 0, acked: 0, unknown: 0, executed: 0, over: [] };
  await withData(NODES.length, async (rig) => {
    const dice = new SeededDice(seed);
    const writers: Writer[] = [];
    for (let at = 0; at < WRITERS; at += 1) {
      const cluster = await rig.cluster(at % NODES.length);
      writers.push(
        new Writer(at, await cluster.attach(NAME, { type: "persistent", timeoutMs: 30_000 })),
      );
    }
    await (writers[0] as Writer).db.transaction((tx) => {
      for (const name of ACCOUNTS) tx.put(name, String(START));
    }, BEGIN);
    for (const writer of writers) await writer.takeOut(1);
    for (let round = 1; round <= rounds; round += 1) {
      const kills = await play(rig, writers, dice, round % SUPERVISORS_IN === 0);
      const seen = await judge(writers, round + 1);
      report = {
        rounds: round,
        kills: report.kills + kills,
        acked: report.acked + seen.acked,
        unknown: report.unknown + seen.unknown,
        executed: report.executed + seen.executed,
        over: [...report.over, ...seen.over],
      };
      told(report);
    }
  });
  return report;
}

/** One round. Resolves with the number of times that all were killed. */
async function play(
  rig: DataRig,
  writers: readonly Writer[],
  dice: SeededDice,
  withSupervisors: boolean,
): Promise<number> {
  const { dev } = rig;
  for (const writer of writers) writer.begin();
  let kills = 1;
  try {
    await awaited(
      `${LEAST} transactions of each writer`,
      () => writers.every(({ acked }) => acked.length >= LEAST),
    );
    await new Promise((resolve) => setTimeout(resolve, dice.below(MORE_MS)));
    await killDaemons(rig, withSupervisors);
    if (dice.chance(1, TWICE_IN)) {
      await awaited("all daemons answer", () => areThere(rig));
      await killDaemons(rig);
      kills += 1;
    }
    for (const node of NODES) {
      await dev.ok(["cluster", "wait", "--for", "all-ok", "--timeout", String(WELL_S)], node);
    }
  } finally {
    await Promise.all(writers.map((writer) => writer.stop()));
  }
  return kills;
}

async function awaited(what: string, done: () => boolean | Promise<boolean>): Promise<void> {
  assert.ok(await until(done, WELL_S * 1000), `not within ${WELL_S} s: ${what}`);
}

async function areThere({ dev }: DataRig): Promise<boolean> {
  const pids = await Promise.all(NODES.map((node) => dev.pid(node).catch(() => undefined)));
  return !pids.includes(undefined);
}

async function killDaemons({ dev }: DataRig, withSupervisors = false): Promise<void> {
  const pids = await Promise.all(NODES.map((node) => dev.pid(node)));
  if (withSupervisors) {
    for (const node of NODES) pids.push(supervisorOf(dev.paths(node).run) ?? 0);
  }
  assert.ok(!pids.includes(0), "a supervisor is not there");
  for (const pid of pids) kill(pid, "SIGKILL");
}

/** Takes the lists out by beginning those of `next`, and compares. */
async function judge(
  writers: readonly Writer[],
  next: number,
): Promise<Pick<KillReport, "acked" | "unknown" | "executed" | "over">> {
  const over: string[] = [];
  const seen = { acked: 0, unknown: 0, executed: 0, over };
  for (const writer of writers) {
    const { at, acked, unknown } = writer;
    const found = await writer.takeOut(next);
    const who = `writer ${at} in round ${next - 1}`;
    const sure = new Set(acked);
    assert.equal(
      found,
      [...new Set(found)].sort((one, two) => one - two),
      `${who}: each once, in order`,
    );
    assert.equal(acked.filter((number) => !found.includes(number)), [], `${who}: told, and lost`);
    const others = found.filter((number) => !sure.has(number));
    assert.equal(
      others.filter((number) => !unknown.includes(number)),
      [],
      `${who}: told as aborted`,
    );
    seen.acked += acked.length;
    seen.unknown += unknown.length;
    seen.executed += others.length;
    [writer.acked, writer.unknown] = [[], []];
  }
  for (const at of NODES) {
    const { db } = writers[at] as Writer;
    assert.is(await moneyAt(db, (why) => over.push(why)), START * ACCOUNTS.length);
  }
  return seen;
}

/**
 * The sum of all accounts in one state that has all that is committed. A snapshot may be over while it is read, when
 * the copy here is exchanged: that is told. Anything else is a fault.
 */
async function moneyAt(db: Database, told: (why: string) => void): Promise<number> {
  for (let tries = 1;; tries += 1) {
    try {
      return await sumAt(db);
    } catch (error) {
      const isOver = error instanceof CtdbxError && OVER.test(error.message);
      if (!isOver || tries === SUM_TRIES) throw error;
      told(error.message);
    }
  }
}

async function sumAt(db: Database): Promise<number> {
  await using snapshot = await db.snapshot({ latest: true, timeoutMs: 20_000 });
  let sum = 0;
  for (const name of ACCOUNTS) sum += Number(shown(await snapshot.get(name)));
  return sum;
}
