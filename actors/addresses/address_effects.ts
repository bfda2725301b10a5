/**
 * What is done around an address beside setting it: neighbours are told where it is, its clients' connections are
 * looked after.
 *
 *   backend ── set ──▶ taken        about to be removed ──▶ releasing ──▶ (removed) ──▶ released
 *           ── a lease again, after one that had ended or a cut ──▶ again
 *
 * Does NOT promise: that an address is there when `taken` is heard late; who acts on it later asks `interfaceOf`.
 */
import type { IpAddress } from "../../transport/wire/address.ts";

/** A release is not held up longer than that by `releasing`, ms. */
export const RELEASING_MS = 500;

/** An address of this node, and where it stands. */
export interface SetHere {
  readonly address: IpAddress;
  /** Name of the interface. */
  readonly iface: string;
}

/** Told of addresses by the backend. Nothing here may throw. */
export interface AddressEffects {
  /** The kernel has it now; also when it went to another interface, or was set again after it had been lost. */
  taken(address: IpAddress, iface: string): void;
  /** It is about to be removed. Never rejects; ends within RELEASING_MS, and is not waited for any longer. */
  releasing(address: IpAddress, iface: string): Promise<void>;
  /** It is gone. */
  released(address: IpAddress): void;
  /** The node was away, and still holds these: neighbours may think otherwise. */
  again(held: readonly SetHere[]): void;
  stop(): void;
}

/** Does nothing: for addresses that only stand on paper. */
export const NO_EFFECTS: AddressEffects = {
  taken: () => {},
  releasing: () => Promise.resolve(),
  released: () => {},
  again: () => {},
  stop: () => {},
};
