/**
 * A lock that lies free in its node's turn while others wait: the daemon gives it on if its program does not take it
 * again.
 *
 *   left ─▶ this turn of the event loop is over ─▶ had again: nothing, leaving says so anew
 *                                               ─▶ free: the daemon gives it on
 *   taken HOT_TAKES times in a row ─▶ PAUSE_MS more, as its program seems to do something else between two uses
 *
 * Does NOT promise: that it is given on; whoever waits asks again.
 */
import type { ClientCore } from "./core.ts";

/** Taken so often in a row, it is likely to be taken again. */
const HOT_TAKES = 16;
/** A lock that is likely to be taken again lies free for so long, ms. */
const PAUSE_MS = 1;

/** What is known of the use of a lock. */
export interface LockUse {
  readonly keyText: string;
  /** Places of this program at it. */
  count: number;
  /** Taken so often in a row in the file. */
  takes: number;
  /** When it was done something with last. */
  usedMs: number;
}

/** Those of one program. */
export class LockSettling {
  readonly #core: ClientCore;
  readonly #armed = new Set<LockUse>();

  constructor(core: ClientCore) {
    this.#core = core;
  }

  /** It was left free, by place `id`, while others wait. */
  later(use: LockUse, id: number): void {
    if (this.#armed.has(use)) return;
    this.#armed.add(use);
    this.#core.clock.after(this.#pauseMs(use), () => {
      this.#armed.delete(use);
      if (use.count > 0) return;
      if (this.#core.clock.nowMs() < use.usedMs + this.#pauseMs(use)) return this.later(use, id);
      use.takes = 0;
      this.now(use, id);
    });
  }

  /** Whoever waits and can have it gets it. */
  now({ keyText }: LockUse, id: number): void {
    this.#core.ask({ do: "lock", what: "leave", key: keyText, id }).catch(() => {});
  }

  #pauseMs({ takes }: LockUse): number {
    return takes < HOT_TAKES ? 0 : PAUSE_MS;
  }
}
