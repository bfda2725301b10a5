/**
 * The Image port on simulated files, with faults: crash, power cut, torn sectors, full disk, dying
 * disk.
 *
 *   failAt(3, "crash"):  steps 1, 2 ok; step 3 throws SimCrash, undone; so does all after it
 *   reboot("process"):   kill -9: the system keeps every byte, locks go, held mutexes have died
 *   reboot("power"):     the dice choose what of the unsynced survives: see file.ts
 *
 * Steps are write, sync, extend, truncate and touch of an image, rename and remove of the store.
 * Bytes that are written by address are no step; they count as not synced.
 *
 * Does NOT promise: time. Without a timer, lock() and mutex() with a time-out above 0 wait until it
 * is their turn. `address` is one for all images of a file: growing past `reserveBytes` moves it
 * for all at once. A removal is durable at once.
 */

import { roundUp, threadMemory } from "../../assembly/host/memory.ts";
import type { Image, ImageOptions, ImageStore } from "../image.ts";
import { MAPPED_MAX } from "../image.ts";
import { CtdbxError } from "../wire/errors.ts";
import { type Dice, SeededDice } from "./dice.ts";
import { SimFile } from "./file.ts";
import { SimImage, type SimWorld } from "./open_image.ts";

/** What the n-th step from now does instead of its work. */
export type SimFault = "crash" | "no_space" | "io";

/** Calls `fire` after `delayMs`; returns how to call it off. */
export type SimTimer = (delayMs: number, fire: () => void) => () => void;

/** How a simulated disk is made. */
export interface SimImageOptions {
  readonly seed: number;
  /** Address space per open file, bytes; default 1 MiB. Small: growing moves. */
  readonly reserveBytes?: number;
  /** For time-outs. */
  readonly timer?: SimTimer;
}

/** The simulated machine is down: nothing works until reboot(). */
export class SimCrash extends Error {
  constructor(what: string) {
    super(`Cannot ${what}: the simulated machine has crashed`);
    this.name = "SimCrash";
  }
}

/** A simulated disk with its files. */
export class SimImageStore implements ImageStore {
  readonly #dice: Dice;
  readonly #options: SimImageOptions;
  readonly #files = new Map<string, SimFile>();
  readonly #denied = new Set<string>();
  readonly #images = new Set<SimImage>();
  #steps = 0;
  #crashed = false;
  #fault: { at: number; kind: SimFault } | undefined;

  constructor(options: SimImageOptions) {
    this.#options = options;
    this.#dice = new SeededDice(options.seed);
  }

  /** Steps done or failed so far: run once to count them, then fail at each. */
  get steps(): number {
    return this.#steps;
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  /** The step that is `steps` from now (1: the next one) fails, once. 0 or less: none does. */
  failAt(steps: number, kind: SimFault): void {
    this.#fault = steps > 0 ? { at: this.#steps + steps, kind } : undefined;
  }

  /** Crashes now. */
  crash(): void {
    this.#crashed = true;
  }

  /** Starts anew after a crash, or in place of one. All images are closed. */
  reboot(after: "process" | "power"): void {
    this.#crashed = true; // who waits is told of a crash, not of a closed image
    for (const image of this.#images) image.dropWaits();
    for (const image of [...this.#images]) image.end(true);
    this.#crashed = false;
    this.#fault = undefined;
    if (after === "process") return;
    for (const [path, file] of [...this.#files]) {
      if (!file.cut(this.#dice)) this.#files.delete(path);
    }
  }

  /** The process that has this image dies: its locks go, its mutexes have died. Others live on. */
  kill(image: Image): void {
    if (!(image instanceof SimImage)) throw new TypeError("Cannot kill: not a simulated image");
    image.end(true);
  }

  /** Opening this path fails with "denied" from now on, or no more. */
  deny(path: string, isDenied = true): void {
    if (isDenied) this.#denied.add(path);
    else this.#denied.delete(path);
  }

  open(path: string, options: ImageOptions = {}): Image {
    this.#alive(`open ${path}`);
    if (this.#denied.has(path)) throw new CtdbxError("denied", `Cannot open ${path}: denied`);
    let file = this.#files.get(path);
    if (file !== undefined && options.create === true && options.exclusive === true) {
      throw new CtdbxError("exists", `Cannot create ${path}: it exists`);
    }
    if (file === undefined) {
      if (options.create !== true) throw new CtdbxError("not_found", `Cannot open ${path}: absent`);
      file = new SimFile(threadMemory(), this.#options.reserveBytes ?? 1024 * 1024);
      this.#files.set(path, file);
    }
    if (!file.isOpen) this.#room(path, file, file.size);
    const image = new SimImage(this.#world(), path, file, options.readOnly === true);
    this.#images.add(image);
    return image;
  }

  exists(path: string): boolean {
    this.#alive(`look for ${path}`);
    return this.#files.has(path);
  }

  remove(path: string): void {
    this.#step(`remove ${path}`);
    this.#files.delete(path);
  }

  rename(from: string, to: string): void {
    this.#step(`rename ${from}`);
    const file = this.#files.get(from);
    if (file === undefined) throw new CtdbxError("not_found", `Cannot rename ${from}: absent`);
    this.#files.delete(from);
    this.#files.set(to, file);
    file.name();
  }

  /** What images see of this store. */
  #world(): SimWorld {
    return {
      dice: this.#dice,
      timer: this.#options.timer,
      alive: (what) => this.#alive(what),
      step: (what) => this.#step(what),
      room: (path, file, size) => this.#room(path, file, size),
      closed: (image) => this.#images.delete(image),
    };
  }

  #alive(what: string): void {
    if (this.#crashed) throw new SimCrash(what);
  }

  #step(what: string): void {
    this.#alive(what);
    this.#steps++;
    const fault = this.#fault;
    if (fault === undefined || this.#steps < fault.at) return;
    this.#fault = undefined;
    if (fault.kind !== "crash") throw new CtdbxError(fault.kind, `Cannot ${what}: simulated`);
    this.#crashed = true;
    throw new SimCrash(what);
  }

  /** Throws "limit" when `file` may not have `size` bytes mapped. */
  #room(path: string, file: SimFile, size: number): void {
    const files = new Set([...this.#images].map((image) => image.file));
    files.delete(file);
    let others = 0;
    for (const one of files) others += roundUp(one.size, 4096);
    if (others + roundUp(size, 4096) <= MAPPED_MAX) return;
    throw new CtdbxError(
      "limit",
      `Cannot map ${path}: ${size} bytes, ${others} mapped already; the limit is ${MAPPED_MAX} ` +
        `bytes (3.5 GiB) mapped per thread`,
    );
  }
}
