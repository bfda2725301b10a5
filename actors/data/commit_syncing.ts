/**
 * The log of one persistent database is made durable elsewhere: one sync at a time, each covers all that was written
 * before it began; a while after the last one a seal says so to the next start.
 *
 *   wrote(id) ─▶ mark, sync ─▶ onWritten(the last id that it covers) ─▶ more was written? again : seal
 *
 * The next segment of the log is made when this one is half full, and its zeros are synced elsewhere, too.
 *
 * A replicated database is durable in memory: it is told at the end of the turn.
 *
 * Does NOT promise: to go on after a sync has failed: what the disk has is known only when the log is opened anew.
 */
import type { Clock, FileSync } from "../../transport/world.ts";
import type { CommitStore } from "../storage/commit_store.ts";

/** What it needs. */
export interface SyncingParts {
  readonly clock: Clock;
  /** Absent: synced in this thread. */
  readonly syncs: FileSync | undefined;
  readonly isReplicated: boolean;
  /** The storage when it can be used; undefined: it is closed, or being exchanged. */
  readonly store: () => CommitStore | undefined;
  readonly onWritten: (id: number) => void;
  /** The log may not be sealed now: more is to be written. */
  readonly isHeld: () => boolean;
  /** Of a sync, or a seal. */
  readonly onFailure: (error: unknown) => void;
}

/** All waited for is on the disk for so long: a seal says so to the next start, ms. */
const SEAL_MS = 50;

/** One database's. */
export class CommitSyncing {
  /** Syncs of the log, since it was opened. */
  count = 0;
  readonly #parts: SyncingParts;
  /** The last write that is in the log. */
  #put = 0;
  #isSyncing = false;
  #isDirty = false;
  /** The segment that was synced last. */
  #path: string | undefined;
  #endSeal: () => void = () => {};

  constructor(parts: SyncingParts) {
    this.#parts = parts;
  }

  /** Write `id` is in the log. */
  wrote(id: number): void {
    this.#put = id;
    this.#isDirty = true;
    this.#sync();
  }

  #sync(): void {
    const { store: storeNow, onWritten, onFailure } = this.#parts;
    const store = storeNow();
    if (this.#isSyncing || store === undefined) return;
    this.#isSyncing = true;
    this.#isDirty = false;
    this.#endSeal();
    this.count += 1;
    const id = this.#put;
    let mark: ReturnType<CommitStore["log"]["mark"]> | undefined;
    try {
      mark = this.#mark(store);
    } catch (error) {
      return onFailure(error);
    }
    this.#durable(store, mark?.path).then(() => {
      this.#isSyncing = false;
      const now = storeNow();
      if (store === now) {
        if (mark !== undefined) store.log.synced(mark);
        onWritten(id);
      }
      if (now === undefined) return;
      this.#prepare(now);
      if (this.#isDirty) this.#sync();
      else this.#sealSoon();
    }).catch((error) => {
      this.#isSyncing = false;
      // A log that has been given up meanwhile is nobody's loss.
      if (store === storeNow()) onFailure(error);
    });
  }

  /** What is to be synced; undefined: nothing was put into the log, whose end is damaged. */
  #mark({ log }: CommitStore): ReturnType<CommitStore["log"]["mark"]> | undefined {
    if (log.damage !== undefined) return undefined;
    const mark = log.mark();
    // A segment that is full was synced when the next one began.
    if (this.#path !== undefined && this.#path !== mark.path) this.#parts.syncs?.forget(this.#path);
    this.#path = mark.path;
    return mark;
  }

  /** The next segment is made before an append waits for it. */
  #prepare(store: CommitStore): void {
    const { syncs, isReplicated } = this.#parts;
    if (syncs === undefined || isReplicated || !store.log.wantsNext) return;
    let path: string;
    try {
      path = store.log.prepare();
    } catch {
      // The append that needs it says so, and is told what is wrong.
      return;
    }
    syncs.sync(path).then(() => store.log.prepared(path), () => {});
  }

  /** `path`: of the log file; undefined: nothing waits for the disk. */
  #durable(store: CommitStore, path: string | undefined): Promise<void> {
    const { syncs, isReplicated, clock, store: storeNow } = this.#parts;
    // At the end of this turn: what came in it is one group.
    if (isReplicated || path === undefined) return Promise.resolve();
    if (syncs !== undefined) return syncs.sync(path);
    return new Promise((resolve, reject) => {
      clock.after(0, () => {
        try {
          if (store === storeNow()) store.log.sync();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #sealSoon(): void {
    const { clock, store: storeNow, isHeld, onFailure } = this.#parts;
    this.#endSeal = clock.after(SEAL_MS, () => {
      const store = storeNow();
      if (store === undefined || this.#isSyncing || isHeld()) return;
      try {
        if (store.log.damage === undefined) store.log.seal();
      } catch (error) {
        onFailure(error);
      }
    });
  }

  /** The log goes, or is exchanged. */
  end(): void {
    this.#endSeal();
    if (this.#path !== undefined) this.#parts.syncs?.forget(this.#path);
    this.#path = undefined;
  }
}
