/**
 * The end of a command that runs until it is told to end.
 *
 * Does NOT promise: an end by SIGKILL; nothing hears that.
 */

import process from "node:process";

/** Resolves with the name of the first signal that asks for an end, or with "timeout" when `signal` has fired. */
export function ended(signal?: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
    if (signal !== undefined) onAbort(signal, () => resolve("timeout"));
  });
}

/** Calls `end` when the signal fires; at once if it fired while a slow start was awaited. The answer undoes it. */
export function onAbort(signal: AbortSignal, end: () => void): () => void {
  if (signal.aborted) end();
  signal.addEventListener("abort", end);
  return () => signal.removeEventListener("abort", end);
}
