/**
 * One watch of a program: changes as the program takes them.
 *
 *   host ─▶ change ─▶ the program may get some more: told         none more: kept, the last one of each key
 *                                                                  too many kept: `again`, and all are forgotten
 *
 * Does NOT promise: every value that a record had; the last one, and word when something is missing.
 */
import { CHANGE, writeChange } from "../../transport/wire/client/bodies.ts";
import { FRAME } from "../../transport/wire/client/frames.ts";
import type { Key } from "../machines/record/copy.ts";
import type { Session } from "./session.ts";
import type { DatabaseHost, WatchEvent, WatchWish } from "./types.ts";

/** Keys of which a change waits, and bytes of their values; beyond, `again` is told instead. */
const KEPT_MAX = 4096;
const KEPT_BYTES_MAX = 32 * 1024 * 1024;

/** How often it is looked whether a program that has much unread takes more, ms. */
const LOOK_MS = 20;

const NO_BYTES = new Uint8Array(0);

/** One watch. */
export class SessionWatch {
  readonly #session: Session;
  readonly #id: number;
  readonly #onEnded: () => void;
  readonly #kept = new Map<Key, Uint8Array | undefined>();
  #keptBytes = 0;
  #isAgain = false;
  /** Changes that the program takes now. */
  #credit: number;
  #stop: (() => void) | undefined;
  #stopLook: (() => void) | undefined;
  #isOver = false;

  /** `onEnded`: the database has gone, and it ends by itself. */
  constructor(session: Session, id: number, credit: number, onEnded: () => void) {
    this.#session = session;
    this.#id = id;
    this.#credit = credit;
    this.#onEnded = onEnded;
  }

  /** Begins. Throws what the host throws. */
  async start(database: DatabaseHost, wish: WatchWish): Promise<void> {
    const { host } = this.#session.parts;
    const stop = await host.watch(database, wish, (event) => this.#on(event));
    if (this.#isOver) stop();
    else this.#stop = stop;
  }

  /** The program takes so many more. */
  go(count: number): void {
    this.#credit += count;
    this.#pump();
  }

  #pump(): void {
    if (this.#isAgain && this.#mayTell) {
      this.#isAgain = false;
      this.#tell(CHANGE.again, "", NO_BYTES);
    }
    for (const [key, value] of this.#kept) {
      if (!this.#mayTell) break;
      this.#kept.delete(key);
      this.#keptBytes -= value?.length ?? 0;
      this.#value(key, value);
    }
    // Nobody tells when what waits has been read; who has credit looks.
    const isHeldUp = this.#isAgain || this.#kept.size > 0;
    if (!isHeldUp || this.#credit <= 0 || this.#isOver || this.#stopLook !== undefined) return;
    this.#stopLook = this.#session.parts.clock.after(LOOK_MS, () => {
      this.#stopLook = undefined;
      this.#pump();
    });
  }

  get #mayTell(): boolean {
    return this.#credit > 0 && !this.#session.isFull;
  }

  end(): void {
    this.#isOver = true;
    this.#stopLook?.();
    this.#kept.clear();
    this.#stop?.();
    this.#stop = undefined;
  }

  #on(event: WatchEvent): void {
    if (this.#isOver) return;
    switch (event.type) {
      case "again":
        return this.#again();
      case "ended": {
        this.end();
        this.#onEnded();
        const text = `Cannot watch any more: ${event.why}`;
        this.#session.writer.json(FRAME.error, this.#id, { code: "state", text });
        return this.#session.sent();
      }
      case "value":
        return this.#changed(event.key, event.value);
    }
  }

  #changed(key: Key, value: Uint8Array | undefined): void {
    if (this.#mayTell && this.#kept.size === 0 && !this.#isAgain) return this.#value(key, value);
    if (this.#isAgain) return;
    this.#keptBytes += (value?.length ?? 0) - (this.#kept.get(key)?.length ?? 0);
    this.#kept.set(key, value);
    if (this.#kept.size > KEPT_MAX || this.#keptBytes > KEPT_BYTES_MAX) this.#again();
    else this.#pump();
  }

  #again(): void {
    this.#kept.clear();
    this.#keptBytes = 0;
    this.#isAgain = true;
    this.#pump();
  }

  #value(key: Key, value: Uint8Array | undefined): void {
    if (value === undefined || value.length === 0) this.#tell(CHANGE.deleted, key, NO_BYTES);
    else this.#tell(CHANGE.value, key, value);
  }

  #tell(type: number, key: Key, value: Uint8Array): void {
    this.#credit -= 1;
    writeChange(this.#session.writer, this.#id, type, key, value);
    this.#session.sent();
  }
}
