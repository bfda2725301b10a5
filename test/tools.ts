/**
 * How a test asks for a program of the machine: it gets the path, or is skipped with the reason.
 *
 *   const tdbtool = tool("tdbtool");          // inside a test, never at the top of a file
 *
 * Does NOT promise: that the tool works; only that it is there.
 */

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findTool, MISSING_FILE, NATS_SERVER, TOOLS } from "../build/tools.ts";
import { skip } from "./limit.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Path of a tool of build/tools.ts; skips the running test when it is missing. */
export function tool(name: string): string {
  const wanted = [...TOOLS, NATS_SERVER].find((entry) => entry.name === name);
  if (wanted === undefined) throw new RangeError(`Cannot find ${name}: not in build/tools.ts`);
  return findTool(wanted) ?? skip(`no ${name}: ${reason(name)}`);
}

function reason(name: string): string {
  const path = join(ROOT, MISSING_FILE);
  const reasons = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
  return reasons[name] ?? "not found; npm test tries to install it";
}
