/**
 * What a simulated host has for addresses: a takeover machine beside its cluster machine, and a kernel.
 *
 *   daemon   AddressMachine; what comes while it is stopped waits, and comes when it goes on
 *   kernel   goes on by itself, whatever the daemon does
 *
 * Does NOT promise: that the machine hears of each document in the step in which it is adopted; before its next event.
 */
import type { IpAddress } from "../../../../transport/wire/address.ts";
import type { Document } from "../../../../transport/wire/messages/document.ts";
import type { Incarnation, NodeId } from "../../../../transport/wire/terms.ts";
import type { AddressEffect, AddressEvent } from "../../addresses/takeover/events.ts";
import { leadViewOf } from "../../addresses/takeover/lead_view.ts";
import { AddressMachine } from "../../addresses/takeover/machine.ts";
import type { Happening } from "../../cluster/events.ts";
import type { Host } from "../host.ts";
import type { AddressSim } from "./address_sim.ts";
import { SimKernel } from "./kernel.ts";

/** What waits for a stopped daemon, at most. */
const BACKLOG_MAX = 20_000;

/** A host. */
export class AddressHost {
  readonly host: Host;
  readonly kernel: SimKernel;
  machine: AddressMachine | undefined;
  /** What its list is when nobody changes it. */
  all: readonly IpAddress[] = [];
  /** Its list, and those of it whose interface has a link. */
  known: readonly IpAddress[] = [];
  linked: readonly IpAddress[] = [];
  readonly #sim: AddressSim;
  #doc: Document | undefined;
  #isHealthy: boolean | undefined;
  #backlog: AddressEvent[] = [];
  #wakeAtMs = Infinity;
  /** Lives that its supervisor certified, and whether it could remove their addresses. */
  readonly #certified = new Map<Incarnation, boolean>();

  constructor(sim: AddressSim, host: Host) {
    this.#sim = sim;
    this.host = host;
    this.kernel = new SimKernel(sim, host);
    const resume = host.resume.bind(host);
    host.resume = () => {
      resume();
      this.#onResume();
    };
    const powerOff = host.powerOff.bind(host);
    host.powerOff = () => {
      powerOff();
      this.kernel.powerOff();
    };
  }

  /** The daemon starts. */
  onStart(): void {
    const { addressTiming: timing, addressRules: rules, policy, planner } = this.#sim;
    this.#backlog = [];
    this.#wakeAtMs = Infinity;
    this.#doc = undefined;
    this.#isHealthy = undefined;
    const lead = () => {
      const state = this.host.machine?.state;
      return state === undefined ? undefined : leadViewOf(state);
    };
    this.machine = new AddressMachine({
      me: this.host.nodeId,
      timing,
      rules,
      lead,
      policy: () => policy,
      planner,
    });
    this.offer();
  }

  /** The list, or the links, are others. */
  offer(): void {
    this.feed({ kind: "offer", known: this.known, linked: this.linked });
  }

  /** The daemon ended. */
  onEnd(): void {
    this.machine = undefined;
    this.#backlog = [];
    this.kernel.onDaemonEnd();
  }

  /** Something happened in the cluster machine. */
  onHappened(happening: Happening): void {
    if (happening.what === "new life") {
      this.feed({ kind: "life", incarnation: happening.incarnation });
    }
  }

  /** The page may be another. */
  onPage(): void {
    const state = this.host.machine?.state;
    if (state?.page === undefined || state.page.incarnation !== this.machine?.holder.incarnation) {
      return;
    }
    this.feed({ kind: "lease", endMs: state.page.leaseEndMs, promised: state.promised });
  }

  /** Its supervisor certifies a death to these: it removes the addresses first, if it can. */
  onCertified(life: Incarnation, to: readonly NodeId[]): void {
    const { dice, weather } = this.#sim;
    let isClear = this.#certified.get(life);
    if (isClear === undefined) {
      isClear = !dice.chance(weather.stuck, 10_000);
      if (isClear) this.kernel.clear(life);
      this.#certified.set(life, isClear);
    }
    const pnn = this.host.durable.accepted?.nodes.find(({ nodeId }) => nodeId === this.host.nodeId)
      ?.pnn;
    if (!isClear || pnn === undefined) return;
    for (const nodeId of to) {
      this.#sim.sendAddress(this.host.index, nodeId, {
        kind: "address_clear",
        pnn,
        incarnation: life,
      });
    }
  }

  /** Gives the machine an event, or keeps it while the daemon is stopped. */
  feed(event: AddressEvent): void {
    if (this.machine === undefined) return;
    if (this.host.isPaused) {
      if (event.kind !== "wake" && this.#backlog.length < BACKLOG_MAX) this.#backlog.push(event);
      return;
    }
    this.#catchUp(this.machine);
    if (this.machine !== undefined) this.#step(this.machine, event, 0);
  }

  /** What the cluster machine has that this one was not told yet. */
  #catchUp(machine: AddressMachine): void {
    const state = this.host.machine?.state;
    if (state === undefined) return;
    const { adopted, ownHealth } = state;
    if (adopted !== undefined && adopted !== this.#doc) {
      this.#doc = adopted;
      this.#step(machine, { kind: "adopted", doc: adopted }, 0);
    }
    if (ownHealth.healthy === this.#isHealthy) return;
    this.#isHealthy = ownHealth.healthy;
    this.#step(machine, { kind: "health", isHealthy: ownHealth.healthy }, 0);
  }

  #onResume(): void {
    if (this.machine === undefined || this.host.isPaused) return;
    const backlog = this.#backlog;
    this.#backlog = [];
    this.#wakeAtMs = Infinity;
    for (const event of backlog) this.feed(event);
    this.feed({ kind: "wake" });
  }

  #step(machine: AddressMachine, event: AddressEvent, notBeforeMs: number): void {
    if (this.machine !== machine) return;
    const { nowMs } = this.#sim;
    const effects = machine.step(event, Math.max(this.host.clock(nowMs), notBeforeMs));
    for (const effect of effects) {
      this.#perform(machine, effect);
      if (this.machine !== machine) return;
    }
    const wakeAtMs = Math.max(this.host.timeOf(machine.wakeMs), nowMs);
    if (wakeAtMs >= this.#wakeAtMs || wakeAtMs === Infinity) return;
    this.#wakeAtMs = wakeAtMs;
    this.#sim.at(wakeAtMs, () => this.#wake(machine, wakeAtMs));
  }

  #wake(machine: AddressMachine, atMs: number): void {
    if (atMs !== this.#wakeAtMs || this.machine !== machine || this.host.isPaused) return;
    this.#wakeAtMs = Infinity;
    this.#catchUp(machine);
    this.#step(machine, { kind: "wake" }, Math.min(machine.wakeMs, this.host.clock(atMs) + 0.001));
  }

  #perform(machine: AddressMachine, effect: AddressEffect): void {
    const sim = this.#sim;
    switch (effect.kind) {
      case "send":
        return sim.sendAddress(this.host.index, effect.to, effect.message);
      case "sweep":
      case "take":
      case "keep":
      case "release":
      case "look": {
        const life = machine.holder.incarnation ?? 0n as Incarnation;
        return this.kernel.run(effect, life, (event) => {
          if (this.machine === machine) this.feed(event);
        });
      }
      case "reallocated":
        sim.reallocated += 1;
        return;
      case "blame": {
        const { pnn, credits, why } = effect;
        sim.note("blame", this.host.index, `${pnn}: ${why}`);
        const verbId = sim.dice.u32().toString(16).padStart(32, "b");
        return this.host.feed({
          kind: "command",
          verbId,
          command: { verb: "blame", pnn, credits, why },
        });
      }
      case "answer":
        return sim.onCommandEnd(effect.verbId, effect.outcome);
      case "happened":
        return sim.onAddressHappened(this.host.index, effect.happening);
    }
  }
}
