/**
 * A commit machine of one life, run: events in, one after the other, effects out, and one timer.
 *
 *   feed ─▶ mailbox ─▶ step ─▶ onStep ─▶ each effect ─▶ timer          hold: a primary takes the document only
 *
 * Does NOT promise: to go on after an error; whoever is told ends it.
 */
import type { Clock } from "../../transport/world.ts";
import type { CommitEffect, CommitEvent } from "../machines/commit/events.ts";
import type { CommitMachine } from "../machines/commit/machine.ts";

/** What it needs. */
export interface RunParts {
  readonly machine: CommitMachine;
  readonly clock: Clock;
  /** After a step, before its effects are done. */
  readonly onStep: () => void;
  readonly perform: (effect: CommitEffect) => void;
  readonly onError: (error: unknown) => void;
}

/** One life's. */
export class CommitRun {
  readonly machine: CommitMachine;
  readonly #parts: RunParts;
  #mailbox: CommitEvent[] = [];
  /** What comes while a primary is held. */
  #waiting: CommitEvent[] = [];
  #holds = false;
  #isBusy = false;
  #isOver = false;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.machine = parts.machine;
  }

  /** Hands an event to the machine, in its turn. After the end nothing happens. */
  feed(event: CommitEvent): void {
    if (this.#isOver) return;
    this.#mailbox.push(event);
    if (!this.#isBusy) this.#drain();
  }

  /**
   * The file must not be read: as primary it takes nothing but the document until that is over, as if its node had
   * stopped for a moment. What other nodes send meanwhile is lost.
   */
  hold(isOn: boolean): void {
    if (this.#holds === isOn) return;
    this.#holds = isOn;
    if (!isOn && !this.#isOver && !this.#isBusy) this.#drain();
  }

  get #isHeld(): boolean {
    return this.#holds && this.machine.status !== undefined;
  }

  #drain(): void {
    this.#isBusy = true;
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) this.#step(next);
    } catch (error) {
      this.#parts.onError(error);
    } finally {
      this.#isBusy = false;
    }
    this.#arm();
  }

  /** The next event that may be handled now. */
  #next(): CommitEvent | undefined {
    if (!this.#isHeld && this.#waiting.length > 0) {
      this.#mailbox = [...this.#waiting, ...this.#mailbox];
      this.#waiting = [];
    }
    for (let next = this.#mailbox.shift(); next !== undefined; next = this.#mailbox.shift()) {
      if (!this.#isHeld || next.kind === "config") return next;
      if (next.kind !== "message" && next.kind !== "wake") this.#waiting.push(next);
    }
    return undefined;
  }

  #step(event: CommitEvent): void {
    const { machine, clock, onStep, perform } = this.#parts;
    const effects = machine.step(event, clock.nowMs());
    onStep();
    for (const effect of effects) {
      if (this.#isOver) return;
      perform(effect);
    }
  }

  /** One timer, which may be early: most wakes are put off before they come. */
  #arm(): void {
    const { wakeMs } = this.machine;
    if (this.#isOver || this.#isHeld || wakeMs === Infinity) return;
    if (this.#timer !== undefined && this.#timer.atMs <= wakeMs) return;
    this.#timer?.cancel();
    const { clock } = this.#parts;
    const cancel = clock.after(Math.max(0, wakeMs - clock.nowMs()), () => {
      this.#timer = undefined;
      if (clock.nowMs() >= this.machine.wakeMs) this.feed({ kind: "wake" });
      else this.#arm();
    });
    this.#timer = { atMs: wakeMs, cancel };
  }

  /** Nothing is done any more. Idempotent. */
  end(): void {
    this.#isOver = true;
    this.#mailbox = [];
    this.#waiting = [];
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
