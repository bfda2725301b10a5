/**
 * What a leader knows of resources, as rows for people and programs.
 *
 * Does NOT promise: to be true a moment later.
 */
import { type ResourceName, RESOURCES_MAX } from "../../transport/wire/resource.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import type { Leading } from "../machines/addresses/takeover/leading.ts";
import { addressRows } from "../machines/addresses/takeover/show.ts";
import { asAddress, asName } from "./disguise.ts";

/** How it is with a resource. */
export const RESOURCE_STATES = ["owned", "moving", "waiting", "free"] as const;
/** One of RESOURCE_STATES. */
export type ResourceState = (typeof RESOURCE_STATES)[number];

/** A resource. */
export interface ResourceRow {
  readonly name: ResourceName;
  /** The node whose program owns it; undefined: nobody does. */
  readonly pnn?: Pnn;
  /** owned: where it belongs. waiting: a silent node's program may own it. free: nobody can own it. */
  readonly state: ResourceState;
  /** The node that is to have it; undefined: nobody can. */
  readonly to?: Pnn;
  /** Nodes with programs that could own it now. */
  readonly able: readonly Pnn[];
  /** How long it stays where it was moved to by hand, ms. */
  readonly pinnedMs?: number;
  /** Why nobody owns it. */
  readonly why?: string;
}

const STATES = { hosted: "owned", moving: "moving", waiting: "waiting", unhosted: "free" } as const;

/** All resources that are known, in the order of names. */
export function resourceRows(leading: Leading, nowMs: number): ResourceRow[] {
  return addressRows(leading, nowMs).map(({ address, state, why, ...row }): ResourceRow => {
    const name = asName(address);
    const reason = state === "unhosted" ? whyNobody(leading, name) : why;
    return { ...row, name, state: STATES[state], ...reason === undefined ? {} : { why: reason } };
  });
}

/** Why nobody can own it. */
function whyNobody({ ledger, desired }: Leading, name: ResourceName): string {
  const offering = [...ledger.nodes].filter(([, { known }]) => known.has(asAddress(name)));
  const isAble = offering.some(([, { able }]) => able.has(asAddress(name)));
  if (isAble) return `RESOURCES_MAX is ${RESOURCES_MAX}, there are ${desired.size}`;
  const nodes = offering.map(([pnn]) => pnn).sort((one, other) => one - other);
  if (nodes.length === 0) return "no program offers it any more";
  const are = nodes.length === 1 ? `node ${nodes[0]} offers` : `nodes ${nodes.join(", ")} offer`;
  return `programs of ${are} it, but it is not healthy or kept from it, or they failed or hang`;
}
