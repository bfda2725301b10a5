/**
 * What is told in the log because a tunable says how much is too much.
 *
 *   DBRecordCountWarn, DBSizeWarn   each LOOK_MS, of what this node has of each database
 *   RecLockLatencyMs                each operation on the leader lock
 *
 * Each database is told of once as it grows beyond, and again when it had been below half of that.
 *
 * Does NOT promise: that anything is done about it.
 */
import type { Clock, Log } from "../../transport/world.ts";
import type { DatabaseStats } from "../data/types.ts";
import type { NodeParts } from "../node_parts.ts";
import type { Tunables } from "./tunables.ts";

/** Between two looks, ms. */
export const LOOK_MS = 5000;

type Sizes = Pick<DatabaseStats, "name" | "records" | "fileBytes">;

/** Judges databases, and remembers whom it has told of. */
export class DatabaseWarnings {
  readonly #told = new Set<string>();

  /** What is to be said now. `limit`: of a tunable, 0 for none. */
  judge(databases: readonly Sizes[], limit: (name: string) => number): readonly string[] {
    const said: string[] = [];
    const look = (tunable: string, { name }: Sizes, size: number, what: string): void => {
      const most = limit(tunable);
      const key = `${tunable} ${name}`;
      if (most === 0 || size <= most / 2) this.#told.delete(key);
      if (most === 0 || size <= most || this.#told.has(key)) return;
      this.#told.add(key);
      said.push(`Database ${name} has ${size} ${what} here, more than ${tunable} (${most})`);
    };
    for (const database of databases) {
      look("DBRecordCountWarn", database, database.records, "records");
      look("DBSizeWarn", database, database.fileBytes, "bytes");
    }
    return said;
  }
}

/** Looks at a node's databases by the clock. Answers how to end it. */
export function watchDatabases({ world: { clock, log }, data, tunables }: NodeParts): () => void {
  const warnings = new DatabaseWarnings();
  let end: () => void = () => {};
  const look = (): void => {
    for (
      const text of warnings.judge(data?.glance?.databases ?? [], (name) => tunables.get(name))
    ) {
      log.write("warning", text);
    }
    end = clock.after(LOOK_MS, look);
  };
  look();
  return () => end();
}

/** Awaits an operation on the leader lock, and says when it took long. */
export async function timedLock<T>(
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  tunables: Tunables,
  work: Promise<T>,
): Promise<T> {
  const startMs = clock.nowMs();
  try {
    return await work;
  } finally {
    const tookMs = Math.round(clock.nowMs() - startMs);
    const most = tunables.get("RecLockLatencyMs");
    if (most > 0 && tookMs > most) {
      const text = `An operation on the leader lock took ${tookMs} ms, more than RecLockLatencyMs`;
      log.write("warning", `${text} (${most})`);
    }
  }
}
