/**
 * The disk of one persistent database, as its commit machine wants it: what it asks for is done in order, in pieces,
 * and told when it is done.
 *
 *   write ─▶ put in the mapped log, at once ─▶ one sync at a time, elsewhere ─▶ written(the last one that it covers)
 *   apply ─▶ read from above the file at once, which follows (commit_following.ts)
 *   checkpoint ─▶ when the file has followed     trim, fetch ─▶ one in each turn of the event loop, and as long a pause
 *   reset, install ─▶ the storage is closed and opened anew; what comes meanwhile waits
 *
 * A full disk holds writes and applies up until there is room again; that is told.
 *
 * Does NOT promise: to live on after a sync has failed: what the disk has is known only when it is opened anew.
 */
import type { ImageStore } from "../../transport/image.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import type { Clock, FileSync } from "../../transport/world.ts";
import type { CommitEffect, CommitEvent } from "../machines/commit/events.ts";
import type { Key } from "../machines/record/copy.ts";
import type { CommitFile } from "../storage/commit_file.ts";
import type { Adopted, CommitInstall } from "../storage/commit_install.ts";
import { CommitStore, type CommitStoreOptions } from "../storage/commit_store.ts";
import { doErrand, type Errand } from "./commit_errands.ts";
import { CommitFollowing, type CommitView } from "./commit_following.ts";
import { type OpenedDisk, openedOf } from "./commit_opened.ts";
import { CommitSyncing } from "./commit_syncing.ts";

/** What is wanted of the disk. */
export type DiskEffect = Errand | Write | Reset;
type Write = Extract<CommitEffect, { readonly kind: "write" }>;
type Reset = Extract<CommitEffect, { readonly kind: "reset" }>;

/** What it needs. */
export interface CommitDiskParts {
  readonly images: ImageStore;
  /** Of the file; its folder is there. */
  readonly path: string;
  readonly clock: Clock;
  /** Absent: the log is synced in this thread. */
  readonly syncs: FileSync | undefined;
  /** A replicated database: what is in memory is enough. */
  readonly isReplicated: boolean;
  readonly options: Omit<CommitStoreOptions, "fresh">;
  /** A u64 by chance. */
  readonly random: () => bigint;
  /** What is done, and whether there is room. */
  readonly onEvent: (event: CommitEvent) => void;
  /** The file is not what it must be: what is to be done to it waits for mended(). */
  readonly onDamage: () => void;
  /** It cannot go on. Told once. */
  readonly onFailure: (error: unknown) => void;
}

/** A full disk is tried again so often, ms. */
const FULL_MS = 1000;
/** What is not urgent is followed by a pause of its length, but of no more than this, ms. */
const PAUSE_MAX_MS = 20;

/** One database's. */
export class CommitDisk {
  readonly #parts: CommitDiskParts;
  readonly #id: string | undefined;
  #store: CommitStore;
  readonly #following: CommitFollowing;
  readonly #syncing: CommitSyncing;
  /** Of the log that is there; effects of another one are not done. */
  #epoch = 1;
  #later: Errand[] = [];
  #isLaterDue = false;
  /** Writes that wait for room, or for a storage that is being opened. */
  #held: Write[] = [];
  #isOpening = false;
  #isFull = false;
  /** Entries that were written. */
  #entries = 0;
  /** Why what is to be done to the file waits. */
  #damage: CorruptError | undefined;
  /** The last entry with transactions that the log had beyond the file; 0: none that matters. */
  #unseen = 0n;
  #isClosed = false;

  private constructor(parts: CommitDiskParts, store: CommitStore, id: string | undefined) {
    this.#parts = parts;
    this.#store = store;
    this.#id = id;
    const { clock, syncs, isReplicated } = parts;
    const where = { clock, syncs, isReplicated };
    this.#syncing = new CommitSyncing({
      ...where,
      store: () => this.usable,
      onWritten: (id) => {
        this.#store.settle();
        parts.onEvent({ kind: "written", epoch: this.#epoch, id });
      },
      isHeld: () => this.#held.length > 0,
      onFailure: (error) => this.#fail(error),
    });
    this.#following = new CommitFollowing({
      ...where,
      file: () => this.#store.file,
      onFull: () => this.#full(),
      onDamage: (error) => {
        this.#damage = error;
        parts.onDamage();
      },
      onFailure: (error) => this.#fail(error),
    });
  }

  /**
   * Opens the storage, or makes it. `id`: of the copy when it is not the disk's. Rejects as CommitStore.open does.
   */
  static async open(parts: CommitDiskParts, id: string | undefined): Promise<CommitDisk> {
    const store = await openStore(parts);
    return new CommitDisk(parts, store, id);
  }

  /** What the machine is told of it. Throws CorruptError. */
  opened(): OpenedDisk {
    const opened = openedOf(this.#store, this.id);
    this.#unseen = opened.entries.findLast(({ txns }) => txns.length > 0)?.seq ?? 0n;
    return opened;
  }

  /**
   * Has this node perhaps shown more, in a former life, than what is applied up to `seq`? What was in the log only may
   * have been read from above the file.
   */
  mayLack(seq: bigint): boolean {
    return seq < this.#unseen;
  }

  /** All that is committed has been applied: nothing that was shown is missing. */
  hasAll(): void {
    this.#unseen = 0n;
  }

  /** The copy's name in the document. */
  get id(): string {
    return this.#id ?? this.#store.id.value.diskId;
  }

  /** The storage as it is now; another one after a reset or an install. */
  get store(): CommitStore {
    return this.#store;
  }

  /** The storage when it can be used just now. */
  get usable(): CommitStore | undefined {
    return this.#isOpening || this.#isClosed ? undefined : this.#store;
  }

  /** The file, to be read. Throws "busy" while it is exchanged, "state" when it is closed. */
  get file(): CommitFile {
    if (this.#isOpening) throw new CtdbxError("busy", "Cannot read: the copy is being made anew");
    return this.#store.file;
  }

  /** What was done since it was opened, for people; a replicated database is not synced. */
  get counts(): Readonly<Record<string, number>> {
    const { isReplicated } = this.#parts;
    const { applies, syncs } = this.#following.counts;
    const logSyncs = isReplicated ? 0 : this.#syncing.count;
    return { "log entries": this.#entries, "log syncs": logSyncs, applies, "file syncs": syncs };
  }

  /** What is applied, to be read. Throws as file does. */
  get view(): CommitView {
    return this.#isOpening ? this.file : this.#following;
  }

  /** Versions of records, also while the copy is exchanged. Throws CorruptError. */
  versionOf(key: Key): bigint {
    return this.#following.versionOf(key);
  }

  /**
   * Runs `work` when the file has all that was applied until now, and nothing is being done to it. Rejects with what it
   * throws, "busy" while the copy is exchanged, "state" when it is closed first.
   */
  async atRest<T>(work: (file: CommitFile) => T): Promise<T> {
    if (this.#isOpening) return work(this.file);
    return await this.#following.atRest(work);
  }

  /** Does what the machine wants. */
  perform(effect: DiskEffect): void {
    if (this.#isClosed) return;
    switch (effect.kind) {
      case "write":
        if (this.#isOpening || this.#held.length > 0) return void this.#held.push(effect);
        return this.#write(effect);
      case "reset":
        return this.#reset(effect);
      default:
        this.#later.push(effect);
        // Nothing of the file is touched by it: a client waits for it.
        if (effect.kind === "apply" && this.#later.length === 1) return this.#doLater();
        this.#pumpLater(0);
    }
  }

  /** Puts an install that has finished in place of all that is there. */
  install(
    install: CommitInstall,
    epoch: number,
    at: Omit<Adopted, "logId">,
  ): void {
    const logId = this.#parts.random();
    this.#exchange(epoch + 1, () => {
      install.close();
      this.#store.adopt({ ...at, logId });
    }, () => this.#parts.onEvent({ kind: "installed", epoch }));
  }

  /** The file is what it must be; `found`: pages that were not. With none of them it is broken in another way. */
  mended(found: number): void {
    const damage = this.#damage;
    this.#damage = undefined;
    if (damage === undefined || this.#isClosed) return;
    if (found === 0) return this.#fail(damage);
    this.#following.goOn();
    this.#pumpLater(0);
  }

  /** Ends it. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (!this.#isOpening) this.#following.finish();
    this.#following.end();
    this.#syncing.end();
    if (!this.#isOpening) this.#store.close();
  }

  // --- writes

  #write(effect: Write): void {
    if (effect.epoch !== this.#epoch) return;
    const store = this.#store;
    try {
      const { cut, entries, highTerm, lineage, isFresh } = effect;
      // What is cut was never committed, so nobody has seen it.
      if (cut !== undefined && cut < this.#unseen) this.#unseen = cut;
      store.put({
        entries,
        ...cut === undefined ? {} : { cut },
        ...highTerm === undefined ? {} : { highTerm },
        ...lineage === undefined ? {} : { lineage },
        ...isFresh === undefined ? {} : { isFresh },
      });
    } catch (error) {
      if (!isFullError(error)) return this.#fail(error);
      this.#held.unshift(effect);
      return this.#full();
    }
    this.#entries += effect.entries.length;
    this.#syncing.wrote(effect.id);
  }

  // --- no room

  #full(): void {
    if (!this.#isFull) {
      this.#isFull = true;
      this.#parts.onEvent({ kind: "space", isFull: true });
    }
    this.#parts.clock.after(FULL_MS, () => this.#goOn());
  }

  #goOn(): void {
    if (this.#isClosed || this.#isOpening) return;
    while (this.#held[0] !== undefined) {
      const before = this.#held.length;
      this.#write(this.#held.shift() as Write);
      if (this.#isClosed || this.#held.length >= before) return;
    }
    this.#following.goOn();
    this.#pumpLater(0);
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#parts.onEvent({ kind: "space", isFull: false });
  }

  // --- what is not urgent

  #pumpLater(delayMs: number): void {
    if (this.#isLaterDue || this.#isOpening || this.#later.length === 0) return;
    if (this.#damage !== undefined) return;
    this.#isLaterDue = true;
    this.#parts.clock.after(delayMs, () => {
      this.#isLaterDue = false;
      this.#doLater();
    });
  }

  #doLater(): void {
    if (this.#isClosed || this.#isOpening) return;
    const [effect] = this.#later;
    if (effect === undefined) return;
    if (effect.epoch !== this.#epoch) {
      this.#later.shift();
      return this.#pumpLater(0);
    }
    if (effect.kind === "checkpoint") {
      this.#later.shift();
      this.#checkpoint(effect);
      return this.#pumpLater(0);
    }
    if (effect.kind === "apply" && this.#following.isFull) {
      return void this.#following.atRest(() => this.#pumpLater(0)).catch(() => {});
    }
    const { clock, onEvent } = this.#parts;
    const beganMs = clock.nowMs();
    let event: CommitEvent | undefined;
    try {
      event = doErrand(this.#store, this.#following, effect);
    } catch (error) {
      return isFullError(error) ? this.#full() : this.#fail(error);
    }
    this.#later.shift();
    if (event !== undefined) onEvent(event);
    // Others of this thread get as much time as this has taken.
    this.#pumpLater(Math.min(PAUSE_MAX_MS, clock.nowMs() - beganMs));
  }

  /** What it is as of must be in the file first. */
  #checkpoint(errand: Extract<Errand, { readonly kind: "checkpoint" }>): void {
    const store = this.#store;
    const isOver = () => this.#isClosed || this.#isOpening || store !== this.#store;
    this.#following.atRest(() => doErrand(store, this.#following, errand)).then((event) => {
      if (event !== undefined && !isOver()) this.#parts.onEvent(event);
    }).catch((error) => {
      if (isOver()) return;
      const isDamage = error instanceof CorruptError;
      if (!isDamage && !isFullError(error)) return this.#fail(error);
      this.#later.unshift(errand);
      // After damage the file is mended first.
      if (!isDamage) this.#full();
    });
  }

  // --- another storage

  #reset({ epoch, lineage, fork }: Reset): void {
    const { random, options } = this.#parts;
    const store = this.#store;
    const to = { lineage, fork, logId: random(), options };
    this.#exchange(epoch, () => store.reset(to), () => {});
  }

  /** Closes the storage by `change`, opens what is there then, and goes on in the new epoch. */
  #exchange(epoch: number, change: () => void | Promise<unknown>, onDone: () => void): void {
    this.#isOpening = true;
    this.#damage = undefined;
    this.#epoch = epoch;
    this.#following.forget();
    this.#unseen = 0n;
    this.#syncing.end();
    const work = async () => {
      await change();
      const store = await openStore(this.#parts);
      if (this.#isClosed) return store.close();
      this.#store = store;
      this.#isOpening = false;
      onDone();
      this.#goOn();
    };
    work().catch((error) => this.#fail(error));
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.close();
    this.#parts.onFailure(error);
  }
}

function isFullError(error: unknown): boolean {
  return error instanceof CtdbxError && error.code === "no_space";
}

function openStore({ images, path, options, random }: CommitDiskParts): Promise<CommitStore> {
  const hex = (value: bigint) => value.toString(16).padStart(16, "0");
  const diskId = hex(random()) + hex(random());
  return CommitStore.open(images, path, {
    ...options,
    fresh: { lineage: 0n, diskId, logId: random() },
  });
}
