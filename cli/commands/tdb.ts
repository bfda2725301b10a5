/**
 * `ctdbx tdb ...`: the commands that work on TDB files, without a cluster.
 *
 *   tdb -- create info check dump restore | get put del keys | rescue repack backup convert | bench
 *
 * Does NOT promise: stable texts of tables; -o json is for programs.
 */

import type { Command } from "commander";
import type { CommandWorld } from "../world.ts";
import { addBenchCommand } from "./tdb_bench.ts";
import { addCheckCommands } from "./tdb_check.ts";
import { addCopyCommands } from "./tdb_copy.ts";
import { addDumpCommands } from "./tdb_dump.ts";
import { addInfoCommand } from "./tdb_info.ts";
import { addRecordCommands } from "./tdb_records.ts";
import { addRescueCommand } from "./tdb_rescue.ts";

const LOCKS = `
Locks belong to the handle: a command takes its own, waits --timeout SECONDS for those of
others, and has given all back when it ends. No command holds one for the next.
`;

/** Adds `tdb` with all its commands. */
export function addTdbCommands(program: Command, world: CommandWorld): void {
  const tdb = program.command("tdb").description("TDB files: read, write, check, copy, rescue")
    .addHelpText("after", LOCKS);
  addInfoCommand(tdb, world);
  addRecordCommands(tdb, world);
  addDumpCommands(tdb, world);
  addCheckCommands(tdb, world);
  addCopyCommands(tdb, world);
  addRescueCommand(tdb, world);
  addBenchCommand(tdb, world);
}
