/**
 * The file `public_addresses` of CTDB: which addresses a node may host, and on which of its interfaces.
 *
 *   ADDRESS/BITS INTERFACE[,INTERFACE...]       10.1.1.1/24 eth2,eth3        2001:db8::5/64 eth2
 *
 * Does NOT promise: that the interfaces exist; whoever takes an address looks for one with a link.
 *
 * Differs from upstream: an address that comes twice, one that no interface can hold (multicast, loopback,
 * link-local) and words behind the interfaces are refused with their line; upstream takes the last, or passes over
 * them.
 */

import {
  familyOf,
  type IpAddress,
  keyOfAddress,
  whyNotPublic,
} from "../../transport/wire/address.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { PUBLIC_IPS_MAX } from "../../transport/wire/limits.ts";
import {
  addressAt,
  type AddressLine,
  lineFault,
  linesOf,
  SeenAddresses,
  shownWord,
} from "./address_lines.ts";

/** One line of the file. */
export interface PublicAddress {
  readonly address: IpAddress;
  /** Of its network: 1 .. 32 of IPv4, 1 .. 128 of IPv6. */
  readonly bits: number;
  /** At least one, each once, in the order of the file. */
  readonly interfaces: readonly string[];
  /** Where it stands; 1 is the first line, 0: in no file. */
  readonly line: number;
}

/** Longest name of an interface, bytes (IFNAMSIZ without its NUL). */
const INTERFACE_BYTES = 15;
/** Interfaces of one address. */
export const INTERFACES_MAX = 16;

/**
 * Reads such a file, in its order. `where` names it in errors. Throws CtdbxError "config" with the line of what is
 * wrong, "limit" when it has more than PUBLIC_IPS_MAX addresses.
 */
export function readPublicAddresses(text: string, where: string): PublicAddress[] {
  const seen = new SeenAddresses(where);
  const lines = linesOf(text);
  if (lines.length > PUBLIC_IPS_MAX) {
    const limit = `PUBLIC_IPS_MAX is ${PUBLIC_IPS_MAX}`;
    throw new CtdbxError(
      "limit",
      `Cannot read ${where}: it has ${lines.length} addresses, ${limit}`,
    );
  }
  return lines.map((line) => {
    const one = publicAddress(where, line);
    seen.add(one.address, line.number);
    return one;
  });
}

/** The text of a file that has these addresses. */
export function publicAddressesText(addresses: readonly PublicAddress[]): string {
  return addresses.map(({ address, bits, interfaces }) =>
    `${address}/${bits} ${interfaces.join(",")}\n`
  ).join("");
}

function publicAddress(where: string, { number: line, words }: AddressLine): PublicAddress {
  const [network = "", interfaces, ...more] = words;
  const slash = network.indexOf("/");
  if (slash < 0) {
    const what = `${shownWord(network)} has no mask: write ADDRESS/BITS, as 10.1.1.1/24`;
    throw lineFault(where, line, what);
  }
  const address = addressAt(where, line, network.slice(0, slash));
  const kind = whyNotPublic(address);
  if (kind !== undefined) {
    throw lineFault(where, line, `${address} is ${kind}, which no node can host`);
  }
  const bits = bitsOf(network.slice(slash + 1), address);
  if (bits === undefined) {
    const most = familyOf(address) === 4 ? 32 : 128;
    const word = shownWord(network.slice(slash + 1));
    throw lineFault(where, line, `the mask of ${address} must be 1 to ${most} bits, is ${word}`);
  }
  const edge = edgeOf(address, bits);
  if (edge !== undefined) {
    throw lineFault(where, line, `${address}/${bits} is ${edge}, which no node can host`);
  }
  if (interfaces === undefined) {
    throw lineFault(where, line, `${address} has no interface: write ADDRESS/BITS INTERFACE`);
  }
  if (more[0] !== undefined) {
    const what = `${shownWord(more[0])} stands behind the interfaces; commas go between them`;
    throw lineFault(where, line, what);
  }
  return { address, bits, interfaces: interfacesOf(where, line, interfaces), line };
}

/** Is it no host of its network? Networks of two addresses or one have hosts only; IPv6 has no such addresses. */
function edgeOf(address: IpAddress, bits: number): string | undefined {
  if (familyOf(address) === 6 || bits > 30) return undefined;
  const [, , , word] = keyOfAddress(address);
  const hosts = 0xffffffff >>> bits;
  const host = (word & hosts) >>> 0;
  if (host === 0) return "the address of a network";
  return host === hosts ? "the broadcast address of a network" : undefined;
}

function bitsOf(text: string, address: IpAddress): number | undefined {
  const bits = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : 0;
  return bits >= 1 && bits <= (familyOf(address) === 4 ? 32 : 128) ? bits : undefined;
}

function interfacesOf(where: string, line: number, text: string): string[] {
  const names = text.split(",");
  if (names.length > INTERFACES_MAX) {
    const what = `${names.length} interfaces for one address, ${INTERFACES_MAX} at most`;
    throw lineFault(where, line, what);
  }
  for (const [index, name] of names.entries()) {
    // What the kernel takes as a name: no slash, no colon, printable, neither `.` nor `..`.
    const isName = /^[\x21-\x7e]+$/.test(name) && !/[/:]/.test(name) && !/^\.{1,2}$/.test(name);
    if (!isName || name.length > INTERFACE_BYTES) {
      throw lineFault(where, line, `${shownWord(name)} cannot be the name of an interface`);
    }
    if (names.indexOf(name) !== index) {
      throw lineFault(where, line, `the interface ${name} comes twice`);
    }
  }
  return names;
}
