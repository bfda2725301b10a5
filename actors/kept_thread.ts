/**
 * A thread of a node that is kept running: started, supervised, ended in order.
 *
 *   make ─▶ start ─▶ up ── ended by itself ──▶ onDown ─▶ again, after a pause
 *             '── fails, or dies on the way ──────────────▶ again, after a pause
 *
 * Does NOT promise: an answer while the thread is started anew; `thread` throws "busy" then.
 */
import type { Clock, Log } from "../transport/world.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { type Failed, Supervision } from "./supervision.ts";

/** A thread that runs. */
export interface ThreadHandle<Thread> {
  readonly thread: Thread;
  /** Resolves when it has ended by itself. */
  readonly ended: Promise<Error>;
  /** Ends it at once. */
  end(): void;
}

/** What a thread is kept with. */
export interface KeptParts<Thread> {
  /** As in "data thread". */
  readonly name: string;
  readonly make: () => Promise<ThreadHandle<Thread>>;
  /** Its first words; a rejection is a failure. */
  readonly start: (thread: Thread) => Promise<void>;
  /** It is up. */
  readonly onUp: (handle: ThreadHandle<Thread>) => void;
  /** It was up, and is no more, by a fault or by `stop`. */
  readonly onDown?: () => void;
  /** It was up, and died; the next one is started after this. */
  readonly onDied?: (handle: ThreadHandle<Thread>, error: Error) => void;
  /** It gets so long to end in order, ms. */
  readonly stopMs: number;
}

/** Keeps one. */
export class KeptThread<Thread extends { stop(): Promise<void> }> {
  readonly #parts: KeptParts<Thread>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #supervision: Supervision;
  #handle: ThreadHandle<Thread> | undefined;
  #isStopped = false;

  constructor(
    { clock, log }: { readonly clock: Clock; readonly log: Log },
    parts: KeptParts<Thread>,
  ) {
    this.#parts = parts;
    this.#clock = clock;
    this.#log = log;
    const { name } = parts;
    const start = (onFailure: (error: unknown) => void) => this.#run(onFailure);
    this.#supervision = new Supervision({ name, start }, clock, log);
  }

  /** How often it has died. */
  get failures(): number {
    return this.#supervision.failures;
  }

  /** The last time that it died; undefined: it never has. */
  get lastFailure(): Failed | undefined {
    return this.#supervision.lastFailure;
  }

  /** The one that is up; undefined: none is. */
  get handle(): ThreadHandle<Thread> | undefined {
    return this.#handle;
  }

  /** The thread. Throws "busy" while it is started anew. */
  get thread(): Thread {
    if (this.#handle !== undefined) return this.#handle.thread;
    const { name } = this.#parts;
    throw new CtdbxError("busy", `Cannot ask the ${name}: it is being started, try again`);
  }

  /** Resolves when the first start has succeeded or failed. */
  start(): Promise<void> {
    return this.#supervision.start();
  }

  /** Ends the thread in order, by force after `stopMs`. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#supervision.stop();
    const handle = this.#handle;
    if (handle === undefined) return;
    this.#down();
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(this.#parts.stopMs, resolve);
      handle.thread.stop().catch((error) => this.complain(error)).finally(() => {
        cancel();
        resolve();
      });
    });
    handle.end();
  }

  /** It has answered by an error. */
  complain(error: unknown): void {
    this.#log.write("warning", `The ${this.#parts.name} does not answer`, { error });
  }

  async #run(onFailure: (error: unknown) => void): Promise<void> {
    const { make, start, onUp, onDied } = this.#parts;
    const handle = await make();
    let hasStarted = false;
    const ended = handle.ended.then((error) => {
      const wasUp = this.#handle === handle;
      if (wasUp) this.#down();
      // First what it served is ended, then the next one is started.
      if (wasUp && !this.#isStopped) onDied?.(handle, error);
      if (hasStarted) onFailure(error);
      throw error;
    });
    ended.catch(() => {});
    try {
      // One that dies before it has started answers nothing.
      await Promise.race([start(handle.thread), ended]);
    } catch (error) {
      handle.end();
      throw error;
    }
    hasStarted = true;
    if (this.#isStopped) return handle.end();
    this.#handle = handle;
    onUp(handle);
  }

  #down(): void {
    this.#handle = undefined;
    this.#parts.onDown?.();
  }
}
