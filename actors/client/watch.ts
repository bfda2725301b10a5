/**
 * Watches, as a program reads them.
 *
 *   watch ─▶ value, value, ...      so many ahead; more as they are taken
 *            cut ─▶ begun again on the next connection, after `again`
 *
 * Does NOT promise: every value between two; the last one always comes, if the watch goes on.
 */
import { CHANGE, readChange } from "../../transport/wire/client/bodies.ts";
import { FRAME, keyOfBytes } from "../../transport/wire/client/frames.ts";
import type { FrameBody } from "../../transport/wire/client/frames.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { ErrorCode } from "../../transport/wire/errors.ts";
import type { ClientCore } from "./core.ts";
import type { Pending } from "./line.ts";
import { keyBytes } from "./ops.ts";
import { prefixBytes } from "./traverse.ts";
import type { Change, KeyLike, OpOptions } from "./types.ts";

/** Changes that are under way, at most. */
const CREDIT = 256;
/** How long a watch may take to be begun again, ms. */
const AGAIN_MS = 10_000;

class Watch implements Pending {
  readonly untilMs = Infinity;
  readonly #core: ClientCore;
  readonly #name: string;
  readonly #ask: Record<string, unknown>;
  readonly #changes: Change[] = [];
  #id = 0;
  #taken = 0;
  #error: CtdbxError | undefined;
  #isStopped = false;
  /** Who waits for a change. */
  readonly #waiting: (() => void)[] = [];

  constructor(core: ClientCore, name: string, ask: Record<string, unknown>) {
    this.#core = core;
    this.#name = name;
    this.#ask = ask;
  }

  /** Begins. Throws the refusal. */
  async start(timeoutMs: number): Promise<void> {
    const { line, clock } = this.#core;
    const untilMs = clock.nowMs() + timeoutMs;
    if (!line.isUp && !this.#isStopped) await line.up(untilMs);
    // Ended before it began.
    if (this.#isStopped) return;
    this.#core.watches.add(this);
    try {
      await this.#begin(untilMs);
    } catch (error) {
      // Whoever asked for it is told, and has none: it is not to begin again by itself.
      this.#core.watches.delete(this);
      line.forget(this.#id);
      throw error;
    }
  }

  /** Begins again on another connection. */
  async restore(): Promise<void> {
    if (this.#error !== undefined) return;
    this.#changes.length = 0;
    this.#push({ type: "again" });
    try {
      await this.#begin(this.#core.clock.nowMs() + AGAIN_MS);
    } catch (error) {
      if (error instanceof CtdbxError && error.code === "unknown") throw error;
      this.#fail(
        error instanceof CtdbxError ? error : new CtdbxError("io", "The watch has failed"),
      );
    }
  }

  async #begin(untilMs: number): Promise<void> {
    const { line } = this.#core;
    this.#taken = 0;
    this.#id = line.listen(this);
    await line.ask({ ...this.#ask, watch: this.#id, count: CREDIT }, untilMs);
  }

  frame(kind: number, body: FrameBody): boolean {
    if (kind === FRAME.error) {
      const { code, text } = body.json();
      this.#fail(new CtdbxError(code as ErrorCode, String(text)));
      return false;
    }
    const { type, key, data } = readChange(body);
    if (type === CHANGE.again) this.#push({ type: "again" });
    else {
      const value = type === CHANGE.deleted ? undefined : data.slice();
      this.#push({ type: "value", key: key.slice(), value });
    }
    return true;
  }

  over(why: "lost" | "late" | "closed"): void {
    if (why !== "closed") return;
    this.#fail(new CtdbxError("state", `Cannot watch ${this.#name}: the connection was closed`));
  }

  /** The next change; undefined: it was ended. Throws why there is none. */
  async next(): Promise<Change | undefined> {
    for (;;) {
      if (this.#isStopped) return undefined;
      const change = this.#changes.shift();
      if (change !== undefined) {
        this.#took();
        return change;
      }
      if (this.#error !== undefined) throw this.#error;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Ends it. */
  async stop(): Promise<void> {
    const { line, clock, watches } = this.#core;
    watches.delete(this);
    this.#isStopped = true;
    this.#tell();
    if (this.#id === 0) return;
    line.forget(this.#id);
    if (this.#error !== undefined || !line.isUp) return;
    const ask = { do: "unwatch", watch: this.#id };
    // A cut meanwhile has ended it, too.
    await line.ask(ask, clock.nowMs() + AGAIN_MS).catch(() => {});
  }

  #took(): void {
    this.#taken += 1;
    if (this.#taken < CREDIT / 2) return;
    const { line, clock } = this.#core;
    const count = this.#taken;
    this.#taken = 0;
    if (!line.isUp) return;
    const ask = { do: "go", watch: this.#id, count };
    void line.ask(ask, clock.nowMs() + AGAIN_MS).catch(() => {});
  }

  #push(change: Change): void {
    this.#changes.push(change);
    this.#tell();
  }

  #fail(error: CtdbxError): void {
    this.#core.watches.delete(this);
    this.#error ??= error;
    this.#tell();
  }

  #tell(): void {
    while (this.#waiting.length > 0) this.#waiting.shift()?.();
  }
}

/** Follows a record, or those whose keys begin so; see Database.watch(). It begins with the first `next`. */
export function watchRecords(
  core: ClientCore,
  ref: number,
  name: string,
  what: KeyLike | { readonly prefix: KeyLike },
  options?: OpOptions,
): AsyncIterableIterator<Change> {
  const isKey = typeof what === "string" || what instanceof Uint8Array;
  if (!isKey && (typeof what !== "object" || what === null || what.prefix === undefined)) {
    const text = `Cannot watch this of ${name}: it must be a key, or an object with a prefix`;
    throw new TypeError(text);
  }
  const wish = isKey
    ? { key: keyOfBytes(keyBytes(what)) }
    : { prefix: keyOfBytes(prefixBytes(what.prefix)) };
  const watch = new Watch(core, name, { do: "watch", ref, ...wish });
  let started: Promise<void> | undefined;
  return {
    async next() {
      started ??= watch.start(core.timeout(options));
      await started;
      const value = await watch.next();
      return value === undefined ? { done: true, value } : { done: false, value };
    },
    async return() {
      await watch.stop();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
