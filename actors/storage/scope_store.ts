/**
 * The files of a node's metadata scopes: one TDB file each, changed in transactions.
 *
 *   load:   file ──▶ check, records ──▶ everything;   none, or damaged: removed, undefined
 *   save:   one transaction: wipe?, put, drop, head ──▶ on the disk
 *   forget: closed and removed
 *
 * So a file is always its scope as it was at one time, and one that cannot be used is none: what it held is had again
 * from other nodes. What is asked of one scope is done in the order in which it was asked.
 *
 * Does NOT promise: that the folder is there; its owner makes it. One process uses it at a time.
 */
import type { ImageStore } from "../../transport/image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import {
  decodeHead,
  decodeRecord,
  encodeHead,
  encodeKey,
  encodeRecord,
  HEAD_KEY,
  type ScopeHead,
  type StoredRecord,
} from "./scope_codec.ts";
import type { Tdb } from "./tdb.ts";
import { check } from "./tdb_check.ts";
import { openTdb } from "./tdb_open.ts";

/** Files that stay open; the one that was used longest ago is closed for another. */
export const OPEN_MAX = 64;
/** Chains of a file: scopes have tens of records, seldom thousands. */
const HASH_SIZE = 127;
/** Smallest recovery area of a file, bytes: a save is small. */
const AREA_MIN = 8192;

/** Everything in the file of a scope. */
export interface ScopeFile extends ScopeHead {
  readonly records: readonly StoredRecord[];
}

/** What a save changes. */
export interface ScopeChange extends ScopeHead {
  /** Remove what is there first. */
  readonly wipe: boolean;
  readonly put: readonly StoredRecord[];
  readonly drop: readonly string[];
}

/** The scopes of one node. */
export class ScopeStore {
  readonly #images: ImageStore;
  readonly #folder: string;
  readonly #onLost: (scope: string, error: CtdbxError) => void;
  /** Open files, the one used last at the end. */
  readonly #open = new Map<string, Tdb>();
  /** The end of what is asked of each scope. */
  readonly #turns = new Map<string, Promise<unknown>>();
  #closed = false;

  /** `onLost` hears of files that were there and could not be used. */
  constructor(
    images: ImageStore,
    folder: string,
    onLost: (scope: string, error: CtdbxError) => void = () => {},
  ) {
    this.#images = images;
    this.#folder = folder;
    this.#onLost = onLost;
  }

  /** Reads the file of a scope. Undefined: there is none, or it was damaged and is removed. Throws "io", "denied". */
  load(scope: string): Promise<ScopeFile | undefined> {
    return this.#inTurn(scope, async () => {
      if (!this.#images.exists(this.#pathOf(scope))) return undefined;
      try {
        return await this.#read(scope, await this.#file(scope));
      } catch (error) {
        if (!isUnusable(error)) throw error;
        this.#onLost(scope, error);
        this.#remove(scope);
        return undefined;
      }
    });
  }

  /** Changes the file of a scope, all or nothing; resolved: it is on the disk. Throws "no_space", "io", "denied" ... */
  save(scope: string, change: ScopeChange): Promise<void> {
    return this.#inTurn(scope, async () => {
      try {
        await this.#write(scope, change);
      } catch (error) {
        this.#closeFile(scope);
        if (!change.wipe || !isUnusable(error)) throw error;
        // What was there was to go anyway.
        this.#onLost(scope, error);
        this.#remove(scope);
        await this.#write(scope, change);
      }
    });
  }

  /** Removes the file of a scope. */
  forget(scope: string): Promise<void> {
    return this.#inTurn(scope, () => Promise.resolve(this.#remove(scope)));
  }

  /** Waits for what was asked, then closes all files. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#turns.values());
    for (const scope of [...this.#open.keys()]) this.#closeFile(scope);
  }

  /** Does something after all that was asked of this scope before. */
  async #inTurn<T>(scope: string, work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new CtdbxError("state", "Cannot use the metadata files: closed");
    const turn = (this.#turns.get(scope) ?? Promise.resolve()).then(work, work);
    this.#turns.set(scope, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(scope) === turn) this.#turns.delete(scope);
      this.#closeSpare();
    }
  }

  async #file(scope: string): Promise<Tdb> {
    const known = this.#open.get(scope);
    if (known !== undefined) {
      this.#open.delete(scope);
      this.#open.set(scope, known);
      return known;
    }
    const options = { create: true, hashSize: HASH_SIZE, areaMin: AREA_MIN };
    const made = await openTdb(this.#images, this.#pathOf(scope), options);
    this.#open.set(scope, made);
    return made;
  }

  /** Closes files beyond OPEN_MAX that nobody uses now. */
  #closeSpare(): void {
    for (const scope of [...this.#open.keys()]) {
      if (this.#open.size <= OPEN_MAX) return;
      if (!this.#turns.has(scope)) this.#closeFile(scope);
    }
  }

  async #read(scope: string, tdb: Tdb): Promise<ScopeFile> {
    const { ok } = await check(tdb);
    if (!ok) throw new CtdbxError("corrupt", `Cannot read ${tdb.path}: damaged`);
    let head: ScopeHead | undefined;
    const records: StoredRecord[] = [];
    await tdb.traverse((record) => {
      const key = record.key();
      if (key.length === 1 && key[0] === HEAD_KEY[0]) head = decodeHead(record.value());
      else records.push(decodeRecord(scope, key, record.value()));
    });
    if (head === undefined) throw new CtdbxError("corrupt", `Cannot read ${tdb.path}: no head`);
    return { ...head, records };
  }

  async #write(scope: string, change: ScopeChange): Promise<void> {
    const tdb = await this.#file(scope);
    await tdb.transaction(async () => {
      if (change.wipe) await tdb.wipe();
      for (const record of change.put) {
        const key = encodeKey(record.key);
        tdb.store(key, encodeRecord(key, record));
      }
      for (const key of change.drop) tdb.delete(encodeKey(key));
      tdb.store(HEAD_KEY, encodeHead(change));
    });
  }

  #remove(scope: string): void {
    this.#closeFile(scope);
    this.#images.remove(this.#pathOf(scope));
  }

  #closeFile(scope: string): void {
    this.#open.get(scope)?.close();
    this.#open.delete(scope);
  }

  #pathOf(scope: string): string {
    return `${this.#folder}/${scopeFileName(scope)}`;
  }
}

/** The name of a scope's file: c.tdb, d-NAME.tdb, n-ID.tdb. Throws RangeError on what is no scope. */
export function scopeFileName(scope: string): string {
  if (!/^(?:c|d\/[A-Za-z0-9._-]{1,127}|n\/[0-9a-f]{32})$/.test(scope)) {
    throw new RangeError(`Cannot name a file: ${scope} is no scope`);
  }
  return `${scope.replace("/", "-")}.tdb`;
}

/** Is the file itself at fault, so that nothing better can be done than to do without it? */
function isUnusable(error: unknown): error is CtdbxError {
  return error instanceof CtdbxError && ["corrupt", "truncated", "version"].includes(error.code);
}
