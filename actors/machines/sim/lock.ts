/**
 * The register of a simulated cluster: compare-and-set by revision, with everything that can be wrong with it.
 *
 *   stall       no operation ends; some are applied           stale    a read shows what was
 *   ambiguous   the result is unknown, applied or not         goes back, is lost: revisions are given again
 *
 * Does NOT promise: anything at all. That is what it is for.
 */
import type { Dice } from "../../../transport/world.ts";
import type { LockResult } from "../cluster/events.ts";
import type { LockRecord, LockSeen } from "../../../transport/leader_lock.ts";

/** How bad the register is. Chances in 10 000. */
export interface LockWeather {
  ambiguous: number;
  stale: number;
  /** Nobody gets a result. */
  isStalled: boolean;
}

/** An operation as a node sends it. */
export interface LockRequest {
  readonly op: "look" | "acquire" | "renew" | "release";
  readonly revision: number;
  readonly record: LockRecord | undefined;
}

/** States that stale reads and going back can show. */
const PAST_MAX = 8;

/** The register. */
export class SimLock {
  weather: LockWeather = { ambiguous: 0, stale: 0, isStalled: false };
  /** Which nodes cannot reach it. */
  readonly cut: Set<number> = new Set();
  readonly #dice: Dice;
  #now: LockSeen = { kind: "seen", revision: 0, record: undefined };
  #past: LockSeen[] = [];

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** What it holds. */
  get seen(): LockSeen {
    return this.#now;
  }

  /** An operation reaches it. Undefined: no result comes back. */
  run(node: number, request: LockRequest): LockResult | undefined {
    const { isStalled, ambiguous, stale } = this.weather;
    if (this.cut.has(node)) return undefined;
    if (isStalled) {
      if (request.op !== "look" && this.#dice.chance(1, 2)) this.#write(request);
      return undefined;
    }
    if (request.op === "look") {
      const isStale = this.#past.length > 0 && this.#dice.chance(stale, 10_000);
      if (isStale) return this.#past[this.#dice.below(this.#past.length)];
      return this.#now;
    }
    if (this.#dice.chance(ambiguous, 10_000)) {
      if (this.#dice.chance(1, 2)) this.#write(request);
      return { kind: "unknown" };
    }
    const isDone = this.#write(request);
    return isDone ? { kind: "ok", revision: this.#now.revision } : { kind: "refused" };
  }

  /** Back to an earlier state, `steps` ago at most. */
  goBack(steps: number): void {
    for (let step = 0; step < steps; step++) this.#now = this.#past.pop() ?? this.#now;
  }

  /** As if it had never been. */
  lose(): void {
    this.#past = [];
    this.#now = { kind: "seen", revision: 0, record: undefined };
  }

  #write({ revision, record }: LockRequest): boolean {
    if (revision !== this.#now.revision) return false;
    this.#past.push(this.#now);
    if (this.#past.length > PAST_MAX) this.#past.shift();
    this.#now = { kind: "seen", revision: revision + 1, record };
    return true;
  }
}
