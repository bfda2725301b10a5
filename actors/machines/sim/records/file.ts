/**
 * The database file of one life of a simulated node, as its daemon and its client programs share it: records, and
 * robust mutexes, one for each chain of keys.
 *
 *   daemon   tries a mutex, within one step
 *   client   waits for it in order, may be stopped in it, may die in it: the next to have it is told, and whoever has
 *            it next for the record that was being written, as the mark in a real record tells
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

type Run = (died: boolean) => void;

interface Mutex {
  holder: number;
  hasDied: boolean;
  /** The half-written record that its holder was told of. */
  half: Key | undefined;
  readonly waiting: { readonly client: number; readonly key: Key; readonly run: Run }[];
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
  /** Records whose writer died between the value and its number. */
  readonly #half = new Set<Key>();
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

  /** Stores a value, and its writer dies before it has its number. */
  putHalf(key: Key, stored: Stored): void {
    this.#half.add(key);
    this.put(key, stored);
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
    return this.#died(mutex, key) ? "died" : "had";
  }

  /** A client waits for its turn. */
  lock(key: Key, client: number, run: Run): void {
    const mutex = this.#of(key);
    if (mutex.holder !== NONE) mutex.waiting.push({ client, key, run });
    else this.#give(mutex, { client, key, run });
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
      // Not mended yet, as far as anybody knows.
      if (mutex.half !== undefined) this.#half.add(mutex.half);
      this.#next(mutex);
    }
  }

  #next(mutex: Mutex): void {
    mutex.holder = NONE;
    mutex.half = undefined;
    const next = mutex.waiting.shift();
    if (next !== undefined) this.#give(mutex, next);
  }

  #give(mutex: Mutex, { client, key, run }: Mutex["waiting"][number]): void {
    mutex.half = this.#half.has(key) ? key : undefined;
    mutex.holder = client;
    run(this.#died(mutex, key));
  }

  /** Did somebody die in the mutex, or while it wrote this record? Whoever asks has it now. */
  #died(mutex: Mutex, key: Key): boolean {
    const { hasDied } = mutex;
    mutex.hasDied = false;
    return this.#half.delete(key) || hasDied;
  }

  #of(key: Key): Mutex {
    const chain = key.charCodeAt(key.length - 1) % this.#chains;
    const known = this.#mutexes.get(chain);
    if (known !== undefined) return known;
    const made: Mutex = { holder: NONE, hasDied: false, half: undefined, waiting: [] };
    this.#mutexes.set(chain, made);
    return made;
  }
}
