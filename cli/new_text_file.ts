/**
 * A text file that appears under its name only when it is complete.
 *
 *   .NAME.DICE.ctdbx-new  written through a buffer  ->  fsync  ->  NAME (target.ts)
 *
 * Does NOT promise: to remove the unfinished file when the process is killed with SIGKILL; its name says what it is.
 */

import { closeSync, openSync, statSync, writeSync } from "node:fs";
import { systemFailure } from "./failure.ts";
import { claim, discard, seal, SignalWatch, tempBeside } from "./new_database.ts";
import type { Target } from "./target.ts";
import { BufferedSink, type Sink } from "./terminal.ts";
import type { CommandWorld } from "./world.ts";

/** A text file under construction. */
export class NewTextFile {
  /** What is written here is in the file. Throws Failure. */
  readonly sink: Sink;
  readonly #world: CommandWorld;
  readonly #target: Target;
  readonly #temp: string;
  readonly #file: number;
  readonly #watch: SignalWatch;
  #isOpen = true;

  /** Begins a new file that will be at `target`. Throws Failure. */
  constructor(world: CommandWorld, target: Target) {
    // Again at the end; but better said before the work than after it.
    target.requireUnused(world.store);
    this.#world = world;
    this.#target = target;
    this.#temp = tempBeside(target.real);
    claim(this.#temp);
    this.#watch = new SignalWatch(() => this.abandon());
    this.#file = openSync(this.#temp, "r+");
    this.sink = new BufferedSink((bytes) => this.#write(bytes));
  }

  /** Makes it durable, and puts it in its place. Returns its size in bytes. Throws Failure. */
  finish(): number {
    try {
      this.sink.flush();
      this.#close();
      const { size } = statSync(this.#temp);
      seal(this.#temp, undefined);
      this.#target.put(this.#world.store, this.#temp);
      this.#watch.end();
      return size;
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Removes what was made. Never throws. */
  abandon(): void {
    this.#close();
    this.#watch.end();
    discard(this.#world, this.#temp);
  }

  #close(): void {
    if (this.#isOpen) closeSync(this.#file);
    this.#isOpen = false;
  }

  #write(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(this.#file, bytes, done, bytes.length - done);
      }
    } catch (error) {
      throw systemFailure(error, `Cannot write ${this.#target.path}`);
    }
  }
}
