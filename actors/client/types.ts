/**
 * What a program sees of ctdbx: a cluster, its databases, their records, messages between programs.
 *
 *   connect() ─▶ Cluster ─ attach ─▶ Database ─ fetchLock ─▶ RecordLock
 *                   ├ listen ─▶ Listener (async iterable)     ├ traverse, watch ─▶ async iterables
 *                   └ procedure, actor: work that runs where the record is
 *
 * Every operation ends: with its result, or with a CtdbxError. Its `code` is "unknown" if the operation may have been
 * done once, or not at all; with any other code it was certainly not done. Times are milliseconds.
 *
 * Does NOT promise: anything about one record that depends on another; each record stands alone.
 */
import type { RecordView } from "../storage/tdb_record.ts";
import type { NewValue } from "../storage/local_records.ts";
import type {
  Change,
  Changer,
  Database,
  PinOptions,
  RecordEntry,
  RecordLock,
  TraverseOptions,
} from "./database_types.ts";
import type { DatabaseInfo, HotInfo, LookInfo, WhereInfo } from "./info_types.ts";
import type { ClusterLock, LeaseOptions, LockInfo, LockMode } from "./lock_types.ts";
import type { LockOptions, LockPlace, LockToken } from "./lock_types.ts";
import type {
  ActorClass,
  ActorOptions,
  ActorProxy,
  ProcedureCode,
  ProcedureOptions,
  Proceeded,
  Registration,
} from "./program_types.ts";
import type {
  CommitInfo,
  Committed,
  Fate,
  FateOptions,
  Retry,
  Snapshot,
  StateOptions,
  Transaction,
  TransactionOptions,
} from "./transaction_types.ts";
import type { Ownership, Resource, ResourceOptions } from "./resource_types.ts";
import type { CtdbxError } from "../../transport/wire/errors.ts";

export type { DatabaseInfo, HotInfo, LookInfo, NewValue, RecordView, WhereInfo };
export type { Change, Changer, Database, PinOptions, RecordEntry, RecordLock, TraverseOptions };
export type { Ownership, Resource, ResourceOptions };
export type { ClusterLock, LeaseOptions, LockInfo, LockMode, LockOptions, LockPlace, LockToken };
export type {
  ActorClass,
  ActorOptions,
  ActorProxy,
  ProcedureCode,
  ProcedureOptions,
  Proceeded,
  Registration,
};

export type { CommitInfo, Committed, Fate, FateOptions, Retry, Snapshot, StateOptions };
export type { Transaction, TransactionOptions };
export { TransactionError, TRIES } from "./transaction_types.ts";

/** A key: 1 to 65535 bytes; a text is taken as UTF-8. */
export type KeyLike = Uint8Array | string;
/** A value: up to 16 MiB; a text is taken as UTF-8. An empty value is no value: the record is deleted. */
export type ValueLike = Uint8Array | string;

/** How long an operation may take at most, when nothing else is said, ms. */
export const TIMEOUT_MS = 10_000;

/** What a change answers when the record is to stay as it is. */
export const KEEP: unique symbol = Symbol("keep");

/** For one operation. */
export interface OpOptions {
  /** Until then it has ended, ms; 1 to 2^31-1. Default: that of `connect`, 10 000. */
  readonly timeoutMs?: number;
}

/** How to reach a cluster: the node of this machine, or NATS alone. */
export interface ConnectOptions {
  /** Home folder of the node (the `--home` of the commands). Default: CTDBX_HOME, else the only running node. */
  readonly home?: string;
  /** The node's run folder itself, where its sockets are. */
  readonly run?: string;
  /** Name of the node, of those in /etc/ctdbx. */
  readonly node?: string;
  /** False: do not map the node's files, ask its daemon for everything; needs no FFI. Default true. */
  readonly mapped?: boolean;
  /** NATS servers, host:port: no node on this machine is needed, no FFI, no files. Needs `cluster`. */
  readonly servers?: readonly string[];
  /** The cluster's name, with `servers`. */
  readonly cluster?: string;
  /** How to log in at NATS, with `servers`: path of an nkey or creds file. */
  readonly keyFile?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** Paths of PEM files, with `servers`. */
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly serverName?: string;
  };
  /** The deadline of operations that name none, ms. Default 10 000. */
  readonly timeoutMs?: number;
}

/** How a database is made, if it is. */
export interface AttachOptions extends OpOptions {
  /** Make it if the cluster has none of that name. Default true. */
  readonly create?: boolean;
  /**
   * How it is kept: "volatile" (in memory, each record where it is used), "persistent" (on the disks of several nodes,
   * with transactions) or "replicated" (the same in their memory). One that is there must be of this kind. Default: of
   * any kind; volatile when it is made.
   */
  readonly type?: "volatile" | "persistent" | "replicated";
  /** Copies of one that is made persistent or replicated, 1 to 16. Default 3. */
  readonly replicas?: number;
  /** Hash chains of its files, 1 to 4 194 304: as many as it will have records is best. */
  readonly hashSize?: number;
  /** May other nodes read copies? "auto": where that pays. */
  readonly readonly?: "auto" | "on" | "off";
  /** Do records stay for a while at the node that used them? "auto": those that move too often. */
  readonly sticky?: "auto" | "on" | "off";
}

/** To whom a message goes: a node by its number, all nodes there are, all in the view. */
export type SendTo = number | "all" | "connected";

/** Who sent a message: a program of a node. Its number is given once in a life of its node. */
export interface MessageSender {
  readonly pnn: number;
  readonly program: number;
}

/** What a listener gets. */
export type MessageItem =
  | {
    readonly type: "message";
    readonly from: MessageSender;
    readonly srvid: bigint;
    readonly data: Uint8Array;
  }
  /** So many messages are missing here, at most; 0: nobody knows how many. Of that sender, if it is named. */
  | { readonly type: "lost"; readonly count: number; readonly from?: MessageSender }
  /** A node has begun a new life: what it sent before and has not come does not come. */
  | { readonly type: "life"; readonly pnn: number };

/** Gets the messages of a srvid. Iterate it, or it is cut off: 8192 messages or 32 MiB wait at most. */
export interface Listener extends AsyncIterableIterator<MessageItem>, AsyncDisposable {
  readonly srvid: bigint;
  /** Nodes that had not heard of it in time; theirs come soon. */
  readonly unheard: number;
  close(): Promise<void>;
}

/** What a program may be asked for. */
export interface ExistsQuestion {
  /** The node; undefined: all. */
  readonly pnn?: number;
  readonly pid?: number;
  readonly srvid?: bigint;
}

/** How many there are. */
export interface ExistsAnswer {
  /** Nodes with such programs, and how many of them. */
  readonly nodes: readonly { readonly pnn: number; readonly count: number }[];
  /** Nodes that did not answer in time. */
  readonly unheard: readonly number[];
}

/** A cluster, as one program uses it. */
export interface Cluster extends AsyncDisposable {
  /** Number of the node that serves this program. Over NATS it may become another. */
  readonly pnn: number;
  /** The node's name. */
  readonly name: string;
  /** "local": through the node of this machine; "nats": through NATS alone. */
  readonly way: "local" | "nats";
  /** Called when something that was posted was not accepted; it may be set. */
  onRefused: ((error: CtdbxError) => void) | undefined;
  /** Resolves when the connection has ended for good; never rejects. Text: why. */
  readonly closed: Promise<string>;

  /**
   * Opens a database, and makes it if there is none. One that is emptied (`db wipe`) goes on; one that is detached has
   * ended for this program ("state"), also when another takes its name. Throws "not_found", "exists" (of another kind),
   * "timeout".
   *
   * ```ts
   * const visits = await cluster.attach("visits", { hashSize: 10_007 });
   * await visits.put("ann", "1");
   * ```
   */
  attach(name: string, options?: AttachOptions): Promise<Database>;
  /**
   * The databases of the cluster.
   *
   * ```ts
   * for (const { name, kind } of await cluster.databases()) console.log(name, kind);
   * ```
   */
  databases(): Promise<DatabaseInfo[]>;

  /**
   * Sends; answers to how many nodes it went. Throws "not_found" (no such node), "busy", "limit", "state".
   *
   * ```ts
   * console.log(await cluster.send(cluster.pnn, 7n, "hello"), await cluster.send("all", 7n, "all"));
   * ```
   */
  send(to: SendTo, srvid: bigint, data: ValueLike): Promise<number>;
  /**
   * The same without an answer, and cheaper: what is not accepted is told by `onRefused`. Throws "state".
   *
   * ```ts
   * cluster.onRefused = (error) => console.log(error.message);
   * for (let n = 0; n < 100; n++) cluster.post("connected", 7n, `${n}`);
   * ```
   */
  post(to: SendTo, srvid: bigint, data: ValueLike): void;
  /**
   * Gets the messages of a srvid from now on. 2^64-1: of all. Throws "limit", "busy".
   *
   * ```ts
   * await using ears = await cluster.listen(7n);
   * await cluster.send("all", 7n, "hello");
   * for await (const item of ears) {
   *   if (item.type === "message") console.log(item.from.pnn, item.data);
   *   break;
   * }
   * ```
   */
  listen(srvid: bigint, options?: OpOptions): Promise<Listener>;
  /**
   * Are there programs with this pid, or that listen to this srvid? Or: is the node there?
   *
   * ```ts
   * const { nodes, unheard } = await cluster.exists({ srvid: 7n }, { timeoutMs: 500 });
   * console.log(nodes.length, unheard);
   * ```
   */
  exists(question: ExistsQuestion, options?: OpOptions): Promise<ExistsAnswer>;

  /**
   * Registers a procedure "NAME/VERSION" with the node: `Database.call` runs it in this process for records that are at
   * this node. Throws "exists" when this program offers it already, or another one of the cluster, as far as can be
   * seen, offers other code under this name and version.
   *
   * ```ts
   * await using offered = await cluster.procedure("longest", 1, (value, args) => {
   *   const isLonger = args.length > (value?.length ?? 0);
   *   return { value: isLonger ? args : KEEP, result: isLonger ? "yes" : "no" };
   * });
   * await db.call("word", offered.name, new TextEncoder().encode("longer"));
   * ```
   */
  procedure(
    name: string,
    version: number,
    run: ProcedureCode,
    options?: ProcedureOptions,
  ): Promise<Registration>;
  /**
   * A record as an object: its state is an instance of the class (its fields, as CBOR), and each call of a method one
   * call at the record, under its lock. The class is registered as a procedure with this program's node.
   *
   * ```ts
   * class Counter {
   *   static readonly version = 1;
   *   count = 0;
   *   add(by: number): number {
   *     return this.count += by;
   *   }
   * }
   * const counter = cluster.actor(Counter, "visits");
   * console.log(await counter.add(1));
   * ```
   */
  actor<State extends object>(
    kind: ActorClass<State>,
    key: KeyLike,
    options?: ActorOptions,
  ): ActorProxy<State>;

  /**
   * Takes a lock of the cluster by its name, and waits for it in its queue. It is given up with `release`, at the end
   * of the block, and when this program or its node ends. Throws "timeout", "limit", "state", SyntaxError (no name).
   *
   * ```ts
   * await using lock = await cluster.lock("nightly job", { timeoutMs: 5000 });
   * lock.signal.addEventListener("abort", () => console.log("stop it: the lock is lost"));
   * console.log(lock.token.text);
   * ```
   */
  lock(name: string, options?: LockOptions): Promise<ClusterLock>;
  /**
   * The same, if nobody has it, or waits; undefined otherwise.
   *
   * ```ts
   * const lock = await cluster.tryLock("index", { mode: "shared" });
   * console.log(lock === undefined ? "others have it" : lock.mode);
   * await lock?.release();
   * ```
   */
  tryLock(name: string, options?: LockOptions): Promise<ClusterLock | undefined>;
  /**
   * A lock that this program renews while it runs: it is lost `ttlMs` after it hangs. Throws as `lock`.
   *
   * ```ts
   * await using lease = await cluster.lease("scheduler", { ttlMs: 3000, timeoutMs: 5000 });
   * console.log(lease.isLost);
   * ```
   */
  lease(name: string, options?: LeaseOptions): Promise<ClusterLock>;
  /**
   * The locks that somebody has, or waits for.
   *
   * ```ts
   * for await (const { name, holders } of cluster.locks()) console.log(name, holders.length);
   * ```
   */
  locks(): AsyncIterable<LockInfo>;

  /**
   * Offers to own a resource: a name that one program of the cluster owns at a time, of those that offer it, spread
   * evenly over the nodes (docs/GUIDE.md). Resolves when the node knows of the offer; `onTake` says when it is owned.
   * The program must ask the event loop every second: what it owns while it stands still goes elsewhere. Throws
   * "exists" (this program offers it already), "limit", "unsupported" (over NATS alone, or with `mapped: false`),
   * "timeout", SyntaxError (no name: 1 to 64 of A-Z a-z 0-9 . _ : / - make one).
   *
   * ```ts
   * await using worker = await cluster.resource("worker-7", {
   *   onTake: ({ signal }) => console.log("works", signal.aborted),
   *   onRelease: () => console.log("has stopped"),
   * });
   * console.log(worker.name, worker.isOwned);
   * ```
   */
  resource(name: string, options?: ResourceOptions): Promise<Resource>;

  /**
   * Ends all: locks are given back, listeners and watches end. Idempotent.
   *
   * ```ts
   * await cluster.close();
   * console.log(await cluster.closed);
   * ```
   */
  close(): Promise<void>;
}
