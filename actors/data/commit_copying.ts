/**
 * How a copy that is too far behind takes the whole database over from another node, and gives it to others.
 *
 *   asker:   the machine says: catch up ─▶ commit_taking.ts ─▶ caught_up ─▶ it says: install, or discard
 *   source:  sync_open ─▶ a snapshot, held still ─▶ parts, as they are asked for ─▶ sync_close, or silence
 *
 * Whoever mends a damaged file takes pages over in the same way (`takeOver`), beside what the machine wants.
 *
 * Does NOT promise: to get through; what is given up is told, and the machine begins again.
 */
import type { SyncMessage } from "../../transport/wire/messages/commit_sync.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import type { Clock } from "../../transport/world.ts";
import type { CommitEffect, CommitEvent } from "../machines/commit/events.ts";
import type { CommitDisk } from "./commit_disk.ts";
import { tableOf } from "./commit_opened.ts";
import { CommitSources } from "./commit_sources.ts";
import { CommitTaking, type SyncLook, type Taken, type TakingWish } from "./commit_taking.ts";

/** What it needs. */
export interface CopyingParts {
  readonly clock: Clock;
  readonly disk: () => CommitDisk | undefined;
  /** Of the own copy. */
  readonly lineage: () => bigint;
  readonly send: (to: Pnn, message: SyncMessage) => void;
  readonly onEvent: (event: CommitEvent) => void;
}

/** Both sides, of one database. */
export class CommitCopying {
  readonly #parts: CopyingParts;
  readonly #sources: CommitSources;
  readonly #takings = new Map<number, CommitTaking>();
  readonly #probes = new Map<number, (from: Pnn) => void>();
  /** What the machine wants, and what came of it. */
  #own: { readonly id: number; readonly epoch: number; taken: Taken | undefined } | undefined;
  #nextId = 1;

  constructor(parts: CopyingParts) {
    this.#parts = parts;
    this.#sources = new CommitSources(parts);
  }

  /** How far what is taken over is; undefined: nothing is. */
  get look(): SyncLook | undefined {
    for (const { look } of this.#takings.values()) if (look !== undefined) return look;
    return undefined;
  }

  /** Takes what comes from another node. */
  take(from: Pnn, message: SyncMessage): void {
    switch (message.kind) {
      case "sync_opened":
      case "sync_part":
      case "sync_no": {
        if (message.kind === "sync_opened") this.#probes.get(message.id)?.(from);
        const one = this.#takings.get(message.id);
        return one?.wish.from === from ? one.take(message) : undefined;
      }
      default:
        return this.#sources.take(from, message);
    }
  }

  /** A number for sync_open, to be sent to several; who can give all of the database is told. */
  probe(onOpened: (from: Pnn) => void): { readonly id: number; readonly end: () => void } {
    const id = this.#nextId++;
    this.#probes.set(id, onOpened);
    return { id, end: () => void this.#probes.delete(id) };
  }

  /** Begins to take the database of another node over; answers how to end that. */
  takeOver(wish: Omit<TakingWish, "id">): () => void {
    const id = this.#nextId++;
    const onEnd = (taken: Taken | undefined): void => {
      this.#takings.delete(id);
      wish.onEnd(taken);
    };
    this.#takings.set(id, new CommitTaking(this.#parts, { ...wish, id, onEnd }));
    return () => {
      this.#takings.get(id)?.close();
      this.#takings.delete(id);
    };
  }

  /** The machine wants the database of another node. */
  begin({ epoch, from, lineage, above }: Extract<CommitEffect, { kind: "catch_up" }>): void {
    this.discard();
    const own = { id: this.#nextId, epoch, taken: undefined as Taken | undefined };
    this.#own = own;
    this.takeOver({
      ...{ from, lineage, above },
      begin: (shape, entries) => this.#parts.disk()?.store.install(shape, entries),
      onEnd: (taken) => {
        if (this.#own !== own) return taken?.install.close();
        own.taken = taken;
        this.#caughtUp(epoch, taken);
      },
    });
  }

  #caughtUp(epoch: number, taken: Taken | undefined): void {
    const { onEvent } = this.#parts;
    if (taken === undefined) return onEvent({ kind: "caught_up", epoch, copy: undefined });
    const { lineage, seq, dbseq, chain, placeTerm: term } = taken.opened;
    let sessions;
    try {
      sessions = tableOf(taken.table);
    } catch {
      // A source whose words do not fit together.
      this.discard();
      return onEvent({ kind: "caught_up", epoch, copy: undefined });
    }
    // It waits for the machine's word, however long that takes.
    const copy = { lineage, place: { seq, dbseq, chain, term }, sessions };
    onEvent({ kind: "caught_up", epoch, copy });
  }

  /** What was taken over takes the place of all that is here. */
  install(epoch: number): void {
    const taken = this.#own?.taken;
    const disk = this.#parts.disk();
    if (taken === undefined || disk === undefined) return;
    this.#own = undefined;
    const { seq, chain, dbseq, placeTerm: term, lineage } = taken.opened;
    const { install, table } = taken;
    disk.install(install, epoch, { position: { seq, chain, dbseq, term }, lineage, table });
  }

  /** What was taken over is of no use. */
  discard(): void {
    const own = this.#own;
    if (own === undefined) return;
    this.#own = undefined;
    this.#takings.get(own.id)?.close();
    this.#takings.delete(own.id);
    own.taken?.install.close();
  }

  /** The file is another one: who copies the former one begins anew. */
  endSources(): void {
    this.#sources.end();
  }

  /** The copy goes, or begins anew. */
  end(): void {
    this.discard();
    for (const one of this.#takings.values()) one.close();
    this.#takings.clear();
    this.#probes.clear();
    this.#sources.end();
  }
}
