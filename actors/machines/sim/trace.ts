/**
 * The fingerprint of a run: everything that happens goes through it, so two runs that differ anywhere differ in it.
 *
 * Does NOT promise: to be hard to forge; it is for comparing runs of one program.
 */
import { mix } from "../mix.ts";

/** A running hash of numbers and texts. */
export class Trace {
  #state = 0x2545f491;
  #count = 0;

  /** How many things went in. */
  get count(): number {
    return this.#count;
  }

  /** Takes in a kind (0 .. 255), a node, a time and any u32. */
  add(kind: number, node: number, atMs: number, value: number): void {
    this.#count += 1;
    // Times are doubles that both runtimes compute alike; 1/4096 ms is what is compared.
    const ticks = Math.floor(atMs * 4096);
    let state = Math.imul(this.#state ^ (kind << 24) ^ (node << 16), 0x21f0aaad);
    state = Math.imul(state ^ (state >>> 15) ^ ticks, 0x735a2d97);
    this.#state = (state ^ (state >>> 13) ^ value) | 0;
  }

  /** 8 hex digits. */
  text(): string {
    return mix(this.#state ^ this.#count).toString(16).padStart(8, "0");
  }
}
