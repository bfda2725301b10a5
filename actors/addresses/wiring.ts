/**
 * What a node and its addresses have to do with each other.
 *
 *   cluster machine ── life, document, page ──▶ Addresses ── blame ──▶ leader        node.health ──▶ Addresses
 *   tunables IPAllocAlgorithm, NoIPFailback, NoIPTakeover, TakeoverTimeout
 *
 * Does NOT promise: addresses of a node's own without a section [addresses]; it holds none then, and says so.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { IpAddress } from "../../transport/wire/address.ts";
import { LEVEL } from "../../transport/wire/level.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import type { Happening } from "../machines/cluster/events.ts";
import { ALGORITHMS } from "../machines/addresses/plan/plan.ts";
import { leadViewOf } from "../machines/addresses/takeover/lead_view.ts";
import type { Policy } from "../machines/addresses/takeover/leading.ts";
import {
  type AddressTiming,
  defaultAddressTiming,
} from "../machines/addresses/takeover/tunables.ts";
import type { NodeParts } from "../node_parts.ts";
import { id128 } from "../storage/node_identity.ts";
import { Addresses } from "./addresses.ts";
import { backendOf } from "./backend_wiring.ts";
import { clientsOf } from "./clients/wiring.ts";
import { readHomeNodes } from "./home_nodes.ts";
import type { NetworkPorts } from "./network_ports.ts";
import { type PublicAddress, readPublicAddresses } from "./public_addresses.ts";
import { AddressTelling } from "./telling.ts";

/** The level that has addresses. */
const ADDRESS_LEVEL = 2;
/** A failed run is told to the leader for so long, ms. */
const BLAME_MS = 5000;
const S_MS = 1000;
/** Upstream: a run may take three times TakeoverTimeout. */
const TIMEOUTS = 3;

/**
 * The addresses of a node; they are not started yet. Undefined: it is to be of a version that has none. Throws
 * CtdbxError "config" on a list that cannot be read, with the line; "denied", "unsupported", "not_found" where its
 * addresses could not be set.
 */
export function addressesOf(
  node: NodeParts,
  options: { readonly runFolder: string; readonly network?: NetworkPorts },
): Addresses | undefined {
  const { world, config, identity, tunables } = node;
  if ((config.level ?? LEVEL) < ADDRESS_LEVEL) return undefined;
  const { clock, log } = world;
  const timing: AddressTiming = {
    ...defaultAddressTiming(),
    get budgetMs() {
      return TIMEOUTS * S_MS * tunables.get("TakeoverTimeout");
    },
  };
  const list = listOf(node);
  const clients = clientsOf(node, options);
  const { backend, noting } = backendOf(node, list, options, clients);
  const addresses = new Addresses({
    self: identity.nodeId,
    clock,
    log,
    timing,
    lead: () => leadViewOf(node.state),
    policy: () => policyOf(node),
    backend,
    clients,
    ...noting === undefined ? {} : { noting },
    send: (to, message) => node.post.send([to], message),
    blame: (pnn, credits, why) => {
      const command = { verb: "blame", pnn, credits, why } as const;
      void node.cluster.command(id128(world.dice), command, BLAME_MS);
    },
    // What scripts and people have said of an interface counts, too.
    hasLink: (name) => !clients.links.isDown(name) && backend.hasLink(name),
    onReallocated: () => {
      if (config.addresses !== undefined) void node.scripts?.ipReallocated();
    },
  });
  addresses.setList(list);
  addresses.homes = homesOf(node);
  return addresses;
}

type WithDisk = Pick<NodeParts["world"], "disk">;

/** How the cluster wants its addresses dealt. */
function policyOf({ tunables, addresses }: NodeParts): Policy {
  const homes = addresses?.homes;
  return {
    algorithm: ALGORITHMS[tunables.get("IPAllocAlgorithm")] ?? "lcp2",
    noFailback: tunables.get("NoIPFailback") === 1,
    noTakeover: tunables.get("NoIPTakeover") === 1,
    ...homes === undefined ? {} : { homes },
  };
}

/** The text of a file. Throws CtdbxError "config" where there is none. */
function textOf({ disk }: WithDisk, path: string): string {
  const bytes = disk.read(path);
  if (bytes !== undefined) return new TextDecoder().decode(bytes);
  throw new CtdbxError("config", `Cannot read ${path}: there is no such file`);
}

/** The list of a node, as its file has it. Throws CtdbxError "config", with the line. */
export function listOf(
  { world, config }: Pick<NodeParts, "config"> & { readonly world: WithDisk },
): readonly PublicAddress[] {
  const { addresses } = config;
  if (addresses === undefined) return [];
  return readPublicAddresses(textOf(world, addresses.file), addresses.file);
}

/** The homes of addresses, by the file. Throws CtdbxError "config", with the line. Undefined: none are said. */
export function homesOf(
  { world, config }: Pick<NodeParts, "config"> & { readonly world: WithDisk },
): ReadonlyMap<IpAddress, Pnn> | undefined {
  const path = config.addresses?.homeNodes;
  return path === undefined ? undefined : readHomeNodes(textOf(world, path), path);
}

/** Begins: links, health, tunables. Answers how to end it. */
export function startAddresses(node: NodeParts): () => void {
  const { addresses, health, tunables } = node;
  if (addresses === undefined) return () => {};
  addresses.health(health.verdict.healthy);
  const ends = [
    health.watch(({ healthy }) => addresses.health(healthy)),
    tunables.watch(() => addresses.replan()),
    tellMonitors(node, addresses),
  ];
  addresses.start();
  return () => {
    for (const end of ends) end();
    addresses.stop();
  };
}

/** Monitors hear of what happens. Answers how to end it. */
function tellMonitors({ world, monitoring }: NodeParts, addresses: Addresses): () => void {
  const telling = new AddressTelling({
    clock: world.clock,
    tell: (fields) => monitoring.events.tell("address", fields),
    onUntold: () => addresses.noteUntold(),
    standing: () => addresses.standing,
    why: (wanted) => addresses.rows()?.find(({ address }) => address === wanted)?.why,
  });
  return addresses.watch((happening, tookMs) => telling.happened(happening, tookMs));
}

/** Something happened in the cluster machine that addresses hang on. */
export function tellAddresses({ addresses }: NodeParts, happening: Happening): void {
  if (happening.what === "new life") addresses?.life(happening.incarnation);
}
