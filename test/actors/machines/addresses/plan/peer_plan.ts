/**
 * One case planned by us and by stock CTDB.
 *
 * Does NOT promise: home nodes; Debian's CTDB 4.17 does not know them.
 */

import { planAddresses } from "../../../../../actors/machines/addresses/plan/plan_addresses.ts";
import type { PeerCase, TakeoverPeer } from "../../../../peer/ctdb_takeover.ts";
import { inputOf, type RandomCase } from "./cases.ts";

/** IPAllocAlgorithm of each. */
const NUMBERS = { deterministic: 0, nondeterministic: 1, lcp2: 2 } as const;
/** Flag of a node that is down in a case: UNHEALTHY. */
const UNHEALTHY = 2;

/** Lines ADDRESS PNN of both. */
export interface BothPlans {
  readonly ours: readonly string[];
  readonly theirs: readonly string[];
}

/** Both plans; undefined: the peer does not know what the case is about. Throws when the helper fails. */
export async function peerPlanOf(
  peer: TakeoverPeer,
  { plain, isDown, known }: RandomCase,
): Promise<BothPlans | undefined> {
  const hasHomes = plain.addresses.some(({ home }) => home !== undefined);
  if (hasHomes && plain.algorithm === "deterministic") return undefined;
  // What is in nobody's list is no address of the peer's, and would shift the places of the others.
  const isKnown = (index: number): boolean => (known[index] ?? []).length > 0;
  const kept = { ...plain, addresses: plain.addresses.filter((_, index) => isKnown(index)) };
  const input = inputOf(kept);
  const lists = known.filter((_, index) => isKnown(index));
  const asked: PeerCase = {
    algorithm: NUMBERS[plain.algorithm],
    flags: isDown.map((down) => down ? UNHEALTHY : 0),
    addresses: input.addresses.map(({ address, owner }, index) => ({
      address,
      owner: owner ?? -1,
      known: lists[index] as readonly number[],
    })),
    forced: plain.forced,
    noFailback: plain.noFailback,
    noTakeover: plain.noTakeover,
  };
  const owners = await peer.plan(asked);
  const { addresses } = planAddresses(input);
  return {
    ours: addresses.map(({ address, to }) => `${address} ${to ?? -1}`),
    theirs: addresses.map(({ address }) => `${address} ${owners.get(address) ?? -1}`),
  };
}
