/**
 * Chooses what sets a node's addresses, and refuses what could not set any.
 *
 * Does NOT promise: that an interface which is there now has a link; the backend looks at that all the time.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { NodeParts } from "../node_parts.ts";
import type { AddressBackend } from "./backend.ts";
import type { AddressClients } from "./clients/wiring.ts";
import { DryBackend } from "./dry.ts";
import { Former } from "./former.ts";
import { KernelBackend } from "./kernel.ts";
import type { NetworkPorts } from "./network_ports.ts";
import { Noting } from "./noting.ts";
import type { PublicAddress } from "./public_addresses.ts";
import { requireSettable } from "./settable.ts";

/** A backend, and where is written down what it may set. */
export interface ChosenBackend {
  readonly backend: AddressBackend;
  readonly noting?: Noting;
}

/** The backend of a node. Throws CtdbxError "unsupported", "denied", "not_found". */
export function backendOf(
  node: NodeParts,
  list: readonly PublicAddress[],
  { runFolder, network }: { readonly runFolder: string; readonly network?: NetworkPorts },
  { effects, links }: AddressClients,
): ChosenBackend {
  const { world: { clock, log, disk }, config, scripts } = node;
  if (config.addresses?.backend !== "iproute2") return { backend: new DryBackend({ clock, log }) };
  if (network === undefined) {
    throw new CtdbxError("unsupported", "Cannot set addresses: this node has no network");
  }
  const { interfaces, packets } = network;
  requireSettable(interfaces, list);
  packets.requireRights();
  const former = new Former(disk, runFolder);
  const listed = list.map(({ address }) => address);
  const backend = new KernelBackend({
    interfaces,
    clock,
    log,
    effects,
    ...scripts === undefined ? {} : { scripts },
    isDown: (name) => links.isDown(name),
    former: [...former.read(), ...listed],
  });
  return { backend, noting: new Noting({ former, clock, log }) };
}
