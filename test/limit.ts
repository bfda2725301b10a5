/**
 * What a test may say about itself: a longer time, or that it cannot be run here.
 *
 *   test("survives 500 kills", limit(120_000, async () => { ... }));
 *   if (!existsSync("/usr/bin/strace")) skip("no strace");
 *
 * Does NOT promise: that a test over its limit stops; it is counted as failed and the next one
 * starts.
 */

/** Functions with a limit of their own. */
export interface Limited {
  readonly limitMs?: number;
}

/** Gives a test `limitMs` instead of the 30 s that every test has. */
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
