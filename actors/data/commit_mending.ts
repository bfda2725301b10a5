/**
 * Mends the file of one persistent or replicated database: pages that are not what their sums say come from others.
 *
 *   scan, in slices ─▶ bad pages ─▶ page_ask to all ─▶ page_is: compared with the sum, written, synced ─▶ well
 *                                        '── nobody has it ─▶ the file of another copy, as far as it differs ─▶ scan
 *                                                                 '── nobody has it ─▶ refused, and tried again
 *
 * Others that have applied more have other pages; their file then takes the place of this one, when this log has come
 * as far. What was good here does not travel.
 *
 * Does NOT promise: to mend what no other node has; it says which page that is.
 */
import type { PageAsk, PageIs } from "../../transport/wire/messages/commit_sync.ts";
import type { SyncMessage } from "../../transport/wire/messages/commit_sync.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import type { Clock } from "../../transport/world.ts";
import { pageWith, wantedSum } from "../storage/commit_mend.ts";
import type { CommitStore } from "../storage/commit_store.ts";
import type { CommitCopying } from "./commit_copying.ts";
import { appliedOf } from "./commit_opened.ts";
import type { Taken } from "./commit_taking.ts";

/** What it needs. */
export interface MendingParts {
  readonly clock: Clock;
  /** Undefined: there is none, or another one is just being opened. */
  readonly store: () => CommitStore | undefined;
  readonly copying: Pick<CommitCopying, "takeOver">;
  /** All others that have the database, those in sync first. */
  readonly peers: () => readonly Pnn[];
  readonly nameOf: (pnn: Pnn) => string;
  readonly send: (to: Pnn, message: SyncMessage) => void;
  /** The file is another one now: who reads the former one must end. */
  readonly onSwapped: () => void;
  /** It is another state now. */
  readonly onState: () => void;
  /** For people: what was found, what was done. */
  readonly tell: (text: string) => void;
}

/** How it is with the file. */
export type MendState =
  /** Nothing is known against it. */
  | "well"
  /** It is looked through, or bad pages are asked for: a moment. */
  | "mending"
  /** It takes longer: the node must not lead with it. */
  | "slow"
  /** No other node has what is missing, so far. */
  | "lost";

/** Pages in one slice of a scan: 1 MiB. */
const SLICE = 256;
/** A question that is not answered is asked again, ms; so often, then the whole file is taken. */
const REPEAT_MS = 500;
const ASKS = 3;
/** So many bad pages are asked for one by one; of more the whole file is taken. */
const PAGES_MAX = 64;
/** A file that was taken waits so long until this log has come as far, ms; looked at each LOG_LOOK_MS. */
const LOG_WAIT_MS = 10_000;
const LOG_LOOK_MS = 50;
/** A file that is just being changed is tried again so soon, ms. */
const BUSY_MS = 20;
/** Between two tries when nobody has it, ms. */
const RETRY_MS = 5_000;

/** Of one database. */
export class CommitMending {
  /** Since the database is here: pages found bad, mended one by one, and whole files taken. */
  readonly counts = { bad: 0, mended: 0, files: 0 };
  readonly #parts: MendingParts;
  #state: MendState = "well";
  #bad = new Set<number>();
  /** All that were found since it was well last. */
  #known = new Set<number>();
  /** Who gave which page. */
  #given = new Map<number, Pnn>();
  #onWell: ((found: number | undefined) => void)[] = [];
  #found = 0;
  #cancel: () => void = () => {};
  #endTaking: () => void = () => {};

  constructor(parts: MendingParts) {
    this.#parts = parts;
  }

  get state(): MendState {
    return this.#state;
  }

  /** What is wrong, in words; undefined: nothing is. */
  get trouble(): string | undefined {
    if (this.#bad.size === 0) {
      return this.#state === "lost" ? "its file is looked through" : undefined;
    }
    const pages = pagesText(this.#bad);
    if (this.#state !== "lost") return `${pages} of its file is not what it must be, and is mended`;
    return `${pages} of its file is not what it must be, and no other node has it: ` +
      "start the nodes that have copies, or restore a backup";
  }

  /**
   * Looks the whole file through, and mends it. `onWell` hears when it is well, and how many pages were not; undefined:
   * it was ended before.
   */
  verify(onWell: (found: number | undefined) => void): void {
    this.#onWell.push(onWell);
    if (this.#state !== "well") return;
    this.#found = 0;
    this.#to("mending");
    this.#scan(0);
  }

  /** These pages are bad: they must not be used in this turn any more. */
  found(pages: readonly number[]): void {
    if (pages.length === 0) return;
    this.#note(pages);
    if (this.#state !== "well") return;
    this.#found = pages.length;
    this.#to("mending");
    this.#mend();
  }

  /** Ends it. Idempotent. */
  end(): void {
    this.#cancel();
    this.#endTaking();
    this.#endTaking = () => {};
    this.#state = "well";
    this.#bad.clear();
    this.#known.clear();
    this.#given.clear();
    const told = this.#onWell;
    this.#onWell = [];
    for (const one of told) one(undefined);
  }

  #to(state: MendState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#parts.onState();
  }

  #note(pages: readonly number[]): void {
    for (const page of pages) {
      this.#bad.add(page);
      if (this.#known.has(page)) continue;
      this.#known.add(page);
      this.counts.bad += 1;
    }
  }

  #later(delayMs: number, work: () => void): void {
    this.#cancel();
    this.#cancel = this.#parts.clock.after(delayMs, () => {
      try {
        work();
      } catch (error) {
        if (!(error instanceof CtdbxError)) throw error;
        // An apply is between two of its steps.
        if (error.code === "busy") return this.#later(BUSY_MS, work);
        // A disk without room, or one that is just exchanged.
        this.#lose();
      }
    });
  }

  #scan(from: number): void {
    this.#later(0, () => {
      const store = this.#parts.store();
      if (store === undefined) return this.#later(REPEAT_MS, () => this.#scan(from));
      const { bad, next } = store.file.scrub(from, SLICE);
      this.#found += bad.length;
      this.#note(bad);
      if (next !== undefined) return this.#scan(next);
      if (this.#bad.size === 0) this.#well();
      else this.#mend();
    });
  }

  #well(): void {
    const told = this.#onWell;
    const found = this.#found;
    this.#onWell = [];
    this.#given.clear();
    this.#known.clear();
    this.#found = 0;
    this.#to("well");
    for (const one of told) one(found);
  }

  // --- page by page

  #mend(): void {
    const peers = this.#parts.peers();
    if (peers.length === 0) return this.#lose();
    if (this.#bad.size > PAGES_MAX) return this.#later(0, () => this.#takeFrom(peers, 0));
    this.#ask(0);
  }

  #ask(asked: number): void {
    const store = this.#parts.store();
    if (store === undefined) return this.#later(REPEAT_MS, () => this.#ask(asked));
    const peers = this.#parts.peers();
    const known = [...this.#bad].flatMap((page) => {
      const sum = wantedSum(store.file, page);
      return sum === undefined ? [] : [{ kind: "page_ask" as const, page, sum }];
    });
    // One whose sum is lost nobody can be asked for.
    if (asked >= ASKS || known.length < this.#bad.size) return this.#takeFrom(peers, 0);
    for (const to of peers) for (const message of known) this.#parts.send(to, message);
    this.#later(REPEAT_MS, () => this.#ask(asked + 1));
  }

  /** Another node misses a page. */
  onAsk(from: Pnn, { page, sum }: PageAsk): void {
    const store = this.#parts.store();
    const data = store === undefined ? undefined : pageWith(store.file, page, sum);
    if (data !== undefined) this.#parts.send(from, { kind: "page_is", page, sum, data });
  }

  /** Another node has it. */
  onPage(from: Pnn, { page, data }: PageIs): void {
    const store = this.#parts.store();
    if (store === undefined || !this.#bad.has(page)) return;
    try {
      store.file.putPage(page, data);
    } catch (error) {
      // Not what it must be, or no room: another answer, or another try.
      if (error instanceof CtdbxError || error instanceof RangeError) return;
      throw error;
    }
    this.#bad.delete(page);
    this.#given.set(page, from);
    this.counts.mended += 1;
    if (this.#bad.size > 0 || this.#state === "well") return;
    this.#cancel();
    this.#endTaking();
    const { nameOf, tell } = this.#parts;
    const givers = [...new Set(this.#given.values())].map(nameOf).join(", ");
    tell(`${pagesText(new Set(this.#given.keys()))} was damaged, and is mended from ${givers}`);
    this.#well();
  }

  // --- the whole file

  #takeFrom(peers: readonly Pnn[], at: number): void {
    this.#to("slow");
    const from = peers[at];
    const store = this.#parts.store();
    if (from === undefined || store === undefined) return this.#lose();
    const { lineage } = store.id.value;
    const next = (): void => this.#later(0, () => this.#takeFrom(peers, at + 1));
    const { seq } = appliedOf(store);
    this.#endTaking = this.#parts.copying.takeOver({
      ...{ from, lineage, above: seq === 0n ? 0n : seq - 1n },
      begin: (shape, entries) => this.#parts.store()?.fix(shape, entries),
      onEnd: (taken) => {
        this.#endTaking = () => taken?.install.close();
        if (taken === undefined) return next();
        this.#swapIn(taken, this.#parts.clock.nowMs() + LOG_WAIT_MS, next);
      },
    });
  }

  #swapIn(taken: Taken, untilMs: number, next: () => void): void {
    const { seq, chain, dbseq, placeTerm: term } = taken.opened;
    const store = this.#parts.store();
    if (store?.reaches({ seq, chain, dbseq, term }) !== true) {
      const isOver = this.#parts.clock.nowMs() >= untilMs;
      if (isOver) return next();
      return this.#later(LOG_LOOK_MS, () => this.#swapIn(taken, untilMs, next));
    }
    this.#endTaking = () => {};
    store.swap({ seq, chain, dbseq, term });
    this.#parts.onSwapped();
    const { nameOf, tell } = this.#parts;
    tell(
      `${pagesText(this.#bad)} was damaged, and the file is taken anew from ${nameOf(taken.from)}`,
    );
    this.counts.files += 1;
    this.#bad.clear();
    // A new handle has verified nothing.
    this.#scan(0);
  }

  #lose(): void {
    this.#endTaking();
    this.#endTaking = () => {};
    this.#to("lost");
    // What was bad may have been put right by somebody meanwhile.
    this.#later(RETRY_MS, () => {
      this.#bad.clear();
      this.#scan(0);
    });
  }
}

/** Pages for people: `page 17`, `pages 1, 2, 3 and 7 more`. */
export function pagesText(pages: ReadonlySet<number>): string {
  const sorted = [...pages].sort((one, other) => one - other);
  const some = sorted.slice(0, 4).join(", ");
  const more = sorted.length > 4 ? ` and ${sorted.length - 4} more` : "";
  return `page${sorted.length === 1 ? "" : "s"} ${some}${more}`;
}
