/**
 * The LCP2 exports of the WebAssembly core, typed, and the memory that a plan works in.
 *
 *   region:  | plan LCP2_BYTES | keys | cost | barred | owner, least, least cost, next | by node: 6 arrays |
 *
 * Does NOT promise: checks of numbers; see assembly/host/lcp2_table.ts.
 */

/** Fields of a plan: byte offsets of u32 words (assembly/lcp2.ts). */
export const LCP2 = {
  addresses: 0,
  nodes: 4,
  keys: 8,
  cost: 12,
  barred: 16,
  owner: 20,
  least: 24,
  leastCost: 28,
  next: 32,
  imbalance: 36,
  first: 40,
  order: 44,
  candidates: 48,
  changed: 52,
  stuck: 56,
  candidateCount: 60,
  clock: 64,
  node: 68,
  nodeCost: 72,
  stride: 76,
} as const;
/** Bytes of the fields. */
export const LCP2_BYTES = 128;
/** Rows of costs, and arrays by address, are a multiple of so many words. */
export const LCP2_LANES = 4;

/** Exports of assembly/lcp2.ts. `plan` is the address of the fields; addresses and nodes are indices. */
export interface Lcp2Kernels {
  /** The distance of two keys of 16 bytes, 0 to 128. */
  lcp2Distance(one: number, other: number): number;
  /** Gives an address that nobody has to a node. */
  lcp2Put(plan: number, address: number, node: number): void;
  /** The same, between lcp2Rank and the last lcp2NextPlace. */
  lcp2Place(plan: number, address: number, node: number): void;
  /** Gives an address to another node than its own. */
  lcp2Move(plan: number, address: number, node: number): void;
  /** Prepares lcp2NextPlace. */
  lcp2Rank(plan: number): void;
  /** The address that is to be placed next; node and nodeCost say where; -1: none. */
  lcp2NextPlace(plan: number): number;
  /** The address that is to be moved next; node and nodeCost say where; -1: none. */
  lcp2NextMove(plan: number): number;
}
