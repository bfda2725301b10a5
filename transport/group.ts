/**
 * Programs that are run as a group of processes, with a time limit and a limit of what they may say.
 *
 *   run ─▶ leader of a new process group ── ends ──▶ GroupEnd
 *                └── not in time ─▶ onHung ─▶ TERM to the group ─▶ killAfterMs ─▶ KILL to the group ──▶ GroupEnd
 *
 * Does NOT promise: to end what has left the group (setsid); that a process which the kernel holds ends by KILL.
 */
import type { CtdbxError } from "./wire/errors.ts";

/** What is to be run, and how far it may go. */
export interface GroupWish {
  readonly command: readonly string[];
  /** The whole environment; the parent's when absent. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where it runs; the parent's folder when absent. */
  readonly cwd?: string;
  /** It may run for so long, ms; 0: as long as it wants. */
  readonly timeoutMs: number;
  /** Bytes of its output and errors, together and in order, that are kept: the last ones. */
  readonly outputMax: number;
  /** At the time-out it is told to end, and killed so much later, ms; absent or 0: killed at once. */
  readonly killAfterMs?: number;
  /** Called when its time is over, before it is ended; who is waited for must bound itself. Never to reject. */
  readonly onHung?: (pid: number) => Promise<void>;
  /** What its leader leaves running when it ends by itself stays; default: it is killed. */
  readonly keepsBackground?: boolean;
}

/** How it ended. */
export interface GroupEnd {
  /** Exit code of the leader; undefined: a signal ended it, or it never ran. */
  readonly code?: number;
  /** As "SIGKILL". */
  readonly signal?: string;
  readonly isTimeout: boolean;
  /** The end of what it said, well-formed text. */
  readonly output: string;
  /** Bytes before that, which were dropped. */
  readonly cutBytes: number;
  readonly tookMs: number;
  /** Why it could not be started, or not be ended. */
  readonly fault?: CtdbxError;
}

/** One that runs. */
export interface GroupRun {
  /** Resolves when the leader has ended, whoever still holds its output open. Never rejects. */
  readonly ended: Promise<GroupEnd>;
  /** Kills the whole group now. */
  kill(): void;
}

/** Runs them; they die with the process that runs them. */
export interface Groups {
  run(wish: GroupWish): GroupRun;
}
