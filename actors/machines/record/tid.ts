/**
 * Tids: which transfer, recovery or purge of a key, in the order in which its homes gave them.
 *
 *   (slotGen of the home, number in the slot)       a later home has a greater slotGen, so a tid never comes again
 *
 * Does NOT promise: an order between tids of different slots.
 */
import type { Tid } from "../../../transport/wire/messages/record_parts.ts";
import type { Generation } from "../../../transport/wire/terms.ts";

export type { Tid };

/** No transfer: below all others. */
export const TID_NONE: Tid = { gen: 0n as Generation, seq: 0 };

/** Below 0, 0 or above 0, as the first is earlier, the same or later. */
export function compareTid(one: Tid, other: Tid): number {
  if (one === other) return 0;
  if (one.gen !== other.gen) return one.gen < other.gen ? -1 : 1;
  return one.seq - other.seq;
}

/** Are they the same? */
export function isSameTid(one: Tid, other: Tid): boolean {
  return one === other || (one.seq === other.seq && one.gen === other.gen);
}

/** The later of two. */
export function laterTid(one: Tid, other: Tid): Tid {
  return compareTid(one, other) >= 0 ? one : other;
}

/** For people: generation.number. */
export function tidText({ gen, seq }: Tid): string {
  return `${gen}.${seq}`;
}
