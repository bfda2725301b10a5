/**
 * Whom addresses wait for, and how long yet: nodes that may have some and can be asked no more.
 *
 *   has not answered this leader ──┐
 *   had it, and is out of the view ┴─▶ until its lease and its kernel's are over; its supervisor may say sooner
 *
 * Does NOT promise: that such a node has anything; two nodes must never have one address, so it is taken for so.
 */
import type { IpAddress } from "../../transport/wire/address.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import { lifeOf, nodeIdsOf } from "../machines/cluster/document.ts";
import type { LeadView } from "../machines/addresses/takeover/lead_view.ts";
import type { Answered } from "../machines/addresses/takeover/ledger.ts";
import type { Leading } from "../machines/addresses/takeover/leading.ts";
import type { AddressRow } from "../machines/addresses/takeover/show.ts";

const SECOND_MS = 1000;

/** Nodes that are waited for, each with the time at which that is over, by the own clock. */
export function waitedFor(leading: Leading, view: LeadView): ReadonlyMap<Pnn, number> {
  const { ledger, silent } = leading;
  const waits = new Map(silent);
  const nodeIds = nodeIdsOf(view.doc);
  for (const [pnn, node] of ledger.nodes) {
    if (lifeOf(view.doc.view.members, pnn) === node.incarnation || !mayHave(node)) continue;
    waits.set(pnn, ledger.overMs(view, pnn, nodeIds.get(pnn)));
  }
  return waits;
}

/** How all addresses stand, in figures. */
export interface Standing {
  /** Addresses in any list. */
  readonly known: number;
  readonly hosted: number;
  readonly moving: number;
  readonly waiting: number;
  /** Those that nobody can host. */
  readonly unhosted: readonly IpAddress[];
}

/**
 * How all addresses stand. Each second and at each plan it is asked of thousands: those that are where they belong cost
 * a look each. `rows`: all of them in full, for those that are not.
 */
export function standingOf(
  { desired, ledger }: Leading,
  rows: () => readonly AddressRow[],
): Standing {
  const unhosted: IpAddress[] = [];
  let hosted = 0;
  for (const [address, to] of desired) {
    if (to === undefined) unhosted.push(address);
    else if (ledger.nodes.get(to)?.held.has(address)) hosted += 1;
  }
  const others = desired.size - hosted - unhosted.length;
  const waiting = others === 0 ? 0 : rows().filter(({ state }) => state === "waiting").length;
  return { known: desired.size, hosted, moving: Math.max(0, others - waiting), waiting, unhosted };
}

/** May it have any address, now or by an order that it has? */
function mayHave({ held, busy, orders }: Answered): boolean {
  return held.size + busy.size > 0 || orders.some(({ hold }) => hold.size > 0);
}

/** Rows that say of each address that waits for whom, and how long yet. */
export function rowsWithWaits(
  rows: readonly AddressRow[],
  leading: Leading,
  view: LeadView,
  nowMs: number,
): AddressRow[] {
  const waits = waitedFor(leading, view);
  if (waits.size === 0) return [...rows];
  return rows.map((row) => {
    const { state, pnn, to } = row;
    if (to === undefined) return row;
    const isLost = state === "moving" && pnn !== undefined && waits.has(pnn);
    if (state !== "waiting" && !isLost) return row;
    const [silent] = leading.silent.keys();
    const who = isLost ? pnn : silent;
    const left = leftText(who === undefined ? undefined : waits.get(who), nowMs);
    const what = isLost ? "had it, and is out of the view" : "may have it, and has not answered";
    return { ...row, state: "waiting", why: `node ${who} ${what}; waited for ${left}` };
  });
}

function leftText(overMs: number | undefined, nowMs: number): string {
  if (overMs === undefined || overMs === Infinity) {
    return "until its supervisor says that it is dead";
  }
  return `${(Math.max(0, overMs - nowMs) / SECOND_MS).toFixed(1)} s more`;
}
