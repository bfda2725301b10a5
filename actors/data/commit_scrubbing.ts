/**
 * The background scrub of all persistent and replicated databases of a node: a few pages at a time, one database after
 * the other, all day long.
 *
 *   each SCRUB_EVERY_MS ─▶ the next database ─▶ has it work? then later, BUSY_MAX times at most ─▶ a slice of its pages
 *
 * A slice is as large as it must be for all pages to be seen once in SCRUB_PASS_MS, and never less than SCRUB_PAGES: a
 * small database is seen through every few seconds.
 *
 * Does NOT promise: a pass in that time while many databases share it; `db scrub` looks at one at once.
 */
import type { Clock } from "../../transport/world.ts";
import type { CommitDatabase } from "./commit_database.ts";

/** What may be set of it; what is missing is as delivered. */
export interface ScrubSettings {
  /** Between two slices, ms. */
  readonly everyMs?: number;
  /** Pages of a slice, at least; 0: there is no background scrub. */
  readonly pages?: number;
}

/** What it needs. */
export interface ScrubbingParts {
  readonly clock: Clock;
  readonly databases: () => readonly CommitDatabase[];
  readonly settings: ScrubSettings;
}

/** Between two slices, ms. */
export const SCRUB_EVERY_MS = 1_000;
/** Pages of a slice, at least: 256 KiB. */
export const SCRUB_PAGES = 64;
/** Pages of a slice, at most: 4 MiB. */
export const SCRUB_PAGES_MAX = 1024;
/** All pages of all databases are seen in this time: a day. */
export const SCRUB_PASS_MS: number = 24 * 60 * 60 * 1000;
/** A database with work is left alone so often in a row. */
const BUSY_MAX = 10;

/** Of one node. */
export class CommitScrubbing {
  readonly #parts: ScrubbingParts;
  readonly #everyMs: number;
  readonly #pages: number;
  #last: CommitDatabase | undefined;
  #busy = 0;
  #end: (() => void) | undefined;

  constructor(parts: ScrubbingParts) {
    this.#parts = parts;
    this.#everyMs = parts.settings.everyMs ?? SCRUB_EVERY_MS;
    this.#pages = parts.settings.pages ?? SCRUB_PAGES;
  }

  /** Begins. Idempotent. */
  start(): void {
    if (this.#end !== undefined || this.#pages === 0) return;
    this.#later();
  }

  stop(): void {
    this.#end?.();
    this.#end = () => {};
  }

  #later(): void {
    this.#end = this.#parts.clock.after(this.#everyMs, () => {
      this.#slice();
      this.#later();
    });
  }

  #slice(): void {
    const all = this.#parts.databases();
    if (all.length === 0) return;
    const at = this.#last === undefined ? -1 : all.indexOf(this.#last);
    const next = all[(at + 1) % all.length] as CommitDatabase;
    if (next.waiting > 0 && this.#busy < BUSY_MAX) {
      this.#busy += 1;
      return;
    }
    this.#busy = 0;
    this.#last = next;
    const pages = all.reduce((sum, { health }) => sum + health.pages, 0);
    const wanted = Math.ceil(pages * this.#everyMs / SCRUB_PASS_MS);
    next.health.scrubOn(Math.min(SCRUB_PAGES_MAX, Math.max(this.#pages, wanted)));
  }
}
