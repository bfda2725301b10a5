/** Clients of public addresses: neighbours told, connections kept, tickled and ended, by a store in memory. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  connectionOfKey,
  CONNECTIONS_MAX,
  connectionsOf,
  decodeRecord,
  encodeRecord,
  keyOf,
} from "../../../actors/addresses/clients/record.ts";
import { BATCH, Repeats } from "../../../actors/addresses/clients/repeats.ts";
import { tellConnections } from "../../../actors/addresses/clients/told.ts";
import { type IpAddress, parseAddress } from "../../../transport/wire/address.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import {
  type Connection,
  connectionKey,
  parseConnection,
} from "../../../transport/wire/raw/endpoint.ts";
import { announcements } from "../../../transport/wire/raw/neighbour.ts";
import { tickle } from "../../../transport/wire/raw/segment.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { Stage, UNREACHED } from "./clients_rig.ts";

const test = suite("clients of addresses");

const A = parseAddress("10.0.0.1");
const B = parseAddress("10.0.0.2");
const SIX = parseAddress("2001:db8::1");
const ANN = parseConnection("10.9.0.1:4001", "10.0.0.1:445");
const BOB = parseConnection("10.9.0.2:4002", "10.0.0.1:445");
const CAT = parseConnection("[2001:db8:9::3]:4003", "[2001:db8::1]:445");

function many(address: IpAddress, count: number): Connection[] {
  return Array.from({ length: count }, (_, n) => ({
    client: {
      address: parseAddress(`10.${8 + (n >>> 16)}.${(n >>> 8) & 255}.${n & 255}`),
      port: 1,
    },
    server: { address, port: 445 },
  }));
}

test("a record comes back as it was, in both families, and equal sets are equal bytes", () => {
  for (const [address, one, other] of [[A, ANN, BOB], [SIX, CAT, CAT]] as const) {
    const record = { owner: 3 as Pnn, told: new Set([keyOf(one)]), seen: new Set([keyOf(other)]) };
    const bytes = encodeRecord(address, record);
    assert.equal(decodeRecord(address, bytes), record);
    assert.equal(connectionOfKey(address, keyOf(one)), one);
    const both = [keyOf(one), keyOf(other)];
    assert.equal(
      encodeRecord(address, { ...record, seen: new Set(both) }),
      encodeRecord(address, { ...record, seen: new Set([...both].reverse()) }),
    );
  }
  const twice = { owner: 0 as Pnn, told: new Set([keyOf(ANN)]), seen: new Set([keyOf(ANN)]) };
  assert.equal(connectionsOf(A, twice), [ANN]);
});

test("what is no record is refused, and one of a newer release is told apart", () => {
  const good = encodeRecord(A, { owner: 0 as Pnn, told: new Set(), seen: new Set([keyOf(ANN)]) });
  const codeOf = (bytes: Uint8Array, address = A): string => {
    try {
      decodeRecord(address, bytes);
    } catch (error) {
      if (error instanceof CtdbxError) return error.code;
      throw error;
    }
    return "ok";
  };
  assert.is(codeOf(good), "ok");
  assert.is(codeOf(good, SIX), "corrupt");
  for (let length = 0; length < good.length; length++) {
    assert.is(codeOf(good.slice(0, length)), "corrupt", `${length} bytes`);
  }
  assert.is(codeOf(new Uint8Array([...good, 0])), "corrupt");
  const huge = good.slice();
  huge[12] = 0xff;
  assert.is(codeOf(huge), "corrupt");
  const newer = good.slice();
  newer[0] = 2;
  assert.is(codeOf(newer), "version");
});

test("what is repeated goes three times, a second apart, some at a time", async () => {
  const stage = new Stage();
  const sent: number[] = [];
  const repeats = new Repeats({ clock: stage.clock, onFailure: () => {} });
  repeats.start("many", { count: BATCH + 10, send: (index) => void sent.push(index) });
  assert.is(sent.length, BATCH);
  await stage.run(100);
  assert.is(sent.length, BATCH + 10);
  await stage.run(800);
  assert.is(sent.length, BATCH + 10, "before a second is over");
  await stage.run(5000);
  assert.is(sent.length, 3 * (BATCH + 10));
  assert.equal(sent.filter((index) => index === BATCH + 9).length, 3);
});

test("a full queue is waited for, a failure is told once a round, and what is forgotten ends", async () => {
  const stage = new Stage();
  const failed: string[] = [];
  let [room, sent] = [2, 0];
  const repeats = new Repeats({ clock: stage.clock, onFailure: (key) => void failed.push(key) });
  repeats.start("full", {
    count: 5,
    send: () => {
      if (room === 0) throw new CtdbxError("busy", "full");
      room -= 1;
      sent += 1;
    },
  });
  assert.is(sent, 2);
  room = 100;
  await stage.run(50);
  assert.is(sent, 5);
  repeats.start("bad", {
    count: 4,
    send: () => {
      throw new CtdbxError("denied", "no");
    },
  });
  await stage.run(500);
  assert.equal(failed, ["bad"]);
  repeats.forget("bad");
  repeats.forget("full");
  await stage.run(5000);
  assert.equal([failed.length, sent], [1, 5]);
});

test("an address that is taken is announced three times, and again when the node was away", async () => {
  const stage = new Stage();
  const { care, packets } = stage.node(0);
  care.taken(A, "eth0");
  care.taken(SIX, "eth0");
  await stage.run(5000);
  const mac = packets.linkOf("eth0")?.mac as Uint8Array;
  const frames = packets.frames.map(({ frame }) => frame.join());
  for (const frame of [...announcements(A, mac), ...announcements(SIX, mac)]) {
    assert.is(frames.filter((one) => one === frame.join()).length, 3);
  }
  assert.is(frames.length, 9);
  care.again([{ address: A, iface: "eth0" }]);
  await stage.run(5000);
  assert.is(packets.frames.length, 15);
  // All that it has, when the bus is there again; nothing that it has no more.
  await care.releasing(A, "eth0");
  care.reached();
  await stage.run(5000);
  assert.is(packets.frames.length, 18);
  care.stop();
});

test("an address that goes is announced no more, and its connections are ended, before and after", async () => {
  const stage = new Stage();
  const { care, packets, tcp } = stage.node(0);
  tcp.add(ANN, BOB);
  care.taken(A, "eth0");
  await stage.run(100);
  assert.is(packets.frames.length, 2);
  await care.releasing(A, "eth0");
  assert.equal(await tcp.established(new Set([A]), 10), []);
  care.released(A);
  await stage.run(30_000);
  assert.is(packets.frames.length, 2);
  assert.equal(tcp.resets, [A, A]);
  care.stop();
});

test("a node that stood still until its kernel had dropped an address sends nothing more of it", async () => {
  const stage = new Stage();
  const n0 = stage.node(0);
  await tellConnections(stage.store, [ANN], true);
  n0.care.taken(A, "eth0");
  await stage.run(100);
  assert.equal([n0.packets.frames.length, n0.packets.packets.length], [2, 1]);
  n0.hasLost = true;
  await stage.run(5000);
  n0.care.reached();
  await stage.run(5000);
  assert.equal([n0.packets.frames.length, n0.packets.packets.length], [2, 1]);
  n0.care.stop();
});

test("a kernel that cannot end connections holds up no release, and is told of once", async () => {
  const stage = new Stage();
  const { care, tcp, logged } = stage.node(0);
  tcp.fault = new CtdbxError("unsupported", "Cannot reset connections: the kernel has no way to");
  await care.releasing(A, "eth0");
  await care.releasing(B, "eth0");
  assert.equal(logged.filter((line) => line.startsWith("warning")), [
    "warning Connections of an address that goes are left to their timers",
  ]);
  care.stop();
});

test("the clients that the former owner had are tickled by the new one, from the address", async () => {
  const stage = new Stage();
  const [n0, n1] = [stage.node(0), stage.node(1)];
  n0.tcp.add(ANN, BOB, CAT);
  n0.care.taken(A, "eth0");
  n0.care.taken(SIX, "eth0");
  await stage.run(25_000);
  assert.equal(n0.tickled, {});
  // The node dies: nothing of it is heard any more.
  n1.care.taken(A, "eth0");
  await stage.run(100);
  assert.equal(n1.tickled, { "10.9.0.1": 1, "10.9.0.2": 1 });
  await stage.run(5000);
  assert.equal(n1.tickled, { "10.9.0.1": 3, "10.9.0.2": 3 });
  assert.equal(n1.packets.packets[0]?.packet, tickle(ANN.server, ANN.client));
  // None of them came to it, so they are known no more after its look.
  await stage.run(25_000);
  assert.equal(stage.store.known(A), []);
  n0.care.stop();
  n1.care.stop();
});

test("only what has changed is written, once in an interval, and all of it together", async () => {
  const stage = new Stage();
  const { care, tcp } = stage.node(0);
  tcp.add(ANN, CAT);
  care.taken(A, "eth0");
  care.taken(SIX, "eth0");
  await stage.run(1000);
  assert.is(stage.store.writes, 1, "both are claimed together");
  await stage.run(24_000);
  assert.is(stage.store.writes, 2, "both are written together");
  assert.equal(stage.store.known(A), [connectionKey(ANN)]);
  await stage.run(60_000);
  assert.is(stage.store.writes, 2, "nothing has changed");
  tcp.delete(ANN);
  tcp.add(BOB);
  await stage.run(20_000);
  assert.is(stage.store.writes, 3);
  assert.equal(stage.store.known(A), [connectionKey(BOB)]);
  assert.equal(stage.store.known(SIX), [connectionKey(CAT)]);
  care.stop();
});

test("a former owner that looks late leaves what the new one has, and the new one waits for its clients", async () => {
  const stage = new Stage();
  const [n0, n1] = [stage.node(0), stage.node(1)];
  n0.tcp.add(ANN);
  n0.care.taken(A, "eth0");
  await stage.run(21_000);
  assert.equal(stage.store.known(A), [connectionKey(ANN)]);
  n1.care.taken(A, "eth0");
  n1.tcp.add(BOB);
  // It does not know that it has the address no more, and sees another set at its next look, 40 s.
  n0.tcp.delete(ANN);
  await stage.run(19_800);
  const { writes } = stage.store;
  assert.equal(stage.store.known(A), [connectionKey(ANN)]);
  n0.hasLost = true;
  await stage.run(2000);
  assert.equal(stage.store.known(A), [connectionKey(BOB)]);
  assert.is(stage.store.writes, writes + 1);
  n0.care.stop();
  n1.care.stop();
});

test("a claim of a former owner that comes late is undone by who has the address", async () => {
  const stage = new Stage();
  const n1 = stage.node(1);
  n1.tcp.add(BOB);
  n1.care.taken(A, "eth0");
  await stage.run(1000);
  await stage.store.change([A], (_, record) => ({ ...record, owner: 0 as Pnn }));
  await stage.run(25_000);
  assert.equal(stage.store.known(A), [connectionKey(BOB)]);
  assert.is((await stage.store.read(A)).owner, 1);
  n1.care.stop();
});

test("a store that cannot be reached holds up nothing, and is claimed when it comes back", async () => {
  const stage = new Stage();
  const [n0, n1] = [stage.node(0), stage.node(1)];
  n0.tcp.add(ANN);
  n0.care.taken(A, "eth0");
  await stage.run(21_000);
  stage.store.fault = UNREACHED;
  n1.care.taken(A, "eth0");
  await stage.run(3000);
  assert.is(n1.packets.frames.length, 6, "neighbours are told all the same");
  await n1.care.releasing(B, "eth0");
  assert.equal(n1.logged.filter((line) => line.startsWith("warning")).length, 1);
  stage.store.fault = undefined;
  await stage.run(5000);
  assert.equal(n1.tickled, { "10.9.0.1": 3 });
  n0.care.stop();
  n1.care.stop();
});

test("what is told stays until it is taken back or was tickled, whatever the kernel has", async () => {
  const stage = new Stage();
  const { care, tcp } = stage.node(0, "established");
  care.taken(A, "eth0");
  await stage.run(1000);
  assert.is(await tellConnections(stage.store, [ANN, BOB, CAT], true), 2);
  assert.is(await tellConnections(stage.store, [ANN], true), 0);
  tcp.add(BOB);
  await stage.run(45_000);
  assert.equal(stage.store.known(A), [ANN, BOB].map(connectionKey));
  // Both are gone at once, also where the kernel had one at its last look.
  assert.is(await tellConnections(stage.store, [ANN, BOB], false), 1);
  assert.equal(stage.store.known(A), []);
  care.stop();
});

test("tickles = told: the kernel is not looked at; off: nothing is kept, nor tickled", async () => {
  const stage = new Stage();
  const [told, off] = [stage.node(0, "told"), stage.node(1, "off")];
  told.tcp.add(ANN);
  told.care.taken(A, "eth0");
  await stage.run(60_000);
  assert.equal(stage.store.known(A), []);
  await tellConnections(stage.store, [BOB], true);
  const { writes } = stage.store;
  off.care.taken(A, "eth0");
  await stage.run(30_000);
  assert.equal(off.tickled, {});
  assert.is(off.packets.frames.length, 6);
  assert.is(stage.store.writes, writes);
  told.care.stop();
  off.care.stop();
});

test("connections of an address are bounded: those seen are cut, those told are refused", async () => {
  const stage = new Stage();
  const { care, tcp } = stage.node(0);
  tcp.add(...many(A, CONNECTIONS_MAX + 5));
  care.taken(A, "eth0");
  await stage.run(25_000);
  assert.is(stage.store.known(A).length, CONNECTIONS_MAX);
  await tellConnections(stage.store, many(B, CONNECTIONS_MAX), true);
  let text = "";
  await tellConnections(stage.store, [...many(B, CONNECTIONS_MAX + 1)].slice(-1), true)
    .catch((error: Error) => text = error.message);
  assert.match(text, /CONNECTIONS_MAX is 4096/);
  care.stop();
});

test.run();
