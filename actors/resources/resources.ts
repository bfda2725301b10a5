/**
 * The resource actor: runs a takeover machine of its own, for resources of programs in the place of addresses.
 *
 *   cluster machine ── life, document, lease ──▶ machine ── take, keep, release ──▶ desk ──▶ programs
 *   desk ──────────────────── offer ──▶           └── send ──▶ post, as resource_* messages
 *
 * Every node of the newer format has one, also without programs: a leader must know from each that they own nothing.
 * A run that fails by a node gives it no credits: programs of people's own must not get their node banned.
 *
 * Does NOT promise: anything that the machine does not; this is its hands.
 */
import type { Clock, Log } from "../../transport/world.ts";
import type { AddressMessage } from "../../transport/wire/messages/address.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { ResourceMessage } from "../../transport/wire/messages/resource.ts";
import type { ResourceName } from "../../transport/wire/resource.ts";
import type { Incarnation, NodeId, Pnn, Token } from "../../transport/wire/terms.ts";
import { Actor } from "../actor.ts";
import type { CommandResult } from "../cluster.ts";
import type {
  AddressEffect,
  AddressEvent,
  AddressHappening,
} from "../machines/addresses/takeover/events.ts";
import type { LeadView } from "../machines/addresses/takeover/lead_view.ts";
import { AddressMachine } from "../machines/addresses/takeover/machine.ts";
import { ADDRESS_RULES } from "../machines/addresses/takeover/rules.ts";
import {
  type AddressTiming,
  defaultAddressTiming,
} from "../machines/addresses/takeover/tunables.ts";
import type { Page } from "../machines/cluster/events.ts";
import { planResources } from "../machines/resources/plan_resources.ts";
import { ResourceDesk } from "./desk.ts";
import type { DeskParts } from "./desk.ts";
import { asAddress, asName, fromWire, toWire } from "./disguise.ts";
import { type ResourceRow, resourceRows } from "./rows.ts";

/** Happenings that are remembered. */
const HISTORY_MAX = 200;

/** What it needs. */
export interface ResourcesParts extends Omit<DeskParts, "onOffers" | "note"> {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly log: Log;
  /** What the cluster machine knows while it leads. */
  readonly lead: () => LeadView | undefined;
  readonly send: (to: NodeId, message: ResourceMessage) => void;
  readonly timing?: AddressTiming;
}

/** What happened, and when. */
export interface ResourceNote {
  /** By the node's clock. */
  readonly atMs: number;
  readonly text: string;
}

/** One node's. */
export class Resources {
  readonly machine: AddressMachine;
  readonly desk: ResourceDesk;
  /** What happened here, the newest last. */
  readonly history: ResourceNote[] = [];
  readonly #parts: ResourcesParts;
  readonly #actor: Actor<AddressEvent, AddressEffect>;
  readonly #asks = new Map<string, (result: CommandResult) => void>();
  #onLeft: () => void = () => {};

  constructor(parts: ResourcesParts) {
    this.#parts = parts;
    const { self: me, clock, log, lead, timing = defaultAddressTiming() } = parts;
    this.machine = new AddressMachine({
      ...{ me, timing, rules: ADDRESS_RULES, lead, planner: planResources },
      policy: () => ({ algorithm: "lcp2" }),
    });
    this.#actor = new Actor({
      ...{ name: "resources", machine: this.machine, clock, log, wake: { kind: "wake" } },
      perform: (effect) => this.#perform(effect),
      onFailure: (error) =>
        log.write("error", "The resources are left alone from here on", { error }),
    });
    this.desk = new ResourceDesk({
      ...parts,
      onOffers: (known, able) =>
        void this.#actor.tell({
          ...{ kind: "offer", known: known.map(asAddress), linked: able.map(asAddress) },
        }),
      note: (text) => this.#note(text, true),
    });
  }

  /** A life of this node begins. */
  life(incarnation: Incarnation): void {
    this.#actor.tell({ kind: "life", incarnation });
  }

  /** A document is in force here. */
  adopted(doc: Document): void {
    this.#actor.tell({ kind: "adopted", doc });
  }

  /** The page of this life, with its lease; and what the node has promised. */
  page({ leaseEndMs: endMs }: Page, promised: Token): void {
    this.#actor.tell({ kind: "lease", endMs, promised });
  }

  /** Is the node well? */
  health(isHealthy: boolean): void {
    this.#actor.tell({ kind: "health", isHealthy });
  }

  /** A message of another node, or of a supervisor. */
  hear(from: NodeId, message: ResourceMessage): void {
    this.#actor.tell({ kind: "message", from, message: fromWire(message) });
  }

  /** The node is about to end: its programs' resources go elsewhere. Resolves when they have, or after `limitMs`. */
  leave(limitMs: number): Promise<void> {
    this.#actor.tell({ kind: "stop" });
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(limitMs, resolve);
      this.#onLeft = () => {
        if (!this.#isEmpty) return;
        this.#onLeft = () => {};
        cancel();
        resolve();
      };
      this.#onLeft();
    });
  }

  get #isEmpty(): boolean {
    const { holding } = this.machine.holder;
    return holding.held().length === 0 && holding.busy().length === 0;
  }

  /** Has the leader, which must be this node, move one; `limitMs`: how long its end is waited for. */
  move(
    verbId: string,
    name: ResourceName,
    to: Pnn,
    forMs: number | undefined,
    limitMs: number,
  ): Promise<CommandResult> {
    return new Promise((resolve) => {
      const end = (result: CommandResult): void => {
        this.#asks.delete(verbId);
        cancel();
        resolve(result);
      };
      const cancel = this.#parts.clock.after(limitMs, () => {
        end({ outcome: "going_on", text: "it has not moved yet" });
      });
      this.#asks.set(verbId, end);
      const pin = forMs === undefined ? {} : { forMs };
      const command = { verb: "move", address: asAddress(name), to, ...pin } as const;
      this.#actor.tell({ kind: "command", verbId, command });
    });
  }

  /** All resources that are known; undefined: this node does not lead, and does not know. */
  rows(): ResourceRow[] | undefined {
    const { leading } = this.machine;
    return leading === undefined ? undefined : resourceRows(leading, this.#parts.clock.nowMs());
  }

  /** What programs of this node own. */
  held(): readonly ResourceName[] {
    return this.machine.held().map(asName);
  }

  /** Ends it. */
  stop(): void {
    this.#actor.stop();
    this.desk.stop();
    for (const end of [...this.#asks.values()]) end({ outcome: "going_on", text: "the node ends" });
  }

  #perform(effect: AddressEffect): void {
    switch (effect.kind) {
      case "send":
        return this.#parts.send(effect.to, toWire(effect.message as AddressMessage));
      case "sweep":
      case "take":
      case "keep":
      case "release":
      case "look":
        return this.desk.run(effect, (event) => this.#actor.tell(event));
      case "reallocated":
        return;
      case "blame":
        return this.#note(`Resources do not move as they should by node ${effect.pnn}`, true);
      case "answer":
        return this.#asks.get(effect.verbId)?.({
          outcome: effect.outcome,
          text: named(effect.text),
        });
      case "happened":
        this.#happened(effect.happening);
        return this.#onLeft();
    }
  }

  #happened(happening: AddressHappening): void {
    const text = this.#textOf(happening);
    if (text !== undefined) this.#note(text, isTrouble(happening));
  }

  #textOf(happening: AddressHappening): string | undefined {
    switch (happening.what) {
      case "taken": {
        const name = asName(happening.address);
        return `Resource ${name} is owned here by ${this.desk.ownerOf(name) ?? "a program"}`;
      }
      case "released":
        return `Resource ${happening.address} is owned here no more`;
      case "lost":
        return `Resource ${happening.address} was owned here, and is not; it is given again`;
      case "foreign":
        return undefined;
      case "broken":
        return `Resource ${happening.address} cannot be given here: ${happening.why}`;
      case "ended":
        return `All resources are let go: ${happening.why}`;
      case "run": {
        const { run, moves, unhosted } = happening;
        if (moves === 0) return undefined;
        const nobody = unhosted === 0 ? "" : `; ${unhosted} have no owner`;
        return `Run ${run} of resources: ${moves} move${nobody}`;
      }
      case "run over": {
        const { run, end, why } = happening;
        return end === "failed" ? `Run ${run} of resources failed: ${named(why)}` : undefined;
      }
    }
  }

  #note(text: string, isBad: boolean): void {
    this.history.push({ atMs: this.#parts.clock.nowMs(), text });
    if (this.history.length > HISTORY_MAX) this.history.shift();
    this.#parts.log.write(isBad ? "warning" : "info", text);
  }
}

/** What the machine says of addresses, said of resources. */
function named(text: string): string {
  return text.replace(/no node has (\S+) in its list/, "no program offers $1")
    .replace("may not host addresses now", "may not own resources now")
    .replace(/cannot host (\S+) now/, "has no program that could own $1 now")
    .replace("it does not take or release addresses as told", "its programs do not answer");
}

function isTrouble(happening: AddressHappening): boolean {
  const { what } = happening;
  return what === "broken" || what === "lost" || what === "ended" ||
    (what === "run over" && happening.end === "failed");
}
