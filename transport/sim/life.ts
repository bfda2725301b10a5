/**
 * One life of a simulated process: what happens to it while it runs, is paused, or is over.
 *
 *   run(fire):   running: now      paused: kept, in order, for when it goes on      over: never
 *
 * All that comes in from outside (timers, messages, completions) goes through here, so a dead process never acts.
 *
 * Does NOT promise: to undo what was sent before the end.
 */
import type { SimTime } from "./clock.ts";

/** A process that can be paused, and dies once. */
export class SimLife {
  readonly #time: SimTime;
  readonly #ends: (() => void)[] = [];
  readonly #resumes: ((pausedMs: number) => void)[] = [];
  #kept: (() => void)[] = [];
  #pausedAtMs: number | undefined;
  #isOver = false;

  constructor(time: SimTime) {
    this.#time = time;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isPaused(): boolean {
    return this.#pausedAtMs !== undefined;
  }

  /** Something comes in. */
  run(fire: () => void): void {
    if (this.#isOver) return;
    if (this.isPaused || this.#kept.length > 0) this.#kept.push(fire);
    else fire();
  }

  /** SIGSTOP. */
  pause(): void {
    if (!this.#isOver) this.#pausedAtMs ??= this.#time.nowMs;
  }

  /** SIGCONT: what was kept happens first, each as an event of its own. */
  resume(): void {
    if (this.#pausedAtMs === undefined) return;
    const pausedMs = this.#time.nowMs - this.#pausedAtMs;
    this.#pausedAtMs = undefined;
    for (const hear of this.#resumes) hear(pausedMs);
    this.#time.after(0, () => this.#catchUp());
  }

  /** It ends, for good: what is under way is nobody's any more. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pausedAtMs = undefined;
    this.#kept = [];
    for (const end of this.#ends.splice(0)) end();
  }

  /** Calls `end` when this life ends. */
  onEnd(end: () => void): void {
    if (this.#isOver) end();
    else this.#ends.push(end);
  }

  /** Calls `hear` when it goes on, with how long it was paused in true time. */
  onResume(hear: (pausedMs: number) => void): void {
    this.#resumes.push(hear);
  }

  #catchUp(): void {
    if (this.isPaused || this.#isOver) return;
    const next = this.#kept.shift();
    if (next === undefined) return;
    if (this.#kept.length > 0) this.#time.after(0, () => this.#catchUp());
    next();
  }
}
