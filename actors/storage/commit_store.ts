/**
 * All that one replica of a persistent database has on its disk: identity, log, file, sessions.
 *
 *   .id  who it is, highest term, which log    .log.N  entries    PATH, .sum  the database    .sess  session table
 *
 *   write ─▶ durable ─▶ (the machine learns that it is committed) ─▶ apply ─▶ checkpoint ─▶ trim
 *
 * Every method is done when it returns: what it says is durable then, but for apply's sums, which recovery makes.
 *
 * Does NOT promise: any rule of the protocol: whether an entry may be cut or applied is the machine's to know.
 */
import type { ImageStore } from "../../transport/image.ts";
import type { Entry } from "../../transport/wire/commit/entry.ts";
import { farther, isBehind, NO_REACH, type Reach } from "../../transport/wire/commit/reach.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { CommitFile } from "./commit_file.ts";
import { NOTHING, type Position } from "./commit_frame.ts";
import { CommitId, type ReplicaId } from "./commit_id.ts";
import { adopt, type Adopted, CommitInstall, finishInstall } from "./commit_install.ts";
import { CommitLog } from "./commit_log.ts";
import { type CommitFileOptions, makeBeside } from "./commit_open.ts";
import { saveLost } from "./commit_lost.ts";
import { beginSwap, finishSwap, swapIn } from "./commit_swap.ts";
import { type Checkpoint, readCheckpoint, sessPath, writeCheckpoint } from "./commit_sess.ts";
import type { SnapshotShape } from "./commit_snapshot.ts";
import type { PageEntry } from "./commit_sums.ts";

/** How a replica is opened. */
export interface CommitStoreOptions extends CommitFileOptions {
  /** For a replica that is new: what its identity begins with. `logId`, `diskId`: random. */
  readonly fresh: Pick<ReplicaId, "lineage" | "diskId" | "logId">;
  readonly segmentBytes?: number;
}

/** What a replica found on its disk. */
export interface CommitOpened {
  readonly id: ReplicaId;
  /** The last entry whose transactions are all in the file; undefined: the log does not reach as far. */
  readonly appliedSeq: bigint | undefined;
  readonly appliedDbseq: bigint;
  /** Sessions as of some entry; undefined: as of the log's start, which is the beginning of all. */
  readonly checkpoint: Checkpoint | undefined;
  readonly start: Position;
  readonly last: Position;
  /** So far the log was on the disk once, and is not any more; undefined: it is whole. */
  readonly proven: Reach | undefined;
}

/** What is written in one go: a cut, then entries, and what the identity keeps of it. */
export interface CommitChange {
  /** Entries above it go. */
  readonly cut?: bigint;
  readonly entries: readonly Entry[];
  readonly highTerm?: bigint;
  readonly lineage?: bigint;
  readonly isFresh?: boolean;
}

/** A replica's disk. */
export class CommitStore {
  readonly id: CommitId;
  readonly log: CommitLog;
  readonly #images: ImageStore;
  readonly #path: string;
  readonly #options: CommitFileOptions;
  #file: CommitFile;
  #checkpoint: Checkpoint | undefined;

  private constructor(
    images: ImageStore,
    path: string,
    parts: { readonly id: CommitId; readonly log: CommitLog; readonly file: CommitFile },
    options: CommitFileOptions,
  ) {
    this.#images = images;
    this.#path = path;
    this.#options = options;
    this.id = parts.id;
    this.log = parts.log;
    this.#file = parts.file;
    const checkpoint = readCheckpoint(images, sessPath(path));
    // Of no entry: the replica began anew.
    this.#checkpoint = checkpoint?.seq === 0n ? undefined : checkpoint;
  }

  /**
   * Opens or makes a replica: carries on an install, recovers the file, reads the log. Throws CorruptError where the
   * identity, the file's head or the session table cannot be used, "no_space", "io", "version".
   */
  static async open(
    images: ImageStore,
    path: string,
    options: CommitStoreOptions,
  ): Promise<CommitStore> {
    const open: { close(): void }[] = [];
    try {
      const id = CommitId.open(images, path, freshId(options.fresh));
      open.push(id);
      finishInstall(images, path, id);
      finishSwap(images, path);
      const file = await CommitFile.open(images, path, options);
      open.push(file);
      const { logId, first, firstAt, base } = id.value;
      const { segmentBytes } = options;
      const log = CommitLog.open(images, path, {
        logId,
        first,
        firstAt,
        base,
        ...(segmentBytes === undefined ? {} : { segmentBytes }),
      });
      open.push(log);
      log.shelf.removeStray();
      const store = new CommitStore(images, path, { id, log, file }, options);
      store.settle();
      return store;
    } catch (error) {
      for (const one of open) one.close();
      throw error;
    }
  }

  /** The database; another handle after swap(). */
  get file(): CommitFile {
    return this.#file;
  }

  /** What was found, or is there now. */
  get opened(): CommitOpened {
    const { start, last } = this.log;
    const appliedDbseq = this.file.dbseq;
    return {
      id: this.id.value,
      appliedSeq: this.#appliedSeq(),
      appliedDbseq,
      checkpoint: this.#checkpoint,
      start,
      last,
      proven: this.#proven,
    };
  }

  /** By what the log shows, and by what was noted before that went. */
  get #proven(): Reach | undefined {
    const { log: { last, damage }, id: { value } } = this;
    const proven = farther(damage?.proven ?? NO_REACH, value.proven ?? NO_REACH);
    return isBehind(last, proven) ? proven : undefined;
  }

  #appliedSeq(): bigint | undefined {
    const { places } = this.log.shelf;
    const { dbseq } = this.file;
    if (dbseq === places.start.dbseq) return places.start.seq;
    const seq = places.seqOf(dbseq);
    if (seq === undefined) return undefined;
    return places.of(seq)?.dbseq === dbseq ? seq : seq - 1n;
  }

  /** Cuts, appends, and raises the highest term; all of it is durable when this returns. */
  write(change: CommitChange): void {
    if (!this.put(change)) return;
    this.log.sync();
    this.settle();
  }

  /**
   * As write, but cuts and entries are not synced: log.mark() and log.synced() are for who has that done elsewhere.
   * False: all of it is durable already. Throws as log.append does, with the log as it was up to the entry that failed;
   * doing the same again then goes on behind what is there.
   *
   * What is damaged at the end of the log is given up when its place is needed: others have it. That it was there is
   * noted before.
   */
  put(change: CommitChange): boolean {
    const { cut, entries, ...rest } = change;
    const isMending = this.log.damage !== undefined && (cut !== undefined || entries.length > 0);
    const noted = isMending ? { ...rest, proven: this.#proven } : rest;
    // Before the entries: an answer counts for this term only when the term is durable, too.
    if (Object.values(noted).some((value) => value !== undefined)) this.id.update(noted);
    if (isMending) this.log.mend();
    if (cut !== undefined) this.log.cut(cut);
    for (const entry of entries) {
      if (this.#has(entry)) continue;
      this.log.append(entry);
    }
    return cut !== undefined || entries.length > 0;
  }

  /** What was missing at the end of the log is here again, and durable: that is noted. Throws "io". */
  settle(): void {
    const { proven } = this.id.value;
    if (proven === undefined || this.log.damage !== undefined) return;
    const { shelf: { places }, durableSeq } = this.log;
    const durable = places.of(durableSeq) ?? places.start;
    if (isBehind(durable, proven)) return;
    this.id.update({ proven: undefined });
    // The other sector, too: an older ctdbx must be able to read both.
    this.id.save(this.id.value);
  }

  #has({ seq, chain }: Entry): boolean {
    return this.log.shelf.places.of(seq)?.chain === chain;
  }

  /** Applies committed entries; see CommitFile.apply. */
  apply(entries: readonly Entry[]): bigint {
    return this.file.apply(entries);
  }

  /** Makes the session table as of an entry durable. */
  checkpoint(checkpoint: Checkpoint): void {
    writeCheckpoint(this.#images, sessPath(this.#path), checkpoint);
    this.#checkpoint = checkpoint;
  }

  /**
   * Removes segments of which nothing is needed: all applied, not above the session checkpoint, and not above `pin`
   * (what others still are to get; undefined: nobody). Answers how many.
   */
  trim(pin?: bigint): number {
    const limits = [
      this.#appliedSeq() ?? 0n,
      this.#checkpoint?.seq ?? 0n,
      ...pin === undefined ? [] : [pin],
    ];
    const least = limits.reduce((one, other) => one < other ? one : other);
    const { count, first, firstAt } = this.log.shelf.droppable(least);
    if (count === 0) return 0;
    this.id.update({ first, firstAt });
    this.log.shelf.drop(count);
    return count;
  }

  /** Begins to take a database over from another replica. */
  install(shape: SnapshotShape, entries: readonly PageEntry[]): CommitInstall {
    return new CommitInstall(this.#images, this.#path, shape, entries, this.file);
  }

  /** Begins to make another file of this history, for swap(). */
  fix(shape: SnapshotShape, entries: readonly PageEntry[]): CommitInstall {
    return beginSwap(this.#images, this.#path, shape, entries, this.file);
  }

  /** Has this log an entry on the disk, and is the file here, at rest, none of a later one? Then swap() may follow. */
  reaches({ seq, chain, dbseq }: Position): boolean {
    const { places } = this.log.shelf;
    const own = seq === places.start.seq ? places.start : places.of(seq);
    const { file, log } = this;
    if (file.isApplying || dbseq < file.dbseq) return false;
    return own?.chain === chain && seq <= log.durableSeq;
  }

  /**
   * Puts what fix() made, and has finished, in place of the file; log and sessions stay. `at`: the entry that it is as
   * of. Throws "state", with nothing done, when the log does not reach it; "io", "corrupt": then the replica must be
   * opened anew.
   */
  swap(at: Position): void {
    if (!this.reaches(at)) {
      const text = `Cannot take the file as of entry ${at.seq}: it does not fit to what is here`;
      throw new CtdbxError("state", text);
    }
    this.#file.close();
    swapIn(this.#images, this.#path);
    this.#file = CommitFile.reopen(this.#images, this.#path, this.#options);
  }

  /** Ends this handle and puts a finished install in its place; open the replica anew. */
  adopt(adopted: Adopted): void {
    const { position } = adopted;
    const proven = this.#proven;
    // Of the log nothing is left that says so.
    if (proven !== undefined && isBehind(position, proven)) this.id.update({ proven });
    this.#exchange(adopted);
  }

  #exchange(adopted: Adopted): void {
    this.file.close();
    this.log.close();
    try {
      adopt(this.#images, this.#path, this.id, adopted);
    } finally {
      this.id.close();
    }
  }

  /**
   * Gives everything up: entries above `fork` are kept aside for people, then this replica begins with nothing, in
   * another lineage; its highest term stays. Ends this handle; open the replica anew. Answers how many were kept.
   */
  async reset(to: {
    readonly lineage: bigint;
    readonly fork: bigint;
    /** A new one, random. */
    readonly logId: bigint;
    readonly options: CommitFileOptions;
  }): Promise<number> {
    const { lineage, fork, logId, options } = to;
    const old = this.id.value.lineage;
    const kept = saveLost(this.#images, this.#path, old, fork, this.log);
    await makeBeside(this.#images, this.#path, options);
    this.id.update({ isFresh: true, parent: { lineage: old, seq: fork }, proven: undefined });
    this.#exchange({ position: NOTHING, lineage, logId, table: new Uint8Array(0) });
    return kept;
  }

  /** Closes all. Idempotent. */
  close(): void {
    this.file.close();
    this.log.close();
    this.id.close();
  }
}

function freshId(fresh: CommitStoreOptions["fresh"]): ReplicaId {
  return {
    ...fresh,
    highTerm: 0n,
    first: 1,
    firstAt: 0n,
    base: NOTHING,
    installing: undefined,
    isFresh: true,
    parent: { lineage: 0n, seq: 0n },
    proven: undefined,
  };
}
