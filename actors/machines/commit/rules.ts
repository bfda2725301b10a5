/**
 * The rules that commits hang on, each a small function with the place in the protocol that demands it.
 *
 * The machine and the planner ask this table and nothing else, so that a test may break one rule and see who notices; a
 * machine that runs has COMMIT_RULES. docs/COMMITS.md has a row for each: what happens without it, and who notices.
 *
 * Does NOT promise: that the rules are all of the protocol; what only costs time is in the parts of the machine.
 */

/** A rule for each promise. Those without arguments are steps that are taken, or not. */
export interface CommitRules {
  /** 5.1: who asks again is answered when the entry is committed, not when it is in the table. */
  waitsForDuplicate(): boolean;
  /** 5.1: a transaction that is in the table is not executed again. */
  knowsExecuted(): boolean;
  /** 5.1: a transaction is executed only while all that it read is as it read it. */
  validatesReads(): boolean;
  /** 5.1: what was refused stays refused in this term. */
  remembersRefusals(): boolean;
  /** 5.1: nothing is executed for a session that the log does not know. */
  knowsSession(): boolean;
  /** Section 3: a request is for one term. */
  isForTerm(own: bigint, asked: bigint): boolean;
  /** An answer to an earlier life is none to this one. */
  isForLife(own: bigint, asker: bigint): boolean;
  /** Section 3: `aborted` is taken from the term that was asked last. */
  isAbortOfNow(asked: bigint | undefined, answered: bigint): boolean;
  /** Promise 2: what others may have asked for in a later term is told as aborted when the log says so. */
  finalizesAgain(): boolean;
  /** Promise 5: `committed` is told when the own copy has it. */
  holdsBack(): boolean;
  /** 5.1: the start entry is committed before anybody is served. */
  waitsForStart(): boolean;
  /** Section 2: a new life, or another disk, of the primary is not the primary. */
  isPrimaryLife(isLife: boolean, isDisk: boolean): boolean;
  /** Section 2: an in-sync copy is named with its disk. */
  countsDisk(isSame: boolean): boolean;
  /** R3: only a document takes a member out of the commit set. */
  keepsSlowMember(): boolean;
  /** R2: who is to be added counts from before it is asked for. */
  countsPendingAdd(): boolean;
  /** Promise 1: nothing is committed with fewer than m in-sync copies. */
  hasEnough(isr: number, m: number): boolean;
  /** D1: the own copy counts when it is on the disk. */
  countsDurable(): boolean;
  /** Section 2: a node tells the leader how far its log is on the disk: from there one that leads by force goes on. */
  tellsDurable(): boolean;
  /** 5.2: a replica follows no older term than the highest that it has seen. */
  isTermHeard(own: bigint, theirs: bigint): boolean;
  /** D2: what is acknowledged is on the disk, the raised term with it. */
  acksAfterDisk(): boolean;
  /** 5.2: a replica that was told of a higher term meanwhile acknowledges nothing. */
  fencesAck(own: bigint, theirs: bigint): boolean;
  /** 5.2: the chain up to the entries that are sent is compared, not the number alone. */
  comparesChain(): boolean;
  /** 5.2: what is acknowledged is what was compared, not all that the replica has. */
  acksCompared(): boolean;
  /** 5.2: only what is known as committed is applied. */
  appliesCommitted(): boolean;
  /** 6.2: entries go when they are in the file, not when they are committed. */
  trimsApplied(): boolean;
  /** Section 8: a read asks all in-sync copies. */
  asksRound(): boolean;
  /** Section 8: a read that joins waits for a round that began after it. */
  beginsNewRound(): boolean;
  /** TXSTATUS: what is declared as aborted for good is in the log first. */
  logsFinal(): boolean;
  /** Section 2: a version never comes twice for a key. */
  hasOwnVersions(): boolean;
  /** Section 5.1: a transaction in the CTDB way depends on the sequence number that it writes. */
  checksSequence(): boolean;
  /** R5: a request that was overtaken is void. */
  isWishNew(reqNo: number, reqSeen: number): boolean;
  /** R5: a request is for the token and the term of now. */
  isWishOfNow(isToken: boolean, isTerm: boolean): boolean;
  /** R4: the in-sync set never has fewer than m members. */
  mayShrink(size: number, m: number): boolean;
  /** 7.3: only an in-sync copy becomes primary. */
  mayLead(isInSync: boolean): boolean;
  /** 7.3: a copy with a damaged end does not lead while it is not whole. */
  avoidsDamaged(): boolean;
  /** 6.3: that the end was lost is known, in every later life, until it is here again. */
  keepsProof(): boolean;
  /** Section 2: a new life of the primary gets a new term. */
  renewsTerm(): boolean;
  /** 7.3: a replicated database begins anew only when every in-sync life is known to be over. */
  waitsForSilent(): boolean;
  /** 7.2: pages never replace a log that reaches as far. */
  keepsLongLog(): boolean;
}

/** The name of a rule. */
export type CommitRuleName = keyof CommitRules;

const yes = () => true;

/** The rules as the protocol has them. */
export const COMMIT_RULES: CommitRules = {
  waitsForDuplicate: yes,
  knowsExecuted: yes,
  validatesReads: yes,
  remembersRefusals: yes,
  knowsSession: yes,
  isForTerm: (own, asked) => own === asked,
  isForLife: (own, asker) => own === asker,
  isAbortOfNow: (asked, answered) => asked === answered,
  finalizesAgain: yes,
  holdsBack: yes,
  waitsForStart: yes,
  isPrimaryLife: (isLife, isDisk) => isLife && isDisk,
  countsDisk: (isSame) => isSame,
  keepsSlowMember: yes,
  countsPendingAdd: yes,
  hasEnough: (isr, m) => isr >= m,
  countsDurable: yes,
  tellsDurable: yes,
  isTermHeard: (own, theirs) => theirs >= own,
  acksAfterDisk: yes,
  fencesAck: (own, theirs) => own === theirs,
  comparesChain: yes,
  acksCompared: yes,
  appliesCommitted: yes,
  trimsApplied: yes,
  asksRound: yes,
  beginsNewRound: yes,
  logsFinal: yes,
  hasOwnVersions: yes,
  checksSequence: yes,
  isWishNew: (reqNo, reqSeen) => reqNo > reqSeen,
  isWishOfNow: (isToken, isTerm) => isToken && isTerm,
  mayShrink: (size, m) => size >= m,
  mayLead: (isInSync) => isInSync,
  avoidsDamaged: yes,
  keepsProof: yes,
  renewsTerm: yes,
  waitsForSilent: yes,
  keepsLongLog: yes,
};
