/**
 * What is said between a node and the thread of its shard before Comlink takes over.
 *
 * Does NOT promise: a version; both ends are of one program.
 */

import type { NodeConfig } from "../actors/node_config.ts";

/** The first word of the thread: it listens. */
export const THREAD_HERE = "here";

/** The answer to it. */
export interface ThreadStart {
  readonly config: NodeConfig;
  readonly logPath: string | undefined;
}
