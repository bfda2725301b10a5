/**
 * The ports to the network of the machine, for nodes that host real addresses.
 *
 * Does NOT promise: rights; whoever needs them asks first.
 */
import type { Interfaces } from "../../transport/interfaces.ts";
import type { Packets, TcpTable } from "../../transport/packets.ts";

/** All of them. */
export interface NetworkPorts {
  readonly interfaces: Interfaces;
  readonly packets: Packets;
  readonly tcp: TcpTable;
}
