/**
 * The shards of a node, supervised: at present one, for its free metadata.
 *
 *   Supervision ── start ──▶ thread ── ended ──▶ again, after a pause        view() reaches whichever thread there is
 *
 * Does NOT promise: an answer while the thread is started anew; then "busy".
 */
import { CtdbxError } from "../transport/wire/errors.ts";
import type { Clock, Log } from "../transport/world.ts";
import type { ShardStart, ShardStatus, ShardView } from "./shard.ts";
import { type Failed, Supervision } from "./supervision.ts";
import type { ShardThread } from "./worker.ts";

/** A thread that runs. */
export interface ShardHandle {
  readonly thread: ShardThread;
  /** Resolves when it has ended by itself. */
  readonly ended: Promise<Error>;
  /** Ends it at once. */
  end(): void;
}

/** A thread gets so long to end in order, ms. */
const STOP_MS = 1000;

/** Keeps a shard running. */
export class Shards {
  readonly #make: () => Promise<ShardHandle>;
  readonly #start: ShardStart;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #supervision: Supervision;
  #handle: ShardHandle | undefined;
  #view: ShardView | undefined;
  #seen: ShardStatus | undefined;
  #isAsked = false;

  constructor(
    { clock, log }: { readonly clock: Clock; readonly log: Log },
    start: ShardStart,
    make: () => Promise<ShardHandle>,
  ) {
    this.#make = make;
    this.#start = start;
    this.#log = log;
    this.#clock = clock;
    const one = {
      name: "metadata shard",
      start: (onFailure: (error: unknown) => void) => this.#run(onFailure),
    };
    this.#supervision = new Supervision(one, clock, log);
  }

  /** How often the thread has died. */
  get failures(): number {
    return this.#supervision.failures;
  }

  /** The last time that it died; undefined: it never has. */
  get lastFailure(): Failed | undefined {
    return this.#supervision.lastFailure;
  }

  /** Does the thread run? */
  get isUp(): boolean {
    return this.#handle !== undefined;
  }

  /** How the shard was when it was looked at last; asks it anew, for the next call. */
  glance(): ShardStatus | undefined {
    const thread = this.#handle?.thread;
    if (thread === undefined) this.#seen = undefined;
    if (thread === undefined || this.#isAsked) return this.#seen;
    this.#isAsked = true;
    void thread.status().then((status) => void (this.#seen = status), () => {}).finally(() =>
      this.#isAsked = false
    );
    return this.#seen;
  }

  /** The thread. Throws "busy" while it is started anew. */
  get thread(): ShardThread {
    if (this.#handle !== undefined) return this.#handle.thread;
    throw new CtdbxError("busy", "Cannot ask the metadata shard: it is being started");
  }

  start(): Promise<void> {
    return this.#supervision.start();
  }

  /** Tells the shard; a thread that comes later is told the last view, too. */
  view(view: ShardView): void {
    this.#view = view;
    this.#handle?.thread.view(view).catch((error) => this.#complain(error));
  }

  /** Ends the thread in order, by force after STOP_MS. */
  async stop(): Promise<void> {
    this.#supervision.stop();
    const handle = this.#handle;
    this.#handle = undefined;
    if (handle === undefined) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(STOP_MS, resolve);
      handle.thread.stop().catch((error) => this.#complain(error)).finally(() => {
        cancel();
        resolve();
      });
    });
    handle.end();
  }

  async #run(onFailure: (error: unknown) => void): Promise<void> {
    const handle = await this.#make();
    void handle.ended.then((error) => {
      if (this.#handle === handle) this.#handle = undefined;
      // A thread that has died answers nothing any more.
      this.#isAsked = false;
      onFailure(error);
    });
    try {
      await handle.thread.start(this.#start);
    } catch (error) {
      handle.end();
      throw error;
    }
    this.#handle = handle;
    if (this.#view !== undefined) this.view(this.#view);
  }

  #complain(error: unknown): void {
    this.#log.write("warning", "The metadata shard does not answer", { error });
  }
}
