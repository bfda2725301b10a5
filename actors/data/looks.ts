/**
 * What people see of a database at this node: where a record is, which records are hot, numbers.
 *
 * All of it is read between two steps of the machine, and changes nothing.
 *
 * Does NOT promise: that it is so a moment later, or that another node sees the same.
 */
import type { KeyLook, RecordLook } from "../machines/record/look.ts";
import type { Hot } from "../machines/record/policy.ts";
import type { HeldUp } from "./held_store.ts";
import type { DatabaseStats, HotKey, Where } from "./types.ts";

/** Hot keys that are told. */
export const HOT_MAX = 16;

/** What is known of a record beside the machine. */
export interface KeyFacts {
  /** What the policy knows of it. */
  readonly hot: Hot | undefined;
  readonly heldUp: HeldUp | undefined;
  /** Are all records of the database sticky? */
  readonly isSticky: boolean;
  readonly nowMs: number;
}

/** Where a record is, as this node knows. */
export function whereOf(look: KeyLook, { hot, heldUp, isSticky, nowMs }: KeyFacts): Where {
  const { slot, home, role, copy, readers, queue, callsSent, entry, moves } = look;
  const known = entry === "closed" ? undefined : entry;
  return {
    slot,
    home: home?.pnn,
    isHome: entry !== undefined,
    isOpen: known !== undefined,
    holder: known?.holder?.pnn,
    dmaster: copy?.dmaster,
    role,
    rsn: copy?.rsn,
    tid: copy?.tid,
    size: copy?.size,
    readers: readers.map(({ pnn }) => pnn),
    waiting: queue.length + callsSent,
    heldBy: heldBy(look, heldUp, nowMs),
    read: role === "owner" || role === "reader" ? "here" : hot?.read ?? "delegate",
    call: role === "owner" ? "here" : hot?.call ?? "move",
    isSticky: isSticky || hot?.isSticky === true,
    history: moves.map(({ atMs, what, peer, rsn }) => (
      { msAgo: Math.max(0, nowMs - atMs), what, peer: peer?.pnn, rsn }
    )),
  };
}

function heldBy(
  { heldBy: by }: KeyLook,
  heldUp: HeldUp | undefined,
  nowMs: number,
): Where["heldBy"] {
  if (by !== undefined) {
    const what = by.what === "lock" ? "lock" : "program";
    return { what, pid: undefined, client: by.client, ageMs: undefined };
  }
  if (heldUp === undefined) return undefined;
  const { pid, sinceMs } = heldUp;
  return { what: "chain", pid, client: undefined, ageMs: nowMs - sinceMs };
}

/** A record that much is done about. */
export function hotKeyOf({ key, seen, isSticky, call }: Hot, waiting: number): HotKey {
  const { usesInAll: uses, visits, movesIn, movesOut, delegated } = seen;
  return { key, uses, visits, movesIn, movesOut, delegated, waiting, isSticky, choice: call };
}

/** What of DatabaseStats a machine knows. */
export type MachineStats = Pick<
  DatabaseStats,
  | ("state" | "empty" | "waiting" | "traverses" | "slotsHome" | "slotsOpening" | "keysHome")
  | ("keysQueried" | "counts" | "waits")
>;

/** The numbers of a machine. */
export function statsOf(look: RecordLook, isServing: boolean): MachineStats {
  const { pnn, home, counts, waits, ops, empties: empty, traverses } = look;
  const isOpen = home.closed === 0 && (look.views.at(-1)?.keysOpen ?? 0) === 0;
  return {
    state: pnn === undefined ? "idle" : !isServing ? "frozen" : isOpen ? "ready" : "recovering",
    empty,
    waiting: ops,
    traverses,
    slotsHome: home.slots,
    slotsOpening: home.closed,
    keysHome: home.keys,
    keysQueried: home.rounds,
    counts,
    waits,
  };
}
