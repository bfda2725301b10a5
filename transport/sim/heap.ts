/**
 * A queue of things that are to happen at a time: the earliest first, of equal times the one that was put in first.
 *
 * Does NOT promise: to take anything out again; what is no longer wanted is skipped when its time comes.
 */

/** Anything with a time. */
export interface Timed {
  readonly atMs: number;
  /** Set by the queue: the order of putting in. */
  seq: number;
}

/** The queue: a binary heap. */
export class TimeHeap<Item extends Timed> {
  readonly #items: Item[] = [];
  #seq = 0;

  /** How many wait. */
  get size(): number {
    return this.#items.length;
  }

  /** Puts one in. */
  push(item: Item): void {
    item.seq = this.#seq++;
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = items[above] as Item;
      if (!isBefore(item, parent)) break;
      items[at] = parent;
      at = above;
    }
    items[at] = item;
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
    let at = 0;
    const half = items.length >> 1;
    while (at < half) {
      let below = 2 * at + 1;
      const right = items[below + 1];
      let child = items[below] as Item;
      if (right !== undefined && isBefore(right, child)) {
        below += 1;
        child = right;
      }
      if (!isBefore(child, last)) break;
      items[at] = child;
      at = below;
    }
    items[at] = last;
    return first;
  }
}

function isBefore(one: Timed, other: Timed): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.seq < other.seq);
}
