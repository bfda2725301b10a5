/**
 * One database that is being taken over from another node: asked for, page by page, until all of it lies beside what is
 * here.
 *
 *   sync_open ─▶ sync_opened ─▶ sums, table ─▶ which pages are not ours ─▶ pages ─▶ finish ─▶ onEnd(taken)
 *
 * Does NOT promise: to get through; without progress for GIVE_UP_MS it is given up.
 */
import type { SyncMessage, SyncOpened } from "../../transport/wire/messages/commit_sync.ts";
import { SYNC_SUM } from "../../transport/wire/messages/commit_sync.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import type { Clock } from "../../transport/world.ts";
import type { CommitInstall } from "../storage/commit_install.ts";
import type { SnapshotShape } from "../storage/commit_snapshot.ts";
import type { PageEntry } from "../storage/commit_sums.ts";
import { SyncFetch } from "./commit_sync_fetch.ts";

/** What it needs. */
export interface TakingParts {
  readonly clock: Clock;
  readonly send: (to: Pnn, message: SyncMessage) => void;
}

/** What is wanted, of whom, and who hears of it. */
export interface TakingWish {
  /** The asker's number of it; its life never uses it again. */
  readonly id: number;
  readonly from: Pnn;
  readonly lineage: bigint;
  readonly above: bigint;
  /** Begins the copy beside what is here; undefined: there is no storage just now. May throw. */
  readonly begin: (
    shape: SnapshotShape,
    entries: readonly PageEntry[],
  ) => CommitInstall | undefined;
  /** All of it is there, and finished; undefined: it was given up. Told once. */
  readonly onEnd: (taken: Taken | undefined) => void;
}

/** How far it is. */
export interface SyncLook {
  /** Pages that are here, of those that had to travel. */
  readonly done: number;
  readonly total: number;
  /** At the rate so far, ms; undefined: not known yet. */
  readonly leftMs: number | undefined;
}

/** A database as another node has it. */
export interface Taken {
  readonly from: Pnn;
  readonly opened: SyncOpened;
  readonly table: Uint8Array;
  readonly install: CommitInstall;
}

type Answer = Extract<SyncMessage, { readonly kind: "sync_opened" | "sync_part" | "sync_no" }>;

/** What is not answered is asked for again, ms. */
const REPEAT_MS = 500;
/** Without progress for so long it is given up, ms. */
const GIVE_UP_MS = 10_000;
const SUM_BYTES = 16;

/** One of them. */
export class CommitTaking {
  readonly wish: TakingWish;
  readonly #parts: TakingParts;
  #opened: SyncOpened | undefined;
  #fetch: SyncFetch | undefined;
  #entries: PageEntry[] = [];
  #table: Uint8Array = new Uint8Array(0);
  #install: CommitInstall | undefined;
  #progressMs: number;
  /** Pages that have to travel, and when the first was asked for. */
  #pages: { done: number; readonly total: number; readonly startMs: number } | undefined;
  #isOver = false;
  #cancel: () => void = () => {};

  constructor(parts: TakingParts, wish: TakingWish) {
    this.#parts = parts;
    this.wish = wish;
    this.#progressMs = parts.clock.nowMs();
    this.#repeat();
  }

  /** How far it is; undefined: it has not come to the pages. */
  get look(): SyncLook | undefined {
    if (this.#pages === undefined) return undefined;
    const { done, total, startMs } = this.#pages;
    const tookMs = this.#parts.clock.nowMs() - startMs;
    return { done, total, leftMs: done === 0 ? undefined : tookMs * (total - done) / done };
  }

  /** Takes an answer of whom it was asked. */
  take(message: Answer): void {
    if (this.#isOver) return;
    try {
      switch (message.kind) {
        case "sync_opened":
          return this.#onOpened(message);
        case "sync_no":
          return this.#giveUp();
        case "sync_part":
          if (this.#fetch?.take(message) !== true) return;
          this.#progressMs = this.#parts.clock.nowMs();
          this.#fetch?.pump();
      }
    } catch {
      // A disk without room, or a source whose words do not fit together: another try, or another source.
      this.#giveUp();
    }
  }

  /** Ends it, and what it has. Nobody is told. Idempotent. */
  close(): void {
    if (this.#isOver) return;
    this.#end();
    this.#install?.close();
  }

  #end(): void {
    this.#isOver = true;
    this.#cancel();
    const { from, id } = this.wish;
    this.#parts.send(from, { kind: "sync_close", id });
  }

  #giveUp(): void {
    if (this.#isOver) return;
    this.close();
    this.wish.onEnd(undefined);
  }

  #repeat(): void {
    const { clock, send } = this.#parts;
    if (this.#isOver) return;
    if (clock.nowMs() >= this.#progressMs + GIVE_UP_MS) return this.#giveUp();
    const { id, from, lineage, above } = this.wish;
    if (this.#opened === undefined) send(from, { kind: "sync_open", id, lineage, above });
    else this.#fetch?.again();
    this.#cancel = clock.after(REPEAT_MS, () => this.#repeat());
  }

  #onOpened(opened: SyncOpened): void {
    if (this.#opened !== undefined) return;
    this.#opened = opened;
    this.#progressMs = this.#parts.clock.nowMs();
    const pages = opened.fileBytes / 4096;
    this.#get("sums", pages, (parts) => {
      this.#entries = entriesOf(parts, pages);
      this.#get("table", opened.tableBytes, (bytes) => {
        this.#table = joined(bytes, opened.tableBytes);
        this.#getPages(opened);
      });
    });
  }

  #getPages(opened: SyncOpened): void {
    const { dbseq, fileBytes, areaStart, areaCapacity, intentPages } = opened;
    const shape = { dbseq, fileBytes, areaStart, areaCapacity, intentPages };
    const install = this.wish.begin(shape, this.#entries);
    if (install === undefined) return this.#giveUp();
    this.#install = install;
    const { id, from } = this.wish;
    const { wanted } = install;
    const pages = { done: 0, total: wanted.length, startMs: this.#parts.clock.nowMs() };
    this.#pages = pages;
    this.#fetch = new SyncFetch(
      { id, what: "pages", send: (message) => this.#parts.send(from, message) },
      wanted,
      (page, data) => {
        install.put(page, data);
        pages.done += 1;
      },
      () => this.#finish(opened, install),
    );
    this.#fetch.pump();
  }

  #get(
    what: "sums" | "table",
    count: number,
    onDone: (parts: Map<number, Uint8Array>) => void,
  ): void {
    const parts = new Map<number, Uint8Array>();
    const { id, from } = this.wish;
    this.#fetch = new SyncFetch(
      { id, what, send: (message) => this.#parts.send(from, message) },
      count,
      (at, data) => void parts.set(at, data),
      () => onDone(parts),
    );
    this.#fetch.pump();
  }

  #finish(opened: SyncOpened, install: CommitInstall): void {
    install.finish();
    this.#fetch = undefined;
    this.#end();
    this.wish.onEnd({ from: this.wish.from, opened, table: this.#table, install });
  }
}

/** The sums of all pages. Throws RangeError on parts that are not all of them. */
function entriesOf(parts: ReadonlyMap<number, Uint8Array>, pages: number): PageEntry[] {
  const bytes = joined(parts, pages * SYNC_SUM);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: pages }, (_, page): PageEntry => {
    const at = page * SYNC_SUM;
    const sum = bytes.slice(at, at + SUM_BYTES);
    return { sum, dbseq: view.getBigUint64(at + SUM_BYTES, true) };
  });
}

/** Parts one after the other, by where they begin. */
function joined(parts: ReadonlyMap<number, Uint8Array>, length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const [, part] of [...parts].sort(([one], [other]) => one - other)) {
    whole.set(part, at);
    at += part.length;
  }
  if (at !== length) throw new RangeError(`Cannot join ${at} bytes: ${length} are wanted`);
  return whole;
}
