/**
 * `ctdbx rec watch`: the value of a record, or of all whose keys begin alike, and then each change, until Ctrl-C.
 *
 *   09:14:03.211  user/1  Ada          09:14:05.002  user/1  (no record)        09:14:07.120  (read again)
 *
 * "read again": changes may be missing before it; what it stands for follows as it is now.
 *
 * Does NOT promise: every value that there was; of changes in quick succession the last is told.
 */

import type { Command } from "commander";
import type { Change, Database } from "../../actors/client/types.ts";
import { escapeBytes, fromText } from "../bytes_text.ts";
import { type ConnectFlags, connectOptions, ONE_MS, withDatabaseOf } from "../connection.ts";
import { declare, type Task } from "../declare.ts";
import { onAbort } from "../ending.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { oneLine } from "../output.ts";
import { type RowOf, rows } from "../result.ts";
import { maybe, text, word } from "../schema.ts";
import { signalWait } from "../until_signal.ts";
import type { CommandWorld, EncodingFlags } from "../world.ts";
import { encodingOf, encodingOptions, whole } from "../world.ts";
import { type RecordFlags, recordKey } from "./rec.ts";
import { recordRow } from "./tdb_records.ts";

interface WatchFlags extends ConnectFlags, EncodingFlags {
  readonly nul?: boolean;
  readonly prefix?: string;
  readonly count?: number;
}

const CHANGES = rows({
  time: text("Time", "when this command heard of it; ISO 8601, UTC"),
  what: word(
    "What",
    "none: it was deleted, or is not there; again: changes may be missing before it",
    [
      "value",
      "none",
      "again",
    ],
  ),
  key: maybe(text("Key", "its bytes, as `encoding` says")),
  value: maybe(text("Value", "its bytes, as `encoding` says; null: there is no record")),
  encoding: maybe(word("Encoding", "how the bytes are written", [
    "text",
    "hex",
    "base64",
    "escaped",
  ])),
});
type Row = RowOf<typeof CHANGES>;

/** Characters of a value that a line for people shows. */
const SHOWN_MAX = 200;
const NO_VALUE = new Uint8Array(0);

/** Adds `watch` to `ctdbx rec`. */
export function addRecWatchCommand(rec: Command, world: CommandWorld): void {
  const command = rec.command("watch <database> [key]")
    .description("show the value of a record and its changes, until Ctrl-C");
  declare<WatchFlags, Row>(
    encodingOptions(connectOptions(command), "key and output")
      .option("--nul", "append a NUL byte to the key; many of Samba's keys have one")
      .option("--prefix <text>", "all records whose keys begin with this, in place of KEY")
      .option("--count <changes>", "end after so many", whole(1, 1_000_000_000)),
    world,
    { result: CHANGES, asks: "home", timeout: { text: "end after so long" } },
    watch,
  );
}

async function watch(
  task: Task<WatchFlags, Row>,
  database = "",
  keyText?: string,
): Promise<void> {
  const { flags, out, signal } = task;
  const what = watched(keyText, flags);
  const signals = signalWait();
  try {
    await withDatabaseOf(task, database, async (db, cluster) => {
      const following = follow(db.watch(what), task);
      // It ends by itself, by our wish, or with the connection; the close of that ends the watch.
      following.catch(() => {});
      const isOver = new Promise<void>((resolve) => void onAbort(signal, resolve));
      const end = cluster.closed.then((why) => {
        throw new Failure(EXIT.other, `Cannot watch any longer: ${why}`, "run it again");
      });
      end.catch(() => {});
      await Promise.race([following, isOver, signals.signalled, end]);
    }, { timeoutMs: ONE_MS });
  } finally {
    signals.end();
    out.flush();
  }
}

function watched(
  keyText: string | undefined,
  flags: WatchFlags,
): Parameters<Database["watch"]>[0] {
  const { prefix } = flags;
  if ((keyText === undefined) === (prefix === undefined)) {
    throw usage("Cannot tell what to watch: name a key, or a --prefix", "one of the two");
  }
  if (prefix === undefined) return recordKey(keyText ?? "", flags as RecordFlags);
  return { prefix: fromText(prefix, encodingOf(flags), "the prefix") };
}

async function follow(
  changes: AsyncIterableIterator<Change>,
  { flags, out }: Task<WatchFlags, Row>,
): Promise<void> {
  let left = flags.count ?? Infinity;
  for await (const change of changes) {
    const time = new Date().toISOString();
    if (out.isTable) out.say(lineOf(time, change));
    else out.row({ time, ...rowOf(change, flags) });
    out.flush();
    left -= 1;
    if (left <= 0) return;
  }
}

/** A change as a row, without its time. */
export function rowOf(change: Change, flags: WatchFlags): Omit<Row, "time"> {
  if (change.type === "again") return { what: "again" };
  const { key, value } = change;
  const row = recordRow(key, value ?? NO_VALUE, flags as Parameters<typeof recordRow>[2]);
  if (value !== undefined) return { what: "value", ...row };
  return { what: "none", key: row.key, encoding: row.encoding };
}

/** A change as a line for people. */
export function lineOf(time: string, change: Change): string {
  const at = time.slice(11, 23);
  if (change.type === "again") return `${at}  (read again: changes may be missing here)\n`;
  const { key, value } = change;
  const text = value === undefined ? "(no record)" : escapeBytes(value.subarray(0, SHOWN_MAX));
  const more = (value?.length ?? 0) > SHOWN_MAX ? ` ... ${value?.length} bytes` : "";
  return `${oneLine(`${at}  ${escapeBytes(key)}  ${text}${more}`)}\n`;
}
