/**
 * What the data thread is to others: to those who serve programs (DataHost, DatabaseHost), and the plain data that it
 * exchanges with the node's main thread (../data_link.ts).
 *
 *   program ── frames ──▶ sessions ── DataHost: databases, messages, procedures, watches ──▶ DataShard
 *                                   └─ DatabaseHost: op, unlock, done, cancel, traverse ──▶ Database ── RecordMachine
 *
 * Does NOT promise: that a database stays; onDatabase tells.
 */
import type { DbCfg, DocumentNode, Member } from "../../transport/wire/messages/document.ts";
import type {
  ClusterId,
  DbId,
  Generation,
  Incarnation,
  NodeId,
  Pnn,
  Rsn,
  Version,
} from "../../transport/wire/terms.ts";
import type { Tid } from "../../transport/wire/messages/record_parts.ts";
import type { Key } from "../machines/record/copy.ts";
import type { At, OpCode, OpOutcome, OpWish } from "../machines/record/events.ts";
import type { MoveKind, WaitKind, WaitLook } from "../machines/record/moves.ts";
import type { Messages } from "../messages.ts";
import type { CommitLook, CommitOps } from "./commit_ops.ts";
import type { LockDesk } from "./lock_desk.ts";
import type { ResourceAnswer, ResourceAsk } from "../resources/words.ts";

/** How an operation of a program goes on, and ends. */
export type OpEnd =
  | {
    readonly what: "answer";
    readonly outcome: OpOutcome;
    /** When it is not ok: what to do about it, and a phrase. */
    readonly code?: OpCode;
    readonly why?: string;
    /** The value of a read, the result of a call. */
    readonly result?: Uint8Array;
    /** Which state of the record it saw or made. */
    readonly at?: At;
  }
  /** It is here, and stays for a moment: the program works in the file, and then says done(id). Nothing more comes. */
  | { readonly what: "ready" }
  /** It is locked until unlock(id), or the program's death; then an answer comes. */
  | { readonly what: "locked"; readonly data: Uint8Array; readonly at: At };

/** What a program wants to see of a database. */
export interface TraverseWish {
  /** Keys begin with it; "" for all. */
  readonly prefix: Key;
  /** Only how many; no record is told. */
  readonly isCount: boolean;
  /** Records that may be told before `more`. */
  readonly credit: number;
  /** By the node's clock; it fails then at the latest. */
  readonly deadlineMs: number;
}

/** Who hears of a traverse. */
export interface TraverseEvents {
  record(key: Key, data: Uint8Array | undefined): void;
  end(outcome: OpOutcome, count: number, why: string | undefined): void;
}

/** One database at this node, in one epoch. */
export interface DatabaseHost {
  readonly cfg: DbCfg;
  /** The version that attached or last wiped it; another one is another database, with another file. */
  readonly since: Version;
  /** Its file in the present life; undefined: it has none just now. */
  readonly path: string | undefined;
  /** It has gone, or its epoch has: all its operations have ended, new ones fail. */
  readonly isOver: boolean;
  /**
   * Begins an operation; answers its number, which is not used again in this database. `onEnd` may be called before
   * this returns. `client`: of DataHost.newClient().
   */
  op(
    client: number,
    key: Key,
    wish: OpWish,
    deadlineMs: number,
    onEnd: (end: OpEnd) => void,
  ): number;
  /** Gives a lock back, with a new value or without; the answer follows. */
  unlock(id: number, data?: Uint8Array): void;
  /** A program that maps the file has done what it was told `ready` for. */
  done(id: number): void;
  /** Takes an operation or traverse back; its end follows, if it had none. */
  cancel(id: number): void;
  /** A program that maps the file has emptied a record. */
  emptied(key: Key): void;
  /** Begins a traverse; answers its number. */
  traverse(client: number, wish: TraverseWish, on: TraverseEvents): number;
  /** So many more records may be told. */
  more(id: number, credit: number): void;
  /** Where a record is, as far as this node knows. */
  where(key: Key): Where;
  /** Keeps a record here for longer when it comes, until a time of the node's clock; 0: no longer. Throws "limit". */
  pin(key: Key, untilMs: number): void;
  /** The records that are moved and asked for most, the hottest first. */
  hot(): readonly HotKey[];
  /** Numbers for those who watch. */
  stats(): DatabaseStats;
  /** Transactions, of a persistent or replicated one; absent: it is volatile. */
  readonly commits?: CommitOps;
}

/** What a node's copy of a whole database is; the primary executes transactions. */
export type CopyRole = "primary" | "in_sync" | "copy" | "follower" | "closed";

/** Where a record is, as far as this node knows. */
export interface Where {
  /** Undefined: the database is persistent or replicated, and has no slots, homes, readers and moves. */
  readonly slot: number | undefined;
  /** The member that is home of its slot; undefined: no view yet. */
  readonly home: Pnn | undefined;
  /** Is this node the home, and is the slot open? */
  readonly isHome: boolean;
  readonly isOpen: boolean;
  /** What the home, if it is this node, knows of the holder. */
  readonly holder: Pnn | undefined;
  /** Whom the copy here says it belongs to. */
  readonly dmaster: Pnn | undefined;
  readonly role: "owner" | "reader" | "released" | "stale" | "none" | CopyRole;
  readonly rsn: Rsn | undefined;
  readonly tid: Tid | undefined;
  /** Bytes of the copy here. */
  readonly size: number | undefined;
  /** Who may read it by this node's leave. */
  readonly readers: readonly Pnn[];
  /** Operations that wait here. */
  readonly waiting: number;
  /** Who holds it up here; `ageMs` is counted from when this node noticed. */
  readonly heldBy:
    | {
      readonly what: "chain" | "lock" | "program";
      /** Process id, where it is known. */
      readonly pid: number | undefined;
      readonly client: number | undefined;
      readonly ageMs: number | undefined;
    }
    | undefined;
  /** What would be done next about a read, and about a call, from here. */
  readonly read: "here" | "delegate" | "move";
  readonly call: "here" | "ship" | "move";
  readonly isSticky: boolean;
  /** The last moves that this node saw, oldest first. */
  readonly history: readonly Moved[];
}

/** A move of a record, as this node saw it. */
export interface Moved {
  readonly msAgo: number;
  readonly what: MoveKind;
  readonly peer: Pnn | undefined;
  readonly rsn: Rsn | undefined;
}

/** A record that much is done about. */
export interface HotKey {
  readonly key: Key;
  readonly uses: number;
  readonly visits: number;
  readonly movesIn: number;
  readonly movesOut: number;
  readonly delegated: number;
  readonly waiting: number;
  readonly isSticky: boolean;
  /** What is done about a call for it from here. */
  readonly choice: "move" | "ship";
}

/** Numbers of one database at this node. */
export interface DatabaseStats {
  readonly dbId: DbId;
  readonly name: string;
  readonly since: Version;
  readonly path: string | undefined;
  /** Why it has no file, and can keep no records here. */
  readonly why?: string;
  readonly state: "ready" | "recovering" | "frozen" | "idle";
  /** Copies here, of whatever role. */
  readonly records: number;
  readonly fileBytes: number;
  readonly sideBytes: number;
  /** Records that are empty and wait for the vacuum. */
  readonly empty: number;
  /** Operations that wait. */
  readonly waiting: number;
  readonly traverses: number;
  readonly slotsHome: number;
  readonly slotsOpening: number;
  /** Keys that this node, as home, knows of. */
  readonly keysHome: number;
  /** Keys that this node, as home, is asking all members for. */
  readonly keysQueried: number;
  /** What happened how often. */
  readonly counts: Readonly<Record<string, number>>;
  /** How long operations waited for what; see WAIT_BOUNDS_MS. */
  readonly waits: Readonly<Record<WaitKind, WaitLook>>;
  /** The record at which a program holds up the daemon longest. */
  readonly heldUp:
    | { readonly key: Key; readonly pid: number | undefined; readonly ageMs: number }
    | undefined;
  /** Operations by outcome since this database is here. */
  readonly ops: {
    readonly ok: number;
    readonly failed: number;
    readonly unknown: number;
    readonly ready: number;
  };
  readonly hot: readonly HotKey[];
  /** Of a persistent or replicated one; absent: it is volatile. */
  readonly commit?: CommitLook;
}

// --- the host of sessions

/** A procedure that runs elsewhere: in a program. The record is held meanwhile. Never rejects. */
export type ExternalProcedure = (call: ExternalCall, limitMs: number) => Promise<ExternalRan>;

/** What an external procedure is to do. */
export interface ExternalCall {
  /** The database's name. */
  readonly db: string;
  readonly key: Key;
  /** NAME/VERSION. */
  readonly procedure: string;
  readonly data: Uint8Array;
  readonly args: Uint8Array;
}

/** How it went. */
export type ExternalRan =
  /** `data`: the new value; missing: it stays as it was. */
  | { readonly ok: true; readonly data?: Uint8Array; readonly result: Uint8Array }
  | { readonly ok: false; readonly why: string };

/** Options of a database that is attached anew. */
export interface AttachOptions {
  /** May it be made? Otherwise "not_found" when it is not there. */
  readonly create: boolean;
  readonly hashSize?: number;
  readonly readonly?: "auto" | "on" | "off";
  readonly sticky?: "auto" | "on" | "off";
  /** How one that is made is kept; volatile when absent. One that is there may be of any kind. */
  readonly kind?: DbCfg["kind"];
  /** Copies of a persistent or replicated one, 1 .. COPIES_MAX; 3 when absent. */
  readonly replicas?: number;
}

/** Something that watchers of records are told. */
export type WatchEvent =
  | { readonly type: "value"; readonly key: Key; readonly value: Uint8Array | undefined }
  /** Something was missed, or may have been: read what matters anew. */
  | { readonly type: "again" }
  /** Nothing more comes. */
  | { readonly type: "ended"; readonly why: string };

/** What is watched: one key, or all that begin alike. */
export type WatchWish = { readonly key: Key } | { readonly prefix: Key };

/** A database came, went, or is another one now. */
export interface DatabaseNews {
  readonly what: "came" | "went";
  readonly database: DatabaseHost;
  /** It went as it was emptied: another epoch of it comes at once. */
  readonly isEmptied?: boolean;
}

/** The node as its programs see it. */
export interface DataNode {
  readonly nodeId: NodeId;
  /** The node's name for people; the configured one while no document has it. */
  readonly name: string;
  readonly cluster: string;
  /** Undefined: not known yet. */
  readonly pnn: Pnn | undefined;
  readonly incarnation: Incarnation | undefined;
  readonly generation: Generation;
  /** Is the page valid just now? */
  readonly isServing: boolean;
  readonly members: readonly Member[];
  /** The document's nodes: whom a program may send to. */
  readonly nodes: readonly DocumentNode[];
  /** The state page, and the folder of the files of databases; absolute. */
  readonly pagePath: string;
  readonly folder: string;
}

/** The data thread, for sessions of programs. */
export interface DataHost {
  readonly node: DataNode;
  /** Messages between programs. Programs are opened, and take what they got, by those who serve them. */
  readonly messages: Messages;
  /** Locks of programs; absent: it has none. */
  readonly locks?: LockDesk;
  /** Resources of programs; absent: it has none. Rejects with CtdbxError. */
  readonly resources?: (ask: ResourceAsk) => Promise<ResourceAnswer>;
  /** The databases of the document. */
  databases(): readonly DbCfg[];
  /** One that is hosted here now; undefined: it is not there, or not yet. */
  database(name: string): DatabaseHost | undefined;
  /**
   * Makes sure that a database is there, and waits until this node hosts it. Throws CtdbxError: "not_found" (not there,
   * and not to be made), "timeout", and what the leader refuses with.
   */
  attach(name: string, options: AttachOptions, deadlineMs: number): Promise<DatabaseHost>;
  /** Comings and goings of databases. A wiped one goes, and comes. Answers how to end it. */
  onDatabase(listener: (news: DatabaseNews) => void): () => void;
  /** Numbers a program's connection; never given again. */
  newClient(): number;
  /** All that it has anywhere ends. */
  clientDied(client: number): void;
  /** Offers a procedure "NAME/VERSION" to all databases. Throws "exists". Answers how to end it. */
  registerProcedure(name: string, run: ExternalProcedure): () => void;
  /** Tells of changes from when it resolves; answers how to end it. */
  watch(
    database: DatabaseHost,
    wish: WatchWish,
    on: (event: WatchEvent) => void,
  ): Promise<() => void>;
}

// --- the main thread

/** What the data thread begins with. Plain data. */
export interface DataStart {
  /** The cluster's name, as in subjects. */
  readonly cluster: string;
  /** The id of the cluster; undefined: the first view tells it. */
  readonly clusterId: ClusterId | undefined;
  readonly nodeId: NodeId;
  /** The node's name for people. */
  readonly name: string;
  /** The level that it is of; the newest when absent. */
  readonly level: number | undefined;
  /** Folder of the node's databases of this boot, absolute; made when it is not there. */
  readonly folder: string;
  /** Folder of its durable state, absolute; absent: it keeps no persistent databases. */
  readonly stateFolder?: string;
  /** The state page; absolute. */
  readonly pagePath: string;
  /** The socket of programs; absolute. */
  readonly socketPath: string;
  /** The version of the program, for programs that ask. */
  readonly programVersion: string;
}

/** What main did with the page last; the truth is the page itself. */
export interface PageNews {
  readonly incarnation: Incarnation;
  readonly generation: Generation;
  /** By CLOCK_BOOTTIME; 0: none. */
  readonly leaseEndMs: number;
}

/** How the data thread is. */
export interface DataStatus {
  readonly incarnation: Incarnation | undefined;
  readonly generation: Generation;
  readonly databases: readonly DatabaseStats[];
  /** Programs that are connected. */
  readonly clients: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  /** Not sent, since the server took too little. */
  readonly messagesDropped: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly refusedFor: readonly { readonly code: string; readonly count: number }[];
  /** Recoveries, the newest last; see recovery.ts. */
  readonly recoveries: readonly RecoveryReport[];
}

/** What a newer view cost at this node. */
export interface RecoveryReport {
  readonly generation: Generation;
  /** What the view changed, in words. */
  readonly cause: string;
  readonly msAgo: number;
  readonly isOver: boolean;
  /** From the adoption to the end of the last phase, or until now. */
  readonly totalMs: number;
  readonly phases: readonly {
    readonly name: "adopt" | "tables" | "rebuild" | "queries";
    readonly ms: number;
    readonly count: number;
  }[];
  readonly databases: readonly {
    readonly name: string;
    readonly slotsByTable: number;
    readonly slotsRebuilt: number;
    readonly keysQueried: number;
    readonly ms: number;
  }[];
}
