/**
 * The leader's part: asks, plans, orders, and says when all is done.
 *
 *   asks each second ──▶ reports ──▶ plan ──▶ an order for each node: what it has and keeps, and what is free for it
 *        silent members are waited for a moment        each report may free more: then a further order
 *
 * An address is ordered to its new owner once nobody else may hold it; so addresses that stay wait for nothing, and
 * those of a dead node do not wait for releases of others.
 *
 * Does NOT promise: that a leader finishes what it began; the next one asks anew, and plans from what is held.
 */
import type { IpAddress } from "../../../../transport/wire/address.ts";
import type { AddressReport } from "../../../../transport/wire/messages/address.ts";
import type { NodeId, Pnn, Token } from "../../../../transport/wire/terms.ts";
import { lifeOf, nodeById } from "../../cluster/document.ts";
import type { Plan, PlanInput } from "../plan/plan.ts";
import type { AddressCommand, AddressEffect } from "./events.ts";
import { mayHost } from "./holder.ts";
import type { LeadView } from "./lead_view.ts";
import { Ledger } from "./ledger.ts";
import type { Answered, LedgerOptions } from "./ledger.ts";
import { Runs } from "./runs.ts";

/** How the cluster wants its addresses dealt; the rest of a plan's input is known here. */
export type Policy = Pick<PlanInput, "algorithm" | "noFailback" | "noTakeover" | "homes">;

/** What it is made with. */
export interface LeadingOptions extends LedgerOptions {
  readonly push: (effect: AddressEffect) => void;
  readonly policy: () => Policy;
  readonly planner: (input: PlanInput) => Plan;
}

/** When a node is to be asked next. */
interface Asking {
  atMs: number;
  gapMs: number;
  sinceMs: number;
}

/** One leader's part: it ends with its token. */
export class Leading {
  readonly token: Token;
  readonly ledger: Ledger;
  readonly runs: Runs;
  /** Who is to have which address; undefined: nobody can. */
  desired: ReadonlyMap<IpAddress, Pnn | undefined> = new Map();
  /** The last plan, with its steps. */
  plan: Plan | undefined;
  /** Whoever may hold something and has not said what, with the time at which that is over. */
  silent: ReadonlyMap<Pnn, number> = new Map();
  readonly pins = new Map<IpAddress, { readonly to: Pnn; readonly untilMs: number }>();
  readonly #options: LeadingOptions;
  readonly #asking = new Map<NodeId, Asking>();
  readonly #forced = new Set<Pnn>();
  readonly #gatherMs: number;
  #isDirty = true;
  #coreVersion: bigint | undefined;
  #wakeMs = 0;

  constructor(options: LeadingOptions, token: Token, nowMs: number) {
    this.#options = options;
    this.token = token;
    this.ledger = new Ledger(options);
    this.runs = new Runs(options);
    this.#gatherMs = nowMs + options.timing.gatherMs;
  }

  /** A node answers. */
  onReport(view: LeadView, from: NodeId, report: AddressReport, nowMs: number): void {
    const pnn = nodeById(view.doc, from)?.pnn;
    if (pnn === undefined || report.token !== this.token) return;
    const what = this.ledger.onReport(pnn, from, report, nowMs);
    if (what === "old") return;
    if (what === "news") this.#isDirty = true;
    const asking = this.#asking.get(from);
    if (asking === undefined) return;
    const { askMs, retryMs } = this.#options.timing;
    asking.gapMs = retryMs;
    asking.sinceMs = Infinity;
    asking.atMs = what === "partial" ? nowMs : nowMs + askMs;
  }

  /** The plan may be another: something is configured otherwise. */
  replan(): void {
    this.#isDirty = true;
  }

  /** An operator wants something; answered at once when it cannot be. */
  onCommand(view: LeadView, verbId: string, command: AddressCommand, nowMs: number): void {
    if (command.verb === "rebalance") {
      for (const pnn of command.forced) this.#forced.add(pnn);
    } else {
      const { address, to, forMs = this.#options.timing.pinMs } = command;
      const node = this.ledger.nodes.get(to);
      const isKnown = [...this.ledger.nodes.values()].some(({ known }) => known.has(address));
      const why = !isKnown
        ? `no node has ${address} in its list`
        : node === undefined || !this.#isCandidate(view, to, node)
        ? `node ${to} may not host addresses now`
        : node.able.has(address)
        ? undefined
        : `node ${to} cannot host ${address} now`;
      if (why !== undefined) {
        this.#options.push({
          kind: "answer",
          verbId,
          outcome: "refused",
          text: `Cannot move: ${why}`,
        });
        return;
      }
      this.pins.set(address, { to, untilMs: nowMs + forMs });
    }
    this.runs.waitFor(verbId);
    this.#isDirty = true;
  }

  /** Looks at everything; what is due is done. */
  look(view: LeadView, nowMs: number): void {
    this.#wakeMs = Infinity;
    // Changes of databases are none of ours.
    if (view.doc.coreVersion !== this.#coreVersion) this.#isDirty = true;
    this.#coreVersion = view.doc.coreVersion;
    if (this.ledger.close(view, nowMs)) this.#isDirty = true;
    this.#wakeAt(this.ledger.nextOverMs);
    this.silent = this.ledger.silent(view, nowMs);
    for (const overMs of this.silent.values()) this.#wakeAt(overMs);
    this.#lookAtPins(nowMs);
    this.#ask(view, nowMs);
    if (this.#isDirty && this.#isGathered(view, nowMs)) this.#planAnew(view, nowMs);
    const holders = this.ledger.holders();
    // Before the first plan nothing is known to be wrong where it is.
    const mayOrder = this.plan !== undefined &&
      this.#options.rules.mayOrder(view.isGranting(nowMs));
    if (mayOrder) this.#order(view, holders, nowMs);
    this.#lookAtRun(view, holders, nowMs);
  }

  #wakeAt(atMs: number): void {
    this.#wakeMs = Math.min(this.#wakeMs, atMs);
  }

  #lookAtPins(nowMs: number): void {
    for (const [address, { untilMs }] of this.pins) {
      if (nowMs >= untilMs) {
        this.pins.delete(address);
        this.#isDirty = true;
      } else this.#wakeAt(untilMs);
    }
  }

  /** Every node of the document: who is no member may say that it holds nothing, and need not be waited for. */
  #ask({ doc }: LeadView, nowMs: number): void {
    const { askMs, retryMs } = this.#options.timing;
    for (const { nodeId, pnn } of doc.nodes) {
      let asking = this.#asking.get(nodeId);
      if (asking === undefined) {
        asking = { atMs: nowMs, gapMs: retryMs, sinceMs: nowMs };
        this.#asking.set(nodeId, asking);
      }
      if (nowMs >= asking.atMs) {
        const { rev, incarnation } = this.ledger.nodes.get(pnn) ??
          { rev: 0, incarnation: 0n as never };
        asking.atMs = nowMs + asking.gapMs;
        asking.gapMs = Math.min(2 * asking.gapMs, askMs);
        asking.sinceMs = Math.min(asking.sinceMs, nowMs);
        const run = this.runs.doneRun;
        const message = { kind: "address_ask" as const, token: this.token, rev, incarnation, run };
        this.#options.push({ kind: "send", to: nodeId, message });
      }
      this.#wakeAt(asking.atMs);
    }
  }

  /** A new leader waits a moment for the members' answers, so that it plans once. */
  #isGathered({ doc }: LeadView, nowMs: number): boolean {
    if (nowMs >= this.#gatherMs) return true;
    this.#wakeAt(this.#gatherMs);
    return doc.view.members.every(({ pnn }) => this.ledger.nodes.has(pnn));
  }

  /** May an answered node be given addresses? Only this life of it, and only while it is in the view. */
  #isCandidate({ doc }: LeadView, pnn: Pnn, { nodeId, incarnation }: Answered): boolean {
    return lifeOf(doc.view.members, pnn) === incarnation && mayHost(doc, nodeId);
  }

  /** What a plan that is made now is made from. */
  planInput(view: LeadView): PlanInput {
    const able = new Map<IpAddress, Pnn[]>();
    for (const [pnn, node] of this.ledger.nodes) {
      const isCandidate = this.#isCandidate(view, pnn, node);
      for (const address of node.known) {
        const list = able.get(address) ?? [];
        able.set(address, list);
        if (isCandidate && node.able.has(address)) list.push(pnn);
      }
    }
    const holders = this.ledger.holders();
    const addresses = [...able].map(([address, pnns]) => {
      const pin = this.pins.get(address);
      const isPinned = pin !== undefined && pnns.includes(pin.to);
      return {
        address,
        owner: this.#ownerOf(address, holders.get(address)),
        able: isPinned ? [pin.to] : pnns,
      };
    });
    const nodeCount = 1 + Math.max(0, ...view.doc.nodes.map(({ pnn }) => pnn));
    return { ...this.#options.policy(), nodeCount, addresses, forced: [...this.#forced] };
  }

  #planAnew(view: LeadView, nowMs: number): void {
    this.#isDirty = false;
    this.plan = this.#options.planner(this.planInput(view));
    this.desired = new Map(this.plan.addresses.map(({ address, to }) => [address, to]));
    const moves = this.plan.addresses.filter(({ from, to }) => from !== to).length;
    const unhosted = this.plan.addresses.filter(({ to }) => to === undefined).length;
    this.runs.begin(moves, unhosted, nowMs);
  }

  #ownerOf(address: IpAddress, holders: ReadonlySet<Pnn> | undefined): Pnn | undefined {
    if (holders === undefined) return undefined;
    const desired = this.desired.get(address);
    if (desired !== undefined && holders.has(desired)) return desired;
    return [...holders][0];
  }

  /** Each node is ordered to hold what it is to have: what it has already, and what nobody else may hold. */
  #order(view: LeadView, holders: ReadonlyMap<IpAddress, ReadonlySet<Pnn>>, nowMs: number): void {
    const isFree = !this.#options.rules.waitsForSilent() || this.silent.size === 0;
    const wanted = new Map<Pnn, Set<IpAddress>>();
    for (const [address, to] of this.desired) {
      const node = to === undefined ? undefined : this.ledger.nodes.get(to);
      if (to === undefined || node === undefined || !this.#isCandidate(view, to, node)) continue;
      const isOthers = [...holders.get(address) ?? []].some((pnn) => pnn !== to);
      if (!this.#stays(address, node) && (!isFree || isOthers)) continue;
      const hold = wanted.get(to);
      if (hold === undefined) wanted.set(to, new Set([address]));
      else hold.add(address);
    }
    for (const [pnn, node] of this.ledger.nodes) {
      if (lifeOf(view.doc.view.members, pnn) !== node.incarnation) continue;
      this.#orderOne(node, wanted.get(pnn) ?? new Set(), nowMs);
    }
  }

  /** May it keep an address, whoever else may hold it? A release that does not succeed is none of its rights. */
  #stays(address: IpAddress, { held, busy, orders }: Answered): boolean {
    const isOrdered = orders.some(({ hold }) => hold.has(address));
    return this.#options.rules.staysWith(held.has(address), isOrdered, busy.has(address));
  }

  #orderOne(node: Answered, hold: ReadonlySet<IpAddress>, nowMs: number): void {
    const { retryMs, askMs } = this.#options.timing;
    let last = node.orders.at(-1);
    // It may have no lease just now, and could not follow; there is nothing to follow.
    if (last === undefined && hold.size === 0 && isSettled(node)) return;
    if (last === undefined || !isSameSet(last.hold, hold)) {
      last = { number: Math.max(node.number, last?.number ?? 0) + 1, hold };
      node.orders = [...node.orders, last];
      node.orderAtMs = nowMs;
      node.orderGapMs = retryMs;
    }
    if (node.number >= last.number) return;
    if (nowMs >= node.orderAtMs) {
      node.orderAtMs = nowMs + node.orderGapMs;
      node.orderGapMs = Math.min(2 * node.orderGapMs, askMs);
      const { incarnation, stint, nodeId } = node;
      const message = {
        kind: "address_order" as const,
        token: this.token,
        incarnation,
        stint,
        number: last.number,
        hold: [...last.hold],
      };
      this.#options.push({ kind: "send", to: nodeId, message });
    }
    this.#wakeAt(node.orderAtMs);
  }

  #lookAtRun(
    view: LeadView,
    holders: ReadonlyMap<IpAddress, ReadonlySet<Pnn>>,
    nowMs: number,
  ): void {
    const { runs } = this;
    for (const node of this.ledger.nodes.values()) {
      const isBehind = !isSettled(node);
      node.behindMs = isBehind ? Math.min(node.behindMs, nowMs) : Infinity;
    }
    if (!runs.isOpen || this.#isDirty) return;
    const why = this.#missing(holders);
    if (why === undefined) {
      runs.end("done", "");
      this.#forced.clear();
      // All are told at once.
      for (const asking of this.#asking.values()) asking.atMs = nowMs;
      this.#wakeAt(nowMs);
    } else if (nowMs >= runs.endMs) {
      for (const [pnn, reason] of this.#culprits(view, nowMs)) runs.blame(pnn, reason);
      runs.end("failed", why);
      this.#isDirty = true;
      this.#wakeAt(nowMs);
    } else this.#wakeAt(runs.endMs);
  }

  /** What a run still waits for; undefined: nothing. */
  #missing(holders: ReadonlyMap<IpAddress, ReadonlySet<Pnn>>): string | undefined {
    for (const [address, pnns] of holders) {
      const to = this.desired.get(address);
      for (const pnn of pnns) if (pnn !== to) return `node ${pnn} may hold ${address} still`;
    }
    for (const [address, to] of this.desired) {
      if (to === undefined || this.ledger.nodes.get(to)?.held.has(address) === true) continue;
      const [silent] = this.silent.keys();
      const isHeldUp = silent !== undefined && !holders.has(address);
      return isHeldUp
        ? `node ${silent} may hold ${address}`
        : `node ${to} has not taken ${address}`;
    }
    for (const [pnn, node] of this.ledger.nodes) {
      if (!isSettled(node)) {
        return `node ${pnn} has not followed order ${node.orders.at(-1)?.number}`;
      }
    }
    return undefined;
  }

  /** Whom it hangs on: members that do not do as ordered, or do not answer though they are there. */
  #culprits({ doc }: LeadView, nowMs: number): Map<Pnn, string> {
    const sinceMs = nowMs - this.#options.timing.budgetMs / 3;
    const culprits = new Map<Pnn, string>();
    for (const { pnn } of doc.view.members) {
      const node = this.ledger.nodes.get(pnn);
      const nodeId = doc.nodes.find((one) => one.pnn === pnn)?.nodeId;
      const askedMs = nodeId === undefined ? undefined : this.#asking.get(nodeId)?.sinceMs;
      if (node === undefined && askedMs !== undefined && askedMs <= sinceMs) {
        culprits.set(pnn, "it does not say which addresses it holds");
      } else if (node !== undefined && node.behindMs <= sinceMs) {
        culprits.set(pnn, "it does not take or release addresses as told");
      }
    }
    return culprits;
  }

  /** When it is to be woken; Infinity: never. */
  wakeMs(): number {
    return this.#wakeMs;
  }
}

function isSameSet(one: ReadonlySet<IpAddress>, other: ReadonlySet<IpAddress>): boolean {
  if (one.size !== other.size) return false;
  for (const address of one) if (!other.has(address)) return false;
  return true;
}

/** Has it followed its last order, with nothing under way? */
function isSettled({ orders, number, held, busy }: Answered): boolean {
  const last = orders.at(-1);
  if (last === undefined) return held.size === 0 && busy.size === 0;
  return number >= last.number && busy.size === 0 && isSameSet(held, last.hold);
}
