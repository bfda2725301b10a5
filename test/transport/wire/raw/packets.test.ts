/** Raw packets against bytes that a Linux kernel and CTDB's ctdb_killtcp have sent, and the texts of their ends. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseAddress } from "../../../../transport/wire/address.ts";
import { internetChecksum } from "../../../../transport/wire/raw/checksum.ts";
import {
  addressBytes,
  connectionKey,
  endpointText,
  parseConnection,
  parseEndpoint,
} from "../../../../transport/wire/raw/endpoint.ts";
import { pseudoHeader4, pseudoHeader6 } from "../../../../transport/wire/raw/ip.ts";
import {
  advertisement,
  announcements,
  gratuitousArp,
} from "../../../../transport/wire/raw/neighbour.ts";
import { segment, tickle } from "../../../../transport/wire/raw/segment.ts";

const test = suite("transport/wire/raw");

const MAC = new Uint8Array([2, 0, 0, 0, 0, 0x0a]);
const SERVER4 = parseEndpoint("10.9.0.1:445");
const CLIENT4 = parseEndpoint("10.9.0.2:45123");
const SERVER6 = parseEndpoint("[2001:db8::5]:445");
const CLIENT6 = parseEndpoint("[2001:db8::7]:45123");

const hexOf = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

test("the checksum is that of RFC 1071, also over parts, an odd end and many carries", () => {
  // The example of RFC 1071, 3: the sum is ddf2.
  const example = new Uint8Array([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
  assert.is(internetChecksum(example), ~0xddf2 & 0xffff);
  assert.is(
    internetChecksum(example.slice(0, 4), example.slice(4)),
    internetChecksum(example),
  );
  assert.is(internetChecksum(new Uint8Array([0x12])), ~0x1200 & 0xffff);
  assert.is(internetChecksum(new Uint8Array(200_000).fill(0xff)), 0);
});

test("gratuitous ARP has the bytes of Linux with arp_notify, padded to the shortest frame", () => {
  const kernel =
    "ffffffffffff02000000000a0806000108000604000102000000000a0a0900010000000000000a090001";
  const request = gratuitousArp("request", SERVER4.address, MAC);
  assert.is(hexOf(request), kernel.padEnd(120, "0"));
  const reply = hexOf(gratuitousArp("reply", SERVER4.address, MAC));
  // Another operation, and the own MAC as the target's: as CTDB sends it.
  const other = kernel.replace("06040001", "06040002").replace(
    "0a090001000000000000",
    "0a09000102000000000a",
  );
  assert.is(reply, other.padEnd(120, "0"));
});

test("a neighbour advertisement has the bytes of Linux with ndisc_notify, override set", () => {
  assert.is(
    hexOf(advertisement(SERVER6.address, MAC)),
    "33330000000102000000000a86dd6000000000203aff20010db8000000000000000000000005" +
      "ff0200000000000000000000000000018800f9192000000020010db8000000000000000000000005" +
      "020102000000000a",
  );
});

test("IPv4 is announced by both forms of ARP, IPv6 by one advertisement", () => {
  assert.equal(announcements(SERVER4.address, MAC).map(hexOf), [
    hexOf(gratuitousArp("request", SERVER4.address, MAC)),
    hexOf(gratuitousArp("reply", SERVER4.address, MAC)),
  ]);
  assert.equal(announcements(SERVER6.address, MAC), [advertisement(SERVER6.address, MAC)]);
  assert.throws(() => announcements(SERVER4.address, MAC.slice(1)), /a MAC address has 6 bytes/);
});

test("a tickle of IPv4 has the bytes of ctdb_killtcp, but for what the kernel fills in", () => {
  const sent = "45000028916a0000ff0616510a0900010a09000201bdb0430000000000000000501004d2e4ed0000";
  const own = tickle(SERVER4, CLIENT4);
  const without = (hex: string): string => `${hex.slice(0, 8)}${hex.slice(12, 20)}${hex.slice(24)}`;
  assert.is(without(hexOf(own)), without(sent));
  assert.is(internetChecksum(own.slice(0, 20)), 0);
});

test("a tickle of IPv6 has the bytes of ctdb_killtcp", () => {
  assert.is(
    hexOf(tickle(SERVER6, CLIENT6)),
    "600000000014064020010db800000000000000000000000520010db8000000000000000000000007" +
      "01bdb0430000000000000000501004d29d840000",
  );
});

test("a reset has its flags, its numbers in full width, and a right checksum", () => {
  const wish = { seq: 0xfedcba98, ack: 0x80000001, isReset: true };
  const v4 = segment({ from: SERVER4, to: CLIENT4, ...wish });
  const v6 = segment({ from: SERVER6, to: CLIENT6, ...wish });
  for (const tcp of [v4.slice(20), v6.slice(40)]) {
    assert.is(hexOf(tcp.slice(0, 16)), "01bdb043fedcba98800000015014" + "04d2");
  }
  const pseudo4 = pseudoHeader4(SERVER4.address, CLIENT4.address, 6, 20);
  const pseudo6 = pseudoHeader6(SERVER6.address, CLIENT6.address, 6, 20);
  assert.is(internetChecksum(pseudo4, v4.slice(20)), 0);
  assert.is(internetChecksum(pseudo6, v6.slice(40)), 0);
  assert.throws(() => segment({ from: SERVER4, to: CLIENT6 }), /different families/);
});

test("ends of connections are read in brackets and in CTDB's form, and written in brackets", () => {
  assert.equal(parseEndpoint("10.1.1.7:45123"), { address: "10.1.1.7", port: 45123 });
  for (const text of ["[2001:db8::7]:445", "2001:db8::7:445", "2001:DB8:0:0:0:0:0:7:445"]) {
    assert.equal(parseEndpoint(text), { address: "2001:db8::7", port: 445 });
    assert.is(endpointText(parseEndpoint(text)), "[2001:db8::7]:445");
  }
  assert.is(endpointText(parseEndpoint("::ffff:10.1.1.7:80")), "10.1.1.7:80");
  assert.equal(hexOf(addressBytes(parseAddress("10.9.0.1"))), "0a090001");
});

test("what is no end of a connection is refused with what is wrong", () => {
  for (
    const text of ["", "10.1.1.7", "10.1.1.7:", "10.1.1.7:0", "10.1.1.7:65536", "10.1.1.7:http"]
  ) {
    assert.throws(() => parseEndpoint(text), /must be ADDRESS:PORT/, text);
  }
  assert.throws(() => parseEndpoint(`${"1".repeat(80)}:1`), /must be ADDRESS:PORT/);
  assert.throws(() => parseEndpoint("10.1.1:80"), /no IP address/);
  assert.throws(() => parseEndpoint("[10.1.1.7:80"), /no IP address/);
  assert.throws(() => parseConnection("10.1.1.7:1", "[2001:db8::7]:2"), /different families/);
});

test("connections have different keys when any of their four parts differs", () => {
  const texts = ["10.0.0.1:1", "10.0.0.1:11", "10.0.0.11:1"];
  const keys = texts.flatMap((client) =>
    texts.map((server) => connectionKey(parseConnection(client, server)))
  );
  assert.is(new Set(keys).size, keys.length);
});

test.run();
