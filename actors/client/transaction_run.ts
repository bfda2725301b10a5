/**
 * One try of a transaction: what it read, with versions, and what it writes.
 *
 *   get ─▶ written here? ─▶ read before? ─▶ asked with all others of this turn: one state       all reads go along when
 *   put, del ─▶ kept                                                                            it is submitted
 *
 * Does NOT promise: that reads of different turns are of one moment; the primary compares all versions, and `isStale`
 * does after `work` has thrown: an error from what never was is none.
 */
import { keyOfBytes } from "../../transport/wire/client/frames.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { ClientCore } from "./core.ts";
import { givenBytes, keyBytes, NO_BYTES, valueOrNone } from "./ops.ts";
import type { Transaction } from "./transaction_types.ts";
import { look, type Place, type TxnWish } from "./txn_wire.ts";
import type { KeyLike, ValueLike } from "./types.ts";

/** Reads, and writes, of one transaction. As in transport/wire/messages/commit.ts. */
export const ITEMS_MAX = 262_144;

/** A record that was read. */
interface Seen {
  readonly version: bigint;
  readonly value: Uint8Array | undefined;
  /** The state that it was read in. */
  readonly dbseq: bigint;
}

interface Asked {
  readonly bytes: Uint8Array;
  readonly seen: Promise<Seen>;
  readonly tell: (seen: Seen) => void;
  readonly fail: (error: unknown) => void;
}

/** One of them. */
export class TransactionRun implements Transaction {
  readonly tries: number;
  /** What a read has failed with. */
  failure: unknown;
  readonly #core: ClientCore;
  readonly #at: Place;
  readonly #untilMs: number;
  /** Until something is read: is it to be the latest state? */
  #isLatest: boolean;
  readonly #seen = new Map<string, Seen>();
  readonly #asked = new Map<string, Asked>();
  #waiting: [string, Asked][] = [];
  /** The history in which it reads, if the node says so. */
  #lineage: bigint | undefined;
  #isForked = false;
  readonly #writes = new Map<string, { readonly key: Uint8Array; readonly value?: Uint8Array }>();
  #isOver = false;

  constructor(core: ClientCore, at: Place, tries: number, isLatest: boolean, untilMs: number) {
    this.#core = core;
    this.#at = at;
    this.tries = tries;
    this.#isLatest = isLatest;
    this.#untilMs = untilMs;
  }

  async get(key: KeyLike): Promise<Uint8Array | undefined> {
    this.#running();
    const bytes = keyBytes(key);
    const name = keyOfBytes(bytes);
    const written = this.#writes.get(name);
    if (written !== undefined) return written.value?.slice();
    const seen = this.#seen.get(name) ?? await this.#ask(name, bytes).seen;
    return seen.value?.slice();
  }

  async version(key: KeyLike): Promise<bigint> {
    this.#running();
    const bytes = keyBytes(key);
    const name = keyOfBytes(bytes);
    return (this.#seen.get(name) ?? await this.#ask(name, bytes).seen).version;
  }

  put(key: KeyLike, value: ValueLike): void {
    this.#running();
    this.#write(keyBytes(key), valueOrNone(givenBytes(value)));
  }

  del(key: KeyLike): void {
    this.#running();
    this.#write(keyBytes(key), undefined);
  }

  #write(key: Uint8Array, value: Uint8Array | undefined): void {
    const name = keyOfBytes(key);
    if (this.#writes.size >= ITEMS_MAX && !this.#writes.has(name)) throw tooMany("writes");
    // Copies: what the program does with its bytes afterwards is its own affair.
    const kept = { key: key.slice(), ...value === undefined ? {} : { value: value.slice() } };
    this.#writes.set(name, kept);
  }

  #running(): void {
    if (!this.#isOver) return;
    throw new CtdbxError("state", "Cannot use the transaction: its function has ended");
  }

  #ask(name: string, bytes: Uint8Array): Asked {
    const known = this.#asked.get(name);
    if (known !== undefined) return known;
    if (this.#asked.size >= ITEMS_MAX) throw tooMany("reads");
    const { promise: seen, resolve: tell, reject: fail } = Promise.withResolvers<Seen>();
    const asked = { bytes: bytes.slice(), seen, tell, fail };
    this.#asked.set(name, asked);
    this.#waiting.push([name, asked]);
    if (this.#waiting.length === 1) queueMicrotask(() => void this.#readAll());
    return asked;
  }

  /** Reads all that wait, at once. */
  async #readAll(): Promise<void> {
    const all = this.#waiting;
    this.#waiting = [];
    try {
      const { dbseq, values, lineage } = await this.#look(all.map(([, { bytes }]) => bytes));
      this.#isForked ||= (this.#lineage ?? lineage) !== (lineage ?? this.#lineage);
      this.#lineage ??= lineage;
      for (const [at, [name, { tell }]] of all.entries()) {
        const found = values[at] ?? { version: 0n, value: undefined };
        const seen = { ...found, value: valueOrNone(found.value), dbseq };
        this.#seen.set(name, seen);
        tell(seen);
      }
    } catch (error) {
      this.failure ??= error;
      for (const [name, { fail, seen }] of all) {
        this.#asked.delete(name);
        // Who does not wait for it has not asked for an error either.
        seen.catch(() => {});
        fail(error);
      }
    }
  }

  #look(keys: readonly Uint8Array[]) {
    const how = this.#isLatest ? "latest" : "local";
    this.#isLatest = false;
    const wish = () => ({ ref: this.#at.ref, how, snapshot: 0, keys } as const);
    return look(this.#core, wish, this.#untilMs, true);
  }

  /** The function has ended: nothing more is read or written. */
  end(): void {
    this.#isOver = true;
  }

  /** What is to be committed. */
  wish(): TxnWish {
    const reads = [...this.#seen].map(([name, { version }]) => ({
      key: this.#asked.get(name)?.bytes ?? NO_BYTES,
      version,
    }));
    const writes = [...this.#writes.values()].map(({ key, value }) => ({ key, value }));
    return { reads, writes, lineage: this.#lineage };
  }

  /** Has the database gone on from an older state between two reads? Versions alone do not tell. */
  get isForked(): boolean {
    return this.#isForked;
  }

  /** A read key that is another one by now, or was when others were read; undefined: all is of one moment. */
  async stale(): Promise<Uint8Array | undefined> {
    const states = new Set([...this.#seen.values()].map(({ dbseq }) => dbseq));
    if (states.size < 2) return undefined;
    const all = [...this.#seen];
    const keys = all.map(([name]) => this.#asked.get(name)?.bytes ?? NO_BYTES);
    const { values } = await this.#look(keys);
    const at = all.findIndex(([, { version }], index) => values[index]?.version !== version);
    return keys[at];
  }
}

function tooMany(what: string): CtdbxError {
  return new CtdbxError("limit", `Cannot go on: a transaction has ${ITEMS_MAX} ${what} at most`);
}
