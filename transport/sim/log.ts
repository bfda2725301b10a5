/**
 * The Log port in memory: entries as they were written, the newest LOG_MAX of them.
 *
 * Does NOT promise: stacks of errors; they differ between runtimes, and a run must not.
 */
import { plainThing } from "../log_fields.ts";
import type { Log, LogLevel } from "../world.ts";

/** Entries kept. */
const LOG_MAX = 10_000;

/** One entry. */
export interface SimLogEntry {
  readonly level: LogLevel;
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A log that is read by tests and checkers. */
export class SimLog implements Log {
  readonly #entries: SimLogEntry[] = [];
  readonly #onEntry: ((entry: SimLogEntry) => void) | undefined;

  /** `onEntry` sees each entry at once. */
  constructor(onEntry?: (entry: SimLogEntry) => void) {
    this.#onEntry = onEntry;
  }

  get entries(): readonly SimLogEntry[] {
    return this.#entries;
  }

  write(level: LogLevel, text: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const shown = JSON.stringify(
      plainThing(fields),
      (name, thing) => name === "stack" ? undefined : thing,
    );
    const entry: SimLogEntry = { level, text: String(plainThing(text)), fields: JSON.parse(shown) };
    this.#entries.push(entry);
    if (this.#entries.length > LOG_MAX) this.#entries.shift();
    this.#onEntry?.(entry);
  }
}
