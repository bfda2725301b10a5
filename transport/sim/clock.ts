/**
 * Virtual time: one queue of what will happen for all nodes, and each node's own clock upon it.
 *
 *   time   ---o----o-o-------o-->      events in order of their time; of equal times the earlier made comes first
 *   clock  now = start + rate x time   a rate of 1.01 runs 1 % fast; the sum of two such drifts is what margins cover
 *
 * Nothing here waits for anything real: whoever drives it takes the next event, and time jumps to it.
 *
 * Does NOT promise: to run what a promise continues between two events; drive() does that, with the caller's help.
 */
import type { Clock } from "../world.ts";
import { TimeHeap } from "./heap.ts";
import type { SimLife } from "./life.ts";

interface Event {
  readonly atMs: number;
  seq: number;
  /** Undefined: called off. */
  fire: (() => void) | undefined;
}

/** Longest run of drive() without the promise settling, events; beyond, it is taken for stuck. */
const EVENTS_MAX = 10_000_000;

/** Turns without any event before it is taken for stuck: two that drive the same time wait for each other. */
const IDLE_TURNS_MAX = 10;

/** The queue. `nowMs` is true time, which no node sees. */
export class SimTime {
  readonly #heap = new TimeHeap<Event>();
  #nowMs = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Calls `fire` when `delayMs` of true time have passed. Answers how to call it off. */
  after(delayMs: number, fire: () => void): () => void {
    const event: Event = { atMs: this.#nowMs + delayMs, seq: 0, fire };
    this.#heap.push(event);
    return () => event.fire = undefined;
  }

  /** Lets the next thing happen; false: nothing is left. */
  step(): boolean {
    for (;;) {
      const event = this.#heap.pop();
      if (event === undefined) return false;
      if (event.fire === undefined) continue;
      this.#nowMs = event.atMs;
      event.fire();
      return true;
    }
  }

  /** Lets everything happen up to a time, which is then now. */
  runTo(ms: number): void {
    for (
      let next = this.#heap.peek();
      next !== undefined && next.atMs <= ms;
      next = this.#heap.peek()
    ) {
      if (next.fire === undefined) this.#heap.pop();
      else this.step();
    }
    this.#nowMs = Math.max(this.#nowMs, ms);
  }

  /**
   * Lets things happen until the promise has settled. `turn` resolves when all that promises continue has run: a turn
   * of the real event loop. Throws when nothing is left to happen.
   */
  async drive<T>(promise: Promise<T>, turn: () => Promise<void>): Promise<T> {
    let isSettled = false;
    const settle = () => void (isSettled = true);
    promise.then(settle, settle);
    let idleTurns = 0;
    for (let events = 0; events < EVENTS_MAX; events++) {
      await turn();
      if (isSettled) return await promise;
      if (this.step()) idleTurns = 0;
      else if (++idleTurns > IDLE_TURNS_MAX) {
        throw new Error("Cannot go on: nothing is left to happen");
      }
    }
    throw new Error(`Cannot go on: ${EVENTS_MAX} events, and it has not come`);
  }
}

/** How a node's clock differs from true time. */
export interface ClockFaults {
  /** Its time per true time, 0.99 to 1.01 in a sound cluster. */
  readonly rate?: number;
  /** What it shows at true time 0, ms. */
  readonly startMs?: number;
  /** What its wall clock shows at true time 0, ms since 1970. */
  readonly wallMs?: number;
}

/** The clock of one machine, as one life of a process sees it. */
export class SimClock implements Clock {
  readonly #time: SimTime;
  readonly #life: SimLife;
  readonly #rate: number;
  readonly #startMs: number;
  #wallMs: number;

  constructor(time: SimTime, life: SimLife, faults: ClockFaults = {}) {
    const { rate = 1, startMs = 1000.5, wallMs = 1_700_000_000_000 } = faults;
    this.#time = time;
    this.#life = life;
    this.#rate = rate;
    this.#startMs = startMs;
    this.#wallMs = wallMs;
  }

  nowMs(): number {
    return this.#startMs + this.#time.nowMs * this.#rate;
  }

  wallMs(): number {
    return this.#wallMs + this.#time.nowMs;
  }

  /** Somebody sets the wall clock. */
  jumpWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  after(delayMs: number, fire: () => void): () => void {
    if (!(delayMs >= 0 && delayMs < Infinity)) {
      throw new RangeError(`Cannot wait: delayMs must be 0 or more and finite, is ${delayMs}`);
    }
    const dueMs = this.nowMs() + delayMs;
    let callOff = () => {};
    const arm = (leftMs: number) => {
      callOff = this.#time.after(leftMs / this.#rate, () => this.#life.run(look));
    };
    let isOff = false;
    const look = () => {
      if (isOff) return; // called off while the node was paused
      // The division may have come out a hair short.
      const leftMs = dueMs - this.nowMs();
      if (leftMs > 0) arm(Math.max(leftMs, 1e-6));
      else fire();
    };
    arm(delayMs);
    return () => {
      isOff = true;
      callOff();
    };
  }
}
