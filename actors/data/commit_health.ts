/**
 * How the files of one persistent or replicated database are at this node, and what is done about it.
 *
 *   opened ─▶ verify all ─▶ well ─▶ background scrub, a slice now and then ─▶ bad page ─▶ mending (commit_mending.ts)
 *   cannot be opened, as it is damaged ─▶ has another node a whole copy? ─▶ put aside, begun anew, taken from there
 *
 * While it is mended: a primary is held, reads wait. When no other node has what is missing: refused, with the page.
 *
 * Does NOT promise: to put the only copy aside; people decide about that one.
 */
import type { SyncMessage } from "../../transport/wire/messages/commit_sync.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import type { Clock } from "../../transport/world.ts";
import type { CommitStore } from "../storage/commit_store.ts";
import type { Hello } from "../machines/commit/events.ts";
import type { CommitCopying } from "./commit_copying.ts";
import { CommitMending, type MendState, pagesText } from "./commit_mending.ts";

/** What it needs. */
export interface HealthParts {
  readonly clock: Clock;
  readonly store: () => CommitStore | undefined;
  readonly copying: CommitCopying;
  /** All others that have the database, those in sync first; and how many of them are in sync by the document. */
  readonly peers: () => { readonly all: readonly Pnn[]; readonly inSync: number };
  readonly nameOf: (pnn: Pnn) => string;
  readonly send: (to: Pnn, message: SyncMessage) => void;
  readonly onSwapped: () => void;
  readonly onState: (state: MendState) => void;
  readonly tell: (what: "damaged" | "mended", text: string) => void;
}

/** What is known of the files. */
export interface HealthLook {
  /** well: as they must be; mending, slow: pages are being mended; lost: no other node has them. */
  readonly state: MendState;
  /** Pages that were found bad, mended one by one, and files that were taken anew. */
  readonly bad: number;
  readonly mended: number;
  readonly files: number;
  /** Pages that the background scrub has looked at, and how often it came through. */
  readonly scrubbed: number;
  readonly passes: number;
  /** Where it is: pages of this pass, and of the file. */
  readonly at: number;
  readonly pages: number;
}

/** Who has a whole copy is asked so often, and for so long, ms. */
const SEEK_MS = 500;
const SEEK_LIMIT_MS = 4_000;

/** Of one database. */
export class CommitHealth {
  readonly #parts: HealthParts;
  readonly #mending: CommitMending;
  #waiting: (() => void)[] = [];
  readonly #watchers = new Set<(state: MendState) => void>();
  #at = 0;
  #scrubbed = 0;
  #passes = 0;
  #endSeek: () => void = () => {};

  constructor(parts: HealthParts) {
    this.#parts = parts;
    const { clock, store, copying, nameOf, send, onSwapped } = parts;
    this.#mending = new CommitMending({
      ...{ clock, store, copying, nameOf, send, onSwapped },
      peers: () => parts.peers().all,
      onState: () => this.#onState(),
      tell: (text) => parts.tell("mended", text),
    });
  }

  get state(): MendState {
    return this.#mending.state;
  }

  /** Why nothing can be had of it; undefined: it can, or can in a moment. */
  get trouble(): string | undefined {
    return this.state === "lost" ? this.#mending.trouble : undefined;
  }

  /** Pages of the file; 0: there is none just now. */
  get pages(): number {
    return this.#parts.store()?.file.pages ?? 0;
  }

  look(): HealthLook {
    return {
      state: this.state,
      ...this.#mending.counts,
      ...{ scrubbed: this.#scrubbed, passes: this.#passes, at: this.#at },
      pages: this.pages,
    };
  }

  /** Looks through all of the file, and mends it. Resolves to how many pages were bad; undefined: it was ended. */
  verify(): Promise<number | undefined> {
    return new Promise((resolve) => this.#mending.verify(resolve));
  }

  /**
   * Looks through a file that was just opened. Resolves when it is well, or that takes longer: then the log may go on
   * already; false: it was ended.
   */
  checked(): Promise<boolean> {
    return new Promise((resolve) => {
      const watch = (state: MendState): void => {
        if (state === "mending") return;
        this.#watchers.delete(watch);
        resolve(true);
      };
      this.#watchers.add(watch);
      this.#mending.verify((found) => {
        this.#watchers.delete(watch);
        resolve(found !== undefined);
      });
    });
  }

  /** Resolves when the file may be read, or it is known that it may not for long; undefined: now. */
  settled(deadlineMs: number): Promise<void> | undefined {
    if (this.state === "well" || this.state === "lost") return undefined;
    const { clock } = this.#parts;
    return new Promise((resolve) => {
      const cancel = clock.after(Math.max(0, deadlineMs - clock.nowMs()), resolve);
      this.#waiting.push(() => {
        cancel();
        resolve();
      });
    });
  }

  /** What the leader is told while the file is not well: it must not be made primary, and goes on to be in sync. */
  hello(own: Hello, isPrimary: boolean, broken: Hello): Hello {
    if (this.state === "lost" || (this.state === "slow" && isPrimary)) return broken;
    return this.state === "slow" ? { ...own, isDamaged: true } : own;
  }

  take(from: Pnn, message: Extract<SyncMessage, { kind: "page_ask" | "page_is" }>): void {
    if (message.kind === "page_ask") this.#mending.onAsk(from, message);
    else this.#mending.onPage(from, message);
  }

  /** Looks at some pages, in the background or by command; answers those that are bad: they are mended from now on. */
  scrub(from: number, count: number): { readonly bad: number[]; readonly next?: number } {
    const store = this.#parts.store();
    const isReady = store !== undefined && !store.file.isApplying && this.state === "well";
    if (!isReady) return { bad: [], next: from };
    const { bad, next } = store.file.scrub(from, count);
    this.#scrubbed += Math.min(count, Math.max(0, store.file.pages - from));
    this.#mending.found(bad);
    if (bad.length > 0) {
      this.#parts.tell("damaged", `${pagesText(new Set(bad))} of its file is not what it must be`);
    }
    return next === undefined ? { bad } : { bad, next };
  }

  /** One slice of the background scrub. */
  scrubOn(count: number): void {
    if (this.state !== "well") return;
    const { next } = this.scrub(this.#at, count);
    if (next === undefined) this.#passes += 1;
    this.#at = next ?? 0;
  }

  /** Asks those in sync whether one has a whole copy of this history. `onFound` is called once, or not at all. */
  seekWhole(lineage: bigint, onFound: (who: string) => void): void {
    this.#endSeek();
    const { clock, copying, peers, nameOf, send } = this.#parts;
    const untilMs = clock.nowMs() + SEEK_LIMIT_MS;
    const { all, inSync } = peers();
    const asked = all.slice(0, inSync);
    if (lineage === 0n || asked.length === 0) return;
    const seek = copying.probe((from) => {
      this.#endSeek();
      for (const to of asked) send(to, { kind: "sync_close", id: seek.id });
      onFound(nameOf(from));
    });
    let cancel: () => void = () => {};
    const ask = (): void => {
      if (clock.nowMs() >= untilMs) return this.#endSeek();
      for (const to of asked) send(to, { kind: "sync_open", id: seek.id, lineage, above: 0n });
      cancel = clock.after(SEEK_MS, ask);
    };
    this.#endSeek = () => {
      cancel();
      seek.end();
    };
    ask();
  }

  #onState(): void {
    const { state } = this;
    this.#parts.onState(state);
    for (const watch of [...this.#watchers]) watch(state);
    if (state !== "well" && state !== "lost") return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  /** Ends what is under way: the copy goes, or begins anew. */
  end(): void {
    this.#endSeek();
    this.#mending.end();
    this.#at = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }
}
