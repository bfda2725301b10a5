/**
 * The table of costs of one LCP2 plan, in the Memory of the thread.
 *
 *   open(keys, nodes) ─▶ setAble ... ─▶ put (who has what) ─▶ rank, nextPlace, place ... ─▶ nextMove, move ... ─▶ close
 *
 * Does NOT promise: anything after close(); nor checks of numbers, which the planner has made.
 */

import { kernels } from "./kernels.ts";
import { LCP2, LCP2_BYTES, LCP2_LANES } from "./lcp2_kernels.ts";
import { roundUp, threadMemory } from "./memory.ts";

/** An address, and the node that is to have it. */
export interface Lcp2Choice {
  readonly address: number;
  readonly node: number;
  /** Its cost there, u32. */
  readonly cost: number;
}

/** What a planner needs of a table; a twin in plain TypeScript has the same. Addresses and nodes are indices. */
export interface Lcp2Sums {
  /** The node may host the address. */
  setAble(address: number, node: number): void;
  /** The nodes that addresses may be moved to for balance, ascending. */
  setCandidates(nodes: readonly number[]): void;
  /** Gives an address that nobody has to a node, which has it from the beginning. */
  put(address: number, node: number): void;
  /** Prepares nextPlace; after that addresses are placed, no longer put. */
  rank(): void;
  /** The address that nobody has and that is cheapest to place. */
  nextPlace(): Lcp2Choice | undefined;
  /** Does it. */
  place(choice: Lcp2Choice): void;
  /** The best move of the most loaded node that has one. */
  nextMove(): Lcp2Choice | undefined;
  /** Does it. */
  move(choice: Lcp2Choice): void;
  /** Gives the memory back. */
  close(): void;
}

const NONE = 0xffffffff;

/** The table in WebAssembly. */
export class Lcp2Table implements Lcp2Sums {
  readonly #plan: number;
  readonly #bytes: number;
  /** Words of a row of costs. */
  readonly #stride: number;
  readonly #core = kernels();
  readonly #memory = threadMemory();

  /** `keys`: four u32 for each address, in the order of the plan. Throws RangeError when memory is used up. */
  constructor(keys: Uint32Array, nodes: number) {
    const addresses = keys.length / 4;
    this.#stride = roundUp(nodes, LCP2_LANES);
    const parts = layout(addresses, nodes, this.#stride);
    this.#bytes = roundUp(parts.bytes, 4096);
    const plan = this.#memory.regions.take(this.#bytes);
    if (plan === undefined) {
      throw new RangeError(`Cannot plan: no ${this.#bytes} bytes of memory for the costs`);
    }
    this.#plan = plan;
    const { words } = this.#memory;
    words.fill(0, plan / 4, (plan + this.#bytes) / 4);
    for (const [name, at] of Object.entries(parts.at)) {
      words[(plan + LCP2[name as keyof typeof parts.at]) / 4] = plan + at;
    }
    this.#set("addresses", addresses);
    this.#set("nodes", nodes);
    this.#set("stride", this.#stride);
    words.set(keys, (plan + parts.at.keys) / 4);
    for (const name of ["owner", "least", "leastCost", "next"] as const) {
      this.#fill(parts.at[name], roundUp(addresses, LCP2_LANES));
    }
    this.#fill(parts.at.barred, addresses * this.#stride);
    this.#fill(parts.at.first, nodes);
    for (let node = 0; node < nodes; node++) words[(plan + parts.at.order) / 4 + node] = node;
  }

  setAble(address: number, node: number): void {
    this.#memory.words[this.#get("barred") / 4 + address * this.#stride + node] = 0;
  }

  setCandidates(nodes: readonly number[]): void {
    this.#memory.words.set(nodes, this.#get("candidates") / 4);
    this.#set("candidateCount", nodes.length);
  }

  put(address: number, node: number): void {
    this.#core.lcp2Put(this.#plan, address, node);
  }

  rank(): void {
    this.#core.lcp2Rank(this.#plan);
  }

  nextPlace(): Lcp2Choice | undefined {
    return this.#choice(this.#core.lcp2NextPlace(this.#plan));
  }

  place({ address, node }: Lcp2Choice): void {
    this.#core.lcp2Place(this.#plan, address, node);
  }

  nextMove(): Lcp2Choice | undefined {
    return this.#choice(this.#core.lcp2NextMove(this.#plan));
  }

  move({ address, node }: Lcp2Choice): void {
    this.#core.lcp2Move(this.#plan, address, node);
  }

  close(): void {
    this.#memory.regions.give(this.#plan, this.#bytes);
  }

  #choice(address: number): Lcp2Choice | undefined {
    if (address < 0) return undefined;
    return { address, node: this.#get("node"), cost: this.#get("nodeCost") };
  }

  #get(field: keyof typeof LCP2): number {
    return this.#memory.words[(this.#plan + LCP2[field]) / 4] as number;
  }

  #set(field: keyof typeof LCP2, value: number): void {
    this.#memory.words[(this.#plan + LCP2[field]) / 4] = value;
  }

  #fill(at: number, count: number): void {
    const from = (this.#plan + at) / 4;
    this.#memory.words.fill(NONE, from, from + count);
  }
}

/** Where each array begins, bytes from the plan, and all of it. */
function layout(addresses: number, nodes: number, stride: number) {
  let end = LCP2_BYTES;
  const part = (bytes: number): number => {
    const start = end;
    end = start + roundUp(bytes, 16);
    return start;
  };
  const at = {
    keys: part(16 * addresses),
    cost: part(4 * addresses * stride),
    barred: part(4 * addresses * stride),
    owner: part(4 * addresses),
    least: part(4 * addresses),
    leastCost: part(4 * addresses),
    next: part(4 * addresses),
    imbalance: part(4 * nodes),
    first: part(4 * nodes),
    order: part(4 * nodes),
    candidates: part(4 * nodes),
    changed: part(4 * nodes),
    stuck: part(4 * nodes),
  };
  return { at, bytes: end };
}
