/**
 * The robust mutexes of one simulated file: who holds which, who died with it, who waits.
 *
 *   free --take--> held --give--> free
 *                   |--holder killed--> died --take--> held ("owner_died")
 *                   '--power cut------> stuck (bytes say held, nobody is): only init() helps
 *
 * Does NOT promise: that the file's bytes change; the state is kept beside them.
 */

import type { MutexOutcome } from "../image.ts";
import { CtdbxError } from "../wire/errors.ts";

interface SimMutex {
  holder: object | undefined;
  state: "sound" | "died" | "stuck";
  readonly waiters: MutexWaiter[];
}

/** Somebody in the queue of a mutex. */
export interface MutexWaiter {
  readonly owner: object;
  taken(outcome: MutexOutcome): void;
  dropped(): void;
}

/** The mutexes by file offset; owners are compared by identity. */
export class SimMutexes {
  readonly #mutexes = new Map<number, SimMutex>();

  init(offset: number): void {
    this.#mutexes.set(offset, { holder: undefined, state: "sound", waiters: [] });
  }

  take(owner: object, offset: number): MutexOutcome {
    const mutex = this.#at(offset);
    if (mutex.holder !== undefined || mutex.state === "stuck") return "busy";
    const outcome = mutex.state === "died" ? "owner_died" : "taken";
    mutex.holder = owner;
    mutex.state = "sound";
    return outcome;
  }

  give(owner: object, offset: number): void {
    const mutex = this.#at(offset);
    if (mutex.holder !== owner) {
      throw new CtdbxError("state", `Cannot give back the mutex at ${offset}: not held`);
    }
    mutex.holder = undefined;
    this.#serve(mutex, offset);
  }

  /** Queues; returns how to leave the queue. First come, first served. */
  wait(offset: number, waiter: MutexWaiter): () => void {
    const { waiters } = this.#at(offset);
    waiters.push(waiter);
    return () => {
      const index = waiters.indexOf(waiter);
      if (index >= 0) waiters.splice(index, 1);
    };
  }

  /** The owner leaves: by closing (all is given back) or killed (what it held has died). */
  dropOwner(owner: object, killed: boolean): void {
    this.dropWaits(owner);
    for (const [offset, mutex] of this.#mutexes) {
      if (mutex.holder !== owner) continue;
      mutex.holder = undefined;
      if (killed) mutex.state = "died";
      this.#serve(mutex, offset);
    }
  }

  /** Drops what the owner waits for. */
  dropWaits(owner: object): void {
    for (const { waiters } of this.#mutexes.values()) {
      for (const waiter of waiters.filter((one) => one.owner === owner)) {
        waiters.splice(waiters.indexOf(waiter), 1);
        waiter.dropped();
      }
    }
  }

  /** Power was cut: no kernel was there to mark what had died. */
  cut(): void {
    for (const mutex of this.#mutexes.values()) {
      if (mutex.state === "died") mutex.state = "stuck";
    }
  }

  /** The file ends at `size` now. */
  dropFrom(size: number): void {
    for (const offset of this.#mutexes.keys()) {
      if (offset >= size) this.#mutexes.delete(offset);
    }
  }

  #at(offset: number): SimMutex {
    const mutex = this.#mutexes.get(offset);
    if (mutex !== undefined) return mutex;
    throw new CtdbxError("state", `Cannot use a mutex at ${offset}: none was made there`);
  }

  #serve(mutex: SimMutex, offset: number): void {
    const next = mutex.waiters.shift();
    if (next !== undefined) next.taken(this.take(next.owner, offset));
  }
}
