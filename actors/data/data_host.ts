/**
 * The data thread as those who serve programs see it.
 *
 *   attach ─▶ here already? ─▶ main thread ─▶ leader ─▶ document ─▶ view ─▶ here
 *
 * Does NOT promise: that a program is told at once what changes; whoever serves it sees to that.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { DbCfg, Document } from "../../transport/wire/messages/document.ts";
import type { Generation, Incarnation } from "../../transport/wire/terms.ts";
import type { Clock } from "../../transport/world.ts";
import type { DataAsks } from "../data_link.ts";
import type { Messages } from "../messages.ts";
import type { CommitDatabases } from "./commit_databases.ts";
import type { Databases } from "./databases.ts";
import type { LockDesk } from "./lock_desk.ts";
import type { Procedures } from "./procedures.ts";
import type { Watches } from "./watches.ts";
import type {
  AttachOptions,
  DatabaseHost,
  DatabaseNews,
  DataHost,
  DataNode,
  DataStart,
  ExternalProcedure,
  WatchEvent,
  WatchWish,
} from "./types.ts";

/** What it needs. */
export interface HostParts {
  readonly start: DataStart;
  readonly clock: Clock;
  readonly messages: Messages;
  readonly databases: Databases;
  /** The persistent and replicated ones. */
  readonly commits: CommitDatabases;
  readonly procedures: Procedures;
  readonly watches: Watches;
  readonly asks: DataAsks;
  readonly locks: LockDesk;
  readonly life: () => Incarnation | undefined;
  readonly doc: () => Document | undefined;
  readonly isServing: () => boolean;
}

/** One node's. */
export class Host implements DataHost {
  readonly #parts: HostParts;
  #nextClient = 1;
  #node: { readonly doc: Document | undefined; readonly node: DataNode } | undefined;

  constructor(parts: HostParts) {
    this.#parts = parts;
  }

  get messages(): Messages {
    return this.#parts.messages;
  }

  get locks(): LockDesk {
    return this.#parts.locks;
  }

  get resources(): DataAsks["resource"] {
    return this.#parts.asks.resource;
  }

  /** Asked for with each message of a program: made when the document or the life is another one. */
  get node(): DataNode {
    const doc = this.#parts.doc();
    const incarnation = this.#parts.life();
    const known = this.#node;
    if (known !== undefined && known.doc === doc && known.node.incarnation === incarnation) {
      return known.node;
    }
    const node = this.#makeNode(doc, incarnation);
    this.#node = { doc, node };
    return node;
  }

  #makeNode(doc: Document | undefined, incarnation: Incarnation | undefined): DataNode {
    const { start, isServing } = this.#parts;
    const { nodeId, cluster, pagePath, folder } = start;
    const nodes = doc?.nodes ?? [];
    const own = nodes.find((node) => node.nodeId === nodeId);
    return {
      nodeId,
      name: own?.name ?? start.name,
      cluster,
      pnn: own?.pnn,
      incarnation,
      generation: doc?.generation ?? 0n as Generation,
      get isServing() {
        return isServing();
      },
      members: doc?.view.members ?? [],
      nodes,
      pagePath,
      folder,
    };
  }

  databases(): readonly DbCfg[] {
    return this.#parts.doc()?.dbs ?? [];
  }

  database(name: string): DatabaseHost | undefined {
    return this.#parts.databases.get(name) ?? this.#parts.commits.get(name);
  }

  async attach(name: string, options: AttachOptions, deadlineMs: number): Promise<DatabaseHost> {
    const { asks, clock } = this.#parts;
    const known = this.database(name);
    if (known !== undefined) return known;
    const leftMs = () => Math.max(0, deadlineMs - clock.nowMs());
    // Whether it is there, and of that kind, the leader knows.
    await asks.attach(name, options, leftMs());
    return await this.#here(name, leftMs());
  }

  /** Waits until a database is here. */
  #here(name: string, waitMs: number): Promise<DatabaseHost> {
    const known = this.database(name);
    if (known !== undefined) return Promise.resolve(known);
    const { clock } = this.#parts;
    return new Promise((resolve, reject) => {
      const stop = this.onDatabase(({ what, database }) => {
        if (what !== "came" || database.cfg.name !== name) return;
        stop();
        cancel();
        resolve(database);
      });
      const cancel = clock.after(waitMs, () => {
        stop();
        const text = `Cannot use database ${name}: it is attached, but not here in time`;
        reject(new CtdbxError("timeout", text));
      });
    });
  }

  onDatabase(listener: (news: DatabaseNews) => void): () => void {
    const ends = [
      this.#parts.databases.watch(listener),
      this.#parts.commits.watch(listener),
    ];
    return () => ends.forEach((end) => end());
  }

  newClient(): number {
    return this.#nextClient++;
  }

  clientDied(client: number): void {
    for (const database of this.#parts.databases.all()) database.clientDied(client);
    this.#parts.commits.clientDied(client);
    this.#parts.locks.ended(client);
  }

  registerProcedure(name: string, run: ExternalProcedure): () => void {
    return this.#parts.procedures.offer(name, run);
  }

  watch(
    { cfg, since }: DatabaseHost,
    wish: WatchWish,
    on: (event: WatchEvent) => void,
  ): Promise<() => void> {
    const { databases, watches } = this.#parts;
    if (cfg.kind !== "volatile") {
      const text = `Cannot watch ${cfg.name}: only records of volatile databases are watched`;
      return Promise.reject(new CtdbxError("unsupported", text));
    }
    const database = databases.get(cfg.name);
    if (database === undefined || database.since !== since) {
      return Promise.reject(new CtdbxError("state", "Cannot watch: the database is gone"));
    }
    try {
      return Promise.resolve(watches.watch(database, wish, on));
    } catch (error) {
      return Promise.reject(error);
    }
  }
}
