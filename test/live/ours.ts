/**
 * Our engine as a Session: the commands of peer.c that have a meaning for it, on any ImageStore.
 *
 * Answers are those of peer.c, so a scenario can compare the two word by word. Extra commands:
 * `strict` (check at its strictest), `withchain KEY` (holds a chain until `chainunlock`),
 * `header`.
 *
 * Does NOT promise: read locks of single chains; our engine has none.
 */

import { check } from "../../actors/storage/tdb_check.ts";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { openTdb, type TdbOptions } from "../../actors/storage/tdb_open.ts";
import type { ImageStore } from "../../transport/image.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import { FLAG, hex, type Session, unhex } from "./session.ts";

type Word = string | number;
const MODES = ["replace", "replace", "insert", "modify"] as const;

/** Our engine, driven by words. */
export class Ours implements Session {
  readonly name: string;
  readonly #store: ImageStore;
  #db: Tdb | undefined;

  constructor(store: ImageStore, name = "ours") {
    this.#store = store;
    this.name = name;
  }

  /** The open database, for what words cannot say. */
  get db(): Tdb {
    if (this.#db === undefined) throw new Error("no database is open");
    return this.#db;
  }

  async ask(...words: Word[]): Promise<string> {
    try {
      const answer = await this.#run(words.map(String));
      return answer === "" ? "ok" : `ok ${answer}`;
    } catch (error) {
      if (error instanceof CorruptError) return `err corrupt ${error.kind} ${error.message}`;
      if (error instanceof CtdbxError) return `err ${error.code} ${error.message}`;
      throw error;
    }
  }

  async #run(words: string[]): Promise<string> {
    const [name = ""] = words;
    if (name === "open") return await this.#open(words);
    if (name === "close") {
      this.db.close();
      this.#db = undefined;
      return "";
    }
    return this.#record(words) ?? await this.#lock(words) ?? await this.#whole(name);
  }

  async #open([, path = "", mode, flagWord, hashSize, maxDead]: string[]): Promise<string> {
    this.#db?.close();
    this.#db = undefined;
    this.#db = await openTdb(this.#store, path, {
      ...optionsOf(Number(flagWord)),
      create: mode === "c",
      readOnly: mode === "r",
      hashSize: Number(hashSize),
      maxDead: Number(maxDead),
    });
    return "";
  }

  #record([name, first = "-", second = "-", mode]: string[]): string | undefined {
    const db = this.db;
    const key = unhex(first);
    if (name === "store") db.store(key, unhex(second), MODES[Number(mode)] ?? "replace");
    else if (name === "append") db.append(key, unhex(second));
    else if (name === "delete") {
      if (!db.delete(key)) throw new CtdbxError("not_found", "no such record");
    } else if (name === "exists") return db.exists(key) ? "1" : "0";
    else if (name === "fetch") return bytesOrNone(db.fetch(key));
    else if (name === "first") return bytesOrNone(db.firstKey());
    else if (name === "next") return bytesOrNone(db.nextKey(key));
    else return undefined;
    return "";
  }

  async #lock([name, word = "-"]: string[]): Promise<string | undefined> {
    const db = this.db;
    const key = unhex(word);
    if (name === "chainlock") await db.lockChain(key);
    else if (name === "chainlock_nb") mustHave(db.tryLockChain(key));
    else if (name === "chainunlock") db.unlockChain(key);
    else if (name === "lockall") await db.lockAll("write");
    else if (name === "lockall_nb") mustHave(db.tryLockAll("write"));
    else if (name === "lockall_read") await db.lockAll("read");
    else if (name === "lockall_read_nb") mustHave(db.tryLockAll("read"));
    else if (name === "unlockall" || name === "unlockall_read") db.unlockAll();
    else return undefined;
    return "";
  }

  async #whole(name: string): Promise<string> {
    const db = this.db;
    if (name === "begin") await db.begin();
    else if (name === "prepare") await db.prepare();
    else if (name === "commit") await db.commit();
    else if (name === "cancel") db.cancel();
    else if (name === "wipe") await db.wipe();
    else if (name === "repack") await db.repack();
    else if (name === "seqnum") return String(db.sequenceNumber());
    else if (name === "mapsize") return String(db.size);
    else if (name === "traverse" || name === "traverse_read") {
      return await this.#traverse(name === "traverse");
    } else if (name === "check" || name === "strict") await wantSound(db, name === "strict");
    else throw new RangeError(`unknown command ${name}`);
    return "";
  }

  async #traverse(write: boolean): Promise<string> {
    const words: string[] = [];
    const count = await this.db.traverse((record) => {
      words.push(`${hex(record.key())}=${hex(record.value())}`);
    }, { write });
    return [...words, count].join(" ");
  }
}

function optionsOf(flags: number): TdbOptions {
  const has = (flag: number) => (flags & flag) !== 0;
  const jenkins = has(FLAG.INCOMPATIBLE_HASH) || has(FLAG.MUTEX_LOCKING);
  return {
    hash: jenkins ? "jenkins" : "old",
    byteOrder: has(FLAG.CONVERT) ? "big" : "little",
    clearIfFirst: has(FLAG.CLEAR_IF_FIRST),
    seqnum: has(FLAG.SEQNUM),
    noSync: has(FLAG.NOSYNC),
    ...(has(FLAG.NOLOCK) ? { locking: "none" } : {}),
    ...(has(FLAG.MUTEX_LOCKING) ? { locking: "mutex" } : {}),
  };
}

function bytesOrNone(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) throw new CtdbxError("not_found", "no such record");
  return hex(bytes);
}

function mustHave(taken: boolean): void {
  if (!taken) throw new CtdbxError("busy", "held elsewhere");
}

/** Throws "corrupt" with everything that check() finds. */
export async function wantSound(db: Tdb, strict: boolean): Promise<void> {
  const report = await check(db, { strict });
  if (report.ok) return;
  const first = report.problems[0];
  const texts = report.problems.slice(0, 5).map((p) => `${p.kind} at ${p.offset}: ${p.text}`);
  throw new CorruptError(first?.kind ?? "header", first?.offset ?? 0, texts.join("; "));
}
