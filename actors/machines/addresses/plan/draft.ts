/**
 * A plan while it is made: the list of addresses with their owners, and the steps so far.
 *
 *   input ──▶ Draft: descending list │ give, take, placeLeast │ ──▶ finish(): Plan
 *
 * Addresses are indices into the list, nodes their numbers; nobody is -1.
 *
 * Does NOT promise: a balance; that is what the planners are for.
 */

import { byKeyDescending, type IpAddress, type IpKey } from "../../../../transport/wire/address.ts";
import { keyOfAddress } from "../../../../transport/wire/address.ts";
import { NODES_MAX } from "../../../../transport/wire/limits.ts";
import type { Pnn } from "../../../../transport/wire/terms.ts";
import type { Plan, PlanInput, PlanStep, StepKind } from "./plan.ts";
import { PLAN_ADDRESSES_MAX, PLAN_CELLS_MAX } from "./plan.ts";

/** Nobody has the address. */
export const NOBODY = -1;

/** An address of the list. */
interface Listed {
  readonly address: IpAddress;
  readonly key: IpKey;
  /** Before the plan. */
  readonly from: number;
  /** Ascending, each once. */
  readonly able: readonly number[];
}

/** A plan while it is made. */
export class Draft {
  readonly nodeCount: number;
  readonly #list: readonly Listed[];
  readonly #owners: number[];
  /** Addresses of each node. */
  readonly #counts: number[];
  readonly #steps: PlanStep[] = [];

  /** Throws RangeError on what is no input: see PlanInput. */
  constructor(input: PlanInput) {
    check(input);
    this.nodeCount = input.nodeCount;
    this.#list = input.addresses.map(({ address, owner, able }) => ({
      address,
      key: keyOfAddress(address),
      from: owner ?? NOBODY,
      able: [...new Set(able)].sort((one, other) => one - other),
    })).sort((one, other) => byKeyDescending(one.key, other.key));
    this.#list.forEach(({ address }, index) => {
      if (this.#list[index + 1]?.address === address) {
        throw new RangeError(`Cannot plan: ${address} comes twice`);
      }
    });
    this.#owners = this.#list.map(({ from }) => from);
    this.#counts = new Array<number>(this.nodeCount).fill(0);
    for (const owner of this.#owners) if (owner !== NOBODY) this.#count(owner, 1);
  }

  /** Addresses. */
  get length(): number {
    return this.#list.length;
  }

  addressAt(index: number): IpAddress {
    return this.#listed(index).address;
  }

  ownerOf(index: number): number {
    return this.#owners[index] as number;
  }

  /** Who may host it: ascending. */
  ableOf(index: number): readonly number[] {
    return this.#listed(index).able;
  }

  isAble(index: number, node: number): boolean {
    return this.#listed(index).able.includes(node);
  }

  /** How many addresses a node has. */
  countOf(node: number): number {
    return this.#counts[node] as number;
  }

  /** The first address of a node in the list; -1: it has none. */
  firstOf(node: number): number {
    return this.#owners.indexOf(node);
  }

  /** Keys of all addresses: four u32 each. */
  keys(): Uint32Array {
    const keys = new Uint32Array(4 * this.length);
    this.#list.forEach(({ key }, index) => keys.set(key, 4 * index));
    return keys;
  }

  /** Gives an address to a node, or to nobody; no step when that has it already. */
  give(index: number, node: number, kind: StepKind, cost?: number): void {
    const before = this.ownerOf(index);
    if (before === node) return;
    if (before !== NOBODY) this.#count(before, -1);
    if (node !== NOBODY) this.#count(node, 1);
    this.#owners[index] = node;
    const step = { kind, address: this.addressAt(index), from: pnnOf(before), to: pnnOf(node) };
    this.#steps.push(cost === undefined ? step : { ...step, cost });
  }

  /** Takes addresses from owners that may not host them any more. Upstream: unassign_unsuitable_ips. */
  dropUnable(): void {
    for (let index = 0; index < this.length; index++) {
      const owner = this.ownerOf(index);
      if (owner !== NOBODY && !this.isAble(index, owner)) this.give(index, NOBODY, "unable");
    }
  }

  /** The able node with the fewest addresses, the lowest number of equals; NOBODY: there is none. */
  leastLoaded(index: number): number {
    let least = NOBODY;
    for (const node of this.ableOf(index)) {
      if (least === NOBODY || this.countOf(node) < this.countOf(least)) least = node;
    }
    return least;
  }

  /** Gives each address that nobody has to its least loaded able node, in the order of the list. */
  placeLeastLoaded(): void {
    for (let index = 0; index < this.length; index++) {
      if (this.ownerOf(index) === NOBODY) this.give(index, this.leastLoaded(index), "placed");
    }
  }

  /** What has come of it. */
  finish(): Plan {
    const addresses = this.#list.map(({ address, from }, index) => ({
      address,
      from: pnnOf(from),
      to: pnnOf(this.ownerOf(index)),
    }));
    return { addresses, steps: this.#steps };
  }

  #listed(index: number): Listed {
    return this.#list[index] as Listed;
  }

  #count(node: number, more: number): void {
    this.#counts[node] = this.countOf(node) + more;
  }
}

function pnnOf(node: number): Pnn | undefined {
  return node === NOBODY ? undefined : node as Pnn;
}

function check({ nodeCount, addresses }: PlanInput): void {
  if (!Number.isInteger(nodeCount) || nodeCount < 1 || nodeCount > NODES_MAX) {
    throw new RangeError(`Cannot plan: nodeCount must be 1 to ${NODES_MAX}, is ${nodeCount}`);
  }
  if (addresses.length > PLAN_ADDRESSES_MAX || addresses.length * nodeCount > PLAN_CELLS_MAX) {
    const limits = `PLAN_ADDRESSES_MAX is ${PLAN_ADDRESSES_MAX}, PLAN_CELLS_MAX ${PLAN_CELLS_MAX}`;
    throw new RangeError(`Cannot plan: ${addresses.length} on ${nodeCount} nodes; ${limits}`);
  }
  const isNode = (node: number): boolean => Number.isInteger(node) && node >= 0 && node < nodeCount;
  for (const { address, owner, able } of addresses) {
    const wrong = [...(owner === undefined ? [] : [owner]), ...able].find((node) => !isNode(node));
    if (wrong !== undefined) {
      throw new RangeError(`Cannot plan: ${address} names node ${wrong} of ${nodeCount}`);
    }
  }
}
