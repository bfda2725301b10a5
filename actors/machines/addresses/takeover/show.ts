/**
 * What a leader knows of the addresses, as rows for people and programs.
 *
 * Does NOT promise: to be true a moment later.
 */
import type { IpAddress } from "../../../../transport/wire/address.ts";
import type { Pnn } from "../../../../transport/wire/terms.ts";
import type { Leading } from "./leading.ts";

/** How it is with an address. */
export const ADDRESS_STATES = ["hosted", "moving", "waiting", "unhosted"] as const;
/** One of ADDRESS_STATES. */
export type AddressState = (typeof ADDRESS_STATES)[number];

/** An address. */
export interface AddressRow {
  readonly address: IpAddress;
  /** Who has it set; undefined: nobody. */
  readonly pnn?: Pnn;
  /** Who is to have it; undefined: nobody can. */
  readonly to?: Pnn;
  /** hosted: it is where it belongs. waiting: somebody silent may hold it. unhosted: nobody can host it. */
  readonly state: AddressState;
  /** Who could host it now. */
  readonly able: readonly Pnn[];
  /** How long it stays where it was moved to by hand, ms. */
  readonly pinnedMs?: number;
  /** Why it is not hosted. */
  readonly why?: string;
}

/** All addresses that are known, in descending order, as the plan has them. */
export function addressRows(leading: Leading, nowMs: number): AddressRow[] {
  const { ledger, desired, silent, pins } = leading;
  const holders = ledger.holders();
  return [...desired].map(([address, to]) => {
    const nodes = [...ledger.nodes];
    const pnn = nodes.find(([, { held }]) => held.has(address))?.[0];
    const able = nodes.filter(([, node]) => node.able.has(address)).map(([one]) => one)
      .sort((one, other) => one - other);
    const pin = pins.get(address);
    const isHeldUp = !holders.has(address) && silent.size > 0;
    const state = to === undefined
      ? "unhosted"
      : pnn === to
      ? "hosted"
      : isHeldUp
      ? "waiting"
      : "moving";
    const [waitsFor] = silent.keys();
    const why = state === "unhosted"
      ? whyNobody(leading, address)
      : state === "waiting"
      ? `node ${waitsFor} may hold it, and has not answered`
      : undefined;
    return {
      address,
      ...pnn === undefined ? {} : { pnn },
      ...to === undefined ? {} : { to },
      state,
      able,
      ...pin === undefined ? {} : { pinnedMs: Math.max(0, Math.ceil(pin.untilMs - nowMs)) },
      ...why === undefined ? {} : { why },
    };
  });
}

function whyNobody({ ledger }: Leading, address: IpAddress): string {
  const nodes = [...ledger.nodes.values()];
  const known = nodes.filter((node) => node.known.has(address)).length;
  const able = nodes.filter((node) => node.able.has(address)).length;
  if (able > 0) return "a switch keeps it from being taken (NoIPTakeover)";
  return known === 1
    ? "the only node that has it in its list is not healthy, is kept from it, or has no link for it"
    : `of ${known} nodes that have it in their lists none is healthy, allowed to, and has a link for it`;
}
