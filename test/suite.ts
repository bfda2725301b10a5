/**
 * uvu's `suite`, made so that a failure cannot pass unseen. Test files still say `import { suite }
 * from "uvu"`: deno.json (imports) and tsconfig.json (paths) send that name here; test/uvu.mjs is
 * the real one.
 *
 * uvu exits with 0 when a before() throws, when a suite is never run, and when a later suite
 * passes. So every test and hook is wrapped: its outcome goes into the ledger of test/run.ts, which
 * does the counting.
 *
 *   test(name, fn) -> ledger.declare -> uvu runs the wrapper -> outcome into the ledger
 *
 * Does NOT promise: anything outside of test/run.ts; a test file run by hand gets plain uvu.
 */

import { suite as plainSuite } from "./uvu.mjs";
import type { Case, Ledger } from "./ledger.ts";
import { errorText, LIMIT_MS, runningLedger } from "./ledger.ts";
import type { Limited } from "./limit.ts";
import { Skip } from "./limit.ts";

/** What hooks and tests of one suite share. */
export type Context = Record<string, unknown>;
/** A test or hook. */
export type Callback<T> = ((context: T) => Promise<void> | void) & Limited;

/** A hook of a suite, and its form for every test. */
export interface Hook<T> {
  (callback: Callback<T>): void;
  each(callback: Callback<T>): void;
}

/** What suite() returns: call it to add a test. */
export interface Test<T> {
  (name: string, callback: Callback<T>): void;
  /** Refused: a forgotten `only` hides tests. Use --name. */
  only(name: string, callback: Callback<T>): void;
  /**
   * A test that one runtime runs in `npm test`, and the other one the next of its file: for what depends on neither.
   * By hand, and with `npm test -- --both`, each runs all.
   */
  either(name: string, callback: Callback<T>): void;
  /** Counts a test as skipped. */
  skip(name: string, callback?: Callback<T>): void;
  before: Hook<T>;
  after: Hook<T>;
  /** Queues the suite. A suite without it is a failure. */
  run(): void;
}

/** A named group of tests. `state` is handed to each test and hook. */
export function suite<T = Context>(title = "", state?: T): Test<T> {
  return makeSuite(title, state, true);
}

/**
 * A suite that one runtime runs in `npm test`, as if all of it were one `test.either`: for tests that build on each
 * other, or on something that is dear to make.
 */
export function sharedSuite<T = Context>(title = "", state?: T): Test<T> {
  return makeSuite(title, state, runningLedger()?.takesTurn() ?? true);
}

function makeSuite<T>(title: string, state: T | undefined, isMine: boolean): Test<T> {
  const ledger = runningLedger();
  const plain = plainSuite<object>(title, (state ?? {}) as object) as unknown as Test<T>;
  if (ledger === undefined) return Object.assign(plain, { either: plain });

  const file = ledger.current();
  const handle = { toString: () => title };
  file.open.add(handle);
  let chosen = 0;
  const add = (name: string, callback: Callback<T>, entry: Case | undefined): void => {
    if (entry === undefined) return;
    chosen += 1;
    plain(name, (context) => runTest(ledger, entry, callback, context));
  };
  const test = (name: string, callback: Callback<T>): void =>
    add(name, callback, ledger.declare(title, name, isMine));
  const hook = (name: string, put: (callback: Callback<T>) => void) => (callback: Callback<T>) =>
    put((context) => runHook(ledger, title, name, callback, context));
  return Object.assign(test, {
    either: (name: string, callback: Callback<T>) =>
      add(name, callback, ledger.declare(title, name, isMine && ledger.takesTurn())),
    only: () => {
      throw new Error(`${file.path}: test.only hides tests; use --name instead`);
    },
    skip: (name: string) => {
      const entry = ledger.declare(title, name, isMine);
      if (entry !== undefined) settle(entry, "skipped", "test.skip in the file");
    },
    before: Object.assign(hook("before()", plain.before), {
      each: hook("before.each()", plain.before.each),
    }),
    after: Object.assign(hook("after()", plain.after), {
      each: hook("after.each()", plain.after.each),
    }),
    run: () => {
      file.open.delete(handle);
      // With a name filter, a suite without a chosen test shall not run its hooks either.
      if (chosen > 0) plain.run();
    },
  });
}

async function runTest<T>(
  ledger: Ledger,
  entry: Case,
  callback: Callback<T>,
  context: T,
): Promise<void> {
  ledger.running(entry);
  const startMs = performance.now();
  try {
    await inTime(ledger, `${entry.suite}: ${entry.name}`, callback, context);
    // A stray rejection may have failed it already.
    if (entry.outcome === undefined) settle(entry, "passed");
  } catch (error) {
    if (error instanceof Skip) settle(entry, "skipped", error.message);
    else settle(entry, "failed", errorText(error));
  } finally {
    entry.ms = performance.now() - startMs;
    ledger.running(undefined);
  }
}

async function runHook<T>(
  ledger: Ledger,
  title: string,
  name: string,
  callback: Callback<T>,
  context: T,
): Promise<void> {
  try {
    await inTime(ledger, `${title}: ${name}`, callback, context);
  } catch (error) {
    ledger.fail(title, name, error);
    // After a failed before, uvu leaves out what it was for; the ledger then lacks those outcomes.
    if (name.startsWith("before")) throw error;
  }
}

/** Runs a callback; rejects when it takes longer than its limit. */
async function inTime<T>(
  ledger: Ledger,
  name: string,
  callback: Callback<T>,
  context: T,
): Promise<void> {
  const limitMs = callback.limitMs ?? LIMIT_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${limitMs} ms`)), limitMs);
  });
  ledger.watch.begin(name, limitMs);
  try {
    await Promise.race([callback(context), late]);
  } finally {
    clearTimeout(timer);
    ledger.watch.end();
  }
}

function settle(entry: Case, outcome: NonNullable<Case["outcome"]>, text?: string): void {
  entry.outcome = outcome;
  if (text !== undefined) entry.text = text;
}
