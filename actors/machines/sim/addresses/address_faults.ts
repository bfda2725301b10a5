/**
 * What goes wrong with addresses: links, scripts, hands that remove them, operators that move them.
 *
 * Does NOT promise: hands that set an address on a second node; no protocol prevents that.
 */
import type { Dice } from "../../../../transport/world.ts";
import type { Pnn } from "../../../../transport/wire/terms.ts";
import type { AddressHost } from "./address_host.ts";
import type { AddressSim } from "./address_sim.ts";

/** The classes. */
export const ADDRESS_FAULTS = ["link", "remove", "move", "rebalance", "list"] as const;
/** One of ADDRESS_FAULTS. */
export type AddressFault = (typeof ADDRESS_FAULTS)[number];

const PACES = [1_000, 3_000, 9_000];

/** Lets faults happen from now until `untilMs`. */
export class AddressFaults {
  readonly #sim: AddressSim;
  readonly #dice: Dice;
  readonly #untilMs: number;
  #verb = 0;

  constructor(sim: AddressSim, untilMs: number, classes: readonly AddressFault[]) {
    this.#sim = sim;
    this.#dice = sim.dice;
    this.#untilMs = untilMs;
    for (const fault of classes) {
      this.#schedule(fault, PACES[this.#dice.below(PACES.length)] ?? 3_000);
    }
  }

  #schedule(fault: AddressFault, paceMs: number): void {
    const delayMs = this.#dice.below(2 * paceMs);
    if (this.#sim.nowMs + delayMs >= this.#untilMs) return;
    this.#sim.after(delayMs, () => {
      this.#strike(fault);
      this.#schedule(fault, paceMs);
    });
  }

  #strike(fault: AddressFault): void {
    const { addressHosts } = this.#sim;
    const host = addressHosts[this.#dice.below(addressHosts.length)] as AddressHost;
    switch (fault) {
      case "link":
        host.linked = host.all.filter(() => this.#dice.chance(1, 2));
        host.offer();
        this.#sim.after(200 + this.#dice.below(6_000), () => {
          host.linked = host.all;
          host.offer();
        });
        return;
      case "remove": {
        const addresses = host.kernel.addresses();
        const address = addresses[this.#dice.below(Math.max(1, addresses.length))];
        if (address !== undefined) host.kernel.remove(address);
        return;
      }
      case "list": {
        host.known = host.all.filter(() => this.#dice.chance(2, 3));
        host.offer();
        this.#sim.after(200 + this.#dice.below(6_000), () => {
          host.known = host.all;
          host.offer();
        });
        return;
      }
      case "move":
      case "rebalance":
        return this.#command(fault, host);
    }
  }

  #command(fault: "move" | "rebalance", host: AddressHost): void {
    this.#verb += 1;
    const verbId = this.#verb.toString(16).padStart(32, "a");
    const to = this.#dice.below(this.#sim.hosts.length) as Pnn;
    const address = host.known[this.#dice.below(Math.max(1, host.known.length))];
    if (fault === "rebalance") {
      return host.feed({ kind: "command", verbId, command: { verb: "rebalance", forced: [to] } });
    }
    if (address === undefined) return;
    host.feed({ kind: "command", verbId, command: { verb: "move", address, to } });
  }
}

/** Ends all of them. */
export function healAddresses(sim: AddressSim): void {
  sim.lateCopies = 0;
  sim.weather.failures = 0;
  sim.weather.slow = 0;
  sim.weather.stuck = 0;
}
