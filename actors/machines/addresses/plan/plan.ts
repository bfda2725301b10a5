/**
 * Where the public addresses go, as data: what a planner is given, and what it answers.
 *
 *   addresses with their owners, who may host what ──▶ planAddresses() ──▶ an owner for each, step by step
 *
 * All planners are pure: the same input gives the same plan, on every machine. Every planner begins with the list in
 * descending order of keys (transport/wire/address.ts), in which "the first" is meant wherever several are equal.
 *
 * Does NOT promise: that a plan can be carried out; the takeover machine does that.
 *
 * Upstream: ipalloc of CTDB 4.17 with its three algorithms.
 */

import type { IpAddress } from "../../../../transport/wire/address.ts";
import type { Pnn } from "../../../../transport/wire/terms.ts";

/** The algorithms. Upstream: IPAllocAlgorithm 0, 1, 2. */
export const ALGORITHMS = ["deterministic", "nondeterministic", "lcp2"] as const;
/** One of them. */
export type Algorithm = (typeof ALGORITHMS)[number];

/** Addresses of one plan; costs stay exact far beyond. */
export const PLAN_ADDRESSES_MAX = 16384;
/** Addresses times nodes of one plan; LCP2 has 8 bytes for each. */
export const PLAN_CELLS_MAX: number = 2 ** 24;

/** An address before the plan. */
export interface PlanAddress {
  readonly address: IpAddress;
  /** Who hosts it, as that node itself says; undefined: nobody. */
  readonly owner: Pnn | undefined;
  /**
   * Who may host it now: runs, is healthy and neither disabled nor stopped nor banned, has it in its list, and one of
   * its interfaces for it has a link. Each once, any order.
   */
  readonly able: readonly Pnn[];
}

/** What is planned, and how. */
export interface PlanInput {
  readonly algorithm: Algorithm;
  /** One more than the highest number of a node, 1 .. NODES_MAX. */
  readonly nodeCount: number;
  /** Each address once, any order. */
  readonly addresses: readonly PlanAddress[];
  /** LCP2 moves addresses to these nodes, too, though they have some already. Numbers of no node are passed over. */
  readonly forced?: readonly Pnn[];
  /** Addresses do not move for balance. Upstream: NoIPFailback. The deterministic plan takes no notice. */
  readonly noFailback?: boolean;
  /** No node gets an address that it does not host. Upstream: NoIPTakeover. */
  readonly noTakeover?: boolean;
  /** Homes of the deterministic plan; without one the n-th address of the list is at home at node n mod nodeCount. */
  readonly homes?: ReadonlyMap<IpAddress, Pnn>;
}

/** Why an address gets another owner, or none. */
export type StepKind =
  | "home" // the deterministic plan begins with it there
  | "unable" // its owner may not host it any more: nobody has it
  | "placed" // nobody had it
  | "moved"; // for balance

/** One step of a plan, in the order in which it was made. */
export interface PlanStep {
  readonly kind: StepKind;
  readonly address: IpAddress;
  /** Who had it before this step. */
  readonly from: Pnn | undefined;
  /** Who has it after. */
  readonly to: Pnn | undefined;
  /** Only LCP2: its likeness to the addresses of the new owner (sum of squared distances, u32); less is better. */
  readonly cost?: number;
}

/** An address after the plan. */
export interface PlannedAddress {
  readonly address: IpAddress;
  /** Who had it before the plan. */
  readonly from: Pnn | undefined;
  /** Who is to host it; undefined: nobody can. */
  readonly to: Pnn | undefined;
}

/** A plan. */
export interface Plan {
  /** All addresses, in descending order of keys. */
  readonly addresses: readonly PlannedAddress[];
  /** How it came about. An address may have several steps. */
  readonly steps: readonly PlanStep[];
}
