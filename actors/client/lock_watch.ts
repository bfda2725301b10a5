/**
 * Watches over the locks that a program holds: are they held still?
 *
 *   the daemon says so (a lease was not renewed, the node has begun a new life) ─▶ those
 *   the connection is cut                                                       ─▶ all
 *   the page of the node: its lease is over by this machine's clock, or its life ─▶ all
 *
 * Over NATS there is no page: a session that is silent for 10 s is dead, and says so when it is cut.
 *
 * Does NOT promise: to be told at once; the page is looked at every LOOK_MS while a lock is held.
 */
import type { LocalLife, LocalNode } from "../storage/local_node.ts";
import { MAY } from "../../assembly/host/record_kernels.ts";
import type { ClientCore } from "./core.ts";
import type { HeldLock } from "./lock_held.ts";

/** How often the page is looked at, ms. */
const LOOK_MS = 50;
/** A question for news is asked again after so long, ms. */
const NEWS_MS = 2 ** 31 - 1;

/** What it needs. */
export interface LockWatchParts {
  readonly core: ClientCore;
  readonly node: () => LocalNode | undefined;
  /** What was known of the daemon is of a former connection, or life. */
  readonly onEpoch: () => void;
}

/** One program's. */
export class LockWatch {
  /** Counts connections and lives. */
  epoch = 0;
  readonly #parts: LockWatchParts;
  readonly #held = new Set<HeldLock>();
  #isOn = false;
  #life: LocalLife | undefined;
  /** The last end of the lease that was seen in the page. */
  #endMs = Infinity;
  #stopLook: (() => void) | undefined;

  constructor(parts: LockWatchParts) {
    this.#parts = parts;
  }

  /** Before the first lock of a connection. */
  async begin(): Promise<void> {
    if (this.#isOn) return;
    this.#isOn = true;
    void this.#hear();
    await Promise.resolve();
  }

  add(held: HeldLock): void {
    this.#held.add(held);
    if (this.#stopLook === undefined) this.#look();
  }

  drop(held: HeldLock): void {
    this.#held.delete(held);
  }

  /** All are lost. */
  end(why: string): void {
    this.epoch += 1;
    this.#isOn = false;
    this.#life = undefined;
    this.#endMs = Infinity;
    this.#parts.onEpoch();
    for (const held of [...this.#held]) this.#lose(held, why);
  }

  #lose(held: HeldLock, why: string): void {
    this.#held.delete(held);
    held.lose(why);
  }

  /** Hears what the daemon says, as long as the connection lasts. */
  async #hear(): Promise<void> {
    const { line, clock } = this.#parts.core;
    const { epoch } = this;
    while (epoch === this.epoch) {
      let answer: Record<string, unknown>;
      try {
        const ask = { do: "lock", what: "news", timeoutMs: NEWS_MS };
        answer = await line.ask(ask, clock.nowMs() + NEWS_MS);
      } catch {
        if (epoch === this.epoch) this.end("the connection to the node was cut");
        return;
      }
      const lost = answer["lost"] as readonly { readonly id: number; readonly why: string }[];
      for (const { id, why } of lost) {
        for (const held of [...this.#held]) {
          if (held.parts.id === id && held.parts.epoch === epoch) this.#lose(held, why);
        }
      }
    }
  }

  /** Looks at the page, and at the ends of leases. */
  #look(): void {
    this.#stopLook = undefined;
    if (this.#held.size === 0) return;
    const { clock } = this.#parts.core;
    const nowMs = clock.nowMs();
    const endMs = this.#pageEnd();
    for (const held of [...this.#held]) {
      const { earlyMs } = held.parts;
      if (nowMs >= held.untilMs - earlyMs) this.#lose(held, "it was not renewed in time");
      else if (nowMs >= endMs - earlyMs) this.#lose(held, "the node's lease is over");
    }
    if (this.#held.size === 0) return;
    this.#stopLook = clock.after(LOOK_MS, () => this.#look());
  }

  /** When the node's lease ends, as far as its page has said; 0: its life is over. Infinity: there is no page. */
  #pageEnd(): number {
    const node = this.#parts.node();
    if (node === undefined) return Infinity;
    const life = this.#life ??= node.life;
    if (node.may(life) === MAY.ended || life !== node.life) return 0;
    const { leaseEndMs } = life;
    // Frozen: what was promised before holds.
    if (leaseEndMs > 0) this.#endMs = leaseEndMs;
    return this.#endMs;
  }
}
