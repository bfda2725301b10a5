/**
 * What this process uses, for a node's statistics.
 *
 * Does NOT promise: the part of the main thread; all threads of the process count together.
 */

import process from "node:process";
import type { Usage } from "../actors/monitoring/stats.ts";

/** Memory and processor time of this process, as the system counts them. */
export function processUsage(): Usage {
  const { user, system } = process.cpuUsage();
  return { rssBytes: process.memoryUsage.rss(), cpuMs: (user + system) / 1000 };
}
