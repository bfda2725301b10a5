/**
 * This program, as a command that starts it again.
 *
 * Does NOT promise: anything when the checkout has moved meanwhile.
 */

import process from "node:process";
import { fileURLToPath } from "node:url";

/** The words before the arguments: runtime and script. */
export function selfCommand(): string[] {
  const main = fileURLToPath(new URL("./main.ts", import.meta.url));
  return process.versions["deno"] === undefined
    ? [process.execPath, main]
    : [process.execPath, "run", "-A", "--quiet", main];
}
