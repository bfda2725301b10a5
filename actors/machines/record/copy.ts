/**
 * Copies of a record, as a node stores them, and which of two is the newer one.
 *
 *   stored = header { dmaster, flags, tid, rsn, birth }, data, calls
 *
 *   role     owner    dmaster is this node and it is not released      serves everything
 *            reader   flag RO                                          serves reads, until it is revoked
 *            stale    anything else                                    a backup that a recovery works with
 *
 * A stored record is a value: who changes it stores another one. Client programs store too, under the chain mutex.
 *
 * Does NOT promise: that the newest copy is here.
 */
import { RECORD_RESULT_MAX } from "../../../transport/wire/messages/record_parts.ts";
import type {
  CallProof,
  Copy,
  StandOf,
  Tid,
} from "../../../transport/wire/messages/record_parts.ts";
import type { Pnn, Rsn } from "../../../transport/wire/terms.ts";
import type { Rules } from "./rules.ts";
import { compareTid } from "./tid.ts";

/** A key: one character U+0000 .. U+00FF for each byte. */
export type Key = string;

/** This node may serve reads by it. */
export const FLAG_RO = 1;
/** Others read it: they are told before it is written. */
export const FLAG_READERS = 2;
/** The empty record was given back to its home. */
export const FLAG_RELEASED = 4;
/** The daemon holds it locked for a client that does not map the file. */
export const FLAG_LOCKED = 8;

/** A record as it is stored. */
export interface Stored extends Copy {
  /** Whom it belongs to, as far as this copy knows. */
  readonly dmaster: Pnn;
  readonly flags: number;
}

/** What most decisions need of a stored record: all but its value, of which only the length in bytes is known. */
export interface Head extends Omit<Stored, "data" | "calls"> {
  readonly data: { readonly length: number };
}

/** The value of a record that is deleted, or was never written. */
export const NO_DATA: Uint8Array = new Uint8Array(0);
/** No proofs. */
export const NO_CALLS: readonly CallProof[] = [];

/** A record that did not exist before this transfer. */
export function emptyCopy(tid: Tid): Copy {
  return { tid, rsn: 0n as Rsn, birth: tid, data: NO_DATA, calls: NO_CALLS };
}

/** What travels of a stored record. */
export function copyOf({ tid, rsn, birth, data, calls }: Copy): Copy {
  return { tid, rsn, birth, data, calls };
}

/** Does this node own what it stored? */
export function isOwner<Some extends Head>(stored: Some | undefined, pnn: Pnn): stored is Some {
  return stored !== undefined && stored.dmaster === pnn &&
    (stored.flags & (FLAG_RELEASED | FLAG_RO)) === 0;
}

/** Has this node given it back, and still what it gave? */
export function isReleased<Some extends Head>(stored: Some | undefined): stored is Some {
  return stored !== undefined && (stored.flags & FLAG_RELEASED) !== 0;
}

/** May it be read here? */
export function isReader<Some extends Head>(stored: Some | undefined): stored is Some {
  return stored !== undefined && (stored.flags & FLAG_RO) !== 0;
}

/** The next rsn. */
export function nextRsn(rsn: Rsn): Rsn {
  return (rsn + 1n) as Rsn;
}

/** What a member says of its copy. */
export function standOf(stored: Pick<Head, "tid" | "rsn" | "data">, owner: boolean): StandOf {
  return { tid: stored.tid, rsn: stored.rsn, owner, empty: stored.data.length === 0 };
}

/** Is `one` a newer copy than `other`? By tid; then an owner's is; then by rsn. */
export function isNewer(one: StandOf, other: StandOf, rules: Rules): boolean {
  const order = compareTid(one.tid, other.tid);
  if (order !== 0) return order > 0;
  if (rules.ownerBeatsRsn() && one.owner !== other.owner) return one.owner;
  return one.rsn > other.rsn;
}

/** The proofs with one more; those of lives that are gone are left out. */
export function withProof(
  calls: readonly CallProof[],
  proof: CallProof,
  isIn: (proof: CallProof) => boolean,
): readonly CallProof[] {
  const { pnn, incarnation } = proof.origin;
  const left = calls.filter((other) =>
    !(other.origin.pnn === pnn && other.origin.incarnation === incarnation) && isIn(other)
  );
  return [...left, proof];
}

/** The proof of an origin's newest call. */
export function proofOf(
  calls: readonly CallProof[],
  origin: CallProof["origin"],
): CallProof | undefined {
  for (const proof of calls) {
    if (proof.origin.pnn === origin.pnn && proof.origin.incarnation === origin.incarnation) {
      return proof;
    }
  }
  return undefined;
}

/** A proof of a call; a long result is left out. */
export function newProof(
  origin: CallProof["origin"],
  seq: number,
  ok: boolean,
  result: Uint8Array,
): CallProof {
  return result.length <= RECORD_RESULT_MAX ? { origin, seq, ok, result } : { origin, seq, ok };
}
