/**
 * A queue of things that are to happen at a time: the earliest first, of equal times the one that was put in first.
 *
 * Times stand beside the items, in a row of their own: what is compared most lies close together.
 *
 * Does NOT promise: to take anything out again; what is no longer wanted is skipped when its time comes.
 */

/** Anything with a time. */
export interface Timed {
  readonly atMs: number;
  /** Set by the queue: the order of putting in. */
  seq: number;
}

/** Room for so many times at first; it doubles. */
const ROOM = 256;

/** The queue: a binary heap. */
export class TimeHeap<Item extends Timed> {
  readonly #items: Item[] = [];
  /** The times of the items, milliseconds, in the same places. */
  #times = new Float64Array(ROOM);
  #seq = 0;

  /** How many wait. */
  get size(): number {
    return this.#items.length;
  }

  /** Puts one in. */
  push(item: Item): void {
    item.seq = this.#seq++;
    const items = this.#items;
    const { atMs } = item;
    let at = items.length;
    items.push(item);
    if (at >= this.#times.length) this.#grow();
    const times = this.#times;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const aboveMs = times[above] as number;
      // Of equal times the one that is there was put in first.
      if (!(atMs < aboveMs)) break;
      items[at] = items[above] as Item;
      times[at] = aboveMs;
      at = above;
    }
    items[at] = item;
    times[at] = atMs;
  }

  /** The earliest, which stays. */
  peek(): Item | undefined {
    return this.#items[0];
  }

  /** Takes the earliest out. */
  pop(): Item | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (first === undefined || last === undefined || items.length === 0) return first;
    const times = this.#times;
    const { length } = items;
    const lastMs = times[length] as number;
    const half = length >> 1;
    let at = 0;
    while (at < half) {
      const below = this.#earlier(2 * at + 1, length);
      const belowMs = times[below] as number;
      const child = items[below] as Item;
      if (!(belowMs < lastMs || (belowMs === lastMs && child.seq < last.seq))) break;
      items[at] = child;
      times[at] = belowMs;
      at = below;
    }
    items[at] = last;
    times[at] = lastMs;
    return first;
  }

  /** Which of two neighbours is earlier; the right one may be missing. */
  #earlier(left: number, length: number): number {
    const right = left + 1;
    if (right >= length) return left;
    const leftMs = this.#times[left] as number;
    const rightMs = this.#times[right] as number;
    if (leftMs !== rightMs) return rightMs < leftMs ? right : left;
    return (this.#items[right] as Item).seq < (this.#items[left] as Item).seq ? right : left;
  }

  #grow(): void {
    const times = new Float64Array(2 * this.#times.length);
    times.set(this.#times);
    this.#times = times;
  }
}
