/**
 * Looks at the copy of a persistent or replicated database at this node, from end to end, while work goes on.
 *
 *   begin ─▶ pages, a slice in each turn ─▶ log: each entry read, chained ─▶ snapshot: each record ─▶ report
 *   slices ─▶ for who scrubs by command, at a pace of his own
 *
 * One check of a database is under way at once; who asks for another joins it. The last report is kept.
 *
 * Does NOT promise: one moment for all of it; the records are of one state, which the report names.
 */
import { bytesOfKey } from "../../transport/wire/client/frames.ts";
import { ContentSum } from "../../transport/wire/commit/content.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import type { Clock } from "../../transport/world.ts";
import type { CommitDatabase } from "./commit_database.ts";
import type { CommitSnapshotHost } from "./commit_ops.ts";

/** What a check has found. */
export interface CheckFound {
  /** What is wrong; empty: nothing is. */
  readonly problems: readonly string[];
  readonly lineage: bigint;
  /** The state that the records are of. */
  readonly seqnum: bigint;
  readonly records: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
  /** Sums of the records, with and without their versions. */
  readonly content: string;
  readonly versions: string;
  readonly pages: number;
  /** Pages that were not what they must be, and that were mended meanwhile. */
  readonly bad: number;
  /** Entries of the log, from the first to the last that is here. */
  readonly logFirst: bigint;
  readonly logLast: bigint;
}

/** How far a check is. */
export interface CheckLook {
  readonly job: number;
  readonly phase: "pages" | "log" | "records" | "done";
  readonly done: number;
  /** Of the phase; 0: not known. */
  readonly total: number;
  readonly found?: CheckFound;
}

/** One slice of a scrub by command. */
export interface SliceLook {
  readonly pages: number;
  /** Pages of this slice that are bad; they are mended from now on. */
  readonly bad: readonly number[];
  /** Where to go on; missing: that was the end. */
  readonly next?: number;
  readonly state: string;
  readonly mended: number;
  readonly files: number;
  readonly trouble: string | undefined;
}

/** What is to be done. `from`, `count`: pages. */
export type TendWish =
  | { readonly do: "slice"; readonly name: string; readonly from: number; readonly count: number }
  | { readonly do: "check"; readonly name: string }
  | { readonly do: "look"; readonly name: string; readonly job: number };

/** Pages, entries and records of one turn. */
const SLICE_PAGES = 256;
const SLICE_ENTRIES = 64;
const SLICE_RECORDS = 512;
/** Problems that are told. */
const PROBLEMS_MAX = 20;
const SNAPSHOT_MS = 10_000;
/** Between two looks whether what was found bad is mended, ms. */
const MENDED_LOOK_MS = 100;
const MENDED_MS = 15_000;

/** Checks of one node. */
export class CommitChecks {
  readonly #clock: Clock;
  readonly #newClient: () => number;
  readonly #jobs = new Map<CommitDatabase, CheckLook>();
  #next = 1;

  constructor(clock: Clock, newClient: () => number) {
    this.#clock = clock;
    this.#newClient = newClient;
  }

  /** Does it, or says how far it is. Throws "not_found". */
  tend(database: CommitDatabase, wish: TendWish): SliceLook | CheckLook {
    switch (wish.do) {
      case "slice":
        return this.slice(database, wish.from, wish.count);
      case "check":
        return this.begin(database);
      case "look":
        return this.look(database, wish.job);
    }
  }

  /** Begins a check, or joins the one under way. */
  begin(database: CommitDatabase): CheckLook {
    const known = this.#jobs.get(database);
    if (known !== undefined && known.phase !== "done") return known;
    for (const other of this.#jobs.keys()) if (other.isOver) this.#jobs.delete(other);
    const job = this.#next++;
    const set = (look: Omit<CheckLook, "job">): void =>
      void this.#jobs.set(database, { job, ...look });
    set({ phase: "pages", done: 0, total: 0 });
    this.#run(database, set).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : `${error}`;
      set({ phase: "done", done: 0, total: 0, found: { ...NOTHING, problems: [why] } });
    });
    return this.#jobs.get(database) as CheckLook;
  }

  /** How far it is. Throws "not_found" when the node knows no such check. */
  look(database: CommitDatabase, job: number): CheckLook {
    const known = this.#jobs.get(database);
    if (known?.job === job) return known;
    throw new CtdbxError("not_found", `Cannot find the check ${job} of ${database.cfg.name}`);
  }

  /** Looks at some pages. */
  slice(database: CommitDatabase, from: number, count: number): SliceLook {
    const { health, trouble } = database;
    const { bad, next } = health.scrub(from, count);
    const { state, pages, mended, files } = health.look();
    return { pages, bad, state, mended, files, trouble, ...next === undefined ? {} : { next } };
  }

  async #run(
    database: CommitDatabase,
    set: (look: Omit<CheckLook, "job">) => void,
  ): Promise<void> {
    const problems: string[] = [];
    const note = (text: string): void => {
      if (problems.length < PROBLEMS_MAX) problems.push(text);
    };
    if (database.trouble !== undefined) note(database.trouble);
    const bad = await this.#pages(database, set);
    const log = await this.#log(database, set, note);
    const records = await this.#records(database, set);
    if (database.trouble !== undefined) note(database.trouble);
    const { lineage } = database.commits.look();
    const { pages } = database.health.look();
    const found = { problems, lineage, pages, bad, ...log, ...records };
    set({ phase: "done", done: 0, total: 0, found });
  }

  async #pages(
    { health }: CommitDatabase,
    set: (look: Omit<CheckLook, "job">) => void,
  ): Promise<number> {
    let bad = 0;
    for (let at: number | undefined = 0; at !== undefined;) {
      set({ phase: "pages", done: at, total: health.pages });
      const slice: { bad: readonly number[]; next?: number } = health.scrub(at, SLICE_PAGES);
      bad += slice.bad.length;
      // A file that is just changed, or mended: the same pages again.
      if (slice.next === at) await health.settled(this.#clock.nowMs() + MENDED_MS);
      await this.#pause(slice.next === at ? MENDED_LOOK_MS : 0);
      if (slice.next === at && health.state === "lost") break;
      at = slice.next;
    }
    return bad;
  }

  async #log(
    { disk }: CommitDatabase,
    set: (look: Omit<CheckLook, "job">) => void,
    note: (text: string) => void,
  ): Promise<Pick<CheckFound, "logFirst" | "logLast">> {
    const store = disk?.usable;
    if (store === undefined) throw new CtdbxError("busy", "Cannot check: there is no storage now");
    const { shelf } = store.log;
    const { start, last } = store.log;
    let before = start;
    for (let seq = start.seq + 1n; seq <= last.seq; seq++) {
      if (disk?.usable !== store) break;
      const place = shelf.places.of(seq);
      // Segments go while we look: from the front.
      if (place === undefined) continue;
      const entry = readable(() => shelf.read(seq));
      const isChained = entry !== undefined && entry.chain === place.chain &&
        (before.seq + 1n !== seq || entry.prevChain === before.chain);
      if (!isChained) note(`entry ${seq} of the log is not what was written`);
      before = place;
      if (Number(seq % BigInt(SLICE_ENTRIES)) !== 0) continue;
      set({ phase: "log", done: Number(seq - start.seq), total: Number(last.seq - start.seq) });
      await this.#pause(0);
    }
    return { logFirst: start.seq + 1n, logLast: last.seq };
  }

  async #records(
    { commits }: CommitDatabase,
    set: (look: Omit<CheckLook, "job">) => void,
  ): Promise<Pick<CheckFound, "seqnum" | "records" | "bytes" | "content" | "versions">> {
    const client = this.#newClient();
    const opened = await commits.snapshot(client, "local", this.#clock.nowMs() + SNAPSHOT_MS);
    if (!opened.ok) throw new CtdbxError("busy", `Cannot check the records: ${opened.why}`);
    const { snapshot } = opened;
    try {
      return await this.#sum(snapshot, set);
    } finally {
      snapshot.close();
    }
  }

  async #sum(
    snapshot: CommitSnapshotHost,
    set: (look: Omit<CheckLook, "job">) => void,
  ): Promise<Pick<CheckFound, "seqnum" | "records" | "bytes" | "content" | "versions">> {
    const [content, versions] = [new ContentSum(), new ContentSum()];
    const listed = await snapshot.list("", ({ key, value, version }) => {
      const bytes = bytesOfKey(key);
      content.add(bytes, value);
      versions.add(bytes, value, version);
      if (content.count % SLICE_RECORDS !== 0) return;
      set({ phase: "records", done: content.count, total: 0 });
      return this.#pause(0);
    });
    if (!listed.ok) throw new CtdbxError("busy", `Cannot check the records: ${listed.why}`);
    const { count: records, bytes } = content;
    const { dbseq: seqnum } = snapshot;
    return { seqnum, records, bytes, content: content.text, versions: versions.text };
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(ms, resolve));
  }
}

/** Undefined: its bytes are not what they were. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof CorruptError) return undefined;
    throw error;
  }
}

const NOTHING: CheckFound = {
  problems: [],
  lineage: 0n,
  seqnum: 0n,
  records: 0,
  bytes: 0,
  content: "",
  versions: "",
  pages: 0,
  bad: 0,
  logFirst: 0n,
  logLast: 0n,
};
