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
import { toHex } from "../bytes_text.ts";
import { withDatabase } from "../database.ts";
import { dumpText } from "../dump_text.ts";
import { NewDatabase, refuseExisting } from "../new_database.ts";
import { writeObject } from "../output.ts";
import type { CommandWorld, OpenFlags, OutputFlags } from "../world.ts";
import { lookOf, openOptions, outputOptions } from "../world.ts";
import { atOneMoment, optionsLike, refuseSame } from "./tdb_copy.ts";

interface RescueFlags extends OpenFlags, OutputFlags {
  readonly to?: string;
  readonly reachable?: boolean;
  readonly force?: boolean;
}

/** Adds the command to `ctdbx tdb`. */
export function addRescueCommand(tdb: Command, world: CommandWorld): void {
  const command = tdb.command("rescue <file>")
    .description("save the records of a damaged file: as dump text, or into a new file");
  outputOptions(openOptions(command, true), " of the counts, with --to")
    .option("--to <path>", "write a new database instead of dump text")
    .option("--reachable", "leave out records that no chain leads to")
    .option("--force", "replace the target if it exists")
    .action((file: string, flags: RescueFlags) => runRescue(world, file, flags));
}

async function runRescue(world: CommandWorld, file: string, flags: RescueFlags): Promise<void> {
  const { to } = flags;
  const { out, err } = world.terminal;
  if (to === undefined) {
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
            else out.write(dumpText(key, value));
          });
          return Promise.resolve({ report, twice });
        }),
    );
    err.write(`rescued ${countsText(report, twice)}\n`);
    return;
  }
  await withDatabase(world, file, flags, "look", async (tdb) => {
    refuseSame(file, to);
    refuseExisting(to, flags.force);
    const database = await NewDatabase.begin(world, to, optionsLike(tdb));
    let report: RescueReport;
    try {
      report = await atOneMoment(
        tdb,
        () =>
          Promise.resolve(rescue(tdb, (key, value, { reachable }) => {
            if (reachable) database.put(key, value);
            else if (!flags.reachable) database.put(key, value, false);
          })),
      );
    } catch (error) {
      database.abandon();
      throw error;
    }
    const bytes = await database.finish();
    const { reachable, unreachable, shadowed } = report;
    writeObject(world.terminal.out, lookOf(world, flags), [
      { name: "path", title: "Written" },
      { name: "records", title: "Records" },
      { name: "reachable", title: "Found through chains" },
      { name: "unreachable", title: "Found by scanning" },
      { name: "shadowed", title: "Older copies left out" },
      { name: "bytes", title: "Bytes" },
    ], { path: to, records: database.count, reachable, unreachable, shadowed, bytes });
  });
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
