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

import { firstTurn, isOfOne, turnOf } from "./division.ts";

/** One test, or one hook that failed. */
export interface Case {
  readonly suite: string;
  readonly name: string;
  outcome?: "passed" | "failed" | "skipped";
  /** Why it was skipped, or the failure's message and stack. */
  text?: string;
  /** Wall time, ms. */
  ms?: number;
}

/** One test file. */
export interface FileRecord {
  readonly path: string;
  readonly cases: Case[];
  /** Tests declared, those that are left out here included. */
  declared: number;
  /** Turns that the runtimes have taken, so far: each is a test, or a suite. */
  turns: number;
  /** Tests that are the other runtime's. */
  elsewhere: number;
  /** Suites that were made but not yet `.run()`; each one's text is its title. */
  readonly open: Set<object>;
}

/** Sums, as `npm test` adds them up. */
export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/** One test with what is said about it: why it was skipped, or how it failed. */
export interface Said {
  readonly file: string;
  readonly name: string;
  readonly text: string;
}

/** What a run of test/run.ts leaves for build/. */
export interface RunResult extends Totals {
  readonly skips: readonly Said[];
  readonly failures: readonly Said[];
  /** Wall time of each file, seconds. */
  readonly seconds: Readonly<Record<string, number>>;
}

/** Told when a test begins and ends, so that one that never yields can be named and killed. */
export interface Watch {
  begin(name: string, limitMs: number): void;
  end(): void;
}

/** Which of two runs that share the work this is: Bun's is 0, Deno's 1. */
export type Turn = 0 | 1;

/** Longest time of one test unless it says otherwise: limit() in test/limit.ts. */
export const LIMIT_MS = 60_000;

/** Where test/run.ts leaves its ledger on globalThis; absent when a test file is run by hand. */
export const LEDGER = Symbol.for("ctdbx.test.ledger");

/** The ledger of test/run.ts; undefined outside of it. */
export function runningLedger(): Ledger | undefined {
  return (globalThis as { [LEDGER]?: Ledger })[LEDGER];
}

/** The results of one run of test/run.ts. */
export class Ledger {
  readonly files: FileRecord[] = [];
  readonly watch: Watch;
  readonly #filter: string | undefined;
  readonly #turn: Turn | undefined;
  readonly #ends: (() => Promise<void>)[] = [];
  #running: Case | undefined;

  /** With a `turn`, this is one of two runs that share the work: test/limit.ts and test/suite.ts say which. */
  constructor(watch: Watch, filter: string | undefined, turn?: Turn) {
    this.watch = watch;
    this.#filter = filter;
    this.#turn = turn;
  }

  /** Starts the record of a file; what is declared from here on belongs to it. */
  file(path: string): FileRecord {
    const record = {
      path,
      cases: [],
      declared: 0,
      turns: 0,
      elsewhere: 0,
      open: new Set<object>(),
    };
    this.files.push(record);
    return record;
  }

  /** The file being loaded or run. */
  current(): FileRecord {
    const last = this.files.at(-1);
    if (last === undefined) throw new Error("Cannot declare a test: no file is being loaded");
    return last;
  }

  /** Enters a test; undefined when it is the other run's, or the name filter leaves it out. */
  declare(suite: string, name: string, isMine = true): Case | undefined {
    this.current().declared += 1;
    if (!isMine) {
      this.current().elsewhere += 1;
      return undefined;
    }
    const full = `${this.current().path} ${suite} ${name}`.toLowerCase();
    if (this.#filter !== undefined && !full.includes(this.#filter.toLowerCase())) return undefined;
    const entry: Case = { suite, name };
    this.current().cases.push(entry);
    return entry;
  }

  /** Which of two runs that share the work this is; undefined: it has all. */
  get turn(): Turn | undefined {
    return this.#turn;
  }

  /** Does another runtime run the same files, with what this one leaves out? */
  get isShared(): boolean {
    return this.#turn !== undefined;
  }

  /** Does this run load a file? One that depends on no runtime is one run's as a whole. */
  hasFile(path: string): boolean {
    return this.#turn === undefined || !isOfOne(path) || turnOf(path) === this.#turn;
  }

  /** The next turn of the current file, in which one of two runs that share the work has something: is it this one? */
  takesTurn(): boolean {
    return this.isMine(this.current().turns++);
  }

  /**
   * Is number `index` of the current file this run's? One of each two is, now the first, now the second (the sequence
   * of Thue and Morse: 0110 1001), so that a loop over two kinds gives each run both. Nor do all files begin alike.
   */
  isMine(index: number): boolean {
    const { path } = this.current();
    // Of a file that is this run's as a whole, all is.
    if (this.#turn === undefined || isOfOne(path)) return true;
    let sum = firstTurn(path);
    for (let bits = index; bits > 0; bits >>>= 1) sum += bits & 1;
    return sum % 2 === this.#turn;
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

  /** Has something done after the last file. */
  atEnd(work: () => Promise<void>): void {
    this.#ends.push(work);
  }

  /** Does it; what fails is the last file's. */
  async end(): Promise<void> {
    for (const work of this.#ends.splice(0)) {
      try {
        await work();
      } catch (error) {
        this.fail("", "at the end", error);
      }
    }
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

/** Message, what was expected, and stack of whatever was thrown: the message first, for it says what it is about. */
export function errorText(cause: unknown): string {
  if (!(cause instanceof Error)) return `thrown: ${String(cause)}`;
  const { details } = cause as { details?: unknown };
  const head = `${cause.name}: ${cause.message}`;
  const stack = cause.stack ?? "";
  const seen = typeof details === "string" && details !== "" ? `${details}\n` : "";
  const under = cause.cause === undefined ? "" : `\ncaused by ${errorText(cause.cause)}`;
  // Stacks begin with the message on Deno, and mostly on Bun; sometimes under another name.
  const at = stack.indexOf(cause.message);
  const rest = at < 0 ? stack : stack.slice(at + cause.message.length).replace(/^\n/, "");
  return `${head}\n${seen}${rest}${under}`;
}
