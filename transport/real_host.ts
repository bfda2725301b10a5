/**
 * The Host port on this machine: its processes and its unix sockets.
 *
 * Does NOT promise: that a process with an id is the one that had it before; ids come again.
 */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import { type Libc, openLibc } from "./ffi.ts";
import { checkPid } from "./host_checks.ts";
import { Guard, startChild } from "./real_child.ts";
import { systemCode } from "./real_errors.ts";
import { dialAt, listenAt } from "./real_stream.ts";
import type { Child, ChildOptions, Host, Stream, StreamEvents } from "./world.ts";

/** This machine. */
export class RealHost implements Host {
  readonly pid = process.pid;
  readonly name = hostname();
  /** Bound when somebody listens: on Deno that costs ten times what a dial does. */
  #libc: Libc | undefined;
  readonly #guard = new Guard();

  constructor(libc?: Libc) {
    this.#libc = libc;
  }

  start(command: readonly string[], options: ChildOptions = {}): Promise<Child> {
    return startChild(this.#guard, command, options);
  }

  alive(pid: number): boolean {
    checkPid(pid);
    return isAlive(pid);
  }

  listen(
    path: string,
    onStream: (stream: Stream) => StreamEvents,
    isSure = false,
  ): Promise<() => Promise<void>> {
    return listenAt(this.#libc ??= openLibc(), path, onStream, isSure);
  }

  dial(path: string, events: StreamEvents): Promise<Stream> {
    return dialAt(path, events);
  }
}

/** Is there a process with this id? A zombie is none; ids begin with 1, below that are groups. */
export function isAlive(pid: number): boolean {
  if (pid < 1) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (systemCode(error) === "ESRCH") return false;
  }
  return !isZombie(pid);
}

/** Has it ended, and only its parent has not looked yet? */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in brackets may hold anything; the state follows the last bracket.
    return /^[ZX]$/.test(stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3));
  } catch {
    return false; // without /proc, or gone this moment: the signal's answer stands
  }
}
