/**
 * Waiting until a daemon's answer is as wanted: asked again at each event that it tells of, and every 50 ms, since a
 * lease that ends or a node that falls silent is no event.
 *
 *   dial ─▶ watch ─▶ ask ─▶ as wanted? ──▶ undefined          time over ──▶ what was missing last
 *    ▲                └── event or 50 ms ──┘
 *    └── no daemon, or one that has gone or hangs: again; it may come
 *
 * Does NOT promise: to see what lasts less than a moment; an end to the millisecond: a last answer gets its second.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Daemon } from "./control_client.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure } from "./failure.ts";

/** Asked again so often without an event, ms. */
const LOOK_EVERY_MS = 50;
/** A daemon that is silent for so long is dialled anew, ms. */
const SILENT_MS = 1000;

/** What is waited for. */
export interface Wanted {
  readonly dial: () => Promise<Daemon>;
  readonly verb: string;
  readonly args?: Readonly<Record<string, unknown>>;
  /** What is missing in an answer; undefined: it is as wanted. */
  readonly lack: (answer: unknown) => string | undefined;
  readonly timeoutMs: number;
}

/** Waits; undefined: it is so; a text: what was missing when the time was over. Throws what `lack` throws. */
export async function waitUntil(wanted: Wanted): Promise<string | undefined> {
  const endMs = performance.now() + wanted.timeoutMs;
  let lack: string | undefined = "no daemon has answered";
  do {
    let daemon: Daemon | undefined;
    try {
      daemon = await wanted.dial();
      lack = await waitAt(daemon, wanted, endMs, (missing) => void (lack = missing));
      if (lack === undefined) return undefined;
    } catch (error) {
      if (!(error instanceof Failure) || !isPassing(error)) throw error;
      lack = error.message;
      await sleep(Math.max(0, Math.min(LOOK_EVERY_MS, endMs - performance.now())));
    } finally {
      daemon?.close();
    }
  } while (performance.now() < endMs);
  return lack;
}

/** Is it about a daemon that may come, or come back? */
function isPassing({ exit, message }: Failure): boolean {
  return exit === EXIT.unknownOutcome || message.endsWith("the node is starting") ||
    (exit === EXIT.notFound && message.startsWith("Cannot reach the daemon"));
}

/** Waits at one connection. Throws Failure when the daemon goes, or says nothing. */
async function waitAt(
  daemon: Daemon,
  { verb, args = {}, lack }: Wanted,
  endMs: number,
  note: (missing: string) => void,
): Promise<string | undefined> {
  let wake = Promise.withResolvers<void>();
  daemon.watch("watch", {}, () => wake.resolve()).catch(() => wake.resolve());
  for (;;) {
    wake = Promise.withResolvers<void>();
    const missing = lack(await answered(daemon.ask(verb, args)));
    const leftMs = endMs - performance.now();
    if (missing === undefined || leftMs <= 0) return missing;
    note(missing);
    await Promise.race([wake.promise, sleep(Math.min(LOOK_EVERY_MS, leftMs))]);
  }
}

async function answered(answer: Promise<unknown>): Promise<unknown> {
  answer.catch(() => {});
  const end = new AbortController();
  const late = sleep(SILENT_MS, undefined, { signal: end.signal }).then(() => {
    throw new Failure(EXIT.unknownOutcome, "the daemon does not answer");
  });
  late.catch(() => {});
  try {
    return await Promise.race([answer, late]);
  } finally {
    end.abort();
  }
}
