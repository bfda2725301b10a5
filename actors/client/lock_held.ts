/**
 * A cluster lock that this program holds.
 *
 * Does NOT promise: to notice by itself that it is lost; Locks looks after all of them.
 */
import type { LockMode, LockToken } from "./lock_types.ts";
import type { ClusterLock } from "./lock_types.ts";
import { tokenText } from "../machines/locks/value.ts";
import type { Token } from "../machines/locks/value.ts";

/** What it is made of. */
export interface HeldParts {
  readonly name: string;
  readonly id: number;
  readonly keyText: string;
  readonly mode: LockMode;
  readonly token: Token;
  /** Of the connection and the life of the node: in others it is lost. */
  readonly epoch: number;
  readonly earlyMs: number;
  readonly onRelease: (held: HeldLock) => Promise<void>;
}

/** A token for programs. */
export function tokenOf({ gen, seq, rsn }: Token): LockToken {
  return { gen, seq, rsn, text: tokenText({ gen, seq, rsn }) };
}

/** One of them. */
export class HeldLock implements ClusterLock {
  readonly parts: HeldParts;
  readonly name: string;
  readonly mode: LockMode;
  /** When it is over if nobody renews it, ms; Infinity: never. */
  untilMs = Infinity;
  /** Is it told to the daemon? */
  isTold: boolean;
  isOver = false;
  /** What ends what goes on while it is held. */
  onOver: (() => void) | undefined;
  /** Made when they are wanted: most locks are given up before anybody asks. */
  #abort: AbortController | undefined;
  #lost: Promise<string> | undefined;
  #tell: ((why: string) => void) | undefined;
  /** Why it was lost; undefined: it was not. */
  #lostWhy: string | undefined;
  #released: Promise<void> | undefined;
  #token: LockToken | undefined;

  constructor(parts: HeldParts, isTold: boolean) {
    this.parts = parts;
    this.name = parts.name;
    this.mode = parts.mode;
    this.isTold = isTold;
  }

  get token(): LockToken {
    return this.#token ??= tokenOf(this.parts.token);
  }

  get isLost(): boolean {
    return this.#lostWhy !== undefined;
  }

  get lost(): Promise<string> {
    return this.#lost ??= this.#lostWhy === undefined
      ? new Promise((resolve) => this.#tell = resolve)
      : Promise.resolve(this.#lostWhy);
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#lostWhy !== undefined) this.#abort.abort(this.#error(this.#lostWhy));
    }
    return this.#abort.signal;
  }

  /** It is lost. */
  lose(why: string): void {
    if (this.isOver) return;
    this.#lostWhy = why;
    this.over();
    this.#abort?.abort(this.#error(why));
    this.#tell?.(why);
  }

  #error(why: string): Error {
    return new Error(`the lock ${this.name} is lost: ${why}`);
  }

  /** It is held no longer, for whatever reason. */
  over(): void {
    this.isOver = true;
    this.onOver?.();
  }

  release(): Promise<void> {
    return this.#released ??= this.parts.onRelease(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
