/**
 * Locks that clients hold by a record's value, announced again in a recovery: the last rule of section 8.
 *
 *   a query or report ─▶ each member tells what its living clients hold ─▶ the home keeps the union
 *   the next grant carries it ─▶ the taker merges it into the value, as its first write, before any waiter runs
 *
 * The home keeps it only while nobody owns the record: an owner knows who has been granted what since, and a union of
 * before would bring back a lock that was given up. What is held without a copy anywhere counts too: an entry that has
 * something held is not dropped.
 *
 * Does NOT promise: to know what a lock is; the book of the database does.
 */
import type { StandOf, Tid } from "../../../transport/wire/messages/record_parts.ts";
import type { Generation, Rsn } from "../../../transport/wire/terms.ts";
import type { Key } from "./copy.ts";
import { slotOfKey } from "./keys.ts";
import type { Entry, Life, RecordState } from "./state.ts";
import { TID_NONE } from "./tid.ts";

/** What a database knows of the locks that its values are about. All bytes are of its own form. */
export interface HeldBook {
  /** What living clients of this node hold on a key; undefined: nothing. */
  of(key: Key): Uint8Array | undefined;
  /** The keys of which `of` says something. */
  keys(): Iterable<Key>;
  /** Both together; neither is changed or kept. */
  unite(one: Uint8Array, other: Uint8Array): Uint8Array;
  /**
   * A value as it is when its record is taken under a tid: with what is held, and without lives that are no members,
   * where something is. Nothing is changed or kept.
   */
  taken(
    data: Uint8Array,
    tid: Tid,
    held: Uint8Array | undefined,
    isIn: (life: Life) => boolean,
  ): Uint8Array;
}

/** A field that is there if something is held. */
export type HeldField = { readonly held?: Uint8Array };

/** What is held here, as a field of an answer. */
export function heldHere(state: RecordState, key: Key): HeldField {
  const held = state.config.held?.of(key);
  return held === undefined ? {} : { held };
}

/** The same, for a message that carries it on. */
export function heldField(held: Uint8Array | undefined): HeldField {
  return held === undefined ? {} : { held };
}

/** What is said of a key of which there is no copy here; undefined: nothing is held either. */
export function heldOnly(state: RecordState, key: Key): StandOf | undefined {
  const held = state.config.held?.of(key);
  if (held === undefined) return undefined;
  return { tid: TID_NONE, rsn: 0n as Rsn, owner: false, empty: true, held };
}

/** Is a copy meant, and not only what is held? */
export function isOfCopy({ tid }: StandOf): boolean {
  return tid.gen !== (0n as Generation);
}

/** Keys of a slot that are held here. */
export function heldKeys(state: RecordState, slot: number): Key[] {
  const { held } = state.config;
  if (held === undefined) return [];
  return [...held.keys()].filter((key) => slotOfKey(state, key) === slot);
}

/** Both together; a copy of its own, as bytes of messages are not kept. */
export function unite(
  state: RecordState,
  known: Uint8Array | undefined,
  told: Uint8Array | undefined,
): Uint8Array | undefined {
  if (told === undefined) return known;
  return known === undefined ? told.slice() : state.config.held?.unite(known, told) ?? known;
}

/** A recovery has found who holds the key: where it is owned, its owner knows better. */
export function settleHeld(entry: Entry, best: Entry["best"]): void {
  if (best?.stand.owner === true) entry.held = undefined;
}

/** The value of a record that comes here under a tid, with what is held. */
export function withHeld(
  state: RecordState,
  data: Uint8Array,
  tid: Tid,
  held: Uint8Array | undefined,
): Uint8Array {
  const book = state.config.held;
  if (book === undefined) return data;
  const isIn = ({ pnn, incarnation }: Life) => state.members.get(pnn)?.incarnation === incarnation;
  return book.taken(data, tid, held, isIn);
}

/** Does a key not exist, although something is held on it? Whoever wants it makes it. */
export function isOnlyHeld({ holder, pend, phase, held }: Entry): boolean {
  return held !== undefined && holder === undefined && pend === undefined && phase === "idle";
}
