/**
 * What is said between a node and its threads before Comlink takes over.
 *
 *   new Worker ──▶ "here": it listens ──▶ {thread, config, logPath} ──▶ "ready": from now on it is Comlink's
 *
 * What is sent to a thread that does not listen yet is lost; hence it speaks first.
 *
 * Does NOT promise: a version; both ends are of one program.
 */

import type { NodeConfig } from "../actors/node_config.ts";
import type { BusFault } from "./chaos.ts";

/** The first word of a thread: it listens. */
export const THREAD_HERE = "here";

/** Which threads there are: of the metadata, and of the volatile databases. */
export type ThreadName = "shard" | "data";

/** The answer to it. */
export interface ThreadStart {
  readonly thread: ThreadName;
  readonly config: NodeConfig;
  readonly logPath: string | undefined;
}

/** Said later, in a node whose configuration allows faults: the thread's own bus is to have this one. */
export interface ThreadFault {
  readonly fault: BusFault;
}

/** What a worker's global scope is here. */
export interface ThreadScope {
  addEventListener(
    type: "message",
    onMessage: (event: MessageEvent) => void,
    once?: { once: boolean },
  ): void;
  postMessage(message: unknown): void;
}
