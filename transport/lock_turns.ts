/**
 * What the backends of the leader lock share: every operation ends, once, in a later turn, in bounded time.
 *
 * Does NOT promise: that work whose time is over stops; its late result is dropped.
 */
import type { LockSeen, LockUnknown } from "./leader_lock.ts";
import { LOCK_LIMIT_MS } from "./leader_lock.ts";
import type { Clock } from "./world.ts";

/** Operations under way and the last trouble of one lock. */
export class LockTurns {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #open = new Set<(result: LockUnknown) => void>();
  readonly #watchers = new Set<(seen: LockSeen) => void>();
  #trouble: string | undefined;
  #isClosed = false;

  /** `limitMs`: after it an operation is unknown. */
  constructor(clock: Clock, limitMs: number = LOCK_LIMIT_MS) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Runs `work`, whose result goes to `done`. What it throws is "unknown", and so is what takes too long. */
  run<Result extends { readonly kind: string }>(
    work: () => Promise<Result | LockUnknown>,
    done: (result: Result | LockUnknown) => void,
  ): void {
    let callOff = () => {};
    const end = (result: Result | LockUnknown) => {
      if (!this.#open.delete(end)) return;
      callOff();
      this.#trouble = result.kind === "unknown" ? (result as LockUnknown).why : undefined;
      done(result);
    };
    this.#open.add(end);
    if (this.#isClosed) {
      callOff = this.#clock.after(0, () => end(unknown("the lock is closed")));
      return;
    }
    callOff = this.#clock.after(this.#limitMs, () => {
      end(unknown(`no answer within ${this.#limitMs} ms`));
    });
    // A turn of the loop lies between: who tries again and again at once shall not starve the others.
    const later = (result: Result | LockUnknown) => {
      if (!this.#open.has(end)) return;
      callOff();
      callOff = this.#clock.after(0, () => end(result));
    };
    work().then(later, (error: unknown) => later(unknown(reason(error))));
  }

  watch(onSeen: (seen: LockSeen) => void): () => void {
    this.#watchers.add(onSeen);
    return () => void this.#watchers.delete(onSeen);
  }

  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  tell(seen: LockSeen): void {
    for (const onSeen of [...this.#watchers]) onSeen(seen);
  }

  /** Ends what is under way. */
  close(): void {
    this.#isClosed = true;
    this.#watchers.clear();
    for (const end of [...this.#open]) end(unknown("the lock is closed"));
  }
}

/** A result that says nothing. */
export function unknown(why: string): LockUnknown {
  return { kind: "unknown", why };
}

function reason(error: unknown): string {
  return error instanceof Error && error.message !== "" ? error.message : String(error);
}
