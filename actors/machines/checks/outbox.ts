/**
 * The machine of one way of notification: what waits to be told, what is under way, when it is tried again.
 *
 *   post ──▶ queue (QUEUE_MAX; the oldest falls out, and is counted) ──▶ send effect ──▶ sent | failed ──▶ again, later
 *
 * One at a time and in order. What could not be told, or fell out, is counted, and the next one that is told says so.
 *
 * Does NOT promise: that a notification arrives, or that it arrives once: an answer that was lost is told again.
 */

/** Notifications that wait. */
export const QUEUE_MAX = 64;
/** One is tried so often. */
export const TRIES_MAX = 3;
/** Before the second try, ms; before the third four times as long. */
export const AGAIN_MS = 1000;
/** One whose end is not told so long after its time-out is given up, ms. */
export const SEND_GUARD_MS = 5000;

/** What happens. `id` is that of the effect which it answers. */
export type OutboxEvent<Item> =
  | { readonly kind: "wake" }
  | { readonly kind: "post"; readonly item: Item }
  /** `why` undefined: it has arrived. `isFinal`: to try again is of no use. */
  | {
    readonly kind: "ended";
    readonly id: number;
    readonly why: string | undefined;
    readonly isFinal: boolean;
  };

/** What is to be done. */
export type OutboxEffect<Item> =
  | {
    readonly kind: "send";
    readonly id: number;
    readonly item: Item;
    /** How many before it were lost since the last that arrived. */
    readonly lost: number;
  }
  /** One was not told after all tries, or fell out of the queue. */
  | { readonly kind: "lost"; readonly why: string };

/** What was counted since the daemon's start. */
export interface OutboxCounts {
  sent: number;
  /** Not told after all tries. */
  failed: number;
  /** Fell out of the full queue. */
  dropped: number;
}

interface Flight<Item> {
  readonly id: number;
  readonly item: Item;
  readonly tries: number;
  readonly lost: number;
  readonly endMs: number;
}

/** One way. */
export class OutboxMachine<Item> {
  readonly counts: OutboxCounts = { sent: 0, failed: 0, dropped: 0 };
  readonly #timeoutMs: number;
  readonly #queue: Item[] = [];
  #flight: Flight<Item> | undefined;
  #again: { readonly item: Item; readonly tries: number; readonly atMs: number } | undefined;
  #lost = 0;
  #id = 0;
  #why: string | undefined;
  #effects: OutboxEffect<Item>[] = [];

  /** `timeoutMs`: one try has so long. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Those that wait, or are under way. */
  get waiting(): number {
    return this.#queue.length + Number(this.#flight !== undefined || this.#again !== undefined);
  }

  /** Why the last try failed; undefined: it did not. */
  get why(): string | undefined {
    return this.#why;
  }

  get wakeMs(): number {
    return this.#flight?.endMs ?? this.#again?.atMs ?? Infinity;
  }

  /** Handles one event; an end that nobody waits for changes nothing. */
  step(event: OutboxEvent<Item>, nowMs: number): readonly OutboxEffect<Item>[] {
    this.#effects = [];
    if (event.kind === "post") this.#post(event.item);
    else if (event.kind === "ended" && event.id === this.#flight?.id) {
      this.#onEnd(this.#flight, event.why, event.isFinal, nowMs);
    }
    if (this.#flight !== undefined && nowMs >= this.#flight.endMs) {
      this.#onEnd(this.#flight, "it has no end", false, nowMs);
    }
    this.#tend(nowMs);
    return this.#effects;
  }

  #post(item: Item): void {
    this.#queue.push(item);
    if (this.#queue.length <= QUEUE_MAX) return;
    // What is newest says how things are.
    this.#queue.shift();
    this.counts.dropped += 1;
    this.#lose(`${QUEUE_MAX} notifications wait already`);
  }

  #lose(why: string): void {
    this.#lost += 1;
    this.#effects.push({ kind: "lost", why });
  }

  #onEnd(flight: Flight<Item>, why: string | undefined, isFinal: boolean, nowMs: number): void {
    this.#flight = undefined;
    this.#why = why;
    if (why === undefined) {
      this.counts.sent += 1;
      this.#lost -= flight.lost;
      return;
    }
    const { item, tries } = flight;
    if (!isFinal && tries < TRIES_MAX) {
      this.#again = { item, tries, atMs: nowMs + AGAIN_MS * 4 ** (tries - 1) };
      return;
    }
    this.counts.failed += 1;
    this.#lose(why);
  }

  #tend(nowMs: number): void {
    if (this.#flight !== undefined) return;
    if (this.#again !== undefined) {
      const { item, tries, atMs } = this.#again;
      if (nowMs >= atMs) this.#send(item, tries + 1, nowMs);
      return;
    }
    if (this.#queue.length > 0) this.#send(this.#queue.shift() as Item, 1, nowMs);
  }

  #send(item: Item, tries: number, nowMs: number): void {
    this.#id += 1;
    this.#again = undefined;
    const endMs = nowMs + this.#timeoutMs + SEND_GUARD_MS;
    this.#flight = { id: this.#id, item, tries, lost: this.#lost, endMs };
    this.#effects.push({ kind: "send", id: this.#id, item, lost: this.#lost });
  }
}
