/**
 * Makes a database on a real file and kills itself before its n-th step.
 *
 *   bun test/live/create_child.ts FILE N LOCKING [clear]     stdout when it got through: "made"
 *
 * A step is a write, sync, extend or truncate of the Image port. LOCKING is fcntl or mutex; "clear": as a
 * CLEAR_IF_FIRST opener. SIGKILL: nothing is flushed or undone.
 *
 * Does NOT promise: anything about power loss; test/actors/storage/create_crash.test.ts has that.
 */

import process from "node:process";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import type { Image, ImageOptions } from "../../transport/image.ts";
import { RealImageStore } from "../../transport/real_image.ts";

/** The real store, whose images die before the n-th step; 0: none. */
class MortalStore extends RealImageStore {
  #left: number;

  constructor(left: number) {
    super();
    this.#left = left;
  }

  override open(path: string, options?: ImageOptions): Image {
    const image = super.open(path, options);
    const { extend, truncate, write, sync } = image;
    const step = () => {
      // The signal is handled before the system call returns.
      if (--this.#left === 0) process.kill(process.pid, "SIGKILL");
    };
    return Object.assign(image, {
      extend: (size: number) => (step(), extend.call(image, size)),
      truncate: (size: number) => (step(), truncate.call(image, size)),
      write: (offset: number, from: number, length: number) => (
        step(), write.call(image, offset, from, length)
      ),
      sync: (offset: number, length: number) => (step(), sync.call(image, offset, length)),
    });
  }
}

async function main([path = "", step = "0", locking, clear]: string[]): Promise<void> {
  const tdb = await openTdb(new MortalStore(Number(step)), path, {
    create: true,
    hashSize: 300,
    locking: locking === "mutex" ? "mutex" : "fcntl",
    clearIfFirst: clear === "clear",
  });
  console.log("made");
  tdb.close();
  process.exit(0);
}

await main(process.argv.slice(2));
