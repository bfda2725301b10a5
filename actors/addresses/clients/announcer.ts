/**
 * Tells neighbours where an address is, and clients that a connection of theirs is none any more.
 *
 *   announce(10.1.1.1, eth0) ──▶ ARP request and reply, three times
 *   tickle(10.1.1.1, connections) ──▶ an ACK to each client, three times
 *
 * The interface is looked up for each frame that is sent: one that was made anew has another number and another MAC.
 *
 * What is repeated goes only while the address is here: a node that stood still would else tell neighbours of an
 * address that its kernel has dropped, and another node has.
 *
 * Does NOT promise: the same of one frame that a command asks for, nor an instant between the look and the frame.
 */
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { IpAddress } from "../../../transport/wire/address.ts";
import type { Connection } from "../../../transport/wire/raw/endpoint.ts";
import { announcements } from "../../../transport/wire/raw/neighbour.ts";
import { tickle } from "../../../transport/wire/raw/segment.ts";
import type { Packets } from "../../../transport/packets.ts";
import type { Clock, Log } from "../../../transport/world.ts";
import { Repeats } from "./repeats.ts";

/** What it needs. */
export interface AnnouncerParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly packets: Packets;
  /** The interface on which an address is, just now; undefined: it is not here. */
  readonly interfaceOf: (address: IpAddress) => string | undefined;
}

/** One node's. */
export class Announcer {
  readonly #packets: Packets;
  readonly #interfaceOf: AnnouncerParts["interfaceOf"];
  readonly #repeats: Repeats;

  constructor({ clock, log, packets, interfaceOf }: AnnouncerParts) {
    this.#packets = packets;
    this.#interfaceOf = interfaceOf;
    this.#repeats = new Repeats({
      clock,
      onFailure: (key, error) => log.write("warning", `Cannot send for ${key}`, { error }),
    });
  }

  /** Says where the address is, now and twice more. */
  announce(address: IpAddress, iface: string): void {
    this.#repeats.start(`neighbours of ${address}`, {
      count: 1,
      isUrgent: true,
      send: () => {
        // A node that stood still sends late: by then another one may have it.
        if (this.#interfaceOf(address) === iface) this.announceOnce(address, iface);
      },
    });
  }

  /** The same once; answers the number of frames. Throws CtdbxError "not_found" (no such Ethernet), "denied", "io". */
  announceOnce(address: IpAddress, iface: string): number {
    const link = this.#packets.linkOf(iface);
    if (link === undefined) {
      throw new CtdbxError(
        "not_found",
        `Cannot announce ${address}: there is no Ethernet interface ${iface}`,
      );
    }
    const frames = announcements(address, link.mac);
    for (const frame of frames) this.#packets.sendFrame(link, frame);
    return frames.length;
  }

  /** Has the clients of an address find out that their connections are gone, now and twice more, and says so. */
  tickle(address: IpAddress, connections: readonly Connection[], onEnd: () => void): void {
    this.#repeats.start(`clients of ${address}`, {
      count: connections.length,
      onEnd,
      send: (index) => {
        if (this.#interfaceOf(address) === undefined) return;
        this.tickleOnce(connections[index] as Connection);
      },
    });
  }

  /** One packet. Throws CtdbxError "denied", "not_found" (no way to the client), "busy", "io". */
  tickleOnce({ client, server }: Connection): void {
    this.#packets.sendPacket(client.address, tickle(server, client));
  }

  /** Nothing more is sent for this address. */
  forget(address: IpAddress): void {
    this.#repeats.forget(`neighbours of ${address}`);
    this.#repeats.forget(`clients of ${address}`);
  }

  stop(): void {
    this.#repeats.stop();
  }
}
