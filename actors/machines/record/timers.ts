/**
 * When the parts of a record machine want to be looked at again. Each part has one time, the earliest of its wishes.
 *
 *   set(part, atMs) ──▶ heap ──▶ due(nowMs): parts whose time has come; times that were changed meanwhile are skipped
 *
 * Most times are of operations that end long before: when most of the heap is such, it is made anew without them.
 *
 * Does NOT promise: that a part is not looked at too early; it looks at its own wishes.
 */

/** A part with a time. */
export interface Waker {
  /** When it wants to be looked at; Infinity: not. Set by Timers only. */
  wakeMs: number;
}

interface Item<Part> {
  readonly atMs: number;
  readonly seq: number;
  readonly part: Part;
}

const NONE: readonly never[] = [];
/** The heap may have so many times that are over, beside as many as those that are not. */
const OVER_MAX = 1024;

/** The times of all parts. */
export class Timers<Part extends Waker> {
  #heap: Item<Part>[] = [];
  #seq = 0;
  /** Parts that have a time, about. */
  #live = 0;

  /** The earliest time; Infinity: none. */
  get nextMs(): number {
    const heap = this.#heap;
    for (let first = heap[0]; first !== undefined; first = heap[0]) {
      if (first.part.wakeMs === first.atMs) return first.atMs;
      this.#pop();
    }
    return Infinity;
  }

  /** How many times wait, changed ones too. */
  get size(): number {
    return this.#heap.length;
  }

  /** Gives a part its time. */
  set(part: Part, atMs: number): void {
    const { wakeMs } = part;
    if (wakeMs === atMs) return;
    part.wakeMs = atMs;
    if (atMs === Infinity) {
      this.#live -= 1;
      return;
    }
    if (wakeMs === Infinity) this.#live += 1;
    if (this.#heap.length > 2 * Math.max(this.#live, 0) + OVER_MAX) this.#shrink();
    this.#push({ atMs, seq: this.#seq++, part });
  }

  /** Takes all parts whose time has come, in order; their time is over. */
  takeDue(nowMs: number): readonly Part[] {
    const heap = this.#heap;
    if (heap[0] === undefined || heap[0].atMs > nowMs) return NONE;
    const due: Part[] = [];
    for (let first = heap[0]; first !== undefined && first.atMs <= nowMs; first = heap[0]) {
      this.#pop();
      if (first.part.wakeMs !== first.atMs) continue;
      first.part.wakeMs = Infinity;
      due.push(first.part);
    }
    this.#live -= due.length;
    return due;
  }

  /** Forgets all. */
  clear(): void {
    this.#heap.length = 0;
    this.#live = 0;
  }

  /** Without the times that are over; a sorted list is a heap. */
  #shrink(): void {
    const left = this.#heap.filter(({ part, atMs }) => part.wakeMs === atMs);
    this.#heap = left.sort((one, other) => isBefore(one, other) ? -1 : 1);
    this.#live = left.length;
  }

  #push(item: Item<Part>): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as Item<Part>;
      if (!isBefore(item, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = item;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    const half = heap.length >> 1;
    while (at < half) {
      let below = 2 * at + 1;
      const right = heap[below + 1];
      let child = heap[below] as Item<Part>;
      if (right !== undefined && isBefore(right, child)) {
        below += 1;
        child = right;
      }
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
  }
}

function isBefore<Part>(one: Item<Part>, other: Item<Part>): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.seq < other.seq);
}
