/**
 * Verbs about the clients of public addresses, and about interfaces. All are of the asked node; the connections that
 * are known are the same at all nodes.
 *
 *   ip tickle ls | add | del    the database of connections      ip tickle send, ip arp    packets, from this machine
 *   iface ls | set              the interfaces of this node's addresses
 *
 * Does NOT promise: that a client which is tickled has such a connection; one that has not answers nothing.
 */
import type { IpAddress } from "../../transport/wire/address.ts";
import { parseAddress, whyNotPublic } from "../../transport/wire/address.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import {
  type Connection,
  endpointText,
  parseConnection,
} from "../../transport/wire/raw/endpoint.ts";
import { PNN_UNKNOWN } from "../../transport/wire/terms.ts";
import type { Addresses } from "../addresses/addresses.ts";
import type { Announcer } from "../addresses/clients/announcer.ts";
import {
  connectionOfKey,
  type ConnectionRecord,
  countOf,
  keysOf,
} from "../addresses/clients/record.ts";
import { tellConnections } from "../addresses/clients/told.ts";
import type { Args, Verb } from "../control.ts";
import type { NodeParts } from "../node_parts.ts";
import { text, whole, wrong } from "./args.ts";

/** Connections of one request, and of one answer. */
export const CONNECTIONS_A_CALL = 512;
/** The kernel's limit for the name of an interface is 15 bytes. */
const INTERFACE = /^[^\s/]{1,15}$/;

/** An address whose connections are known. */
export interface KnownAddress {
  readonly address: IpAddress;
  /** Who took it last; null: nobody has. */
  readonly owner: number | null;
  readonly connections: number;
}

/** A connection that is known. */
export interface KnownConnection {
  readonly client: string;
  readonly server: string;
  /** Did somebody tell it, beside what the kernel of the owner has? */
  readonly isTold: boolean;
}

/** How an interface is. */
export interface InterfaceRow {
  readonly name: string;
  /** By the kernel; null: this node sets no real addresses, and does not look. */
  readonly kernel: "up" | "down" | "missing" | null;
  /** As `iface set`, or a script, has it; null: nobody has said anything. */
  readonly set: "up" | "down" | null;
  /** May it have addresses now? */
  readonly isUsable: boolean;
  /** Those of the list that may be on it. */
  readonly listed: number;
  /** Those that are on it. */
  readonly addresses: readonly IpAddress[];
}

/** Looks of this file. */
export function clientLooks(node: NodeParts): [string, Verb][] {
  return [
    ["ip tickle ls", (args) => tickles(node, args)],
    ["iface ls", () => interfaceRows(addressesOf(node))],
  ];
}

/** Changes of this file; packets count as such. */
export function clientChanges(node: NodeParts): [string, Verb][] {
  return [
    ["ip tickle add", (args) => tell(node, args, true)],
    ["ip tickle del", (args) => tell(node, args, false)],
    ["ip tickle send", (args) => send(node, args)],
    ["ip arp", (args) => announce(node, args)],
    ["iface set", (args) => setLink(node, args)],
  ];
}

function addressesOf({ addresses }: NodeParts): Addresses {
  if (addresses !== undefined) return addresses;
  throw new CtdbxError("unsupported", "Cannot say: this node is of a version without addresses");
}

function announcerOf(node: NodeParts): Announcer {
  const { care } = addressesOf(node).clients;
  if (care !== undefined) return care.announcer;
  const why = "this node sets no real addresses (backend dry, or no section [addresses])";
  throw new CtdbxError("unsupported", `Cannot send packets: ${why}`);
}

/** Without an address: all that have a record. With one: its connections, those behind the first `from`. */
async function tickles(node: NodeParts, args: Args): Promise<unknown> {
  const { store } = addressesOf(node).clients;
  if (args["address"] === undefined) {
    const all = await store.all();
    return [...all].map(([address, record]): KnownAddress => ({
      address,
      owner: ownerOf(record),
      connections: countOf(record),
    }));
  }
  const address = addressOf(args);
  const from = args["from"] === undefined ? 0 : whole(args, "from", 0, 2 ** 31);
  const record = await store.read(address);
  const all = keysOf(record);
  const rows = all.slice(from, from + CONNECTIONS_A_CALL).map((key): KnownConnection => {
    const { client, server } = connectionOfKey(address, key);
    const isTold = record.told.has(key);
    return { client: endpointText(client), server: endpointText(server), isTold };
  });
  return { owner: ownerOf(record), total: all.length, connections: rows };
}

function ownerOf({ owner }: ConnectionRecord): number | null {
  return owner === PNN_UNKNOWN ? null : owner;
}

async function tell(node: NodeParts, args: Args, isAdded: boolean): Promise<unknown> {
  const connections = connectionsIn(args);
  for (const { address } of isAdded ? connections.flatMap((one) => [one.client, one.server]) : []) {
    const kind = whyNotPublic(address);
    if (kind !== undefined) throw wrong(`${address} is ${kind}, which no client connects to`);
  }
  const changed = await tellConnections(
    addressesOf(node).clients.store,
    connections,
    isAdded,
  );
  return { connections: connections.length, changed };
}

function send(node: NodeParts, args: Args): unknown {
  const announcer = announcerOf(node);
  const connections = connectionsIn(args);
  for (const [sent, connection] of connections.entries()) {
    try {
      announcer.tickleOnce(connection);
    } catch (error) {
      if (sent === 0 || !(error instanceof CtdbxError)) throw error;
      const some = `the first ${sent} of ${connections.length} were sent`;
      throw new CtdbxError(error.code, `${error.message}; ${some}`);
    }
  }
  return { connections: connections.length };
}

function announce(node: NodeParts, args: Args): unknown {
  const address = addressOf(args);
  const announcer = announcerOf(node);
  const { backend } = addressesOf(node);
  const iface = args["iface"] === undefined ? backend.interfaceOf(address) : interfaceOf(args);
  if (iface === undefined) {
    const text = `Cannot announce ${address}: it is not on this node; name an interface to do it`;
    throw new CtdbxError("not_found", `${text} all the same`);
  }
  return { address, iface, frames: announcer.announceOnce(address, iface) };
}

function interfaceRows({ backend, clients, list }: Addresses): InterfaceRow[] {
  const names = new Set(list.flatMap(({ interfaces }) => interfaces));
  return [...names].sort().map((name): InterfaceRow => {
    const set = clients.links.get(name);
    const kernel = clients.care?.kernelLink(name);
    return {
      name,
      kernel: kernel ?? null,
      set: set === undefined ? null : set ? "up" : "down",
      isUsable: set !== false && backend.hasLink(name),
      listed: list.filter(({ interfaces }) => interfaces.includes(name)).length,
      addresses: backend.addresses().filter((address) => backend.interfaceOf(address) === name),
    };
  });
}

function setLink(node: NodeParts, args: Args): unknown {
  const name = interfaceOf(args);
  const { up } = args;
  if (typeof up !== "boolean") throw wrong("up must be true or false");
  const { clients: { links }, list } = addressesOf(node);
  const isKnown = links.get(name) !== undefined ||
    list.some(({ interfaces }) => interfaces.includes(name));
  if (!isKnown) {
    const why = "no address of this node's list may be on it, and no script has told of it";
    throw new CtdbxError("not_found", `Cannot set ${name}: ${why}`);
  }
  links.set(name, up);
  return { name, set: up ? "up" : "down" };
}

function interfaceOf(args: Args): string {
  const name = text(args, "iface");
  if (INTERFACE.test(name)) return name;
  throw wrong("iface must be the name of an interface");
}

function addressOf(args: Args): IpAddress {
  try {
    return parseAddress(text(args, "address"));
  } catch (error) {
    throw error instanceof SyntaxError ? wrong(error.message) : error;
  }
}

/** Pairs of ends, client and server. Throws CtdbxError "state". */
function connectionsIn(args: Args): Connection[] {
  const given = args["connections"];
  if (!Array.isArray(given) || given.length < 1 || given.length > CONNECTIONS_A_CALL) {
    throw wrong(`connections must be 1 to ${CONNECTIONS_A_CALL} pairs`);
  }
  return given.map((pair: unknown) => {
    const [client, server, more] = Array.isArray(pair) ? pair as unknown[] : [];
    if (typeof client !== "string" || typeof server !== "string" || more !== undefined) {
      throw wrong("each of connections must be the two ends of one, as ADDRESS:PORT");
    }
    try {
      return parseConnection(client, server);
    } catch (error) {
      throw error instanceof SyntaxError ? wrong(error.message) : error;
    }
  });
}
