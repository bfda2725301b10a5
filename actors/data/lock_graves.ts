/**
 * Which lives of nodes are dead, and since when this node knows: their places in locks go after their grace.
 *
 * A life is dead when its number of the view has had a life as new as it, and it is no member: it never comes back. One
 * that is newer than all that this view knows may be alive in the next.
 *
 * Does NOT promise: to know when a life died; its grace is counted from when it was first seen to be dead.
 */
import type { Document } from "../../transport/wire/messages/document.ts";
import type { Clock } from "../../transport/world.ts";
import type { LifeTold } from "../machines/locks/procedure.ts";
import type { LifeOf } from "../machines/locks/value.ts";

/** Lives that are remembered. */
const GRAVES_MAX = 4096;

/** What one node knows. */
export class LockGraves {
  readonly #clock: Clock;
  readonly #since = new Map<string, number>();
  #members = new Set<string>();
  #highest = new Map<number, bigint>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A newer document. Answers whether somebody has left. */
  view({ view: { members, maxInc } }: Document): boolean {
    const now = new Set(members.map(nameOf));
    const nowMs = this.#clock.nowMs();
    let hasLost = false;
    for (const life of this.#members) {
      if (now.has(life)) continue;
      hasLost = true;
      this.#note(life, nowMs);
    }
    this.#members = now;
    this.#highest = new Map(maxInc.map(({ pnn, incarnation }) => [pnn, incarnation]));
    return hasLost;
  }

  #note(life: string, nowMs: number): number {
    const known = this.#since.get(life);
    if (known !== undefined) return known;
    if (this.#since.size >= GRAVES_MAX) {
      for (const oldest of this.#since.keys()) {
        this.#since.delete(oldest);
        break;
      }
    }
    this.#since.set(life, nowMs);
    return nowMs;
  }

  /** Since when it is dead, as far as this node knows; undefined: it is not. */
  #deadSince(life: LifeOf): number | undefined {
    const name = nameOf(life);
    const highest = this.#highest.get(life.pnn);
    const isDead = !this.#members.has(name) && highest !== undefined && highest >= life.incarnation;
    return isDead ? this.#note(name, this.#clock.nowMs()) : undefined;
  }

  /** Those that are dead, and whose grace is over. */
  dead(lives: readonly LifeTold[]): LifeOf[] {
    const nowMs = this.#clock.nowMs();
    return lives.filter((life) => {
      const since = this.#deadSince(life);
      return since !== undefined && nowMs >= since + life.graceMs;
    });
  }

  /** How long until the next grace of these is over, ms; Infinity: none of them is dead. */
  nextMs(lives: readonly LifeTold[]): number {
    const nowMs = this.#clock.nowMs();
    let nextMs = Infinity;
    for (const life of lives) {
      const since = this.#deadSince(life);
      if (since !== undefined) nextMs = Math.min(nextMs, Math.max(1, since + life.graceMs - nowMs));
    }
    return nextMs;
  }
}

function nameOf({ pnn, incarnation }: LifeOf): string {
  return `${pnn}.${incarnation}`;
}
