/**
 * What a test may say about itself: a longer time, that it cannot be run here, or that two runtimes share its cases.
 *
 *   test("survives 500 kills", limit(120_000, async () => { ... }));
 *   if (!existsSync("/usr/bin/strace")) skip("no strace");
 *   for (const seed of share(SEEDS)) assertClean(seed);
 *
 * Does NOT promise: that a test over its limit stops; it is counted as failed and the next one
 * starts.
 */

import { runningLedger } from "./ledger.ts";

/** Functions with a limit of their own. */
export interface Limited {
  readonly limitMs?: number;
}

/** Gives a test `limitMs` instead of the 60 s that every test has. */
export function limit<Context>(
  limitMs: number,
  run: (context: Context) => Promise<void> | void,
): ((context: Context) => Promise<void> | void) & Limited {
  return Object.assign((context: Context) => run(context), { limitMs });
}

/** Thrown by skip(); the runner counts the test as skipped and prints the reason. */
export class Skip extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "Skip";
  }
}

/**
 * Leaves the running test and counts it as skipped. The reason is printed at the end of the run.
 */
export function skip(reason: string): never {
  throw new Skip(reason);
}

/**
 * Those of a test's cases that this runtime has: every other one in `npm test`, where the other runtime has the rest;
 * all of them by hand and with `npm test -- --both`. For cases that depend on no runtime.
 */
export function share<Case>(cases: readonly Case[]): Case[] {
  const ledger = runningLedger();
  return ledger === undefined ? [...cases] : cases.filter((_, index) => ledger.isMine(index));
}

/** The same of the numbers from `first` to `last`. */
export function shareOf(first: number, last: number): number[] {
  return share(Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index));
}

/** How often fast-check looks at a property, and which cases it draws. */
export interface Runs {
  readonly numRuns: number;
  readonly seed?: number;
}

/**
 * Runs of a property that depends on the runtime: in `npm test` each of the two makes half of them, the one other cases
 * than the other; all of them by hand.
 */
export function halved({ numRuns, seed }: Runs): Runs {
  const turn = runningLedger()?.turn;
  if (turn === undefined) return seed === undefined ? { numRuns } : { numRuns, seed };
  const half = { numRuns: Math.ceil(numRuns / 2) };
  return seed === undefined ? half : { ...half, seed: 2 * seed + turn };
}
