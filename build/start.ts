/**
 * `npm start`: `ctdbx dev run` in a checkout, its nodes from a folder that needs no translation (build/folder.ts).
 *
 *   npm start -- WORDS ──▶ ctdbx dev run WORDS      the nodes: build/out/program/HASH/main.js, two seconds sooner
 *
 * Does NOT promise: that a change of the sources shows before the next start.
 */

import process from "node:process";
import { main } from "../cli/main.ts";
import { folderProgram } from "./folder.ts";

if (import.meta.main) {
  process.env["CTDBX_PROGRAM"] ||= folderProgram();
  await main(["dev", "run", ...process.argv.slice(2)]);
}
