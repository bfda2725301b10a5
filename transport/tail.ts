/**
 * The end of a flood: the last bytes of what a program says, whatever it says.
 *
 *   max 4:   "ab" "cdef" "g"   ──▶   "defg", 3 bytes cut
 *
 * Does NOT promise: the beginning; nor a whole character where the cut is: a piece of one is left out.
 */

/** Keeps the last `max` bytes, in a ring of that size which is made with the first of them. */
export class TailBuffer {
  readonly #max: number;
  #ring: Uint8Array | undefined;
  #total = 0;

  /** `max`: bytes, 1 or more. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Bytes that came, and are not kept. */
  get cutBytes(): number {
    return Math.max(0, this.#total - this.#max);
  }

  add(bytes: Uint8Array): void {
    const last = bytes.subarray(Math.max(0, bytes.length - this.#max));
    const ring = this.#ring ??= new Uint8Array(this.#max);
    const at = (this.#total + bytes.length - last.length) % this.#max;
    const first = last.subarray(0, this.#max - at);
    ring.set(first, at);
    ring.set(last.subarray(first.length), 0);
    this.#total += bytes.length;
  }

  /** What is kept, as text; what is no UTF-8 becomes U+FFFD. */
  text(): string {
    const ring = this.#ring;
    if (ring === undefined) return "";
    if (this.#total <= this.#max) return new TextDecoder().decode(ring.subarray(0, this.#total));
    const at = this.#total % this.#max;
    const kept = new Uint8Array(this.#max);
    kept.set(ring.subarray(at), 0);
    kept.set(ring.subarray(0, at), this.#max - at);
    // The rest of a character whose start was cut.
    let start = 0;
    while (start < 4 && start < kept.length && ((kept[start] as number) & 0xc0) === 0x80) start++;
    return new TextDecoder().decode(kept.subarray(start === 4 ? 0 : start));
  }
}
