/**
 * The state page as the data thread looks at it: before each step of a record machine, and after it.
 *
 *   open(incarnation) ─▶ the page of that life, mapped      look() ─▶ its lease end, if it is of that life, else 0
 *
 * The page is written by the main thread, and ended by whoever reaps the daemon; its sequence tells that it changed, so
 * a look costs one load.
 *
 * Does NOT promise: that the lease is not over; who looks compares it with the clock.
 */
import type { ImageStore } from "../../transport/image.ts";
import type { Incarnation } from "../../transport/wire/terms.ts";
import { StatePage } from "../storage/state_page.ts";

/** The page of the node's present life. */
export class PageLook {
  readonly #images: ImageStore;
  readonly #path: string;
  #page: StatePage | undefined;
  #incarnation: Incarnation | undefined;
  /** Sequence and lease end of the last whole look. */
  #sequence = -1;
  #leaseEndMs = 0;

  constructor(images: ImageStore, path: string) {
    this.#images = images;
    this.#path = path;
  }

  /** Maps the page of a new life. Throws "not_found", "corrupt", "version". */
  open(incarnation: Incarnation): void {
    this.close();
    this.#page = StatePage.open(this.#images, this.#path);
    this.#incarnation = incarnation;
  }

  /** The lease end, ms of CLOCK_BOOTTIME; 0: there is none, or the page is not of the life that was opened. */
  look(): number {
    const page = this.#page;
    if (page === undefined) return 0;
    const { sequence } = page;
    if (sequence === this.#sequence) return this.#leaseEndMs;
    const state = page.read();
    // Its writer was stopped or killed in the middle: it grants nothing until somebody writes it again.
    if (state === undefined) return 0;
    const isOwn = state.incarnation === this.#incarnation && !state.frozen;
    this.#leaseEndMs = isOwn ? Number(state.leaseEndNs) / 1e6 : 0;
    // What was read is of this sequence only if nobody wrote meanwhile.
    this.#sequence = page.sequence === sequence ? sequence : -1;
    return this.#leaseEndMs;
  }

  close(): void {
    this.#page?.close();
    this.#page = undefined;
    this.#sequence = -1;
    this.#leaseEndMs = 0;
  }
}
