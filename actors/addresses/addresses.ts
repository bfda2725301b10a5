/**
 * The address actor: runs the takeover machine of a node in its world.
 *
 *   cluster machine ── life, document, lease ──▶ machine ── take, keep, release ──▶ backend
 *   file, links ─────────────────── offer ──▶           └── send ──▶ post       blame ──▶ leader
 *
 * Every node of the newer format has one, also without a list of its own: a leader must know from each that it holds
 * nothing.
 *
 * Does NOT promise: anything that the machine does not; this is its hands.
 */
import type { Clock, Log } from "../../transport/world.ts";
import type { IpAddress } from "../../transport/wire/address.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { AddressMessage } from "../../transport/wire/messages/address.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { Incarnation, NodeId, Pnn, Token } from "../../transport/wire/terms.ts";
import { Actor } from "../actor.ts";
import type { CommandResult } from "../cluster.ts";
import type { Plan } from "../machines/addresses/plan/plan.ts";
import { planAddresses } from "../machines/addresses/plan/plan_addresses.ts";
import type {
  AddressCommand,
  AddressEffect,
  AddressEvent,
  AddressHappening,
} from "../machines/addresses/takeover/events.ts";
import type { LeadView } from "../machines/addresses/takeover/lead_view.ts";
import type { Policy } from "../machines/addresses/takeover/leading.ts";
import { AddressMachine } from "../machines/addresses/takeover/machine.ts";
import type { Page } from "../machines/cluster/events.ts";
import { ADDRESS_RULES } from "../machines/addresses/takeover/rules.ts";
import { type AddressRow, addressRows } from "../machines/addresses/takeover/show.ts";
import {
  type AddressTiming,
  defaultAddressTiming,
} from "../machines/addresses/takeover/tunables.ts";
import type { AddressBackend } from "./backend.ts";
import type { AddressClients } from "./clients/wiring.ts";
import { AddressFigures, type AddressStats } from "./figures.ts";
import { addressText, isTrouble } from "./happening_text.ts";
import type { Noting } from "./noting.ts";
import type { PublicAddress } from "./public_addresses.ts";
import { rowsWithWaits, type Standing, standingOf, waitedFor } from "./waits.ts";

/** Between two looks at the links, ms. */
const LINKS_MS = 250;
/** Happenings that are remembered. */
const HISTORY_MAX = 200;
/** A node that ends waits so long for what follows from the release of its addresses, for its scripts, ms. */
const SCRIPTS_MS = 10_000;

/** What it needs. */
export interface AddressesParts {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly log: Log;
  /** What the cluster machine knows while it leads. */
  readonly lead: () => LeadView | undefined;
  readonly policy: () => Policy;
  readonly backend: AddressBackend;
  /** What is done for clients; absent: nothing. */
  readonly clients?: AddressClients;
  readonly send: (to: NodeId, message: AddressMessage) => void;
  readonly blame: (pnn: Pnn, credits: number, why: string) => void;
  /** Has an interface a link? */
  readonly hasLink: (name: string) => boolean;
  /** Writes down what may be set from now on; absent: nobody looks. */
  readonly noting?: Pick<Noting, "note" | "stop">;
  /** All addresses are where they belong. */
  readonly onReallocated?: () => void;
  readonly timing?: AddressTiming;
}

/** What happened, and when. */
export interface AddressNote {
  readonly atMs: number;
  readonly text: string;
}

/** One node's. */
export class Addresses {
  readonly machine: AddressMachine;
  /** What happened here, the newest last. */
  readonly history: AddressNote[] = [];
  /** Homes of addresses, for the deterministic plan; undefined: none are said. */
  homes: ReadonlyMap<IpAddress, Pnn> | undefined;
  readonly #figures = new AddressFigures();
  readonly #watchers = new Set<(happening: AddressHappening, tookMs?: number) => void>();
  readonly #parts: AddressesParts;
  readonly #actor: Actor<AddressEvent, AddressEffect>;
  readonly #asks = new Map<string, (result: CommandResult) => void>();
  #list: readonly PublicAddress[] = [];
  /** As much of the list as may be offered. */
  #offered: readonly PublicAddress[] = [];
  #linked = "";
  #members = "";
  #endLook: () => void = () => {};
  /** Looks whether all is let go, while somebody waits for that. */
  #onLeft: () => void = () => {};

  constructor(parts: AddressesParts) {
    this.#parts = parts;
    const { self: me, clock, log, lead, policy, timing = defaultAddressTiming() } = parts;
    this.machine = new AddressMachine({
      me,
      timing,
      rules: ADDRESS_RULES,
      lead,
      policy,
      planner: planAddresses,
    });
    this.#actor = new Actor({
      name: "addresses",
      machine: this.machine,
      clock,
      log,
      wake: { kind: "wake" },
      perform: (effect) => this.#perform(effect),
      onFailure: (error) =>
        log.write("error", "The addresses are left alone from here on", { error }),
    });
  }

  /** Begins to look at links. */
  start(): void {
    this.#lookAtLinks();
  }

  #lookAtLinks(): void {
    this.#offer();
    this.#endLook = this.#parts.clock.after(LINKS_MS, () => this.#lookAtLinks());
  }

  /** What sets them. */
  get backend(): AddressBackend {
    return this.#parts.backend;
  }

  /** What is done for their clients. Throws CtdbxError "unsupported" where that is nothing. */
  get clients(): AddressClients {
    const { clients } = this.#parts;
    if (clients !== undefined) return clients;
    throw new CtdbxError("unsupported", "Cannot look after clients: this node does not");
  }

  /** The node's list. */
  get list(): readonly PublicAddress[] {
    return this.#list;
  }

  /** Another list: what is not in it is let go when the leader has heard of it. */
  setList(list: readonly PublicAddress[]): void {
    this.#list = list;
    const { backend, noting } = this.#parts;
    const go = (): void => {
      if (this.#list !== list) return;
      this.#offered = list;
      backend.setList(list);
      this.#linked = "";
      this.#offer();
    };
    if (noting === undefined) return go();
    noting.note(this.#settable(), go);
  }

  /** What may be set: the list, the one that is in force until it is noted, and what stands. */
  #settable(): readonly IpAddress[] {
    const lines = [...this.#list, ...this.#offered];
    return [...lines.map(({ address }) => address), ...this.#parts.backend.addresses()];
  }

  #offer(): void {
    const { backend, hasLink } = this.#parts;
    const known = this.#offered.map(({ address }) => address);
    const linked = this.#offered.filter(({ address, interfaces }) =>
      interfaces.some(hasLink) && backend.canHost(address)
    ).map(({ address }) => address);
    const key = `${known.length} ${linked.join()}`;
    if (key === this.#linked) return;
    this.#linked = key;
    this.#actor.tell({ kind: "offer", known, linked });
  }

  /** A life of this node begins. */
  life(incarnation: Incarnation): void {
    this.#actor.tell({ kind: "life", incarnation });
  }

  /** A document is in force here. */
  adopted(doc: Document): void {
    this.#actor.tell({ kind: "adopted", doc });
    const members = doc.view.members.map(({ pnn, incarnation }) => `${pnn} ${incarnation}`).join();
    // Somebody was away, and neighbours may have heard the wrong one last.
    if (members !== this.#members) this.#parts.backend.again();
    this.#members = members;
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
  hear(from: NodeId, message: AddressMessage): void {
    this.#actor.tell({ kind: "message", from, message });
  }

  /** Something that the plan hangs on was set otherwise. */
  replan(): void {
    this.machine.leading?.replan();
    this.#actor.tell({ kind: "wake" });
  }

  /**
   * The node is about to end: its addresses go elsewhere. Resolves when they have gone, or after `limitMs`, and scripts
   * have run for that, or SCRIPTS_MS later.
   */
  async leave(limitMs: number): Promise<void> {
    const { clock, backend } = this.#parts;
    this.#actor.tell({ kind: "stop" });
    await new Promise<void>((resolve) => {
      const cancel = clock.after(limitMs, resolve);
      this.#onLeft = () => {
        const { holding } = this.machine.holder;
        if (holding.held().length > 0 || holding.busy().length > 0) return;
        this.#onLeft = () => {};
        cancel();
        resolve();
      };
      this.#onLeft();
    });
    await new Promise<void>((resolve) => {
      const cancel = clock.after(SCRIPTS_MS, resolve);
      void backend.settled().finally(() => {
        cancel();
        resolve();
      });
    });
  }

  /** Has the leader, which must be this node, do something; `limitMs`: how long its end is waited for. */
  command(verbId: string, command: AddressCommand, limitMs: number): Promise<CommandResult> {
    return new Promise((resolve) => {
      const end = (result: CommandResult): void => {
        this.#asks.delete(verbId);
        cancel();
        resolve(result);
      };
      const cancel = this.#parts.clock.after(limitMs, () => {
        end({ outcome: "going_on", text: "the run has not ended yet" });
      });
      this.#asks.set(verbId, end);
      this.#actor.tell({ kind: "command", verbId, command });
    });
  }

  /** All addresses; undefined: this node does not lead, and does not know. */
  rows(): AddressRow[] | undefined {
    const { leading } = this.machine;
    if (leading === undefined) return undefined;
    const nowMs = this.#parts.clock.nowMs();
    const rows = addressRows(leading, nowMs);
    const view = this.#parts.lead();
    return view === undefined ? rows : rowsWithWaits(rows, leading, view, nowMs);
  }

  /** Nodes that addresses wait for, each with the time at which that is over; undefined: this node does not lead. */
  waits(): ReadonlyMap<Pnn, number> | undefined {
    const { leading } = this.machine;
    const view = this.#parts.lead();
    return view === undefined || leading === undefined ? undefined : waitedFor(leading, view);
  }

  /** The newest plan of this leader. */
  get plan(): Plan | undefined {
    return this.machine.leading?.plan;
  }

  /** The plan that would be made now; nothing is done by it. Undefined: this node does not lead. */
  planNow(): Plan | undefined {
    const view = this.#parts.lead();
    const { leading } = this.machine;
    if (view === undefined || leading === undefined) return undefined;
    return planAddresses(leading.planInput(view));
  }

  /** What is counted; undefined: this node has to do with no address. */
  get stats(): AddressStats | undefined {
    const { length: listed } = this.#list;
    return this.#figures.stats({ listed, held: this.held().length, all: this.standing });
  }

  /** How all addresses stand; undefined: this node does not lead. */
  get standing(): Standing | undefined {
    const { leading } = this.machine;
    return leading === undefined ? undefined : standingOf(leading, () => this.rows() ?? []);
  }

  /** Interfaces of the list without a link, and listed addresses that therefore cannot be hosted. */
  get links(): { readonly noLink: readonly string[]; readonly unlinked: readonly IpAddress[] } {
    const { hasLink } = this.#parts;
    const names = new Set(this.#list.flatMap(({ interfaces }) => interfaces));
    return {
      noLink: [...names].filter((name) => !hasLink(name)),
      unlinked: this.#list.filter(({ interfaces }) => !interfaces.some(hasLink))
        .map(({ address }) => address),
    };
  }

  /** How the cluster wants its addresses dealt. */
  get policy(): Policy {
    return this.#parts.policy();
  }

  /** Why the last address that could not be set could not; undefined: there was none. */
  get lastBroken(): string | undefined {
    return this.#figures.lastBroken;
  }

  /** Calls `onHappening` with what happens; `tookMs`: of a run that has ended. Answers how to end it. */
  watch(onHappening: (happening: AddressHappening, tookMs?: number) => void): () => void {
    const call = (happening: AddressHappening, tookMs?: number) => onHappening(happening, tookMs);
    this.#watchers.add(call);
    return () => void this.#watchers.delete(call);
  }

  /** An event was not told to monitors, since there were too many. */
  noteUntold(): void {
    this.#figures.noteUntold();
  }

  /** What is set here. */
  held(): readonly IpAddress[] {
    return this.machine.held();
  }

  /** Ends it: nothing is set any more. */
  stop(): void {
    this.#endLook();
    this.#parts.noting?.stop();
    this.#actor.stop();
    this.#parts.backend.clear();
    this.#parts.clients?.stop();
    for (const end of [...this.#asks.values()]) end({ outcome: "going_on", text: "the node ends" });
  }

  #perform(effect: AddressEffect): void {
    this.#do(effect);
    this.#onLeft();
  }

  #do(effect: AddressEffect): void {
    const parts = this.#parts;
    switch (effect.kind) {
      case "send":
        return parts.send(effect.to, effect.message);
      case "sweep":
        return parts.backend.run(effect, (event) => {
          this.#actor.tell(event);
          // What was noted for this, and is neither listed nor left, is not ours any more.
          parts.noting?.note(this.#settable());
        });
      case "take":
      case "keep":
      case "release":
      case "look":
        return parts.backend.run(effect, (event) => this.#actor.tell(event));
      case "reallocated":
        return parts.onReallocated?.();
      case "blame":
        return parts.blame(effect.pnn, effect.credits, effect.why);
      case "answer":
        return this.#asks.get(effect.verbId)?.({ outcome: effect.outcome, text: effect.text });
      case "happened":
        return this.#happened(effect.happening);
    }
  }

  #happened(happening: AddressHappening): void {
    const text = addressText(happening);
    const nowMs = this.#parts.clock.nowMs();
    this.history.push({ atMs: nowMs, text });
    if (this.history.length > HISTORY_MAX) this.history.shift();
    this.#parts.log.write(isTrouble(happening) ? "warning" : "info", text);
    const tookMs = this.#figures.note(happening, nowMs);
    for (const onHappening of [...this.#watchers]) onHappening(happening, tookMs);
  }
}
