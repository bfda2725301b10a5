/**
 * Random cases of allocation, from a seed: the same for the planners, for the straightforward implementation, and for
 * stock CTDB.
 *
 * Drawn: number of nodes and addresses, families, networks, who may host what, who hosts what, nodes that are down,
 * every switch. Small numbers are likely, since ties are.
 *
 * Does NOT promise: that every case has a plan that hosts anything.
 */

import type { PlanInput } from "../../../../../actors/machines/addresses/plan/plan.ts";
import { ALGORITHMS } from "../../../../../actors/machines/addresses/plan/plan.ts";
import { SeededDice } from "../../../../../transport/sim/dice.ts";
import { addressOfKey, type IpAddress, type IpKey } from "../../../../../transport/wire/address.ts";
import type { Pnn } from "../../../../../transport/wire/terms.ts";
import type { PlainCase } from "./plainly.ts";

/** A case in three forms. */
export interface RandomCase {
  readonly plain: PlainCase;
  readonly input: PlanInput;
  /** By node: may not host now. */
  readonly isDown: readonly boolean[];
  /** Who has each address in its list, whether down or not; in the order of `plain.addresses`. */
  readonly known: readonly (readonly number[])[];
}

/** How large a case may be. */
export interface CaseSizes {
  readonly nodes: number;
  readonly addresses: number;
}

/** The case of this seed. */
export function randomCase(
  seed: number,
  sizes: CaseSizes = { nodes: 7, addresses: 40 },
): RandomCase {
  const dice = new SeededDice(seed);
  const nodes = 1 + dice.below(sizes.nodes);
  const keys = drawKeys(dice, dice.below(sizes.addresses + 1));
  const downShare = dice.below(4);
  const isDown = Array.from({ length: nodes }, () => dice.chance(downShare, 6));
  const isUniform = dice.chance(1, 3);
  const hostedShare = dice.below(4);
  const hasHomes = dice.chance(1, 3);
  const crowd = dice.chance(1, 4) ? dice.below(nodes) : undefined;
  const known = keys.map(() =>
    Array.from({ length: nodes }, (_, node) => node)
      .filter(() => isUniform || dice.chance(3, 4))
  );
  const addresses = keys.map((words, index) => {
    const lists = known[index] as number[];
    const able = isDown.map((down, node) => !down && lists.includes(node));
    // An owner is one that has the address in its list, up or down.
    const drawn = crowd ?? dice.below(nodes);
    const owner = dice.chance(hostedShare, 3) && lists.includes(drawn) ? drawn : -1;
    const home = hasHomes && dice.chance(2, 3) ? { home: dice.below(nodes + 1) } : {};
    return { words, able, owner, ...home };
  });
  const plain: PlainCase = {
    algorithm: ALGORITHMS[dice.below(3)] as PlainCase["algorithm"],
    nodes,
    addresses,
    forced: dice.chance(1, 3) ? [dice.below(nodes + 2), dice.below(nodes)] : [],
    noFailback: dice.chance(1, 6),
    noTakeover: dice.chance(1, 10),
  };
  return { plain, input: inputOf(plain), isDown, known };
}

/** The planners' form of a case. */
export function inputOf(plain: PlainCase): PlanInput {
  const homes = new Map<IpAddress, Pnn>();
  const addresses = plain.addresses.map(({ words, owner, able, home }) => {
    const address = addressOfKey(words as unknown as IpKey);
    if (home !== undefined) homes.set(address, home as Pnn);
    return {
      address,
      owner: owner < 0 ? undefined : owner as Pnn,
      able: able.flatMap((isAble, node) => isAble ? [node as Pnn] : []),
    };
  });
  return {
    algorithm: plain.algorithm,
    nodeCount: plain.nodes,
    addresses,
    forced: plain.forced as readonly Pnn[],
    noFailback: plain.noFailback,
    noTakeover: plain.noTakeover,
    ...(homes.size > 0 ? { homes } : {}),
  };
}

/** Different keys of a few networks of one or both families. */
function drawKeys(dice: SeededDice, count: number): number[][] {
  const families = dice.below(3);
  const networks = 1 + dice.below(4);
  const spread = [3, 8, 16][dice.below(3)] as number;
  const keys = new Map<string, number[]>();
  for (let tries = 0; keys.size < count && tries < 20 * count; tries++) {
    const network = dice.below(networks);
    const isOld = families === 0 || (families === 2 && dice.chance(1, 2));
    const low = dice.below(2 ** spread);
    const key = isOld
      ? [0, 0, 0, (0xc0a81400 + network * 0x100 + low) >>> 0]
      : [0x20010db8, network << 16, dice.chance(1, 4) ? dice.u32() : 0, low];
    keys.set(key.join(), key);
  }
  return [...keys.values()];
}
