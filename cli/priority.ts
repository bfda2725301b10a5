/**
 * Nodes come before the programs that use them: a heartbeat that waits behind busy programs costs its node the lease.
 *
 * A process that raises itself early hands it on to all threads and processes that it starts. Where it may not (no
 * root, no CAP_SYS_NICE), or somebody has chosen another priority before, everything stays as it is.
 *
 * Does NOT promise: time on a machine whose other processes have a priority like this one.
 * Upstream: ctdbd runs with realtime scheduling.
 */

import { getPriority, setPriority } from "node:os";

/** What a process has that nobody has changed. */
const USUAL = 0;
/** As `nice` counts: -20 is first, 19 last. */
const OF_NODES = -10;

/** Raises this process, if it may. */
export function raisePriority(): void {
  try {
    if (getPriority() === USUAL) setPriority(OF_NODES);
  } catch {
    // It is as it was: a node without the right is a node.
  }
}
