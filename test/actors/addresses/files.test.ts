/** CTDB's files public_addresses and home_nodes: what is taken, and where what is wrong stands. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readHomeNodes } from "../../../actors/addresses/home_nodes.ts";
import {
  INTERFACES_MAX,
  publicAddressesText,
  readPublicAddresses,
} from "../../../actors/addresses/public_addresses.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { PUBLIC_IPS_MAX } from "../../../transport/wire/limits.ts";

const test = suite("actors/addresses/files");

/** The error of reading `text`. */
function faultOf(read: (text: string, where: string) => unknown, text: string): CtdbxError {
  try {
    read(text, "/etc/ctdb/file");
  } catch (error) {
    if (error instanceof CtdbxError) return error;
    throw error;
  }
  throw new Error(`taken: ${text}`);
}

test("lines, comments, blanks and ends of lines of public_addresses", () => {
  const text = [
    "# web servers\r",
    "",
    "10.1.1.1/24 eth2,eth3",
    "  10.1.1.2/32\tbond0.7   # the old one",
    "\t",
    "2001:DB8::5/64 eth2#1\r",
    "::ffff:10.1.1.3/24 eth2",
  ].join("\n");
  const read = readPublicAddresses(text, "f");
  assert.equal(read, [
    { address: "10.1.1.1", bits: 24, interfaces: ["eth2", "eth3"], line: 3 },
    { address: "10.1.1.2", bits: 32, interfaces: ["bond0.7"], line: 4 },
    { address: "2001:db8::5", bits: 64, interfaces: ["eth2#1"], line: 6 },
    { address: "10.1.1.3", bits: 24, interfaces: ["eth2"], line: 7 },
  ]);
  assert.equal(
    readPublicAddresses(publicAddressesText(read), "f").map(({ address }) => address),
    read.map(({ address }) => address),
  );
  assert.equal(readPublicAddresses("", "f"), []);
});

test("what is wrong in public_addresses is told with file and line", () => {
  const faults: [string, string][] = [
    ["10.1.1.1 eth0", '"10.1.1.1" has no mask: write ADDRESS/BITS, as 10.1.1.1/24'],
    ["10.1.1/24 eth0", '"10.1.1" is no IP address'],
    ["10.1.1.1/0 eth0", 'the mask of 10.1.1.1 must be 1 to 32 bits, is "0"'],
    ["10.1.1.1/33 eth0", 'the mask of 10.1.1.1 must be 1 to 32 bits, is "33"'],
    ["10.1.1.1/024 eth0", 'the mask of 10.1.1.1 must be 1 to 32 bits, is "024"'],
    ["10.1.1.1/ eth0", 'the mask of 10.1.1.1 must be 1 to 32 bits, is ""'],
    ["10.1.1.1/24/24 eth0", 'the mask of 10.1.1.1 must be 1 to 32 bits, is "24/24"'],
    ["2001:db8::1/129 eth0", 'the mask of 2001:db8::1 must be 1 to 128 bits, is "129"'],
    ["10.1.1.1/24", "10.1.1.1 has no interface: write ADDRESS/BITS INTERFACE"],
    ["10.1.1.1/24 eth0 eth1", '"eth1" stands behind the interfaces; commas go between them'],
    ["10.1.1.1/24 eth0,,eth1", '"" cannot be the name of an interface'],
    ["10.1.1.1/24 eth0/1", '"eth0/1" cannot be the name of an interface'],
    ["10.1.1.1/24 ..", '".." cannot be the name of an interface'],
    ["10.1.1.1/24 abcdefghijklmnop", '"abcdefghijklmnop" cannot be the name of an interface'],
    ["10.1.1.1/24 eth\u00e9", '"eth\u00e9" cannot be the name of an interface'],
    ["10.1.1.1/24 eth0,eth1,eth0", "the interface eth0 comes twice"],
    ["127.0.0.1/8 lo", "127.0.0.1 is a loopback address, which no node can host"],
    ["ff02::1/64 lo", "ff02::1 is a multicast address, which no node can host"],
    ["10.1.2.0/24 lo", "10.1.2.0/24 is the address of a network, which no node can host"],
    ["10.1.3.3/30 lo", "10.1.3.3/30 is the broadcast address of a network, which no node can host"],
    ["10.1.1.9/16 eth1", "10.1.1.9 stands on line 2 already"],
    ["::ffff:10.1.1.9/16 eth1", "10.1.1.9 stands on line 2 already"],
  ];
  for (const [line, what] of faults) {
    const { code, message } = faultOf(
      readPublicAddresses,
      `# first\n10.1.1.9/24 eth0\n\n${line}\n`,
    );
    assert.is(code, "config");
    assert.is(message, `Cannot read /etc/ctdb/file: line 4: ${what}`);
  }
  const long = `10.1.1.1/24 ${"e".repeat(10_000)}`;
  assert.ok(faultOf(readPublicAddresses, long).message.length < 200, "a long word is cut");
});

test("more addresses, or interfaces for one, than ctdbx takes are refused by name", () => {
  const line = (at: number): string => `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}/8 eth0\n`;
  const lines = Array.from({ length: PUBLIC_IPS_MAX + 1 }, (_, at) => line(at));
  assert.is(readPublicAddresses(lines.slice(1).join(""), "f").length, PUBLIC_IPS_MAX);
  const { code, message } = faultOf(readPublicAddresses, lines.join(""));
  assert.is(code, "limit");
  assert.match(message, `PUBLIC_IPS_MAX is ${PUBLIC_IPS_MAX}`);
  const names = Array.from({ length: INTERFACES_MAX + 1 }, (_, at) => `eth${at}`);
  const most = readPublicAddresses(`10.0.0.1/8 ${names.slice(1).join()}`, "f");
  assert.is(most[0]?.interfaces.length, INTERFACES_MAX);
  assert.match(faultOf(readPublicAddresses, `10.0.0.1/8 ${names.join()}`).message, "interfaces");
});

test("home_nodes: addresses and numbers, and what is wrong with them", () => {
  const homes = readHomeNodes("# homes\n10.1.1.1 0\n2001:db8::0:1\t2 # far\n", "f");
  assert.equal([...homes], [["10.1.1.1", 0], ["2001:db8::1", 2]]);
  const faults: [string, string][] = [
    ["10.1.1", '"10.1.1" is no IP address'],
    ["10.1.1.2", "10.1.1.2 has no number of a node"],
    ["10.1.1.2 -1", 'the home of 10.1.1.2 must be a node from 0 to 4095, is "-1"'],
    ["10.1.1.2 4096", 'the home of 10.1.1.2 must be a node from 0 to 4095, is "4096"'],
    ["10.1.1.2 n0", 'the home of 10.1.1.2 must be a node from 0 to 4095, is "n0"'],
    ["10.1.1.2 0 1", '"1" stands behind the number of the node'],
    ["10.1.1.1 1", "10.1.1.1 stands on line 1 already"],
  ];
  for (const [line, what] of faults) {
    const { code, message } = faultOf(readHomeNodes, `10.1.1.1 0\n${line}\n`);
    assert.equal([code, message], ["config", `Cannot read /etc/ctdb/file: line 2: ${what}`]);
  }
});

test.run();
