/**
 * The addresses of a simulated host's kernel: it drops each when its life is over, and goes on when daemons do not.
 *
 * Lives are whole seconds, reckoned when the call is made; the kernel may be late by up to a second.
 *
 * Does NOT promise: that an operation was not made when its daemon is killed: the one under way is, or is not.
 */
import type { IpAddress } from "../../../../transport/wire/address.ts";
import type { Incarnation } from "../../../../transport/wire/terms.ts";
import type { AddressEffect, AddressEvent } from "../../addresses/takeover/events.ts";
import type { Host } from "../host.ts";
import type { AddressSim } from "./address_sim.ts";

/** What a kernel is asked to do. */
export type KernelOp = Extract<
  AddressEffect,
  { readonly kind: "sweep" | "take" | "keep" | "release" | "look" }
>;

/** An address that is set. */
interface SetAddress {
  /** When the kernel drops it, simulated time. */
  endMs: number;
  /** Who set it last. */
  life: Incarnation;
}

/** How late a kernel may be. */
const LATE_MS = 1000;

/** One kernel. */
export class SimKernel {
  readonly #sim: AddressSim;
  readonly #host: Host;
  readonly #set = new Map<IpAddress, SetAddress>();
  /** Operations that wait for the one under way. */
  #queue: {
    readonly op: KernelOp;
    readonly life: Incarnation;
    readonly onEnd: (event: AddressEvent) => void;
  }[] = [];
  #isBusy = false;
  /** Counts daemons: what was asked by a former one is dropped. */
  #daemon = 0;

  constructor(sim: AddressSim, host: Host) {
    this.#sim = sim;
    this.#host = host;
  }

  /** Does it have this address now? */
  has(address: IpAddress): boolean {
    return (this.#set.get(address)?.endMs ?? 0) > this.#sim.nowMs;
  }

  /** All that it has now. */
  addresses(): IpAddress[] {
    return [...this.#set.keys()].filter((address) => this.has(address));
  }

  /** The daemon wants something; in order. */
  run(op: KernelOp, life: Incarnation, onEnd: (event: AddressEvent) => void): void {
    this.#queue.push({ op, life, onEnd });
    if (!this.#isBusy) this.#next();
  }

  #next(): void {
    const daemon = this.#daemon;
    const [first] = this.#queue;
    this.#isBusy = first !== undefined;
    if (first === undefined) return;
    this.#sim.after(this.#sim.opMs(first.op), () => {
      if (this.#daemon !== daemon) return;
      this.#queue.shift();
      const event = this.#do(first.op, first.life);
      if (event !== undefined) first.onEnd(event);
      if (this.#daemon === daemon) this.#next();
    });
  }

  #do(op: KernelOp, life: Incarnation): AddressEvent | undefined {
    const { dice, weather } = this.#sim;
    switch (op.kind) {
      case "sweep":
      case "look":
        if (op.kind === "sweep") {
          for (const address of this.addresses()) if (!this.#fails()) this.#set.delete(address);
        }
        return { kind: "seen", id: op.id, addresses: this.addresses() };
      case "keep":
        for (const address of op.addresses) this.#put(address, op.untilMs, life);
        return undefined;
      case "take": {
        const isThere = !this.#fails() && this.#put(op.address, op.untilMs, life);
        const isOk = isThere && !dice.chance(weather.failures, 10_000);
        return { kind: "done", id: op.id, isOk, why: "no" };
      }
      case "release": {
        const isOk = !this.#fails();
        if (isOk) this.#set.delete(op.address);
        return { kind: "done", id: op.id, isOk, why: "no" };
      }
    }
  }

  #fails(): boolean {
    return this.#sim.dice.chance(this.#sim.weather.failures, 10_000);
  }

  /** Sets an address; false: there is no time left, nothing was done. */
  #put(address: IpAddress, untilMs: number, life: Incarnation): boolean {
    const sim = this.#sim;
    const nowMs = this.#host.clock(sim.nowMs);
    const lifeMs = sim.addressRules.lifeMs(untilMs - nowMs);
    if (lifeMs < 1000) return false;
    const lateMs = sim.dice.below(sim.weather.lateMs + 1);
    this.#set.set(address, { endMs: this.#host.timeOf(nowMs + lifeMs + lateMs), life });
    sim.onSet(this.#host.index, address);
    return true;
  }

  /** The supervisor removes what lives up to this one have set. */
  clear(life: Incarnation): void {
    for (const [address, entry] of this.#set) if (entry.life <= life) this.#set.delete(address);
  }

  /** Somebody removes an address by hand. */
  remove(address: IpAddress): void {
    this.#set.delete(address);
  }

  /** The daemon has ended: of what is under way nobody knows. */
  onDaemonEnd(): void {
    this.#daemon += 1;
    const [first] = this.#queue;
    this.#queue = [];
    this.#isBusy = false;
    if (first !== undefined && this.#sim.dice.chance(1, 2)) this.#do(first.op, first.life);
  }

  /** No power. */
  powerOff(): void {
    this.onDaemonEnd();
    this.#set.clear();
  }
}

/** The latest that a simulated kernel can be. */
export const KERNEL_LATE_MS: number = LATE_MS;
