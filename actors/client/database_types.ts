/**
 * A database as a program sees it, and what its operations take and give. The examples run in the tests: `cluster` is
 * connected there, `db` attached.
 *
 * Does NOT promise: anything about one record that depends on another.
 */
import type { NewValue } from "../storage/local_records.ts";
import type { RecordView } from "../storage/tdb_record.ts";
import type { HotInfo, LookInfo, WhereInfo } from "./info_types.ts";
import type { Transactional } from "./transaction_types.ts";
import type { KEEP, KeyLike, OpOptions, ValueLike } from "./types.ts";

/** A record as a traverse gives it. `value` is empty with `keysOnly`. */
export interface RecordEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** What to traverse. */
export interface TraverseOptions extends OpOptions {
  /** Only keys that begin so. */
  readonly prefix?: KeyLike;
  /** So many records at most. */
  readonly limit?: number;
  /** Leave the values out. */
  readonly keysOnly?: boolean;
}

/** What a watch tells. */
export type Change =
  /** The record has this value now; undefined: it is deleted. */
  | { readonly type: "value"; readonly key: Uint8Array; readonly value: Uint8Array | undefined }
  /** Changes may be missing here: read again what matters. */
  | { readonly type: "again" };

/** A record that is locked for this program, until it is closed. */
export interface RecordLock extends AsyncDisposable {
  readonly key: Uint8Array;
  /** The value as it is now, with what was stored under this lock; undefined: there is none. */
  readonly value: Uint8Array | undefined;
  /** Stores. What is stored counts when `close` has resolved. Throws "state" if the lock has ended. */
  store(value: ValueLike): Promise<void>;
  /** Deletes, as `store`. */
  delete(): Promise<void>;
  /** Gives the lock back. Throws "unknown" if it is not known whether what was stored counts. Idempotent. */
  close(): Promise<void>;
}

/** What a change makes of a value: another, nothing (the record is deleted), or KEEP. */
export type Changer = (
  value: Uint8Array | undefined,
) => ValueLike | undefined | typeof KEEP;

/** For how long. */
export interface PinOptions extends OpOptions {
  /** Milliseconds, 0 to 2^32-1; 0: no longer. */
  readonly forMs: number;
}

/** One database. Transactions and snapshots are of persistent and replicated ones. */
export interface Database extends Transactional {
  readonly name: string;
  /** u32, made of the name. */
  readonly dbId: number;

  /**
   * The value; undefined: there is none. A copy. Throws "timeout", "state" (detached: attach it anew).
   *
   * ```ts
   * const value = await db.read("ann");
   * console.log(value === undefined ? "no such record" : new TextDecoder().decode(value));
   * ```
   */
  read(key: KeyLike, options?: OpOptions): Promise<Uint8Array | undefined>;
  /**
   * The value with the number of its state; as `read`, but the daemon is asked always.
   *
   * ```ts
   * const { value, rsn } = await db.look("ann");
   * console.log(value?.length, rsn);
   * ```
   */
  look(key: KeyLike, options?: OpOptions): Promise<LookInfo>;
  /**
   * Stores a value. Throws "unknown", "timeout", "limit" (key or value too long), "no_space", "state".
   *
   * ```ts
   * await db.put("ann", "12 visits");
   * await db.put(new Uint8Array([0, 1, 2]), new Uint8Array(1000), { timeoutMs: 500 });
   * ```
   */
  put(key: KeyLike, value: ValueLike, options?: OpOptions): Promise<void>;
  /**
   * Deletes a record; nothing happens if there is none. Throws as `put`.
   *
   * ```ts
   * await db.delete("ann");
   * ```
   */
  delete(key: KeyLike, options?: OpOptions): Promise<void>;
  /**
   * Reads, changes and stores as one: nobody else's change comes between. The change is a function without waiting; it
   * may run more than once, and only the last counts. Answers the value that is there afterwards. Throws as `put`, and
   * what the change throws (then nothing is stored).
   *
   * ```ts
   * const text = new TextDecoder();
   * await db.update("ann", (value) => `${value === undefined ? "" : text.decode(value)}x`);
   * await db.update("ann", (value) => value === undefined ? KEEP : undefined); // deletes it
   * ```
   */
  update(key: KeyLike, change: Changer, options?: OpOptions): Promise<Uint8Array | undefined>;

  /**
   * Reads at once, in place, if the record is here: `visit` sees the node's file, and may not keep the view. False: it
   * is not here now, or `visit` saw what does not count; use `read`. Over NATS always false.
   *
   * ```ts
   * const key = new TextEncoder().encode("ann");
   * let length = 0;
   * if (!db.readNow(key, (view) => length = view.valueLength)) {
   *   length = (await db.read(key))?.length ?? 0;
   * }
   * ```
   */
  readNow(key: Uint8Array, visit: (value: RecordView) => void): boolean;
  /**
   * Changes at once, in place, if the record is here: `change` answers the new value, or how many bytes of `draft` it
   * is, or undefined: as it was. False: nothing was done, use `update`. Throws "unknown": it may have been done; a
   * TypeError on a key that is a text, and on an answer of another kind.
   *
   * ```ts
   * const key = new TextEncoder().encode("hits");
   * const next = (first: number) => Uint8Array.of(first + 1 & 255);
   * if (!db.updateNow(key, (view) => next(view.bytes[view.valueOffset] ?? 0))) {
   *   await db.update(key, (value) => next(value?.[0] ?? 0));
   * }
   * ```
   */
  updateNow(
    key: Uint8Array,
    change: (value: RecordView, draft: Uint8Array) => NewValue,
  ): boolean;

  /**
   * Locks a record for this program, so that it may wait in between. While it lasts all others wait for this record,
   * and on the same node for those of the same hash chain. Throws "timeout", "state".
   *
   * ```ts
   * await using lock = await db.fetchLock("ann", { timeoutMs: 1000 });
   * const before = lock.value;
   * await lock.store(before ?? "first");
   * await lock.close(); // now it counts, or this throws
   * ```
   */
  fetchLock(key: KeyLike, options?: OpOptions): Promise<RecordLock>;

  /**
   * Runs a procedure on a record, where that is best: here, or at the node that has it. Built in: incr, append, cas,
   * set_if, push, delete; others are "NAME/VERSION" (see `Cluster.procedure`). Answers its result. Throws as `put`; a
   * refusal of the procedure is "state" with its words.
   *
   * ```ts
   * const before = await db.call("ann", "delete", new Uint8Array());
   * console.log(before.length);
   * ```
   */
  call(key: KeyLike, procedure: string, args: ValueLike, options?: OpOptions): Promise<Uint8Array>;
  /**
   * Adds to a number (8 bytes, signed, little-endian; none: 0), and answers the sum. Throws as `call`.
   *
   * ```ts
   * console.log(await db.increment("counter"), await db.increment("counter", 10));
   * console.log(numberOf(await db.read("counter")));
   * ```
   */
  increment(key: KeyLike, by?: bigint | number, options?: OpOptions): Promise<bigint>;
  /**
   * Puts bytes at the end of a value; answers its new length, bytes. Throws as `call`.
   *
   * ```ts
   * console.log(await db.append("log", "one more line"));
   * ```
   */
  append(key: KeyLike, more: ValueLike, options?: OpOptions): Promise<number>;
  /**
   * Stores `next` if the value is `expected` (undefined: there is none). Throws as `call`; "limit": both together have
   * 16 MiB - 4 bytes at most.
   *
   * ```ts
   * if (await db.compareAndSwap("leader", undefined, "ann")) console.log("ann is the first");
   * ```
   */
  compareAndSwap(
    key: KeyLike,
    expected: ValueLike | undefined,
    next: ValueLike | undefined,
    options?: OpOptions,
  ): Promise<boolean>;
  /**
   * Stores if there is no value yet ("empty") or if there is one ("present"); answers whether it did. Throws as `call`;
   * "limit": the value has 16 MiB - 1 bytes at most.
   *
   * ```ts
   * console.log(await db.setIf("leader", "empty", "ann"));
   * ```
   */
  setIf(
    key: KeyLike,
    when: "empty" | "present",
    value: ValueLike,
    options?: OpOptions,
  ): Promise<boolean>;
  /**
   * Puts an item at the end of a list of at most `max`, the oldest go; answers how many there are. Throws as `call`;
   * "limit": the whole list has 16 MiB at most, with 4 bytes for each item.
   *
   * ```ts
   * console.log(await db.push("last visitors", "ann", 10));
   * ```
   */
  push(key: KeyLike, item: ValueLike, max: number, options?: OpOptions): Promise<number>;

  /**
   * All records of the cluster, in no order: each that is there all the time comes once, with a value that it had
   * meanwhile. `timeoutMs` is for the whole. Throws "timeout", "state".
   *
   * ```ts
   * for await (const { key, value } of db.traverse({ prefix: "a", limit: 100 })) {
   *   console.log(key.length, value.length);
   * }
   * ```
   */
  traverse(options?: TraverseOptions): AsyncIterableIterator<RecordEntry>;
  /**
   * How many records there are; counted as `traverse`.
   *
   * ```ts
   * console.log(await db.count({ prefix: "a" }));
   * ```
   */
  count(options?: TraverseOptions): Promise<number>;
  /**
   * Follows a record, or all whose keys begin so: their values first, then changes; a value may come twice. By a
   * prefix, `undefined` may also come for a key that never had a value: it was made, or taken back, without one.
   *
   * ```ts
   * for await (const change of db.watch("ann")) {
   *   if (change.type === "value") console.log(change.value);
   *   break; // ends it
   * }
   * ```
   */
  watch(
    what: KeyLike | { readonly prefix: KeyLike },
    options?: OpOptions,
  ): AsyncIterableIterator<Change>;

  /**
   * Where a record is, who reads it, who waits for it.
   *
   * ```ts
   * const { home, role, readers } = await db.where("ann");
   * console.log(home, role, readers);
   * ```
   */
  where(key: KeyLike): Promise<WhereInfo>;
  /**
   * Has a record come to the node, and stay there for a time although others want it: they wait for at most a moment
   * more, as for a sticky record, or send their calls. 0: no longer. Throws "timeout", "state".
   *
   * ```ts
   * await db.pin("ann", { forMs: 60_000 });
   * await db.pin("ann", { forMs: 0 });
   * ```
   */
  pin(key: KeyLike, options: PinOptions): Promise<void>;
  /**
   * The records that this node uses most.
   *
   * ```ts
   * for (const { key, uses, movesIn } of await db.hot()) console.log(key, uses, movesIn);
   * ```
   */
  hot(): Promise<HotInfo[]>;
  /**
   * Numbers of this database on this node.
   *
   * ```ts
   * const { records } = await db.stats();
   * console.log(records);
   * ```
   */
  stats(): Promise<Readonly<Record<string, unknown>>>;
}
