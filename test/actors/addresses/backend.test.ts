/**
 * What is written down before an address is set, what removes it after a death, and what is refused at a start.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Addresses } from "../../../actors/addresses/addresses.ts";
import type { AddressBackend } from "../../../actors/addresses/backend.ts";
import { requireSettable } from "../../../actors/addresses/settable.ts";
import { clearAddresses, Former } from "../../../actors/addresses/former.ts";
import { Noting } from "../../../actors/addresses/noting.ts";
import { readPublicAddresses } from "../../../actors/addresses/public_addresses.ts";
import { readNodeConfig } from "../../../actors/node_config.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { SimInterfaces } from "../../../transport/sim/interfaces.ts";
import { SimNetwork } from "../../../transport/sim/network.ts";
import { SimTime } from "../../../transport/sim/clock.ts";
import { SimMachine } from "../../../transport/sim/world.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { parseAddress } from "../../../transport/wire/address.ts";
import type { Incarnation, NodeId } from "../../../transport/wire/terms.ts";
import { turn } from "../sim_nodes.ts";

const test = suite("backends of addresses");

const LIST = readPublicAddresses("10.0.0.1/24 eth0,eth1\nfd00::1/64 eth1\n", "the test");
const [A, SIX] = LIST.map(({ address }) => address) as [
  ReturnType<typeof parseAddress>,
  ReturnType<typeof parseAddress>,
];
const OTHER = parseAddress("10.9.9.9");

function stage() {
  const time = new SimTime();
  const dice = new SeededDice(1);
  const world = new SimMachine({ name: "n0", network: new SimNetwork(time, dice), dice }).boot();
  const interfaces = new SimInterfaces(world.clock);
  return { time, world, interfaces };
}

test("a node without rights, or without an interface for an address, is refused, and told which", () => {
  const { interfaces } = stage();
  interfaces.setLink("eth1", false);
  requireSettable(interfaces, LIST);
  const list = readPublicAddresses("# none\n10.0.0.1/24 eth7\n10.0.0.2/24 eth8,eth9\n", "the test");
  assert.throws(
    () => requireSettable(interfaces, list),
    /10\.0\.0\.1 of line 2.*no interface eth7/,
  );
  assert.throws(() => requireSettable(interfaces, list.slice(1)), /none of eth8, eth9/);
  interfaces.isRoot = false;
  assert.throws(() => requireSettable(interfaces, []), /no rights/);
});

test("real addresses are asked for by name only", () => {
  const base = { cluster: "c", name: "n0", nats: { servers: ["nats://127.0.0.1:4222"] } };
  const read = (addresses: unknown) =>
    readNodeConfig({ ...base, addresses }, "the test").addresses?.backend;
  assert.is(read({ file: "/etc/list" }), "dry");
  assert.is(read({ file: "/etc/list", backend: "iproute2" }), "iproute2");
});

test("what was written down is found by the next life, and by a supervisor", async () => {
  const { time, world } = stage();
  world.disk.makeFolder("/run/n0");
  const former = new Former(world.disk, "/run/n0");
  assert.equal(former.read(), []);
  const write = (...addresses: (typeof A)[]) =>
    time.drive(
      new Promise<void>((done, fail) =>
        former.write(addresses, (error) => error === undefined ? done() : fail(error))
      ),
      turn,
    );
  await write(A, SIX, A);
  assert.equal(new Former(world.disk, "/run/n0").read(), [A, SIX]);
  await write();
  assert.equal(former.read(), []);
});

test("all places of an address are cleared; what resists is not called clear", () => {
  const { interfaces } = stage();
  interfaces.setLink("eth0", true);
  interfaces.setLink("eth1", true);
  const [eth0 = 0, eth1 = 0] = interfaces.links().map(({ index }) => index);
  interfaces.add({ address: A, bits: 24, index: eth0 });
  interfaces.add({ address: A, bits: 16, index: eth1 });
  interfaces.add({ address: OTHER, bits: 24, index: eth1 });
  assert.ok(clearAddresses(interfaces, [A, SIX]));
  assert.equal(interfaces.addresses().map(({ address }) => address), [OTHER]);
  const { remove } = interfaces;
  interfaces.remove = () => true;
  assert.not.ok(clearAddresses(interfaces, [OTHER]));
  interfaces.remove = remove;
  assert.ok(clearAddresses(interfaces, [OTHER]));
});

test("nothing is offered before it is written down, and of two lists the newer one", () => {
  const { world } = stage();
  const lists: number[] = [];
  const backend = {
    name: "test",
    setList: (list) => void lists.push(list.length),
    hasLink: () => true,
    canHost: (address) => address !== SIX,
    addresses: () => [OTHER],
  } as Partial<AddressBackend> as AddressBackend;
  const noted: { readonly addresses: readonly string[]; readonly done: () => void }[] = [];
  const addresses = new Addresses({
    self: "0".repeat(32) as NodeId,
    clock: world.clock,
    log: world.log,
    lead: () => undefined,
    policy: () => ({ algorithm: "lcp2", noFailback: false, noTakeover: false }),
    backend,
    clients: {} as never,
    send: () => {},
    blame: () => {},
    hasLink: () => true,
    noting: {
      note: (all, done = () => {}) => void noted.push({ addresses: all, done }),
      stop() {},
    },
  });
  addresses.setList(LIST);
  addresses.setList(LIST.slice(0, 1));
  assert.equal(noted.map((each) => each.addresses), [[A, SIX, OTHER], [A, OTHER]]);
  assert.equal([lists, addresses.list.length], [[], 1]);
  noted[0]?.done();
  assert.equal(lists, []);
  noted[1]?.done();
  assert.equal(lists, [1]);
});

test("what was noted and is neither listed nor left after the sweep is noted no longer", () => {
  const { world } = stage();
  let left = [OTHER];
  const backend = {
    name: "test",
    setList: () => {},
    hasLink: () => true,
    canHost: () => true,
    again: () => {},
    addresses: () => left,
    run: ({ kind, id }: { kind: string; id: number }, onEnd) => {
      if (kind !== "sweep") return;
      left = [];
      onEnd({ kind: "seen", id, addresses: [] });
    },
  } as Partial<AddressBackend> as AddressBackend;
  const noted: (readonly string[])[] = [];
  const addresses = new Addresses({
    self: "0".repeat(32) as NodeId,
    clock: world.clock,
    log: world.log,
    lead: () => undefined,
    policy: () => ({ algorithm: "lcp2", noFailback: false, noTakeover: false }),
    backend,
    clients: {} as never,
    send: () => {},
    blame: () => {},
    hasLink: () => true,
    noting: {
      note: (all, done = () => {}) => void (noted.push([...new Set(all)]), done()),
      stop() {},
    },
  });
  addresses.setList(LIST);
  addresses.setList(LIST.slice(0, 1));
  // What the former list has is in force until the new one is noted.
  assert.equal(noted, [[A, SIX, OTHER], [A, SIX, OTHER]]);
  addresses.life(1n as Incarnation);
  assert.equal(noted.at(-1), [A]);
});

test("a list that cannot be written is written again until it can; of two the newer one; the log says it once", () => {
  const { time, world } = stage();
  const written: (readonly string[])[] = [];
  const logged: string[] = [];
  let fault: CtdbxError | undefined = new CtdbxError("no_space", "the disk is full");
  const noting = new Noting({
    former: {
      write: (addresses, done) => {
        written.push([...addresses]);
        done(fault);
      },
    },
    clock: world.clock,
    log: { write: (level, text) => void logged.push(`${level}: ${text}`) },
  });
  const over: string[] = [];
  noting.note([A], () => void over.push("first"));
  time.runTo(time.nowMs + 2500);
  assert.equal([written, over], [[[A], [A], [A]], []]);
  noting.note([A, SIX], () => void over.push("second"));
  fault = undefined;
  time.runTo(time.nowMs + 1500);
  assert.equal(written.slice(3), [[A, SIX], [A, SIX]]);
  assert.equal(over, ["first", "second"]);
  time.runTo(time.nowMs + 5000);
  assert.is(written.length, 5);
  assert.is(logged.filter((text) => /^error: .*the disk is full$/.test(text)).length, 1);
  assert.is(logged.at(-1), "info: The list of addresses is noted, and offered");
  fault = new CtdbxError("io", "it is gone");
  noting.note([A], () => void over.push("third"));
  noting.stop();
  time.runTo(time.nowMs + 5000);
  assert.equal([written.length, over.length], [6, 2]);
});

test.run();
