/**
 * The network between the nodes of a simulated cluster: which way is open, and how long a message takes.
 *
 * Each ordered pair of nodes is a link of its own, so cuts can be one-way. Messages overtake each other.
 *
 * Does NOT promise: bandwidth; a large document travels as fast as a heartbeat.
 */
import type { Dice } from "../../../transport/world.ts";

/** How bad the network is. */
export interface NetworkWeather {
  /** Chances in 10 000. */
  loss: number;
  duplicates: number;
  /** Delays of so many in 10 000 are 20 times as long. */
  tails: number;
  /** One-way, milliseconds. */
  minMs: number;
  maxMs: number;
}

/** A quiet network. */
export function fairWeather(): NetworkWeather {
  return { loss: 0, duplicates: 0, tails: 0, minMs: 0.2, maxMs: 1.2 };
}

const TAIL = 20;

/** Who can reach whom. */
export class Links {
  readonly count: number;
  weather: NetworkWeather;
  /** 1: cut. Row: sender. Column: receiver. */
  readonly #cuts: Uint8Array;
  readonly #dice: Dice;

  constructor(count: number, dice: Dice, weather: NetworkWeather) {
    this.count = count;
    this.weather = weather;
    this.#dice = dice;
    this.#cuts = new Uint8Array(count * count);
  }

  /** Cuts one way, or opens it. */
  cut(from: number, to: number, isCut: boolean): void {
    this.#cuts[from * this.count + to] = isCut ? 1 : 0;
  }

  /** Opens everything. */
  heal(): void {
    this.#cuts.fill(0);
  }

  /** Is this way open? */
  isOpen(from: number, to: number): boolean {
    return this.#cuts[from * this.count + to] === 0;
  }

  /** How often a message arrives: 0, 1 or 2 times. */
  copies(from: number, to: number): number {
    if (!this.isOpen(from, to)) return 0;
    const { loss, duplicates } = this.weather;
    if (loss > 0 && this.#dice.chance(loss, 10_000)) return 0;
    return duplicates > 0 && this.#dice.chance(duplicates, 10_000) ? 2 : 1;
  }

  /** How long one takes, milliseconds. */
  delayMs(): number {
    const { minMs, maxMs, tails } = this.weather;
    const ms = minMs + (this.#dice.u32() / 2 ** 32) * (maxMs - minMs);
    return tails > 0 && this.#dice.chance(tails, 10_000) ? ms * TAIL : ms;
  }
}
