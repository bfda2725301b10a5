/**
 * A program's wish for one lock, from when it is asked for until it is given up.
 *
 *   asked ─▶ granted ─▶ held          asked ─▶ busy, full, too late, gone
 *
 * Does NOT promise: to call anybody; the desk does that.
 */
import type { Clock } from "../../transport/world.ts";
import type { Key } from "../machines/record/copy.ts";
import type { LifeOf, Place, Token } from "../machines/locks/value.ts";
import { NO_TOKEN } from "../machines/locks/value.ts";
import type { TakeWish } from "./lock_desk.ts";

/** How a wish ended. */
export type WishEnd =
  | { readonly status: "granted"; readonly token: Token }
  /** Others have it; too many wait; its time is over. */
  | { readonly status: "busy" | "full" | "late" }
  | { readonly status: "gone"; readonly why: string };

/** One of them. */
export class Wish {
  readonly client: number;
  readonly key: Key;
  readonly id: number;
  readonly isTry: boolean;
  /** Resolves when it is granted, or is not. */
  readonly ended: Promise<WishEnd>;
  readonly #asked: TakeWish;
  readonly #clock: Clock;
  #resolve: (end: WishEnd) => void = () => {};
  #end: WishEnd | undefined;
  #woken: (() => void) | undefined;
  #late: () => void;
  #lapse: (() => void) | undefined;
  #isStopped = false;

  constructor(clock: Clock, client: number, asked: TakeWish) {
    this.#clock = clock;
    this.#asked = asked;
    this.client = client;
    this.key = asked.key;
    this.id = asked.id;
    this.isTry = asked.isTry;
    this.ended = new Promise((resolve) => this.#resolve = resolve);
    const leftMs = Math.max(0, asked.untilMs - clock.nowMs());
    this.#late = clock.after(leftMs, () => this.end({ status: "late" }));
  }

  /** Has it an end? */
  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Is it held still? */
  get isHeld(): boolean {
    return this.#end?.status === "granted" && !this.#isStopped;
  }

  /** Its place, in a life of the node. */
  place(life: LifeOf): Place {
    const { id, isExclusive, pid, graceMs } = this.#asked;
    const token = this.#end?.status === "granted" ? this.#end.token : NO_TOKEN;
    const { sinceMs } = this.#asked;
    return { ...life, client: this.client, id, isExclusive, pid, graceMs, sinceMs, token };
  }

  /** It ends so; only the first end counts. */
  end(end: WishEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#late();
    this.#resolve(end);
    this.look();
  }

  /** Is held no longer. */
  stop(): void {
    this.#isStopped = true;
    this.#lapse?.();
    this.#lapse = undefined;
  }

  /** Whoever pauses goes on. */
  look(): void {
    this.#woken?.();
  }

  /** Waits so long, or until something happens to it. */
  async pause(ms: number): Promise<void> {
    if (this.isOver) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(ms, resolve);
      this.#woken = () => {
        cancel();
        resolve();
      };
    });
    this.#woken = undefined;
  }

  /** `onLapse` is called when this is not said again in time. */
  renew(ttlMs: number, onLapse: () => void): void {
    this.#lapse?.();
    this.#lapse = this.#clock.after(ttlMs, onLapse);
  }
}
