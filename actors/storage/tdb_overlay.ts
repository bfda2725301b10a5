/**
 * The memory of a transaction's blocks: a root table, leaves and frames for the kernels, taken as needed.
 *
 *   root 4 KiB: a leaf per 4 MiB of file  ->  leaf 16 KiB: a frame per KiB  ->  frame {offset, before, block}
 *
 * The kernels make leaves and frames in the arena given here; frames are linked from the newest back. The first
 * run of the arena is kept between transactions, the others are given back.
 *
 * Does NOT promise: order. `offsets` sorts.
 */
import { PAGE } from "../../assembly/host/memory.ts";
import { BLOCK, DB, FRAME_HEADER } from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { TdbCore } from "./tdb_core.ts";

/** First run of the arena, bytes; each further one is twice as long, up to RUN_MAX. */
const RUN_FIRST = 256 * 1024;
const RUN_MAX = 64 * 1024 * 1024;

interface Run {
  readonly address: number;
  readonly bytes: number;
}

/** The blocks of a handle's transaction. */
export class Overlay {
  readonly #core: TdbCore;
  readonly #runs: Run[] = [];
  #root = 0;

  constructor(core: TdbCore) {
    this.#core = core;
  }

  get empty(): boolean {
    return this.#core.field(DB.frames) === 0;
  }

  /** Lays an empty overlay over the database. */
  start(): void {
    const core = this.#core;
    if (this.#root === 0) {
      const root = core.memory.regions.take(PAGE);
      if (root === undefined) throw new CtdbxError("limit", "Cannot begin: no memory");
      this.#root = root;
    }
    core.memory.bytes.fill(0, this.#root, this.#root + PAGE);
    core.overlayMemory = (bytes) => this.#take(bytes);
    core.set(DB.root, this.#root);
    core.set(DB.frames, 0);
    core.set(DB.lastFrame, 0);
    this.#offer(this.#runs[0]);
  }

  /** Takes it away. */
  end(): void {
    const core = this.#core;
    for (const run of this.#runs.splice(1)) core.memory.regions.give(run.address, run.bytes);
    core.overlayMemory = undefined;
    core.set(DB.root, 0);
    core.set(DB.frames, 0);
    core.set(DB.lastFrame, 0);
    this.#offer(undefined);
  }

  /** Gives everything back; the database closes. */
  release(): void {
    for (const run of this.#runs.splice(0)) this.#core.memory.regions.give(run.address, run.bytes);
    if (this.#root !== 0) this.#core.memory.regions.give(this.#root, PAGE);
    this.#root = 0;
  }

  #offer(run: Run | undefined): void {
    this.#core.set(DB.arenaNext, run?.address ?? 0);
    this.#core.set(DB.arenaEnd, run === undefined ? 0 : run.address + run.bytes);
  }

  #take(bytes: number): number {
    const last = this.#runs.at(-1);
    const wanted = last === undefined ? RUN_FIRST : Math.min(last.bytes * 2, RUN_MAX);
    const length = Math.max(wanted, bytes);
    const address = this.#core.memory.regions.take(length);
    if (address === undefined) return 0;
    const run = { address, bytes: length };
    this.#runs.push(run);
    this.#offer(run);
    return 1;
  }

  /** Addresses of all frames by the offset of their block, ascending. */
  #frames(): { offset: number; frame: number }[] {
    const { words } = this.#core.memory;
    const frames = [];
    let frame = this.#core.field(DB.lastFrame);
    while (frame !== 0) {
      frames.push({ offset: words[frame >>> 2] as number, frame });
      frame = words[(frame >>> 2) + 1] as number;
    }
    return frames.sort((one, other) => one.offset - other.offset);
  }

  /** Offsets of all dirty blocks, ascending. */
  offsets(): number[] {
    return this.#frames().map(({ offset }) => offset);
  }

  /** Hands out every dirty block, ascending; neighbours are not joined: each is one step. */
  write(to: (offset: number, from: number, length: number) => void): void {
    const size = this.#core.size;
    for (const { offset, frame } of this.#frames()) {
      const length = Math.min(BLOCK, size - offset);
      if (length > 0) to(offset, frame + FRAME_HEADER, length);
    }
  }
}
