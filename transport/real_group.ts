/**
 * Groups of processes on this machine.
 *
 *   this process ── "+ PGID" ──▶ guard (sh, a session of its own) ── "PGID" ──▶ the gate opens
 *        └─ spawn ─▶ gate (sh, leader of a new group), waits at descriptor 3 ─▶ becomes the command
 *   this process dies: the guard kills every group that it knows; a gate that has not been opened runs nothing
 *
 * So there is no moment at which a program runs that would outlive this process. What the leader says and what it
 * complains of go through one pipe. When the leader has ended, what is in the pipe is read, for DRAIN_MS at most: who
 * still holds it open is not waited for.
 *
 * Does NOT promise: to know of what has left the group; nor that what was left in the background can still write to
 * the pipe: it gets SIGPIPE.
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import type { Writable } from "node:stream";
import type { GroupEnd, GroupRun, Groups, GroupWish } from "./group.ts";
import { nodeError } from "./real_errors.ts";
import { TailBuffer } from "./tail.ts";
import { CtdbxError } from "./wire/errors.ts";

/** Somebody else may hold the pipe of a leader that has ended; it is read for so long, ms. */
const DRAIN_MS = 200;
/** A group that was killed, and whose leader is still there so much later, ms, is in the kernel's hands. */
const STUCK_MS = 5000;
/** Becomes the command when it is told to; its errors go where its output goes. */
const GATE = 'read -r _ <&3 || exit 126; exec 3<&-; exec "$@" 2>&1';
/** Knows groups by "+ GROUP", says each that it knows, forgets by "- GROUP"; at its end kills those that are left. */
const GUARD = `trap '' HUP INT TERM
groups=" "
while read -r sign group; do
  case $sign in
    +) groups="$groups$group "; echo "$group" ;;
    -) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
`;

/** The groups of this process. */
export class RealGroups implements Groups {
  readonly #guard = new GroupGuard();

  run(wish: GroupWish): GroupRun {
    return new RealGroup(this.#guard, wish);
  }
}

/** The shell that kills what this process leaves behind; started with the first group, and anew when it has died. */
class GroupGuard {
  #shell: ChildProcess | undefined;
  #rest = "";
  readonly #known = new Map<number, () => void>();
  readonly #groups = new Set<number>();

  /** Calls `onKnown` when the group would die with this process. */
  add(group: number, onKnown: () => void): void {
    this.#groups.add(group);
    this.#known.set(group, onKnown);
    if (this.#shell === undefined) this.#start();
    else this.#tell(`+ ${group}\n`);
  }

  /** The group is nobody's any more: its number may go to others. */
  remove(group: number): void {
    this.#known.delete(group);
    if (this.#groups.delete(group)) this.#tell(`- ${group}\n`);
  }

  #tell(line: string): void {
    this.#shell?.stdin?.write(line);
  }

  #start(): void {
    const shell = spawn("/bin/sh", ["-c", GUARD, "guard"], {
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.#shell = shell;
    this.#rest = "";
    const isOver = (): void => {
      if (this.#shell !== shell) return;
      this.#shell = undefined;
      // Somebody has killed it: those that run get another one.
      if (this.#groups.size > 0) this.#start();
    };
    shell.on("error", () => {});
    shell.on("exit", isOver);
    shell.stdin?.on("error", () => {});
    shell.stdout?.on("data", (bytes: Uint8Array) => this.#take(new TextDecoder().decode(bytes)));
    // Nobody waits for it, and it must not keep us alive.
    shell.unref();
    for (const pipe of [shell.stdin, shell.stdout]) {
      (pipe as unknown as { unref?(): void } | null)?.unref?.();
    }
    for (const group of this.#groups) this.#tell(`+ ${group}\n`);
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const onKnown = this.#known.get(Number(line));
      this.#known.delete(Number(line));
      onKnown?.();
    }
  }
}

/** One group. */
class RealGroup implements GroupRun {
  readonly ended: Promise<GroupEnd>;
  readonly #guard: GroupGuard;
  readonly #wish: GroupWish;
  readonly #tail: TailBuffer;
  readonly #startMs = performance.now();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #child: ChildProcess | undefined;
  #resolve: (end: GroupEnd) => void = () => {};
  #isTimeout = false;
  #isOver = false;

  constructor(guard: GroupGuard, wish: GroupWish) {
    this.#guard = guard;
    this.#wish = wish;
    this.#tail = new TailBuffer(wish.outputMax);
    this.ended = new Promise((resolve) => this.#resolve = resolve);
    try {
      this.#start();
    } catch (error) {
      this.#end({ fault: nodeError(`Cannot start ${wish.command[0]}`, error) });
    }
  }

  kill(): void {
    this.#signal("SIGKILL");
    this.#later(STUCK_MS, () => this.#stuck());
  }

  #start(): void {
    const { command, env, cwd, timeoutMs } = this.#wish;
    const child = spawn("/bin/sh", ["-c", GATE, "sh", ...command], {
      detached: true,
      stdio: ["ignore", "pipe", "ignore", "pipe"],
      ...env === undefined ? {} : { env: { ...env } },
      ...cwd === undefined ? {} : { cwd },
    });
    this.#child = child;
    child.on("error", (error) => {
      this.#end({ fault: nodeError(`Cannot start ${command[0]}`, error) });
    });
    const { pid } = child;
    if (pid === undefined) return;
    const gate = child.stdio[3] as Writable;
    gate.on("error", () => {});
    child.stdout?.on("data", (bytes: Uint8Array) => this.#tail.add(bytes));
    child.stdout?.on("error", () => {});
    child.once("exit", (code, signal) => this.#onExit(code, signal));
    this.#guard.add(pid, () => gate.end("\n"));
    if (timeoutMs > 0) this.#later(timeoutMs, () => void this.#onTimeout(pid));
  }

  async #onTimeout(pid: number): Promise<void> {
    this.#isTimeout = true;
    const { onHung, killAfterMs = 0 } = this.#wish;
    await onHung?.(pid);
    if (this.#isOver) return;
    if (killAfterMs === 0) return this.kill();
    this.#signal("SIGTERM");
    // A group that was stopped hears nothing else.
    this.#signal("SIGCONT");
    this.#later(killAfterMs, () => this.kill());
  }

  /** The leader has ended: what it left is ended, too, unless it may stay; then the pipe is read to its end. */
  #onExit(code: number | null, signal: string | null): void {
    const { keepsBackground = false } = this.#wish;
    if (this.#isTimeout || !keepsBackground) this.#signal("SIGKILL");
    const end = (): void =>
      this.#end({
        ...code === null ? {} : { code },
        ...signal === null ? {} : { signal },
      });
    const { stdout } = this.#child ?? {};
    if (stdout === undefined || stdout === null || stdout.readableEnded || stdout.destroyed) end();
    else {
      stdout.once("close", end);
      this.#later(DRAIN_MS, end);
    }
  }

  #stuck(): void {
    this.#end({
      fault: new CtdbxError("timeout", `Cannot end group ${this.#child?.pid}: it outlives KILL`),
    });
  }

  #end(how: Pick<GroupEnd, "code" | "signal" | "fault">): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const { pid, stdout } = this.#child ?? {};
    if (pid !== undefined) this.#guard.remove(pid);
    stdout?.destroy();
    this.#resolve({
      ...how,
      isTimeout: this.#isTimeout,
      output: this.#tail.text(),
      cutBytes: this.#tail.cutBytes,
      tookMs: performance.now() - this.#startMs,
    });
  }

  #later(delayMs: number, fire: () => void): void {
    if (this.#isOver) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      fire();
    }, delayMs);
    this.#timers.add(timer);
  }

  #signal(name: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid === undefined || this.#isOver) return;
    try {
      process.kill(-pid, name);
    } catch {
      // Nobody is left in it.
    }
  }
}
