/**
 * The leader lock: a register with one record that tells who tries to lead. It chooses; it decides nothing.
 *
 *   jetstream   compare-and-set in a KV bucket            real_kv.ts
 *   file        a record file, replaced under a lock      real_file_lock.ts
 *   helper      a program that holds something            real_command_lock.ts
 *   single      nobody else is there                      single_lock.ts
 *
 * Every operation ends, with "unknown" after LOCK_LIMIT_MS at the latest: then it may have been applied, or may be
 * yet. A record never becomes free by its age. Revisions rise with every write; 0 is the empty register.
 *
 * Does NOT promise: that what was seen is so now, that a lower revision cannot come back, or that only one holds it.
 */
import type { Incarnation, NodeId, Token } from "./wire/terms.ts";

/** An operation without a result is unknown after this, ms. */
export const LOCK_LIMIT_MS = 1000;

/** Which of them. */
export type LockBackend = "jetstream" | "file" | "helper" | "single";

/** Who holds the register, or held it. */
export interface LockRecord {
  /** Undefined: released. */
  readonly holder: NodeId | undefined;
  readonly incarnation: Incarnation;
  readonly token: Token;
  /** u32; unlike that of every other write of this holder. */
  readonly nonce: number;
}

/** What a look at the register shows. */
export interface LockSeen {
  readonly kind: "seen";
  /** 0 and no record: empty. */
  readonly revision: number;
  readonly record: LockRecord | undefined;
}

/** It may have been applied, or may be yet. `why` is for people. */
export interface LockUnknown {
  readonly kind: "unknown";
  readonly why: string;
}

/** How a write ended. Refused: it was not and will not be applied. */
export type LockWritten =
  | { readonly kind: "ok"; readonly revision: number }
  | { readonly kind: "refused"; readonly why: string }
  | LockUnknown;

/** What a write is for; a release writes a record without holder. */
export type LockWrite = "acquire" | "renew" | "release";

/** One of the backends. `done` is called once, in a later turn; after close() with "unknown". */
export interface LeaderLock {
  readonly backend: LockBackend;
  /** Why the last operation had no result, a phrase; undefined when it had one. */
  readonly trouble: string | undefined;
  look(done: (result: LockSeen | LockUnknown) => void): void;
  /** Writes `record` if the register is still at `revision`. */
  write(
    op: LockWrite,
    revision: number,
    record: LockRecord,
    done: (result: LockWritten) => void,
  ): void;
  /**
   * Calls `onSeen` when the register may have changed; a hint that may be late, doubled or missing. For a helper: when
   * it has ended and what it held is lost. Answers how to end it.
   */
  watch(onSeen: (seen: LockSeen) => void): () => void;
  /** Gives back what only lives with this process (a helper); leaves a record as it is. */
  close(): Promise<void>;
}
