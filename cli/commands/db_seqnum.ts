/**
 * `ctdbx db seqnum`: how many transactions a persistent or replicated database has seen.
 *
 * Does NOT promise: without --latest, more than what the asked node has.
 */

import type { Command } from "commander";
import { type ConnectFlags, connectOptions, OP_WAIT, withDatabaseOf } from "../connection.ts";
import { declare, type Task } from "../declare.ts";
import { object, type RowOf } from "../result.ts";
import { text, u64 } from "../schema.ts";
import type { CommandWorld } from "../world.ts";

interface SeqnumFlags extends ConnectFlags {
  readonly latest?: boolean;
}

const SEQNUM = object({
  database: text("Database", "its name"),
  seqnum: u64("Sequence number", "it rises with each transaction"),
});

/** Adds it to `ctdbx db`. */
export function addDbSeqnumCommand(db: Command, world: CommandWorld): void {
  const seqnum = db.command("seqnum <database>")
    .description("the sequence number of a persistent or replicated database");
  declare<SeqnumFlags, RowOf<typeof SEQNUM>>(
    connectOptions(seqnum)
      .option("--latest", "of all that is committed, not of what the node has"),
    world,
    { result: SEQNUM, raw: "the number", asks: "home", timeout: OP_WAIT },
    runSeqnum,
  );
}

async function runSeqnum(
  task: Task<SeqnumFlags, RowOf<typeof SEQNUM>>,
  database = "",
): Promise<void> {
  const { flags: { latest = false }, out } = task;
  const seqnum = await withDatabaseOf(task, database, (db) => db.seqnum({ latest }));
  if (out.format === "raw") out.raw(`${seqnum}\n`);
  else out.object({ database, seqnum: `${seqnum}` });
}
