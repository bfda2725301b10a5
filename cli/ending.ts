/**
 * The end of a command that runs until it is told to end.
 *
 * Does NOT promise: an end by SIGKILL; nothing hears that.
 */

import process from "node:process";

/** Resolves with the name of the first signal that asks for an end, or with "timeout" when `signal` fires. */
export function ended(signal?: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
    signal?.addEventListener("abort", () => resolve("timeout"));
  });
}
