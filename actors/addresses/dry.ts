/**
 * The dry backend: an interface that is not there. It keeps the addresses as a kernel would, with their lives, and says
 * what it would do; nobody answers at them.
 *
 * Does NOT promise: that an address can be reached; for trying what moves when, without rights.
 */
import type { Clock, Log } from "../../transport/world.ts";
import type { IpAddress } from "../../transport/wire/address.ts";
import type { AddressEvent } from "../machines/addresses/takeover/events.ts";
import type { AddressBackend, KernelOp } from "./backend.ts";

const SECOND_MS = 1000;

/** Addresses that are only written down. */
export class DryBackend implements AddressBackend {
  readonly name = "dry";
  readonly #clock: Clock;
  readonly #log: Log;
  /** Until when each is set, by the clock. */
  readonly #set = new Map<IpAddress, number>();

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  run(op: KernelOp, onEnd: (event: AddressEvent) => void): void {
    switch (op.kind) {
      case "sweep":
        this.#set.clear();
        return onEnd({ kind: "seen", id: op.id, addresses: [] });
      case "look":
        return onEnd({ kind: "seen", id: op.id, addresses: this.addresses() });
      case "keep":
        for (const address of op.addresses) this.#put(address, op.untilMs);
        return;
      case "take": {
        const isOk = this.#put(op.address, op.untilMs);
        if (isOk) this.#log.write("info", `Address ${op.address} would be set`);
        return onEnd({ kind: "done", id: op.id, isOk, why: "the lease is nearly over" });
      }
      case "release":
        this.#set.delete(op.address);
        this.#log.write("info", `Address ${op.address} would be removed`);
        return onEnd({ kind: "done", id: op.id, isOk: true });
    }
  }

  requireInterfaces(): void {}

  setList(): void {}

  hasLink(): boolean {
    return true;
  }

  canHost(): boolean {
    return true;
  }

  interfaceOf(): undefined {}

  again(): void {}

  /** False: less than a second is left. */
  #put(address: IpAddress, untilMs: number): boolean {
    const nowMs = this.#clock.nowMs();
    const lifeMs = Math.floor((untilMs - nowMs) / SECOND_MS) * SECOND_MS;
    if (lifeMs < SECOND_MS) return false;
    this.#set.set(address, nowMs + lifeMs);
    return true;
  }

  /** What is set now. */
  addresses(): IpAddress[] {
    const nowMs = this.#clock.nowMs();
    return [...this.#set].filter(([, endMs]) => endMs > nowMs).map(([address]) => address);
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  clear(): void {
    this.#set.clear();
  }
}
