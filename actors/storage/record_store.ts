/**
 * Where a record machine keeps its copies: the port RecordStore of actors/machines/record, on the file that client
 * programs map.
 *
 *   get, put, drop   under the mutex of the key's chain and that of the free list: so `put` never waits for anybody
 *   get alone        takes the mutex for a moment; where a client has it, reads beside it: a guess, but a whole one
 *   renew            a file of another name for a new life; those of former lives lose their names
 *   trouble          no file can be made: a store that is empty and takes nothing, until `mend` has made one
 *
 * What CTDB's header has no place for lies in side arrays (record_side.ts).
 *
 * Does NOT promise: that a new file waits for the end of the page of the life before; whoever calls `renew` has seen to
 * that. A client that is stopped in the one or two hundred nanoseconds in which it takes space for a larger value has
 * the free list: `tryLock` is then "busy" for every key, until it goes on or dies.
 */
import { kernels } from "../../assembly/host/kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import { DB, KEY_AT, OUT_AT, VALUE_AT, VALUE_ROOM } from "../../assembly/host/tdb_kernels.ts";
import { OFFSET_MIN, PEEK, RECORD_HEADER } from "../../assembly/host/record_kernels.ts";
import type { ImageStore } from "../../transport/image.ts";
import type { Incarnation, Pnn, Version } from "../../transport/wire/terms.ts";
import { CtdbxError, type ErrorCode } from "../../transport/wire/errors.ts";
import { KEY_MAX, tooLong } from "../../transport/wire/limits.ts";
import type { Disk } from "../../transport/world.ts";
import { RecordFile } from "./record_file.ts";
import { headOf, isRoomless, putInPlace } from "./record_in_place.ts";
import { isRecordFile, RECORD_AT, recordFilePath } from "./record_header.ts";
import { NO_ENTRY, RecordSide } from "./record_side.ts";
import { decode, putHeader } from "./record_words.ts";
import type { StoredHead, StoredRecord } from "./record_words.ts";

/** How often a record is looked at beside a client that changes it. */
const PEEKS_MAX = 10_000;
/** After so many looks, the file's size is looked at, too. */
const REFRESH_EVERY = 16;
/** What may pass by itself, or by an operator's hand: a full disk, a folder that nobody may write to. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "no_space",
  "exists",
  "denied",
  "read_only",
  "not_found",
  "limit",
  "io",
]);
/** Words of the header in OUT_AT, as recordHead leaves them. */
const HEAD = { length: RECORD_HEADER >>> 2, address: (RECORD_HEADER >>> 2) + 1 } as const;

/** What a store is made with. */
export interface RecordStoreOptions {
  readonly images: ImageStore;
  readonly disk: Pick<Disk, "list" | "makeFolder">;
  /** The folder of all volatile databases of the node. */
  readonly folder: string;
  readonly name: string;
  readonly pnn: Pnn;
  /** The epoch of the database; its file is another one than those of other epochs. */
  readonly since?: Version;
  /** Number of chains, as it is when a file is made; see RECORD_HASH_SIZE. */
  readonly hashSize?: number | undefined;
}

export type { StoredHead, StoredRecord };

/** Copies of one database in one daemon. Keys: a character U+0000 .. U+00FF for each byte. */
export class FileRecordStore {
  readonly #options: RecordStoreOptions;
  #file: RecordFile | undefined;
  #side = new RecordSide();
  /** Chains that are held, and how often. */
  readonly #held = new Map<number, number>();
  /** Chains in which somebody died, of which `tryLock` has not told yet. */
  readonly #died = new Set<number>();
  /** The key that was put into scratch last: its length, and its chain. */
  #keyLen = 0;
  #chain = 0;

  constructor(options: RecordStoreOptions) {
    this.#options = options;
    // Wrong names are refused before there is a life.
    recordFilePath(options.folder, options.name, options.pnn, 0n as Incarnation);
  }

  /** Jenkins hash of a key, u32; there need not be a file. */
  static hashOf(key: string): number {
    const { bytes } = threadMemory();
    for (let i = 0; i < key.length; i++) bytes[KEY_AT + i] = key.charCodeAt(i);
    return kernels().jenkins(KEY_AT, key.length) >>> 0;
  }

  /** Where the file of the present life is; undefined: there is no life yet. */
  get path(): string | undefined {
    return this.#path;
  }
  #path: string | undefined;

  /** Copies stored, and bytes that are kept for them beside the file. */
  get size(): { readonly records: number; readonly sideBytes: number; readonly fileBytes: number } {
    const { count: records, bytes: sideBytes } = this.#side;
    return { records, sideBytes, fileBytes: this.#file?.core.image.mapped ?? 0 };
  }

  /** Why there is no file in the present life; undefined: there is one, or no life yet. */
  get trouble(): CtdbxError | undefined {
    return this.#trouble;
  }
  #trouble: CtdbxError | undefined;
  #incarnation = 0n as Incarnation;

  /** A new, empty file for a new life, or `trouble`. Throws "exists" (one of this very life), "unsupported". */
  renew(incarnation: Incarnation): void {
    this.close();
    this.#side = new RecordSide();
    this.#path = undefined;
    this.#incarnation = incarnation;
    this.#make();
  }

  /** Tries again to make the file of the present life; true: it has one now. Throws as `renew`. */
  mend(): boolean {
    if (this.#trouble !== undefined) this.#make();
    return this.#file !== undefined;
  }

  #make(): void {
    const { images, disk, folder, name, pnn, since, hashSize } = this.#options;
    const path = recordFilePath(folder, name, pnn, this.#incarnation, since);
    if (images.exists(path)) throw new CtdbxError("exists", `Cannot make ${path}: it is there`);
    try {
      disk.makeFolder(folder);
      this.#file = RecordFile.make(images, path, hashSize);
      this.#path = path;
      this.#trouble = undefined;
      // Who has one of them mapped keeps it until it sees that the page of that life has ended.
      for (const file of disk.list(folder)) {
        const former = `${folder}/${file}`;
        if (former !== path && isRecordFile(file, name, pnn, since !== undefined)) {
          images.remove(former);
        }
      }
    } catch (error) {
      if (!(error instanceof CtdbxError) || !PASSING.has(error.code)) throw error;
      // A former file that keeps its name is in nobody's way.
      if (this.#file === undefined) this.#trouble = error;
    }
  }

  /** Tries the mutex of a key's chain; nested tries of one chain are had. `died`: whoever had it died in it. */
  tryLock(key: string): "had" | "died" | "busy" {
    // Nobody else has a file either.
    if (this.#trouble !== undefined) return "had";
    const file = this.#enter(key);
    const chain = this.#chain;
    const count = this.#held.get(chain);
    if (count === undefined) {
      const outcome = file.spinChain(chain);
      if (outcome === "busy") return "busy";
      if (outcome === "owner_died") this.#died.add(chain);
      if (!file.core.locks.tryFree()) {
        file.leaveChain(chain);
        return "busy";
      }
    }
    this.#held.set(chain, (count ?? 0) + 1);
    return this.#died.size > 0 && this.#died.delete(chain) ? "died" : "had";
  }

  /** Gives it back. Throws "state" when it is not held. */
  unlock(key: string): void {
    if (this.#trouble !== undefined) return;
    const file = this.#enter(key);
    const chain = this.#chain;
    const count = this.#held.get(chain);
    if (count === undefined) {
      throw new CtdbxError("state", `Cannot unlock chain ${chain} of ${this.#path}: not locked`);
    }
    if (count > 1) {
      this.#held.set(chain, count - 1);
      return;
    }
    this.#held.delete(chain);
    file.core.locks.unlockFree();
    file.leaveChain(chain);
  }

  /** The copy of a key. Outside of the mutex: as it was at some moment of the call. */
  get(key: string): StoredRecord | undefined {
    return this.#look(key, (file) => this.#read(file));
  }

  /** The same without its value, which is not copied. */
  head(key: string): StoredHead | undefined {
    return this.#look(key, (file) => this.#readHead(file));
  }

  #look<Seen>(key: string, read: (file: RecordFile) => Seen): Seen | StoredRecord | undefined {
    if (this.#file === undefined) return undefined;
    const file = this.#enter(key);
    const chain = this.#chain;
    if (this.#held.has(chain)) return read(file);
    const outcome = file.takeChain(chain);
    if (outcome === "busy") return this.#peek(file);
    if (outcome === "owner_died") this.#died.add(chain);
    try {
      return read(file);
    } finally {
      file.leaveChain(chain);
    }
  }

  /**
   * Stores a copy. Throws "busy" (not locked, and a client has the chain or the free list); "no_space", "limit" (of a
   * value that is not empty, and another than the one that is there); without a file, what its making met.
   */
  put(key: string, stored: StoredRecord): void {
    if (this.#trouble !== undefined) throw this.#trouble;
    this.#alone(key, (file) => {
      const keyLen = this.#keyLen;
      const hash = hashOf(file);
      const off = file.find(keyLen);
      const known = off === 0 ? NO_ENTRY : this.#indexAt(file, off, hash);
      const index = known === NO_ENTRY ? this.#side.take(hash) : known;
      try {
        file.withDraft(stored.data, (from, length) => {
          putHeader(file.core.memory.words, from >>> 2, headOf(stored, index));
          file.store(keyLen, from, length);
        });
      } catch (error) {
        if (!isRoomless(error) || !putInPlace(file, keyLen, headOf(stored, index), stored.data)) {
          if (known === NO_ENTRY) this.#side.drop(index);
          throw error;
        }
      }
      this.#side.set(index, stored);
    });
  }

  /** Forgets a copy. */
  drop(key: string): void {
    if (this.#trouble !== undefined) return;
    this.#alone(key, (file) => {
      const off = file.find(this.#keyLen);
      if (off === 0) return;
      const index = this.#indexAt(file, off, hashOf(file));
      file.remove(this.#keyLen);
      if (index !== NO_ENTRY) this.#side.drop(index);
    });
  }

  /** The process that has the mutex of a key's chain just now, if it is of its main thread; undefined: nobody. */
  holderOf(key: string): number | undefined {
    if (this.#file === undefined) return undefined;
    const holder = this.#enter(key).holderOf(this.#chain);
    return holder === 0 ? undefined : holder;
  }

  /**
   * The database is over, or this epoch of it, in a life that goes on: programs that have the file mapped find nothing
   * in it from now on, and it loses its name.
   */
  end(): void {
    const path = this.#path;
    this.#file?.markOver();
    this.close();
    this.#path = undefined;
    this.#trouble = undefined;
    if (path !== undefined) this.#options.images.remove(path);
  }

  /** Ends the use of the present file, which keeps its name. */
  close(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#held.clear();
    this.#died.clear();
  }

  /** Runs under the mutex, which is taken for it if it is not held. */
  #alone(key: string, run: (file: RecordFile) => void): void {
    const file = this.#enter(key);
    if (this.#held.has(this.#chain)) return run(file);
    if (this.tryLock(key) === "busy") {
      throw new CtdbxError("busy", `Cannot change ${this.#path}: chain ${this.#chain} is locked`);
    }
    try {
      run(file);
    } finally {
      this.unlock(key);
    }
  }

  /** Puts a key into scratch: `#keyLen`, `#chain`. Throws "state" before the first life, "limit". */
  #enter(key: string): RecordFile {
    const file = this.#file;
    if (file === undefined) {
      throw new CtdbxError("state", `Cannot use database ${this.#options.name}: it has no file`);
    }
    file.use();
    const { bytes } = file.core.memory;
    const keyLen = key.length;
    if (keyLen > KEY_MAX) throw tooLong("key", keyLen, "KEY_MAX", KEY_MAX);
    for (let i = 0; i < keyLen; i++) bytes[KEY_AT + i] = key.charCodeAt(i);
    this.#keyLen = keyLen;
    this.#chain = file.chainOf(keyLen);
    return file;
  }

  /** Under the mutex. */
  #read(file: RecordFile): StoredRecord | undefined {
    const off = file.find(this.#keyLen);
    if (off === 0) return undefined;
    const { bytes, words } = file.core.memory;
    file.kernel.recordHead(file.db, off, OUT_AT);
    const head = OUT_AT >>> 2;
    const address = words[head + HEAD.address] as number;
    const data = bytes.slice(address, address + (words[head + HEAD.length] as number));
    return decode(this.#side, words, head, data, hashOf(file));
  }

  /** Under the mutex. */
  #readHead(file: RecordFile): StoredHead | undefined {
    const off = file.find(this.#keyLen);
    if (off === 0) return undefined;
    const { words } = file.core.memory;
    file.kernel.recordHead(file.db, off, OUT_AT);
    const head = OUT_AT >>> 2;
    return decode(
      this.#side,
      words,
      head,
      { length: words[head + HEAD.length] as number },
      hashOf(file),
    );
  }

  /** Beside a client that has the mutex: looks until two looks agree. */
  #peek(file: RecordFile): StoredRecord | undefined {
    const { bytes, words, regions } = file.core.memory;
    const hash = hashOf(file);
    const keyLen = this.#keyLen;
    let at = VALUE_AT;
    let room = VALUE_ROOM;
    try {
      for (let look = 1; look <= PEEKS_MAX; look++) {
        const answer = file.kernel.recordPeek(file.db, KEY_AT, keyLen, at, room - 8) >>> 0;
        const length = words[at >>> 2] as number;
        if (answer >= OFFSET_MIN) {
          const data = bytes.slice(at + 8 + RECORD_HEADER, at + 8 + length);
          return decode(this.#side, words, (at + 8) >>> 2, data, hash);
        }
        if (answer === PEEK.none && look > REFRESH_EVERY) return undefined;
        if (answer === PEEK.long) {
          if (at !== VALUE_AT) regions.give(at, room);
          [at, room] = [VALUE_AT, VALUE_ROOM];
          const taken = regions.take(length + 8);
          if (taken !== undefined) [at, room] = [taken, length + 8];
        } else if (look % REFRESH_EVERY === 0) file.core.refresh();
      }
    } finally {
      if (at !== VALUE_AT) regions.give(at, room);
    }
    throw new CtdbxError("busy", `Cannot read ${this.#path}: a client changes it all the time`);
  }

  /** The entry of the record at `off`; NO_ENTRY: it has none. */
  #indexAt(file: RecordFile, off: number, hash: number): number {
    file.kernel.recordHead(file.db, off, OUT_AT);
    const index = file.core.memory.words[(OUT_AT + RECORD_AT.index) >>> 2] as number - 1;
    return this.#side.has(index, hash) ? index : NO_ENTRY;
  }
}

/** Hash of the key in scratch, as `#enter` had it made. */
function hashOf(file: RecordFile): number {
  return file.core.field(DB.hash);
}
