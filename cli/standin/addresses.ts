/**
 * Answers about public addresses, in the form of CTDB's tool.
 *
 *   ip [all] [-v] | gettickles IP [PORT] | addtickle | deltickle | gratarp IP IFACE | tickle
 *
 * Who hosts an address the leader says; connections are those of the cluster's database. Where no real addresses are
 * set, packets cannot be sent, and the answer says so.
 *
 * Does NOT promise: the same moment for all addresses.
 */

import { CONNECTIONS_A_CALL, type KnownConnection } from "../../actors/verbs/clients.ts";
import { type Connection, parseConnection } from "../../transport/wire/raw/endpoint.ts";
import {
  machineLines,
  said,
  type StandinCall,
  type StandinEnd,
  type StandinPorts,
  unsaid,
} from "./form.ts";

/** An address, as the leader knows it; `pnn`: who hosts it. */
interface Hosted {
  readonly address: string;
  readonly pnn?: number;
}

/** An address of this node's own list. */
interface Listed {
  readonly address: string;
  readonly interfaces: readonly string[];
  readonly isHeld: boolean;
}

/** The public addresses that this node may host; with "all" those of all nodes. */
export async function ips(
  { machine, isVerbose, words }: StandinCall,
  ports: StandinPorts,
): Promise<StandinEnd> {
  const isAll = words[1] === "all";
  const own = await ports.ask("ip list") as readonly Listed[];
  const listed = new Map(own.map((each) => [each.address, each]));
  // A node without a list of its own need not know who leads.
  const known = own.length === 0 && !isAll ? [] : await ports.ask("ip ls") as readonly Hosted[];
  const down = isVerbose ? await downLinks(ports) : new Set<string>();
  const rows = known.filter(({ address }) => isAll || listed.has(address))
    .map(({ address, pnn = -1 }) => {
      const { interfaces = [], isHeld = false } = listed.get(address) ?? {};
      const able = interfaces.filter((name) => !down.has(name));
      return { address, pnn, active: isHeld ? able.slice(0, 1) : [], able, interfaces };
    });
  if (machine !== undefined) {
    const more = ["ActiveInterfaces", "AvailableInterfaces", "ConfiguredInterfaces"];
    return said(machineLines(machine, [
      ["Public IP", "Node", ...isVerbose ? more : []],
      ...rows.map(({ address, pnn, active, able, interfaces }) => [
        address,
        pnn,
        ...isVerbose ? [active, able, interfaces].map((names) => names.join(",")) : [],
      ]),
    ]));
  }
  const lines = rows.map(({ address, pnn, active, able, interfaces }) =>
    isVerbose
      ? `${address} node[${pnn}] active[${active}] available[${able}] configured[${interfaces}]\n`
      : `${address} ${pnn}\n`
  );
  return said(
    `${isAll ? "Public IPs on ALL nodes" : "Public IPs on this node"}\n${lines.join("")}`,
  );
}

async function downLinks(ports: StandinPorts): Promise<Set<string>> {
  const links = await ports.ask("event links") as readonly {
    readonly iface: string;
    readonly isUp: boolean;
  }[];
  return new Set(links.filter(({ isUp }) => !isUp).map(({ iface }) => iface));
}

/** Connections of an address that are known; with a port those to it. */
export async function tickles(
  { machine, words: [, address, port] }: StandinCall,
  ports: StandinPorts,
): Promise<StandinEnd> {
  if (address === undefined) return unsaid("usage: gettickles IP [PORT]");
  const known = (await connectionsOf(address, ports)).filter(({ server }) =>
    port === undefined || server.port === Number(port)
  );
  if (machine !== undefined) {
    // The word is spelt so by CTDB's tool.
    const head = ["Source IP", "Port", "Destiation IP", "Port"];
    const rows = known.map(({ client, server }) => [
      client.address,
      client.port,
      server.address,
      server.port,
    ]);
    return said(machineLines(machine, [head, ...rows]));
  }
  const lines = known.map(({ client, server }) =>
    `SRC: ${client.address}:${client.port}   DST: ${server.address}:${server.port}\n`
  );
  return said(
    `Connections for IP: ${address}\nNum connections: ${known.length}\n${lines.join("")}`,
  );
}

async function connectionsOf(address: string, ports: StandinPorts): Promise<Connection[]> {
  const found: Connection[] = [];
  for (;;) {
    const { total, connections } = await ports.ask("ip tickle ls", {
      address,
      from: found.length,
    }) as { readonly total: number; readonly connections: readonly KnownConnection[] };
    found.push(...connections.map(({ client, server }) => parseConnection(client, server)));
    if (connections.length === 0 || found.length >= total) return found;
  }
}

/** What is done with connections, by the word of CTDB's tool. */
const TICKLE_VERBS: Readonly<Record<string, string>> = {
  addtickle: "ip tickle add",
  deltickle: "ip tickle del",
  tickle: "ip tickle send",
};

/** A connection in words, or those on standard input, one a line: the client's end first. */
export async function noteTickles(
  { words: [verb = "", ...given] }: StandinCall,
  ports: StandinPorts,
): Promise<StandinEnd> {
  if (given.length !== 0 && given.length !== 2) {
    return unsaid(`usage: ${verb} [SRC-IP:PORT DST-IP:PORT]`);
  }
  const lines = given.length === 0 ? (await ports.input()).split("\n") : [given.join(" ")];
  const pairs = lines.map((line) => line.split(/\s+/).filter((word) => word !== ""))
    .filter((words) => words.length > 0);
  for (let at = 0; at < pairs.length; at += CONNECTIONS_A_CALL) {
    const connections = pairs.slice(at, at + CONNECTIONS_A_CALL);
    await ports.ask(TICKLE_VERBS[verb] as string, { connections });
  }
  return { code: 0 };
}

/** Tells the neighbours that an address is here. */
export async function announce(
  { words: [verb = "", address, iface] }: StandinCall,
  ports: StandinPorts,
): Promise<StandinEnd> {
  if (address === undefined || iface === undefined) return unsaid(`usage: ${verb} IP IFACE`);
  await ports.ask("ip arp", { address, iface });
  return { code: 0 };
}
