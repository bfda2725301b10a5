/**
 * What of a database a node still has to hand over, by the words of a document, before it stops or leaves.
 *
 *   primary ──▶ another in-sync copy leads       in sync ──▶ others are, and it is dropped from the set
 *
 * Does NOT promise: that it can be handed over; who waits for it has a limit, or tells people.
 */
import type { Pnn } from "../../../transport/wire/terms.ts";

/** The words that count. */
export interface HeldWords {
  readonly primary: Pnn;
  readonly isr: readonly { readonly pnn: Pnn }[];
  readonly replicas: readonly Pnn[];
  readonly m: number;
}

/** Has a node that stops something that another one can take? `stays`: is that node there, and does it stay? */
export function holdsForStop(
  { primary, isr, replicas, m }: HeldWords,
  pnn: Pnn,
  stays: (pnn: Pnn) => boolean,
): boolean {
  const isIn = (one: Pnn) => isr.some((copy) => copy.pnn === one);
  const isOther = (one: Pnn) => one !== pnn && stays(one);
  if (primary === pnn) return isr.some((copy) => isOther(copy.pnn));
  if (!isIn(pnn)) return false;
  // With m of them it goes only when somebody else is in sync.
  return isr.length > m || replicas.some((one) => isOther(one) && !isIn(one));
}

/** Has a node that leaves for good anything of it? */
export function holdsForLeave({ primary, isr, replicas }: HeldWords, pnn: Pnn): boolean {
  return primary === pnn || replicas.includes(pnn) || isr.some((copy) => copy.pnn === pnn);
}
