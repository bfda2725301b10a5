/**
 * Virtual time: things to do, in the order of their times, and of their making where times are equal.
 *
 * Does NOT promise: to end; what is done may add more.
 */

interface Item {
  readonly atMs: number;
  readonly order: number;
  readonly work: () => void;
}

/** A heap of things to do. */
export class Agenda {
  readonly #heap: Item[] = [];
  #order = 0;
  #nowMs = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Adds something to be done `afterMs` from now. */
  add(afterMs: number, work: () => void): void {
    const item = { atMs: this.#nowMs + Math.max(0, afterMs), order: this.#order++, work };
    const heap = this.#heap;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = heap[above] as Item;
      if (!isBefore(item, other)) break;
      heap[at] = other;
      at = above;
    }
    heap[at] = item;
  }

  /** Does what is due within the next `ms`, in order. */
  run(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#pop();
      this.#nowMs = next.atMs;
      next.work();
    }
    this.#nowMs = endMs;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Item;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      const right = below + 1;
      if (right < heap.length && isBefore(heap[right] as Item, heap[below] as Item)) below = right;
      const other = heap[below] as Item;
      if (!isBefore(other, last)) break;
      heap[at] = other;
      at = below;
    }
    heap[at] = last;
  }
}

function isBefore(one: Item, other: Item): boolean {
  return one.atMs !== other.atMs ? one.atMs < other.atMs : one.order < other.order;
}
