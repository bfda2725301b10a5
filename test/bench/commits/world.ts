/**
 * What the benchmarks of transactions need of a clustered database; ctdbx has it (ours.ts), and stock ctdbd (peer.ts).
 *
 *   client(node) ─ open(database) ─▶ transact: read some keys, store them, committed
 *              └── locked: take a lock of the cluster by its name, and give it up
 *
 * Does NOT promise: that a transaction costs both the same kind of work; each says in `about` what its clients are.
 */

/** How a database is kept: on disks, or in the memory of several nodes. */
export type Kind = "persistent" | "replicated";

/** A database, as a program at one node uses it. */
export interface CommitTable {
  /**
   * One transaction: reads each key, and stores `value` under it. Resolves when it is committed; rejects when it is
   * not, or is not known to be.
   */
  transact(keys: readonly string[], value: Uint8Array): Promise<void>;
  /** The same without reading. */
  store(keys: readonly string[], value: Uint8Array): Promise<void>;
  /** A value as this node has it; undefined: there is none. */
  read(key: string): Promise<Uint8Array | undefined>;
}

/** A program at one node. */
export interface CommitClient {
  readonly pnn: number;
  /** Opens a database, and makes it when it is new. Resolves when transactions can be committed. */
  open(name: string, kind: Kind): Promise<CommitTable>;
  /** Takes a lock of the cluster, runs `work` and gives the lock up. */
  locked(name: string, work: () => void): Promise<void>;
  close(): Promise<void>;
}

/** What a database has cost, at all nodes together; what is not known is missing. */
export interface CommitCosts {
  /** Entries of the log, at one node. */
  readonly entries?: number;
  /** fdatasync and fsync, at all nodes. */
  readonly syncs?: number;
}

/** A cluster that runs. Nodes are 0 .. nodes - 1. */
export interface CommitWorld {
  readonly name: string;
  /** What its clients are. */
  readonly about: string;
  readonly nodes: number;
  client(pnn: number): Promise<CommitClient>;
  /** The node whose end hurts most: the primary of the database, or the leader. */
  central(name: string): Promise<number>;
  /** What the database has cost so far. */
  costs(name: string): Promise<CommitCosts>;
  /** Runs some work, and counts its syncs, though it slows it down; undefined: costs() tells, or it cannot be seen. */
  traced(work: () => Promise<void>): Promise<number | undefined>;
  /** SIGKILL for the daemon of a node; when that was, ms of performance.now(). */
  kill(pnn: number): Promise<number>;
  /** A killed node is there again; resolves when all is well. */
  revive(pnn: number): Promise<void>;
  /** Processor time of all daemons and servers, ms. */
  cpuMs(): number;
  end(): Promise<void>;
}
