/**
 * The leader lock in a simulated register, with all that can be wrong with one.
 *
 *   slow, stalled   results come late: "unknown" by then, and applied or not
 *   lost answer     applied, and nobody is told            stale read   shows an earlier revision
 *   roll back       the register is as it was some writes ago        wipe   it is empty again
 *
 * Does NOT promise: more than a compare-and-set register does; which is all that the protocol asks of it.
 */
import { LOCK_LIMIT_MS } from "../leader_lock.ts";
import type { LeaderLock, LockRecord, LockSeen, LockUnknown } from "../leader_lock.ts";
import type { LockWrite, LockWritten } from "../leader_lock.ts";
import { LockTurns, unknown } from "../lock_turns.ts";
import type { Clock, Dice } from "../world.ts";
import type { SimTime } from "./clock.ts";
import type { SimLife } from "./life.ts";

/** How bad it is. Chances in 10 000. */
export interface LockFaults {
  readonly delayMaxMs: number;
  readonly lostCall: number;
  readonly lostAnswer: number;
  readonly staleRead: number;
  readonly lostHint: number;
}

/** A register without faults. */
export const SOUND_LOCK: LockFaults = {
  delayMaxMs: 1,
  lostCall: 0,
  lostAnswer: 0,
  staleRead: 0,
  lostHint: 0,
};

const CHANCES = 10_000;
/** States that stale reads and roll-backs can go back to. */
const HISTORY_MAX = 32;

/** The register itself. */
export class SimRegister {
  faults: LockFaults;
  readonly #time: SimTime;
  readonly #dice: Dice;
  readonly #watchers = new Set<(seen: LockSeen) => void>();
  #history: LockSeen[] = [{ kind: "seen", revision: 0, record: undefined }];
  #stalled: (() => void)[] | undefined;

  constructor(time: SimTime, dice: Dice, faults: LockFaults = SOUND_LOCK) {
    this.#time = time;
    this.#dice = dice;
    this.faults = faults;
  }

  /** What it shows now. */
  get now(): LockSeen {
    return this.#history.at(-1) ?? { kind: "seen", revision: 0, record: undefined };
  }

  /** Calls wait until release(). */
  stall(): void {
    this.#stalled ??= [];
  }

  release(): void {
    const calls = this.#stalled ?? [];
    this.#stalled = undefined;
    for (const call of calls) call();
  }

  /** It is as it was so many writes ago. */
  rollBack(writes: number): void {
    this.#history.length = Math.max(1, this.#history.length - writes);
  }

  wipe(): void {
    this.#history = [{ kind: "seen", revision: 0, record: undefined }];
  }

  watch(onSeen: (seen: LockSeen) => void): () => void {
    this.#watchers.add(onSeen);
    return () => void this.#watchers.delete(onSeen);
  }

  /** A call goes there, `answer` comes back; either may be lost. */
  call<Result>(perform: () => Result, answer: (result: Result) => void): void {
    if (this.#dice.chance(this.faults.lostCall, CHANCES)) return;
    this.#time.after(this.#delay(), () => {
      const arrive = () => {
        const result = perform();
        if (this.#dice.chance(this.faults.lostAnswer, CHANCES)) return;
        this.#time.after(this.#delay(), () => answer(result));
      };
      if (this.#stalled === undefined) arrive();
      else this.#stalled.push(arrive);
    });
  }

  look(): LockSeen {
    const { length } = this.#history;
    const back = this.#dice.chance(this.faults.staleRead, CHANCES) ? this.#dice.below(length) : 0;
    return this.#history[length - 1 - back] ?? this.now;
  }

  write(revision: number, record: LockRecord): LockWritten {
    const { now } = this;
    if (now.revision !== revision) {
      return { kind: "refused", why: `it is at revision ${now.revision}, not ${revision}` };
    }
    const seen: LockSeen = { kind: "seen", revision: revision + 1, record };
    this.#history.push(seen);
    if (this.#history.length > HISTORY_MAX) this.#history.shift();
    for (const onSeen of [...this.#watchers]) {
      if (this.#dice.chance(this.faults.lostHint, CHANCES)) continue;
      this.#time.after(this.#delay(), () => onSeen(seen));
    }
    return { kind: "ok", revision: seen.revision };
  }

  #delay(): number {
    return this.faults.delayMaxMs * this.#dice.below(1 << 20) / (1 << 20);
  }
}

/** The lock as one life of a node sees it. */
export class SimLock implements LeaderLock {
  readonly backend = "jetstream";
  readonly #register: SimRegister;
  readonly #life: SimLife;
  readonly #turns: LockTurns;
  #endHints: (() => void) | undefined;

  constructor(register: SimRegister, life: SimLife, clock: Clock, limitMs = LOCK_LIMIT_MS) {
    this.#register = register;
    this.#life = life;
    this.#turns = new LockTurns(clock, limitMs);
    life.onEnd(() => this.#endHints?.());
  }

  get trouble(): string | undefined {
    return this.#turns.trouble;
  }

  look(done: (result: LockSeen | LockUnknown) => void): void {
    this.#turns.run<LockSeen>(() => this.#call(() => this.#register.look()), done);
  }

  write(
    _op: LockWrite,
    revision: number,
    record: LockRecord,
    done: (result: LockWritten) => void,
  ): void {
    const perform = () => this.#register.write(revision, record);
    this.#turns.run<LockWritten>(() => this.#call(perform), done);
  }

  watch(onSeen: (seen: LockSeen) => void): () => void {
    const end = this.#turns.watch(onSeen);
    this.#endHints ??= this.#register.watch((seen) => this.#life.run(() => this.#turns.tell(seen)));
    return end;
  }

  close(): Promise<void> {
    this.#endHints?.();
    this.#endHints = undefined;
    this.#turns.close();
    return Promise.resolve();
  }

  #call<Result>(perform: () => Result): Promise<Result | LockUnknown> {
    if (this.#life.isOver) return Promise.resolve(unknown("the process is over"));
    return new Promise((resolve) => {
      this.#register.call(perform, (result) => this.#life.run(() => resolve(result)));
    });
  }
}
