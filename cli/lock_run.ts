/**
 * A command under a cluster lock or lease: it runs while that is held, and is stopped before others can have it.
 *
 *   wait ─▶ held ─▶ CMD ─▶ ends: the lock is given up, its exit code is the one of this command
 *                     └─▶ lost: TERM, KILL after --kill-after; whoever gets the lock next waits for longer than that
 *
 * CMD finds its lock in CTDBX_LOCK_NAME, and in CTDBX_LOCK_TOKEN the fencing token: what it changes elsewhere can be
 * refused there if a greater token has been seen.
 *
 * Does NOT promise: to stop CMD while the machine stands still; then the token is what keeps it out.
 */

import process from "node:process";
import type { Cluster, ClusterLock, LockOptions } from "../actors/client/types.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { onAbort } from "./ending.ts";
import { GuardedChild } from "./guarded_child.ts";

/** Nobody gets the lock so soon after CMD must have ended, ms. */
const SPARE_MS = 1000;
/** CMD was stopped since its lock, or its time, was over, as timeout(1) says it. */
export const STOPPED = 124;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** What is run, and how. */
export interface LockRun {
  readonly name: string;
  readonly command: readonly string[];
  readonly isShared: boolean;
  /** Undefined: wait for ever; 0: do not wait. */
  readonly waitMs: number | undefined;
  readonly killAfterMs: number;
  /** Of a lease; undefined: it is none. */
  readonly ttlMs: number | undefined;
  readonly isQuiet: boolean;
  /** Fires when all of it is to end. */
  readonly signal: AbortSignal;
  /** Told when the lock is had. */
  readonly onHeld: (lock: ClusterLock) => void;
}

/** How it ended. */
export interface LockRunEnd {
  /** "busy": the lock was not had in time. */
  readonly how: "ended" | "busy" | "lost" | "stopped";
  readonly code: number;
  readonly token: string | undefined;
  /** Why it was lost. */
  readonly why: string | undefined;
}

/** Longest wait, ms: what timers take. */
const FOR_EVER_MS = 2 ** 31 - 1;

/** Takes the lock. Undefined: it was not had in time. */
async function takeLock(cluster: Cluster, run: LockRun): Promise<ClusterLock | undefined> {
  const { name, isShared, waitMs, killAfterMs, ttlMs } = run;
  const options: LockOptions = {
    mode: isShared ? "shared" : "exclusive",
    timeoutMs: Math.max(1, waitMs ?? FOR_EVER_MS),
    graceMs: killAfterMs + SPARE_MS,
    earlyMs: killAfterMs,
  };
  try {
    if (ttlMs !== undefined) {
      const { mode: _, ...rest } = options;
      return await cluster.lease(name, { ...rest, ttlMs });
    }
    return waitMs === 0
      ? await cluster.tryLock(name, { ...options, timeoutMs: 10_000 })
      : await cluster.lock(name, options);
  } catch (error) {
    if (error instanceof CtdbxError && error.code === "timeout" && waitMs !== undefined) {
      return undefined;
    }
    throw error;
  }
}

/** Runs the command once under the lock. */
export async function runLocked(cluster: Cluster, run: LockRun): Promise<LockRunEnd> {
  const { name, command, killAfterMs, isQuiet, signal, onHeld } = run;
  const stopped = Promise.withResolvers<"stopped">();
  const stop = (): void => stopped.resolve("stopped");
  const held = takeLock(cluster, run);
  let child: GuardedChild | undefined;
  const onSignal = (sent: NodeJS.Signals): void => {
    if (child === undefined) stop();
    else child.signal(sent);
  };
  const forget = onAbort(signal, stop);
  for (const each of SIGNALS) process.on(each, onSignal);
  try {
    const lock = await Promise.race([held, stopped.promise]);
    if (lock === undefined) return { how: "busy", code: 1, token: undefined, why: undefined };
    if (lock === "stopped") {
      held.then((late) => late?.release(), () => {});
      return { how: "stopped", code: STOPPED, token: undefined, why: undefined };
    }
    onHeld(lock);
    const token = lock.token.text;
    const env = { CTDBX_LOCK_NAME: name, CTDBX_LOCK_TOKEN: token };
    child = new GuardedChild({ command, env, isQuiet });
    const { ended } = child;
    const lost = lock.lost.then((why) => ({ why }));
    const first = await Promise.race([ended, lost, stopped.promise]);
    if (typeof first !== "number") child.stop(killAfterMs);
    const code = await ended;
    await lock.release();
    if (typeof first === "number") return { how: "ended", code, token, why: undefined };
    if (first === "stopped") return { how: "stopped", code: STOPPED, token, why: undefined };
    return { how: "lost", code: STOPPED, token, why: first.why };
  } finally {
    forget();
    for (const each of SIGNALS) process.off(each, onSignal);
  }
}
