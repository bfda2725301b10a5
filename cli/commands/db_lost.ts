/**
 * `ctdbx db lost list | show | replay`: what copies of this machine's nodes had to cut off when another led by force.
 *
 *   list     the branches, from the files of the nodes: no daemon is asked
 *   show     the writes of a branch; of one transaction, as `tx apply` reads them
 *   replay   its transactions once more, one by one, where nothing has come between (lost_replay.ts)
 *
 * Does NOT promise: branches of other machines; each lies where the copy is that cut it off.
 */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import { shortKey, shown } from "../bytes_text.ts";
import type { NodePaths } from "../config.ts";
import { findNode } from "../config.ts";
import { type ConnectFlags, connectOptions, withDatabaseOf } from "../connection.ts";
import { type CommonFlags, declare, type Task } from "../declare.ts";
import { devNode, readPlan } from "../dev_cluster.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import type { HomeFlags } from "../home_option.ts";
import { type LostBranch, lostBranches, type LostTxn, readBranch } from "../lost_files.ts";
import { Replay, type Replayed } from "../lost_replay.ts";
import { NodeFiles } from "../membership/node_files.ts";
import { type RowOf, rows } from "../result.ts";
import { int, maybe, ms, text, u64, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";
import { bytesOfKey } from "../../transport/wire/client/frames.ts";
import { askedHome } from "./asking.ts";

const LIST = rows({
  database: text("Database", "its name"),
  branch: text("Branch", "names it: history, and the last entry that stayed"),
  node: text("Node", "whose copy had it"),
  when: text("When", "it was cut off, as ISO 8601"),
  wallMs: ms("Time, ms", "the same, since 1970"),
  above: u64("Above", "the last entry that stayed"),
  entries: int("Entries", "that were cut off"),
  transactions: int("Transactions", "in them"),
  bytes: int("Bytes", "of the file", "bytes"),
  path: text("File", "where it lies"),
}, {
  table: ["database", "branch", "node", "when", "transactions", "entries", "bytes", "path"],
});
type Listed = RowOf<typeof LIST>;

const SHOW = rows({
  number: int("Number", "of the transaction in the branch, from 1"),
  txid: text("Transaction", "the name that it had"),
  op: word("Op", "what it does to the record", ["put", "del"]),
  key: text("Key", "of the record"),
  value: maybe(text("Value", "that it stores; null: it deletes")),
  encoding: word("Encoding", "of key and value", ["text", "hex", "base64"]),
}, { table: ["number", "op", "key", "value"] });
type Shown = RowOf<typeof SHOW>;

const REPLAY = rows({
  number: int("Number", "of the transaction in the branch, from 1"),
  was: text("Was", "the name that it had"),
  outcome: word("Outcome", "what became of it now", [
    "committed",
    "conflict",
    "nothing",
    "failed",
    "unknown",
  ]),
  writes: int("Writes", "records that it writes"),
  txid: maybe(text("Transaction", "its name now, for `tx fate`")),
  seqnum: maybe(u64("Sequence number", "of the database, with it")),
  key: maybe(text("Key", "escaped: what stands in the way")),
  why: maybe(text("Why", "it was not done")),
}, {
  table: [
    "number",
    "outcome",
    "writes",
    { name: "seqnum", whenSet: true },
    { name: "key", whenSet: true },
    { name: "why", whenSet: true },
  ],
});
type ReplayRow = RowOf<typeof REPLAY>;

interface ShowFlags extends HomeFlags {
  readonly tx?: number;
}

interface ReplayFlags extends ConnectFlags {
  readonly tx?: number;
  readonly overwrite?: boolean;
}

const TX_MAX = 0xffff_ffff;
const REPLAY_HELP = `
Each transaction is done anew if every record that it writes is as it was when the branch was cut off, or
as an earlier transaction of this replay has left it. Others are conflicts: they are left out and shown, and
so are those behind them that write the same. Run again, it does nothing twice.
`;

/** Adds them to `ctdbx db`. */
export function addDbLostCommands(db: Command, world: CommandWorld): void {
  const lost = db.command("lost").description("what copies had to cut off: kept, and done again");
  declare<HomeFlags, Listed>(
    lost.command("list [database]").alias("ls").description("the branches that are kept here"),
    world,
    { result: LIST, asks: "home" },
    list,
  );
  declare<ShowFlags, Shown>(
    lost.command("show <database> [branch]")
      .description("the writes of a branch; with --tx those of one transaction, for `tx apply`")
      .option("--tx <number>", "only this transaction", whole(1, TX_MAX)),
    world,
    {
      result: SHOW,
      asks: "home",
      raw: "with --tx, lines as `tx apply` reads them",
      isRaw: ({ tx }) => tx !== undefined,
    },
    show,
  );
  declare<ReplayFlags, ReplayRow>(
    connectOptions(
      lost.command("replay <database> [branch]")
        .description("do the transactions of a branch again, where nothing has come between")
        .option("--tx <number>", "only this transaction", whole(1, TX_MAX))
        .option("--overwrite", "also where others have changed the records since")
        .addHelpText("after", REPLAY_HELP),
    ),
    world,
    { result: REPLAY, asks: "home", changes: true },
    replay,
  );
}

// --- finding

interface Kept extends LostBranch {
  readonly node: string;
}

/** The nodes whose files are looked at: the named one, or all of a dev cluster. Throws Failure. */
function nodesOf(flags: HomeFlags): NodePaths[] {
  const home = askedHome(flags);
  const paths = findNode(home, flags.nodeName);
  if (home === undefined || existsSync(paths.config)) return [paths];
  const plan = readPlan(home);
  if (plan === undefined) return [paths];
  return Array.from({ length: plan.nodes }, (_, index) => devNode(home, index));
}

function branchesOf(flags: HomeFlags, database?: string): Kept[] {
  return nodesOf(flags).flatMap((paths) => {
    const found = lostBranches(paths.state, database);
    if (found.length === 0) return [];
    const node = new NodeFiles(paths).identity()?.name ?? paths.state;
    return found.map((one) => ({ ...one, node }));
  });
}

/** The branch that is meant; without its name the only one. Throws Failure. */
function branchOf(flags: HomeFlags, database: string, branch: string | undefined): Kept {
  const all = branchesOf(flags, database);
  const found = all.filter((one) => branch === undefined || one.branch === branch);
  const [one, ...more] = found;
  const hint = "`ctdbx db lost list` shows all that are kept on this machine";
  if (one === undefined) {
    const what = branch === undefined ? "a branch" : `branch ${branch}`;
    throw new Failure(EXIT.notFound, `Cannot find ${what} of ${database}: none is kept here`, hint);
  }
  if (more.length === 0) return one;
  const names = found.map(({ branch, node }) => `${branch} of ${node}`).join(", ");
  throw new Failure(EXIT.usage, `Cannot tell which branch of ${database} is meant: ${names}`, hint);
}

/** The transactions that are meant. Throws Failure (not found). */
function txnsOf(txns: readonly LostTxn[], number: number | undefined): readonly LostTxn[] {
  if (number === undefined) return txns;
  const found = txns.filter((txn) => txn.number === number);
  if (found.length > 0) return found;
  throw new Failure(EXIT.notFound, `Cannot find transaction ${number}: there are ${txns.length}`);
}

// --- commands

function list({ flags, out }: Task<HomeFlags, Listed>, database?: string): void {
  const found = branchesOf(flags, database);
  for (const kept of found) {
    const { branch, node, above, bytes, path, wallMs } = kept;
    const { entries, txns } = readBranch(kept);
    out.row({
      ...{ database: kept.database, branch, node, entries, bytes, path },
      ...{ when: new Date(wallMs).toISOString(), wallMs: Math.round(wallMs) },
      ...{ above: `${above}`, transactions: txns.length },
    });
  }
  if (found.length === 0) out.say("no branch is kept on this machine: nothing had to be cut off\n");
}

function show({ flags, out }: Task<ShowFlags, Shown>, database = "", branch?: string): void {
  const { txns } = readBranch(branchOf(flags, database, branch));
  for (const { number, txid, writes } of txnsOf(txns, flags.tx)) {
    for (const { key, value } of writes) {
      const parts = value === undefined ? [bytesOfKey(key)] : [bytesOfKey(key), value];
      const { strings: [shownKey = "", shownValue], encoding } = shown(parts);
      const op = value === undefined ? "del" : "put";
      const write = { op, key: shownKey, value: shownValue, encoding } as const;
      if (out.format === "raw") out.raw(`${JSON.stringify(write)}\n`);
      else out.row({ number, txid, ...write });
    }
  }
}

async function replay(
  task: Task<ReplayFlags, ReplayRow>,
  database = "",
  branch?: string,
): Promise<void> {
  const { flags, out } = task;
  const content = readBranch(branchOf(flags, database, branch));
  const txns = txnsOf(content.txns, flags.tx);
  const ends = new Map<Replayed["outcome"], number>();
  await withDatabaseOf(task as Task<ConnectFlags & CommonFlags>, database, async (db) => {
    const run = new Replay(db, content, flags.overwrite === true);
    for (const txn of txns) {
      const end = await run.again(txn);
      ends.set(end.outcome, (ends.get(end.outcome) ?? 0) + 1);
      out.row(rowOf(txn, end));
      // Those behind it may build on it.
      if (end.outcome === "unknown") break;
    }
  });
  refuse(database, txns.length, ends);
}

function rowOf({ number, txid: was, writes }: LostTxn, end: Replayed): ReplayRow {
  const about = { number, was, writes: writes.length, outcome: end.outcome };
  switch (end.outcome) {
    case "committed":
      return { ...about, txid: end.txid, seqnum: `${end.seqnum}` };
    case "conflict":
      return { ...about, key: shortKey(bytesOfKey(end.key)), why: end.why };
    case "nothing":
      return about;
    default:
      return { ...about, txid: end.txid, why: end.why };
  }
}

/** Exit code 5 when the end of one is not known, 9 when some were left out, 4 when all were. Throws Failure. */
function refuse(database: string, all: number, ends: ReadonlyMap<string, number>): void {
  const [conflicts = 0, failed = 0, unknown = 0] = ["conflict", "failed", "unknown"]
    .map((outcome) => ends.get(outcome));
  const left = conflicts + failed;
  if (unknown > 0) {
    const hint = "`ctdbx tx fate` decides it; then run this again: nothing is done twice";
    throw new Failure(
      EXIT.unknownOutcome,
      `Cannot tell whether the last of ${database} was done`,
      hint,
    );
  }
  if (left === 0) return;
  throw new Failure(
    left === all ? EXIT.conflict : EXIT.partial,
    `Cannot do ${left} of ${all} transactions of ${database} again: ${conflicts} conflicts`,
    "`ctdbx db lost show` shows what they write; --overwrite does them all the same",
  );
}
