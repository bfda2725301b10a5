/**
 * One child of `ctdbx lock test`: takes words from stdin, works on the file, answers in JSON lines.
 *
 *   open | try | wait | unlock | counter | race SECONDS          a TrialAnswer for each
 *
 * It ends when its stdin does.
 *
 * Does NOT promise: to hear anything while it waits for a lock; it is killed then.
 */

import { closeSync, openSync, readSync, writeSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { ERRNO, type Libc, LOCK_COMMAND, LOCK_TYPE, openLibc } from "../transport/ffi.ts";
import type { TrialAnswer } from "./lock_trial.ts";

/** The lock and the counter lie apart, so that a file system that caches pages by locked range is caught, too. */
const LOCK_AT = 0;
const COUNTER_AT = 8;
const COUNTER_BYTES = 8;
/** How often a racing child looks whether its parent is still there, ms. */
const TURN_MS = 100;

/** Serves until stdin ends. */
export async function runTrialChild(path: string): Promise<void> {
  const child = new TrialChild(path);
  // The parent is gone: nobody waits for an answer.
  process.stdin.on("close", () => process.exit(0));
  process.stdin.on("end", () => process.exit(0));
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await child.answer(line))}\n`);
  }
}

class TrialChild {
  readonly #path: string;
  readonly #libc: Libc = openLibc();
  readonly #bytes = new Uint8Array(COUNTER_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  #fd = -1;

  constructor(path: string) {
    this.#path = path;
  }

  /** Never throws. */
  async answer(line: string): Promise<TrialAnswer> {
    const [word, seconds] = line.split(" ");
    try {
      switch (word) {
        case "open":
          this.#fd = openSync(this.#path, "r+");
          return {};
        case "try":
          return { held: this.#lock(LOCK_COMMAND.OFD_SETLK) };
        case "wait":
          return { held: this.#lock(LOCK_COMMAND.OFD_SETLKW) };
        case "unlock":
          this.#unlock();
          return {};
        case "counter":
          return { counter: Number(this.#read()) };
        case "race":
          return await this.#race(Number(seconds) * 1000);
        default:
          return { error: `unknown word ${line}` };
      }
    } catch (error) {
      if (word === "open" && this.#fd >= 0) closeSync(this.#fd);
      return { error: error instanceof Error ? error.message : String(error) };
    }
  }

  async #race(forMs: number): Promise<TrialAnswer> {
    const endMs = this.#libc.bootMs() + forMs;
    let turnMs = this.#libc.bootMs() + TURN_MS;
    let [added, wrongReads, last] = [0, 0, 0n];
    for (let nowMs = 0; nowMs < endMs; nowMs = this.#libc.bootMs()) {
      if (nowMs >= turnMs) {
        await new Promise((resolve) => setImmediate(resolve));
        turnMs = nowMs + TURN_MS;
      }
      this.#lock(LOCK_COMMAND.OFD_SETLKW);
      const next = this.#read() + 1n;
      if (next <= last) wrongReads += 1;
      this.#write(next);
      if (this.#read() !== next) wrongReads += 1;
      last = next;
      this.#unlock();
      added += 1;
    }
    return { added, wrongReads };
  }

  #lock(command: number): boolean {
    for (;;) {
      if (this.#libc.flock(this.#fd, command, LOCK_TYPE.WRITE, LOCK_AT, 1) === 0) return true;
      const errno = this.#libc.errno();
      if (errno === ERRNO.EAGAIN || errno === ERRNO.EACCES) return false;
      if (errno !== ERRNO.EINTR) throw new Error(`fcntl: errno ${errno}`);
    }
  }

  #unlock(): void {
    this.#libc.flock(this.#fd, LOCK_COMMAND.OFD_SETLK, LOCK_TYPE.UNLOCK, LOCK_AT, 1);
  }

  #read(): bigint {
    const size = readSync(this.#fd, this.#bytes, 0, COUNTER_BYTES, COUNTER_AT);
    return size === COUNTER_BYTES ? this.#view.getBigUint64(0, true) : 0n;
  }

  #write(value: bigint): void {
    this.#view.setBigUint64(0, value, true);
    writeSync(this.#fd, this.#bytes, 0, COUNTER_BYTES, COUNTER_AT);
  }
}
