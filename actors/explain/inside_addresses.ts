/**
 * What a node says of public addresses for explain.ts; while it leads, what it knows of all.
 *
 * Does NOT promise: why a node cannot host; the rules put that together from what each node says.
 */
import type { IpAddress } from "../../transport/wire/address.ts";
import { FAULT_TEXT_MAX, fitText } from "../../transport/wire/limits.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import type { Addresses } from "../addresses/addresses.ts";
import type { Answered } from "../machines/addresses/takeover/ledger.ts";
import type { Leading } from "../machines/addresses/takeover/leading.ts";
import { nodeByPnn } from "../machines/cluster/document.ts";
import {
  ADDRESSES_TOLD,
  type AddressesFact,
  type AddressGroup,
  type AllAddressesFact,
  type BehindFact,
  NAMES_TOLD,
} from "./address_facts.ts";

type NameOf = (pnn: Pnn) => string;

/** The facts; undefined: the node has to do with no address. */
export function addressFacts(
  addresses: Addresses | undefined,
  doc: Document | undefined,
  isConfigured: boolean,
  nowMs: number,
): AddressesFact | undefined {
  if (addresses === undefined) return undefined;
  const { list, backend, machine: { leading, holder } } = addresses;
  const nameOf: NameOf = (pnn) => (doc && nodeByPnn(doc, pnn)?.name) ?? `node ${pnn}`;
  const all = leading === undefined ? undefined : allFact(addresses, leading, nameOf, nowMs);
  if (list.length === 0 && !isConfigured && (all?.known ?? 0) === 0) return undefined;
  const { noLink, unlinked } = addresses.links;
  const broken = list.map(({ address }) => address)
    .filter((address) => holder.holding.isBroken(address));
  const why = addresses.lastBroken;
  return {
    listed: list.length,
    held: addresses.held().length,
    able: holder.able().length,
    isConfigured,
    backend: backend.name,
    noLink: noLink.slice(0, NAMES_TOLD),
    unlinked: groupOf(unlinked),
    broken: {
      ...groupOf(broken),
      ...broken.length === 0 || why === undefined ? {} : { why: fitText(why, FAULT_TEXT_MAX) },
    },
    ...all === undefined || all.known === 0 ? {} : { all },
  };
}

function groupOf(addresses: readonly IpAddress[]): AddressGroup {
  return { count: addresses.length, first: addresses.slice(0, ADDRESSES_TOLD) };
}

function allFact(
  addresses: Addresses,
  leading: Leading,
  nameOf: NameOf,
  nowMs: number,
): AllAddressesFact {
  const rows = addresses.rows() ?? [];
  const { noTakeover, noFailback } = addresses.policy;
  const unhosted = rows.filter(({ state }) => state === "unhosted");
  const lost = unhosted.filter(({ able }) => able.length === 0);
  const kept = unhosted.filter(({ able }) => able.length > 0);
  const told = [...lost.slice(0, ADDRESSES_TOLD), ...kept.slice(0, ADDRESSES_TOLD)];
  const nodes = [...leading.ledger.nodes];
  return {
    known: rows.length,
    hosted: rows.filter(({ state }) => state === "hosted").length,
    unhosted: {
      count: unhosted.length,
      ...kept.length === 0 ? {} : { kept: kept.length },
      first: told.map(({ address, able }) => ({
        address,
        nodes: nodes.filter(([, { known }]) => known.has(address)).map(([pnn]) => pnn)
          .sort((one, other) => one - other).slice(0, NAMES_TOLD).map(nameOf),
        isKept: able.length > 0,
      })),
    },
    waiting: groupOf(rows.filter(({ state }) => state === "waiting").map((row) => row.address)),
    silent: [...addresses.waits() ?? []].slice(0, NAMES_TOLD).map(([pnn, overMs]) => ({
      node: nameOf(pnn),
      ...overMs === Infinity ? {} : { leftMs: Math.max(0, Math.round(overMs - nowMs)) },
    })),
    behind: nodes.flatMap(([pnn, node]) => behindFact(nameOf(pnn), node, nowMs) ?? [])
      .slice(0, NAMES_TOLD),
    isNoTakeover: noTakeover === true,
    isNoFailback: noFailback === true,
  };
}

function behindFact(name: string, node: Answered, nowMs: number): BehindFact | undefined {
  const { behindMs, held, busy, orders } = node;
  if (behindMs === Infinity) return undefined;
  const hold = orders.at(-1)?.hold ?? new Set<IpAddress>();
  return {
    node: name,
    sinceMs: Math.max(0, Math.round(nowMs - behindMs)),
    releases: groupOf([...new Set([...held, ...busy])].filter((address) => !hold.has(address))),
    takes: groupOf([...hold].filter((address) => !held.has(address))),
  };
}
