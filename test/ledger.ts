/**
 * What was announced and what came of it: the one place where test results are kept.
 *
 * A test is entered when it is declared, without an outcome; what has none at the end did not run,
 * and that is a failure. So nothing can be lost between declaring and counting.
 *
 *   declare -> (no outcome) -> passed | failed | skipped
 *
 * Does NOT promise: order between files; they are entered in the order in which they are loaded.
 */

/** One test, or one hook that failed. */
export interface Case {
  readonly suite: string;
  readonly name: string;
  outcome?: "passed" | "failed" | "skipped";
  /** Why it was skipped, or the failure's message and stack. */
  text?: string;
}

/** One test file. */
export interface FileRecord {
  readonly path: string;
  readonly cases: Case[];
  /** Tests declared, those that the name filter leaves out included. */
  declared: number;
  /** Suites that were made but not yet `.run()`; each one's text is its title. */
  readonly open: Set<object>;
}

/** Sums, as `npm test` adds them up. */
export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/** Told when a test begins and ends, so that one that never yields can be named and killed. */
export interface Watch {
  begin(name: string, limitMs: number): void;
  end(): void;
}

/** Longest time of one test unless it says otherwise: limit() in test/limit.ts. */
export const LIMIT_MS = 30_000;

/** Where test/run.ts leaves its ledger on globalThis; absent when a test file is run by hand. */
export const LEDGER = Symbol.for("ctdbx.test.ledger");

/** The results of one run of test/run.ts. */
export class Ledger {
  readonly files: FileRecord[] = [];
  readonly watch: Watch;
  readonly #filter: string | undefined;
  #running: Case | undefined;

  constructor(watch: Watch, filter: string | undefined) {
    this.watch = watch;
    this.#filter = filter;
  }

  /** Starts the record of a file; what is declared from here on belongs to it. */
  file(path: string): FileRecord {
    const record = { path, cases: [], declared: 0, open: new Set<object>() };
    this.files.push(record);
    return record;
  }

  /** The file being loaded or run. */
  current(): FileRecord {
    const last = this.files.at(-1);
    if (last === undefined) throw new Error("Cannot declare a test: no file is being loaded");
    return last;
  }

  /** Enters a test; undefined when the name filter leaves it out. */
  declare(suite: string, name: string): Case | undefined {
    this.current().declared += 1;
    const full = `${this.current().path} ${suite} ${name}`.toLowerCase();
    if (this.#filter !== undefined && !full.includes(this.#filter.toLowerCase())) return undefined;
    const entry: Case = { suite, name };
    this.current().cases.push(entry);
    return entry;
  }

  /**
   * Enters a failure that is no test's own: a hook, a file that does not load, a suite without
   * run().
   */
  fail(suite: string, name: string, cause: unknown): void {
    this.current().cases.push({ suite, name, outcome: "failed", text: errorText(cause) });
  }

  /** A failure nobody awaited: it is the running test's, or the file's. */
  stray(cause: unknown): void {
    if (this.#running === undefined) return this.fail("", "outside any test", cause);
    this.#running.outcome = "failed";
    this.#running.text = errorText(cause);
  }

  /** Marks the test that is running, for stray(). */
  running(entry: Case | undefined): void {
    this.#running = entry;
  }

  /** Closes a file: what is open or has no outcome becomes a failure. */
  close(record: FileRecord): void {
    for (const suite of record.open) {
      this.fail(String(suite), "the suite has no .run()", new Error(`${record.path}: add .run()`));
    }
    for (const entry of record.cases) {
      if (entry.outcome !== undefined) continue;
      entry.outcome = "failed";
      entry.text = "declared, but did not run";
    }
  }
}

/** Counts of one file. */
export function countCases(cases: readonly Case[]): Totals {
  const count = (outcome: string) => cases.filter((entry) => entry.outcome === outcome).length;
  return { passed: count("passed"), failed: count("failed"), skipped: count("skipped") };
}

/** Adds counts up. */
export function sum(list: readonly Totals[]): Totals {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const one of list) {
    total.passed += one.passed;
    total.failed += one.failed;
    total.skipped += one.skipped;
  }
  return total;
}

/** The line CI reads: `N passed, N failed`, and what was skipped if anything was. */
export function totalsLine({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}

/** Message, what was expected, and stack of whatever was thrown. */
export function errorText(cause: unknown): string {
  if (!(cause instanceof Error)) return `thrown: ${String(cause)}`;
  const { details } = cause as { details?: unknown };
  const stack = cause.stack ?? "";
  // Bun's stack starts with the message, too; Deno's always does.
  const head = stack.includes(cause.message) ? "" : `${cause.name}: ${cause.message}\n`;
  const seen = typeof details === "string" && details !== "" ? `${details}\n` : "";
  const under = cause.cause === undefined ? "" : `\ncaused by ${errorText(cause.cause)}`;
  return `${head}${seen}${stack}${under}`;
}
