/**
 * Addresses of interfaces: the simulated kernel by the suite that the real one passes in test/live/addresses_netns, and
 * the messages of rtnetlink, byte by byte.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  addressesRequest,
  answersOf,
  linksRequest,
  type NetlinkAnswer,
  putRequest,
  removeRequest,
  rightsRequest,
} from "../../transport/rtnetlink.ts";
import { SimInterfaces } from "../../transport/sim/interfaces.ts";
import { parseAddress } from "../../transport/wire/address.ts";
import { checkInterfaces } from "../contracts/interfaces.ts";

const test = suite("interfaces");

const A = parseAddress("10.1.2.3");
const SIX = parseAddress("2001:db8::5");

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytesOf(...parts: string[]): Uint8Array {
  const text = parts.join("").replaceAll(" ", "");
  return new Uint8Array(text.match(/../g)?.map((pair) => parseInt(pair, 16)) ?? []);
}

function answers(bytes: Uint8Array, seq = 7): NetlinkAnswer[] {
  return [...answersOf(bytes, seq)];
}

test("the simulated kernel does what the real one does", async () => {
  const clock = { now: 0, nowMs: () => clock.now };
  const interfaces = new SimInterfaces(clock as never);
  interfaces.setLink("eth0", true);
  interfaces.setLink("eth1", true);
  interfaces.keepSecondaries =
    ((keep) => (name: string) => name !== "none-such" && keep.call(interfaces, name))(
      interfaces.keepSecondaries,
    );
  await checkInterfaces({
    interfaces,
    names: ["eth0", "eth1"],
    setLink: (hasLink) => interfaces.setLink("eth0", hasLink),
    pass: (forMs) => {
      clock.now += forMs;
      return Promise.resolve();
    },
  });
});

test("an address is set with its life, IPv4 with its broadcast address, IPv6 without a search for doubles", () => {
  const put = putRequest(7, { address: A, bits: 20, index: 3 }, 2);
  assert.is(
    hex(put),
    hex(
      bytesOf(
        "44000000 1400 0505 07000000 00000000", // 68 bytes, RTM_NEWADDR, REQUEST ACK REPLACE CREATE
        "02 14 00 00 03000000",
        "0800 0200 0a010203",
        "0800 0100 0a010203",
        "0800 0400 0a010fff",
        "1400 0600 02000000 02000000 00000000 00000000",
      ),
    ),
  );
  const six = hex(putRequest(7, { address: SIX, bits: 64, index: 3 }, 2));
  assert.ok(six.includes("0a400200 03000000".replace(" ", "")));
  assert.not.ok(six.includes("08000400"));
  // A network of one address has no broadcast address.
  assert.not.ok(hex(putRequest(7, { address: A, bits: 32, index: 3 }, 2)).includes("08000400"));
});

test("removal, questions and the question for rights", () => {
  const remove = hex(removeRequest(9, { address: A, bits: 24, index: 3 }));
  assert.is(
    remove,
    hex(bytesOf(
      "28000000 1500 0500 09000000 00000000",
      "02 18 00 00 03000000",
      "0800 0200 0a010203",
      "0800 0100 0a010203",
    )),
  );
  assert.is(
    hex(addressesRequest(1)),
    hex(bytesOf("18000000 1600 0103 01000000 00000000", "00".repeat(8))),
  );
  assert.is(
    hex(linksRequest(1)),
    hex(bytesOf("28000000 1200 0103 01000000 00000000", "00".repeat(16), "0800 1d00 08000000")),
  );
  assert.is(
    hex(rightsRequest(1)),
    hex(bytesOf("18000000 1500 0500 01000000 00000000", "02 00 00 00 ffffff7f")),
  );
});

test("answers are read: links with and without a carrier, addresses with and without a life, errors", () => {
  const link = (flags: string): string =>
    `2c000000 1000 0200 07000000 00000000 0000 0100 02000000 ${flags} 00000000 0900 0300 65746830 00 000000`;
  const named = (flags: string) => answers(bytesOf(link(flags)));
  assert.equal(named("43100100"), [{
    kind: "link",
    link: { name: "eth0", index: 2, hasLink: true },
  }]);
  for (const flags of ["03100000", "42100100", "43100300"]) {
    assert.equal(named(flags), [{
      kind: "link",
      link: { name: "eth0", index: 2, hasLink: false },
    }]);
  }
  const address = (life: string): Uint8Array =>
    bytesOf(
      "3c000000 1400 0200 07000000 00000000 02 18 80 00 02000000",
      "0800 0100 0a010204 0800 0200 0a010203",
      `1400 0600 ffffffff ${life} 00000000 00000000`,
    );
  const set = { address: A, bits: 24, index: 2 };
  assert.equal(answers(address("05000000")), [{ kind: "address", set: { ...set, lifeS: 5 } }]);
  assert.equal(answers(address("ffffffff")), [{ kind: "address", set }]);
  assert.equal(answers(bytesOf("14000000 0200 0000 07000000 00000000 ffffffff")), [
    { kind: "end", errno: 1 },
  ]);
  assert.equal(answers(bytesOf("14000000 0300 1200 07000000 00000000 00000000")), [
    { kind: "interrupted" },
    { kind: "end", errno: 0 },
  ]);
});

test("what is for others, is cut off or is no address of a node is passed over", () => {
  const end = "14000000 0300 0000 07000000 00000000 00000000";
  assert.equal(answers(bytesOf("14000000 0300 0000 08000000 00000000 00000000", end)).length, 1);
  const loopback =
    "2c000000 1400 0200 07000000 00000000 0a 80 80 fe 01000000 1400 0100 00000000000000000000000000000001";
  assert.equal(answers(bytesOf(loopback, end)), [{ kind: "end", errno: 0 }]);
  const whole = bytesOf(loopback, end);
  for (let length = 0; length < whole.length; length++) {
    assert.equal(answers(whole.slice(0, length)), [], `${length}`);
  }
  // An attribute that is longer than its message.
  const long = "1c000000 1400 0200 07000000 00000000 02 18 80 00 02000000 ff00 0200";
  assert.equal(answers(bytesOf(long)), []);
});

test.run();
