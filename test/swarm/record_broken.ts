/**
 * The rules of the record machine, each broken. docs/RECORDS.md says what happens without each, and who notices.
 *
 * Does NOT promise: that one way of breaking a rule is the worst one.
 */
import { RECORD_RULES } from "../../actors/machines/record/rules.ts";
import type { RecordRuleName, RecordRules } from "../../actors/machines/record/rules.ts";

/** Rules that are more than a step which is taken or not. */
const OTHERS: Partial<RecordRules> = {
  isHeard: () => true,
  isSameSlotGen: () => true,
  mayAnswer: () => true,
  isAnswerOfNow: () => true,
  isGone: (_isMember, isPnnIn) => !isPnnIn,
};

/** The rules with one of them broken. */
export function brokenRule(name: RecordRuleName): RecordRules {
  return { ...RECORD_RULES, [name]: OTHERS[name] ?? (() => false) };
}

/** All names of rules. */
export function ruleNames(): RecordRuleName[] {
  return Object.keys(RECORD_RULES) as RecordRuleName[];
}

/** Slots of a run with few. */
export const FEW = 64;

/** Who notices a broken rule: a directed test in test/actors/machines/record, and a seed with its judges. */
export interface Notice {
  readonly test?: "rules_move" | "rules_work" | "rules_recovery" | "stopped_client";
  readonly seed?: number;
  /** One with FEW slots, which is quicker. */
  readonly few?: number;
  readonly judge?: readonly string[];
  /** Does it take longer than seconds to show? */
  readonly isLate?: boolean;
}

/** Who notices each broken rule. Those without a seed go unnoticed by random runs, and have a directed test. */
export const NOTICED: Readonly<Record<RecordRuleName, Notice>> = {
  barsAfterPurge: { test: "rules_move" },
  barsAfterQuery: { test: "rules_move" },
  checksBirth: {
    test: "rules_work",
    seed: 36,
    few: 16,
    judge: ["twice", "late", "failed"],
    isLate: true,
  },
  checksLeaseAfter: { test: "stopped_client" },
  countsDeadWriter: { test: "rules_move" },
  countsTaking: { test: "rules_move" },
  dropsLateAnswers: { test: "rules_work", seed: 4, few: 2, judge: ["reader", "stale"] },
  dropsRecalls: { test: "rules_move" },
  isAnswerOfNow: { test: "rules_recovery" },
  isGone: { test: "rules_move", seed: 9, few: 6, judge: ["end"] },
  isHeard: { test: "rules_move" },
  isSameSlotGen: { test: "rules_move", seed: 20, few: 4, judge: ["I5", "two owners"] },
  isSilentWhileClosed: { test: "rules_recovery", seed: 1, few: 1, judge: ["two owners", "lost"] },
  keepsCallCopy: { test: "rules_work" },
  keepsCopies: { test: "rules_move", seed: 1, few: 1, judge: ["lost"] },
  keepsHighestRid: { test: "rules_work", seed: 12, few: 48, judge: ["reader"] },
  leavesTombstones: { test: "rules_recovery" },
  mayAnswer: { test: "rules_recovery" },
  movesProofs: { test: "rules_work", seed: 1, few: 1, judge: ["twice", "late"] },
  nackQueries: { test: "rules_move" },
  oneCallPerKey: { test: "rules_work", seed: 1, few: 1, judge: ["not done"] },
  onlyOpenTables: { test: "rules_recovery", seed: 1, few: 1, judge: ["lost", "two owners"] },
  originMustBeIn: { test: "rules_work" },
  ownerBeatsRsn: {
    test: "rules_recovery",
    seed: 3,
    few: 4,
    judge: ["I2", "two owners", "lost"],
    isLate: true,
  },
  provesRefusal: { test: "rules_work" },
  queriesAfterLoss: { test: "rules_recovery", seed: 1, few: 2, judge: ["end"] },
  recoversWithTombstones: { test: "rules_recovery" },
  releaseEndsOwnership: { test: "rules_recovery" },
  renumbersPending: { test: "rules_move", seed: 46, judge: ["I1"], isLate: true },
  restartsRebuild: { test: "rules_recovery" },
  retags: { test: "rules_move" },
  retagsOnlyLater: { test: "rules_move" },
  retagsReleased: { test: "rules_move" },
  revokeVoidsAsked: { test: "rules_work", seed: 4, few: 4, judge: ["reader"] },
  revokesBeforeMove: { test: "rules_work", seed: 2, few: 2, judge: ["reader", "stale"] },
  revokesBeforeWrite: { test: "rules_work", seed: 2, few: 2, judge: ["reader", "stale"] },
  saysNoCopy: { test: "rules_move", seed: 12, few: 22, judge: ["end"], isLate: true },
  skipsSeen: { test: "rules_recovery" },
  stopsReadingFirst: { test: "rules_work" },
  takesMutex: { test: "rules_move", seed: 1, few: 1, judge: ["not done", "two owners", "lost"] },
  takesOncePerRid: { test: "rules_move", seed: 1, few: 1, judge: ["I1", "two owners"] },
  tombstoneIsNewLife: { test: "rules_work" },
  unknownAfterBirth: { test: "rules_work" },
  waitsForAllParts: {
    test: "rules_recovery",
    seed: 18,
    few: 18,
    judge: ["lost", "two owners"],
    isLate: true,
  },
};
