/**
 * `ctdbx db adopt`: what a node that is no more had of a persistent database is stored into one of this cluster.
 *
 * Its files tell all that it had, also what was only in its log. They are copied, never changed.
 *
 * Does NOT promise: all or nothing: records go in transactions of a thousand; running it again is safe.
 */
import type { Command } from "commander";
import { dirname, resolve } from "node:path";
import { keyOfBytes } from "../../transport/wire/client/frames.ts";
import { withAdopted } from "../adopted.ts";
import { BatchStoring } from "../batch_storing.ts";
import { type ConnectFlags, connectOptions, ONE_MS, withDatabaseOf } from "../connection.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { progress } from "../progress.ts";
import { readSource } from "../record_source.ts";
import { object, type RowOf } from "../result.ts";
import { int, maybe, text, u64 } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { LOCK_WAIT } from "../world.ts";

/** The database keeps it itself. */
const SEQNUM_KEY = "__db_sequence_number__\0";

const ADOPTED = object({
  database: text("Database", "its name"),
  file: text("From", "the file that was adopted"),
  records: int("Records", "that were stored"),
  seqnum: u64("Transactions", "that the copy had, with those of its log"),
  applied: int("From its log", "entries that only the log had"),
  missing: maybe(u64("Damaged behind", "the last entry that its log has, if its end is damaged")),
});
type Adopted = RowOf<typeof ADOPTED>;

interface AdoptFlags extends ConnectFlags {
  readonly scratch?: string;
}

const HELP = `
FILE is the NAME.tdb of a copy, in persistent/NAME.SINCE/ below the state folder of a node that does not
run any more: its document is lost, or it was of another cluster. The database must be there (\`db attach\`).
Of a database that this cluster still has, copies are adopted by nobody: start their node instead.
`;

/** Adds it to `ctdbx db`. */
export function addDbAdoptCommand(db: Command, world: CommandWorld): void {
  declare<AdoptFlags, Adopted>(
    connectOptions(
      db.command("adopt <database> <file>")
        .description("store what the copy of a node that is no more has of a persistent database")
        .option("--scratch <folder>", "where there is room for a copy (default: beside FILE)")
        .addHelpText("after", HELP),
    ),
    world,
    {
      result: ADOPTED,
      asks: "home",
      changes: true,
      destroys: "records of the same keys are replaced",
    },
    adopt,
  );
}

async function adopt(task: Task<AdoptFlags, Adopted>, name = "", given = ""): Promise<void> {
  const { flags, out, world, signal } = task;
  const file = resolve(given);
  const bar = progress(world.terminal, "adopting");
  try {
    await withDatabaseOf(task, name, async (db) => {
      const has = await db.seqnum({ latest: true });
      if (has > 0n) {
        await task.confirm(`${name} has ${has} transactions: what ${file} has goes over it`);
      }
      await withAdopted(world.store, file, flags.scratch ?? dirname(file), async (adopted) => {
        const { path, seqnum, applied, damagedFrom } = adopted;
        const onDone = (count: number): void => bar.at(count, 0);
        const storing = new BatchStoring(db, { mode: "replace", signal, onDone });
        const wish = {
          path,
          format: "tdb",
          header: "strip",
          lockSeconds: LOCK_WAIT.seconds,
        } as const;
        try {
          await readSource(world, wish, async (record) => {
            if (keyOfBytes(record.key) !== SEQNUM_KEY) await storing.take(record);
          });
          await storing.end();
        } catch (error) {
          throw storing.failure(file, error);
        }
        const missing = damagedFrom === undefined ? undefined : `${damagedFrom}`;
        const records = storing.stored;
        out.object({ database: name, file, records, seqnum: `${seqnum}`, applied, missing });
        if (missing !== undefined) throw damaged(file, missing);
      });
    }, { timeoutMs: ONE_MS });
  } finally {
    bar.end();
  }
}

function damaged(file: string, missing: string): Failure {
  return new Failure(
    EXIT.partial,
    `Cannot adopt all of ${file}: the end of its log is damaged, what is behind entry ${missing} is missing`,
    "another copy of the same database may have it",
  );
}
