/**
 * What a record machine looks like from outside, as plain data: for commands, statistics and explanations.
 *
 *   look(state)           the whole: sizes, counts, waits, what each view meant
 *   lookAtKey(state, key) one record: its copy here, who waits for it, what its home knows if that is this node
 *
 * Nothing is changed by looking.
 *
 * Does NOT promise: one moment with another node's look.
 */
import type { Member } from "../../../transport/wire/messages/document.ts";
import type { Tid } from "../../../transport/wire/messages/record_parts.ts";
import type { Generation, Incarnation, Pnn, Rsn } from "../../../transport/wire/terms.ts";
import { slotOf } from "../cluster/slots.ts";
import { FLAG_LOCKED, isOwner, isReader, isReleased } from "./copy.ts";
import type { Key, Stored } from "./copy.ts";
import { heldPlace } from "./programs.ts";
import type { Move, WaitKind, WaitLook } from "./moves.ts";
import type { ViewWork } from "./progress.ts";
import type { Entry, Home, KeyState, RecordState } from "./state.ts";
import { isVisitor } from "./visitors.ts";

/** Moves of one key that are told. */
const MOVES_TOLD = 32;

/** The whole machine. */
export interface RecordLook {
  readonly incarnation: Incarnation;
  readonly generation: Generation;
  /** Undefined: this life is in no view. */
  readonly pnn: Pnn | undefined;
  readonly isServing: boolean;
  /** Copies here, of whatever role. */
  readonly copies: number;
  /** Operations that wait, or hold a record, or were told that it is here. */
  readonly ops: number;
  /** Keys at which something is under way. */
  readonly active: number;
  readonly traverses: number;
  readonly programs: number;
  /** Empty records that wait for the vacuum. */
  readonly empties: number;
  /** As a home. */
  readonly home: {
    readonly slots: number;
    readonly closed: number;
    /** Keys that exist. */
    readonly keys: number;
    /** Queries and purges under way. */
    readonly rounds: number;
    /** Tables that their new homes have not said to have. */
    readonly kept: number;
  };
  readonly counts: Readonly<Record<string, number>>;
  readonly waits: Readonly<Record<WaitKind, WaitLook>>;
  /** What the last views meant, the newest last. */
  readonly views: readonly Readonly<ViewWork>[];
}

/** Looks at the whole. */
export function look(state: RecordState): RecordLook {
  let copies = 0;
  for (const keys of state.copies.values()) copies += keys.size;
  let slots = 0;
  let keys = 0;
  for (const home of state.homes) {
    if (home === undefined) continue;
    slots += 1;
    keys += home.table.size;
  }
  return {
    incarnation: state.incarnation,
    generation: state.generation,
    pnn: state.me === undefined ? undefined : state.pnn,
    isServing: state.me !== undefined && state.nowMs < state.leaseEndMs,
    copies,
    ops: state.opKeys.size,
    active: state.active.size,
    traverses: state.runs.size,
    programs: state.programs.size,
    empties: state.empties.size,
    home: {
      slots,
      closed: state.closed.size,
      keys,
      rounds: state.rounds.size,
      kept: state.frozen.size,
    },
    counts: Object.fromEntries(state.counts),
    waits: {
      move: state.waits.move.look(),
      read: state.waits.read.look(),
      call: state.waits.call.look(),
    },
    views: state.views.map((work) => ({ ...work })),
  };
}

/** What a node is to a record. */
export type Role = "owner" | "reader" | "released" | "stale" | "none";

/** Who has a record for itself. */
export interface HolderLook {
  readonly what: "lock" | "program";
  /** Of a client of this node; undefined: another node's call, or nobody's any more. */
  readonly client: number | undefined;
  /** Whose call a program runs, where it is another node's. */
  readonly origin: Member | undefined;
}

/** One record, as this node sees it. */
export interface KeyLook {
  readonly slot: number;
  /** Undefined: no view. */
  readonly home: Member | undefined;
  readonly slotGen: Generation | undefined;
  readonly role: Role;
  /** The copy here. */
  readonly copy:
    | {
      readonly tid: Tid;
      readonly rsn: Rsn;
      readonly birth: Tid;
      readonly size: number;
      readonly dmaster: Pnn;
      readonly flags: number;
      readonly isLocked: boolean;
      /** Origins whose calls are proved. */
      readonly calls: number;
    }
    | undefined;
  readonly heldBy: HolderLook | undefined;
  /** Clients that map the file and were told that it is here. */
  readonly told: readonly number[];
  /** Operations and calls that wait, in order; of clients of this node with their number. */
  readonly queue: readonly {
    readonly client: number | undefined;
    readonly origin: Member | undefined;
  }[];
  /** Who may read it by this node's leave, and by whose leave this node may. */
  readonly readers: readonly Member[];
  readonly granter: Member | undefined;
  /** Does this node ask for it, for a copy to read, or has it sent work? */
  readonly isAsked: boolean;
  readonly isReadAsked: boolean;
  readonly callsSent: number;
  /** Somebody is to have it, as soon as it may go. */
  readonly recalledFor: Member | undefined;
  /** Until then it stays for those who wait, by the node's clock. */
  readonly holdUntilMs: number;
  /** Is a client in the chain's mutex, as far as was seen? */
  readonly isChainBusy: boolean;
  readonly hint: Member | undefined;
  /** What the home knows, if that is this node; "closed": nothing yet. */
  readonly entry: EntryLook | "closed" | undefined;
  /** What became of it here, the oldest first. */
  readonly moves: readonly Move[];
}

/** What a home knows of a key. */
export interface EntryLook {
  readonly holder: Member | undefined;
  readonly htid: Tid;
  readonly phase: Entry["phase"];
  /** Whom it goes to. */
  readonly to: Member | undefined;
  readonly queue: readonly Member[];
  /** Who has not answered the query or purge under way. */
  readonly unanswered: readonly Member[];
}

/** Looks at one record. */
export function lookAtKey(state: RecordState, key: Key): KeyLook {
  const ks = state.keys.get(key);
  const slot = ks?.slot ?? slotOf(state.config.hashOf(key));
  const stored = state.me === undefined ? undefined : state.store.get(key);
  const { home, slotGen } = state.slots[slot] ?? {};
  return {
    slot,
    home,
    slotGen,
    role: roleOf(state, stored),
    copy: stored === undefined ? undefined : copyLook(stored),
    heldBy: ks === undefined ? undefined : holderLook(ks),
    told: ks === undefined ? [] : [...ks.told.values()].map(({ op }) => op.client),
    queue: (ks?.queue ?? []).map((place) => ({
      client: isVisitor(place) ? undefined : place.op.client,
      origin: isVisitor(place) ? place.origin : undefined,
    })),
    readers: [...ks?.readers.keys() ?? []],
    granter: ks?.granter,
    isAsked: ks?.own !== undefined,
    isReadAsked: ks?.ro !== undefined,
    callsSent: ks?.calls.length ?? 0,
    recalledFor: ks?.recall?.to,
    holdUntilMs: ks?.holdUntilMs ?? 0,
    isChainBusy: ks?.mutex !== undefined,
    hint: ks?.hint,
    entry: entryLook(state.homes[slot], key),
    moves: state.moves.last(MOVES_TOLD, key),
  };
}

function roleOf({ pnn }: RecordState, stored: Stored | undefined): Role {
  if (stored === undefined || pnn === undefined) return "none";
  if (isOwner(stored, pnn)) return "owner";
  if (isReader(stored)) return "reader";
  return isReleased(stored) ? "released" : "stale";
}

function copyLook({ tid, rsn, birth, data, dmaster, flags, calls }: Stored): KeyLook["copy"] {
  const isLocked = (flags & FLAG_LOCKED) !== 0;
  return { tid, rsn, birth, size: data.length, dmaster, flags, isLocked, calls: calls.length };
}

function holderLook(ks: KeyState): HolderLook | undefined {
  if (ks.held === undefined) return undefined;
  const place = heldPlace(ks);
  const isOther = place !== undefined && isVisitor(place);
  return {
    what: ks.held.kind === "lock" ? "lock" : "program",
    client: place === undefined || isOther ? undefined : place.op.client,
    origin: isOther ? place.origin : undefined,
  };
}

function entryLook(home: Home | undefined, key: Key): KeyLook["entry"] {
  if (home === undefined) return undefined;
  if (!home.isOpen) return "closed";
  const entry = home.table.get(key);
  if (entry === undefined) return undefined;
  const { holder, htid, phase, pend, queue, round } = entry;
  return {
    holder,
    htid,
    phase,
    to: pend?.to,
    queue: queue.map(({ of }) => of),
    unanswered: [...round?.need ?? []],
  };
}
