/**
 * `ctdbx tx apply | run | fate`: transactions of persistent and replicated databases.
 *
 *   apply DB FILE|-      the lines of a file, all together or nothing (tx_text.ts)
 *   run DB --if K=V --if-absent K --if-present K --put K=V --del K      conditions and writes of one moment
 *   fate DB TXID         what became of one; with --finalize for good
 *
 * Exit codes: 0 committed; 4 a condition is not met, or others were first; 5 unknown: `tx fate` decides it; 6 too few
 * in-sync copies. With all but 0 and 5 nothing was done.
 *
 * Does NOT promise: that a transaction is asked for once; after a lost connection it is asked for again by its name.
 */

import { createReadStream } from "node:fs";
import { type Command, Option } from "commander";
import {
  type Committed,
  type Database,
  type Transaction,
  TransactionError,
  type TransactionOptions,
} from "../../actors/client/types.ts";
import { FRAME_MAX, keyOfBytes } from "../../transport/wire/client/frames.ts";
import { shortKey } from "../bytes_text.ts";
import { connectOptions, OP_WAIT, withDatabaseOf } from "../connection.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT, EXIT_OF } from "../exit_codes.ts";
import { Failure, requireName, systemFailure, usage } from "../failure.ts";
import { object, type RowOf } from "../result.ts";
import { flag, int, maybe, text, u64, word } from "../schema.ts";
import { TxReader, type TxWrite } from "../tx_text.ts";
import type { CommandWorld } from "../world.ts";
import { encodingOf } from "../world.ts";
import { keyBytes } from "./tdb_records.ts";
import { type RecordFlags, recordOptions, recordValue } from "./rec.ts";

interface RunFlags extends RecordFlags {
  readonly if: readonly string[];
  readonly ifAbsent: readonly string[];
  readonly ifPresent: readonly string[];
  readonly put: readonly string[];
  readonly del: readonly string[];
}

interface FateFlags extends RecordFlags {
  readonly finalize?: boolean;
}

/** Writes of one transaction. As in transport/wire/messages/commit.ts. */
const WRITES_MAX = 262_144;

const DONE = {
  database: text("Database", "its name"),
  puts: int("Stored", "records that it stores"),
  dels: int("Deleted", "records that it deletes"),
  txid: maybe(text("Transaction", "its name, for `tx fate`")),
  seqnum: maybe(u64("Sequence number", "of the database, with it")),
  tries: int("Tries", "others were first in all but the last"),
};
const APPLIED = object(DONE);
const RAN = object({
  ...DONE,
  applied: flag("Applied", "all conditions were met, and it is committed"),
  unmet: maybe(text("Not met", "the first condition that is not, as an option")),
}, { table: ["applied", { name: "unmet", whenSet: true }, ...Object.keys(DONE)] });
const FATE = object({
  database: text("Database", "its name"),
  txid: text("Transaction", "its name"),
  state: word("State", "what became of it; aborted: never; session_expired: nobody can say", [
    "committed",
    "aborted",
    "in_progress",
    "not_executed",
    "forgotten",
    "session_expired",
  ]),
  seqnum: maybe(u64("Sequence number", "of the database, with it")),
});
type DoneRow = RowOf<typeof APPLIED>;
type RanRow = RowOf<typeof RAN>;
type FateRow = RowOf<typeof FATE>;

const COMMON = { asks: "home", timeout: OP_WAIT } as const;

const APPLY_HELP = `
Each line is a write: {"op":"put","key":"k","value":"v"}, with "encoding": hex, base64 or escaped
for bytes; {"op":"del","key":"k"}; or "key" "value" as the peer's ptrans reads it, where "" deletes.
Of several writes to one key the last one counts. At most 262144 writes of 30 MiB together.
`;
const RUN_HELP = `
All conditions are of one moment, the latest, and so are all writes. KEY ends at the first = (with
--escaped a = in it is \\3D; with --base64 leave its padding out). Exit code 4: a condition is not met.
  ctdbx tx run bank --if ann=100 --put ann=90 --put bob=10
`;

/** Adds `ctdbx tx`. */
export function addTxCommands(program: Command, world: CommandWorld): void {
  const tx = program.command("tx")
    .description("transactions of persistent and replicated databases");
  const apply = tx.command("apply <database> <file>")
    .description("do all writes of a file, - for standard input, together or not at all")
    .addHelpText("after", APPLY_HELP);
  declare<RecordFlags, DoneRow>(
    connectOptions(apply),
    world,
    { result: APPLIED, ...COMMON, changes: true },
    runApply,
  );
  const run = tx.command("run <database>")
    .description("do some writes together, if records are as they are said to be")
    .addHelpText("after", RUN_HELP);
  declare<RunFlags, RanRow>(
    recordOptions(run, "keys and values")
      .addOption(several("--if <key=value>", "the record must have this value"))
      .addOption(several("--if-absent <key>", "there must be no such record"))
      .addOption(several("--if-present <key>", "there must be such a record"))
      .addOption(several("--put <key=value>", "store this"))
      .addOption(several("--del <key>", "delete this")),
    world,
    { result: RAN, ...COMMON, changes: true },
    runRun,
  );
  const fate = tx.command("fate <database> <txid>")
    .description("what became of a transaction whose outcome is unknown");
  declare<FateFlags, FateRow>(
    connectOptions(fate)
      .option("--finalize", "if it was not executed until now it never is"),
    world,
    { result: FATE, ...COMMON },
    runFate,
  );
}

function several(flags: string, about: string): Option {
  return new Option(flags, `${about}; may be given more than once`)
    .argParser((value: string, before: readonly string[]) => [...before, value])
    .default([], "none");
}

/** Commits, and says what stands in the way as commands do. Throws Failure. */
async function commit<T>(
  db: Database,
  work: (tx: Transaction) => Promise<T> | T,
  options: TransactionOptions,
): Promise<Committed<T>> {
  try {
    return await db.transaction(work, options);
  } catch (error) {
    if (!(error instanceof TransactionError)) throw error;
    const { code, message, txid } = error;
    throw new Failure(EXIT_OF[code] ?? EXIT.other, message, hintOf(db.name, error.outcome, txid));
  }
}

function hintOf(database: string, outcome: string, txid: string | undefined): string {
  if (outcome === "aborted") return "nothing was done";
  if (txid === undefined) return "look at its records before you repeat it";
  return `\`ctdbx tx fate ${database} ${txid} --finalize\` decides whether it was done`;
}

function doneOf(
  database: string,
  writes: Iterable<TxWrite>,
  { txid, seqnum, tries }: Omit<Committed<unknown>, "value" | "isBehind">,
): DoneRow {
  const all = [...writes];
  const dels = all.filter(({ value }) => value === undefined).length;
  const number = seqnum === undefined ? undefined : `${seqnum}`;
  return { database, puts: all.length - dels, dels, txid, seqnum: number, tries };
}

function writeAll(tx: Transaction, writes: Iterable<TxWrite>): void {
  for (const { key, value } of writes) {
    if (value === undefined) tx.del(key);
    else tx.put(key, value);
  }
}

// --- apply

async function runApply(
  task: Task<RecordFlags, DoneRow>,
  database = "",
  file = "",
): Promise<void> {
  const writes = await readWrites(task.world, file);
  const done = await withDatabaseOf(task, database, async (db) => {
    return await commit(db, (tx) => writeAll(tx, writes.values()), {});
  });
  task.out.object(doneOf(database, writes.values(), done));
}

/** The writes of a file, by key. Throws Failure. */
async function readWrites(world: CommandWorld, file: string): Promise<Map<string, TxWrite>> {
  const cannot = `Cannot read ${file === "-" ? "standard input" : file}`;
  requireName(cannot, file);
  const writes = new Map<string, TxWrite>();
  let size = 0;
  const reader = new TxReader((write) => {
    writes.set(keyOfBytes(write.key), write);
    size += write.key.length + (write.value?.length ?? 0);
    if (writes.size <= WRITES_MAX && size <= FRAME_MAX) return;
    const why = `a transaction has ${WRITES_MAX} writes and ${FRAME_MAX} bytes at most`;
    throw new Failure(EXIT.other, `${cannot}: it is too much for one: ${why}`, "divide it");
  });
  try {
    const input = file === "-" ? world.terminal.input() : createReadStream(file);
    for await (const piece of input as AsyncIterable<Uint8Array>) reader.push(piece);
  } catch (error) {
    throw error instanceof Failure ? error : systemFailure(error, cannot);
  }
  reader.end();
  if (writes.size > 0) return writes;
  throw usage(`${cannot}: there is nothing to be done in it`, "a line for each write");
}

// --- run

/** A condition. */
interface Condition {
  readonly key: Uint8Array;
  /** As it was given. */
  readonly option: string;
  readonly isMet: (value: Uint8Array | undefined) => boolean;
}

/** Thrown where a condition is not met: what is written so far is nothing. */
class Unmet extends Error {
  readonly condition: Condition;

  constructor(condition: Condition) {
    super(condition.option);
    this.condition = condition;
  }
}

async function runRun(task: Task<RunFlags, RanRow>, database = ""): Promise<void> {
  const { flags, out } = task;
  const conditions = conditionsOf(flags);
  const writes = writesOf(flags);
  if (conditions.length === 0 && writes.length === 0) {
    throw usage("Cannot run nothing: no write and no condition is named", "--put, --del or --if");
  }
  let tries = 0;
  const work = async (tx: Transaction): Promise<void> => {
    tries = tx.tries;
    // Of one state, and the latest: what is not met now was not met, whatever others do.
    const values = await Promise.all(conditions.map(({ key }) => tx.get(key)));
    const unmet = conditions.find(({ isMet }, at) => !isMet(values[at]));
    if (unmet !== undefined) throw new Unmet(unmet);
    writeAll(tx, writes);
  };
  let done: Committed<void>;
  try {
    done = await withDatabaseOf(task, database, (db) => commit(db, work, { latest: true }));
  } catch (error) {
    if (!(error instanceof Unmet)) throw error;
    const { key, option } = error.condition;
    const none = doneOf(database, [], { txid: undefined, seqnum: undefined, tries });
    if (!out.isTable) out.object({ ...none, applied: false, unmet: option });
    throw new Failure(
      EXIT.conflict,
      `Cannot run it in ${database}: "${shortKey(key)}" is not as ${option} says`,
      "nothing was changed; `ctdbx rec get` shows the value",
    );
  }
  out.object({ ...doneOf(database, writes, done), applied: true, unmet: undefined });
}

function conditionsOf(flags: RunFlags): Condition[] {
  const { if: equal, ifAbsent, ifPresent } = flags;
  return [
    ...equal.map((text) => {
      const { key, value } = pairOf("--if", text, flags, "--if-absent KEY says that there is none");
      const isMet = (found: Uint8Array | undefined) => isSame(found, value);
      return { key, option: `--if ${text}`, isMet };
    }),
    ...ifAbsent.map((text) => ({
      key: keyOf("--if-absent", text, flags),
      option: `--if-absent ${text}`,
      isMet: (found: Uint8Array | undefined) => found === undefined,
    })),
    ...ifPresent.map((text) => ({
      key: keyOf("--if-present", text, flags),
      option: `--if-present ${text}`,
      isMet: (found: Uint8Array | undefined) => found !== undefined,
    })),
  ];
}

function writesOf(flags: RunFlags): TxWrite[] {
  const writes: TxWrite[] = [
    ...flags.put.map((text) => pairOf("--put", text, flags, "--del KEY deletes")),
    ...flags.del.map((text) => ({ key: keyOf("--del", text, flags), value: undefined })),
  ];
  const seen = new Set<string>();
  for (const { key } of writes) {
    const name = keyOfBytes(key);
    if (seen.has(name)) throw usage(`Cannot write "${shortKey(key)}" twice in one transaction`);
    seen.add(name);
  }
  return writes;
}

function pairOf(
  option: string,
  text: string,
  flags: RunFlags,
  hint: string,
): { readonly key: Uint8Array; readonly value: Uint8Array } {
  const at = text.indexOf("=");
  if (at < 0) throw usage(`Cannot use ${option} ${text}: there is no = in it`, "KEY=VALUE");
  const value = recordValue(text.slice(at + 1), encodingOf(flags), `the value of ${option}`);
  if (value.length === 0) {
    throw usage(`Cannot use ${option} ${text}: an empty value is no record`, hint);
  }
  return { key: keyOf(option, text.slice(0, at), flags), value };
}

function keyOf(option: string, text: string, flags: RunFlags): Uint8Array {
  const key = keyBytes(text, encodingOf(flags), flags.nul);
  if (key.length > 0) return key;
  throw usage(`Cannot use ${option}: its key is empty`, "a key of a record has 1 to 65535 bytes");
}

function isSame(found: Uint8Array | undefined, value: Uint8Array): boolean {
  return found !== undefined && found.length === value.length &&
    found.every((byte, at) => byte === value[at]);
}

// --- fate

async function runFate(
  task: Task<FateFlags, FateRow>,
  database = "",
  txid = "",
): Promise<void> {
  const { finalize = false } = task.flags;
  if (!/^[0-9]{1,20}\.[0-9]{1,10}$/.test(txid)) {
    throw usage(`Cannot ask about "${txid}": it is no name of a transaction`, "as 1152921504.7");
  }
  const fate = await withDatabaseOf(task, database, (db) => db.fate(txid, { finalize }));
  const seqnum = fate.state === "committed" ? `${fate.seqnum}` : undefined;
  task.out.object({ database, txid, state: fate.state, seqnum });
}
