/**
 * A simulated disk that is full from some step on, until the test gives space back.
 *
 *   refuse(["sync"], 3)  the first two syncs go through; from the third on each one fails
 *   refuse([], 0)        space has returned
 *
 * SimImageStore.failAt fails one step, of any kind; this one fails all that follow, of the kinds asked for.
 *
 * Does NOT promise: which steps a real disk refuses; a test tries each.
 */

import type { Image, ImageOptions, ImageStore } from "../../transport/image.ts";
import { SimImageStore } from "../../transport/sim/image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";

/** The steps that can find the disk full. */
export type DiskStep = "extend" | "write" | "sync";

/** The disk. */
export class FullDisk implements ImageStore {
  /** Steps refused so far. */
  refused = 0;
  readonly #inner: SimImageStore;
  #kinds: readonly DiskStep[] = [];
  #left = 0;
  #once = false;

  constructor(seed: number) {
    this.#inner = new SimImageStore({ seed, reserveBytes: 256 * 1024 });
  }

  /** From now on, steps of these kinds fail from the `nth` on (1: the next one); `once`: only that one. */
  refuse(kinds: readonly DiskStep[], nth: number, once = false): void {
    this.#kinds = kinds;
    this.#left = nth;
    this.#once = once;
  }

  open(path: string, options?: ImageOptions): Image {
    const image = this.#inner.open(path, options);
    const extend = image.extend.bind(image);
    const write = image.write.bind(image);
    const sync = image.sync.bind(image);
    image.extend = (size) => {
      this.#step("extend", path);
      extend(size);
    };
    image.write = (offset, from, length) => {
      this.#step("write", path);
      write(offset, from, length);
    };
    image.sync = (offset, length) => {
      this.#step("sync", path);
      sync(offset, length);
    };
    return image;
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

  #step(kind: DiskStep, path: string): void {
    if (!this.#kinds.includes(kind)) return;
    this.#left--;
    if (this.#once ? this.#left !== 0 : this.#left > 0) return;
    this.refused++;
    throw new CtdbxError("no_space", `Cannot ${kind} ${path}: the disk is full`);
  }
}
