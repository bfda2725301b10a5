/**
 * A record that is locked for a program: by the mutex in the mapped file, or by the daemon.
 *
 * Does NOT promise: to last; a node that loses its place in the view loses the lock, and `store` or `close` says so.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Clock } from "../../transport/world.ts";
import type { RecordHold } from "../storage/record_hold.ts";
import type { ClientCore } from "./core.ts";
import type { Mapped } from "./mapped.ts";
import { failure, givenBytes, NO_BYTES, type OpPending, unlock, valueOrNone } from "./ops.ts";
import type { RecordLock, ValueLike } from "./types.ts";

function ended(name: string): CtdbxError {
  return new CtdbxError("state", `Cannot use the lock at a record of ${name}: it has ended`);
}

/** By the mutex of its chain. */
export class MappedLock implements RecordLock {
  readonly key: Uint8Array;
  readonly #parts: {
    readonly name: string;
    readonly hold: RecordHold;
    readonly mapped: Mapped;
    readonly clock: Clock;
    readonly timeoutMs: number;
    readonly onEnd: () => void;
  };
  #close: Promise<void> | undefined;

  /** Use Database.fetchLock(). */
  constructor(parts: {
    readonly name: string;
    readonly hold: RecordHold;
    readonly mapped: Mapped;
    readonly clock: Clock;
    /** Of each wait for the node, ms. */
    readonly timeoutMs: number;
    readonly onEnd: () => void;
  }) {
    this.#parts = parts;
    this.key = parts.hold.key;
  }

  get value(): Uint8Array | undefined {
    return valueOrNone(this.#parts.hold.value());
  }

  async store(value: ValueLike): Promise<void> {
    const { hold, mapped, clock, name, timeoutMs } = this.#parts;
    const bytes = givenBytes(value);
    const untilMs = clock.nowMs() + timeoutMs;
    for (;;) {
      if (this.#close !== undefined) throw ended(name);
      if (await mapped.store(hold, bytes, untilMs)) return;
      // By the life of the lock: the database may be used by another one already.
      if (!await hold.again(Math.max(0, untilMs - clock.nowMs()))) {
        const why = "the node serves nothing just now, or has begun a new life";
        throw new CtdbxError("state", `Cannot store at a record of ${name}: ${why}`);
      }
    }
  }

  async delete(): Promise<void> {
    await this.store(NO_BYTES);
  }

  close(): Promise<void> {
    return this.#close ??= this.#end();
  }

  async #end(): Promise<void> {
    const { hold, mapped, timeoutMs, name, onEnd } = this.#parts;
    let outcome = hold.release();
    mapped.ended(hold);
    onEnd();
    if (outcome === "unsure") outcome = await hold.settled(timeoutMs) ? "done" : "unknown";
    if (outcome === "unknown") {
      const why = "the node's lease ended meanwhile";
      throw new CtdbxError("unknown", `Cannot tell whether a record of ${name} was stored: ${why}`);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** By the daemon. */
export class DaemonLock implements RecordLock {
  readonly key: Uint8Array;
  readonly #op: OpPending;
  readonly #core: ClientCore;
  readonly #name: string;
  readonly #timeoutMs: number;
  #data: Uint8Array;
  #isStored = false;
  #close: Promise<void> | undefined;

  /** Use Database.fetchLock(). */
  constructor(parts: {
    readonly key: Uint8Array;
    readonly data: Uint8Array;
    readonly op: OpPending;
    readonly timeoutMs: number;
    readonly core: ClientCore;
    readonly name: string;
  }) {
    this.key = parts.key;
    this.#op = parts.op;
    this.#core = parts.core;
    this.#name = parts.name;
    this.#timeoutMs = parts.timeoutMs;
    this.#data = parts.data;
  }

  get value(): Uint8Array | undefined {
    if (this.#close !== undefined) throw ended(this.#name);
    return valueOrNone(this.#data.slice());
  }

  store(value: ValueLike): Promise<void> {
    if (this.#close !== undefined || this.#op.isEnded) return Promise.reject(ended(this.#name));
    try {
      this.#data = givenBytes(value).slice();
    } catch (error) {
      return Promise.reject(error);
    }
    this.#isStored = true;
    return Promise.resolve();
  }

  delete(): Promise<void> {
    return this.store(NO_BYTES);
  }

  close(): Promise<void> {
    return this.#close ??= this.#end();
  }

  async #end(): Promise<void> {
    const isEarly = this.#op.isEnded;
    const data = this.#isStored ? this.#data : undefined;
    const untilMs = this.#core.clock.nowMs() + this.#timeoutMs;
    const reply = await unlock(this.#core.line, this.#op, data, untilMs);
    if (!this.#isStored || (reply.what === "answer" && reply.outcome === "ok")) return;
    // A lock that ended before its value was sent has stored nothing.
    throw failure(`store at a record of ${this.#name}`, reply, !isEarly);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
