/**
 * The program `ctdbx`: the process's own world for one run.
 *
 * Does NOT promise: to leave time for anything that is still under way when a command has ended.
 */

import process from "node:process";
import { RealImageStore } from "../transport/real_image.ts";
import { run } from "./run.ts";
import { realTerminal } from "./terminal.ts";

if (import.meta.main) {
  let store: RealImageStore | undefined;
  const world = {
    terminal: realTerminal(),
    // Not before it is needed: --help shall not reserve 4 GiB of addresses.
    get store() {
      return store ??= new RealImageStore();
    },
  };
  // Not exitCode: the thread that waits for locks may keep the process alive.
  process.exit(await run(process.argv.slice(2), world));
}
