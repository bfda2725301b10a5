/**
 * The program `ctdbx`: the process's own world for one run.
 *
 * What it runs is loaded when it is known that this is the main thread: a packed program is also the file of its
 * threads, which need little of it.
 *
 * Does NOT promise: to leave time for anything that is still under way when a command has ended.
 */

import process from "node:process";
import type { RealImageStore as Store } from "../transport/real_image.ts";
import { servesAsThread } from "./threads.ts";

/** Runs a command, and ends the process with its exit code. */
export async function main(words: readonly string[]): Promise<void> {
  const { RealImageStore } = await import("../transport/real_image.ts");
  const { run } = await import("./run.ts");
  const { realTerminal } = await import("./terminal.ts");
  let store: Store | undefined;
  const world = {
    terminal: realTerminal(),
    // Not before it is needed: --help shall not reserve 4 GiB of addresses.
    get store() {
      return store ??= new RealImageStore();
    },
  };
  // Not exitCode: the thread that waits for locks may keep the process alive.
  process.exit(await run(words, world));
}

if (import.meta.main && !await servesAsThread(import.meta.url)) await main(process.argv.slice(2));
