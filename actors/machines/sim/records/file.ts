/**
 * The database file of one life of a simulated node, as its daemon and its client programs share it: records, and
 * robust mutexes, one for each chain of keys.
 *
 *   daemon   tries a mutex, within one step
 *   client   waits for it in order, may be stopped in it, may die in it: the next to have it is told
 *
 * Every store goes by the ledger, which knows what each value is.
 *
 * Does NOT promise: bytes; the TDB engine has tests of its own.
 */
import type { Incarnation, Pnn } from "../../../../transport/wire/terms.ts";
import type { Key, Stored } from "../../record/copy.ts";
import { isOwner, isReader } from "../../record/copy.ts";

/** Whoever hears of changes. */
export interface FileWatch {
  onPut(file: SimFile, key: Key, before: Stored | undefined, after: Stored): void;
}

interface Mutex {
  holder: number;
  hasDied: boolean;
  readonly waiting: { readonly client: number; readonly run: (died: boolean) => void }[];
}

/** Nobody. */
const NONE = -1;

/** A file. */
export class SimFile {
  readonly node: number;
  readonly incarnation: Incarnation;
  /** The name of its life: node.incarnation. */
  readonly name: string;
  /** The number of the node in headers; known when its life is a member. */
  pnn: Pnn | undefined;
  readonly records = new Map<Key, Stored>();
  readonly #mutexes = new Map<number, Mutex>();
  readonly #chains: number;
  readonly #watch: FileWatch;

  constructor(node: number, incarnation: Incarnation, chains: number, watch: FileWatch) {
    this.node = node;
    this.incarnation = incarnation;
    this.name = `${node}.${incarnation}`;
    this.#chains = chains;
    this.#watch = watch;
  }

  /** Stores a record. */
  put(key: Key, stored: Stored): void {
    const before = this.records.get(key);
    this.records.set(key, stored);
    this.#watch.onPut(this, key, before, stored);
  }

  /** Removes a record. */
  drop(key: Key): void {
    this.records.delete(key);
  }

  /** Does this life own the key, as its file says? */
  owns(key: Key): boolean {
    return this.pnn !== undefined && isOwner(this.records.get(key), this.pnn);
  }

  /** May it be read here, as its file says? */
  reads(key: Key): boolean {
    return isReader(this.records.get(key));
  }

  /** The daemon tries. */
  tryLock(key: Key): "had" | "died" | "busy" {
    const mutex = this.#of(key);
    if (mutex.holder !== NONE) return "busy";
    if (!mutex.hasDied) return "had";
    mutex.hasDied = false;
    return "died";
  }

  /** A client waits for its turn. */
  lock(key: Key, client: number, run: (died: boolean) => void): void {
    const mutex = this.#of(key);
    if (mutex.holder !== NONE) {
      mutex.waiting.push({ client, run });
      return;
    }
    this.#give(mutex, client, run);
  }

  /** A client goes out. */
  unlock(key: Key, client: number): void {
    const mutex = this.#of(key);
    if (mutex.holder !== client) return;
    this.#next(mutex);
  }

  /** A client dies, in a mutex or waiting. */
  die(client: number): void {
    for (const mutex of this.#mutexes.values()) {
      const at = mutex.waiting.findIndex((one) => one.client === client);
      if (at >= 0) mutex.waiting.splice(at, 1);
      if (mutex.holder !== client) continue;
      mutex.hasDied = true;
      this.#next(mutex);
    }
  }

  #next(mutex: Mutex): void {
    mutex.holder = NONE;
    const next = mutex.waiting.shift();
    if (next !== undefined) this.#give(mutex, next.client, next.run);
  }

  #give(mutex: Mutex, client: number, run: (died: boolean) => void): void {
    const died = mutex.hasDied;
    mutex.hasDied = false;
    mutex.holder = client;
    run(died);
  }

  #of(key: Key): Mutex {
    const chain = key.charCodeAt(key.length - 1) % this.#chains;
    const known = this.#mutexes.get(chain);
    if (known !== undefined) return known;
    const made: Mutex = { holder: NONE, hasDied: false, waiting: [] };
    this.#mutexes.set(chain, made);
    return made;
  }
}
