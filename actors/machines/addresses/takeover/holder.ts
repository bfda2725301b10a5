/**
 * The node's part: holds what the newest leader orders, as long as its lease lasts, and says what it holds.
 *
 *   start ──sweep──▶ idle ──lease──▶ live ──order──▶ holds ──lease over, out of the view, new life──▶ idle: all goes
 *
 * A stint is the time from a lease to its end, or from there to the next. Orders are for one stint: one that was sent
 * before the lease ended, and comes after the next one has begun, means nothing.
 *
 * While the node is frozen for another view addresses stay: the lease is what counts.
 *
 * Does NOT promise: that what it holds can be reached; its backend sees to that.
 */
import type { IpAddress } from "../../../../transport/wire/address.ts";
import type { AddressAsk, AddressOrder } from "../../../../transport/wire/messages/address.ts";
import type { Document } from "../../../../transport/wire/messages/document.ts";
import type { Incarnation, NodeId, Token } from "../../../../transport/wire/terms.ts";
import { isMember, isStaying, nodeById } from "../../cluster/document.ts";
import type { AddressEffect, AddressEvent } from "./events.ts";
import { Holding } from "./holding.ts";
import type { AddressRules } from "./rules.ts";
import type { AddressTiming } from "./tunables.ts";

/** What it is made with. */
export interface HolderOptions {
  readonly me: NodeId;
  readonly timing: AddressTiming;
  readonly rules: AddressRules;
  readonly push: (effect: AddressEffect) => void;
}

/** May a node be given addresses, as the document decides? */
export function mayHost(doc: Document, nodeId: NodeId): boolean {
  const node = nodeById(doc, nodeId);
  if (node === undefined || !isStaying(node)) return false;
  const isFlagged = node.adminFlags.some((flag) => flag === "disabled" || flag === "draining");
  return !isFlagged && doc.view.stopping?.includes(node.pnn) !== true;
}

const NOBODY = 0n as Token;
/** A node with many addresses gathers changes for longer, as each report has them all. */
const ADDRESSES_PER_MS = 16;

/** One node's part. */
export class Holder {
  readonly holding: Holding;
  /** Its life; undefined: none has begun. */
  incarnation: Incarnation | undefined;
  stint = 0;
  /** The last order that was followed in this stint. */
  number = 0;
  rev = 0;
  /** Is there a lease? */
  isLive = false;
  leaseEndMs = 0;
  /** No lower token gets anything. */
  floor: Token = NOBODY;
  readonly #options: HolderOptions;
  /** The former lives' addresses are removed: it may speak. */
  #isReady = false;
  #asker: { readonly token: Token; readonly from: NodeId } | undefined;
  #known: readonly IpAddress[] = [];
  #linked: ReadonlySet<IpAddress> = new Set();
  #isHealthy = false;
  #isAllowed = false;
  #isStopping = false;
  #isChanged = false;
  #nowMs = 0;
  #reportAtMs = Infinity;
  #lookAtMs = Infinity;
  /** The last run of which the node was told. */
  #told: { readonly token: Token; readonly run: number } = { token: NOBODY, run: 0 };

  constructor(options: HolderOptions) {
    this.#options = options;
    this.holding = new Holding(options);
  }

  /** An event, as far as it concerns the node. Its messages come by onAsk and onOrder. */
  onEvent(event: AddressEvent, nowMs: number): void {
    switch (event.kind) {
      case "life":
        return this.#onLife(event.incarnation, nowMs);
      case "adopted":
        return this.#onAdopted(event.doc);
      case "lease":
        return this.#onLease(event.endMs, event.promised, nowMs);
      case "offer":
        this.#known = [...event.known];
        this.#linked = new Set(event.linked);
        this.#isChanged = true;
        return;
      case "health":
        this.#isChanged ||= this.#isHealthy !== event.isHealthy;
        this.#isHealthy = event.isHealthy;
        return;
      case "done":
        return this.holding.onDone(event.id, event.isOk, event.why ?? "it failed", nowMs);
      case "seen":
        if (!this.holding.onSeen(event.id, event.addresses, nowMs, this.isLive)) return;
        this.#becomeReady(nowMs);
        return;
      case "stop":
        this.#isStopping = true;
        this.#isChanged = true;
    }
  }

  /** Before each event: a lease that is over ends the stint, whatever the event says. */
  onTime(nowMs: number): void {
    this.#nowMs = nowMs;
    if (!this.isLive || !this.#options.rules.endsWithLease(nowMs, this.leaseEndMs)) return;
    this.#end("the lease is over");
  }

  #onLife(incarnation: Incarnation, nowMs: number): void {
    const isFirst = this.incarnation === undefined;
    this.incarnation = incarnation;
    this.#isChanged = true;
    this.#isAllowed = false;
    if (!isFirst) return this.#end("another life");
    if (this.#options.rules.sweepsFirst()) this.holding.sweep();
    else this.#becomeReady(nowMs);
  }

  #becomeReady(nowMs: number): void {
    this.#isReady = true;
    this.#lookAtMs = nowMs + this.#options.timing.lookMs;
    this.#isChanged = true;
  }

  #onAdopted(doc: Document): void {
    const { me } = this.#options;
    const pnn = nodeById(doc, me)?.pnn;
    const { incarnation } = this;
    const isIn = pnn !== undefined && incarnation !== undefined &&
      isMember(doc.view, pnn, incarnation);
    if (!isIn && this.isLive) this.#end("the view is without this node");
    const isAllowed = isIn && mayHost(doc, me);
    this.#isChanged ||= isAllowed !== this.#isAllowed;
    this.#isAllowed = isAllowed;
  }

  /** A page without a lease is a node that is frozen for another view: its lease runs on, and ends when it ends. */
  #onLease(endMs: number, promised: Token, nowMs: number): void {
    if (this.#options.rules.promiseFences() && promised > this.floor) this.floor = promised;
    if (endMs <= this.leaseEndMs || endMs <= nowMs) return;
    this.leaseEndMs = endMs;
    if (!this.isLive) {
      this.isLive = true;
      this.stint += 1;
      this.#isChanged = true;
    }
    this.holding.keep(nowMs, endMs);
  }

  /** The stint is over: nothing is held any more, and no order of it counts. */
  #end(why: string): void {
    const { push } = this.#options;
    if (this.holding.begun().length > 0) {
      push({ kind: "happened", happening: { what: "ended", why } });
    }
    this.isLive = false;
    this.leaseEndMs = 0;
    this.stint += 1;
    this.number = 0;
    this.holding.want = new Set();
    this.#isChanged = true;
  }

  /** A leader asks. True: it is answered. */
  onAsk(from: NodeId, { token, rev, incarnation, run }: AddressAsk, nowMs: number): void {
    const { rules } = this.#options;
    if (!this.#isReady || rules.isFenced(token, this.floor)) return;
    if (token > (this.#asker?.token ?? NOBODY)) {
      this.#asker = { token, from };
      this.floor = token > this.floor ? token : this.floor;
      this.number = 0;
      this.#isChanged = true;
    }
    this.#count();
    this.#report(incarnation !== this.incarnation || rev !== this.rev);
    if (run === 0 || (run === this.#told.run && token === this.#told.token)) return;
    this.#told = { token, run };
    if (this.isLive && nowMs < this.leaseEndMs) this.#options.push({ kind: "reallocated" });
  }

  /** A leader orders. What it orders it must have asked for before. */
  onOrder({ token, incarnation, stint, number, hold }: AddressOrder, nowMs: number): void {
    const { rules } = this.#options;
    if (!this.#isReady || rules.isFenced(token, this.floor) || this.#asker === undefined) return;
    if (token > this.#asker.token || incarnation !== this.incarnation) return;
    if (!rules.isOfStint(stint, this.stint) || !this.isLive) return;
    this.#reportAtMs = nowMs;
    if (!rules.isNewer(number, this.number)) return;
    this.number = number;
    this.holding.want = new Set(hold);
    this.#isChanged = true;
  }

  /** After each event: what was wanted is begun, what changed is told. */
  settle(nowMs: number): void {
    const { timing } = this.#options;
    this.holding.settle(nowMs, this.isLive, this.leaseEndMs);
    if (nowMs >= this.#lookAtMs) {
      this.#lookAtMs = nowMs + timing.lookMs;
      this.holding.look();
    }
    const waitMs = timing.reportMs + this.#known.length / ADDRESSES_PER_MS;
    if (this.#count()) this.#reportAtMs = Math.min(this.#reportAtMs, nowMs + waitMs);
    if (nowMs < this.#reportAtMs) return;
    this.#reportAtMs = Infinity;
    this.#report(true);
  }

  /** Counts a change; true: there was one. */
  #count(): boolean {
    const isChanged = this.#isChanged || this.holding.isChanged;
    this.#isChanged = false;
    this.holding.isChanged = false;
    if (isChanged) this.rev += 1;
    return isChanged;
  }

  /** What it could hold now. */
  able(): IpAddress[] {
    const mayOffer = this.#isReady && this.#isHealthy && this.#isAllowed && !this.#isStopping;
    if (!mayOffer || !this.isLive) return [];
    return this.#known.filter((address) =>
      this.#linked.has(address) && !this.holding.isBroken(address)
    );
  }

  #report(hasBody: boolean): void {
    const { incarnation, stint, number, rev } = this;
    const asker = this.#asker;
    if (asker === undefined || incarnation === undefined || !this.#isReady) return;
    const hosting = {
      known: [...this.#known],
      able: this.able(),
      held: this.holding.held(),
      busy: this.holding.busy(),
    };
    const message = {
      kind: "address_report" as const,
      token: asker.token,
      incarnation,
      stint,
      number,
      rev,
      ...(hasBody ? { hosting } : {}),
    };
    this.#options.push({ kind: "send", to: asker.from, message });
  }

  /** When it is to be woken; Infinity: never. */
  wakeMs(): number {
    const endMs = this.isLive && this.leaseEndMs > this.#nowMs ? this.leaseEndMs : Infinity;
    return Math.min(endMs, this.#reportAtMs, this.#lookAtMs, this.holding.wakeMs());
  }
}
