/**
 * Cluster locks and leases, as programs see them.
 *
 * Does NOT promise: to stop a program that has lost its lock; it hears of it, and its token is older than the next.
 */

/** Shared by all who want it shared, or for one alone. */
export type LockMode = "exclusive" | "shared";

/** How a lock is taken. */
export interface LockOptions {
  /** Default "exclusive". */
  readonly mode?: LockMode;
  /** How long it may be waited for, ms; default that of the connection. */
  readonly timeoutMs?: number;
  /**
   * So long after this program or its node has died nobody else gets it, ms: time to stop what was done under it. Up to
   * 600 000; default 0.
   */
  readonly graceMs?: number;
  /** `lost` comes so long before the node's lease ends, if it is not renewed, ms. Default 0. */
  readonly earlyMs?: number;
}

/** How a lease is taken. */
export interface LeaseOptions extends Omit<LockOptions, "mode"> {
  /** It is over so long after this program has last renewed it, which it does by itself, ms: 200 to 600 000. */
  readonly ttlMs?: number;
}

/**
 * The fencing token of a grant. Whoever gets the lock later has a greater one, also when the record was deleted or
 * recovered in between: a store that keeps the greatest it has seen refuses who has lost the lock and does not know.
 */
export interface LockToken {
  readonly gen: bigint;
  readonly seq: number;
  readonly rsn: bigint;
  /** 42 characters, hexadecimal digits and points; texts of tokens have the order of tokens. */
  readonly text: string;
}

/** A lock that is held. */
export interface ClusterLock extends AsyncDisposable {
  readonly name: string;
  readonly mode: LockMode;
  readonly token: LockToken;
  /** Was it lost? */
  readonly isLost: boolean;
  /** Resolves when it is lost, with why; stays pending while it is held, and when it is given up. Never rejects. */
  readonly lost: Promise<string>;
  /** Aborted when it is lost. */
  readonly signal: AbortSignal;
  /** Gives it up. Idempotent; of a lock that was lost, nothing is left to do. */
  release(): Promise<void>;
}

/** Who has a lock, or waits for it. */
export interface LockPlace {
  /** Number of the node. */
  readonly pnn: number;
  readonly incarnation: bigint;
  /** Process id; 0: not known. */
  readonly pid: number;
  readonly mode: LockMode;
  /** Since when, ms of the wall clock. */
  readonly sinceMs: number;
  readonly graceMs: number;
  /** Of the grant; undefined: it waits. */
  readonly token: LockToken | undefined;
}

/** A lock that somebody has. */
export interface LockInfo {
  readonly name: string;
  readonly holders: readonly LockPlace[];
  readonly waiters: readonly LockPlace[];
}
