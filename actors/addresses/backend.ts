/**
 * What sets addresses and removes them: the port between the takeover machine and a kernel.
 *
 * A backend does what it is told in that order. The life of an address is reckoned where the kernel is called:
 * `untilMs` less the clock there, in whole seconds, rounded down; with less than a second left it sets nothing and says
 * so. What it starts ends with the daemon.
 *
 * Does NOT promise: speed; what takes long is reported as busy meanwhile.
 */
import type { IpAddress } from "../../transport/wire/address.ts";
import type { AddressEffect, AddressEvent } from "../machines/addresses/takeover/events.ts";
import type { PublicAddress } from "./public_addresses.ts";

/** What a kernel is asked to do. */
export type KernelOp = Extract<
  AddressEffect,
  { readonly kind: "sweep" | "take" | "keep" | "release" | "look" }
>;

/** Sets addresses and removes them. */
export interface AddressBackend {
  /** As the configuration has it. */
  readonly name: string;
  /** Does it; `onEnd` is called once, but for `keep`, with `done` or `seen`. */
  run(op: KernelOp, onEnd: (event: AddressEvent) => void): void;
  /** Is there an interface for each of these? Throws CtdbxError "not_found". */
  requireInterfaces(list: readonly PublicAddress[]): void;
  /** The node's list; told before anything of it is offered. */
  setList(list: readonly PublicAddress[]): void;
  /** Has an interface a link? */
  hasLink(name: string): boolean;
  /** Can it be offered, as far as the backend knows? */
  canHost(address: IpAddress): boolean;
  /** What is set now, or may be from a former life. */
  addresses(): readonly IpAddress[];
  /** The name of the interface on which an address is set; undefined: it is not set, or on none. */
  interfaceOf(address: IpAddress): string | undefined;
  /** The node was away, or others were: neighbours are told anew where its addresses are. */
  again(): void;
  /** Resolves when all that follows from what was done has been done, too: event scripts have run. */
  settled(): Promise<void>;
  /** Removes all that is set, at once: the daemon ends. */
  clear(): void;
}
