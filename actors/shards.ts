/**
 * The shards of a node, supervised: at present one, for its free metadata.
 *
 *   Supervision ── start ──▶ thread ── ended ──▶ again, after a pause        view() reaches whichever thread there is
 *
 * Does NOT promise: an answer while the thread is started anew; then "busy".
 */
import type { Clock, Log } from "../transport/world.ts";
import { KeptThread, type ThreadHandle } from "./kept_thread.ts";
import type { ShardStart, ShardStatus, ShardView } from "./shard.ts";
import type { Failed } from "./supervision.ts";
import type { ShardThread } from "./worker.ts";

/** A thread that runs. */
export type ShardHandle = ThreadHandle<ShardThread>;

/** Somebody who wants to know of changes. */
interface Watch {
  readonly scope: string;
  readonly prefix: string;
  readonly onChange: () => void;
  /** Ends it in the thread that is up. */
  end: (() => void) | undefined;
}

/** A thread gets so long to end in order, ms. */
const STOP_MS = 1000;

/** Keeps a shard running. */
export class Shards {
  readonly #kept: KeptThread<ShardThread>;
  #view: ShardView | undefined;
  #seen: ShardStatus | undefined;
  #isAsked = false;
  readonly #watches = new Set<Watch>();

  constructor(
    world: { readonly clock: Clock; readonly log: Log },
    start: ShardStart,
    make: () => Promise<ShardHandle>,
  ) {
    this.#kept = new KeptThread<ShardThread>(world, {
      name: "metadata shard",
      make,
      start: (thread) => thread.start(start),
      onUp: () => {
        if (this.#view !== undefined) this.view(this.#view);
        for (const watch of this.#watches) this.#tellWatch(watch);
      },
      // A thread that has died answers nothing any more.
      onDown: () => {
        this.#isAsked = false;
        for (const watch of this.#watches) watch.end?.();
      },
      stopMs: STOP_MS,
    });
  }

  /** How often the thread has died. */
  get failures(): number {
    return this.#kept.failures;
  }

  /** The last time that it died; undefined: it never has. */
  get lastFailure(): Failed | undefined {
    return this.#kept.lastFailure;
  }

  /** Does the thread run? */
  get isUp(): boolean {
    return this.#kept.handle !== undefined;
  }

  /** How the shard was when it was looked at last; asks it anew, for the next call. */
  glance(): ShardStatus | undefined {
    const thread = this.#kept.handle?.thread;
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
    return this.#kept.thread;
  }

  start(): Promise<void> {
    return this.#kept.start();
  }

  /** Tells the shard; a thread that comes later is told the last view, too. */
  view(view: ShardView): void {
    this.#view = view;
    this.#kept.handle?.thread.view(view).catch((error) => this.#kept.complain(error));
  }

  /**
   * Calls `onChange` when records of a scope whose keys begin with `prefix` may have changed: after each change, and
   * whenever another thread is up. Answers how to end it.
   */
  watch(scope: string, prefix: string, onChange: () => void): () => void {
    const watch: Watch = { scope, prefix, onChange, end: undefined };
    this.#watches.add(watch);
    this.#tellWatch(watch);
    return () => {
      this.#watches.delete(watch);
      watch.end?.();
    };
  }

  #tellWatch(watch: Watch): void {
    const handle = this.#kept.handle;
    if (handle === undefined) return;
    const { scope, prefix, onChange } = watch;
    handle.thread.watch(scope, prefix, onChange).then((end) => {
      // It was called off, or the thread has ended, while it was told.
      if (!this.#watches.has(watch) || this.#kept.handle !== handle) return end();
      watch.end = end;
      onChange();
    }, (error) => this.#kept.complain(error));
  }

  /** Ends the thread in order, by force after STOP_MS. */
  stop(): Promise<void> {
    return this.#kept.stop();
  }
}
