/**
 * What each newer view cost at this node: the same view at all databases, put together.
 *
 *   adopt      all machines have it: so long nothing was served        tables   slots that came with a table
 *   rebuild    slots made anew from what all members report            queries  records whose holder or taker left
 *
 * Each phase but the first is counted from the adoption to the last of its kind; they run at the same time. What a
 * database that has gone has to say is kept.
 *
 * Does NOT promise: views of before this process.
 */
import type { Document, Member } from "../../transport/wire/messages/document.ts";
import type { Generation } from "../../transport/wire/terms.ts";
import type { ViewWork } from "../machines/record/progress.ts";
import type { RecoveryReport } from "./types.ts";

/** What one database says of its last views. */
export interface DatabaseViews {
  readonly name: string;
  readonly views: readonly Readonly<ViewWork>[];
}

/** Views that are remembered. */
const VIEWS_MAX = 64;

type Work = Readonly<ViewWork>;

interface View {
  readonly generation: Generation;
  readonly cause: string;
  readonly beganMs: number;
  readonly adoptMs: number;
  /** The database that came in the middle of a view; undefined: it is the view itself. */
  readonly only: string | undefined;
  /** Of databases that have gone since, or whose life has ended. */
  readonly gone: { readonly name: string; readonly work: Work }[];
}

/** Those of one node. */
export class Recoveries {
  readonly #views: View[] = [];
  #doc: Document | undefined;

  /**
   * A document was adopted by all machines, from `beganMs` to `endMs` of the node's clock. `made`: databases that came
   * with it; where the view is the same, each has a report of its own.
   */
  adopted(doc: Document, made: readonly string[], beganMs: number, endMs: number): void {
    const { generation } = doc;
    const before = this.#doc;
    this.#doc = doc;
    const times = { generation, beganMs, adoptMs: endMs - beganMs };
    if (before?.generation !== generation) {
      this.#push({ ...times, cause: causeOf(before, doc), only: undefined, gone: [] });
    } else {
      for (const name of made) {
        this.#push({ ...times, cause: `${name} was attached`, only: name, gone: [] });
      }
    }
  }

  #push(view: View): void {
    this.#views.push(view);
    if (this.#views.length > VIEWS_MAX) this.#views.shift();
  }

  /** The view that a database's work belongs to. */
  #viewOf(name: string, work: Work): View | undefined {
    return this.#views.findLast(({ generation, only }) =>
      generation === work.generation && (only === undefined || only === name)
    );
  }

  /** A database has gone, or begins a new life: this is what it had to say. */
  keep({ name, views }: DatabaseViews): void {
    for (const work of views) {
      this.#viewOf(name, work)?.gone.push({ name, work });
    }
  }

  /** The reports, oldest first; the last one may be under way. */
  reports(databases: readonly DatabaseViews[], nowMs: number): RecoveryReport[] {
    const works = new Map<View, { name: string; work: Work }[]>();
    for (const view of this.#views) works.set(view, [...view.gone]);
    for (const { name, views } of databases) {
      for (const work of views) {
        const view = this.#viewOf(name, work);
        if (view !== undefined) works.get(view)?.push({ name, work });
      }
    }
    const now = this.#views.at(-1)?.generation;
    return this.#views.map((view) =>
      reportOf(view, works.get(view) ?? [], view.generation === now, nowMs)
    );
  }
}

function reportOf(
  { generation, cause, beganMs, adoptMs }: View,
  works: readonly { readonly name: string; readonly work: Work }[],
  isLast: boolean,
  nowMs: number,
): RecoveryReport {
  // What was under way when the next view came went on there.
  const isOver = !isLast || works.every(({ work }) => work.doneMs !== undefined);
  const since = (atMs: number | undefined) => atMs === undefined ? 0 : Math.max(0, atMs - beganMs);
  const doneMs = (work: Work) =>
    work.doneMs ?? (isLast ? nowMs : Math.max(
      work.adoptedMs,
      work.lastTableMs ?? 0,
      work.lastRebuildMs ?? 0,
      work.lastQueryMs ?? 0,
    ));
  const sum = (count: (work: Work) => number) =>
    works.reduce((all, { work }) => all + count(work), 0);
  const phase = (at: (work: Work) => number | undefined) =>
    Math.max(0, ...works.map(({ work }) => since(at(work))));
  return {
    generation,
    cause,
    msAgo: Math.max(0, nowMs - beganMs),
    isOver,
    totalMs: Math.max(adoptMs, ...works.map(({ work }) => since(doneMs(work)))),
    phases: [
      { name: "adopt", ms: adoptMs, count: works.length },
      {
        name: "tables",
        ms: phase((work) => work.lastTableMs),
        count: sum((work) => work.slotsByTable),
      },
      {
        name: "rebuild",
        ms: phase((work) => work.lastRebuildMs),
        count: sum((work) => work.slotsRebuilt),
      },
      {
        name: "queries",
        ms: phase((work) => work.lastQueryMs),
        count: sum((work) => work.keysQueried),
      },
    ],
    databases: works.map(({ name, work }) => ({
      name,
      slotsByTable: work.slotsByTable,
      slotsRebuilt: work.slotsRebuilt,
      keysQueried: work.keysQueried,
      ms: since(doneMs(work)),
    })),
  };
}

/** What a view changed, in words. */
function causeOf(before: Document | undefined, doc: Document): string {
  const was = before?.view.members ?? [];
  const is = doc.view.members;
  const has = (members: readonly Member[], { pnn, incarnation }: Member) =>
    members.some((one) => one.pnn === pnn && one.incarnation === incarnation);
  const came = is.filter((member) => !has(was, member)).map(({ pnn }) => pnn);
  const left = was.filter((member) => !has(is, member)).map(({ pnn }) => pnn);
  const words = [
    ...nodesWord(came, "has come", "have come"),
    ...nodesWord(left, "has left", "have left"),
  ];
  const gone = (before?.dbs ?? []).filter(({ dbId, since }) =>
    !doc.dbs.some((db) => db.dbId === dbId && db.since === since)
  );
  for (const { dbId, name } of gone) {
    const isWiped = doc.dbs.some((db) => db.dbId === dbId);
    words.push(`${name} was ${isWiped ? "emptied" : "detached"}`);
  }
  if (words.length > 0) return words.join("; ");
  return isSameHomes(before, doc) ? "the same members" : "records have other homes";
}

function isSameHomes(before: Document | undefined, doc: Document): boolean {
  return before !== undefined &&
    doc.view.slots.every(({ slotGen }, slot) => before.view.slots[slot]?.slotGen === slotGen);
}

function nodesWord(pnns: readonly number[], one: string, several: string): string[] {
  const last = pnns.at(-1);
  if (last === undefined) return [];
  if (pnns.length === 1) return [`node ${last} ${one}`];
  return [`nodes ${pnns.slice(0, -1).join(", ")} and ${last} ${several}`];
}
