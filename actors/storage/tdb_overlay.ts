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

/** A dirty block: its offset in the file, and where its frame is. */
interface Frame {
  readonly offset: number;
  readonly frame: number;
}

interface Run {
  readonly address: number;
  readonly bytes: number;
}

/** The blocks of a handle's transaction. */
export class Overlay {
  readonly #core: TdbCore;
  readonly #runs: Run[] = [];
  #root = 0;
  #frames: readonly Frame[] = [];

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
    this.#frames = [];
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

  /** All frames by the offset of their block, ascending; made anew when there are more than last time. */
  #sorted(): readonly Frame[] {
    const core = this.#core;
    const count = core.field(DB.frames);
    if (count === this.#frames.length) return this.#frames;
    const { words } = core.memory;
    const frames: Frame[] = [];
    for (
      let frame = core.field(DB.lastFrame);
      frame !== 0;
      frame = words[(frame >>> 2) + 1] as number
    ) {
      frames.push({ offset: words[frame >>> 2] as number, frame });
    }
    this.#frames = frames.sort((one, other) => one.offset - other.offset);
    return this.#frames;
  }

  /** Offsets of all dirty blocks, ascending. */
  offsets(): number[] {
    return this.#sorted().map(({ offset }) => offset);
  }

  /** Hands out every dirty block, ascending; neighbours are not joined: each is one step. */
  write(to: (offset: number, from: number, length: number) => void): void {
    const size = this.#core.size;
    for (const { offset, frame } of this.#sorted()) {
      const length = Math.min(BLOCK, size - offset);
      if (length > 0) to(offset, frame + FRAME_HEADER, length);
    }
  }
}
