/**
 * A data thread in a worker: Comlink carries what node and thread tell each other; plain data only, never a record.
 *
 *   main thread: RemoteData ── comlink ──▶ worker: exposeData(thread)
 *          asks ◀── comlink, over a port of its own ──'
 *
 * Answers go as thread_answer.ts has them.
 *
 * Does NOT promise: that what was asked of a thread that has died was not done.
 */
import * as comlink from "comlink";
import type { Document, Member } from "../transport/wire/messages/document.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import type { Pnn } from "../transport/wire/terms.ts";
import type { CommitChange } from "./data/commit_council.ts";
import type { CommitLead } from "./data/commit_databases.ts";
import type { CheckLook, SliceLook, TendWish } from "./data/commit_checks.ts";
import type { ForceLook, ForceWish } from "./data/commit_force.ts";
import type { AttachOptions, DataStart, DataStatus, PageNews, Where } from "./data/types.ts";
import type { ResourceAnswer, ResourceAsk } from "./resources/words.ts";
import type { DataAsks, DataLeft, DataLife, DataThread } from "./data_link.ts";
import { type Answer, answered, taken } from "./thread_answer.ts";
import type { DataPatch } from "./tunables/feeds.ts";

/** What came of a vacuum. */
type Vacuumed = Awaited<ReturnType<DataThread["vacuum"]>>;

/** What is exposed of a data thread. */
interface DataService {
  start(start: DataStart, asks: MessagePort): Promise<Answer<true>>;
  life(life: DataLife): Promise<Answer<true>>;
  view(doc: Document): Promise<Answer<true>>;
  page(news: PageNews): Promise<Answer<true>>;
  lead(lead: CommitLead | undefined): Promise<Answer<true>>;
  tune(patch: DataPatch): Promise<Answer<true>>;
  left(pnns: readonly Pnn[]): Promise<Answer<DataLeft>>;
  status(): Promise<Answer<DataStatus>>;
  where(database: string, key: string): Promise<Answer<Where>>;
  tend(wish: TendWish): Promise<Answer<SliceLook | CheckLook>>;
  force(wish: ForceWish): Promise<Answer<ForceLook>>;
  vacuum(database: string): Promise<Answer<Vacuumed>>;
  crash(): void;
  stop(): Promise<Answer<true>>;
}

/** What is exposed of a node to its data thread. */
interface AskService {
  attach(name: string, options: AttachOptions, timeoutMs: number): Promise<Answer<true>>;
  commit(change: CommitChange, timeoutMs: number): Promise<Answer<true>>;
  note(what: "damaged" | "mended", text: string): Promise<Answer<true>>;
  breach(number: string, why: string, life: Member | undefined): Promise<Answer<true>>;
  resource(ask: ResourceAsk): Promise<Answer<ResourceAnswer>>;
}

const done = async (work: () => Promise<void> | undefined): Promise<true> => {
  await work();
  return true;
};

/** Exposes a data thread to the thread that has started this one. `make`: its beginning, which `start` follows. */
export function exposeData(endpoint: comlink.Endpoint, make: () => DataThread): void {
  const thread = make();
  const service: DataService = {
    start: (start, port) => answered(() => done(() => thread.start(start, asksAt(port)))),
    life: (life) => answered(() => done(() => thread.life(life))),
    view: (doc) => answered(() => done(() => thread.view(doc))),
    page: (news) => answered(() => done(() => thread.page(news))),
    lead: (lead) => answered(() => done(() => thread.lead(lead))),
    tune: (patch) => answered(() => done(() => thread.tune(patch))),
    left: (pnns) => answered(() => thread.left(pnns)),
    status: () => answered(() => thread.status()),
    where: (database, key) => answered(() => thread.where(database, key)),
    tend: (wish) => answered(() => thread.tend(wish)),
    force: (wish) => answered(() => thread.force(wish)),
    vacuum: (database) => answered(() => thread.vacuum(database)),
    crash: () => thread.crash(),
    stop: () => answered(() => done(() => thread.stop())),
  };
  comlink.expose(service, endpoint);
}

function asksAt(port: MessagePort): DataAsks {
  const remote = comlink.wrap<AskService>(port);
  return {
    attach: async (name, options, timeoutMs) =>
      void taken(await remote.attach(name, options, timeoutMs)),
    commit: async (change, timeoutMs) => void taken(await remote.commit(change, timeoutMs)),
    note: async (what, text) => void taken(await remote.note(what, text)),
    breach: async (number, why, life) => void taken(await remote.breach(number, why, life)),
    resource: async (ask) => taken(await remote.resource(ask)),
  };
}

/** A data thread in another thread. What is asked of it is refused as "busy" when it ends before it answers. */
export class RemoteData implements DataThread {
  readonly #remote: comlink.Remote<DataService>;
  readonly #open = new Set<(error: Error) => void>();
  #end: CtdbxError | undefined;

  /** `ended`: resolves when the thread has ended. */
  constructor(endpoint: comlink.Endpoint, ended: Promise<Error>) {
    this.#remote = comlink.wrap<DataService>(endpoint);
    void ended.then(({ message }) => {
      this.#end = new CtdbxError("busy", `The data thread has ended: ${message}; try again`);
      for (const refuse of this.#open) refuse(this.#end);
      this.#open.clear();
    });
  }

  /** Not by Promise.race, which would keep something of each call as long as the thread lives. */
  #answer<T>(asked: Promise<Answer<T>>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(this.#end);
      this.#open.add(reject);
      asked.then((answer) => resolve(taken(answer))).catch(reject)
        .finally(() => this.#open.delete(reject));
    });
  }

  async start(start: DataStart, asks: DataAsks): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    const service: AskService = {
      attach: (name, options, timeoutMs) =>
        answered(() => done(() => asks.attach(name, options, timeoutMs))),
      commit: (change, timeoutMs) => answered(() => done(() => asks.commit(change, timeoutMs))),
      note: (what, text) => answered(() => done(() => asks.note(what, text))),
      breach: (number, why, life) => answered(() => done(() => asks.breach(number, why, life))),
      resource: (ask) => answered(() => asks.resource(ask)),
    };
    comlink.expose(service, port1);
    await this.#answer(this.#remote.start(start, comlink.transfer(port2, [port2])));
  }

  async life(life: DataLife): Promise<void> {
    await this.#answer(this.#remote.life(life));
  }

  async view(doc: Document): Promise<void> {
    await this.#answer(this.#remote.view(doc));
  }

  async page(news: PageNews): Promise<void> {
    await this.#answer(this.#remote.page(news));
  }

  async lead(lead: CommitLead | undefined): Promise<void> {
    await this.#answer(this.#remote.lead(lead));
  }

  async tune(patch: DataPatch): Promise<void> {
    await this.#answer(this.#remote.tune(patch));
  }

  left(pnns: readonly Pnn[]): Promise<DataLeft> {
    return this.#answer(this.#remote.left(pnns));
  }

  status(): Promise<DataStatus> {
    return this.#answer(this.#remote.status());
  }

  where(database: string, key: string): Promise<Where> {
    return this.#answer(this.#remote.where(database, key));
  }

  tend(wish: TendWish): Promise<SliceLook | CheckLook> {
    return this.#answer(this.#remote.tend(wish));
  }

  force(wish: ForceWish): Promise<ForceLook> {
    return this.#answer(this.#remote.force(wish));
  }

  vacuum(database: string): Promise<Vacuumed> {
    return this.#answer(this.#remote.vacuum(database));
  }

  crash(): void {
    this.#remote.crash().catch(() => {});
  }

  async stop(): Promise<void> {
    await this.#answer(this.#remote.stop());
  }
}
