/**
 * A cluster, as one program uses it: the line to its node, and what hangs on it.
 *
 *   Line ── databases (by ref) ── Mapped files          another connection: all is attached, listened to, offered again
 *     ├──── Listeners
 *     └──── Programs: procedures, actors
 *
 * Does NOT promise: to end by itself; who opened it closes it.
 */
import { writePost } from "../../transport/wire/client/bodies.ts";
import { FRAME } from "../../transport/wire/client/frames.ts";
import type { FrameBody } from "../../transport/wire/client/frames.ts";
import type { ImageStore } from "../../transport/image.ts";
import { DATABASE_NAME } from "../../transport/wire/messages/document.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { ErrorCode } from "../../transport/wire/errors.ts";
import type { Clock } from "../../transport/world.ts";
import { LocalNode } from "../storage/local_node.ts";
import { ClientCore } from "./core.ts";
import { Line, type LineParts } from "./line.ts";
import { Listeners } from "./listeners.ts";
import { listLocks } from "./lock_list.ts";
import { Locks } from "./locks.ts";
import { Mapped } from "./mapped.ts";
import { postOf } from "./posting.ts";
import { Programs } from "./programs.ts";
import { Resources } from "./resources.ts";
import { TransactionalDatabase } from "./transactions.ts";
import type {
  ActorClass,
  ActorOptions,
  ActorProxy,
  AttachOptions,
  Cluster,
  Database,
  DatabaseInfo,
  ExistsAnswer,
  ExistsQuestion,
  KeyLike,
  Listener,
  OpOptions,
  ProcedureCode,
  ProcedureOptions,
  Registration,
  SendTo,
  ValueLike,
} from "./types.ts";

/** How long restoring each thing may take on a new connection, ms. */
const RESTORE_MS = 5000;

const NAME = new RegExp(DATABASE_NAME);
/** The largest number of a database; those of databases that have gone are used again, as late as possible. */
const REF_MAX = 0xffff;
/** What the page of a node may be for a moment: half-written, or not there between two lives. */
const MOMENTS: readonly ErrorCode[] = ["busy", "not_found", "corrupt"];
/** It is looked at again after so long, ms. */
const LOOK_MS = 5;
/** What a database was detached by, on another connection: nobody has its name, or another has. */
const DETACHED: readonly ErrorCode[] = ["not_found", "state"];

/** What a cluster is opened with. */
export interface ClusterParts {
  readonly clock: Clock;
  readonly way: "local" | "nats";
  readonly pid: number;
  /** What the program calls itself. */
  readonly program: string;
  readonly timeoutMs: number;
  /** Which runtime, and its version, as one word each; undefined: the code of procedures is not compared. */
  readonly runtime?: string;
  readonly dial: LineParts["dial"];
  /** To map the node's files with; undefined: they are not mapped. */
  readonly images: ImageStore | undefined;
  /** Called when it is over, once; `close` waits for it. */
  readonly onEnd?: () => Promise<void>;
}

/** A database of this program, or one that is to become one. */
interface Attached {
  /** 0: it was detached, and nothing is had by it any more. */
  ref: number;
  readonly name: string;
  /** The version that attached it; undefined: the node has not said it yet. */
  attached?: string;
  /** Its epoch, as it was told last. */
  since?: bigint;
  mapped?: Mapped;
}

/** One program's. */
export class ClusterClient implements Cluster {
  readonly way: "local" | "nats";
  readonly closed: Promise<string>;
  onRefused: ((error: CtdbxError) => void) | undefined;
  readonly #parts: ClusterParts;
  readonly #line: Line;
  readonly #core: ClientCore;
  readonly #listeners: Listeners;
  readonly #programs: Programs;
  readonly #locks: Locks;
  readonly #resources: Resources;
  readonly lock: Cluster["lock"] = (name, options) => this.#locks.lock(name, options);
  readonly tryLock: Cluster["tryLock"] = (name, options) => this.#locks.tryLock(name, options);
  readonly lease: Cluster["lease"] = (name, options) => this.#locks.lease(name, options);
  readonly locks: Cluster["locks"] = () => listLocks(this);
  readonly resource: Cluster["resource"] = (name, options) =>
    this.#resources.resource(name, options);
  readonly #attached = new Map<number, Attached>();
  readonly #byName = new Map<string, Promise<TransactionalDatabase>>();
  #node: LocalNode | undefined;
  #lastRef = 0;
  #isRestored = false;
  #ended: Promise<void> = Promise.resolve();

  private constructor(parts: ClusterParts) {
    const { clock, pid, program, dial, way, timeoutMs } = parts;
    this.#parts = parts;
    this.way = way;
    let tellClosed: (why: string) => void = () => {};
    this.closed = new Promise((resolve) => tellClosed = resolve);
    this.#line = new Line({
      clock,
      pid,
      program,
      dial,
      events: {
        restore: () => this.#restore(),
        onDatabase: (ref, since) => this.#onDatabase(ref, since),
        onItems: (body) => this.#listeners.take(body),
        onRun: (id: number, body: FrameBody) => this.#programs.run(id, body),
        onRefused: (code: ErrorCode, text: string) => this.onRefused?.(new CtdbxError(code, text)),
        onEnd: (why) => {
          this.#end(why);
          tellClosed(why.message);
          this.#ended = parts.onEnd?.() ?? this.#ended;
        },
      },
    });
    this.#core = new ClientCore(this.#line, clock, timeoutMs, pid);
    this.#listeners = new Listeners(this.#core);
    this.#programs = new Programs(this.#core, parts.runtime);
    this.#locks = new Locks({ core: this.#core, pid, cluster: this, node: () => this.#node });
    this.#resources = new Resources({
      core: this.#core,
      isHere: way === "local" && parts.images !== undefined,
      token: (name) => this.#locks.tokenOf(`resource ${name}`),
    });
  }

  /** Connects. Throws "not_found" (nobody there), "timeout", "version", "denied". */
  static async open(parts: ClusterParts): Promise<ClusterClient> {
    const cluster = new ClusterClient(parts);
    try {
      await cluster.#line.open(cluster.#core.timeout(undefined));
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  get pnn(): number {
    return this.#line.node.pnn;
  }

  get name(): string {
    return this.#line.node.name;
  }

  attach(name: string, options: AttachOptions = {}): Promise<Database> {
    if (typeof name !== "string" || !NAME.test(name)) {
      const is = JSON.stringify(name);
      const text = `Cannot use database ${is}: 1 to 127 of A-Z a-z 0-9 . _ - make its name`;
      return Promise.reject(new SyntaxError(text));
    }
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const made = this.#attach(name, options);
    this.#byName.set(name, made);
    made.catch(() => this.#byName.delete(name));
    return made;
  }

  async #attach(name: string, options: AttachOptions): Promise<TransactionalDatabase> {
    const { clock } = this.#parts;
    const { timeoutMs: _, type, ...more } = options;
    const wish = type === undefined ? more : { ...more, kind: type };
    const untilMs = clock.nowMs() + this.#core.timeout(options);
    const ref = this.#newRef();
    // Before it is there: news of it may come any time.
    const attached: Attached = { ref, name };
    this.#attached.set(ref, attached);
    try {
      const answer = await this.#attachOnce({ ...wish, do: "attach", ref, name }, untilMs);
      attached.attached = String(answer["attached"]);
      const node = await this.#nodeHere(untilMs);
      const since = attached.since ?? BigInt(String(answer["since"]));
      const kind = String(answer["kind"]);
      if (type !== undefined && type !== kind) throw this.#isOther(ref, name, kind);
      // Of the others only the daemon knows which state counts.
      const mapped = node === undefined || kind !== "volatile"
        ? undefined
        : new Mapped(node, name, since, (key) => database.emptied(key));
      const dbId = Number(answer["dbId"]);
      const parts = { core: this.#core, place: attached, name, dbId, mapped, kind };
      const database = new TransactionalDatabase(parts);
      if (mapped === undefined) return database;
      attached.mapped = mapped;
      if (attached.ref === 0) mapped.gone();
      else await mapped.open();
      return database;
    } catch (error) {
      if (this.#attached.get(ref) === attached) this.#attached.delete(ref);
      throw error;
    }
  }

  /** One of another kind is there. */
  #isOther(ref: number, name: string, kind: string): CtdbxError {
    this.#core.ask({ do: "detach", ref }).catch(() => {});
    return new CtdbxError("exists", `Cannot attach ${name}: it is there, and ${kind}`);
  }

  /** A number that no database of this program has. Throws "limit". */
  #newRef(): number {
    if (this.#attached.size >= REF_MAX) {
      throw new CtdbxError("limit", `Cannot attach: a program has ${REF_MAX} databases at most`);
    }
    do this.#lastRef = this.#lastRef % REF_MAX + 1; while (this.#attached.has(this.#lastRef));
    return this.#lastRef;
  }

  /** Attaching may be done twice: after a cut it is tried again. */
  async #attachOnce(
    ask: Record<string, unknown>,
    untilMs: number,
  ): Promise<Record<string, unknown>> {
    for (;;) {
      const timeoutMs = Math.max(1, untilMs - this.#parts.clock.nowMs());
      try {
        return await this.#core.ask(ask, { timeoutMs });
      } catch (error) {
        const isCut = error instanceof CtdbxError && error.code === "unknown";
        if (!isCut || this.#line.end !== undefined) throw error;
      }
    }
  }

  /** The node's page, mapped; it may be half-written just now. Undefined: files are not mapped. */
  async #nodeHere(untilMs: number): Promise<LocalNode | undefined> {
    const { images, clock } = this.#parts;
    const { files } = this.#line.node;
    if (images === undefined || files === undefined) return undefined;
    const { pagePath, folder } = files;
    for (;;) {
      try {
        return this.#node ??= LocalNode.open({ images, clock, pagePath, folder });
      } catch (error) {
        const isMoment = error instanceof CtdbxError && MOMENTS.includes(error.code);
        if (!isMoment || clock.nowMs() >= untilMs) throw error;
      }
      await new Promise<void>((resolve) => void clock.after(LOOK_MS, resolve));
    }
  }

  async databases(): Promise<DatabaseInfo[]> {
    const { databases } = await this.#core.ask({ do: "databases" });
    const rows = databases as readonly {
      readonly dbId: number;
      readonly name: string;
      readonly kind: string;
      readonly since?: string;
    }[];
    return rows.map(({ dbId, name, kind, since = "0" }) => (
      { dbId, name, kind, since: BigInt(since) }
    ));
  }

  async send(to: SendTo, srvid: bigint, data: ValueLike): Promise<number> {
    const post = postOf(to, srvid, data);
    const untilMs = this.#parts.clock.nowMs() + this.#core.timeout(undefined);
    if (!this.#line.isUp) await this.#line.up(untilMs);
    return await new Promise<number>((resolve, reject) => {
      this.#line.begin({
        untilMs,
        frame: (kind, body) => {
          const answer = body.json();
          if (kind === FRAME.ok) resolve(Number(answer["nodes"]));
          else reject(new CtdbxError(answer["code"] as ErrorCode, String(answer["text"])));
          return false;
        },
        over: (why) => {
          const text = `Cannot tell whether a message was sent: the connection is ${why}`;
          reject(new CtdbxError("unknown", text));
        },
      }, (writer, id) => writePost(writer, id, post));
    });
  }

  post(to: SendTo, srvid: bigint, data: ValueLike): void {
    if (!this.#line.isUp) {
      throw this.#line.end ?? new CtdbxError("state", "Cannot send: not connected just now");
    }
    const post = postOf(to, srvid, data);
    this.#line.tell((writer) => writePost(writer, 0, post));
  }

  listen(srvid: bigint, options?: OpOptions): Promise<Listener> {
    return this.#listeners.listen(srvid, options);
  }

  async exists(question: ExistsQuestion, options?: OpOptions): Promise<ExistsAnswer> {
    const { pnn, pid, srvid } = question;
    const answer = await this.#core.ask({
      do: "exists",
      ...pnn === undefined ? {} : { pnn },
      ...pid === undefined ? {} : { pid },
      ...srvid === undefined ? {} : { srvid: `${srvid}` },
    }, options);
    return answer as unknown as ExistsAnswer;
  }

  procedure(
    name: string,
    version: number,
    run: ProcedureCode,
    options?: ProcedureOptions,
  ): Promise<Registration> {
    return this.#programs.procedure(name, version, run, options);
  }

  actor<State extends object>(
    kind: ActorClass<State>,
    key: KeyLike,
    options?: ActorOptions,
  ): ActorProxy<State> {
    return this.#programs.actor(kind, key, (name) => this.attach(name), options);
  }

  async close(): Promise<void> {
    if (this.#resources.count > 0) await this.#resources.closeAll();
    this.#line.close();
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Everything again, on another connection. */
  async #restore(): Promise<void> {
    if (!this.#isRestored) {
      this.#isRestored = true;
      return;
    }
    const { clock } = this.#parts;
    for (const { ref, name, attached } of [...this.#attached.values()]) {
      // Whoever is being attached asks again by himself.
      if (attached === undefined) continue;
      const ask = { do: "attach", ref, name, attached, create: false, timeoutMs: RESTORE_MS };
      try {
        const { since } = await this.#line.ask(ask, clock.nowMs() + RESTORE_MS);
        this.#onDatabase(ref, BigInt(String(since)));
      } catch (error) {
        if (!(error instanceof CtdbxError) || !DETACHED.includes(error.code)) throw error;
        this.#onDatabase(ref, undefined);
      }
    }
    await this.#listeners.restore(clock.nowMs() + RESTORE_MS);
    await this.#programs.restore(clock.nowMs() + RESTORE_MS);
    await this.#resources.restore(clock.nowMs() + RESTORE_MS);
    for (const watch of [...this.#core.watches]) await watch.restore();
  }

  #onDatabase(ref: number, since: bigint | undefined): void {
    const attached = this.#attached.get(ref);
    if (attached === undefined) return;
    if (since !== undefined) {
      attached.since = since;
      return attached.mapped?.renew(since);
    }
    this.#attached.delete(ref);
    attached.ref = 0;
    attached.mapped?.gone();
    // Whoever attaches that name again gets another one.
    this.#byName.delete(attached.name);
  }

  #end(why: CtdbxError): void {
    this.#locks.end();
    this.#resources.lost(why.message);
    this.#listeners.end(why);
    for (const { mapped } of this.#attached.values()) mapped?.close();
    this.#attached.clear();
    this.#node?.close();
  }
}
