/**
 * A data thread that does what a test says: it keeps what it is told, and confirms when it is let.
 *
 *   const data = new DataDouble();   new DataLink(world, START, () => data.start(), ...);   data.now?.confirm();
 *
 * Does NOT promise: databases; it has none.
 */

import type {
  DataAsks,
  DataHandle,
  DataLeft,
  DataLife,
  DataThread,
} from "../../actors/data_link.ts";
import type { DataPatch } from "../../actors/tunables/feeds.ts";
import type { DataStart, DataStatus, PageNews, Where } from "../../actors/data/types.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { Generation, Pnn } from "../../transport/wire/terms.ts";

/** One run of the thread. */
export class DoubleRun implements DataThread {
  /** All that it was told, as words, in order. */
  readonly told: string[] = [];
  readonly pages: PageNews[] = [];
  readonly ended: Promise<Error>;
  asks: DataAsks | undefined;
  hasEnded = false;
  /** Is it deaf: never an answer again? */
  isSilent = false;
  counts = new Map<Pnn, number>();
  generation = 0n as Generation;
  /** What its status says of databases. */
  databases: DataStatus["databases"] = [];
  readonly #owner: DataDouble;
  readonly #waiting: (() => void)[] = [];
  #die: (error: Error) => void;

  constructor(owner: DataDouble) {
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.#owner = owner;
    this.ended = promise;
    this.#die = resolve;
  }

  /** Everything that waits is confirmed now. */
  confirm(): void {
    for (const done of this.#waiting.splice(0)) done();
  }

  /** It dies. */
  die(why = "an assert has failed"): void {
    this.hasEnded = true;
    this.#die(new Error(why));
  }

  lead(): Promise<void> {
    return Promise.resolve();
  }

  tune({ record }: DataPatch): Promise<void> {
    this.told.push(`tune ${Object.entries(record).map(([name, value]) => `${name}=${value}`)}`);
    return Promise.resolve();
  }

  start(_start: DataStart, asks: DataAsks): Promise<void> {
    this.asks = asks;
    if (this.#owner.startFault !== undefined) return Promise.reject(this.#owner.startFault);
    return Promise.resolve();
  }

  life({ incarnation }: DataLife): Promise<void> {
    this.told.push(`life ${incarnation}`);
    return this.#answer();
  }

  view({ version, generation }: Document): Promise<void> {
    this.told.push(`view ${version}`);
    this.generation = generation;
    return this.#answer();
  }

  page(news: PageNews): Promise<void> {
    this.pages.push(news);
    return Promise.resolve();
  }

  left(pnns: readonly Pnn[]): Promise<DataLeft> {
    const left = pnns.map((pnn) => ({ pnn, count: this.counts.get(pnn) ?? 0 }));
    return Promise.resolve({ generation: this.generation, left });
  }

  status(): Promise<DataStatus> {
    if (this.isSilent) return new Promise(() => {});
    return Promise.resolve({ databases: this.databases, recoveries: [] } as unknown as DataStatus);
  }

  where(): Promise<Where> {
    return Promise.reject(new Error("no database is here"));
  }

  tend(): Promise<never> {
    return Promise.reject(new Error("it has no databases"));
  }

  force(): Promise<never> {
    return Promise.reject(new Error("it has no databases"));
  }

  vacuum(): Promise<{ readonly empty: number }> {
    return Promise.resolve({ empty: 0 });
  }

  crash(): void {
    this.die("the thread was asked to die");
  }

  stop(): Promise<void> {
    this.told.push("stop");
    return Promise.resolve();
  }

  #answer(): Promise<void> {
    if (!this.#owner.isHeld) return Promise.resolve();
    return new Promise((done) => this.#waiting.push(() => done()));
  }
}

/** All runs of it. */
export class DataDouble {
  readonly runs: DoubleRun[] = [];
  /** Do its confirmations wait for `confirm`? */
  isHeld = false;
  /** It does not get through its start. */
  startFault: Error | undefined;

  /** The last run. */
  get now(): DoubleRun | undefined {
    return this.runs.at(-1);
  }

  /** Starts the next run. */
  start(): Promise<DataHandle> {
    const run = new DoubleRun(this);
    this.runs.push(run);
    const end = () => run.die("it was ended");
    return Promise.resolve({ thread: run, ended: run.ended, end });
  }
}
