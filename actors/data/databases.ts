/**
 * The databases that this node hosts: all volatile ones of the document, each in its epoch.
 *
 *   life ─▶ every machine                view ─▶ went, or another epoch: ended; stays: adopted; new: made, then adopted
 *
 * A new epoch is another database with another file; the one before has ended, for programs that have it mapped, too,
 * before the page can be valid again.
 *
 * One whose file cannot be made is home of its slots all the same, keeps no records here, and gets its file later.
 *
 * Does NOT promise: a file before there is a life and a number of the node.
 */
import type { DbCfg, Document } from "../../transport/wire/messages/document.ts";
import type { RecordBatch } from "../../transport/wire/record_layout.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type {
  DbId,
  Generation,
  Incarnation,
  NodeId,
  Pnn,
  Version,
} from "../../transport/wire/terms.ts";
import type { ImageStore } from "../../transport/image.ts";
import type { Disk } from "../../transport/world.ts";
import { FileRecordStore } from "../storage/record_store.ts";
import { Database, type DatabaseParts } from "./database.ts";
import { hasData, pnnOf } from "./peers.ts";
import { Recoveries } from "./recovery.ts";
import { attachedOf } from "./settings.ts";
import type { RecoveryReport } from "./types.ts";

/** What they need. */
export interface DatabasesParts extends Omit<DatabaseParts, "store"> {
  readonly nodeId: NodeId;
  /** Of the files. */
  readonly folder: string;
  readonly disk: Disk;
  readonly images: ImageStore;
}

/** A database came, or went. */
export interface DatabasesNews {
  readonly what: "came" | "went";
  readonly database: Database;
  /** It went as it was emptied: another epoch of it comes at once. */
  readonly isEmptied?: boolean;
}

/** A batch of another epoch is asked about so often, ms. */
const ASK_MS = 60;
/** A file that could not be made is tried again so often, ms. */
export const MEND_MS = 1000;

/** Those of one node. */
export class Databases {
  readonly #parts: DatabasesParts;
  readonly #byId = new Map<DbId, Database>();
  readonly #listeners = new Set<(news: DatabasesNews) => void>();
  #incarnation: Incarnation | undefined;
  #doc: Document | undefined;
  #askedMs = -Infinity;
  readonly #recoveries = new Recoveries();
  readonly #stores = new Map<Database, FileRecordStore>();
  #endMending: (() => void) | undefined;

  constructor(parts: DatabasesParts) {
    this.#parts = parts;
  }

  /** All of them, in the order of the document. */
  all(): Database[] {
    return [...this.#byId.values()];
  }

  get(name: string): Database | undefined {
    for (const database of this.#byId.values()) if (database.cfg.name === name) return database;
    return undefined;
  }

  /** Throws "not_found". */
  must(name: string): Database {
    const database = this.get(name);
    if (database !== undefined) return database;
    const known = this.all().map(({ cfg }) => cfg.name);
    const words = known.length === 0 ? "there is none" : `known are ${known.join(", ")}`;
    throw new CtdbxError("not_found", `Cannot find database ${name} at this node: ${words}`);
  }

  /** The generation that all machines have adopted: that of the document that was told last. */
  get generation(): Generation {
    return this.#doc?.generation ?? 0n as Generation;
  }

  /** What the last views cost; the last one may be under way. */
  recoveries(): RecoveryReport[] {
    const views = this.all().map((one) => ({ name: one.cfg.name, views: one.views() }));
    return this.#recoveries.reports(views, this.#parts.clock.nowMs());
  }

  /** What this node, as home, knows to be at another still. */
  leftAt(pnn: Pnn): number {
    return this.all().reduce((sum, database) => sum + database.leftAt(pnn), 0);
  }

  /** Tells of comings and goings; answers how to end it. */
  watch(listener: (news: DatabasesNews) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A new life: all have new, empty files when this returns. */
  life(incarnation: Incarnation): void {
    this.#incarnation = incarnation;
    this.#doc = undefined;
    for (const database of this.#byId.values()) {
      this.#recoveries.keep({ name: database.cfg.name, views: database.views() });
      database.life(incarnation);
    }
    this.#mendSoon();
  }

  /** A document is in force: all have adopted it when this returns. */
  view(doc: Document): void {
    const incarnation = this.#incarnation;
    const pnn = pnnOf(doc, this.#parts.nodeId);
    if (incarnation === undefined) return;
    const { clock } = this.#parts;
    const beganMs = clock.nowMs();
    this.#doc = doc;
    const wanted = hasData(doc) && pnn !== undefined
      ? doc.dbs.filter(({ kind }) => kind === "volatile")
      : [];
    const news: DatabasesNews[] = [];
    for (const [dbId, database] of this.#byId) {
      const cfg = wanted.find((one) => one.dbId === dbId);
      if (cfg !== undefined && sinceOf(cfg) === database.since) {
        database.view(doc, cfg);
        continue;
      }
      this.#byId.delete(dbId);
      this.#stores.delete(database);
      this.#recoveries.keep({ name: database.cfg.name, views: database.views() });
      const isEmptied = cfg !== undefined && attachedOf(cfg) === attachedOf(database.cfg);
      database.end(isEmptied ? "the database was wiped" : "the database was detached");
      news.push({ what: "went", database, isEmptied });
    }
    for (const cfg of wanted) {
      if (this.#byId.has(cfg.dbId) || pnn === undefined) continue;
      const database = this.#make(cfg, pnn);
      this.#byId.set(cfg.dbId, database);
      database.life(incarnation);
      database.view(doc, cfg);
      database.wake();
      news.push({ what: "came", database });
    }
    const made = news.flatMap(({ what, database }) => what === "came" ? [database.cfg.name] : []);
    this.#recoveries.adopted(doc, made, beganMs, clock.nowMs());
    this.#mendSoon();
    for (const one of news) for (const listener of [...this.#listeners]) listener(one);
  }

  #make(cfg: DbCfg, pnn: Pnn): Database {
    const { disk, images, folder } = this.#parts;
    const { name, hashSize } = cfg;
    const since = sinceOf(cfg);
    const store = new FileRecordStore({ images, disk, folder, name, pnn, since, hashSize });
    const database = new Database(cfg, { ...this.#parts, store });
    this.#stores.set(database, store);
    return database;
  }

  /** Has files that could not be made tried again, as long as there are any. */
  #mendSoon(): void {
    const stores = [...this.#stores.values()];
    if (this.#endMending !== undefined || stores.every((one) => one.trouble === undefined)) return;
    const { clock, onFailure } = this.#parts;
    this.#endMending = clock.after(MEND_MS, () => {
      this.#endMending = undefined;
      try {
        for (const store of this.#stores.values()) store.mend();
      } catch (error) {
        return onFailure(error);
      }
      this.#mendSoon();
    });
  }

  /** The page may have changed. */
  wake(): void {
    for (const database of this.#byId.values()) database.wake();
  }

  /** A batch for one of them; false: it is of a newer document, which should be asked for now. */
  take({ dbId, since, by, to, generation, messages }: RecordBatch): boolean {
    const database = this.#byId.get(dbId);
    if (database?.since === since) {
      database.take(by, to, generation, messages);
      return true;
    }
    // What an epoch before had to say is of no use any more.
    const isNewer = since > (database?.since ?? this.#doc?.version ?? 0n);
    const nowMs = this.#parts.clock.nowMs();
    if (!isNewer || nowMs < this.#askedMs + ASK_MS) return true;
    this.#askedMs = nowMs;
    return false;
  }

  /** The thread ends. */
  stop(why: string): void {
    this.#endMending?.();
    this.#stores.clear();
    for (const database of this.#byId.values()) database.stop(why);
  }
}

function sinceOf({ since }: DbCfg): Version {
  return since ?? 0n as Version;
}
