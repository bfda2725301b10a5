/**
 * The leader lock of a cluster with one voter: nobody else is there to hold it.
 *
 * Does NOT promise: anything when there are more voters; the configuration refuses it then.
 */
import type { LeaderLock, LockRecord, LockSeen, LockUnknown } from "./leader_lock.ts";
import type { LockWrite, LockWritten } from "./leader_lock.ts";
import { LockTurns } from "./lock_turns.ts";
import type { Clock } from "./world.ts";

/** A register in memory. */
export class SingleLock implements LeaderLock {
  readonly backend = "single";
  readonly #turns: LockTurns;
  #revision = 0;
  #record: LockRecord | undefined;

  constructor(clock: Clock) {
    this.#turns = new LockTurns(clock);
  }

  get trouble(): string | undefined {
    return this.#turns.trouble;
  }

  look(done: (result: LockSeen | LockUnknown) => void): void {
    this.#turns.run<LockSeen>(() => Promise.resolve(this.#seen()), done);
  }

  write(
    _op: LockWrite,
    revision: number,
    record: LockRecord,
    done: (result: LockWritten) => void,
  ): void {
    this.#turns.run<LockWritten>(() => Promise.resolve(this.#set(revision, record)), done);
  }

  watch(onSeen: (seen: LockSeen) => void): () => void {
    return this.#turns.watch(onSeen);
  }

  close(): Promise<void> {
    this.#turns.close();
    return Promise.resolve();
  }

  #seen(): LockSeen {
    return { kind: "seen", revision: this.#revision, record: this.#record };
  }

  #set(revision: number, record: LockRecord): LockWritten {
    if (revision !== this.#revision) {
      return { kind: "refused", why: `it is at revision ${this.#revision}, not ${revision}` };
    }
    this.#revision += 1;
    this.#record = record;
    this.#turns.tell(this.#seen());
    return { kind: "ok", revision: this.#revision };
  }
}
