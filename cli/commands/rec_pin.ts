/**
 * `ctdbx rec pin`: a record comes to a node, and stays there longer than others when it is wanted elsewhere.
 *
 *   pin DB KEY [--for S]     it comes here now; each time that it comes here it stays for a while, until S are over
 *   pin DB KEY --off         as it was
 *
 * Does NOT promise: that it never leaves; it stays a fraction of a second each time, and work of others is sent to it.
 * A pin ends with the daemon.
 */

import { type Command, Option } from "commander";
import { withDatabaseOf } from "../connection.ts";
import { declare, type Task } from "../declare.ts";
import { object, type RowOf } from "../result.ts";
import { flag, int, num, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { seconds } from "../world.ts";
import {
  NAMED_FIELDS,
  namedRecord,
  ONE_RECORD,
  type RecordFlags,
  recordKey,
  recordOptions,
} from "./rec.ts";

interface PinFlags extends RecordFlags {
  readonly for: number;
  readonly off?: boolean;
}

const PINNED = object({
  ...NAMED_FIELDS,
  pnn: int("Pnn", "number of the node that keeps it"),
  node: text("Node", "its name"),
  pinned: flag("Pinned", "does it stay here for longer from now on?"),
  seconds: num("Seconds", "for so long; 0: it is pinned no more", "s"),
});

/** Adds `pin` to `ctdbx rec`. */
export function addRecPinCommand(rec: Command, world: CommandWorld): void {
  const command = rec.command("pin <database> <key>")
    .description("have a record come to the node, and stay there for longer than others")
    .option("--for <seconds>", "for so long", seconds, 600)
    .addOption(new Option("--off", "no longer").conflicts("for"));
  declare<PinFlags, RowOf<typeof PINNED>>(
    recordOptions(command, "key"),
    world,
    { result: PINNED, ...ONE_RECORD, changes: true },
    runPin,
  );
}

async function runPin(
  task: Task<PinFlags, RowOf<typeof PINNED>>,
  database = "",
  text = "",
): Promise<void> {
  const { flags, out } = task;
  const key = recordKey(text, flags);
  const time = flags.off ? 0 : flags.for;
  const at = await withDatabaseOf(task, database, async (db, { pnn, name }) => {
    await db.pin(key, { forMs: 1000 * time });
    return { pnn, node: name };
  });
  out.object({
    ...namedRecord(database, key, flags),
    ...at,
    pinned: time > 0,
    seconds: time,
  });
}
