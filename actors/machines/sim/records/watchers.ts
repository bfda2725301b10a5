/**
 * Somebody watches some records: each node learns of it at its own time, and its daemon tells of writes.
 *
 *   begin(key) ─▶ each node hears, sooner or later ─▶ `wrote` under a valid page: told        (judge.ts looks at it)
 *                                                   ─▶ frozen: kept until it goes on, in the same life
 *
 * Does NOT promise: that what is told arrives in order.
 */
import type { Key } from "../../record/copy.ts";
import type { RecordEffect } from "../../record/events.ts";
import type { RecordHost } from "./record_host.ts";
import type { RecordSim } from "./record_sim.ts";

type Wrote = Extract<RecordEffect, { readonly kind: "wrote" }>;

/** A node hears of it within this. */
const HEARS_MS = 1_500;

/** What a host's daemon knows of watchers, and has to tell. */
export class HostWatch {
  readonly #sim: RecordSim;
  readonly #host: RecordHost;
  readonly #heard = new Set<Key>();
  readonly #kept = new Map<Key, Wrote>();
  #daemon = 0;

  constructor(sim: RecordSim, host: RecordHost) {
    this.#sim = sim;
    this.#host = host;
  }

  /** Has the daemon heard that somebody watches it? */
  isWatched(key: Key): boolean {
    return this.#heard.has(key);
  }

  /** Somebody watches it. */
  learn(key: Key): void {
    const daemon = this.#daemon;
    this.#sim.after(this.#sim.dice.below(HEARS_MS), () => {
      if (daemon === this.#daemon) this.#hear(key);
    });
  }

  #hear(key: Key): void {
    this.#heard.add(key);
    // Sometimes by a prefix; both tell what is there.
    const isAll = this.#sim.dice.chance(1, 2);
    this.#host.feed(isAll ? { kind: "watching", prefix: key } : { kind: "watching", key });
  }

  /** Another daemon: it hears anew. */
  onStart(): void {
    this.#daemon += 1;
    this.#heard.clear();
    this.#kept.clear();
    for (const key of this.#sim.ledger.watchedSince.keys()) this.learn(key);
  }

  /** Another life: what was not told yet does not count. */
  onLife(): void {
    this.#kept.clear();
  }

  /** The daemon has something to tell. */
  onWrote(effect: Wrote): void {
    const { file } = this.#host;
    if (file === undefined || !this.#host.isValid(file)) this.#kept.set(effect.key, effect);
    else this.#tell(effect, file.name);
  }

  /** The page is valid: what was kept counts. */
  onServing(): void {
    const { file } = this.#host;
    if (file === undefined || !this.#host.isValid(file)) return;
    for (const effect of this.#kept.values()) this.#tell(effect, file.name);
    this.#kept.clear();
  }

  #tell({ key, data, at: { tid, rsn } }: Wrote, life: string): void {
    this.#kept.delete(key);
    this.#sim.ledger.onTold(key, { tid, rsn, data, life, atMs: this.#sim.nowMs });
  }
}

/** Somebody begins to watch a key. */
export function watchKey(sim: RecordSim, key: Key): void {
  if (sim.ledger.watchedSince.has(key)) return;
  sim.ledger.watchedSince.set(key, sim.nowMs);
  for (const { watch } of sim.recordHosts) watch.learn(key);
}
