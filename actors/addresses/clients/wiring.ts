/**
 * The clients of a node's addresses, put together for a node.
 *
 *   own data socket ── Cluster, as a program has it ── database ctdbx_connections.tdb
 *   network ── packets, TCP connections ──▶ ClientCare ──▶ effects of the backend
 *
 * The node reaches the database as a program does, over its own socket: nothing in the data thread knows of addresses.
 *
 * Does NOT promise: care of clients where no real address is set (`dry`): there is nothing that a client could reach.
 */
import { ClusterClient } from "../../client/cluster.ts";
import type { NodeParts } from "../../node_parts.ts";
import type { AddressEffects } from "../address_effects.ts";
import { NO_EFFECTS } from "../address_effects.ts";
import type { NetworkPorts } from "../network_ports.ts";
import { SetLinks } from "../set_links.ts";
import { ClientCare } from "./care.ts";
import { type ConnectionStore, DatabaseStore, STORE_MS } from "./store.ts";
import { Turns } from "./turns.ts";

const S_MS = 1000;

/** What a node has for the clients of its addresses. */
export interface AddressClients {
  readonly store: ConnectionStore;
  /** What was said of interfaces. */
  readonly links: SetLinks;
  /** Undefined: this node sets no real addresses. */
  readonly care: ClientCare | undefined;
  readonly effects: AddressEffects;
  stop(): void;
}

/** Those of a node; nothing is opened before it is used. */
export function clientsOf(
  node: NodeParts,
  { runFolder, network }: { readonly runFolder: string; readonly network?: NetworkPorts },
): AddressClients {
  const { world, config, tunables } = node;
  const { clock, host, log } = world;
  const store = new DatabaseStore(() =>
    ClusterClient.open({
      clock,
      way: "local",
      pid: host.pid,
      program: "ctdbx addresses",
      timeoutMs: STORE_MS,
      dial: (events) => host.dial(`${runFolder}/data.sock`, events),
      images: undefined,
    }), new Turns(clock));
  const links = new SetLinks(node.scripts);
  const { addresses } = config;
  const isReal = network !== undefined && addresses !== undefined && addresses.backend !== "dry";
  const care = !isReal ? undefined : new ClientCare({
    clock,
    log,
    store,
    packets: network.packets,
    tcp: network.tcp,
    mode: addresses.tickles ?? "established",
    intervalMs: () => S_MS * tunables.get("TickleUpdateInterval"),
    pnn: () => node.state.pnn,
    interfaceOf: (address) => node.addresses?.backend.interfaceOf(address),
    kernelLink: (name) => {
      const link = network.interfaces.links().find((one) => one.name === name);
      return link === undefined ? "missing" : link.hasLink ? "up" : "down";
    },
  });
  // Whoever was cut off from the bus may have been cut off from its neighbours.
  let wasCut = false;
  const endWatch = world.bus.watch((status) => {
    if (status === "connected" && wasCut) care?.reached();
    wasCut = status !== "connected";
  });
  return {
    store,
    links,
    care,
    effects: care ?? NO_EFFECTS,
    stop: () => {
      endWatch();
      care?.stop();
      store.close();
    },
  };
}
