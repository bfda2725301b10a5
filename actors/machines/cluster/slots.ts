/**
 * The vnnmap: which member is the home of each of 1024 slots of keys, by rendezvous hashing.
 *
 * Each member draws a number for each slot, the highest has it. So all agree without a word, a member that goes gives
 * up its own slots only, and one that comes takes only what it wins: 1/n of them.
 *
 *   key -> jenkins hash -> slot = hash mod 1024 -> home (pnn, incarnation)
 *   before: s -> A, slotGen 5     version 9 without A     after: s -> B, slotGen 9, no from (A is no member)
 *   before: s -> A, slotGen 5     version 9 with B new    after: s -> B, slotGen 9, from A, slotGen 5
 *
 * The draw goes by pnn, so that a node which restarts gets its slots back; the home is (pnn, incarnation), so it gets
 * them as a new home: slotGen changes, and there is no `from`, since its former life is no member.
 *
 * Does NOT promise: equal shares. They scatter as dice do: 1024/n, give or take a few times its root.
 * Upstream: ctdb vnnmap; differs from upstream: 1024 slots instead of one per member, so one member moves little.
 */
import { SLOTS } from "../../../transport/wire/limits.ts";
import type { Member, Slot, SlotFrom } from "../../../transport/wire/messages/document.ts";
import type { Generation, Pnn } from "../../../transport/wire/terms.ts";
import { mix } from "../mix.ts";

/** A slot whose home is another than before. */
export interface SlotMove {
  /** 0 .. 1023. */
  readonly slot: number;
  /** Undefined: there was no map. */
  readonly before: Member | undefined;
  readonly after: Member;
  readonly slotGen: Generation;
  /** Has the new home somebody to ask for the table? Otherwise it asks all members what they hold. */
  readonly handedOver: boolean;
}

/** The slot of a key by its Jenkins hash (u32): 0 .. 1023. */
export function slotOf(keyHash: number): number {
  return (keyHash >>> 0) % SLOTS;
}

/** What a member draws for a slot, u32. For different pnns never the same. */
export function drawOf(slot: number, pnn: Pnn): number {
  // A bijection of the pnn at each step, so two members never draw alike. ~slot: no number is both a slot and a pnn.
  return mix(mix(pnn) + mix(~slot));
}

/** Are these one life of one node? */
export function isSameHome(one: Member, other: Member): boolean {
  return one.pnn === other.pnn && one.incarnation === other.incarnation;
}

/**
 * The slots of a view with these members, made from the slots before (none: the first view of a cluster).
 *
 * Members that are draining get none, unless all are. What stays is the same object. `version` is the version of the
 * document that the view comes with; it must be above every slotGen before. `count`: how many slots; only simulations
 * have fewer than all. Throws RangeError without members.
 */
export function reassign(
  before: readonly Slot[],
  members: readonly Member[],
  draining: ReadonlySet<Pnn>,
  version: Generation,
  count: number = SLOTS,
): readonly Slot[] {
  if (members.length === 0) throw new RangeError("Cannot assign slots: there are no members");
  const staying = members.filter(({ pnn }) => !draining.has(pnn));
  const homes = staying.length > 0 ? staying : members;
  const slots: Slot[] = [];
  let moved = false;
  for (let slot = 0; slot < count; slot++) {
    const was = before[slot];
    const home = winner(slot, homes);
    if (was !== undefined && isSameHome(was.home, home)) {
      slots.push(was);
      continue;
    }
    moved = true;
    slots.push({ home, slotGen: version, ...formerOf(was, members) });
  }
  return moved ? slots : before;
}

/** Who draws the highest number for a slot. */
function winner(slot: number, homes: readonly Member[]): Member {
  let best = homes[0] as Member;
  let highest = drawOf(slot, best.pnn);
  for (const home of homes) {
    const draw = drawOf(slot, home.pnn);
    if (draw <= highest) continue;
    best = home;
    highest = draw;
  }
  return { pnn: best.pnn, incarnation: best.incarnation };
}

function formerOf(was: Slot | undefined, members: readonly Member[]): { from?: SlotFrom } {
  if (was === undefined || !members.some((member) => isSameHome(member, was.home))) return {};
  return { from: { ...was.home, slotGen: was.slotGen } };
}

/** Which slots have another home in the second map than in the first, in order. */
export function movesBetween(before: readonly Slot[], after: readonly Slot[]): SlotMove[] {
  const moves: SlotMove[] = [];
  after.forEach((now, slot) => {
    const was = before[slot];
    if (was !== undefined && isSameHome(was.home, now.home)) return;
    moves.push({
      slot,
      before: was?.home,
      after: now.home,
      slotGen: now.slotGen,
      handedOver: now.from !== undefined,
    });
  });
  return moves;
}

/** How many slots each member is home of; members without any are not in it. */
export function sharesOf(slots: readonly Slot[]): Map<Pnn, number> {
  const shares = new Map<Pnn, number>();
  for (const { home } of slots) shares.set(home.pnn, (shares.get(home.pnn) ?? 0) + 1);
  return shares;
}
