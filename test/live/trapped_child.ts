/**
 * A process whose file is shortened within one turn of its event loop, by itself, past all locks.
 *
 *   bun test/live/trapped_child.ts kernel     looks records up: WebAssembly touches them
 *   bun test/live/trapped_child.ts view       reads them through a Uint8Array
 *
 * Prints "caught ..." when that was an error; often the process is dead by then.
 *
 * Does NOT promise: to end by itself.
 */

import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { RealImageStore } from "../../transport/real_image.ts";

async function main(what: string | undefined): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-trap-"));
  const path = join(folder, "trap.tdb");
  const tdb = await openTdb(new RealImageStore(), path, { create: true, hashSize: 1 });
  const keys = Array.from({ length: 100 }, (_, index) => new Uint8Array([index, 1, 2, 3]));
  for (const key of keys) tdb.store(key, new Uint8Array(500));
  // The first operation of a turn looks at the size; the file is shortened behind that.
  for (const key of keys) tdb.fetch(key);
  const { image, memory } = tdb.core;
  const end = image.address + image.mapped;
  truncateSync(path, 4096);
  // What a killed process would leave behind; the mapping lives on.
  rmSync(folder, { recursive: true });
  try {
    if (what === "kernel") { for (const key of keys) tdb.fetch(key); }
    else console.log(`read ${memory.bytes[end - 1]}`);
  } catch (error) {
    const { name, message } = error as Error;
    console.log(`caught ${name}: ${message}`);
  }
}

await main(process.argv[2]);
process.exit(0);
