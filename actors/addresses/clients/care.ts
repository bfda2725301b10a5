/**
 * What a node does around the addresses that it takes and lets go: neighbours are told, clients are tickled,
 * connections that are over are ended.
 *
 *   taken ──▶ announce, three times; clients that the former owner had: tickled          again ──▶ announce all
 *   releasing ──▶ the kernel ends all connections of the address, RESET_MS at most
 *   released ──▶ the same, for those that came between          reached: the bus is there again ──▶ announce all
 *
 * Does NOT promise: that a client hears of it; one that is told nothing finds out when it sends, or by its own timers.
 */
import type { Packets, TcpTable } from "../../../transport/packets.ts";
import type { IpAddress } from "../../../transport/wire/address.ts";
import type { Clock, Log } from "../../../transport/world.ts";
import { type AddressEffects, RELEASING_MS, type SetHere } from "../address_effects.ts";
import { Announcer } from "./announcer.ts";
import { ConnectionKeeper, type KeeperParts } from "./keeper.ts";

/** Connections are ended for so long, ms: a release is held up no longer than that. */
export const RESET_MS = RELEASING_MS - 100;

/** How the kernel has an interface. */
export type KernelLink = "up" | "down" | "missing";

/** What it needs. */
export interface CareParts extends Omit<KeeperParts, "tickle"> {
  readonly clock: Clock;
  readonly log: Log;
  readonly packets: Packets;
  readonly tcp: TcpTable;
  /** How the link of an interface is. */
  readonly kernelLink: (name: string) => KernelLink;
}

/** One node's, with real addresses. */
export class ClientCare implements AddressEffects {
  readonly announcer: Announcer;
  readonly #parts: CareParts;
  readonly #keeper: ConnectionKeeper;
  /** What is here, with its interface. */
  readonly #here = new Map<IpAddress, string>();
  #trouble = "";

  constructor(parts: CareParts) {
    this.#parts = parts;
    this.announcer = new Announcer(parts);
    this.#keeper = new ConnectionKeeper({
      ...parts,
      tickle: (address, connections, onEnd) => {
        if (connections.length === 0) return;
        const text = `clients of its former owner that are tickled: ${connections.length}`;
        parts.log.write("info", `Address ${address}: ${text}`);
        this.announcer.tickle(address, connections, onEnd);
      },
    });
  }

  /** How the link of an interface is, by the kernel. */
  kernelLink(name: string): KernelLink {
    return this.#parts.kernelLink(name);
  }

  taken(address: IpAddress, iface: string): void {
    this.#here.set(address, iface);
    this.announcer.announce(address, iface);
    this.#keeper.taken(address);
  }

  async releasing(address: IpAddress, _iface: string): Promise<void> {
    this.#forget(address);
    await this.#reset(address);
  }

  released(address: IpAddress): void {
    this.#forget(address);
    // Those that began between the reset and the end of the address.
    void this.#reset(address);
  }

  again(held: readonly SetHere[]): void {
    for (const { address, iface } of held) this.announcer.announce(address, iface);
  }

  /** The node was cut off from the others: all that it still holds is announced anew. */
  reached(): void {
    this.again([...this.#here].map(([address, iface]) => ({ address, iface })));
  }

  #forget(address: IpAddress): void {
    this.#here.delete(address);
    this.announcer.forget(address);
    this.#keeper.released(address);
  }

  stop(): void {
    this.#here.clear();
    this.announcer.stop();
    this.#keeper.stop();
  }

  /** Never rejects. */
  async #reset(address: IpAddress): Promise<void> {
    const { tcp, log } = this.#parts;
    try {
      const { ended, isAll } = await tcp.reset(address, RESET_MS);
      if (ended > 0) log.write("info", `Address ${address}: connections that were ended: ${ended}`);
      if (!isAll) {
        log.write("warning", `Address ${address}: not all connections could be ended in time`);
      }
      this.#trouble = "";
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (this.#trouble !== text) {
        log.write("warning", "Connections of an address that goes are left to their timers", {
          error,
        });
      }
      this.#trouble = text;
    }
  }
}
