/**
 * Resources before the takeover machine: their names stand where it has addresses, and its messages travel as theirs.
 *
 *   machine: address_order { hold: ["worker-7"] } ◀─▶ wire: resource_order { hold: ["worker-7"] }
 *
 * The machine only compares what it moves; nothing but the planner looks into it, and that is another one here. So a
 * name goes through as it is. This is the only place where one is taken for the other.
 *
 * Does NOT promise: a message that was checked; the codec does that.
 */
import type { IpAddress } from "../../transport/wire/address.ts";
import type { AddressMessage } from "../../transport/wire/messages/address.ts";
import type { ResourceMessage } from "../../transport/wire/messages/resource.ts";
import type { ResourceName } from "../../transport/wire/resource.ts";

/** A name, as the machine has it. */
export function asAddress(name: ResourceName): IpAddress {
  return name as string as IpAddress;
}

/** What the machine moves, as it is. */
export function asName(address: IpAddress): ResourceName {
  return address as string as ResourceName;
}

/** A message of the machine, for the wire. */
export function toWire(message: AddressMessage): ResourceMessage {
  const kind = message.kind.replace("address_", "resource_");
  return { ...message, kind } as unknown as ResourceMessage;
}

/** A message from the wire, for the machine. */
export function fromWire(message: ResourceMessage): AddressMessage {
  const kind = message.kind.replace("resource_", "address_");
  return { ...message, kind } as unknown as AddressMessage;
}
