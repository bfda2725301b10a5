/**
 * For tests of what a cluster must not do while it is well: elect another leader, let a lease end, call somebody dead.
 * A machine that stands still for seconds makes it do so, and rightly. So when such a test fails while the machine
 * stood still, it is run again; on a machine that did not, its failure counts at once.
 *
 *   work ──▶ fails ──▶ did a small write to the disk take longer than STALL_MS meanwhile?  yes ──▶ again, twice at most
 *                                                                                          no  ──▶ it has failed
 *
 * Does NOT promise: to see a stall of one process alone; only of this one, of all, or of the disk.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A machine whose disk or processor keeps a write of one byte for longer than this stands still, ms. */
const STALL_MS = 300;
/** Between two such writes, ms. */
const EVERY_MS = 50;
const TRIES = 3;

/** Runs `work`, which can be begun anew whenever it has failed. Rejects with its last error. */
export async function undisturbed(work: () => Promise<void>): Promise<void> {
  for (let tries = 1;; tries += 1) {
    const watch = await StallWatch.begin();
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES || !watch.hasStalled()) throw error;
      console.log(`again, for the machine stood still meanwhile: ${(error as Error).message}`);
    } finally {
      await watch.end();
    }
  }
}

/** Writes a byte again and again, and knows the longest time that it took. */
class StallWatch {
  readonly #folder: string;
  readonly #file: FileHandle;
  readonly #done: Promise<void>;
  #beganMs = performance.now();
  #longestMs = 0;
  #isOn = true;

  private constructor(folder: string, file: FileHandle) {
    this.#folder = folder;
    this.#file = file;
    this.#done = this.#run();
  }

  static async begin(): Promise<StallWatch> {
    const folder = mkdtempSync(join(tmpdir(), "ctdbx-stall-"));
    return new StallWatch(folder, await open(join(folder, "byte"), "w"));
  }

  /** Also by what is not done yet. */
  hasStalled(): boolean {
    return Math.max(this.#longestMs, performance.now() - this.#beganMs) > STALL_MS;
  }

  async end(): Promise<void> {
    this.#isOn = false;
    await this.#done;
    await this.#file.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #run(): Promise<void> {
    while (this.#isOn) {
      this.#beganMs = performance.now();
      await this.#file.write("x", 0);
      await this.#file.datasync();
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
      this.#longestMs = Math.max(this.#longestMs, performance.now() - this.#beganMs);
    }
  }
}
