/**
 * `ctdbx rec call | lock`: work at a record: a procedure that runs where the record is, and the record's lock.
 *
 *   call DB KEY incr [N] | append VALUE | push MAX ITEM | delete | NAME/VERSION [ARGS]      one procedure, at most once
 *   lock DB KEY [--hold S]     everybody else waits for this record until it is given back: after S, at Ctrl-C, or when
 *                              the command dies
 *
 * Does NOT promise: to hold up other records; only those of the same hash chain, and only at this node.
 */

import type { Command } from "commander";
import type { Database } from "../../actors/client/types.ts";
import { escapeBytes, fromText, shown } from "../bytes_text.ts";
import { withDatabaseOf } from "../connection.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { meant } from "../nearest.ts";
import { object, type RowOf } from "../result.ts";
import { int, maybe, ms, text, word } from "../schema.ts";
import { signalWait, waitFor } from "../until_signal.ts";
import type { CommandWorld } from "../world.ts";
import { encodingOf, seconds } from "../world.ts";
import {
  NAMED_FIELDS,
  namedRecord,
  ONE_RECORD,
  rawValue,
  type RecordFlags,
  recordKey,
  recordOptions,
  recordValue,
} from "./rec.ts";

interface LockFlags extends RecordFlags {
  readonly hold?: number;
}

const CALLED = object({
  ...NAMED_FIELDS,
  procedure: text("Procedure", "what was run"),
  number: maybe(text("Number", "the result of incr, append and push, as digits")),
  result: text("Result", "what it gave back, its bytes as `resultEncoding` says"),
  resultEncoding: word("Result's encoding", "how its bytes are written", [
    "text",
    "hex",
    "base64",
    "escaped",
  ]),
});
const LOCKED = object({
  ...NAMED_FIELDS,
  waitedMs: ms("Waited, ms", "until the lock was there"),
  heldMs: ms("Held, ms", "until it was given back"),
  valueBytes: int("Value bytes", "of the value; 0: there is no record", "bytes"),
});

const CALL_HELP = `
Built in:  incr [N]         adds to a number of 8 bytes, little-endian; without N: 1
           append VALUE     puts bytes at the end; gives the new length
           push MAX ITEM    puts an item at the end of a list of at most MAX; gives how many
           delete           empties the record; gives the value before
           NAME/VERSION     a procedure that a program or the node's configuration offers, with ARGS
`;

/** Adds `call` and `lock` to `ctdbx rec`. */
export function addRecWorkCommands(rec: Command, world: CommandWorld): void {
  const call = rec.command("call <database> <key> <procedure> [first] [second]")
    .description("run a procedure at a record, where the record is, at most once")
    .addHelpText("after", CALL_HELP);
  declare<RecordFlags, RowOf<typeof CALLED>>(
    recordOptions(call, "key, values and output"),
    world,
    {
      result: CALLED,
      ...ONE_RECORD,
      changes: true,
      raw: "the number, or the bytes that the procedure gave back",
    },
    runCall,
  );
  const lock = rec.command("lock <database> <key>")
    .description("lock a record until Ctrl-C; everybody else waits for it");
  declare<LockFlags, RowOf<typeof LOCKED>>(
    recordOptions(lock, "key")
      .option("--hold <seconds>", "give it back after so long", seconds),
    world,
    { result: LOCKED, ...ONE_RECORD },
    runLock,
  );
}

/** What a procedure gave: bytes, and what they mean where that is a number. */
interface Given {
  readonly bytes: Uint8Array;
  readonly number?: bigint | number;
}

async function runCall(
  task: Task<RecordFlags, RowOf<typeof CALLED>>,
  database = "",
  text = "",
  procedure = "",
  first?: string,
  second?: string,
): Promise<void> {
  const { flags, out } = task;
  const key = recordKey(text, flags);
  const run = work(procedure, [first, second], flags);
  const { bytes, number } = await withDatabaseOf(task, database, (db) => run(db, key));
  if (out.format === "raw") {
    if (number === undefined) return rawValue(task as Task<RecordFlags>, bytes);
    return out.raw(`${number}\n`);
  }
  const digits = number === undefined ? undefined : String(number);
  const wanted = flags.hex ? "hex" : flags.base64 ? "base64" : undefined;
  const { strings: [result = ""], encoding } = flags.escaped
    ? { strings: [escapeBytes(bytes)], encoding: "escaped" as const }
    : shown([digits === undefined ? bytes : new TextEncoder().encode(digits)], wanted);
  out.object({
    ...namedRecord(database, key, flags),
    procedure,
    number: digits,
    result,
    resultEncoding: encoding,
  });
}

type Work = (db: Database, key: Uint8Array) => Promise<Given>;

const NOTHING = new Uint8Array(0);
/** Names of the procedures that all nodes know. */
const BUILT_IN = ["incr", "append", "push", "delete", "set", "set_if", "cas"];

/** What is to be done, with its arguments read. Throws Failure (usage) when they are not what the procedure takes. */
function work(
  procedure: string,
  [first, second]: readonly (string | undefined)[],
  flags: RecordFlags,
): Work {
  const encoding = encodingOf(flags);
  const value = (text: string | undefined, what: string): Uint8Array => {
    if (text === undefined) throw usage(`Cannot run ${procedure}: ${what} is missing`);
    return recordValue(text, encoding, what);
  };
  const least = procedure === "push" ? 2 : 1;
  if (second !== undefined && least < 2) {
    throw usage(`Cannot run ${procedure}: it takes one argument`, "--help shows what each takes");
  }
  switch (procedure) {
    case "incr": {
      const by = wholeNumber(first ?? "1");
      return async (db, key) => ({ bytes: NOTHING, number: await db.increment(key, by) });
    }
    case "append": {
      const more = value(first, "the value");
      return async (db, key) => ({ bytes: NOTHING, number: await db.append(key, more) });
    }
    case "push": {
      const max = listLength(first);
      const item = value(second, "the item");
      return async (db, key) => ({ bytes: NOTHING, number: await db.push(key, item, max) });
    }
    default: {
      if (!procedure.includes("/") && !BUILT_IN.includes(procedure)) throw noProcedure(procedure);
      const args = first === undefined ? NOTHING : fromText(first, encoding, "the arguments");
      return async (db, key) => ({ bytes: await db.call(key, procedure, args) });
    }
  }
}

function noProcedure(procedure: string): Failure {
  const all = `built in are ${BUILT_IN.join(", ")}; those of programs are called NAME/VERSION`;
  const text = `Cannot run ${procedure}: there is no such procedure`;
  return usage(text, meant(procedure, BUILT_IN) ?? all);
}

function wholeNumber(text: string): bigint {
  const number = /^[+-]?\d{1,19}$/.test(text) ? BigInt(text) : undefined;
  if (number !== undefined && BigInt.asIntN(64, number) === number) return number;
  throw usage(`Cannot add ${JSON.stringify(text)}: it is no whole number of 64 bits`, "as 1 or -5");
}

function listLength(text: string | undefined): number {
  const max = text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (max >= 1 && max <= 0xffffffff) return max;
  throw usage("Cannot run push: MAX must be a whole number from 1 on", "push 100 ITEM");
}

async function runLock(
  task: Task<LockFlags, RowOf<typeof LOCKED>>,
  database = "",
  text = "",
): Promise<void> {
  const { flags, out, world } = task;
  const key = recordKey(text, flags);
  const { terminal } = world;
  await withDatabaseOf(task, database, async (db, cluster) => {
    const startMs = terminal.nowMs();
    await using lock = await db.fetchLock(key);
    // From here on a signal gives it back; before anybody is told that it is held.
    const signals = signalWait();
    try {
      const lockedMs = terminal.nowMs();
      const valueBytes = lock.value?.length ?? 0;
      const until = flags.hold === undefined ? "Ctrl-C gives it back" : `for ${flags.hold} s`;
      out.say(`locked at ${cluster.name}, the value has ${valueBytes} bytes; ${until}\n`);
      out.flush();
      await waitFor(signals, flags.hold === undefined ? undefined : 1000 * flags.hold, [
        cluster.closed.then((why) => {
          throw cutOff(why);
        }),
      ]);
      await lock.close();
      const heldMs = terminal.nowMs() - lockedMs;
      if (out.isTable) return out.say(`given back after ${(heldMs / 1000).toFixed(1)} s\n`);
      const waitedMs = lockedMs - startMs;
      out.object({ ...namedRecord(database, key, flags), waitedMs, heldMs, valueBytes });
    } finally {
      signals.end();
    }
  });
}

function cutOff(why: string): Failure {
  return new Failure(
    EXIT.other,
    `Cannot hold the lock any longer: the connection has ended: ${why}`,
    "the record is free again",
  );
}
