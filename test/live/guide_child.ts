/**
 * Programs of the guide in one process, one after the other; a line with its path before each.
 *
 *   bun test/live/guide_child.ts FILE...
 *
 * Does NOT promise: anything about the end of a program; they have one together.
 */

import process from "node:process";
import { pathToFileURL } from "node:url";

for (const path of process.argv.slice(2)) {
  console.log(`== ${path}`);
  await import(pathToFileURL(path).href);
}
