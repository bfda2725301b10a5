/**
 * The network interfaces of this machine and the addresses on them, as a kernel has them.
 *
 *   links ──▶ eth0 (2, link)  eth1 (3, no link)         put 10.0.0.1/24 on 2 for 3 s ──▶ gone after 3 s, whoever lives
 *
 * Every call is done when it returns: nothing of it can reach the kernel later.
 *
 * Does NOT promise: that a call is short. The kernel does one change of a network at a time, and a call waits for its
 * turn; whoever reckons with time looks at a clock before and after it.
 */
import type { IpAddress } from "./wire/address.ts";

/** An interface. */
export interface Link {
  readonly name: string;
  /** Its number; another one when it is made anew. */
  readonly index: number;
  /** Is it up, with a carrier, and not dormant? */
  readonly hasLink: boolean;
}

/** An address, and where it stands. */
export interface Placed {
  readonly address: IpAddress;
  /** Of its network: 1 .. 32 of IPv4, 1 .. 128 of IPv6. */
  readonly bits: number;
  /** Of the interface. */
  readonly index: number;
}

/** One that is set. */
export interface SetAddress extends Placed {
  /** It goes by itself after so long, s; undefined: it stays. */
  readonly lifeS?: number;
}

/** The kernel's network, as far as addresses are concerned. */
export interface Interfaces {
  /** All of them. Throws CtdbxError "io". */
  links(): readonly Link[];
  /** All that is set, but for what no node may host (loopback, link-local). Throws CtdbxError "io". */
  addresses(): readonly SetAddress[];
  /**
   * Sets an address for `lifeS` seconds, 1 at least, from when the kernel does it; one that is there gets another life.
   * IPv6 without a search for doubles. Throws CtdbxError "denied", "not_found" (no such interface), "io".
   */
  put(placed: Placed, lifeS: number): void;
  /** Removes one; false: it was not there. Throws CtdbxError "denied", "io". */
  remove(placed: Placed): boolean;
  /**
   * When the first IPv4 address of a network goes from this interface, the others of the network stay. False: they go
   * with it, as the kernel lets nobody say so here.
   */
  keepSecondaries(name: string): boolean;
  /** Whoever may not change anything is told why: throws CtdbxError "denied". */
  requireRights(): void;
  close(): void;
}
