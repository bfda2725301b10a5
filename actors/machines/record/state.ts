/**
 * What a record machine knows.
 *
 *   view     members by number, and for each slot its home, slotGen and the home before
 *   keys     per key of this node: who waits, what was asked, who reads, what was recalled   (only while there is any)
 *   homes    per slot of which this node is home: table of keys with their holders
 *   frozen   tables of slots that went to another home, until that has them
 *   store    the copies themselves; a port: the file that client programs map
 *
 * Indexes: copies by slot; entries by the lives they name; readers and granters by life. So a view change costs what it
 * touches. Lives of members are one object each: two are compared by ===.
 *
 * Does NOT promise: to be looked at from outside while a step runs.
 */
import type { Member, Slot } from "../../../transport/wire/messages/document.ts";
import type {
  Call,
  CallDone,
  ListWish,
  Recall,
  RecordMessage,
  RoAsk,
  TableAsk,
} from "../../../transport/wire/messages/record.ts";
import type {
  SlotName,
  StandOf,
  TableEntry,
  Tid,
} from "../../../transport/wire/messages/record_parts.ts";
import type { DbId, Generation, Incarnation, NodeId, Pnn } from "../../../transport/wire/terms.ts";
import type { Key } from "./copy.ts";
import type { Op, RecordEffect, Unlock } from "./events.ts";
import { type Backlog, newBacklog } from "./backlog.ts";
import type { LocalCall } from "./calls.ts";
import type { HeldBook } from "./held.ts";
import type { Policy } from "./policy.ts";
import type { ProcedureBook, Ran } from "./procedures.ts";
import type { Rules } from "./rules.ts";
import { Moves, type WaitKind, Waits } from "./moves.ts";
import type { ViewWork } from "./progress.ts";
import { Timers, type Waker } from "./timers.ts";
import type { SlotWalk, TraverseRun } from "./traverse.ts";
import type { RecordStore } from "./store.ts";
import type { RecordTiming } from "./tunables.ts";
import type { Vacuum } from "./vacuum.ts";
import type { Watching, WatchWalk } from "./watch.ts";

/** Never: later than any time. */
export const NEVER = Infinity;

/** One life of a node. Of members there is one object each. */
export type Life = Member;

/** What a machine is made with. */
export interface RecordConfig {
  readonly nodeId: NodeId;
  readonly dbId: DbId;
  /** Jenkins hash of a key, u32. */
  readonly hashOf: (key: Key) => number;
  readonly store: RecordStore;
  readonly procedures: ProcedureBook;
  readonly policy: Policy;
  readonly timing: RecordTiming;
  readonly rules: Rules;
  /** Are all records of the database sticky? */
  readonly isSticky?: boolean;
  /** Does anybody watch this key? Then writes to it are told; absent: nobody watches anything. */
  readonly isWatched?: (key: Key) => boolean;
  /** Locks that values are about; absent: they are about none. */
  readonly held?: HeldBook | undefined;
}

/** Something asked again and again. */
export interface Asking {
  dueMs: number;
  waitMs: number;
}

/** A local operation that waits. */
export interface Waiter {
  readonly op: Op;
  /** A call that must run here under this number, since it was sent before. */
  local: LocalCall | undefined;
}

/** A call of another node that waits to be executed here. */
export interface Visitor {
  readonly call: Call;
  readonly origin: Life;
}

/** One place in the queue of a key: local and remote operations in the order of their coming. */
export type Place = Waiter | Visitor;

/** The request for ownership that is under way. */
export interface Own extends Asking {
  readonly sinceMs: number;
  readonly rid: number;
  minTid: Tid;
}

/** The request for a copy to read that is under way. */
export interface RoWish extends Asking {
  readonly sinceMs: number;
  rid: number;
  minTid: Tid;
  /** Questions to the hint so far. */
  tries: number;
}

/** The call that is under way. */
export interface CallOut extends Asking {
  readonly sinceMs: number;
  readonly seq: number;
  readonly waiter: Waiter;
  birth: Tid;
  /** Was it ever sent with a birth? Then it may have been executed. */
  isSent: boolean;
  minTid: Tid;
  tries: number;
  /** It was executed, and its copy is here; told when the lease is valid. */
  done: CallDone | undefined;
}

/** A recall that waits until it can be served. */
export interface Recalled {
  readonly message: Recall;
  readonly to: Life;
  /** Local operations that were there before it. */
  before: number;
}

/** A client of this node has the record locked; and what it wants when it gives the lock back. */
export interface HeldLock {
  readonly kind: "lock";
  readonly waiter: Waiter;
  unlock: Unlock | undefined;
}

/** A program runs its procedure on the record. */
export interface HeldRun {
  readonly kind: "run";
  readonly id: number;
  readonly untilMs: number;
  /** Whose call it is; undefined: nobody's any more. */
  place: Place | undefined;
  ran: Ran | undefined;
}

/** What this node knows of a key beside its copy. */
export interface KeyState extends Waker {
  readonly sort: "key";
  readonly key: Key;
  readonly slot: number;
  readonly queue: Place[];
  /** Who has the record for itself. */
  held: HeldLock | HeldRun | undefined;
  watch: Watching | undefined;
  /** Operations of clients that map the file and were told that it is here. */
  readonly told: Map<number, { readonly op: Op; readonly untilMs: number }>;
  own: Own | undefined;
  ro: RoWish | undefined;
  readonly calls: CallOut[];
  /** Who asked for a copy to read while that was not possible: after those who write. */
  readonly roAsks: Map<Life, RoAsk>;
  /** The highest rid of each node that may read. */
  readonly readers: Map<Life, number>;
  revoke: Asking | undefined;
  recall: Recalled | undefined;
  holdUntilMs: number;
  /** Who lets this node read it, by which rid. */
  granter: Life | undefined;
  roRid: number;
  /** It may be read no longer, as soon as the mutex is had. */
  mustStop: boolean;
  /** The record was given back: RELEASE is repeated. */
  release: Asking | undefined;
  /** The mutex was busy: what waits for it, and when it is tried again. */
  readonly deferred: { readonly from: Life; readonly message: RecordMessage }[];
  mutex: { readonly dueMs: number } | undefined;
  /** How long it was waited for last. */
  busyMs: number;
  /** Where it probably is. */
  hint: Life | undefined;
  /** Somebody here wants it although no client does: it is pulled from a node that drains. */
  isPulled: boolean;
  isDirty: boolean;
}

/** A transfer under way. */
export interface Pend extends Asking {
  readonly tid: Tid;
  readonly to: Life;
  readonly rid: number;
  readonly empty: boolean;
}

/** What a home knows of a key. */
export interface Entry extends Waker {
  readonly sort: "entry";
  readonly key: Key;
  readonly home: Home;
  holder: Life | undefined;
  htid: Tid;
  /** The rid by which the holder got it. */
  hrid: number;
  phase: TableEntry["phase"];
  pend: Pend | undefined;
  queue: { readonly of: Life; readonly rid: number }[];
  /** Query or purge: its tid, who has not answered, the greatest copy so far. */
  round: (Asking & { readonly tid: Tid; readonly need: Set<Life> }) | undefined;
  best: { readonly stand: StandOf; readonly of: Life } | undefined;
  /** Locks that living clients hold, told in a recovery: for the next who takes the record. */
  held: Uint8Array | undefined;
}

/** How a slot is being opened. */
export interface Opening extends Asking {
  readonly way: "table" | "rebuild";
  /** Who is asked: the home before, or the members that have not reported. */
  readonly need: Set<Life>;
  readonly fromGen: Generation;
  readonly best: Map<Key, { readonly stand: StandOf; readonly of: Life }>;
  readonly held: Map<Key, Uint8Array>;
}

/** A slot of which this node is home. */
export interface Home extends Waker {
  readonly sort: "home";
  readonly slot: number;
  readonly slotGen: Generation;
  isOpen: boolean;
  seq: number;
  readonly table: Map<Key, Entry>;
  opening: Opening | undefined;
}

/** A table that another home is to have. */
export interface FrozenTable {
  readonly slotGen: Generation;
  readonly wasOpen: boolean;
  readonly sinceMs: number;
  readonly table: ReadonlyMap<Key, Entry>;
}

/** An answer that comes in parts. */
export interface Parted {
  readonly id: number;
  readonly parts: RecordMessage[];
  left: number;
}

/** What wants to be looked at by the clock. */
export type Part = KeyState | Entry | Home | Vacuum | TraverseRun | WatchWalk | Backlog;

/** All of it. */
export interface RecordState {
  readonly config: RecordConfig;
  readonly rules: Rules;
  readonly timing: RecordTiming;
  readonly store: RecordStore;
  nowMs: number;
  effects: RecordEffect[];
  readonly inbox: RecordMessage[];
  readonly outbox: Map<Life, RecordMessage[]>;
  /** Long messages that were sent lately, and until when they may be under way: long.ts. */
  readonly onTheirWay: Map<string, number>;
  readonly timers: Timers<Part>;
  readonly dirty: KeyState[];

  incarnation: Incarnation;
  /** This life as a member; undefined: it is none, or not yet. */
  me: Life | undefined;
  pnn: Pnn | undefined;
  generation: Generation;
  leaseEndMs: number;
  members: Map<Pnn, Life>;
  draining: Set<Pnn>;
  nodeIds: ReadonlyMap<Pnn, NodeId>;
  slots: readonly Slot[];
  readonly viewSaidMs: Map<string, number>;

  readonly keys: Map<Key, KeyState>;
  /** Keys of the copies here, by slot. */
  readonly copies: Map<number, Set<Key>>;
  /** Keys at which something is asked, waited for or recalled. */
  readonly active: Set<KeyState>;
  readonly opKeys: Map<number, KeyState>;
  /** Keys at which a program runs, by the number of its run. */
  readonly programs: Map<number, KeyState>;
  /** Keys that this node reads by a granter; keys that a life reads from here. */
  readonly granted: Map<Life, Set<KeyState>>;
  readonly reading: Map<Life, Set<KeyState>>;
  rid: number;
  callSeq: number;
  /** How much may be done in this step of what is done in slices: keys, about. */
  room: number;
  /** Number of runs; goes on over all lives. */
  runId: number;
  /** Number of questions. */
  askId: number;

  readonly homes: (Home | undefined)[];
  /** Homes that are not open. */
  readonly closed: Set<Home>;
  /** Entries that are asked for because of the view. */
  readonly recovering: Set<Entry>;
  /** What the last views meant; the newest last. */
  readonly views: ViewWork[];
  readonly frozen: Map<number, FrozenTable>;
  /** Entries that name a life: as holder, taker, in the queue, or in a round. May have more than that. */
  readonly named: Map<Life, Set<Entry>>;
  /** Entries in which a query or purge is under way. */
  readonly rounds: Set<Entry>;
  /** Keys that are pulled from nodes that drain. */
  readonly pulled: Set<KeyState>;
  /** What is asked of a peer at the end of the step. */
  readonly wishes: Map<Life, TableAsk["wishes"][number][]>;
  readonly reportWishes: Map<Life, SlotName[]>;
  readonly listWishes: Map<Life, ListWish[]>;
  readonly parted: Map<string, Parted>;
  readonly vacuum: Vacuum;
  /** Keys that were seen empty, and since when. */
  readonly empties: Map<Key, number>;
  readonly runs: Map<number, TraverseRun>;
  /** Slots of traverses by the numbers of their questions. */
  readonly asked: Map<number, { readonly run: TraverseRun; readonly walk: SlotWalk }>;
  readonly watchWalk: WatchWalk;
  readonly backlog: Backlog;
  /** Numbers for those who watch. */
  readonly counts: Map<string, number>;
  readonly waits: Readonly<Record<WaitKind, Waits>>;
  readonly moves: Moves;
}

/** A machine without a life. */
export function newRecordState(config: RecordConfig): RecordState {
  return {
    config,
    rules: config.rules,
    timing: config.timing,
    store: config.store,
    nowMs: 0,
    effects: [],
    inbox: [],
    outbox: new Map(),
    onTheirWay: new Map(),
    timers: new Timers(),
    dirty: [],
    incarnation: 0n as Incarnation,
    me: undefined,
    pnn: undefined,
    generation: 0n as Generation,
    leaseEndMs: 0,
    members: new Map(),
    draining: new Set(),
    nodeIds: new Map(),
    slots: [],
    viewSaidMs: new Map(),
    keys: new Map(),
    copies: new Map(),
    active: new Set(),
    opKeys: new Map(),
    programs: new Map(),
    granted: new Map(),
    reading: new Map(),
    rid: 0,
    callSeq: 0,
    room: 0,
    runId: 0,
    askId: 0,
    homes: [],
    closed: new Set(),
    recovering: new Set(),
    views: [],
    frozen: new Map(),
    named: new Map(),
    rounds: new Set(),
    pulled: new Set(),
    wishes: new Map(),
    reportWishes: new Map(),
    listWishes: new Map(),
    parted: new Map(),
    empties: new Map(),
    vacuum: { sort: "vacuum", wakeMs: NEVER, walk: undefined, walkMs: 0, isHurried: false },
    runs: new Map(),
    asked: new Map(),
    backlog: newBacklog(),
    watchWalk: { sort: "watch", wakeMs: NEVER, walks: [] },
    counts: new Map(),
    waits: { move: new Waits(), read: new Waits(), call: new Waits() },
    moves: new Moves(),
  };
}
