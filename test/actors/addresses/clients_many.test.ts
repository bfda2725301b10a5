/** Clients of addresses by the thousand: others have their turns, a full queue stops only what it must. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  connectionsOf,
  countOf,
  isSameSet,
  keyOf,
} from "../../../actors/addresses/clients/record.ts";
import { BATCH, BUSY_TRIES, PACE_MS, Repeats } from "../../../actors/addresses/clients/repeats.ts";
import { tellConnections } from "../../../actors/addresses/clients/told.ts";
import { KEYS_A_TURN } from "../../../actors/addresses/clients/turns.ts";
import { type IpAddress, parseAddress } from "../../../transport/wire/address.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import {
  type Connection,
  connectionKey,
  parseConnection,
} from "../../../transport/wire/raw/endpoint.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { Stage, UNREACHED } from "./clients_rig.ts";

const test = suite("many clients of addresses");

const A = parseAddress("10.0.0.1");
const ANN = parseConnection("10.9.0.1:4001", "10.0.0.1:445");
const BOB = parseConnection("10.9.0.2:4002", "10.0.0.1:445");

function many(address: IpAddress, count: number): Connection[] {
  return Array.from({ length: count }, (_, n) => ({
    client: { address: parseAddress(`10.8.${n >>> 8}.${n & 255}`), port: 1 },
    server: { address, port: 445 },
  }));
}

test("a look at many connections is in pieces, between which others have their turns", async () => {
  const stage = new Stage();
  const { care, tcp } = stage.node(0);
  const addresses = [1, 2, 3, 4, 5].map((n) => parseAddress(`10.0.0.${n}`));
  const each = 4000;
  for (const address of addresses) {
    tcp.add(...many(address, each));
    care.taken(address, "eth0");
  }
  await stage.run(19_500);
  assert.is(stage.store.writes, 1, "they are claimed");
  // Each turn of the look takes one step of time here.
  const turns = async (): Promise<number> => {
    let steps = 0;
    const before = stage.store.writes;
    const looksBefore = tcp.looks;
    while (tcp.looks === looksBefore) await stage.run(10);
    while (stage.store.writes === before) {
      await stage.run(10);
      steps += 1;
    }
    return steps;
  };
  // To sort them; then one for each address to compare them.
  const least = Math.floor(addresses.length * each / KEYS_A_TURN);
  assert.ok(await turns() >= least + addresses.length - 1);
  for (const address of addresses) assert.is(stage.store.known(address).length, each);
  // The new owner's clients likewise.
  const next = stage.node(1);
  for (const address of addresses) next.care.taken(address, "eth0");
  await stage.run(10);
  assert.ok(next.logged.length < addresses.length, "not all in one turn");
  await stage.run(1000);
  assert.is(next.logged.filter((line) => line.includes("are tickled: 4000")).length, 5);
  care.stop();
  next.care.stop();
});

test("connections are counted without being made, each once; sets are compared by what they have", () => {
  const [one, other] = [keyOf(ANN), keyOf(BOB)];
  const record = { owner: 0 as Pnn, told: new Set([one]), seen: new Set([other, one]) };
  assert.is(countOf(record), connectionsOf(A, record).length);
  assert.is(countOf(record), 2);
  assert.ok(isSameSet(new Set([one, other]), new Set([other, one])));
  assert.not.ok(isSameSet(new Set([one]), new Set([other])));
  assert.not.ok(isSameSet(new Set([one]), new Set([one, other])));
});

test("an address whose interface is not known for a moment is claimed, and looked at, when it is", async () => {
  const stage = new Stage();
  const n0 = stage.node(0);
  n0.tcp.add(ANN);
  n0.hasLost = true;
  n0.care.taken(A, "eth0");
  await stage.run(25_000);
  assert.is(stage.store.writes, 0);
  n0.hasLost = false;
  await stage.run(20_000);
  assert.is((await stage.store.read(A)).owner, 0);
  assert.is(stage.store.known(A).length, 1);
  // What is here no more is not looked at.
  n0.hasLost = true;
  n0.tcp.add(BOB);
  await stage.run(25_000);
  assert.is(stage.store.known(A).length, 1);
  n0.care.stop();
});

test("what was told of a former owner's clients is forgotten when they have been tickled three times", async () => {
  const stage = new Stage();
  const n0 = stage.node(0, "told");
  await tellConnections(stage.store, [ANN], true);
  n0.care.taken(A, "eth0");
  await stage.run(1500);
  // Told since: it is the new owner's.
  await tellConnections(stage.store, [BOB], true);
  assert.equal(stage.store.known(A), [ANN, BOB].map(connectionKey), "should this owner die, too");
  stage.store.fault = UNREACHED;
  await stage.run(5000);
  stage.store.fault = undefined;
  await stage.run(2000);
  assert.equal(n0.tickled, { "10.9.0.1": 3 });
  assert.equal(stage.store.known(A), [connectionKey(BOB)]);
  const { writes } = stage.store;
  await stage.run(30_000);
  assert.is(stage.store.writes, writes);
  n0.care.stop();
});

test("a full queue stops what goes by it, not what goes by others, and is given up after a second", async () => {
  const stage = new Stage();
  const failed: string[] = [];
  const repeats = new Repeats({ clock: stage.clock, onFailure: (key) => void failed.push(key) });
  const tried = { dead: 0, half: 0 };
  const sent = { half: 0, good: 0 };
  const full = new CtdbxError("busy", "full");
  repeats.start("dead", {
    count: 1000,
    send: () => {
      tried.dead += 1;
      throw full;
    },
  });
  repeats.start("half", {
    count: 10,
    send: (index) => {
      tried.half += 1;
      if (index % 2 === 0) throw full;
      sent.half += 1;
    },
  });
  repeats.start("good", { count: 5, send: () => void (sent.good += 1) });
  assert.is(sent.good, 5, "in the same turn");
  await stage.run(BUSY_TRIES * PACE_MS - 100);
  assert.is(sent.good, 5);
  assert.equal(failed, []);
  await stage.run(300);
  assert.equal(failed.sort(), ["dead", "half"], "once a round");
  assert.equal(sent, { half: 5, good: 10 }, "what goes by another queue is sent");
  await stage.run(10_000);
  assert.equal(sent, { half: 15, good: 15 });
  assert.is(failed.length, 6);
  assert.is(tried.dead, 3 * (BUSY_TRIES + 1000));
  repeats.stop();
});

test("neighbours are told before clients are tickled, and of two that have many both go on", async () => {
  const stage = new Stage();
  const repeats = new Repeats({ clock: stage.clock, onFailure: () => {} });
  const sent: string[] = [];
  for (const key of ["one", "two"]) {
    repeats.start(key, { count: 4 * BATCH, send: () => void sent.push(key) });
  }
  repeats.start("first", { count: 1, isUrgent: true, send: () => void sent.push("first") });
  await stage.run(PACE_MS);
  assert.is(sent.indexOf("first"), BATCH, "before all that is left");
  await stage.run(3 * PACE_MS);
  const counts = ["one", "two"].map((key) => sent.filter((one) => one === key).length);
  assert.ok(counts.every((count) => count > BATCH), counts.join());
  repeats.stop();
});

test("an address that is taken is announced before the rest of another one's clients are tickled", async () => {
  const stage = new Stage();
  const { care, packets } = stage.node(0);
  await tellConnections(stage.store, many(A, 600), true);
  care.taken(A, "eth0");
  while (packets.packets.length === 0) await stage.run(1);
  assert.ok(packets.packets.length < 600);
  const before = packets.frames.length;
  care.taken(parseAddress("10.0.0.2"), "eth0");
  // There is room for its two frames, or for two clients.
  packets.room = 2;
  await stage.run(2 * PACE_MS);
  assert.is(packets.frames.length, before + 2);
  care.stop();
});

test.run();
