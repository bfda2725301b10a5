/**
 * `ctdbx bench fetch | ring | hot | messages | glock | traverse | transactions`: what records, messages, locks and
 * transactions cost on the running cluster.
 *
 *   attach a database of its own ─▶ one program at each node of this machine ─▶ workload ─▶ detach
 *
 * A dev cluster has all its nodes on this machine, whichever of them is named; elsewhere it is the one of --home, where
 * nothing moves, and that is said.
 *
 * Does NOT promise: numbers that are the machine's best; other programs, and the bench itself, share its processors.
 */

import { randomBytes } from "node:crypto";
import { dirname, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Cluster } from "../../actors/client/types.ts";
import { VALUE_MAX } from "../../transport/wire/limits.ts";
import { transactionLoop } from "../commit_bench.ts";
import { recordFailure } from "../connection.ts";
import { declare, type Task } from "../declare.ts";
import { devNode, readPlan } from "../dev_cluster.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { lockLoop } from "../lock_bench.ts";
import { progress } from "../progress.ts";
import {
  type BenchWish,
  fetchLoop,
  fetchRing,
  hotCounter,
  type Measured,
  messageRing,
  type Player,
  traverseAll,
} from "../record_bench.ts";
import { type SignalWait, signalWait } from "../until_signal.ts";
import { object, type RowOf } from "../result.ts";
import { int, num, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { seconds as secondsOf, whole } from "../world.ts";
import { Asked, askedHome } from "./asking.ts";

const TYPES = ["persistent", "replicated"] as const;

interface BenchFlags {
  readonly type: typeof TYPES[number];
  readonly seconds: number;
  readonly clients: number;
  readonly records: number;
  readonly bytes: number;
}

const MEASURED = object({
  what: text("What", "what was done over and over"),
  nodes: int("Nodes", "at how many nodes"),
  clients: int("Programs", "at each node, as loops of one process"),
  count: int("Count", "how often it was done"),
  seconds: num("Seconds", "how long", "s"),
  perSecond: num("Per second", "all together", "1/s"),
  p50Us: num("p50, µs", "half of them took no longer", "us"),
  p99Us: num("p99, µs", "99 of 100 took no longer", "us"),
  p999Us: num("p99.9, µs", "999 of 1000 took no longer", "us"),
  unknown: int("Unknown", "of which it is not known whether they were done"),
});

/** Workloads that say something only about several nodes. */
const MOVING: ReadonlySet<string> = new Set(["ring", "hot", "messages", "glock"]);
/** What is said when there is only one. */
const STAYS =
  "One node takes part, as this machine has no other of its cluster that is known here: nothing moves.\n";

type Workload = (
  players: readonly Player[],
  wish: BenchWish,
  srvid: bigint,
) => Promise<Measured>;

const WORKLOADS: readonly (readonly [string, string, Workload, Partial<BenchFlags>])[] = [
  ["fetch", "each program changes records of its own: nothing moves", fetchLoop, { records: 1000 }],
  ["ring", "a record goes round the nodes, one change at each", fetchRing, {}],
  ["hot", "all programs add to one counter, which is checked in the end", hotCounter, {
    clients: 8,
  }],
  ["messages", "a message goes round the nodes", messageRing, {}],
  ["glock", "all programs take and give up one lock of the cluster", lockLoop, {}],
  ["traverse", "all records once, from all nodes", traverseAll, { records: 10_000 }],
  [
    "transactions",
    "each program changes keys of its own, a transaction for each change",
    transactionLoop,
    { clients: 8, type: "persistent" },
  ],
];

/** A parser of --seconds for commander. */
function howLong(text: string): number {
  const value = secondsOf(text);
  if (value >= 0.1 && value <= 3600) return value;
  throw new InvalidArgumentError("Must be seconds, from 0.1 to 3600, as 10 or 0.5.");
}

/** Adds them to `ctdbx bench`. */
export function addRecordBenches(bench: Command, world: CommandWorld): void {
  for (const [name, about, work, usual] of WORKLOADS) {
    const { clients, records, type } = usual;
    const command = bench.command(name).description(`${about}; on the running cluster`)
      .option("--seconds <seconds>", "how long, from 0.1 to 3600", howLong, 3)
      .option("--bytes <bytes>", "of a value, or a message", whole(8, VALUE_MAX), 100);
    if (name === "fetch" || clients !== undefined) {
      command.option("--clients <count>", "programs at each node", whole(1, 256), clients ?? 1);
    }
    if (type !== undefined) {
      command.addOption(
        new Option("--type <type>", "how the database is kept").choices(TYPES).default(type),
      );
    }
    if (records !== undefined) {
      command.option("--records <count>", "how many records", whole(1, 10_000_000), records);
    }
    declare<Partial<BenchFlags>, RowOf<typeof MEASURED>>(
      command,
      world,
      { result: MEASURED, asks: "home", changes: true },
      (task) => run(task, name, work),
    );
  }
}

async function run(
  task: Task<Partial<BenchFlags>, RowOf<typeof MEASURED>>,
  name: string,
  work: Workload,
): Promise<void> {
  const { flags, out, world } = task;
  const { seconds = 3, clients = 1, records = 1, bytes = 100, type } = flags;
  const kind = type === undefined ? {} : { type };
  const asked = await Asked.of(flags);
  const runs = runFolders(flags, asked);
  const dice = randomBytes(6).toString("hex");
  const database = `ctdbx-bench-${dice}`;
  const bar = progress(world.terminal, name);
  const wish = { seconds, clients, records, bytes, onProgress: (n: number) => bar.at(n, 0) };
  const connected: Cluster[] = [];
  // The database is removed all the same.
  const ctrlC = signalWait();
  let isThere = false;
  try {
    if (runs.length === 1 && MOVING.has(name)) out.say(STAYS);
    const connect = world.connect ?? (await import("../../actors/mod.ts")).connect;
    for (const run of runs) connected.push(await connect({ run }));
    isThere = true;
    const players: Player[] = [];
    for (const cluster of connected) {
      players.push({ cluster, db: await cluster.attach(database, kind) });
    }
    // The top byte is for programs; the rest makes it this run's.
    const found = await unlessStopped(ctrlC, work(players, wish, BigInt(`0x01${dice}00`)));
    out.object({ ...rounded(found), nodes: players.length, clients });
  } catch (error) {
    throw recordFailure(error);
  } finally {
    bar.end();
    try {
      for (const cluster of connected) await cluster.close();
      if (isThere) await removed(asked, database);
    } finally {
      ctrlC.end();
    }
  }
}

/** What comes of a workload. Throws exit 9 when a signal ends it. */
async function unlessStopped<T>({ signalled }: SignalWait, work: Promise<T>): Promise<T> {
  const stopped = signalled.then((): never => {
    // What is under way fails when the connections are closed.
    work.catch(() => {});
    throw new Failure(EXIT.partial, "Stopped before all was measured");
  });
  return await Promise.race([work, stopped]);
}

/** The run folders of the nodes of this machine that take part: of a dev cluster all, also when one is named. */
export function runFolders(flags: object, asked: Pick<Asked, "paths">): string[] {
  const home = askedHome(flags);
  if (home === undefined) return [asked.paths.run];
  for (const one of [home, dirname(resolve(home))]) {
    const nodes = readPlan(one)?.nodes ?? 0;
    const runs = Array.from({ length: nodes }, (_, index) => devNode(one, index).run);
    if (one === home ? nodes > 0 : runs.includes(asked.paths.run)) return runs;
  }
  return [asked.paths.run];
}

async function removed(asked: Asked, database: string): Promise<void> {
  try {
    await asked.ask("db detach", { name: database, why: "the bench is over" });
  } catch (error) {
    if (error instanceof Failure && error.exit === EXIT.notFound) return;
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure(
      EXIT.partial,
      `Cannot remove the database ${database}: ${why}`,
      `\`ctdbx db detach ${database} --yes\` removes it`,
    );
  }
}

function rounded(found: Measured): Measured {
  const digits = (value: number): number => Math.round(10 * value) / 10;
  return {
    ...found,
    seconds: digits(found.seconds),
    perSecond: digits(found.perSecond),
    p50Us: digits(found.p50Us),
    p99Us: digits(found.p99Us),
    p999Us: digits(found.p999Us),
  };
}
