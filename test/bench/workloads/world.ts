/**
 * What the record workloads need of a clustered database: stock ctdbd is the first that has it (test/peer), ours the
 * next. Each workload is written once, against this.
 *
 * Operations that were done at once answer with no promise, so that a loop over local records costs no turns:
 *
 *   const later = table.update(key, change);
 *   if (later !== undefined) await later;
 *
 * Does NOT promise: anything of the two being alike beyond what is said here; each says what it does in `about`.
 */

/** Done already, or a promise of it. */
export type Maybe<T> = T | Promise<T>;

/** Gets the value (undefined: no record), good inside the call only; what it returns is stored. */
export type Change = (value: Uint8Array | undefined) => Uint8Array | undefined;

/** One database, as a client of one node uses it. */
export interface RecordTable {
  /**
   * Locks the record, hands its value to `change`, stores what that returns (undefined: it stays as it is), unlocks.
   * The key is copied where the operation outlives the call.
   */
  update(key: Uint8Array, change: Change): Maybe<void>;
  /** A copy of the value; undefined: no record. */
  read(key: Uint8Array): Maybe<Uint8Array | undefined>;
  /** Adds to a counter, u64 LE; a new one begins at 0. Resolves when the sum is the record's value. */
  add(key: Uint8Array, amount: number): Maybe<void>;
  /** Deletes the record; done when nobody can read it any more. */
  delete(key: Uint8Array): Maybe<void>;
  /** Each live record of all nodes; the bytes are good inside the call. Resolves to their number. */
  traverse(visit: (key: Uint8Array, value: Uint8Array) => void): Promise<number>;
  /** Is this key in the node's own part of the database, be it live or deleted and not yet cleared away? */
  isKept(key: Uint8Array): boolean;
}

/** A program at one node. */
export interface RecordClient {
  readonly pnn: number;
  /** Opens a volatile database, makes it when it is new. */
  attach(name: string): Promise<RecordTable>;
  /** Listens to messages to `srvid` at this node; the bytes are good inside the call. */
  listen(srvid: bigint, onMessage: (data: Uint8Array) => void): Promise<void>;
  /** Sends, without an answer, to who listens at that node. */
  send(pnn: number, srvid: bigint, data: Uint8Array): void;
  close(): void;
}

/** The record cycle of one process at its fastest, where that is not this runtime's. */
export interface NativeLoop {
  /** Program and library. */
  readonly client: string;
  /** ns of each batch of BATCH operations. `onLater` is told of each that could not be done at once. */
  run(
    pnn: number,
    name: string,
    keys: Uint8Array,
    batch: number,
    onLater: () => void,
  ): Promise<Float64Array>;
}

/** A cluster that runs. Node numbers are 0 .. nodes - 1. */
export interface RecordWorld {
  readonly name: string;
  /** What its clients are, for the table. */
  readonly about: string;
  readonly nodes: number;
  /** What a process of its own needs to connect as a client; see openWorld in clients.ts. */
  address(pnn: number): string;
  client(pnn: number): Promise<RecordClient>;
  /**
   * Makes `count` records with values of `bytes` bytes (all zero) that live at one node; the keys, 16 bytes each, one
   * after the other. How they get there is not measured. The same arguments give the same keys, other nodes other keys.
   */
  fill(name: string, pnn: number, count: number, bytes: number): Promise<Uint8Array>;
  /** Removes all records of a database. */
  wipe(name: string): Promise<void>;
  /** Makes vacuum come each `seconds`, for short runs. */
  hurryVacuum(seconds: number): Promise<void>;
  readonly native: NativeLoop | undefined;

  leader(): Promise<number>;
  /** Changes with each recovery and each election, and only then. */
  epoch(): Promise<string>;
  /** Kills what the node consists of with SIGKILL; its clients end. Answers when that was, ms of performance.now(). */
  kill(pnn: number): number;
  /** Resolves when all others have noticed. */
  untilOut(pnn: number): Promise<void>;
  /** Resolves when all others serve all records again without that node. */
  untilRecovered(without?: number): Promise<void>;
  /** Starts a killed node; resolves when all is well. */
  revive(pnn: number): Promise<void>;
  /** Asks for a recovery although nothing is wrong. */
  recover(): Promise<void>;

  /** CPU time of all daemons that live, ms. Takes some milliseconds itself. */
  cpuMs(): number;
  end(): Promise<void>;
}
