/**
 * Child processes that answer commands: libtdb (peer.c, compiled once into the cache) and our
 * engine on either runtime.
 *
 *   test process -- stdin: "fetch 6b" --> child
 *                <- stdout: "ok 76" ---
 *
 * Answers come in order, so several commands may be on their way; lines that nobody waits for go
 * to `onLine`.
 *
 * Does NOT promise: to outlive a wrong command; a child that ends fails whoever waits for it.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { PACKER } from "../../build/pack.ts";
import { DENO, ROOT } from "../../build/steps.ts";
import { cacheFolder } from "../../build/tools.ts";
import { tool } from "../tools.ts";
import type { Session } from "./session.ts";

/** The runtimes our engine runs on. */
export type Runtime = "bun" | "deno";

/** How a child ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

interface Waiter {
  resolve(line: string): void;
  reject(cause: Error): void;
}

/** A child process with a line protocol. */
export class Peer implements Session {
  readonly name: string;
  readonly pid: number;
  /** Settles when the child has ended and all its output is read. */
  readonly ended: Promise<Ending>;
  /** Lines that answer no command. */
  onLine: (line: string) => void = () => {};
  readonly #child: ChildProcess;
  readonly #waiters: Waiter[] = [];
  #rest: string[] = [];
  #errors = "";

  constructor(name: string, command: readonly string[]) {
    const [program = "", ...args] = command;
    this.name = name;
    const child = spawn(program, args, { cwd: ROOT, stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    this.pid = child.pid ?? 0;
    child.stdout?.setEncoding("utf8");
    child.stdout?.on("data", (text: string) => this.#take(text));
    child.stderr?.setEncoding("utf8");
    child.stderr?.on("data", (text: string) => this.#errors += text);
    child.stdin?.on("error", () => {}); // it died: `ended` says so
    this.ended = new Promise((resolve) => {
      child.on("close", (code, signal) => {
        const text = `${name} ended (${code ?? signal}) ${this.#errors.slice(-2000)}`;
        for (const waiter of this.#waiters.splice(0)) waiter.reject(new Error(text));
        resolve({ code, signal });
      });
    });
  }

  /** What it wrote to stderr so far. */
  get errors(): string {
    return this.#errors;
  }

  ask(...words: (string | number)[]): Promise<string> {
    const answer = new Promise<string>((resolve, reject) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        reject(new Error(`${this.name} has ended: ${this.#errors.slice(-2000)}`));
      } else this.#waiters.push({ resolve, reject });
    });
    this.tell(...words);
    return answer;
  }

  /** A command whose answer nobody waits for: its lines go to onLine. */
  tell(...words: (string | number)[]): void {
    this.#child.stdin?.write(words.join(" ") + "\n");
  }

  /** kill -9, and waits for the end. */
  kill(): Promise<Ending> {
    // Not child.kill(): on Deno that works only once.
    try {
      process.kill(this.pid, "SIGKILL");
    } catch {
      // It is gone already.
    }
    return this.ended;
  }

  /** Closes stdin and waits for the end. */
  end(): Promise<Ending> {
    this.#child.stdin?.end();
    return this.ended;
  }

  #take(text: string): void {
    const lines = text.split("\n");
    // Joined once at the end of the line: long ones come in thousands of pieces.
    this.#rest.push(lines[0] ?? "");
    if (lines.length === 1) return;
    lines[0] = this.#rest.join("");
    this.#rest = [lines.pop() ?? ""];
    for (const line of lines) {
      const waiter = this.#waiters.shift();
      if (waiter === undefined) this.onLine(line);
      else waiter.resolve(line);
    }
  }
}

/** Path of the compiled peer.c; skips the running test when it cannot be compiled here. */
export function peerProgram(): string {
  const gcc = tool("gcc");
  tool("libtdb");
  tool("libc");
  const source = join(ROOT, "test/live/peer.c");
  const sum = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const program = join(cacheFolder(), `tdb-peer-${sum}`);
  if (existsSync(program)) return program;
  mkdirSync(cacheFolder(), { recursive: true });
  // Both runtimes may compile at once: the rename decides.
  const made = `${program}.${process.pid}`;
  const result = spawnSync(gcc, ["-O2", "-o", made, source, "-ltdb"], { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`gcc: ${result.stderr}`);
  renameSync(made, program);
  return program;
}

/** Starts libtdb. `under` is a program that runs it (strace and its options). */
export function startPeer(name = "libtdb", under: readonly string[] = []): Peer {
  return new Peer(name, [...under, peerProgram()]);
}

/** The command that runs a script of ours on a runtime. */
export function runtimeCommand(runtime: Runtime, script: string): string[] {
  const start = runtime === "bun" ? [PACKER] : [DENO, "run", "-A", "--no-check", "--quiet"];
  return [...start, join(ROOT, script)];
}

/** Starts our engine in a child process; same commands. */
export function startOurs(runtime: Runtime, name = `ours on ${runtime}`): Peer {
  return new Peer(name, runtimeCommand(runtime, "test/live/ours_child.ts"));
}

/** The runtime these tests run on. */
export function thisRuntime(): Runtime {
  return "Deno" in globalThis ? "deno" : "bun";
}
