/**
 * The takeover machine of a node: what it holds itself, and while it leads, what all hold.
 *
 *   event ──▶ Holder ──▶ kernel, reports            messages of a node to itself are handled in the same step
 *        └──▶ Leading, while there is a LeadView ──▶ asks, orders
 *
 * Does NOT promise: to be told everything; what it was not told, it is told again.
 */
import type { IpAddress } from "../../../../transport/wire/address.ts";
import type { AddressMessage } from "../../../../transport/wire/messages/address.ts";
import type { Document } from "../../../../transport/wire/messages/document.ts";
import type { Incarnation, NodeId, Pnn } from "../../../../transport/wire/terms.ts";
import { nodeById } from "../../cluster/document.ts";
import type { Plan, PlanInput } from "../plan/plan.ts";
import { Absence } from "./absence.ts";
import type { AddressEffect, AddressEvent } from "./events.ts";
import { Holder } from "./holder.ts";
import type { LeadView } from "./lead_view.ts";
import { Leading } from "./leading.ts";
import type { Policy } from "./leading.ts";
import type { AddressRules } from "./rules.ts";
import type { AddressTiming } from "./tunables.ts";

/** What it is made with. */
export interface AddressConfig {
  readonly me: NodeId;
  readonly timing: AddressTiming;
  readonly rules: AddressRules;
  /** What the cluster machine knows while it leads; undefined: it does not. */
  readonly lead: () => LeadView | undefined;
  readonly policy: () => Policy;
  readonly planner: (input: PlanInput) => Plan;
}

/** The machine. */
export class AddressMachine {
  readonly holder: Holder;
  /** The leader's part, while this node leads. */
  leading: Leading | undefined;
  readonly #config: AddressConfig;
  readonly #absence: Absence;
  readonly #cleared = new Map<Pnn, Incarnation>();
  readonly #inbox: AddressMessage[] = [];
  readonly #push: (effect: AddressEffect) => void;
  #effects: AddressEffect[] = [];
  #doc: Document | undefined;
  #wakeMs = Infinity;

  constructor(config: AddressConfig) {
    this.#config = config;
    this.#absence = new Absence(config.rules);
    this.#push = (effect) => {
      if (effect.kind === "send" && effect.to === config.me) this.#inbox.push(effect.message);
      else this.#effects.push(effect);
    };
    this.holder = new Holder({ ...config, push: this.#push });
  }

  /** When the next `wake` is due, by the own clock; Infinity: with the next event. */
  get wakeMs(): number {
    return this.#wakeMs;
  }

  /** Addresses that are set here. */
  held(): readonly IpAddress[] {
    return this.holder.holding.held();
  }

  /** One event; answers with what is to be done, in order. Never throws. */
  step(event: AddressEvent, nowMs: number): readonly AddressEffect[] {
    this.#effects = [];
    const { me } = this.#config;
    const view = this.#config.lead();
    this.holder.onTime(nowMs);
    if (view?.token !== this.leading?.token) this.#changeLead(view, nowMs);
    if (event.kind === "adopted") {
      this.#doc = event.doc;
      this.#absence.onAdopted(event.doc, nowMs);
    }
    if (event.kind === "message") this.#onMessage(event.from, event.message, view, nowMs);
    else if (event.kind === "command") this.#onCommand(event, view, nowMs);
    else this.holder.onEvent(event, nowMs);
    this.holder.settle(nowMs);
    if (view !== undefined) this.leading?.look(view, nowMs);
    for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
      this.#onMessage(me, next, view, nowMs);
      this.holder.settle(nowMs);
      if (view !== undefined) this.leading?.look(view, nowMs);
    }
    this.#wakeMs = Math.min(this.holder.wakeMs(), this.leading?.wakeMs() ?? Infinity);
    return this.#effects;
  }

  #changeLead(view: LeadView | undefined, nowMs: number): void {
    const { rules, timing, policy, planner } = this.#config;
    this.leading?.runs.drop();
    this.leading = undefined;
    if (view === undefined) return;
    const absence = this.#absence;
    const cleared = this.#cleared;
    const options = { rules, timing, policy, planner, absence, cleared, push: this.#push };
    this.leading = new Leading(options, view.token, nowMs);
  }

  #onMessage(
    from: NodeId,
    message: AddressMessage,
    view: LeadView | undefined,
    nowMs: number,
  ): void {
    switch (message.kind) {
      case "address_ask":
        return this.holder.onAsk(from, message, nowMs);
      case "address_order":
        return this.holder.onOrder(message, nowMs);
      case "address_report":
        if (view !== undefined) this.leading?.onReport(view, from, message, nowMs);
        return;
      case "address_clear": {
        // Only a node's own supervisor may say so.
        const node = this.#doc === undefined ? undefined : nodeById(this.#doc, from);
        if (node?.pnn !== message.pnn) return;
        const known = this.#cleared.get(message.pnn);
        if (known === undefined || message.incarnation > known) {
          this.#cleared.set(message.pnn, message.incarnation);
        }
      }
    }
  }

  #onCommand(
    { verbId, command }: Extract<AddressEvent, { readonly kind: "command" }>,
    view: LeadView | undefined,
    nowMs: number,
  ): void {
    if (view !== undefined && this.leading !== undefined) {
      return this.leading.onCommand(view, verbId, command, nowMs);
    }
    this.#push({ kind: "answer", verbId, outcome: "not_leader", text: "this node does not lead" });
  }
}
