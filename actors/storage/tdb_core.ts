/**
 * What all parts of an open TDB share: the mapped file, its descriptor for the kernels, its locks.
 *
 *   Tdb (records) -- TdbTransaction -- traverse, wipe, check ...
 *        \____________ TdbCore ____________/      kernels see the descriptor, the host answers their hooks
 *
 * The mapping may move when the file grows: nothing but the descriptor keeps its address.
 *
 * Does NOT promise: anything about contents.
 */
import { type Kernels, kernels, setHooks } from "../../assembly/host/kernels.ts";
import { PAGE, type ThreadMemory, threadMemory } from "../../assembly/host/memory.ts";
import {
  DATABASES_MAX,
  DB,
  DB_BYTES,
  DESCRIPTORS_AT,
  FAULT_BUSY,
  FAULT_KINDS,
  FAULT_NO_MEMORY,
  FAULT_NO_SPACE,
  FLAG,
} from "../../assembly/host/tdb_kernels.ts";
import type { Image } from "../../transport/image.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import { FILE_MAX } from "../../transport/wire/limits.ts";
import { AT, type TdbHeader } from "./tdb_header.ts";
import type { TdbLocks } from "./tdb_locks.ts";

/** Growth: room for this many more records like the one that asked. */
const GROW_RECORDS = 100;
/** A record this large asks only for one more like it. */
const GROW_LARGE = 100 * 1024;
/** Smallest record: a header and its tailer. */
const RECORD_MIN = 28;
/** Below this size a file grows by a quarter, above by a tenth. */
const GROW_SMALL_FILE = 100 * 1024 * 1024;

/**
 * Bytes to add to a file of `size` logical bytes so that `need` more fit: by size, rounded up to pages.
 * 0: the format's limit does not allow it. Upstream: tdb expand.
 */
export function growth(size: number, need: number): number {
  const more = need > GROW_LARGE ? 2 * need : GROW_RECORDS * need;
  const scaled = Math.floor(size * (size > GROW_SMALL_FILE ? 1.1 : 1.25));
  const wanted = Math.ceil(Math.max(size + more, scaled) / PAGE) * PAGE;
  const limited = Math.min(wanted, FILE_MAX);
  return limited - size >= need ? limited - size : 0;
}

/** Handles by the numbers of their descriptors; as the Memory itself, one for the thread. */
const HANDLES = new Map<number, TdbCore>();

/**
 * Closes handles whose image was ended by somebody else, as in a simulation at the death of a process: nobody closes
 * those, and there are DATABASES_MAX descriptors in a thread. Nothing can be done with them any more.
 */
export function closeEnded(): void {
  for (const core of [...HANDLES.values()]) if (core.image.mapped === 0) core.close();
}

function takeNumber(core: TdbCore): number {
  if (HANDLES.size >= DATABASES_MAX) closeEnded();
  for (let number = 0; number < DATABASES_MAX; number++) {
    if (!HANDLES.has(number)) {
      HANDLES.set(number, core);
      return number;
    }
  }
  throw new CtdbxError("limit", `Cannot open another database: DATABASES_MAX is ${DATABASES_MAX}`);
}

/** The shared state of one handle. */
export class TdbCore {
  readonly image: Image;
  readonly header: TdbHeader;
  readonly locks: TdbLocks;
  readonly memory: ThreadMemory = threadMemory();
  readonly kernel: Kernels = kernels();
  /** Address of the descriptor. */
  readonly db: number;
  readonly readOnly: boolean;
  /** The file was shortened underneath, or a kernel stopped half-way: what every further use of the handle throws. */
  broken: CtdbxError | undefined;
  /** Why nothing may be done with the handle just now: its transaction is on the way from one stage to another. */
  blocked: string | undefined;
  /** A prepared transaction: it can be read, not changed. */
  sealed = false;
  /** Was the file's size looked at in this turn of the event loop? */
  looked = false;
  /** Set while a transaction is open: how it hands out overlay memory. */
  overlayMemory: ((bytes: number) => number) | undefined;
  readonly #number: number;
  /** What a hook caught: an error must not fly through the kernels. */
  #hostError: unknown;
  #spareAt = 0;
  #spareBytes = 0;
  #closed = false;

  constructor(
    image: Image,
    header: TdbHeader,
    locks: TdbLocks,
    options: { maxDead: number; seqnum: boolean; readOnly: boolean },
  ) {
    this.image = image;
    this.header = header;
    this.locks = locks;
    this.readOnly = options.readOnly;
    this.#number = takeNumber(this);
    this.db = DESCRIPTORS_AT + this.#number * DB_BYTES;
    this.memory.bytes.fill(0, this.db, this.db + DB_BYTES);
    this.set(DB.number, this.#number);
    this.set(DB.hashSize, header.hashSize);
    this.set(DB.dataStart, header.dataStart);
    this.set(DB.maxDead, options.maxDead);
    const locking = locks.kind !== "none";
    this.set(
      DB.flags,
      (header.byteOrder === "big" ? FLAG.swapped : 0) |
        (header.hash === "jenkins" ? FLAG.jenkins : 0) |
        (options.seqnum ? FLAG.seqnum : 0) |
        (locking ? FLAG.probe | FLAG.lockFree : 0),
    );
    setHooks(this.#number, {
      grow: (need) => this.#grow(need),
      lockFree: () => this.#caught(() => this.locks.tryFree() ? 1 : 0),
      unlockFree: () => this.#unlockFree(),
      memory: (bytes) => this.#caught(() => this.overlayMemory?.(bytes) ?? 0),
      probe: (offset) => this.#probe(offset),
    });
    this.follow();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** A field of the descriptor. */
  field(at: number): number {
    return this.memory.words[(this.db + at) >>> 2] as number;
  }

  set(at: number, value: number): void {
    this.memory.words[(this.db + at) >>> 2] = value;
  }

  get flags(): number {
    return this.field(DB.flags);
  }

  get inTransaction(): boolean {
    return (this.flags & FLAG.overlay) !== 0;
  }

  /** Logical size, bytes, as the open transaction sees it. */
  get size(): number {
    return this.field(DB.size);
  }

  /** Address of logical offset 0. */
  get base(): number {
    return this.image.address + this.header.mutexSize;
  }

  word(offset: number): number {
    return this.kernel.tdbWord(this.db, offset) >>> 0;
  }

  setWord(offset: number, value: number): void {
    this.kernel.tdbSetWord(this.db, offset, value);
  }

  get recoveryStart(): number {
    return this.word(AT.recoveryStart);
  }

  /** Takes the mapping's address and size over into the descriptor. */
  follow(): void {
    const logical = Math.max(0, this.image.mapped - this.header.mutexSize);
    this.set(DB.base, this.base);
    this.set(DB.fileSize, Math.min(logical, FILE_MAX));
    if (!this.inTransaction) this.set(DB.size, Math.min(logical, FILE_MAX));
  }

  /** Looks at the file's size; answers whether it changed. Throws "truncated" when it is shorter. */
  refresh(): boolean {
    const before = this.image.mapped;
    const size = this.image.size();
    if (size === before) return false;
    this.image.refresh();
    this.follow();
    if (size < before) {
      const text = `Cannot use ${this.image.path}: it was shortened to ${size} bytes underneath`;
      this.break(new CtdbxError("truncated", text));
      throw this.broken;
    }
    return true;
  }

  /**
   * The error of the fault that a kernel noted. Undefined: the file had grown behind our mapping, the call is
   * to be made again.
   */
  fault(action: string): CtdbxError | undefined {
    const kind = this.field(DB.faultKind);
    const at = this.field(DB.faultAt);
    const path = this.image.path;
    const cause = this.#hostError;
    this.#hostError = undefined;
    if (cause instanceof CtdbxError) return cause;
    if (cause !== undefined) throw cause;
    const corrupt = FAULT_KINDS[kind - 1];
    if (corrupt !== undefined) {
      if (!this.inTransaction && this.refresh()) return undefined;
      const isGuess = this.readOnly && this.locks.kind === "none";
      const note = isGuess ? "; read without locks: what others change may look damaged" : "";
      const text = `Cannot ${action} in ${path}: ${corrupt} wrong at ${at}${note}`;
      return new CorruptError(corrupt, at, text);
    }
    if (kind === FAULT_BUSY) {
      return new CtdbxError(
        "busy",
        `Cannot ${action} in ${path}: the free list is locked elsewhere`,
      );
    }
    if (kind === FAULT_NO_MEMORY) {
      return new CtdbxError("limit", `Cannot ${action} in ${path}: no memory for the transaction`);
    }
    if (kind === FAULT_NO_SPACE) {
      return new CtdbxError("limit", `Cannot ${action} in ${path}: FILE_MAX is ${FILE_MAX} bytes`);
    }
    return new CtdbxError("io", `Cannot ${action} in ${path}: unknown fault ${kind}`);
  }

  /** Throws the fault of a call that cannot be made again. */
  fail(action: string): never {
    throw this.fault(action) ??
      new CtdbxError(
        "busy",
        `Cannot ${action} in ${this.image.path}: the file just grew, try again`,
      );
  }

  /** Runs the work of a hook. An error is kept for fault(); the kernel hears 0, which is a fault for it. */
  #caught(work: () => number): number {
    try {
      return work();
    } catch (error) {
      this.#hostError = error;
      return 0;
    }
  }

  #unlockFree(): void {
    try {
      this.locks.unlockFree();
    } catch (cause) {
      // The kernel's work is done; that the lock stays ends the handle.
      const text = `Cannot unlock the free list of ${this.image.path}`;
      this.break(new CtdbxError("io", text, { cause }));
    }
  }

  #probe(offset: number): number {
    try {
      return this.locks.unheld(offset) ? 1 : 0;
    } catch {
      // Not known: taken for held, so that the record stays where it is.
      return 0;
    }
  }

  /** From now on every use of the handle throws `error`. The first one counts. */
  break(error: CtdbxError): void {
    this.broken ??= error;
    this.looked = false;
  }

  #grow(need: number): number {
    return this.#caught(() => {
      if (this.inTransaction) return need === 0 ? 1 : this.growOverlay(need, 0);
      const before = this.size;
      this.refresh();
      if (need === 0 || this.size > before) return 1;
      if (this.reclaimTail(0)) return 1;
      const from = this.#endOfRecords();
      const more = growth(this.size, need);
      if (more === 0) return 0;
      this.#extend(this.size + more, this.size + need);
      this.kernel.tdbAddSpace(this.db, from, this.size - from, 0);
      return 1;
    });
  }

  /** Makes the file `wanted` logical bytes long, or at least `enough` when the disk has no room for that. */
  #extend(wanted: number, enough: number): void {
    const shift = this.header.mutexSize;
    try {
      this.image.extend(shift + wanted);
    } catch (error) {
      const least = Math.ceil(enough / PAGE) * PAGE;
      const full = error instanceof CtdbxError && error.code === "no_space";
      if (!full || least >= wanted) throw error;
      this.image.extend(shift + least);
    }
    this.follow();
  }

  /** Where the next record may begin: behind the last one, a multiple of 4. */
  #endOfRecords(): number {
    // A tail too short for a record is taken along; a size that is no multiple of 4 is left behind.
    const tail = this.kernel.tdbTail(this.db) >>> 0;
    return Math.ceil((tail === 0 ? this.size : tail) / 4) * 4;
  }

  /**
   * Bytes at the end that belong to no record (a process died after it made the file longer) become free space
   * before more is added: behind records nothing may lie but records. Answers whether there were any.
   * `ends` 1: the change of the free list ends with it.
   */
  reclaimTail(ends: 0 | 1): boolean {
    const from = this.kernel.tdbTail(this.db) >>> 0;
    if (from === 0 || this.size - from < RECORD_MIN) return false;
    this.kernel.tdbAddSpace(this.db, from, this.size - from, ends);
    return true;
  }

  /** Room to show a record that does not lie in one piece; good until it is asked for again. */
  spare(bytes: number): number {
    if (bytes <= this.#spareBytes) return this.#spareAt;
    if (this.#spareBytes !== 0) this.memory.regions.give(this.#spareAt, this.#spareBytes);
    this.#spareBytes = 0;
    const at = this.memory.regions.take(2 * bytes);
    if (at === undefined) throw new CtdbxError("limit", `Cannot read ${bytes} bytes: no memory`);
    this.#spareAt = at;
    this.#spareBytes = 2 * bytes;
    return at;
  }

  /**
   * In a transaction the file grows when it is committed. Answers 0 when it cannot. `ends` 1: the change of the free
   * list ends with it.
   */
  growOverlay(need: number, ends: 0 | 1): number {
    if (this.reclaimTail(ends)) return 1;
    const from = this.#endOfRecords();
    const more = growth(Math.ceil(this.size / 4) * 4, need);
    if (more === 0) return 0;
    this.set(DB.size, Math.ceil(this.size / 4) * 4 + more);
    this.set(DB.faultKind, 0);
    this.kernel.tdbAddSpace(this.db, from, this.size - from, ends);
    return 1;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.looked = false;
    setHooks(this.#number, undefined);
    HANDLES.delete(this.#number);
    if (this.#spareBytes !== 0) this.memory.regions.give(this.#spareAt, this.#spareBytes);
    this.image.close();
  }
}
