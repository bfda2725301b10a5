#!/usr/bin/env node
/**
 * `ctdbx` in a checkout: cli/main.ts on Bun, in the folder of the caller, so that file names mean
 * what they say.
 *
 * Does NOT promise: speed of start; the compiled binary has no Node in front of it.
 */

import { join } from "node:path";
import { handOver, ready, ROOT } from "./first.mjs";

handOver(
  ready("bun"),
  [join(ROOT, "cli", "main.ts"), ...process.argv.slice(2)],
  process.env.INIT_CWD ?? process.cwd(),
);
