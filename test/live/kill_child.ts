/**
 * One transaction of ours on a real file, by a process that kills itself before its n-th step.
 *
 *   bun test/live/kill_child.ts FILE N     stdout when it got through (N 0): "steps COUNT"
 *
 * A step is a write, sync, extend, truncate or touch of the Image port. SIGKILL: nothing is
 * flushed or undone.
 *
 * Does NOT promise: anything about power loss; test/actors/storage/transaction_crash.test.ts has
 * that.
 */

import process from "node:process";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import type { Image, ImageOptions, ImageStore } from "../../transport/image.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { changeOurs } from "./kill_plan.ts";

/** Kills this process before step `at`. */
class DeadlySteps {
  done = 0;
  readonly #at: number;

  constructor(at: number) {
    this.#at = at;
  }

  step(): void {
    this.done++;
    // The signal is handled before the system call returns.
    if (this.done === this.#at) process.kill(process.pid, "SIGKILL");
  }
}

/** The real store, whose images count their steps. */
class DeadlyStore implements ImageStore {
  readonly #inner = new RealImageStore();
  readonly #steps: DeadlySteps;

  constructor(steps: DeadlySteps) {
    this.#steps = steps;
  }

  open(path: string, options?: ImageOptions): Image {
    const steps = this.#steps;
    const deadly = new Set(["write", "sync", "extend", "truncate", "touch"]);
    return new Proxy(this.#inner.open(path, options), {
      get(image, name) {
        const member = Reflect.get(image, name, image) as unknown;
        if (typeof member !== "function") return member;
        const bound = member.bind(image) as (...words: unknown[]) => unknown;
        if (!deadly.has(String(name))) return bound;
        return (...words: unknown[]) => {
          steps.step();
          return bound(...words);
        };
      },
    });
  }

  exists(path: string): boolean {
    return this.#inner.exists(path);
  }

  remove(path: string): void {
    this.#inner.remove(path);
  }

  rename(from: string, to: string): void {
    this.#inner.rename(from, to);
  }
}

async function main(): Promise<void> {
  const [path = "", at = "0"] = process.argv.slice(2);
  const steps = new DeadlySteps(Number(at));
  const tdb = await openTdb(new DeadlyStore(steps), path);
  await tdb.begin();
  changeOurs(tdb);
  await tdb.commit();
  // Before close: what close does is no part of the transaction.
  console.log(`steps ${steps.done}`);
  tdb.close();
  process.exit(0);
}

await main();
