/**
 * Raises its priority, and prints it with that of a process that it starts.
 *
 * Does NOT promise: to be able to; see cli/priority.ts.
 */

import { execFileSync } from "node:child_process";
import { getPriority } from "node:os";
import { raisePriority } from "../../cli/priority.ts";

raisePriority();
console.log(`${getPriority()} ${execFileSync("nice").toString().trim()}`);
