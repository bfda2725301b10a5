/**
 * A command of ctdbx as a process of this runtime, followed line by line.
 *
 * Does NOT promise: that it has ended; end() sees to that.
 */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { Inbox } from "../contracts/port_fixture.ts";
import { program, runtime } from "./cli_world.ts";

/** A process that runs. */
export class Process {
  readonly child: ChildProcess;
  /** Lines of stdout as they come. */
  readonly lines = new Inbox<string>();
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | undefined>;
  /** All of stderr so far. */
  err = "";

  /** Starts a command line. */
  constructor(command: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const [first = "", ...rest] = command;
    this.child = spawn(first, rest, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.ended = new Promise((resolve) => {
      this.child.on("close", (code, signal) => resolve(code ?? signal ?? undefined));
    });
    if (this.child.stdout !== null) {
      createInterface({ input: this.child.stdout }).on("line", this.lines.put);
    }
    this.child.stderr?.on("data", (bytes) => this.err += String(bytes));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Sends a signal; nothing happens when it has ended. */
  signal(name: NodeJS.Signals): void {
    try {
      process.kill(this.pid, name);
    } catch (error) {
      if ((error as { code?: string }).code !== "ESRCH") throw error;
    }
  }

  /** Kills it and waits until it is gone. */
  async end(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }
}

/** Starts `ctdbx WORDS`. */
export function ctdbx(words: readonly string[]): Process {
  const [first, options] = program();
  return new Process([first, ...options, ...words]);
}

/** Starts a file of test/ with arguments. */
export function script(url: URL, words: readonly string[]): Process {
  return new Process([...runtime(), url.pathname, ...words]);
}

/** Resolves when there is no process with this id any more. There is no event for other people's children. */
export async function gone(pid: number, alive: (pid: number) => boolean): Promise<void> {
  while (alive(pid)) await new Promise((resolve) => setTimeout(resolve, 2));
}
