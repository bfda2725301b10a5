/**
 * What a workload is, and how the runner meets it.
 *
 * Does NOT promise: an order; each makes what it needs under a database name of its own, which is wiped afterwards.
 */

import type { Figure, Scale } from "./measure.ts";
import type { RecordWorld } from "./world.ts";

/** Where and how a workload runs. */
export interface Run {
  readonly world: RecordWorld;
  readonly scale: Scale;
  /** Of the database. */
  readonly name: string;
  /** Aborted when it takes longer than its limit: it is to stop what it has begun, and to end. */
  readonly signal: AbortSignal;
  tell(figure: Figure): void;
}

/** One workload. */
export interface Workload {
  readonly name: string;
  /** A sentence for the list. */
  readonly about: string;
  /** It fails when it takes longer than this, by scale, ms. */
  readonly limitMs: Readonly<Record<Scale, number>>;
  /** Against which floor its figures stand: p50 by the round trip, or the rate by one-way messages. */
  readonly floor: "round trip" | "one way" | undefined;
  /** Runs it, tells what it finds as it does. Throws when a result is not what it must be. */
  run(run: Run): Promise<void>;
}
