/**
 * When the parts of a record machine want to be looked at again. Each part has one time, the earliest of its wishes.
 *
 *   set(part, atMs) ──▶ heap ──▶ due(nowMs): parts whose time has come; times that were changed meanwhile are skipped
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

/** The times of all parts. */
export class Timers<Part extends Waker> {
  readonly #heap: Item<Part>[] = [];
  #seq = 0;

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
    if (part.wakeMs === atMs) return;
    part.wakeMs = atMs;
    if (atMs === Infinity) return;
    const heap = this.#heap;
    const item = { atMs, seq: this.#seq++, part };
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

  /** Takes a part whose time has come; its time is over. */
  takeDue(nowMs: number): Part | undefined {
    const heap = this.#heap;
    for (let first = heap[0]; first !== undefined && first.atMs <= nowMs; first = heap[0]) {
      this.#pop();
      if (first.part.wakeMs !== first.atMs) continue;
      first.part.wakeMs = Infinity;
      return first.part;
    }
    return undefined;
  }

  /** Forgets all. */
  clear(): void {
    this.#heap.length = 0;
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
