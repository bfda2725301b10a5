/**
 * The data thread: the databases of a node, the messages between programs, and those who serve programs, put together
 * in a world of their own.
 *
 *   main thread ── life, view, page ──▶ DataShard ── Database (RecordMachine, file) for each volatile database
 *   other nodes ◀── class r ── Post ──▶     ├── RecordMail: batches         Messages
 *   programs    ◀── run/data.sock ────▶     └── sessions, which see it as DataHost (data_host.ts)
 *
 * life and view are done when they return: what the main thread waits for has happened then.
 *
 * Does NOT promise: to live; an assert that fails ends it, and the node's life with it. A file that cannot be made does
 * not: databases.ts.
 */
import type { Received } from "../../transport/wire/codec.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Document, Member } from "../../transport/wire/messages/document.ts";
import type { ClusterMessage, ProgramMessage } from "../../transport/wire/messages/registry.ts";
import { COMMIT_MAGIC, COMMIT_PART_MAGIC } from "../../transport/wire/commit_layout.ts";
import { PROGRAM_MAGIC } from "../../transport/wire/program_layout.ts";
import type { RecordBatch } from "../../transport/wire/record_layout.ts";
import type { Incarnation, NodeId, Pnn } from "../../transport/wire/terms.ts";
import { PNN_UNKNOWN } from "../../transport/wire/terms.ts";
import type { Stream, StreamEvents, World } from "../../transport/world.ts";
import type { DataAsks, DataLeft, DataLife, DataThread } from "../data_link.ts";
import { nodeIdsOf } from "../machines/cluster/document.ts";
import { type CommitTiming, defaultCommitTiming } from "../machines/commit/tunables.ts";
import type { Procedure } from "../machines/record/procedures.ts";
import { defaultRecordTiming, type RecordTiming } from "../machines/record/tunables.ts";
import { isAnyRecordFile } from "../storage/record_header.ts";
import type { RawMail } from "../post.ts";
import { type DataPatch, LiveValues } from "../tunables/feeds.ts";
import type { CommitDatabase } from "./commit_database.ts";
import { type CheckLook, CommitChecks, type SliceLook, type TendWish } from "./commit_checks.ts";
import type { ForceLook, ForceWish } from "./commit_force.ts";
import type { CommitLead, CommitSettings } from "./commit_databases.ts";
import { compose, type Running } from "./compose.ts";
import type { Database } from "./database.ts";
import { hasData, peersOf } from "./peers.ts";
import type { DataHost, DataStart, DataStatus, PageNews, Where } from "./types.ts";

/** What a data thread is made of. */
export interface ShardParts {
  /** Hears of what ends the thread: once. */
  readonly onFailure: (error: unknown) => void;
  /** Loads the procedures of the configuration, by name. Rejects with "config". */
  readonly procedures?: () => Promise<ReadonlyMap<string, Procedure>>;
  readonly timing?: RecordTiming;
  /** Of persistent and replicated databases. */
  readonly commits?: CommitSettings;
}

/** One node's. */
export class DataShard implements DataThread {
  readonly #world: World;
  readonly #parts: ShardParts;
  /** What machines read at each use, and tunables change. */
  readonly #record: LiveValues<RecordTiming>;
  readonly #commit: LiveValues<CommitTiming>;
  #run: Running | undefined;
  #endSocket: (() => Promise<void>) | undefined;
  #endBus: () => void = () => {};
  #life: Incarnation | undefined;
  /** The life in which the messages have begun. */
  #messagesLife: Incarnation | undefined;
  #doc: Document | undefined;
  #nodes: ReadonlyMap<Pnn, NodeId> = new Map();
  #isListening = false;
  #hasFailed = false;
  #checks: CommitChecks | undefined;

  constructor(world: World, parts: ShardParts) {
    this.#world = world;
    this.#parts = parts;
    const { timing = defaultRecordTiming(), commits = {} } = parts;
    this.#record = new LiveValues(timing);
    this.#commit = new LiveValues(commits.timing ?? defaultCommitTiming());
  }

  /** For those who serve programs otherwise than this does, and for tests. Throws "state" before `start`. */
  get host(): DataHost {
    return this.#use().host;
  }

  /** The databases that are hosted now, for tests and checkers. Throws "state" before `start`. */
  get databases(): readonly Database[] {
    return this.#use().databases.all();
  }

  /** The persistent and replicated ones. */
  get commits(): readonly CommitDatabase[] {
    return this.#use().commits.all();
  }

  async start(start: DataStart, asks: DataAsks): Promise<void> {
    const { disk, host, bus, images, log } = this.#world;
    try {
      disk.makeFolder(start.folder);
      // Of former lives; whoever has one mapped sees by its page that it ended.
      for (const file of disk.list(start.folder)) {
        if (isAnyRecordFile(file)) images.remove(`${start.folder}/${file}`);
      }
    } catch (error) {
      // The files of this life have names of their own; whether they can be made is seen then.
      log.write("warning", "The folder of the databases cannot be tidied up", { error });
    }
    const timing = this.#record.values;
    const commits = { ...this.#parts.commits, timing: this.#commit.values };
    const procedures = await this.#parts.procedures?.() ?? new Map<string, Procedure>();
    const running = compose({
      ...{ world: this.#world, start, asks, procedures, timing, commits },
      on: {
        doc: () => this.#doc,
        life: () => this.#life,
        nodeOf: (pnn) => this.#nodeOf(pnn),
        onMessage: (received) => this.#onMessage(received),
        onRaw: (raw) => this.#onRaw(raw),
        onBatch: (batch) => this.#onBatch(batch),
        tellMain: (pnn, what) => this.#tellMain(pnn, what),
        onBreach: (number, why, life) => this.#onBreach(number, why, life),
        onFailure: (error) => this.#fail(error),
      },
    });
    this.#run = running;
    this.#endBus = bus.watch((status) => {
      if (status === "connected") running.messages.reconnected();
    });
    const onStream = (stream: Stream): StreamEvents =>
      running.sessions.open({
        send: (bytes) => stream.write(bytes),
        get waiting() {
          return stream.waiting;
        },
        close: () => stream.close(),
        ...stream.caller === undefined ? {} : { caller: stream.caller },
      });
    // Without a lock: the node's own socket has made it the only one, and a lock would outlive a thread that dies.
    this.#endSocket = await host.listen(start.socketPath, onStream, true);
  }

  life({ incarnation }: DataLife): Promise<void> {
    return this.#work(({ page, databases, commits }) => {
      page.open(incarnation);
      this.#life = incarnation;
      databases.life(incarnation);
      commits.life(incarnation);
      this.#beginMessages();
    });
  }

  view(doc: Document): Promise<void> {
    return this.#work((running) => {
      const { codec, databases, commits, messages, watches, mail, commitMail, locks } = running;
      if (this.#doc !== undefined && doc.version < this.#doc.version) return;
      this.#doc = doc;
      this.#nodes = nodeIdsOf(doc);
      codec.clusterId = doc.clusterId;
      this.#listen(doc);
      mail.begin(doc.clusterId);
      commitMail.begin(doc.clusterId);
      this.#beginMessages();
      const peers = peersOf(doc);
      if (this.#messagesLife !== undefined) messages.setPeers(peers);
      databases.view(doc);
      commits.view(doc);
      locks.view(doc);
      // Who reads anew because a member left reads by the new view.
      if (this.#messagesLife !== undefined) watches.setPeers(peers);
    });
  }

  page(_news: PageNews): Promise<void> {
    return this.#work(({ databases }) => databases.wake());
  }

  lead(lead: CommitLead | undefined): Promise<void> {
    return this.#work(({ commits }) => commits.lead(lead));
  }

  tune({ record, commit }: DataPatch): Promise<void> {
    return this.#work(() => {
      this.#record.feed(record);
      this.#commit.feed(commit);
    });
  }

  left(pnns: readonly Pnn[]): Promise<DataLeft> {
    return this.#work(({ databases }) => ({
      generation: databases.generation,
      left: pnns.map((pnn) => ({ pnn, count: databases.leftAt(pnn) })),
    }));
  }

  status(): Promise<DataStatus> {
    return this.#work(({ post, databases, commits, sessions }) => {
      const { sent, received, sentBytes, receivedBytes, refused, dropped } = post.counters;
      return {
        incarnation: this.#life,
        generation: databases.generation,
        databases: [...databases.all().map((database) => database.stats()), ...commits.stats()],
        clients: sessions.status().length,
        messagesSent: sent,
        messagesReceived: received,
        messagesDropped: dropped,
        sentBytes,
        receivedBytes,
        refusedFor: [...refused].map(([code, count]) => ({ code, count })),
        recoveries: databases.recoveries(),
      };
    });
  }

  where(name: string, key: string): Promise<Where> {
    return this.#work(({ databases, commits }) =>
      (commits.get(name) ?? databases.must(name)).where(key)
    );
  }

  tend(wish: TendWish): Promise<SliceLook | CheckLook> {
    return this.#work(({ commits, host, databases }) => {
      const database = commits.get(wish.name);
      if (database === undefined) {
        // Throws when there is none of that name at all.
        databases.must(wish.name);
        throw new CtdbxError(
          "unsupported",
          `Cannot look at the files of ${wish.name}: it is volatile`,
        );
      }
      this.#checks ??= new CommitChecks(this.#world.clock, () => host.newClient());
      return this.#checks.tend(database, wish);
    });
  }

  async force(wish: ForceWish): Promise<ForceLook> {
    return await this.#use().commits.council.force(wish);
  }

  vacuum(name: string): Promise<{ readonly empty: number }> {
    return this.#work(({ databases, commits }) => {
      if (commits.get(name) !== undefined) {
        const text =
          `Cannot vacuum ${name}: it is not volatile, and keeps nothing of what is deleted`;
        throw new CtdbxError("unsupported", text);
      }
      return { empty: databases.must(name).vacuum() };
    });
  }

  crash(): void {
    queueMicrotask(() => this.#fail(new Error("the data thread was asked to die")));
  }

  async stop(): Promise<void> {
    const running = this.#run;
    if (running === undefined) return;
    running.sessions.stop();
    running.sessionMail.stop();
    running.watches.stop();
    running.locks.stop();
    running.databases.stop("the node stops");
    await running.commits.stop("the node stops");
    running.mail.flush();
    running.commitMail.flush();
    running.messages.stop();
    running.mail.stop();
    running.commitMail.stop();
    this.#endBus();
    running.post.stop();
    await this.#endSocket?.();
    running.page.close();
  }

  // --- inside

  #use(): Running {
    if (this.#run !== undefined) return this.#run;
    throw new CtdbxError("state", "Cannot use the data thread: it has not started");
  }

  /** Does something for the main thread, at once. */
  #work<T>(work: (running: Running) => T): Promise<T> {
    try {
      return Promise.resolve(work(this.#use()));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #onBreach(number: string, why: string, life: Member | undefined): void {
    // Without a life it is this node that cannot be believed any more.
    if (life === undefined) return this.#fail(new Error(`${number}: ${why}`));
    this.#run?.asks.breach(number, why, life).catch((error) => {
      this.#world.log.write("warning", "A breach cannot be told", { error });
    });
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    // First of all: a thread that is dead and does not say so would hold up the whole cluster.
    this.#parts.onFailure(error);
    this.#run?.databases.stop("the data thread has failed");
    void this.#run?.commits.stop("the data thread has failed");
  }

  /** Before the cluster has databases its server may not let this thread hear its mail. */
  #listen(doc: Document): void {
    if (this.#isListening || !hasData(doc)) return;
    this.#isListening = true;
    this.#run?.post.start();
  }

  /** Messages begin when the life, the number and the cluster are known. */
  #beginMessages(): void {
    const doc = this.#doc;
    const life = this.#life;
    const running = this.#run;
    if (doc === undefined || life === undefined || running === undefined) return;
    if (!hasData(doc)) return;
    if (life === this.#messagesLife) return;
    const pnn = this.#pnn(running.start.nodeId);
    if (pnn === PNN_UNKNOWN) return;
    this.#messagesLife = life;
    running.messages.begin(doc.clusterId, pnn, life);
    running.messages.setPeers(peersOf(doc));
    running.watches.begin();
    running.locks.life();
  }

  #pnn(nodeId: NodeId): Pnn {
    return this.#doc?.nodes.find((node) => node.nodeId === nodeId)?.pnn ?? PNN_UNKNOWN;
  }

  #nodeOf(pnn: Pnn): NodeId | undefined {
    return this.#nodes.get(pnn);
  }

  #onMessage({ from, message }: Received): void {
    if (message.kind.startsWith("msg_")) this.#run?.messages.hear(from, message as ProgramMessage);
  }

  #onRaw({ payload, subjectClass, from, reply }: RawMail): void {
    const running = this.#run;
    if (running === undefined) return;
    if (subjectClass === "cl") running.sessionMail.take(payload, from, reply);
    else if (payload[0] === PROGRAM_MAGIC) running.messages.take(payload, from);
    else if (isOfCommits(payload)) running.commitMail.take(payload, from);
    else running.mail.take(payload, from);
  }

  #onBatch(batch: RecordBatch): void {
    const { by, generation } = batch;
    const isTaken = this.#run?.databases.take(batch);
    // Its epoch, or the database, is of a document that is not known here yet.
    if (isTaken === false && generation >= (this.#doc?.generation ?? 0n)) {
      this.#tellMain(by.pnn, "ask");
    }
  }

  /** Asks another node's main thread for its document, or tells it this one's. */
  #tellMain(pnn: Pnn, what: "ask" | "tell"): void {
    const to = this.#nodeOf(pnn);
    const doc = this.#doc;
    if (to === undefined || doc === undefined) return;
    const message: ClusterMessage = what === "ask" ? { kind: "view_ask" } : { kind: "view", doc };
    this.#run?.mainPost.send([to], message);
  }
}

function isOfCommits([first]: Uint8Array): boolean {
  return first === COMMIT_MAGIC || first === COMMIT_PART_MAGIC;
}
