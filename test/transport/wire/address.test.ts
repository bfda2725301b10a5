/** IP addresses: what is one, its one text, its key and its place in the list. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  addressOfKey,
  byKeyDescending,
  descending,
  familyOf,
  type IpKey,
  keyOfAddress,
  parseAddress,
  whyNotPublic,
} from "../../../transport/wire/address.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";

const test = suite("transport/wire/address");

test("each spelling of an address has the one text of RFC 5952", () => {
  const spellings = [
    ["192.168.0.1", "192.168.0.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:0db8::0001", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:0:0:2:0:0:0:0", "1:0:0:2::"],
    ["2001:db8::", "2001:db8::"],
    ["0:0:1::", "0:0:1::"],
    ["::1:0:0:0:0", "0:0:0:1::"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["1:2:3:4:5:6:192.0.2.33", "1:2:3:4:5:6:c000:221"],
    ["::ffff:192.0.2.33", "192.0.2.33"],
    ["::FFFF:c000:221", "192.0.2.33"],
  ] as const;
  for (const [spelling, text] of spellings) {
    assert.is(parseAddress(spelling), text, spelling);
    assert.is(parseAddress(text), text);
  }
});

test("what is no address is refused, with the reason where there is one", () => {
  const texts = [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.",
    "1.2.3.4 ",
    "0x1.2.3.4",
    "1.2.3.-4",
    "localhost",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "12345::",
    "g::",
    "1:2",
    ":1::2",
    "1::2:",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "::1.2.3.256",
    "1:2:3:4:5:6:7:1.2.3.4",
    "2001:db8::1".padEnd(60, "0"),
  ];
  for (const text of texts) {
    assert.throws(() => parseAddress(text), (error: unknown) => error instanceof SyntaxError, text);
  }
  assert.throws(() => parseAddress("10.0.0.256"), /numbers from 0 to 255, without leading zeros/);
  assert.throws(() => parseAddress("010.0.0.1"), /without leading zeros/);
  assert.throws(() => parseAddress("fe80::1%eth0"), /a zone cannot stand with it/);
  assert.throws(() => parseAddress("10.0.0.1/24"), /a mask cannot stand with it/);
});

test("addresses whose key would be that of an IPv4 address are refused", () => {
  for (const text of ["::", "::1", "::192.168.0.1", "0:0:0:0:0:0:1:1"]) {
    assert.throws(() => parseAddress(text), /its first 96 bits are 0/, text);
  }
});

test("a key has IPv4 in its last word, IPv6 in network order, and gives its address again", () => {
  assert.equal(keyOfAddress(parseAddress("192.168.21.254")), [0, 0, 0, 0xc0a815fe]);
  assert.equal(keyOfAddress(parseAddress("2001:db8:1:2:3:4:5:6")), [
    0x20010db8,
    0x00010002,
    0x00030004,
    0x00050006,
  ]);
  assert.is(familyOf(parseAddress("192.168.21.254")), 4);
  assert.is(familyOf(parseAddress("2001:db8::1")), 6);
  const dice = new SeededDice(7);
  for (let turn = 0; turn < 2000; turn++) {
    // Words of zeros are likely, since they are what texts abbreviate.
    const word = (): number =>
      dice.chance(1, 2) ? 0 : dice.u32() & [0xffff, 0xffff0000, 0xffffffff][dice.below(3)]!;
    const key: IpKey = [(word() | 1) >>> 0, word() >>> 0, word() >>> 0, word() >>> 0];
    const address = addressOfKey(key);
    assert.equal(keyOfAddress(address), key, address);
    assert.is(parseAddress(address), address);
  }
});

test("the list descends by all of the key, as unsigned words: IPv6 first, as a rule", () => {
  const texts = [
    "10.0.0.1",
    "200.0.0.1",
    "10.0.1.0",
    "fd00::2",
    "fd00:1::1",
    "2001:db8::",
    "0:1::",
  ];
  assert.equal(descending(texts.map(parseAddress)), [
    "fd00:1::1",
    "fd00::2",
    "2001:db8::",
    "0:1::",
    "200.0.0.1",
    "10.0.1.0",
    "10.0.0.1",
  ]);
  assert.is(byKeyDescending([1, 2, 3, 4], [1, 2, 3, 4]), 0);
});

test("what no interface can hold for others is told from what one can", () => {
  const kinds = {
    "127.0.0.1": "a loopback address",
    "224.0.0.1": "a multicast address",
    "239.255.255.255": "a multicast address",
    "0.1.2.3": "an address of no network",
    "240.0.0.1": "an address of the reserved range from 240.0.0.0",
    "255.255.255.255": "an address of the reserved range from 240.0.0.0",
    "ff02::1": "a multicast address",
    "fe80::1": "a link-local address",
    "febf::1": "a link-local address",
  };
  for (const [text, kind] of Object.entries(kinds)) {
    assert.is(whyNotPublic(parseAddress(text)), kind, text);
  }
  for (const text of ["10.0.0.1", "223.255.255.1", "2001:db8::1", "fec0::1", "fd00::1"]) {
    assert.is(whyNotPublic(parseAddress(text)), undefined, text);
  }
});

test.run();
