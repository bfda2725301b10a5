/**
 * The persistent and replicated databases that this node hosts: all of the document, each in its epoch, with its files
 * in a folder of its own.
 *
 *   FOLDER/persistent/NAME.SINCE/NAME.tdb ...     FOLDER/replicated/NAME.SINCE/...: of one life only
 *   off the list, or emptied: closed, and its files are moved to FOLDER/trash/NAME.SINCE: nothing is lost in silence
 *
 * Does NOT promise: to remove anything from the trash; people do.
 */
import type { ImageStore } from "../../transport/image.ts";
import type { CommitBatch } from "../../transport/wire/commit_layout.ts";
import type { DbCfg, Document } from "../../transport/wire/messages/document.ts";
import type { DbId, Incarnation, NodeId, Pnn, Version } from "../../transport/wire/terms.ts";
import type { Clock, Disk, FileSync, Log } from "../../transport/world.ts";
import { UnsyncedImages } from "../storage/commit_unsynced.ts";
import { type CommitTiming, defaultCommitTiming } from "../machines/commit/tunables.ts";
import { isLostName } from "../storage/commit_lost.ts";
import { CommitCouncil, type CouncilParts } from "./commit_council.ts";
import { hasCommits } from "./commit_config.ts";
import { CommitDatabase } from "./commit_database.ts";
import type { CommitLeader } from "./commit_parts.ts";
import type { CommitMail } from "./commit_mail.ts";
import { CommitScrubbing, type ScrubSettings } from "./commit_scrubbing.ts";
import { hasData, pnnOf } from "./peers.ts";
import { attachedOf } from "./settings.ts";
import { setAside } from "../storage/commit_mend.ts";
import type { DatabaseNews, DatabaseStats } from "./types.ts";

/** What may be set of all of them; what is missing is as delivered. */
export interface CommitSettings {
  readonly timing?: CommitTiming;
  /** Bytes of a new segment of a log, a multiple of 512. */
  readonly segmentBytes?: number;
  readonly scrub?: ScrubSettings;
}

/** What they need. */
export interface CommitDatabasesParts {
  readonly nodeId: NodeId;
  /** Of the node's durable state; undefined: this node keeps none. */
  readonly folder: string | undefined;
  readonly disk: Disk;
  readonly images: ImageStore;
  readonly syncs: FileSync | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** A u64 by chance. */
  readonly random: () => bigint;
  readonly settings: CommitSettings;
  readonly mail: () => CommitMail;
  /** For people: what was found damaged, and what was mended. */
  readonly tell: (what: "damaged" | "mended", text: string) => void;
  readonly propose: CouncilParts["propose"];
}

/** Who leads: the one with this number; `isOwn`: this node. */
export interface CommitLead extends CommitLeader {
  readonly isOwn: boolean;
}

/** A node tells the leader of its copies so often, ms. */
export const HELLO_MS = 250;

/** Those of one node. */
export class CommitDatabases {
  readonly council: CommitCouncil;
  readonly #parts: CommitDatabasesParts;
  readonly #byId = new Map<DbId, CommitDatabase>();
  readonly #scrubbing: CommitScrubbing;
  readonly #listeners = new Set<(news: DatabaseNews) => void>();
  /** Those that can be used, or are known to be of no use. */
  readonly #come = new Set<CommitDatabase>();
  #incarnation: Incarnation | undefined;
  #doc: Document | undefined;
  #lead: CommitLead | undefined;
  #endHello: (() => void) | undefined;
  #isStopped = false;

  constructor(parts: CommitDatabasesParts) {
    this.#parts = parts;
    const { clock, log, random, propose } = parts;
    this.#scrubbing = new CommitScrubbing({
      clock,
      databases: () => this.all(),
      settings: parts.settings.scrub ?? {},
    });
    this.council = new CommitCouncil({ clock, log, random, propose, doc: () => this.#doc });
  }

  /** All of them, also those whose storage is being opened. */
  all(): CommitDatabase[] {
    return [...this.#byId.values()];
  }

  /** How they are, with what the leader, if it is this node, waits for. */
  stats(): DatabaseStats[] {
    return this.all().map((database) => {
      const stats = database.stats();
      const waits = this.council.waitOf(database.cfg.dbId);
      if (waits === undefined || stats.commit === undefined) return stats;
      return { ...stats, commit: { ...stats.commit, waits } };
    });
  }

  /** One that can be used. */
  get(name: string): CommitDatabase | undefined {
    for (const database of this.#come) if (database.cfg.name === name) return database;
    return undefined;
  }

  /** Tells of comings and goings; answers how to end it. */
  watch(listener: (news: DatabaseNews) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A new life. */
  life(incarnation: Incarnation): void {
    this.#incarnation = incarnation;
    this.#doc = undefined;
    this.council.lead(undefined);
    for (const database of this.all()) database.pause("the node began a new life");
    // Each begins it when a document says which number the node has.
  }

  /** A document is in force. */
  view(doc: Document): void {
    const { nodeId } = this.#parts;
    const pnn = pnnOf(doc, nodeId);
    const isFirst = this.#doc === undefined;
    this.#doc = doc;
    if (this.#incarnation === undefined || this.#isStopped) return;
    const wanted = hasData(doc) && pnn !== undefined && this.#parts.folder !== undefined
      ? doc.dbs.filter(hasCommits)
      : [];
    for (const database of this.all()) {
      const cfg = wanted.find(({ dbId }) => dbId === database.cfg.dbId);
      if (cfg === undefined || sinceOf(cfg) !== database.since) this.#end(database, cfg);
    }
    if (pnn === undefined) return;
    for (const cfg of wanted) {
      const known = this.#byId.get(cfg.dbId);
      const database = known ?? this.#make(cfg);
      database.config(doc, cfg, this.#lead);
      if (known === undefined || isFirst) database.life(pnn, this.#incarnation);
    }
    if (isFirst) this.#tidy(doc);
    this.#scrubbing.start();
    if (this.#lead?.isOwn === true) this.council.lead(this.#lead.token);
    this.#helloSoon();
  }

  /** Who leads, by the main thread. */
  lead(lead: CommitLead | undefined): void {
    this.#lead = lead;
    this.council.lead(lead?.isOwn === true && this.#doc !== undefined ? lead.token : undefined);
    const doc = this.#doc;
    if (doc === undefined) return;
    for (const database of this.all()) database.config(doc, database.cfg, lead);
    this.#helloSoon(0);
  }

  /** A batch for one of them, or for the leader. */
  take({ by, dbId, since, messages }: CommitBatch): void {
    const database = this.#byId.get(dbId);
    if (database?.since === since) database.take(by, messages);
    for (const message of messages) {
      if (message.kind === "hello") this.council.onHello(by, dbId, since, message);
      else if (message.kind === "want_isr") this.council.onWish(by, dbId, since, message);
    }
  }

  /** A program's connection has ended. */
  clientDied(client: number): void {
    for (const database of this.all()) database.clientDied(client);
  }

  /** The thread ends. */
  async stop(why: string): Promise<void> {
    this.#isStopped = true;
    this.#scrubbing.stop();
    this.council.stop();
    this.#endHello?.();
    await Promise.all(this.all().map((database) => database.end(why)));
  }

  // --- coming and going

  #make(cfg: DbCfg): CommitDatabase {
    const { images, disk, clock, syncs, random, log, settings, nodeId, mail } = this.#parts;
    const { timing = defaultCommitTiming(), scrub: _, ...rest } = settings;
    const isReplicated = cfg.kind === "replicated";
    const folder = `${this.#parts.folder}/${cfg.kind}/${cfg.name}.${sinceOf(cfg)}`;
    const path = `${folder}/${cfg.name}.tdb`;
    const { hashSize } = cfg;
    const options = { ...rest, ...hashSize === undefined ? {} : { hashSize } };
    const database = new CommitDatabase(cfg, {
      ...{ nodeId, clock, log, timing },
      nameOf: (pnn) => this.#doc?.nodes.find((node) => node.pnn === pnn)?.name ?? `node ${pnn}`,
      setAside: () => this.#setAside(folder, cfg.name),
      tell: ({ cfg: { name } }, what, text) => {
        log.write("warning", `Database ${name}: ${text}`);
        this.#parts.tell(what, `database ${name}: ${text}`);
      },
      // What is in memory is enough for a replicated one.
      disk: {
        images: isReplicated ? new UnsyncedImages(images) : images,
        path,
        clock,
        syncs,
        isReplicated,
        options,
        random,
      },
      send: ({ cfg: { dbId }, since }, by, to, messages) => {
        mail().send(to, { dbId, since, by, messages });
      },
      beforeOpen: () => {
        disk.makeFolder(folder);
        // What a former life had in memory is gone, by promise.
        if (isReplicated) this.#empty(folder);
      },
      onCame: (one) => this.#came(one),
    });
    this.#byId.set(cfg.dbId, database);
    return database;
  }

  #came(database: CommitDatabase): void {
    if (this.#byId.get(database.cfg.dbId) !== database) return;
    this.#come.add(database);
    this.#tell({ what: "came", database });
  }

  #end(database: CommitDatabase, next: DbCfg | undefined): void {
    this.#byId.delete(database.cfg.dbId);
    const hadCome = this.#come.delete(database);
    const isEmptied = next !== undefined && attachedOf(next) === attachedOf(database.cfg);
    const { name, kind } = database.cfg;
    void database.end(isEmptied ? "the database was wiped" : "the database was detached").then(() =>
      this.#trash(kind, `${name}.${database.since}`)
    );
    if (hadCome) this.#tell({ what: "went", database, isEmptied });
  }

  #tell(news: DatabaseNews): void {
    for (const listener of [...this.#listeners]) listener(news);
  }

  // --- folders

  /** All but branches that were cut off: those are kept for people. */
  #empty(folder: string): void {
    const { disk, images } = this.#parts;
    for (const file of disk.list(folder)) {
      if (!isLostName(file)) images.remove(`${folder}/${file}`);
    }
  }

  /** Files that cannot be used, and that another copy takes the place of. Answers where they are now. */
  #setAside(from: string, name: string): string {
    const { disk, images } = this.#parts;
    const path = `${from}/${name}.tdb`;
    const base = `${this.#parts.folder}/trash/${from.slice(from.lastIndexOf("/") + 1)}.damaged`;
    let count = 1;
    while (disk.list(`${base}${count}`).length > 0) count++;
    const to = `${base}${count}`;
    disk.makeFolder(to);
    const ends = disk.list(from).filter((file) => file.startsWith(`${name}.tdb`))
      .map((file) => file.slice(`${name}.tdb`.length));
    setAside(images, path, `${to}/${name}.tdb`, ends);
    return to;
  }

  /** What a node finds that no document has any more went while it was away. */
  #tidy(doc: Document): void {
    const { folder, disk } = this.#parts;
    if (folder === undefined) return;
    for (const kind of ["persistent", "replicated"] as const) {
      for (const name of disk.list(`${folder}/${kind}`)) {
        const since = /\.([0-9]{1,20})$/.exec(name)?.[1];
        // One of a newer document than this one is not gone: this one is old.
        if (since === undefined || BigInt(since) > doc.version) continue;
        const isKnown = doc.dbs.some((cfg) =>
          cfg.kind === kind && `${cfg.name}.${sinceOf(cfg)}` === name
        );
        if (!isKnown) this.#trash(kind, name);
      }
    }
  }

  #trash(kind: DbCfg["kind"], name: string): void {
    const { folder, disk, images, log } = this.#parts;
    const from = `${folder}/${kind}/${name}`;
    const to = `${folder}/trash/${name}`;
    try {
      const files = disk.list(from);
      if (files.length === 0) return;
      if (kind === "replicated") return this.#empty(from);
      disk.makeFolder(to);
      for (const file of files) images.rename(`${from}/${file}`, `${to}/${file}`);
      log.write("info", `The files of a database that is gone were moved to ${to}`);
    } catch (error) {
      // They stay where they are, and the next start tries again.
      log.write("warning", `The files in ${from} cannot be moved`, { error });
    }
  }

  // --- the leader

  #helloSoon(delayMs: number = HELLO_MS): void {
    if (this.#endHello !== undefined && delayMs > 0) return;
    this.#endHello?.();
    this.#endHello = undefined;
    if (this.#byId.size === 0 || this.#isStopped) return;
    this.#endHello = this.#parts.clock.after(delayMs, () => {
      this.#endHello = undefined;
      this.#hello();
      this.#helloSoon();
    });
  }

  #hello(): void {
    const lead = this.#lead;
    const doc = this.#doc;
    const incarnation = this.#incarnation;
    if (lead === undefined || doc === undefined || incarnation === undefined) return;
    const pnn = pnnOf(doc, this.#parts.nodeId);
    if (pnn === undefined) return;
    const by = { pnn, incarnation };
    for (const { cfg: { dbId }, since, ...database } of this.all().map(helloOf)) {
      if (database.hello === undefined) continue;
      const message = { kind: "hello" as const, ...database.hello };
      if (lead.isOwn) this.council.onHello(by, dbId, since, message);
      else this.#parts.mail().send(lead.pnn as Pnn, { dbId, since, by, messages: [message] });
    }
  }
}

function helloOf(database: CommitDatabase) {
  const { cfg, since } = database;
  return { cfg, since, hello: database.hello() };
}

function sinceOf({ since }: DbCfg): Version {
  return since ?? 0n as Version;
}
