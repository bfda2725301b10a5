/**
 * `ctdbx tdb rescue`: what can still be read of a damaged file, as dump text or as a new file.
 *
 *   chains lead to it -> taken      found by scanning, its key is not known yet -> taken      else left out
 *
 * The damaged file is only read, and locked for reading all the while.
 *
 * Does NOT promise: that an unreachable record was not deleted on purpose; --reachable leaves those out.
 */

import type { Command } from "commander";
import { rescue } from "../../actors/storage/tdb_rescue.ts";
import type { RescueReport } from "../../actors/storage/tdb_rescue.ts";
import { KEY_MAX, VALUE_MAX } from "../../transport/wire/limits.ts";
import { toHex } from "../bytes_text.ts";
import { withDatabase } from "../database.ts";
import { dumpText } from "../dump_text.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { NewDatabase } from "../new_database.ts";
import { declare, type Task } from "../declare.ts";
import { overLimits } from "../record_limits.ts";
import { object, type Result, type RowOf } from "../result.ts";
import { int, text } from "../schema.ts";
import { refuseSame, targetOf } from "../target.ts";
import type { CommandWorld, OpenFlags } from "../world.ts";
import { LOCK_WAIT, openOptions } from "../world.ts";
import { atOneMoment, optionsLike } from "./tdb_copy.ts";
import { type RecordRow, recordRow, RECORDS } from "./tdb_records.ts";

/** What rescue() calls for each record. */
type Found = Parameters<typeof rescue>[1];

const RESCUED = object({
  path: text("Written", "the new file"),
  records: int("Records", "how many it has"),
  reachable: int("Found through chains", "records that a chain leads to"),
  unreachable: int("Found by scanning", "records that no chain leads to"),
  shadowed: int("Older copies left out", "of keys that were found before"),
  tooLarge: int("Too large, left out", "larger than ctdbx stores"),
  bytes: int("Bytes", "of the new file", "bytes"),
});

interface RescueFlags extends OpenFlags {
  readonly to?: string;
  readonly reachable?: boolean;
  readonly force?: boolean;
}

/** Adds the command to `ctdbx tdb`. */
export function addRescueCommand(tdb: Command, world: CommandWorld): void {
  const command = tdb.command("rescue <file>")
    .description("save the records of a damaged file: as dump text, or into a new file");
  declare<RescueFlags, object>(
    openOptions(command, true)
      .option("--to <path>", "write a new database instead of dump text")
      .option("--reachable", "leave out records that no chain leads to")
      .option("--force", "replace the target if it exists and nobody holds a lock on it"),
    world,
    {
      result: ({ to }) => (to === undefined ? RECORDS : RESCUED) as Result,
      raw: "dump text, or with --to a table of counts",
      isRaw: ({ to }) => to === undefined,
      timeout: LOCK_WAIT,
    },
    (task, file = "") => task.flags.to === undefined ? print(task, file) : rescueTo(task, file),
  );
}

/** Prints what can be read, and how much it was on stderr. */
async function print({ world, flags, out }: Task<RescueFlags>, file: string): Promise<void> {
  const { report, twice } = await withDatabase(
    world,
    file,
    flags,
    "look",
    (tdb) =>
      atOneMoment(tdb, () => {
        const known = new Set<string>();
        let twice = 0;
        const report = rescue(tdb, (key, value, { reachable }) => {
          if (!reachable && (flags.reachable || isKnown(known, key))) twice += 1;
          else if (out.format === "raw") out.raw(dumpText(key, value));
          else out.row(recordRow(key, value, flags) satisfies RecordRow);
        });
        return Promise.resolve({ report, twice });
      }),
  );
  // Standard error has one line of JSON, or none, when JSON is asked for.
  if (out.format === "json" || out.format === "jsonl") return;
  world.terminal.err.write(`rescued ${countsText(report, twice)}\n`);
}

/** Saves into a new database; records over our limits are left out and counted. */
async function rescueTo({ world, flags, out }: Task<RescueFlags>, file: string): Promise<void> {
  const { to = "" } = flags;
  let tooLarge = 0;
  await withDatabase(world, file, flags, "look", async (tdb) => {
    refuseSame(file, to);
    const database = await NewDatabase.begin(world, targetOf(to, flags), optionsLike(tdb));
    const take: Found = (key, value, { reachable }) => {
      if (!reachable && flags.reachable) return;
      if (overLimits(key.length, value.length) !== undefined) tooLarge += 1;
      else database.put(key, value, reachable);
    };
    let report: RescueReport;
    try {
      report = await atOneMoment(tdb, () => Promise.resolve(rescue(tdb, take)));
    } catch (error) {
      database.abandon();
      throw error;
    }
    const bytes = await database.finish();
    const { reachable, unreachable, shadowed } = report;
    const counts = { reachable, unreachable, shadowed, tooLarge, bytes };
    const row: RowOf<typeof RESCUED> = { path: to, records: database.count, ...counts };
    out.object(row);
  });
  if (tooLarge === 0) return;
  throw new Failure(
    EXIT.partial,
    `Cannot rescue all of ${file}: ${tooLarge} record${tooLarge === 1 ? " is" : "s are"} larger ` +
      `than ctdbx stores (keys ${KEY_MAX}, values ${VALUE_MAX} bytes) and left out of ${to}`,
    "without --to, all are printed as dump text, which tdbrestore takes",
  );
}

/** Was there an unreachable record with this key? It is now. */
function isKnown(known: Set<string>, key: Uint8Array): boolean {
  const text = toHex(key);
  if (known.has(text)) return true;
  known.add(text);
  return false;
}

function countsText({ reachable, unreachable, shadowed }: RescueReport, twice: number): string {
  return `${reachable} records through chains, ${unreachable - twice} by scanning; ` +
    `${shadowed + twice} older copies left out`;
}
