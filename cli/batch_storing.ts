/**
 * Records of an import into a persistent or replicated database: some hundred in one transaction, one after the other.
 *
 *   records ─▶ batch: 1000 or 1 MiB ─▶ one transaction ─▶ done, or: none of this batch, and all of those before
 *              or all of them, where wholeBatch says that one transaction takes them
 *
 * Does NOT promise: all or nothing for more than a batch; `ctdbx tx apply` does that for what a transaction takes.
 */

import type { Database } from "../actors/client/types.ts";
import { keyOfBytes } from "../transport/wire/client/frames.ts";
import { shortKey } from "./bytes_text.ts";
import { EXIT } from "./exit_codes.ts";
import { recordFailure } from "./connection.ts";
import type { DumpRecord } from "./dump_text.ts";
import { Failure, reportOf, usage } from "./failure.ts";
import { overLimits } from "./record_limits.ts";

/** What one transaction has at most: records, and bytes of them, but for one that is longer. */
export interface Batch {
  readonly records: number;
  readonly bytes: number;
}

const BATCH: Batch = { records: 1000, bytes: 1024 * 1024 };
/** All records of a file, where they are to be seen at once: half of what a transaction may have. */
const WHOLE: Batch = { records: 100_000, bytes: 15 * 1024 * 1024 };
/** One of them may take so long, ms: a new primary may come in between. */
const BATCH_MS = 60_000;

/** How records are stored. */
export interface BatchOptions {
  readonly mode: "replace" | "insert";
  /** The time is over. */
  readonly signal: AbortSignal;
  readonly onDone: (count: number) => void;
  /** Missing: some hundred records. */
  readonly batch?: Batch | undefined;
}

/** A batch for so much at once; undefined: it is too much for one transaction. */
export function wholeBatch(records: number, bytes: number): Batch | undefined {
  return records <= WHOLE.records && bytes <= WHOLE.bytes ? WHOLE : undefined;
}

/** Stores records in transactions; the first that cannot be committed ends it. */
export class BatchStoring {
  stored = 0;
  kept = 0;
  readonly #db: Database;
  readonly #options: BatchOptions;
  #batch = new Map<string, DumpRecord>();
  #bytes = 0;

  constructor(db: Database, options: BatchOptions) {
    this.#db = db;
    this.#options = options;
  }

  /** Takes a record; commits those before it when they are enough. Throws why they could not be. */
  async take(record: DumpRecord): Promise<void> {
    const { key, value } = record;
    const why = key.length === 0 ? "its key is empty" : overLimits(key.length, value.length);
    if (why !== undefined) throw usage(`Cannot import the record "${shortKey(key)}": ${why}`);
    const size = key.length + value.length;
    const name = keyOfBytes(key);
    const { batch: { records, bytes } = BATCH } = this.#options;
    const isFull = this.#batch.size >= records || this.#bytes + size > bytes;
    // A key that comes twice is decided twice, in its order.
    if (isFull || this.#batch.has(name)) await this.end();
    this.#batch.set(name, record);
    this.#bytes += size;
  }

  /** Commits what is left. Throws why it could not be. */
  async end(): Promise<void> {
    const { mode, signal, onDone } = this.#options;
    const records = [...this.#batch.values()];
    this.#batch = new Map();
    this.#bytes = 0;
    if (records.length === 0) return;
    if (signal.aborted) {
      throw new Failure(EXIT.other, "the time of --timeout is over", "a longer one waits longer");
    }
    const { value: kept } = await this.#db.transaction(async (tx) => {
      const before = mode === "insert"
        ? await Promise.all(records.map(({ key }) => tx.get(key)))
        : [];
      const wanted = records.filter((_, at) => before[at] === undefined);
      for (const { key, value } of wanted) tx.put(key, value);
      return records.length - wanted.length;
    }, { timeoutMs: BATCH_MS });
    this.kept += kept;
    this.stored += records.length - kept;
    onDone(this.stored + this.kept);
  }

  /** The error of the whole: how far it came. */
  failure(file: string, error: unknown): unknown {
    const cause = recordFailure(error);
    const done = this.stored + this.kept;
    const { exit, message, hint } = reportOf(cause);
    if (done === 0) return cause;
    return new Failure(
      exit === EXIT.unknownOutcome ? exit : EXIT.partial,
      `Cannot import all of ${file}: ${done} records are done, then: ${message}`,
      `${hint === undefined ? "" : `${hint}; `}repeating the import is safe`,
    );
  }
}
