/**
 * Children: started as leaders of process groups, signalled as groups, and killed when this process dies.
 *
 *   this process --"+ PGID", "- PGID"--> guard (sh, a session of its own)
 *        dies: its end of the pipe closes -----> guard: kill -KILL every group that is left
 *
 * prctl(PR_SET_PDEATHSIG) cannot be set here between fork and exec, and would reach the child alone, not what the
 * child has started. The guard needs nothing but its standard input to end; it is one for all children of a Host.
 *
 * Does NOT promise: that a child dies when this process is killed between the child's start and the next line of its
 * code (microseconds; for a second child until the runtime has written to the pipe); that processes die that have left
 * the group (setsid).
 */
import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import process from "node:process";
import { nodeError } from "./real_errors.ts";
import type { Child, ChildOptions } from "./world.ts";

/** Longest line that is kept together, characters; a longer one comes in pieces. */
export const LINE_MAX = 65536;

/**
 * Reads "+ GROUP" and "- GROUP" until its input ends; then kills what is left. The first group is an argument: what is
 * written to a pipe may lie in the runtime for a moment, and be lost with it.
 */
const GUARD = `trap '' HUP INT TERM
groups=" $1 "
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
`;

/** The process that kills ours when we die; started with the first child. */
export class Guard {
  #shell: ChildProcess | undefined;

  /** From now on the group dies with this process. */
  add(group: number): void {
    if (this.#shell === undefined) this.#shell = startGuard(group);
    else this.#tell(`+ ${group}\n`);
  }

  /** The group has ended; its number may go to others. */
  remove(group: number): void {
    this.#tell(`- ${group}\n`);
  }

  #tell(line: string): void {
    this.#shell?.stdin?.write(line);
  }
}

function startGuard(group: number): ChildProcess {
  const shell = spawn("/bin/sh", ["-c", GUARD, "guard", String(group)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  // It lives as long as we do; nobody waits for it, and it must not keep us alive.
  shell.on("error", () => {});
  shell.stdin?.on("error", () => {});
  shell.unref();
  (shell.stdin as unknown as { unref?(): void } | null)?.unref?.();
  return shell;
}

/** Signals a whole group; nothing happens when it has ended. Throws "denied". */
export function signalGroup(group: number, name: string): void {
  try {
    process.kill(-group, name);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== "ESRCH") throw nodeError(`Cannot send ${name} to group ${group}`, error);
  }
}

/** Starts a program. Throws "not_found", "denied". */
export async function startChild(
  guard: Guard,
  command: readonly string[],
  options: ChildOptions,
): Promise<Child> {
  const [program = "", ...args] = command;
  const what = `Cannot start ${program}`;
  const log = options.logPath === undefined ? "ignore" : openLog(what, options.logPath);
  const stdio: StdioOptions = ["ignore", options.onLine === undefined ? log : "pipe", log];
  let child: ChildProcess;
  try {
    child = spawn(program, args, {
      detached: true,
      stdio,
      ...(options.env === undefined ? {} : { env: options.env }),
    });
  } catch (error) {
    throw nodeError(what, error);
  } finally {
    if (typeof log === "number") closeSync(log);
  }
  const ended = new Promise<Awaited<Child["ended"]>>((resolve) => {
    child.on("exit", (code, signal) => {
      resolve({ code: code ?? undefined, signal: signal ?? undefined });
    });
  });
  if (options.onLine !== undefined) readLines(child, options.onLine);
  await new Promise<void>((resolve, reject) => {
    child.on("spawn", resolve);
    child.on("error", (error) => reject(nodeError(what, error)));
  });
  return ledChild(guard, child.pid ?? 0, ended, options.detached === true);
}

function ledChild(guard: Guard, pid: number, ended: Child["ended"], detached: boolean): Child {
  let hasEnded = false;
  if (!detached) guard.add(pid);
  void ended.then(() => {
    hasEnded = true;
    if (!detached) guard.remove(pid);
  });
  return {
    pid,
    ended,
    signal: (name) => {
      // A group of which only the leader has ended is left alone: its number may be another's by now.
      if (!hasEnded) signalGroup(pid, name);
    },
  };
}

function openLog(what: string, path: string): number {
  try {
    return openSync(path, "a", 0o600);
  } catch (error) {
    throw nodeError(`${what}: its log ${path}`, error);
  }
}

function readLines(child: ChildProcess, onLine: (line: string) => void): void {
  const decoder = new TextDecoder();
  let rest = "";
  child.stdout?.on("data", (bytes: Uint8Array) => {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
    for (; rest.length > LINE_MAX; rest = rest.slice(LINE_MAX)) onLine(rest.slice(0, LINE_MAX));
  });
  child.stdout?.on("end", () => {
    if (rest !== "") onLine(rest);
    rest = "";
  });
}
