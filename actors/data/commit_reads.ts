/**
 * Reads of one persistent or replicated database, from the file of this node and what is applied above it.
 *
 *   local ─▶ what is here     latest ─▶ the machine waits until all that is committed is here ─▶ what is here then
 *
 * All keys of a read are of one state: an apply never comes between, as it is done in one go in this thread.
 *
 * A copy that has not caught up since it began anew waits for that, as if the latest were asked for; so does one whose
 * log has more than its file in a new life: the former one may have shown that.
 *
 * Does NOT promise: an answer to that while no primary serves.
 */
import type { TxnRead } from "../../transport/wire/messages/commit.ts";
import type { Replica } from "../machines/commit/replica.ts";
import type { Key } from "../machines/record/copy.ts";
import type { CommitDisk } from "./commit_disk.ts";
import type { CommitOps, CommitRead, CommitRefusal, ReadHow } from "./commit_ops.ts";
import { checkKeys, CommitSnapshots, readFrom, refusalOf } from "./commit_snapshots.ts";

/** What they need. */
export interface ReadsParts {
  /** Why nothing can be read now; undefined: it can. */
  readonly closed: () => { readonly code: "gone" | "damaged"; readonly why: string } | undefined;
  /** Undefined: there is none. */
  readonly disk: () => CommitDisk | undefined;
  /** What is applied, and of which history; undefined: not while it shows less than this node has shown before. */
  readonly mayRead: () => Pick<Replica, "applied" | "lineage"> | undefined;
  readonly latest: (deadlineMs: number) => Promise<boolean>;
  /** The file is being mended: resolves when that is over; undefined: it is not. */
  readonly settled: (deadlineMs: number) => Promise<void> | undefined;
}

type Opened = Awaited<ReturnType<CommitOps["snapshot"]>>;

/** Those of one database. */
export class CommitReads {
  readonly #parts: ReadsParts;
  readonly #snapshots = new CommitSnapshots();

  constructor(parts: ReadsParts) {
    this.#parts = parts;
  }

  async read(keys: readonly Key[], how: ReadHow, deadlineMs: number): Promise<CommitRead> {
    checkKeys(keys);
    const disk = await this.#ready(how, deadlineMs);
    if ("ok" in disk) return disk;
    try {
      const { view } = disk;
      const read = readFrom(view, view.dbseq, keys);
      const lineage = this.#parts.mayRead()?.lineage;
      return read.ok && lineage !== undefined ? { ...read, lineage } : read;
    } catch (error) {
      return refusalOf(error);
    }
  }

  async snapshot(client: number, how: ReadHow, deadlineMs: number): Promise<Opened> {
    const disk = await this.#ready(how, deadlineMs);
    if ("ok" in disk) return disk;
    try {
      return await disk.atRest((file) => this.#snapshots.open(client, file));
    } catch (error) {
      return refusalOf(error);
    }
  }

  /** The disk when it may be read. */
  async #ready(how: ReadHow, deadlineMs: number): Promise<CommitDisk | CommitRefusal> {
    const { closed, latest, mayRead, disk, settled } = this.#parts;
    // What a copy that began anew has may be older than what this node has shown before.
    if ((how === "latest" || this.#mayLack()) && closed() === undefined) {
      const asked = disk();
      const isThere = await latest(deadlineMs);
      if (isThere && asked === disk()) asked?.hasAll();
      const over = isThere ? undefined : closed();
      if (over !== undefined) return { ok: false, ...over };
      if (!isThere) return { ok: false, code: "timeout", why: "no primary answered in time" };
    }
    const mending = settled(deadlineMs);
    if (mending !== undefined) await mending;
    const over = closed();
    if (over !== undefined) return { ok: false, ...over };
    if (mayRead() === undefined) {
      return { ok: false, code: "busy", why: "this node's copy has not caught up yet" };
    }
    return disk() ?? { ok: false, code: "busy", why: "the copy is being opened" };
  }

  /** May what is here be less than what this node has shown? */
  #mayLack(): boolean {
    const seq = this.#parts.mayRead()?.applied.seq;
    return seq === undefined || this.#parts.disk()?.mayLack(seq) === true;
  }

  /** The first of them that is another one here by now; undefined: none is, or it cannot be seen. */
  changedOf(reads: readonly TxnRead[]): Key | undefined {
    try {
      const view = this.#parts.disk()?.view;
      return reads.find(({ key, version }) => view?.versionOf(key) !== version)?.key;
    } catch {
      // It is only told to people; the outcome stands.
      return undefined;
    }
  }

  clientDied(client: number): void {
    this.#snapshots.clientDied(client);
  }

  /** The file goes, or is exchanged: whoever reads a snapshot is told why. */
  end(why: string): void {
    this.#snapshots.close(why);
  }
}
