/**
 * A simulated cluster with public addresses: the real cluster machines give views and leases, takeover machines stand
 * on top, and kernels hold the addresses. The same options give the same run.
 *
 *   const sim = new AddressSim({ seed: 1, nodes: 5 });  sim.start();  sim.run(20_000);  sim.checkers.violations
 *
 * At each instant is judged: no two kernels have one address.
 *
 * Does NOT promise: real bytes; messages are passed as they are.
 */
import type { IpAddress } from "../../../../transport/wire/address.ts";
import type { AddressMessage } from "../../../../transport/wire/messages/address.ts";
import type { Outcome } from "../../../../transport/wire/messages/leader.ts";
import type { NodeId } from "../../../../transport/wire/terms.ts";
import type { Plan, PlanInput } from "../../addresses/plan/plan.ts";
import type { AddressHappening } from "../../addresses/takeover/events.ts";
import type { Policy } from "../../addresses/takeover/leading.ts";
import { ADDRESS_RULES } from "../../addresses/takeover/rules.ts";
import type { AddressRules } from "../../addresses/takeover/rules.ts";
import { defaultAddressTiming } from "../../addresses/takeover/tunables.ts";
import type { AddressTiming } from "../../addresses/takeover/tunables.ts";
import type { ClusterMessage, Happening } from "../../cluster/events.ts";
import { ClusterSim } from "../cluster_sim.ts";
import type { SimOptions } from "../cluster_sim.ts";
import type { Host } from "../host.ts";
import { AddressHost } from "./address_host.ts";
import type { KernelOp } from "./kernel.ts";

/** What a run is made of, beside its cluster. */
export interface AddressSimOptions extends SimOptions {
  readonly planner: (input: PlanInput) => Plan;
  readonly policy?: Policy;
  readonly addressTiming?: AddressTiming;
  readonly addressRules?: AddressRules;
  /** Called with each message about addresses; false: it is lost. */
  readonly onAddress?: (from: number, to: number, message: AddressMessage) => boolean;
}

/** How bad kernels and scripts are. */
export interface KernelWeather {
  /** Chances in 10 000 that an operation fails. */
  failures: number;
  /** Chances in 10 000 that one takes up to slowMs. */
  slow: number;
  slowMs: number;
  /** How late a kernel may be, milliseconds. */
  lateMs: number;
  /** Chances in 10 000 that a supervisor cannot remove addresses. */
  stuck: number;
}

/** Copies of a message that come twice may be so late, milliseconds. */
const LATE_MS = 6_000;
const ADDRESSES = 140;
const CALM_OP_MS = 3;

/** A cluster with addresses. */
export class AddressSim extends ClusterSim {
  readonly addressHosts: readonly AddressHost[];
  readonly addressTiming: AddressTiming;
  readonly addressRules: AddressRules;
  readonly policy: Policy;
  readonly planner: (input: PlanInput) => Plan;
  readonly weather: KernelWeather = { failures: 0, slow: 0, slowMs: 2_000, lateMs: 0, stuck: 0 };
  /** Chances in 10 000 that the second copy of a message is very late. */
  lateCopies = 0;
  addressMessages = 0;
  /** How often nodes were told that all is where it belongs. */
  reallocated = 0;
  readonly counts = new Map<string, number>();
  readonly #options: AddressSimOptions;
  readonly #waiting = new Map<string, (outcome: Outcome) => void>();

  constructor(options: AddressSimOptions) {
    super({ format: 2, ...options });
    this.#options = options;
    this.addressTiming = options.addressTiming ?? defaultAddressTiming();
    this.addressRules = options.addressRules ?? ADDRESS_RULES;
    this.policy = options.policy ?? { algorithm: "lcp2" };
    this.planner = options.planner;
    this.addressHosts = this.hosts.map((host) => new AddressHost(this, host));
  }

  override onHappened(host: Host, happening: Happening): void {
    super.onHappened(host, happening);
    this.addressHosts[host.index]?.onHappened(happening);
  }

  override onServing(host: Host, wasServing: boolean, isServing: boolean): void {
    super.onServing(host, wasServing, isServing);
    this.addressHosts[host.index]?.onPage();
  }

  override note(what: string, node: number, text: string | Happening): void {
    super.note(what, node, text);
    const host = this.addressHosts?.[node];
    if (what === "start") host?.onStart();
    else if (what === "end") host?.onEnd();
  }

  override send(from: number, to: readonly NodeId[], message: ClusterMessage): void {
    super.send(from, to, message);
    if (message.kind === "dead") this.addressHosts[from]?.onCertified(message.incarnation, to);
  }

  /** Sends a message about addresses over the links. */
  sendAddress(from: number, nodeId: NodeId, message: AddressMessage): void {
    const to = this.indexOf(nodeId);
    const target = this.addressHosts[to];
    const sender = this.hosts[from]?.nodeId;
    const { onAddress } = this.#options;
    if (target === undefined || sender === undefined) return;
    this.addressMessages += 1;
    if (onAddress !== undefined && !onAddress(from, to, message)) return;
    const copies = from === to ? 1 : this.links.copies(from, to);
    for (let copy = 0; copy < copies; copy++) {
      const isLate = copy > 0 && this.lateCopies > 0 && this.dice.chance(this.lateCopies, 10_000);
      this.after(this.links.delayMs() + (isLate ? this.dice.below(LATE_MS) : 0), () => {
        this.trace.add(ADDRESSES, to, this.nowMs, from * 16 + message.kind.length);
        target.feed({ kind: "message", from: sender, message });
      });
    }
  }

  /** How long an operation of a kernel, with its script, takes. */
  opMs({ kind }: KernelOp): number {
    if (this.#options.isCalm === true) return CALM_OP_MS;
    const { slow, slowMs } = this.weather;
    if (kind !== "keep" && slow > 0 && this.dice.chance(slow, 10_000)) {
      return this.dice.below(slowMs);
    }
    return 0.2 + this.dice.below(10);
  }

  /** A kernel has set an address, or extended its life: nobody else may have it. */
  onSet(node: number, address: IpAddress): void {
    this.trace.add(ADDRESSES, node, this.nowMs, address.length);
    for (const { host, kernel } of this.addressHosts) {
      if (host.index === node || !kernel.has(address)) continue;
      this.checkers.report(
        this.nowMs,
        "two holders",
        `${address}: node ${node}, and node ${host.index} has it`,
      );
    }
  }

  /** Something happened at a takeover machine. */
  onAddressHappened(node: number, happening: AddressHappening): void {
    const { what } = happening;
    const name = what === "run over" ? `run ${happening.end}` : what;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    const { what: _, ...rest } = happening;
    this.note(what, node, Object.values(rest).join(" "));
  }

  /** A command of an operator, at a node; `onEnd` is told how it ended, if that is told. */
  command(
    node: number,
    command: Parameters<AddressHost["feed"]>[0] & { readonly kind: "command" },
    onEnd?: (outcome: Outcome) => void,
  ): void {
    if (onEnd !== undefined) this.#waiting.set(command.verbId, onEnd);
    this.addressHosts[node]?.feed(command);
  }

  /** A command has ended. */
  onCommandEnd(verbId: string, outcome: Outcome): void {
    this.#waiting.get(verbId)?.(outcome);
    this.#waiting.delete(verbId);
  }

  /** Who has an address in its kernel now. */
  holdersOf(address: IpAddress): number[] {
    return this.addressHosts.filter(({ kernel }) => kernel.has(address)).map(({ host }) =>
      host.index
    );
  }
}
