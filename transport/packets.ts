/**
 * Raw packets of this machine, and the TCP connections that its kernel has: the ports of who looks after clients.
 *
 *   linkOf("eth0") ──▶ { index 2, MAC }    sendFrame: as it is, on that link    sendPacket: the kernel finds the way
 *   established({ 10.1.1.1 }) ──▶ 10.1.1.7:45123 ⇄ 10.1.1.1:445 ...            reset(10.1.1.1) ──▶ all of them ended
 *
 * Does NOT promise: that a packet arrives; who sends one that matters sends it again.
 */
import type { IpAddress } from "./wire/address.ts";
import type { Connection } from "./wire/raw/endpoint.ts";

/** An interface as frames need it. */
export interface LinkAddress {
  /** Its number; another one when it is made anew. */
  readonly index: number;
  /** 6 bytes. */
  readonly mac: Uint8Array;
}

/** Sends what no ordinary socket would. Each call returns at once. */
export interface Packets {
  /** Throws CtdbxError "denied" where this process may not send. */
  requireRights(): void;
  /** Undefined: there is no such interface, or it is no Ethernet. Throws CtdbxError "io". */
  linkOf(name: string): LinkAddress | undefined;
  /** A whole frame of Ethernet. Throws CtdbxError "denied", "not_found" (no such link), "busy" (a full queue), "io". */
  sendFrame(link: LinkAddress, frame: Uint8Array): void;
  /** An IP packet with its header. Throws CtdbxError "denied", "not_found" (no way there), "busy", "io". */
  sendPacket(to: IpAddress, packet: Uint8Array): void;
  close(): void;
}

/** What came of a reset. */
export interface ResetCount {
  /** Connections that were ended. */
  readonly ended: number;
  /** False: time was up before all were seen. */
  readonly isAll: boolean;
}

/** The kernel's TCP connections. */
export interface TcpTable {
  /**
   * Connections that are established and whose end here is one of `local`, `most` at most. Rejects with CtdbxError
   * "unsupported" (a kernel without sock_diag), "io".
   */
  established(local: ReadonlySet<IpAddress>, most: number): Promise<Connection[]>;
  /**
   * Ends all connections whose end here is `local`: the other end gets a reset while the address is here, the program
   * an error. Looks no more after `limitMs`. Those that are asked for in one turn are done together, and answered at
   * the same moment. Rejects with CtdbxError "unsupported" (a kernel without SOCK_DESTROY),
   * "denied", "io".
   */
  reset(local: IpAddress, limitMs: number): Promise<ResetCount>;
}
