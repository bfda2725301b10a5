/**
 * The leader's knowledge: who holds what, who might, and when that is over.
 *
 *   answered   what a node reported, and each order that it may not have followed yet: exact
 *   silent     whoever was a member once and has not answered this leader: may hold anything, until
 *              its supervisor has cleared it, or its leases and the kernel's lives are over
 *
 * Does NOT promise: that a silent node holds anything; mostly it is just being started.
 */
import type { IpAddress } from "../../../../transport/wire/address.ts";
import type { AddressReport, Hosting } from "../../../../transport/wire/messages/address.ts";
import type { Document } from "../../../../transport/wire/messages/document.ts";
import type { Incarnation, NodeId, Pnn } from "../../../../transport/wire/terms.ts";
import { lifeOf, nodeIdsOf } from "../../cluster/document.ts";
import type { Absence } from "./absence.ts";
import type { LeadView } from "./lead_view.ts";
import type { AddressRules } from "./rules.ts";
import type { AddressTiming } from "./tunables.ts";

/** What a node was told to hold. */
export interface Order {
  readonly number: number;
  readonly hold: ReadonlySet<IpAddress>;
}

/** A node that has answered this leader. */
export interface Answered {
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
  readonly stint: number;
  rev: number;
  /** The last order that it has followed. */
  number: number;
  known: ReadonlySet<IpAddress>;
  able: ReadonlySet<IpAddress>;
  held: ReadonlySet<IpAddress>;
  busy: ReadonlySet<IpAddress>;
  /** From the one that it has followed last: those that it may follow yet. */
  orders: readonly Order[];
  orderAtMs: number;
  orderGapMs: number;
  /** Since when it has not done what it is to do; Infinity: it has. */
  behindMs: number;
}

/** What is over and done with: no report of it counts any more. */
interface Closed {
  readonly incarnation: Incarnation;
  readonly stint: number;
}

/** What it is made with. */
export interface LedgerOptions {
  readonly rules: AddressRules;
  readonly timing: AddressTiming;
  readonly absence: Absence;
  /** Lives whose addresses a supervisor has removed. */
  readonly cleared: ReadonlyMap<Pnn, Incarnation>;
}

const isEqual = (one: ReadonlySet<IpAddress>, other: readonly IpAddress[]) =>
  one.size === other.length && other.every((address) => one.has(address));

/** The knowledge of one leader. */
export class Ledger {
  readonly nodes = new Map<Pnn, Answered>();
  /** When the next node can be forgotten, if it stays silent. */
  nextOverMs = Infinity;
  readonly #options: LedgerOptions;
  readonly #closed = new Map<Pnn, Closed>();

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** A report came. "news": the plan may be another; "partial": it lacks what this leader does not have. */
  onReport(
    pnn: Pnn,
    nodeId: NodeId,
    report: AddressReport,
    nowMs: number,
  ): "news" | "known" | "partial" | "old" {
    const { incarnation, stint, rev, number, hosting } = report;
    const closed = this.#closed.get(pnn);
    if (closed !== undefined && !isAfter(report, closed)) return "old";
    const known = this.nodes.get(pnn);
    const isSameLife = known?.incarnation === incarnation;
    if (
      known !== undefined && (incarnation < known.incarnation || (isSameLife && rev < known.rev))
    ) return "old";
    const isSame = isSameLife && known?.stint === stint;
    if (hosting === undefined) return isSame && known?.rev === rev ? "known" : "partial";
    if (!isSame || known === undefined) {
      this.nodes.set(pnn, newAnswered(nodeId, report, hosting, nowMs));
      return "news";
    }
    const isOther = !isEqual(known.known, hosting.known) || !isEqual(known.able, hosting.able);
    known.rev = rev;
    known.number = number;
    known.orders = known.orders.filter((order) => order.number >= number);
    known.held = new Set(hosting.held);
    known.busy = new Set(hosting.busy);
    if (!isOther) return "known";
    known.known = new Set(hosting.known);
    known.able = new Set(hosting.able);
    return "news";
  }

  /** Who may have which address, of those that have answered. */
  holders(): Map<IpAddress, Set<Pnn>> {
    const holders = new Map<IpAddress, Set<Pnn>>();
    for (const [pnn, node] of this.nodes) {
      const lists: Iterable<IpAddress>[] = [node.held, node.busy];
      if (this.#options.rules.countsOrders()) lists.push(...node.orders.map(({ hold }) => hold));
      for (const list of lists) {
        for (const address of list) {
          const known = holders.get(address);
          if (known === undefined) holders.set(address, new Set([pnn]));
          else known.add(pnn);
        }
      }
    }
    return holders;
  }

  /** Forgets nodes of which nothing can be left. True: there were some. */
  close(view: LeadView, nowMs: number): boolean {
    let isNews = false;
    this.nextOverMs = Infinity;
    const nodeIds = nodeIdsOf(view.doc);
    for (const [pnn, node] of this.nodes) {
      const { incarnation, stint } = node;
      const isClear = this.#isClear(view, pnn, nodeIds.get(pnn), incarnation);
      const overMs = isEmpty(node) ? Infinity : this.overMs(view, pnn, nodeIds.get(pnn));
      if (!isClear && (overMs === Infinity || !this.#options.rules.isOver(nowMs, overMs))) {
        this.nextOverMs = Math.min(this.nextOverMs, overMs);
        continue;
      }
      this.nodes.delete(pnn);
      this.#closed.set(pnn, { incarnation, stint: isClear ? Infinity : stint });
      isNews = true;
    }
    return isNews;
  }

  /** Whoever has not answered and may hold something, with the time at which that is over. */
  silent(view: LeadView, nowMs: number): Map<Pnn, number> {
    const silent = new Map<Pnn, number>();
    const nodeIds = nodeIdsOf(view.doc);
    for (const [pnn, life] of livesIn(view.doc)) {
      const answered = this.nodes.get(pnn);
      if (answered !== undefined && answered.incarnation >= life) continue;
      if (this.#isClear(view, pnn, nodeIds.get(pnn), life)) continue;
      const overMs = this.overMs(view, pnn, nodeIds.get(pnn));
      if (!this.#options.rules.isOver(nowMs, overMs)) silent.set(pnn, overMs);
    }
    return silent;
  }

  #isClear(view: LeadView, pnn: Pnn, nodeId: NodeId | undefined, life: Incarnation): boolean {
    const dead = nodeId === undefined ? undefined : view.deadLife(nodeId);
    const clear = this.#options.rules.clearLife(this.#options.cleared.get(pnn), dead);
    return clear !== undefined && clear >= life;
  }

  /** When nothing of a node can be left, if no more leases are given to it. */
  overMs({ doc, timing, leaseOverMs }: LeadView, pnn: Pnn, nodeId: NodeId | undefined): number {
    const { rules, absence } = this.#options;
    const isIn = lifeOf(doc.view.members, pnn) !== undefined;
    const outMs = isIn ? Infinity : absence.sinceMs(pnn) + timing.nodeTtlMs + timing.marginMs;
    return Math.min(leaseOverMs(nodeId), outMs) +
      rules.slackMs(this.#options.timing.kernelMs, timing.glMs);
  }
}

/** Can nothing of it be in its kernel, now or later by an order that it has? */
function isEmpty({ held, busy, orders }: Answered): boolean {
  return held.size === 0 && busy.size === 0 && orders.every(({ hold }) => hold.size === 0);
}

function isAfter({ incarnation, stint }: Closed, closed: Closed): boolean {
  return incarnation > closed.incarnation ||
    (incarnation === closed.incarnation && stint > closed.stint);
}

function newAnswered(
  nodeId: NodeId,
  { incarnation, stint, rev, number }: AddressReport,
  { known, able, held, busy }: Hosting,
  nowMs: number,
): Answered {
  return {
    nodeId,
    incarnation,
    stint,
    rev,
    number,
    known: new Set(known),
    able: new Set(able),
    held: new Set(held),
    busy: new Set(busy),
    orders: [],
    orderAtMs: nowMs,
    orderGapMs: 0,
    behindMs: Infinity,
  };
}

/** The last life of each node that was a member, or is. */
function livesIn({ view }: Document): Map<Pnn, Incarnation> {
  const lives = new Map<Pnn, Incarnation>();
  for (const list of [view.maxInc, view.members, view.prevMembers]) {
    for (const { pnn, incarnation } of list) {
      const known = lives.get(pnn);
      if (known === undefined || incarnation > known) lives.set(pnn, incarnation);
    }
  }
  return lives;
}
