/**
 * What tests of real addresses share: a backend over a kernel that is not there; effects and scripts are noted.
 *
 * Does NOT promise: a takeover machine; a test orders what one would.
 */
import * as assert from "uvu/assert";
import type { AddressEffects } from "../../../actors/addresses/address_effects.ts";
import type { AddressScripts } from "../../../actors/addresses/address_scripts.ts";
import { KernelBackend } from "../../../actors/addresses/kernel.ts";
import { readPublicAddresses } from "../../../actors/addresses/public_addresses.ts";
import type { AddressEvent } from "../../../actors/machines/addresses/takeover/events.ts";
import type { EventEnd } from "../../../transport/wire/event_daemon.ts";
import { SimInterfaces } from "../../../transport/sim/interfaces.ts";
import { type IpAddress, parseAddress } from "../../../transport/wire/address.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { SimMachine } from "../../../transport/sim/world.ts";
import { SimNetwork } from "../../../transport/sim/network.ts";
import { SimTime } from "../../../transport/sim/clock.ts";

/** The list of the node. */
export const LIST = readPublicAddresses(
  "10.0.0.1/24 eth0,eth1\n10.0.0.2/24 eth0,eth1\n10.0.0.3/24 eth0\nfd00::1/64 eth1,eth0\n",
  "the test",
);
/** Addresses of the list. */
export const [A, B, C, SIX] = LIST.map(({ address }) => address) as [
  IpAddress,
  IpAddress,
  IpAddress,
  IpAddress,
];
/** One that is in no list. */
export const OTHER = parseAddress("10.9.9.9");

/** A backend, its kernel, and what both have told. */
export class Stage {
  readonly time = new SimTime();
  readonly world = new SimMachine({
    name: "n0",
    network: new SimNetwork(this.time, new SeededDice(1)),
    dice: new SeededDice(1),
  }).boot();
  readonly clock = this.world.clock;
  readonly kernel = new SimInterfaces(this.clock);
  readonly told: string[] = [];
  readonly ends: AddressEvent[] = [];
  /** How long effects.releasing takes, ms; Infinity: for ever. */
  releasingMs = 0;
  outcome: EventEnd["outcome"] = "ok";
  /** What a script answers; undefined: `outcome`, at once. */
  running: Promise<EventEnd> | undefined;
  readonly backend: KernelBackend;
  readonly #down = new Set<string>();
  #id = 0;

  /** What the log has. */
  readonly logged: string[] = [];

  constructor({ former = [] as IpAddress[], links = ["eth0", "eth1"], list = LIST } = {}) {
    for (const name of links) this.kernel.setLink(name, true);
    const { clock } = this;
    this.backend = new KernelBackend({
      interfaces: this.kernel,
      clock,
      log: { write: (_level, text) => void this.logged.push(text) },
      effects: this.#effects(),
      scripts: this.#scripts(),
      isDown: (name) => this.#down.has(name),
      former,
    });
    this.backend.setList(list);
  }

  #effects(): AddressEffects {
    return {
      taken: (address, iface) => void this.told.push(`taken ${address} ${iface}`),
      releasing: (address) => {
        this.told.push(`releasing ${address}`);
        return new Promise((resolve) => {
          if (this.releasingMs === 0) resolve();
          else if (this.releasingMs < Infinity) this.clock.after(this.releasingMs, resolve);
        });
      },
      released: (address) => void this.told.push(`released ${address}`),
      again: (held) =>
        void this.told.push(`again ${held.map(({ address, iface }) => `${address} ${iface}`)}`),
      stop: () => void this.told.push("stop"),
    };
  }

  #scripts(): AddressScripts {
    const tell = (...words: unknown[]): Promise<EventEnd> => {
      this.told.push(`event ${words.join(" ")}`);
      return this.running ?? Promise.resolve({ outcome: this.outcome } as EventEnd);
    };
    return {
      takeIp: (...words) => tell("takeip", ...words),
      releaseIp: (...words) => tell("releaseip", ...words),
      updateIp: (...words) => tell("updateip", ...words),
    };
  }

  setDown(name: string): void {
    this.#down.add(name);
  }

  /** Does an operation; answers with what its end said, where it has ended at once. */
  op(kind: "take" | "release", address: IpAddress, forMs = 3000): AddressEvent | undefined {
    const id = ++this.#id;
    const untilMs = this.clock.nowMs() + forMs;
    const op = kind === "take" ? { kind, id, address, untilMs } : { kind, id, address };
    this.backend.run(op, (event) => void this.ends.push(event));
    return this.ends.find((event) => "id" in event && event.id === id);
  }

  keep(forMs: number, ...addresses: IpAddress[]): void {
    const untilMs = this.clock.nowMs() + forMs;
    this.backend.run({ kind: "keep", addresses, untilMs }, () => {});
  }

  /** What a look, or a sweep, sees. */
  see(kind: "look" | "sweep"): readonly IpAddress[] | undefined {
    let seen: readonly IpAddress[] | undefined;
    this.backend.run({ kind, id: ++this.#id }, (event) => {
      if (event.kind === "seen") seen = event.addresses;
    });
    return seen;
  }

  /** What the kernel has: "ADDRESS/BITS INTERFACE LIFE". */
  set(): string[] {
    const names = new Map(this.kernel.links().map(({ name, index }) => [index, name]));
    return this.kernel.addresses().map(({ address, bits, index, lifeS = "ever" }) =>
      `${address}/${bits} ${names.get(index)} ${lifeS}`
    );
  }

  async run(forMs: number): Promise<void> {
    this.time.runTo(this.time.nowMs + forMs);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  }
}

/** Has it ended well? */
export function isOk(event: AddressEvent | undefined): boolean {
  assert.is(event?.kind, "done");
  return event?.kind === "done" && event.isOk;
}

/** Why it has not ended well. */
export function whyOf(event: AddressEvent | undefined): string {
  return event?.kind === "done" && !event.isOk ? event.why ?? "" : "";
}
