/**
 * TypeScript twin of assembly/lcp2.ts: the same sums, kept up to date move by move, in typed arrays.
 *
 * The same method as the kernel, so that the two show what WebAssembly is worth, and not what the method is worth.
 *
 * Does NOT promise: any check of its arguments.
 */

import type { Lcp2Choice, Lcp2Sums } from "../../../assembly/host/lcp2_table.ts";

const NONE = 0xffffffff;

/** The table in typed arrays. */
export class Lcp2Twin implements Lcp2Sums {
  readonly #keys: Uint32Array;
  readonly #count: number;
  readonly #nodes: number;
  readonly #cost: Uint32Array;
  readonly #able: Uint8Array;
  readonly #owner: Uint32Array;
  readonly #least: Uint32Array;
  readonly #imbalance: Uint32Array;
  readonly #changed: Uint32Array;
  readonly #stuck: Uint32Array;
  readonly #order: number[];
  #candidates: readonly number[] = [];
  #clock = 0;

  constructor(keys: Uint32Array, nodes: number) {
    this.#keys = keys;
    this.#count = keys.length / 4;
    this.#nodes = nodes;
    this.#cost = new Uint32Array(this.#count * nodes);
    this.#able = new Uint8Array(this.#count * nodes);
    this.#owner = new Uint32Array(this.#count).fill(NONE);
    this.#least = new Uint32Array(this.#count).fill(NONE);
    this.#imbalance = new Uint32Array(nodes);
    this.#changed = new Uint32Array(nodes);
    this.#stuck = new Uint32Array(nodes);
    this.#order = Array.from({ length: nodes }, (_, node) => node);
  }

  setAble(address: number, node: number): void {
    this.#able[address * this.#nodes + node] = 1;
  }

  setCandidates(nodes: readonly number[]): void {
    this.#candidates = nodes;
  }

  put(address: number, node: number): void {
    this.#imbalance[node] = (this.#imbalance[node] as number) + this.#costOf(address, node);
    this.#owner[address] = node;
    this.#spread(address, node, 1);
  }

  rank(): void {
    for (let address = 0; address < this.#count; address++) {
      if (this.#owner[address] === NONE) this.#rankOne(address);
    }
  }

  nextPlace(): Lcp2Choice | undefined {
    let found: Lcp2Choice | undefined;
    for (let address = 0; address < this.#count; address++) {
      const node = this.#least[address] as number;
      if (this.#owner[address] !== NONE || node === NONE) continue;
      const cost = this.#costOf(address, node);
      if (found === undefined || cost < found.cost) found = { address, node, cost };
    }
    return found;
  }

  place({ address, node }: Lcp2Choice): void {
    this.put(address, node);
    for (let other = 0; other < this.#count; other++) {
      if (this.#least[other] === node && this.#owner[other] === NONE) this.#rankOne(other);
    }
  }

  nextMove(): Lcp2Choice | undefined {
    const imbalances = this.#imbalance;
    this.#order.sort((one, other) =>
      (imbalances[other] as number) - (imbalances[one] as number) || one - other
    );
    for (const source of this.#order) {
      if (imbalances[source] === 0) return undefined;
      const found = this.#bestFrom(source);
      if (found !== undefined) return found;
      this.#stuck[source] = this.#clock + 1;
    }
    return undefined;
  }

  move({ address, node }: Lcp2Choice): void {
    const owner = this.#owner[address] as number;
    this.#imbalance[owner] = (this.#imbalance[owner] as number) - this.#costOf(address, owner);
    this.#spread(address, owner, -1);
    this.put(address, node);
    this.#clock += 1;
    for (const each of [owner, node]) {
      this.#changed[each] = this.#clock;
      this.#stuck[each] = 0;
    }
  }

  close(): void {}

  #costOf(address: number, node: number): number {
    return this.#cost[address * this.#nodes + node] as number;
  }

  #spread(address: number, node: number, sign: 1 | -1): void {
    const keys = this.#keys;
    const [word0 = 0, word1 = 0, word2 = 0, word3 = 0] = keys.subarray(
      4 * address,
      4 * address + 4,
    );
    let cell = node;
    for (let other = 0, at = 0; other < this.#count; other++, at += 4, cell += this.#nodes) {
      if (other === address) continue;
      const bits = Math.clz32((keys[at] as number) ^ word0) +
        Math.clz32((keys[at + 1] as number) ^ word1) +
        Math.clz32((keys[at + 2] as number) ^ word2) +
        Math.clz32((keys[at + 3] as number) ^ word3);
      this.#cost[cell] = (this.#cost[cell] as number) + sign * bits * bits;
    }
  }

  #rankOne(address: number): void {
    let least = NONE;
    for (let node = 0; node < this.#nodes; node++) {
      if (this.#able[address * this.#nodes + node] === 0) continue;
      if (least === NONE || this.#costOf(address, node) < this.#costOf(address, least)) {
        least = node;
      }
    }
    this.#least[address] = least;
  }

  #bestFrom(source: number): Lcp2Choice | undefined {
    const imbalance = this.#imbalance[source] as number;
    const stuck = this.#stuck[source] as number;
    const targets = this.#candidates.filter((node) => (this.#changed[node] as number) >= stuck);
    let found: Lcp2Choice | undefined;
    let least = 0;
    for (let address = 0; address < this.#count; address++) {
      if (this.#owner[address] !== source) continue;
      const sourceCost = this.#costOf(address, source);
      for (const node of targets) {
        if (this.#able[address * this.#nodes + node] === 0) continue;
        const cost = this.#costOf(address, node);
        const after = ((this.#imbalance[node] as number) + cost) >>> 0;
        if (after >= imbalance || cost >= sourceCost) continue;
        const sum = (imbalance - sourceCost + after) >>> 0;
        if (found !== undefined && sum >= least) continue;
        found = { address, node, cost };
        least = sum;
      }
    }
    return found;
  }
}
