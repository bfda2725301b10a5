/**
 * Ends of TCP connections, and their texts.
 *
 *   10.1.1.7:45123    [2001:db8::7]:45123    2001:db8::7:45123 (as CTDB writes it)
 *
 * Does NOT promise: names of hosts or services; numbers only.
 */
import { familyOf, type IpAddress, keyOfAddress, parseAddress } from "../address.ts";

/** One end. */
export interface Endpoint {
  readonly address: IpAddress;
  /** 1 .. 65535. */
  readonly port: number;
}

/** A connection of a client to a public address; both ends are of one family. */
export interface Connection {
  readonly client: Endpoint;
  /** At the public address. */
  readonly server: Endpoint;
}

/** Longest text of an end, characters: brackets, address, port. */
const TEXT_MAX = 54;

/** Reads an end in any of the three forms. Throws SyntaxError, which says what is wrong. */
export function parseEndpoint(text: string): Endpoint {
  const shown = JSON.stringify(text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX - 3)}...` : text);
  const [, bracketed, plain, digits = ""] = /^(?:\[([^\]]*)\]|(.*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (text.length > TEXT_MAX || port < 1 || port > 65535) {
    throw new SyntaxError(`${shown} is no end of a connection: it must be ADDRESS:PORT`);
  }
  const address = parseAddress(bracketed ?? plain ?? "");
  return { address, port };
}

/** Reads both ends. Throws SyntaxError; also when they are of different families. */
export function parseConnection(client: string, server: string): Connection {
  const connection = { client: parseEndpoint(client), server: parseEndpoint(server) };
  if (familyOf(connection.client.address) === familyOf(connection.server.address)) {
    return connection;
  }
  throw new SyntaxError(`${client} and ${server} are of different families`);
}

/** The text for people: IPv6 in brackets. */
export function endpointText({ address, port }: Endpoint): string {
  return familyOf(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

/** One text for each connection. */
export function connectionKey({ client, server }: Connection): string {
  return `${client.address} ${client.port} ${server.address} ${server.port}`;
}

/** The address as packets have it: 4 or 16 bytes. */
export function addressBytes(address: IpAddress): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  keyOfAddress(address).forEach((word, index) => view.setUint32(4 * index, word));
  return familyOf(address) === 6 ? bytes : bytes.slice(12);
}
