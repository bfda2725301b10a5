/**
 * Work that lasts until Ctrl-C: a signal ends it in order, so that what is held is given back.
 *
 * Does NOT promise: to hear a signal while the event loop does not turn.
 */

import process from "node:process";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** A promise that resolves at the first SIGINT or SIGTERM; `end` gives the signals back. */
export interface SignalWait {
  readonly signalled: Promise<void>;
  end(): void;
}

/** Begins to wait for a signal; until `end` none ends the process by itself. */
export function signalWait(): SignalWait {
  const { promise, resolve } = Promise.withResolvers<void>();
  const onSignal = (): void => resolve();
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signalled: promise,
    end() {
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}

/** Waits for a signal, until `ms` are over, or until something else has happened, whatever comes first. */
export async function waitFor(
  { signalled }: SignalWait,
  ms: number | undefined,
  others: readonly Promise<unknown>[],
): Promise<void> {
  const time = Promise.withResolvers<void>();
  const timer = ms === undefined ? undefined : setTimeout(time.resolve, ms);
  try {
    await Promise.race([signalled, time.promise, ...others]);
  } finally {
    clearTimeout(timer);
  }
}
