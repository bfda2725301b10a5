/**
 * Are the record locks of a file system coherent between processes, and how fast? As ctdb's ping_pong asks.
 *
 *   ruler   holds the lock; every other child must find it held; after kill -9 of the ruler one gets it
 *   race    N children: lock, read a counter, write it plus one, read it again, unlock; for some seconds
 *           coherent: the counter is the sum of what all say they have added, and never seen to go back
 *
 * Children are processes of this program; they speak JSON lines, and end when this process does (their stdin closes).
 *
 * Does NOT promise: anything about other machines that share the file system, unless the test runs there, too, at the
 * same time, on the same file.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { nodeError } from "../transport/real_errors.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { selfCommand } from "./self.ts";

/** What to measure. */
export interface TrialOptions {
  readonly path: string;
  /** Children, 2 to 64. */
  readonly processes: number;
  /** Length of the race. */
  readonly seconds: number;
  /** Path for one child, for tests: a file of its own is what incoherent locks come to. */
  readonly pathOf?: (child: number) => string;
}

/** What was found. */
export interface TrialResult {
  /** Why the locks cannot be used, phrases; none: they are coherent. */
  readonly faults: readonly string[];
  /** Locks taken and given back in a second, all children together. */
  readonly locksPerSecond: number;
  /** What the children say they have added, and what the counter says. */
  readonly added: number;
  readonly counted: number;
}

/** What a child answers to a word. */
export interface TrialAnswer {
  readonly error?: string;
  readonly held?: boolean;
  readonly added?: number;
  readonly counter?: number;
  /** Reads that did not show what the same child had just written, or showed less than it wrote before. */
  readonly wrongReads?: number;
}

/** A child that answers later than this hangs in the file system, ms. */
const ANSWER_MS = 10_000;

/** A short trial before a lock file is used: three children, of which one is killed and two race. */
const SHORT_SECONDS = 0.2;

/**
 * Makes sure that record locks work where `path` is to be; a file beside it is used and removed. Throws CtdbxError
 * "unsupported" when they are not coherent, and what lockTrial throws.
 */
export async function requireCoherentLocks(path: string): Promise<void> {
  const beside = `${path}.trial-${process.pid}`;
  try {
    writeFileSync(beside, "", { mode: 0o600 });
  } catch (error) {
    throw nodeError(`Cannot use the lock ${path}`, error);
  }
  let faults: readonly string[];
  try {
    ({ faults } = await lockTrial({ path: beside, processes: 3, seconds: SHORT_SECONDS }));
  } finally {
    rmSync(beside, { force: true });
  }
  if (faults.length === 0) return;
  const text = `Cannot use the lock ${path}: the record locks of its file system are not coherent`;
  throw new CtdbxError("unsupported", `${text}: ${faults.join("; ")}`);
}

/** Runs the trial. Throws "timeout" when the file system hangs, "io" and others when the file cannot be used. */
export async function lockTrial(options: TrialOptions): Promise<TrialResult> {
  const { path, processes, seconds, pathOf = () => path } = options;
  const children = Array.from({ length: processes }, (_, n) => new Runner(pathOf(n)));
  try {
    await Promise.all(children.map((child) => child.ask("open")));
    const faults = await exclusionFaults(children);
    const living = children.filter((child) => !child.isKilled);
    const [first] = living;
    if (first === undefined) throw new RangeError("Cannot test locks: two processes at least");
    const { counter: before = 0 } = await first.ask("counter");
    const answers = await Promise.all(
      living.map((child) => child.ask(`race ${seconds}`, seconds * 1000 + ANSWER_MS)),
    );
    const { counter: after = 0 } = await first.ask("counter");
    const added = answers.reduce((sum, answer) => sum + (answer.added ?? 0), 0);
    const wrong = answers.reduce((sum, answer) => sum + (answer.wrongReads ?? 0), 0);
    const counted = after - before;
    // More: another machine takes part.
    if (counted < added) {
      faults.push(`${added} were added under the lock, but the counter has grown by ${counted}`);
    }
    if (wrong > 0) {
      faults.push(`${wrong} reads under the lock showed what was no longer, or not yet, true`);
    }
    return { faults, locksPerSecond: Math.round(added / seconds), added, counted };
  } finally {
    await Promise.all(children.map((child) => child.kill()));
  }
}

/** One holds the lock: do all others find it held? It is killed: does one get it? */
async function exclusionFaults(children: readonly Runner[]): Promise<string[]> {
  const [ruler, ...others] = children;
  if (ruler === undefined) return [];
  const faults: string[] = [];
  await ruler.ask("wait"); // another machine may be testing, too
  const tried = await Promise.all(others.map((child) => child.ask("try")));
  const lucky = tried.filter(({ held }) => held === true).length;
  if (lucky > 0) faults.push(`${lucky} of ${others.length} processes got a lock that one holds`);
  for (const child of others) await child.ask("unlock");
  await ruler.kill();
  const [heir] = others;
  const got = await heir?.ask("wait");
  if (got?.held !== true) faults.push("the lock of a process that was killed stays held");
  await heir?.ask("unlock");
  return faults;
}

/** A child and the answers it owes. */
class Runner {
  readonly #child: ChildProcess;
  readonly #path: string;
  readonly #answers: ((answer: TrialAnswer) => void)[] = [];
  readonly #ended: Promise<void>;
  isKilled = false;
  #err = "";

  constructor(path: string) {
    const [program = "", ...words] = selfCommand();
    this.#path = path;
    this.#child = spawn(program, [...words, "lock", "trial-child", path], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.stdin?.on("error", () => {}); // it has ended; the answer says so
    this.#child.stderr?.on("data", (bytes) => this.#err += String(bytes));
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on("line", (line) => {
        this.#answers.shift()?.(JSON.parse(line));
      });
    }
    this.#ended = new Promise((resolve) => {
      const end = () => {
        for (const answer of this.#answers.splice(0)) {
          answer({ error: `a process of the test ended: ${this.#err.trim()}` });
        }
        resolve();
      };
      this.#child.on("close", end);
      this.#child.on("error", end);
    });
  }

  /** Sends a word and awaits its answer. */
  async ask(word: string, limitMs = ANSWER_MS): Promise<TrialAnswer> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const answer = await new Promise<TrialAnswer>((resolve, reject) => {
      timer = setTimeout(() => {
        const text = `Cannot test locks of ${this.#path}: no answer in ${limitMs} ms, it hangs`;
        reject(new CtdbxError("timeout", text));
      }, limitMs);
      this.#answers.push(resolve);
      this.#child.stdin?.write(`${word}\n`);
    });
    clearTimeout(timer);
    if (answer.error !== undefined) {
      throw new CtdbxError("io", `Cannot test locks of ${this.#path}: ${answer.error}`);
    }
    return answer;
  }

  async kill(): Promise<void> {
    this.isKilled = true;
    if (this.#child.pid === undefined || this.#child.exitCode !== null) return await this.#ended;
    try {
      process.kill(this.#child.pid, "SIGKILL");
    } catch {
      // it has just ended
    }
    await this.#ended;
  }
}
