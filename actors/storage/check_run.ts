/**
 * Runs the check kernel over an open database, in slices, and hands its counts and problems out.
 *
 *   take memory -> slice -> breathe, progress -> slice ... -> read state and problem table -> give memory back
 *
 * Memory: size / 32 bytes for the bitmap, a table of PROBLEMS_MAX problems, and on demand a sort table for chains
 * with many records. If this handle changes the database between two slices the run starts anew; after
 * RESTARTS_MAX of those it no longer lets go in between.
 *
 * Does NOT promise: sense when others write meanwhile; the caller holds everything.
 */
import {
  CHECK,
  CHECK_ANSWER,
  CHECK_BYTES,
  CHECK_FLAG,
  CHECK_PHASE,
  PROBLEM_BYTES,
  type Reason,
  REASONS,
  seenBytes,
} from "../../assembly/host/check_kernels.ts";
import { DB } from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { TdbCore } from "./tdb_core.ts";

/** Problems that are kept; all are counted. */
export const PROBLEMS_MAX = 1000;
/** Records per slice: some milliseconds. */
const SLICE = 65536;
/** After so many restarts the run holds on to the thread. */
const RESTARTS_MAX = 3;

/** How to run. */
export interface RunOptions {
  /** Told between slices; `total` is twice the size: bytes scanned, then lists walked. */
  readonly progress?: ((done: number, total: number) => void) | undefined;
  /** Awaited between slices, so that the event loop gets a turn. Default: all slices in one turn. */
  readonly breathe?: (() => Promise<void>) | undefined;
  /** Records per slice. Default 65536. */
  readonly slice?: number | undefined;
}

/** One problem as the kernel notes it. */
export interface RawProblem {
  readonly reason: Reason;
  readonly offset: number;
  readonly list: number;
  readonly extra: number;
}

/** Count, smallest, largest and sum of a size in bytes; all 0 when there is none. */
export interface Tally {
  readonly count: number;
  readonly bytes: number;
  readonly smallest: number;
  readonly largest: number;
}

/** What a run found. */
export interface Findings {
  readonly problems: readonly RawProblem[];
  readonly problemCount: number;
  /** Of live records. */
  readonly keys: Tally;
  readonly values: Tally;
  readonly padding: Tally;
  /** rec_len of dead and free records. */
  readonly dead: Tally;
  readonly free: Tally;
  readonly recoveryBytes: number;
  readonly unusedBytes: number;
  readonly longestChain: number;
  readonly emptyChains: number;
  /** Free records directly behind a free one. */
  readonly uncoalesced: number;
  /** Chains that were not searched for duplicates for want of memory. */
  readonly unsortedChains: number;
}

/** Memory of one run. */
class Room {
  readonly #core: TdbCore;
  readonly #taken: { at: number; bytes: number }[] = [];
  readonly state: number;
  readonly #bytes: number;

  constructor(core: TdbCore) {
    this.#core = core;
    this.#bytes = CHECK_BYTES + PROBLEMS_MAX * PROBLEM_BYTES + seenBytes(core.size);
    const state = this.take(this.#bytes);
    if (state === undefined) {
      const path = core.image.path;
      throw new CtdbxError("limit", `Cannot check ${path}: no memory for ${this.#bytes} bytes`);
    }
    this.state = state;
  }

  take(bytes: number): number | undefined {
    const at = this.#core.memory.regions.take(bytes);
    if (at !== undefined) this.#taken.push({ at, bytes });
    return at;
  }

  get(field: number): number {
    return this.#core.memory.words[(this.state + field) >>> 2] as number;
  }

  set(field: number, value: number): void {
    this.#core.memory.words[(this.state + field) >>> 2] = value;
  }

  /** Everything as before the first slice. */
  reset(flags: number): void {
    this.#core.memory.bytes.fill(0, this.state, this.state + this.#bytes);
    this.set(CHECK.flags, flags);
    this.set(CHECK.table, this.state + CHECK_BYTES);
    this.set(CHECK.tableMax, PROBLEMS_MAX);
    this.set(CHECK.map, this.state + CHECK_BYTES + PROBLEMS_MAX * PROBLEM_BYTES);
  }

  /** Gives what the kernel asked for. */
  satisfy(): void {
    const buffer = this.get(CHECK.wantBuffer);
    if (buffer !== 0) {
      const at = this.take(buffer);
      if (at === undefined) throw new CtdbxError("limit", `Cannot check: no memory for a long key`);
      this.set(CHECK.buffer, at);
      this.set(CHECK.bufferBytes, buffer);
      this.set(CHECK.wantBuffer, 0);
    }
    const sort = this.get(CHECK.wantSort);
    if (sort === 0) return;
    // Twice as much where there is room: the next long chain may be a little longer.
    const double = Math.min(2 * sort, 1 << 30);
    const at = sort < double ? this.take(double) : undefined;
    const table = at ?? this.take(sort);
    this.set(CHECK.wantSort, 0);
    if (table === undefined) {
      this.set(CHECK.flags, this.get(CHECK.flags) | CHECK_FLAG.noSort);
      return;
    }
    this.set(CHECK.sort, table);
    this.set(CHECK.sortBytes, at === undefined ? sort : double);
  }

  tally(field: number, count: number): Tally {
    const low = this.get(field);
    return {
      count,
      bytes: this.get(field + 4) * 2 ** 32 + low,
      smallest: this.get(field + 8),
      largest: this.get(field + 12),
    };
  }

  release(): void {
    for (const { at, bytes } of this.#taken) this.#core.memory.regions.give(at, bytes);
    this.#taken.length = 0;
  }
}

/** What must not change between slices. */
function stamp(core: TdbCore): string {
  return [DB.epoch, DB.size, DB.flags].map((field) => core.field(field)).join(" ");
}

function doneOf(core: TdbCore, room: Room): number {
  const phase = room.get(CHECK.phase);
  if (phase <= CHECK_PHASE.scan) return room.get(CHECK.at);
  if (phase === CHECK_PHASE.chains) {
    return core.size * (1 + room.get(CHECK.at) / core.header.hashSize);
  }
  return phase < CHECK_PHASE.chains ? core.size : 2 * core.size;
}

function readProblems(core: TdbCore, room: Room): RawProblem[] {
  const { words } = core.memory;
  const kept = Math.min(room.get(CHECK.problems), PROBLEMS_MAX);
  const problems: RawProblem[] = [];
  for (let index = 0; index < kept; index++) {
    const at = (room.state + CHECK_BYTES + index * PROBLEM_BYTES) >>> 2;
    const reason = REASONS[(words[at] as number) - 1];
    if (reason === undefined) throw new RangeError(`Unknown reason ${words[at]}`);
    problems.push({
      reason,
      offset: words[at + 1] as number,
      list: words[at + 2] as number,
      extra: words[at + 3] as number,
    });
  }
  return problems;
}

function readFindings(core: TdbCore, room: Room): Findings {
  const live = room.get(CHECK.live);
  return {
    problems: readProblems(core, room),
    problemCount: room.get(CHECK.problems),
    keys: room.tally(CHECK.keys, live),
    values: room.tally(CHECK.values, live),
    padding: room.tally(CHECK.padding, live),
    dead: room.tally(CHECK.deads, room.get(CHECK.dead)),
    free: room.tally(CHECK.frees, room.get(CHECK.free)),
    recoveryBytes: room.get(CHECK.recoveryBytes),
    unusedBytes: room.get(CHECK.unusedBytes),
    longestChain: room.get(CHECK.longest),
    emptyChains: room.get(CHECK.empty),
    uncoalesced: room.get(CHECK.neighbours),
    unsortedChains: room.get(CHECK.unsorted),
  };
}

/** Runs the kernel with CHECK_FLAG bits to its end. Throws "limit" without memory for it. */
export async function runCheck(
  core: TdbCore,
  flags: number,
  options: RunOptions = {},
): Promise<Findings> {
  const slice = options.slice ?? SLICE;
  for (let restart = 0;; restart++) {
    const room = new Room(core);
    try {
      room.reset(flags);
      const before = stamp(core);
      let answer: number;
      do {
        answer = core.kernel.tdbCheck(core.db, room.state, slice);
        if (answer === CHECK_ANSWER.wants) room.satisfy();
        if (answer !== CHECK_ANSWER.goOn) continue;
        options.progress?.(doneOf(core, room), 2 * core.size);
        if (options.breathe !== undefined && restart < RESTARTS_MAX) await options.breathe();
      } while (answer !== CHECK_ANSWER.done && stamp(core) === before);
      if (answer !== CHECK_ANSWER.done) continue;
      options.progress?.(2 * core.size, 2 * core.size);
      return readFindings(core, room);
    } finally {
      room.release();
    }
  }
}
