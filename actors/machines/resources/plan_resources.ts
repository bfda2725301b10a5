/**
 * Plans who owns which resource: each pool is spread over the nodes that offer it, then all pools together, and what
 * need not move stays.
 *
 *   owners that may not own it any more lose it ─▶ free ones, to the able node with the fewest of the pool, then of all
 *   ─▶ while a pool has two more at one node than at another that could have it: one moves
 *   ─▶ while that changes nothing in its pool, and one node has two more in all than another: one moves
 *
 * All is counted, nothing is weighed: LCP2, which public addresses go by, measures how alike addresses are, and would
 * move names for what their letters happen to have in common (docs/decisions/0032).
 *
 * Does NOT promise: the fewest moves there could be; the fullest node gives first, which comes near.
 */
import type { IpAddress } from "../../../transport/wire/address.ts";
import { poolOf, type ResourceName, RESOURCES_MAX } from "../../../transport/wire/resource.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import type { Plan, PlanAddress, PlanInput, PlanStep } from "../addresses/plan/plan.ts";

/** A resource while the plan is made. */
interface Item {
  readonly name: IpAddress;
  readonly pool: Pool;
  readonly from: Pnn | undefined;
  readonly able: readonly Pnn[];
  owner: Pnn | undefined;
}

/** Names that differ in the digits at their end. */
interface Pool {
  readonly items: Item[];
  readonly counts: Counts;
}

/** How many each node has. */
class Counts {
  readonly #counts = new Map<Pnn, number>();

  of(node: Pnn): number {
    return this.#counts.get(node) ?? 0;
  }

  add(node: Pnn, more: number): void {
    this.#counts.set(node, this.of(node) + more);
  }
}

/**
 * The plan, in the order of names. Takes and answers names in the place of addresses; of the input's policy nothing
 * counts. Of more than RESOURCES_MAX the last by name that nobody owns get no owner.
 */
export function planResources({ addresses }: PlanInput): Plan {
  const sorted = [...addresses].sort(byOwnerAndName);
  const draft = new PoolDraft(sorted.slice(0, RESOURCES_MAX));
  draft.dropUnable();
  draft.place();
  while (draft.spreadPools() || draft.spreadAll());
  const rest = sorted.slice(RESOURCES_MAX).map(({ address, owner: from }) => (
    { address, from, to: undefined }
  ));
  return { addresses: [...draft.planned(), ...rest].sort(byName), steps: draft.steps };
}

const isBefore = (one: string, other: string) => one < other ? -1 : one > other ? 1 : 0;

function byName(one: { readonly address: string }, other: { readonly address: string }): number {
  return isBefore(one.address, other.address);
}

function byOwnerAndName(one: PlanAddress, other: PlanAddress): number {
  const owned = Number(other.owner !== undefined) - Number(one.owner !== undefined);
  return owned === 0 ? isBefore(one.address, other.address) : owned;
}

/** A plan while it is made. */
class PoolDraft {
  readonly steps: PlanStep[] = [];
  readonly #items: readonly Item[];
  readonly #pools = new Map<string, Pool>();
  readonly #counts = new Counts();

  constructor(addresses: readonly PlanAddress[]) {
    this.#items = [...addresses].sort(byName).map(({ address, owner, able }) => {
      const key = poolOf(address as string as ResourceName);
      const pool = this.#pools.get(key) ?? { items: [], counts: new Counts() };
      this.#pools.set(key, pool);
      const item = { name: address, pool, from: owner, able, owner };
      pool.items.push(item);
      if (owner !== undefined) this.#count(item, owner, 1);
      return item;
    });
  }

  planned(): Plan["addresses"] {
    return this.#items.map(({ name: address, from, owner: to }) => ({ address, from, to }));
  }

  dropUnable(): void {
    for (const item of this.#items) {
      const { owner, able } = item;
      if (owner !== undefined && !able.includes(owner)) this.#give(item, undefined, "unable");
    }
  }

  place(): void {
    for (const item of this.#items) {
      const to = item.owner === undefined ? this.#emptiest(item) : undefined;
      if (to !== undefined) this.#give(item, to, "placed");
    }
  }

  /** Moves within pools until none has two more at one node than at another. True: something was moved. */
  spreadPools(): boolean {
    return this.#moveAll(({ counts }, from, to) => counts.of(from) - counts.of(to) >= 2);
  }

  /** Moves what makes no difference in its pool until nodes differ by one in all. */
  spreadAll(): boolean {
    return this.#moveAll(({ counts }, from, to) =>
      counts.of(from) - counts.of(to) === 1 && this.#counts.of(from) - this.#counts.of(to) >= 2
    );
  }

  #moveAll(isBetter: (pool: Pool, from: Pnn, to: Pnn) => boolean): boolean {
    let isMoved = false;
    for (const pool of this.#pools.values()) {
      for (let isMore = true; isMore;) {
        isMore = this.#moveOne(pool, isBetter);
        isMoved ||= isMore;
      }
    }
    return isMoved;
  }

  /** The fullest node gives first, its first name that can go. */
  #moveOne(pool: Pool, isBetter: (pool: Pool, from: Pnn, to: Pnn) => boolean): boolean {
    const owners = new Map<Pnn, Item[]>();
    for (const item of pool.items) {
      if (item.owner === undefined) continue;
      const items = owners.get(item.owner);
      if (items === undefined) owners.set(item.owner, [item]);
      else items.push(item);
    }
    const byFullness = [...owners].sort(([one], [other]) =>
      pool.counts.of(other) - pool.counts.of(one) ||
      this.#counts.of(other) - this.#counts.of(one) || one - other
    );
    for (const [from, items] of byFullness) {
      for (const item of items) {
        const to = this.#best(item, (node) => isBetter(pool, from, node));
        if (to === undefined) continue;
        this.#give(item, to, "moved");
        return true;
      }
    }
    return false;
  }

  #emptiest(item: Item): Pnn | undefined {
    return this.#best(item, () => true);
  }

  /** The able node with the fewest of the pool, then of all, then the lowest number, of those that will do. */
  #best({ able, pool: { counts } }: Item, isGood: (node: Pnn) => boolean): Pnn | undefined {
    let best: Pnn | undefined;
    for (const node of able) {
      if (!isGood(node)) continue;
      const difference = best === undefined
        ? -1
        : counts.of(node) - counts.of(best) || this.#counts.of(node) - this.#counts.of(best) ||
          node - best;
      if (difference < 0) best = node;
    }
    return best;
  }

  #give(item: Item, to: Pnn | undefined, kind: PlanStep["kind"]): void {
    const { name: address, owner: from } = item;
    if (from !== undefined) this.#count(item, from, -1);
    if (to !== undefined) this.#count(item, to, 1);
    item.owner = to;
    this.steps.push({ kind, address, from, to });
  }

  #count({ pool }: Item, node: Pnn, more: number): void {
    pool.counts.add(node, more);
    this.#counts.add(node, more);
  }
}
