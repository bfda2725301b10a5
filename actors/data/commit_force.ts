/**
 * A primary by force, as the leader's data thread sees it: what a copy that shall lead lacks, and the words of the
 * document that have it lead, if people want that.
 *
 *   look ─▶ each copy with what it told last ─▶ people decide ─▶ the same look again, of the same document ─▶ proposed
 *
 * Does NOT promise: to know all that is lost. What a copy that nobody hears has got after its last word is not known.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Pnn, Version } from "../../transport/wire/terms.ts";
import { type CommitConfig, copiesOf } from "../machines/commit/config.ts";
import type { Hello } from "../machines/commit/events.ts";
import type { PlanInput } from "../machines/commit/placement.ts";
import { forcePrimary } from "../machines/commit/planner.ts";

/** What is wanted: `from`: what was looked at, the version that changed it last; missing: only a look. */
export interface ForceWish {
  readonly name: string;
  /** Who shall lead. */
  readonly pnn: Pnn;
  readonly from?: Version;
}

/** A copy, as far as the leader knows. What is undefined it was never told since this leader began. */
export interface ForceCopy {
  readonly pnn: Pnn;
  readonly role: "primary" | "in_sync" | "copy" | "follower";
  readonly isHere: boolean;
  /** Since its last word, ms. */
  readonly silentMs: number;
  /** Its disk (replicated: life) is the one that was in sync. */
  readonly isSame: boolean;
  readonly isDamaged: boolean;
  /** Is it of the history that is in force? */
  readonly isOfHistory: boolean;
  readonly lastTerm: bigint | undefined;
  readonly lastSeq: bigint | undefined;
  readonly commitKnown: bigint | undefined;
}

/** What a forced primary would be. */
export interface ForceLook {
  readonly name: string;
  readonly pnn: Pnn;
  readonly lineage: bigint;
  /** The version that changed the database's copies last. */
  readonly from: Version;
  /** Why it cannot be; undefined: it can. */
  readonly refusal: string | undefined;
  readonly copies: readonly ForceCopy[];
  /** The last entry that stays; undefined: the node has no copy. */
  readonly keptSeq: bigint | undefined;
  /** The highest entry that any copy is known to have, and to know as committed. */
  readonly highestSeq: bigint;
  readonly committedSeq: bigint;
  /** The node whose copy has most, of those that are here. */
  readonly best: Pnn | undefined;
}

/** A node's last word: also of a life that is over. */
export interface LastWord {
  readonly silentMs: number;
  readonly hello: Hello;
}

/** What is looked at. */
export interface ForceInput {
  readonly name: string;
  readonly plan: PlanInput;
  readonly from: Version;
  readonly lastWord: (pnn: Pnn) => LastWord | undefined;
}

/** What it would be to have a node lead by force. */
export function forceLook(input: ForceInput, pnn: Pnn): ForceLook {
  const { name, plan, from } = input;
  const { config } = plan;
  const forced = forcedConfig(plan, pnn);
  const copies = plan.nodes.map((node) => copyOf(input, node.pnn));
  const ours = copies.filter(({ isOfHistory }) => isOfHistory);
  const highest = (name: "lastSeq" | "commitKnown") =>
    ours.reduce((most, { [name]: seq = 0n }) => seq > most ? seq : most, 0n);
  const [best] = ours.filter(({ isHere }) => isHere).sort(further);
  return {
    ...{ name, pnn, from, copies, lineage: config.lineage },
    refusal: typeof forced === "string" ? forced : undefined,
    keptSeq: ours.find((copy) => copy.pnn === pnn)?.lastSeq,
    highestSeq: highest("lastSeq"),
    committedSeq: highest("commitKnown"),
    best: best?.pnn,
  };
}

/** The words of the document with a node that leads by force. Throws CtdbxError "state" where that cannot be. */
export function forcedOf({ name, plan, from }: ForceInput, wish: ForceWish): CommitConfig {
  const cannot = `Cannot have node ${wish.pnn} lead ${name} by force`;
  if (wish.from !== from) {
    throw new CtdbxError("state", `${cannot}: its copies have changed meanwhile; look again`);
  }
  const forced = forcedConfig(plan, wish.pnn);
  if (typeof forced === "string") throw new CtdbxError("state", `${cannot}: ${forced}`);
  return forced;
}

function forcedConfig(plan: PlanInput, pnn: Pnn): CommitConfig | string {
  if (plan.config.lineage === 0n) return "it has not begun, and nothing is in it";
  return forcePrimary(plan, pnn);
}

function copyOf({ plan: { config, nodes }, lastWord }: ForceInput, pnn: Pnn): ForceCopy {
  const word = lastWord(pnn);
  const hello = word?.hello;
  const named = config.isr.find((one) => one.pnn === pnn);
  return {
    ...{ pnn, role: roleOf(config, pnn), silentMs: word?.silentMs ?? Infinity },
    isHere: nodes.find((node) => node.pnn === pnn)?.isAlive === true,
    isSame: named !== undefined && (hello === undefined || hello.id === named.id),
    isDamaged: hello?.isDamaged === true,
    isOfHistory: hello?.lineage === config.lineage,
    lastTerm: hello?.lastTerm,
    lastSeq: hello?.lastSeq,
    commitKnown: hello?.commitKnown,
  };
}

function roleOf(config: CommitConfig, pnn: Pnn): ForceCopy["role"] {
  if (config.primary === pnn) return "primary";
  if (config.isr.some((one) => one.pnn === pnn)) return "in_sync";
  return copiesOf(config).includes(pnn) ? "copy" : "follower";
}

/** The longest log first: by the newest term, as every choice of a primary goes. */
function further(one: ForceCopy, other: ForceCopy): number {
  const [a, b] = [one.lastTerm ?? 0n, other.lastTerm ?? 0n];
  if (a !== b) return a > b ? -1 : 1;
  const [c, d] = [one.lastSeq ?? 0n, other.lastSeq ?? 0n];
  return c === d ? one.pnn - other.pnn : c > d ? -1 : 1;
}
