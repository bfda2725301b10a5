/**
 * The rules that records hang on, each a small function with the place in the paper that demands it.
 *
 * The machine asks this table and nothing else, so that a test may break one rule and see who notices; a machine that
 * runs has RECORD_RULES. docs/RECORDS.md has a row for each rule: what happens without it, and who notices.
 *
 * Does NOT promise: that the rules are all of the protocol; what only costs time is in the parts of the machine.
 */
import type { Generation } from "../../../transport/wire/terms.ts";

/** A rule for each promise. Those without arguments are steps that are taken, or not. */
export interface RecordRules {
  /** A1: only members are heard. Broken: every life of a pnn that is in the view. */
  isHeard(isMember: boolean, isPnnIn: boolean): boolean;
  /** A2: a message about a table is for one slotGen. */
  isSameSlotGen(own: Generation, theirs: Generation): boolean;
  /** A3: a question of a generation is answered by who has adopted it, */
  mayAnswer(own: Generation, asked: Generation): boolean;
  /** and its answer is used in that generation only. */
  isAnswerOfNow(own: Generation, asked: Generation): boolean;
  /** A4: a home is silent until the slot is open. */
  isSilentWhileClosed(): boolean;
  /** Barriers: what was under way when a query, */
  barsAfterQuery(): boolean;
  /** or a purge was answered, comes too late. */
  barsAfterPurge(): boolean;
  /** Section 10: a call is for one life of the record. */
  checksBirth(): boolean;
  /** L1: a life that was followed by another is gone, like any that left. */
  isGone(isMember: boolean, isPnnIn: boolean): boolean;
  /** C7: an owner whose first ACK the home lost says that it has it; */
  retags(): boolean;
  /** also when it has given the record back meanwhile. */
  retagsReleased(): boolean;
  /** but not where the copy that comes is newer than the own one: the record went on without that. */
  retagsOnlyLater(): boolean;
  /** C7: a NACK that tells of a newer copy leads to a query. */
  nackQueries(): boolean;
  /** A deferred recall that a query or purge has overtaken, or whose target or home left, is dropped. */
  dropsRecalls(): boolean;
  /** C1: of two questions of a reader the later one counts. */
  keepsHighestRid(): boolean;
  /** C2: a record that was given back has no owner. */
  releaseEndsOwnership(): boolean;
  /** C3: between copies of one transfer the owner's counts, whatever its number. */
  ownerBeatsRsn(): boolean;
  /** C4: who reads by a granter that left stops before it answers a recovery. */
  stopsReadingFirst(): boolean;
  /** C5: one call per key is under way. */
  oneCallPerKey(): boolean;
  /** C6: a tombstone begins a life of its own. */
  tombstoneIsNewLife(): boolean;
  /** C8: a call is executed while its origin is a member. */
  originMustBeIn(): boolean;
  /** C12: an answer to what is no longer asked changes nothing. */
  dropsLateAnswers(): boolean;
  /** C13: a purge leaves tombstones first. */
  leavesTombstones(): boolean;
  /** C13, too: also where a recovery finds that it is deleted. */
  recoversWithTombstones(): boolean;
  /** C14: the holder keeps its copy. */
  keepsCopies(): boolean;
  /** C15: a holder without the copy says so. */
  saysNoCopy(): boolean;
  /** Section 11, step 4: what was touched is used only if the lease is valid after. */
  checksLeaseAfter(): boolean;
  /** Section 6: readers are gone before a write, */
  revokesBeforeWrite(): boolean;
  /** and before the record moves, or is given back. */
  revokesBeforeMove(): boolean;
  /** Section 6: REVOKE makes what the reader has asked for void, too. */
  revokeVoidsAsked(): boolean;
  /** Section 11: all changes of a copy are made under the chain mutex. */
  takesMutex(): boolean;
  /** Section 1: taking ownership counts as a write. */
  countsTaking(): boolean;
  /** Section 10: proofs of calls travel with every copy. */
  movesProofs(): boolean;
  /** Section 10: the copy that comes with a result is kept before the result is told. */
  keepsCallCopy(): boolean;
  /** A writer that died in the mutex: what it left is a new state. */
  countsDeadWriter(): boolean;
  /** Section 8: a transfer that was under way gets a new tid from the new home. */
  renumbersPending(): boolean;
  /** Section 8: who never had the slot open has no table. */
  onlyOpenTables(): boolean;
  /** Section 8: a rebuild begins anew in a newer view. */
  restartsRebuild(): boolean;
  /** Section 8: a query that is under way, and a record whose holder or taker left, are asked for anew. */
  queriesAfterLoss(): boolean;
  /** Section 13: an answer in parts counts when it is whole. */
  waitsForAllParts(): boolean;
  /** Section 5: a rid is taken once. */
  takesOncePerRid(): boolean;
  /** Section 9: a traverse that begins a slot again skips what it has seen. */
  skipsSeen(): boolean;
  /** Section 10: who may have called by a birth does not call again by another. */
  unknownAfterBirth(): boolean;
  /** Section 10: a refusal is proved like a success. */
  provesRefusal(): boolean;
}

/** The name of a rule. */
export type RecordRuleName = keyof RecordRules;
/** Short for the machine's files. */
export type Rules = RecordRules;

const yes = () => true;

/** The rules as the paper has them. */
export const RECORD_RULES: RecordRules = {
  isHeard: (isMember) => isMember,
  isSameSlotGen: (own, theirs) => own === theirs,
  mayAnswer: (own, asked) => own >= asked,
  isAnswerOfNow: (own, asked) => own === asked,
  isSilentWhileClosed: yes,
  barsAfterQuery: yes,
  barsAfterPurge: yes,
  checksBirth: yes,
  isGone: (isMember) => !isMember,
  retags: yes,
  retagsReleased: yes,
  retagsOnlyLater: yes,
  nackQueries: yes,
  dropsRecalls: yes,
  keepsHighestRid: yes,
  releaseEndsOwnership: yes,
  ownerBeatsRsn: yes,
  stopsReadingFirst: yes,
  oneCallPerKey: yes,
  tombstoneIsNewLife: yes,
  originMustBeIn: yes,
  dropsLateAnswers: yes,
  leavesTombstones: yes,
  recoversWithTombstones: yes,
  keepsCopies: yes,
  saysNoCopy: yes,
  checksLeaseAfter: yes,
  revokesBeforeWrite: yes,
  revokesBeforeMove: yes,
  revokeVoidsAsked: yes,
  takesMutex: yes,
  countsTaking: yes,
  movesProofs: yes,
  keepsCallCopy: yes,
  countsDeadWriter: yes,
  renumbersPending: yes,
  onlyOpenTables: yes,
  restartsRebuild: yes,
  queriesAfterLoss: yes,
  waitsForAllParts: yes,
  takesOncePerRid: yes,
  skipsSeen: yes,
  unknownAfterBirth: yes,
  provesRefusal: yes,
};
