/**
 * One takeover machine without a cluster: documents, leases and messages are made by the test.
 *
 * Does NOT promise: effects that a test did not ask for; all are kept, in order.
 */
import { planAddresses } from "../../../../../actors/machines/addresses/plan/plan_addresses.ts";
import type {
  AddressEffect,
  AddressEvent,
} from "../../../../../actors/machines/addresses/takeover/events.ts";
import type { LeadView } from "../../../../../actors/machines/addresses/takeover/lead_view.ts";
import { AddressMachine } from "../../../../../actors/machines/addresses/takeover/machine.ts";
import { ADDRESS_RULES } from "../../../../../actors/machines/addresses/takeover/rules.ts";
import type { AddressRules } from "../../../../../actors/machines/addresses/takeover/rules.ts";
import { defaultAddressTiming } from "../../../../../actors/machines/addresses/takeover/tunables.ts";
import type { AddressTiming } from "../../../../../actors/machines/addresses/takeover/tunables.ts";
import { genesis, withView } from "../../../../../actors/machines/cluster/document.ts";
import { defaultTiming } from "../../../../../actors/machines/cluster/tunables.ts";
import { nodeIdOf } from "../../../../../actors/machines/sim/cluster_sim.ts";
import { parseAddress } from "../../../../../transport/wire/address.ts";
import type { IpAddress } from "../../../../../transport/wire/address.ts";
import type {
  AddressMessage,
  AddressReport,
} from "../../../../../transport/wire/messages/address.ts";
import type { Document } from "../../../../../transport/wire/messages/document.ts";
import type {
  ClusterId,
  Incarnation,
  Pnn,
  Token,
  Version,
} from "../../../../../transport/wire/terms.ts";

/** An address that every node lists. */
export const A: IpAddress = parseAddress("10.0.0.1");
/** Another one. */
export const B: IpAddress = parseAddress("10.0.0.2");
/** Tokens of two leaders, the second above the first. */
export const [T1, T2] = [1n << 32n, 2n << 32n] as [Token, Token];
/** What a leader waits beyond the end of a lease, with the timing as it is delivered. */
export const SLACK_MS = 1040;

const START = genesis({
  clusterId: "c".repeat(32) as ClusterId,
  format: 2,
  nodes: [0, 1, 2].map((index) => ({
    nodeId: nodeIdOf(index),
    name: `n${index}`,
    addr: `n${index}:4222`,
    isVoter: true,
  })),
});

/** The document of a view: these numbers, each with its life. */
export function docOf(
  version: bigint,
  lives: readonly (readonly [number, bigint])[],
  base = START,
): Document {
  const members = lives.map(([pnn, life]) => ({
    pnn: pnn as Pnn,
    incarnation: life as Incarnation,
  }));
  return withView(base, members, base.view.members, version as Version, new Set(), {
    slotCount: 4,
  });
}

/** All three nodes, in their first lives. */
export const ALL: Document = docOf(1n, [[0, 1n], [1, 1n], [2, 1n]]);

/** What a test may choose. */
export interface RigOptions {
  readonly rules?: Partial<AddressRules>;
  readonly timing?: Partial<AddressTiming>;
}

/** A machine of node 0. */
export class Rig {
  readonly machine: AddressMachine;
  readonly effects: AddressEffect[] = [];
  readonly timing: AddressTiming;
  nowMs = 1000;
  view: LeadView | undefined;
  /** When the leases of each node are over, as the cluster machine knows. */
  readonly overMs = new Map<string, number>();
  readonly dead = new Map<string, Incarnation>();
  isGranting = true;
  #numbers = new Map<number, number>();

  constructor({ rules = {}, timing = {} }: RigOptions = {}) {
    this.timing = { ...defaultAddressTiming(), ...timing };
    this.machine = new AddressMachine({
      me: nodeIdOf(0),
      timing: this.timing,
      rules: { ...ADDRESS_RULES, ...rules },
      lead: () => this.view,
      policy: () => ({ algorithm: "lcp2" }),
      planner: planAddresses,
    });
  }

  /** Gives it an event now; answers with what it wants done. */
  feed(event: AddressEvent): AddressEffect[] {
    const effects = [...this.machine.step(event, this.nowMs)];
    this.effects.push(...effects);
    return effects;
  }

  /** Time goes on: it is woken as it wishes. */
  run(untilMs: number): AddressEffect[] {
    const from = this.effects.length;
    while (this.machine.wakeMs <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.machine.wakeMs);
      this.feed({ kind: "wake" });
    }
    this.nowMs = untilMs;
    return this.effects.slice(from);
  }

  /** A message of node `from` comes. */
  hear(from: number, message: AddressMessage): AddressEffect[] {
    return this.feed({ kind: "message", from: nodeIdOf(from), message });
  }

  /** It starts as a healthy member with a lease of 2.5 s, and offers A and B. */
  begin(doc: Document = ALL): this {
    this.feed({ kind: "life", incarnation: 1n as Incarnation });
    this.answer("sweep", []);
    this.feed({ kind: "offer", known: [A, B], linked: [A, B] });
    this.feed({ kind: "health", isHealthy: true });
    this.feed({ kind: "adopted", doc });
    this.lease(2500);
    return this;
  }

  /** The lease goes on, for so long from now. */
  lease(forMs: number, promised: Token = T1): AddressEffect[] {
    return this.feed({ kind: "lease", endMs: this.nowMs + forMs, promised });
  }

  /** What the kernel has. */
  answer(kind: "sweep" | "look", addresses: readonly IpAddress[]): AddressEffect[] {
    const asked = this.effects.findLast((effect) => effect.kind === kind);
    if (asked?.kind !== kind) throw new Error(`no ${kind} was asked for`);
    return this.feed({ kind: "seen", id: asked.id, addresses });
  }

  /** The last operation of this kind on an address has ended. */
  done(kind: "take" | "release", address: IpAddress, isOk = true): AddressEffect[] {
    const asked = this.effects.findLast((effect) =>
      effect.kind === kind && effect.address === address
    );
    if (asked?.kind !== kind) throw new Error(`no ${kind} of ${address} was asked for`);
    return this.feed({ kind: "done", id: asked.id, isOk });
  }

  /** Node 1 leads with this token, and asks. */
  ask(token: Token = T1, from = 1): AddressEffect[] {
    const incarnation = 0n as Incarnation;
    return this.hear(from, { kind: "address_ask", token, rev: 0, incarnation, run: 0 });
  }

  /** Node 1 orders. */
  order(
    hold: IpAddress[],
    number: number,
    token: Token = T1,
    stint = this.machine.holder.stint,
  ): AddressEffect[] {
    const incarnation = 1n as Incarnation;
    return this.hear(1, { kind: "address_order", token, incarnation, stint, number, hold });
  }

  /** It leads, with everybody's lease running until the times in `overMs`. */
  lead(doc: Document = ALL, token: Token = T1): this {
    this.view = {
      token,
      doc,
      timing: defaultTiming(),
      isGranting: () => this.isGranting,
      leaseOverMs: (nodeId) => this.overMs.get(nodeId ?? "") ?? Infinity,
      deadLife: (nodeId) => this.dead.get(nodeId),
    };
    return this;
  }

  /** Another node reports to this one. */
  report(
    from: number,
    more: Partial<AddressReport["hosting"]> & object,
    also: Partial<AddressReport> = {},
  ) {
    const rev = (this.#numbers.get(from) ?? 0) + 1;
    this.#numbers.set(from, rev);
    return this.hear(from, {
      kind: "address_report",
      token: this.view?.token ?? T1,
      incarnation: 1n as Incarnation,
      stint: 1,
      number: 0,
      rev,
      hosting: { known: [A, B], able: [A, B], held: [], busy: [], ...more },
      ...also,
    });
  }

  /** The orders that were sent to a node: the addresses of each. */
  ordersTo(node: number, effects: readonly AddressEffect[] = this.effects): IpAddress[][] {
    return effects.flatMap((effect) =>
      effect.kind === "send" && effect.to === nodeIdOf(node) &&
        effect.message.kind === "address_order"
        ? [[...effect.message.hold].sort()]
        : []
    );
  }

  /** Was this address in any order to that node? */
  wasOrdered(
    node: number,
    address: IpAddress,
    effects: readonly AddressEffect[] = this.effects,
  ): boolean {
    return this.ordersTo(node, effects).some((hold) => hold.includes(address));
  }

  /** Addresses of operations of this kind, in order. */
  ops(kind: "take" | "release", effects: readonly AddressEffect[] = this.effects): IpAddress[] {
    return effects.flatMap((effect) => effect.kind === kind ? [effect.address] : []);
  }

  /** The last report that was sent to a node. */
  reportTo(node: number): AddressReport {
    const last = this.effects.findLast((effect) =>
      effect.kind === "send" && effect.to === nodeIdOf(node) &&
      effect.message.kind === "address_report"
    );
    if (last?.kind !== "send" || last.message.kind !== "address_report") {
      throw new Error("no report");
    }
    return last.message;
  }
}
