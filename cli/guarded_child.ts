/**
 * A command that runs under a lock: it ends when it is told to, and when this process does, however that ends.
 *
 *   spawn ─▶ guard: a shell that reads from a pipe of this process; at its end without a word it kills the group
 *         └▶ gate: a shell in a process group of its own, which waits at another pipe
 *   guard knows the group, and says so ─▶ the gate opens: the shell becomes CMD
 *   this process ends before that ─▶ the gate's pipe ends: CMD never runs
 *   stop  ─▶ TERM to the group ─▶ so much later KILL
 *
 * Does NOT promise: to stop what leaves the group, nor anything while the whole machine stands still; nor to hand on
 * variables of the environment that have no name for a shell.
 */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import type { Writable } from "node:stream";

/** Exit codes of shells: cannot be executed; ended by a signal, to which its number is added. */
const NOT_EXECUTABLE = 126;
const BY_SIGNAL = 128;
/** Is told a group, says that it knows it, and kills it when its input ends without another line. */
const GUARD = 'trap "" INT TERM HUP; read -r group || exit 0; echo; ' +
  'read -r _ || kill -s KILL -- "-$group"';
/** Becomes the command when it is told to. */
const GATE = 'read -r _ <&3 || exit 126; exec 3<&-; exec "$@"';
const NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
};

/** How it is started. */
export interface ChildWish {
  readonly command: readonly string[];
  /** Set beside this process's own. */
  readonly env: Readonly<Record<string, string>>;
  /** Its standard output goes to this process's standard error. */
  readonly isQuiet: boolean;
}

/** One of them. */
export class GuardedChild {
  /** Its exit code, as a shell would say it. Never rejects. */
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;
  readonly #guard: ChildProcess;
  readonly #gate: Writable;
  #isOver = false;
  #kill: ReturnType<typeof setTimeout> | undefined;

  constructor({ command, env, isQuiet }: ChildWish) {
    // First: what is started without it could outlive this process.
    this.#guard = spawn("/bin/sh", ["-c", GUARD], {
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
    });
    // It may have ended before the last word.
    this.#guard.stdin?.on("error", () => {});
    this.#guard.unref();
    this.#child = spawn("/bin/sh", ["-c", GATE, "ctdbx", ...command], {
      detached: true,
      stdio: ["inherit", isQuiet ? 2 : "inherit", "inherit", "pipe"],
      env: { ...process.env, ...env },
    });
    this.#gate = this.#child.stdio[3] as Writable;
    this.#gate.on("error", () => {});
    const { pid } = this.#child;
    if (pid !== undefined) this.#guard.stdin?.write(`${pid}\n`);
    // Without a guard it stays shut, and the command does not run.
    this.#guard.stdout?.once("data", () => this.#gate.end("\n"));
    this.#guard.stdout?.once("end", () => this.#gate.end());
    this.#guard.on("error", () => this.#gate.end());
    this.ended = new Promise((resolve) => {
      const end = (code: number): void => {
        this.#isOver = true;
        clearTimeout(this.#kill);
        this.#guard.stdin?.end("done\ndone\n");
        resolve(code);
      };
      this.#child.once("error", () => end(NOT_EXECUTABLE));
      this.#child.once("exit", (code, signal) => {
        end(code ?? BY_SIGNAL + (NUMBERS[signal ?? ""] ?? 0));
      });
    });
  }

  /** Sends a signal to the group. */
  signal(name: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#isOver) return;
    try {
      process.kill(-pid, name);
    } catch {
      // Nobody is left in it.
    }
  }

  /** TERM now, KILL after so long. */
  stop(killAfterMs: number): void {
    if (this.#isOver || this.#kill !== undefined) return;
    this.signal("SIGTERM");
    this.#kill = setTimeout(() => this.signal("SIGKILL"), killAfterMs);
  }
}
