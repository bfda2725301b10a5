/**
 * The data thread of a node, as its main thread has it: told what the cluster decides, supervised, never in the way.
 *
 *   fence ─▶ life(incarnation) ─▶ machines of that life, empty files ─▶ confirmed ─▶ the node may speak
 *   adopted ─▶ view(document) ─▶ machines adopt it ─▶ confirmed ─▶ the page may show a lease end of its generation
 *   the thread dies ─▶ the page's lease ends at once ─▶ a new life, whose fence waits for the next thread
 *
 * What was confirmed belongs to one thread and one life; with either it is over.
 *
 * Does NOT promise: an answer of a thread that hangs; one that is silent for SILENT_LOOKS looks is ended.
 */
import type { Clock, Log } from "../transport/world.ts";
import type { Document, Member } from "../transport/wire/messages/document.ts";
import type { Generation, Incarnation, Pnn, Version } from "../transport/wire/terms.ts";
import type { CommitChange } from "./data/commit_council.ts";
import type { CheckLook, SliceLook, TendWish } from "./data/commit_checks.ts";
import type { ForceLook, ForceWish } from "./data/commit_force.ts";
import type { CommitLead } from "./data/commit_databases.ts";
import type { AttachOptions, DataStart, DataStatus, PageNews, Where } from "./data/types.ts";
import { KeptThread, type ThreadHandle } from "./kept_thread.ts";
import type { Failed } from "./supervision.ts";
import type { ResourceAnswer, ResourceAsk } from "./resources/words.ts";
import type { DataPatch } from "./tunables/feeds.ts";

/** A life of the node. */
export interface DataLife {
  /** PNN_UNKNOWN: the node has no document yet. */
  readonly pnn: Pnn;
  readonly incarnation: Incarnation;
}

/** What is still at nodes that stop or drain, as the homes of this node know it. */
export interface DataLeft {
  /** The lowest generation that all machines have adopted. */
  readonly generation: Generation;
  /** Records, and slots that are not open yet; 0: that node may go. */
  readonly left: readonly { readonly pnn: Pnn; readonly count: number }[];
}

/** What a data thread may ask of its node. Each rejects with CtdbxError. */
export interface DataAsks {
  /** Has the leader take a database into the document; it comes by `view`. */
  attach(name: string, options: AttachOptions, timeoutMs: number): Promise<void>;
  /** Has the leader take a plan about a persistent or replicated database into the document; see databases.ts. */
  commit(change: CommitChange, timeoutMs: number): Promise<void>;
  /** For people, and for the history: what was found damaged here, and what was mended. */
  note(what: "damaged" | "mended", text: string): Promise<void>;
  /** An assert of a record machine has failed; with a life: that one broke the protocol. */
  breach(number: string, why: string, life: Member | undefined): Promise<void>;
  /** A question of a program about resources. */
  readonly resource: (ask: ResourceAsk) => Promise<ResourceAnswer>;
}

/** A data thread, in whichever way it is reached. Each rejects with CtdbxError. */
export interface DataThread {
  /** Comes first, and once. */
  start(start: DataStart, asks: DataAsks): Promise<void>;
  /** The former life is over, its page has ended; resolves when all machines are of this life, with empty files. */
  life(life: DataLife): Promise<void>;
  /** A document is in force; resolves when all machines have adopted it, and databases came and went by it. */
  view(doc: Document): Promise<void>;
  /** The page was written; the page itself is the truth. */
  page(news: PageNews): Promise<void>;
  /** Who leads; undefined: nobody, as far as is known. */
  lead(lead: CommitLead | undefined): Promise<void>;
  /** Values of machines that differ from now on from those that they were made with. */
  tune(patch: DataPatch): Promise<void>;
  left(pnns: readonly Pnn[]): Promise<DataLeft>;
  status(): Promise<DataStatus>;
  /** Where a record is. `key`: a character U+0000 .. U+00FF for each byte. */
  where(database: string, key: string): Promise<Where>;
  /** Looks at the files of a persistent or replicated database: see commit_checks.ts. */
  tend(wish: TendWish): Promise<SliceLook | CheckLook>;
  /** What a primary by force would be, by the leader's data thread; with `from` it becomes that. */
  force(wish: ForceWish): Promise<ForceLook>;
  /** Gives up what is empty, now; answers how many such records there are still. */
  vacuum(database: string): Promise<{ readonly empty: number }>;
  /** Dies a moment later: for trying what follows. */
  crash(): void;
  stop(): Promise<void>;
}

/** A data thread that runs. */
export type DataHandle = ThreadHandle<DataThread>;

/** What the node is told of its data thread. */
export interface DataEvents {
  /** What the page may show has changed. */
  readonly onConfirmed: () => void;
  /** A thread has died, and all connections of programs with it. */
  readonly onDown: () => void;
  /** The thread has died: nothing may be served by it any more. */
  readonly onLost: (why: string) => void;
  /** It runs, and says what it cannot do; undefined: all is well again. Told when it changes. */
  readonly onTrouble: (why: string | undefined) => void;
}

/** A thread gets so long to end in order, ms. */
const STOP_MS = 2000;
/** Between two looks whether it answers, ms; after so many looks in a row without an answer it is ended. */
export const LOOK_MS = 1000;
export const SILENT_LOOKS = 30;

/** Keeps the data thread running, and knows what it has confirmed. */
export class DataLink {
  readonly #events: DataEvents;
  readonly #clock: Clock;
  readonly #kept: KeptThread<DataThread>;
  /** The life that counts; and who waits until a thread has confirmed it. */
  #life: DataLife | undefined;
  /** The thread that was told it: no other one is, as there are files of it. */
  #toldTo: DataHandle | undefined;
  #onLife: (() => void) | undefined;
  #doc: Document | undefined;
  #page: PageNews | undefined;
  #lead: CommitLead | undefined;
  #patch: DataPatch | undefined;
  #confirmedLife: Incarnation | undefined;
  #confirmedView: { readonly version: Version; readonly generation: Generation } | undefined;
  #status: DataStatus | undefined;
  #trouble: string | undefined;
  #silentLooks = 0;
  #isAsked = false;
  #endLook: () => void = () => {};

  constructor(
    world: { readonly clock: Clock; readonly log: Log },
    start: DataStart,
    make: () => Promise<DataHandle>,
    { asks, events }: { readonly asks: DataAsks; readonly events: DataEvents },
  ) {
    this.#events = events;
    this.#clock = world.clock;
    this.#kept = new KeptThread<DataThread>(world, {
      name: "data thread",
      make,
      start: (thread) => thread.start(start, asks),
      onUp: () => this.#onUp(),
      onDown: () => (this.#forget(), events.onDown()),
      onDied: (handle, { message }) => {
        if (this.#toldTo === handle) events.onLost(message);
      },
      stopMs: STOP_MS,
    });
  }

  /** How often the thread has died. */
  get failures(): number {
    return this.#kept.failures;
  }

  /** The last time that it died; undefined: it never has. */
  get lastFailure(): Failed | undefined {
    return this.#kept.lastFailure;
  }

  /** Does the thread run? */
  get isUp(): boolean {
    return this.#handle !== undefined;
  }

  /** How it was when it was last asked; undefined: not known. It is asked by the clock. */
  get glance(): DataStatus | undefined {
    return this.#status;
  }

  /** The thread. Throws "busy" while it is started anew. */
  get thread(): DataThread {
    return this.#kept.thread;
  }

  /** The newest version whose adoption was confirmed, by a thread that runs, in the present life. */
  get confirmedVersion(): Version | undefined {
    return this.#confirmedView?.version;
  }

  /** May the page of this life show a lease end by this generation? */
  mayShow(incarnation: Incarnation, generation: Generation): boolean {
    return this.#confirmedLife === incarnation && this.#life?.incarnation === incarnation &&
      this.#confirmedView?.generation === generation;
  }

  start(): Promise<void> {
    this.#look();
    return this.#kept.start();
  }

  /**
   * A new life. Resolves when a thread has confirmed it, whenever one comes; never when that thread dies, or a later
   * life comes first.
   */
  life(life: DataLife): Promise<void> {
    this.#life = life;
    this.#toldTo = undefined;
    this.#confirmedLife = undefined;
    this.#confirmedView = undefined;
    return new Promise((done) => {
      this.#onLife = done;
      this.#tellLife();
    });
  }

  /** A document is in force. */
  view(doc: Document): void {
    this.#doc = doc;
    this.#tellView();
  }

  /** The page was written. */
  page(page: PageNews): void {
    this.#page = page;
    this.#tell((thread) => thread.page(page));
  }

  /** Another one leads, or nobody. */
  lead(lead: CommitLead | undefined): void {
    this.#lead = lead;
    this.#tell((thread) => thread.lead(lead));
  }

  /** Other values of machines hold; a thread that comes later is told the last ones. */
  tune(patch: DataPatch): void {
    this.#patch = patch;
    this.#tell((thread) => thread.tune(patch));
  }

  /** Ends the thread in order, by force after STOP_MS. */
  stop(): Promise<void> {
    this.#endLook();
    return this.#kept.stop();
  }

  get #handle(): DataHandle | undefined {
    return this.#kept.handle;
  }

  #onUp(): void {
    this.#silentLooks = 0;
    const patch = this.#patch;
    if (patch !== undefined) this.#tell((thread) => thread.tune(patch));
    this.#tellLife();
    const page = this.#page;
    if (page !== undefined) this.#tell((thread) => thread.page(page));
    const lead = this.#lead;
    if (lead !== undefined) this.#tell((thread) => thread.lead(lead));
  }

  /** What the thread had confirmed is over with it. */
  #forget(): void {
    this.#confirmedLife = undefined;
    this.#confirmedView = undefined;
    this.#status = undefined;
    this.#isAsked = false;
  }

  #tellLife(): void {
    const life = this.#life;
    const handle = this.#handle;
    if (life === undefined || handle === undefined || this.#toldTo !== undefined) return;
    this.#toldTo = handle;
    this.#tell((thread) => thread.life(life), () => {
      if (this.#life !== life) return;
      this.#confirmedLife = life.incarnation;
      this.#onLife?.();
    });
    this.#tellView();
  }

  #tellView(): void {
    const doc = this.#doc;
    const life = this.#life;
    // A view before the life would be forgotten.
    if (doc === undefined || life === undefined || this.#toldTo !== this.#handle) return;
    this.#tell((thread) => thread.view(doc), () => {
      const { version, generation } = doc;
      const isNewer = version > (this.#confirmedView?.version ?? -1n);
      if (this.#life !== life || !isNewer) return;
      this.#confirmedView = { version, generation };
      this.#events.onConfirmed();
    });
  }

  /** Tells the thread, if there is one; `onDone`: the same thread has done it. A refusal is a fault, and its end. */
  #tell(work: (thread: DataThread) => Promise<void>, onDone?: () => void): void {
    const handle = this.#handle;
    if (handle === undefined) return;
    work(handle.thread).then(
      () => {
        if (this.#handle === handle) onDone?.();
      },
      (error) => {
        if (this.#handle !== handle) return;
        this.#kept.complain(error);
        // Without an answer nothing would be served for ever.
        if (onDone !== undefined) handle.thread.crash();
      },
    );
  }

  /** Does it still answer? */
  #look(): void {
    const handle = this.#handle;
    if (handle !== undefined && this.#isAsked) {
      this.#silentLooks += 1;
      if (this.#silentLooks >= SILENT_LOOKS) handle.end();
    } else if (handle !== undefined) {
      this.#silentLooks = 0;
      this.#isAsked = true;
      handle.thread.status().then((status) => {
        if (this.#handle === handle) this.#see(status);
      }, () => {}).finally(() => {
        if (this.#handle === handle) this.#isAsked = false;
      });
    }
    this.#endLook = this.#clock.after(LOOK_MS, () => this.#look());
  }

  #see(status: DataStatus): void {
    this.#status = status;
    const trouble = troubleOf(status);
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#events.onTrouble(trouble);
  }
}

/** What a data thread cannot do, in words; undefined: nothing. */
function troubleOf({ databases }: DataStatus): string | undefined {
  const [first, ...more] = databases.filter(({ why }) => why !== undefined);
  if (first === undefined) return undefined;
  const rest = more.length === 0 ? "" : `, and ${more.length} more`;
  return `database ${first.name} has no file: ${first.why}${rest}`;
}
