/**
 * Real addresses over a kernel that is not there: lives, kernels that are late, interfaces without a link, what others
 * do with the addresses, scripts.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readPublicAddresses } from "../../../actors/addresses/public_addresses.ts";
import type { AddressEvent } from "../../../actors/machines/addresses/takeover/events.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { A, B, C, isOk, OTHER, SIX, Stage, whyOf } from "./kernel_rig.ts";

const test = suite("real addresses");

test("an address is set for the whole seconds of its lease, on the emptier interface, and goes by itself", async () => {
  const stage = new Stage();
  assert.ok(isOk(stage.op("take", A, 3900)));
  assert.ok(isOk(stage.op("take", B, 2500)));
  assert.ok(isOk(stage.op("take", SIX, 2500)));
  assert.equal(stage.set(), [`${A}/24 eth0 3`, `${B}/24 eth1 2`, `${SIX}/64 eth1 2`]);
  assert.equal(stage.told.slice(0, 2), [`taken ${A} eth0`, `event takeip eth0 ${A} 24`]);
  assert.equal([stage.backend.interfaceOf(A), stage.backend.interfaceOf(C)], ["eth0", undefined]);
  // A call to the kernel takes a moment: a whole number of seconds is never all used.
  stage.keep(3000, A);
  await stage.run(1999);
  assert.equal(stage.set(), [`${A}/24 eth0 0`, `${B}/24 eth1 0`, `${SIX}/64 eth1 0`]);
  await stage.run(1);
  assert.equal(stage.set(), []);
});

test("with less than a second left nothing is set, and what is set keeps its life", async () => {
  const stage = new Stage();
  assert.match(whyOf(stage.op("take", A, 999)), "nearly over");
  assert.ok(isOk(stage.op("take", B, 2500)));
  stage.keep(999, B);
  assert.equal(stage.set(), [`${B}/24 eth0 2`]);
  await stage.run(1900);
  assert.is(stage.set().length, 1);
});

test("a kernel that is late: the life is set anew, shorter; with nothing left the address is removed at once", () => {
  for (
    const [lateMs, left] of [[900, [`${A}/24 eth0 2`]], [1900, [`${A}/24 eth0 1`]], [
      3500,
      [],
    ]] as const
  ) {
    const stage = new Stage();
    let isLate = true;
    stage.kernel.onChange = (what) => {
      if (what === "put" && isLate) stage.time.runTo(stage.time.nowMs + lateMs);
      isLate = false;
    };
    const end = stage.op("take", A, 3100);
    assert.equal(stage.set(), [...left], `${lateMs}`);
    assert.is(isOk(end), left.length > 0);
    assert.is(stage.told.length > 0, left.length > 0);
  }
});

test("a process that stood still between two extensions leaves no address beyond its lease", () => {
  const stage = new Stage();
  assert.ok(isOk(stage.op("take", A, 3000)));
  // Stopped within the call: the kernel gets it when the lease has long been over.
  stage.kernel.onChange = (what) => {
    stage.kernel.onChange = () => {};
    if (what === "put") stage.time.runTo(stage.time.nowMs + 60_000);
  };
  stage.keep(3000, A);
  assert.equal(stage.set(), []);
  assert.equal(stage.backend.addresses(), []);
});

test("a release waits for what is to be done before, but not for long, and not beyond the lease", async () => {
  const stage = new Stage();
  for (const address of [A, B, C]) stage.op("take", address, 3000);
  stage.releasingMs = 100;
  assert.is(stage.op("release", A), undefined);
  await stage.run(100);
  assert.equal(stage.ends.at(-1), { kind: "done", id: 4, isOk: true });
  stage.releasingMs = Infinity;
  stage.op("release", B);
  await stage.run(499);
  assert.is(stage.ends.length, 4);
  await stage.run(1);
  assert.equal(stage.ends.at(-1), { kind: "done", id: 5, isOk: true });
  stage.keep(1000, C);
  await stage.run(900);
  stage.op("release", C);
  await stage.run(100);
  assert.equal(stage.ends.at(-1), { kind: "done", id: 6, isOk: true });
  assert.equal(stage.set(), []);
  assert.equal(stage.told.slice(-3), [
    `releasing ${C}`,
    `released ${C}`,
    `event releaseip eth0 ${C} 24`,
  ]);
});

test("the first address of a network goes, the others stay; also where the kernel lets nobody say so", async () => {
  for (const canKeep of [true, false]) {
    const stage = new Stage({ links: ["eth0"] });
    stage.kernel.canKeepSecondaries = canKeep;
    for (const address of [A, B, C]) stage.op("take", address, 3000);
    stage.op("release", A);
    await stage.run(0);
    assert.equal(stage.set().map((line) => line.slice(0, 8)), [B, C], `${canKeep}`);
  }
});

test("many that go at once go in the order that costs the kernel least: the last that was set first", async () => {
  const stage = new Stage({ links: ["eth0"] });
  for (const address of [A, B, C]) stage.op("take", address, 3000);
  const removed: string[] = [];
  stage.kernel.onChange = (what, { address }) => void (what === "remove" && removed.push(address));
  for (const address of [B, A, C]) stage.op("release", address);
  await stage.run(0);
  assert.equal(removed, [C, B, A]);
  assert.equal([stage.set(), stage.ends.length], [[], 6]);
});

test("what cannot be set or removed is said, with the reason, and the machine may try again", async () => {
  const stage = new Stage({ links: ["eth0"] });
  assert.match(whyOf(stage.op("take", OTHER)), "not in this node's list");
  stage.kernel.setLink("eth0", false);
  await stage.run(100);
  assert.match(whyOf(stage.op("take", A)), "none of its interfaces has a link: eth0, eth1");
  stage.kernel.setLink("eth0", true);
  await stage.run(100);
  stage.op("take", A);
  stage.kernel.onChange = () => {
    throw new CtdbxError("denied", "no rights any more");
  };
  assert.match(whyOf(stage.op("take", B)), "no rights any more");
  stage.op("release", A);
  await stage.run(0);
  assert.match(whyOf(stage.ends.at(-1)), "no rights any more");
  assert.equal(stage.backend.addresses(), [A]);
});

test("an address leaves an interface without a link for one that has one; scripts say so, too", async () => {
  const stage = new Stage();
  stage.op("take", A, 3900);
  stage.kernel.setLink("eth0", false);
  assert.equal(stage.see("look"), [A]);
  assert.equal(stage.set(), [`${A}/24 eth1 3`]);
  assert.equal(stage.told.slice(-2), [`taken ${A} eth1`, `event updateip eth0 eth1 ${A} 24`]);
  // Its link is back: it stays where it is. That of the other one goes: there is no better one.
  stage.kernel.setLink("eth0", true);
  stage.see("look");
  assert.is(stage.backend.interfaceOf(A), "eth1");
  stage.setDown("eth1");
  stage.see("look");
  assert.is(stage.backend.interfaceOf(A), "eth0");
  stage.kernel.setLink("eth0", false);
  assert.equal(stage.see("look"), [A]);
  await stage.run(100);
  assert.not.ok(stage.backend.hasLink("eth0"));
  stage.kernel.setLink("eth0", true);
  stage.see("look");
  assert.is(stage.told.at(-1), `again ${A} eth0`);
});

test("an address goes where a changed list says: another mask, another interface", async () => {
  const stage = new Stage();
  stage.op("take", A, 3900);
  stage.op("take", SIX, 3900);
  const listed = (text: string) => stage.backend.setList(readPublicAddresses(text, "the test"));
  listed(`${A}/16 eth0\n${SIX}/80 eth1\n`);
  assert.equal(stage.see("look"), [A, SIX]);
  assert.equal(stage.set().sort(), [`${A}/16 eth0 3`, `${SIX}/80 eth1 3`]);
  assert.ok(stage.told.includes(`event updateip eth0 eth0 ${A} 16`));
  listed(`${A}/16 eth1\n${SIX}/80 eth1\n`);
  assert.equal(stage.see("look"), [SIX, A]);
  assert.equal(stage.set().sort(), [`${A}/16 eth1 3`, `${SIX}/80 eth1 3`]);
  // What is not in it any more is released by order, and stays until then.
  listed(`${SIX}/80 eth1\n`);
  assert.equal(stage.see("look")?.length, 2);
  await stage.run(100);
  assert.is(stage.logged.filter((text) => /goes from/.test(text)).length, 3);
});

test("what others do with an address is seen: removed, set elsewhere, set for ever, set without an order", () => {
  const stage = new Stage();
  const [eth0, eth1] = stage.kernel.links().map(({ index }) => index) as [number, number];
  stage.op("take", A);
  stage.op("take", B);
  stage.kernel.remove({ address: B, bits: 24, index: eth1 });
  stage.kernel.add({ address: A, bits: 32, index: eth1 });
  stage.kernel.add({ address: C, bits: 24, index: eth0 });
  stage.kernel.add({ address: OTHER, bits: 24, index: eth0 });
  assert.equal(stage.see("look"), [A, C]);
  assert.equal(stage.set(), [`${A}/24 eth0 2`, `${C}/24 eth0 ever`, `${OTHER}/24 eth0 ever`]);
  assert.ok(isOk(stage.op("release", C)));
  stage.kernel.remove({ address: A, bits: 24, index: eth0 });
  stage.kernel.add({ address: A, bits: 24, index: eth0 });
  stage.see("look");
  assert.equal(stage.set(), [`${OTHER}/24 eth0 ever`, `${A}/24 eth0 2`]);
});

test("a start removes what former lives have set, whatever its mask and interface, and says what resists", () => {
  const stage = new Stage({ former: [OTHER] });
  const [eth0, eth1] = stage.kernel.links().map(({ index }) => index) as [number, number];
  stage.kernel.add({ address: A, bits: 16, index: eth0 });
  stage.kernel.add({ address: A, bits: 24, index: eth1 });
  stage.kernel.add({ address: OTHER, bits: 24, index: eth1 });
  stage.kernel.add({ address: SIX, bits: 128, index: eth1 });
  stage.kernel.onChange = (_what, { address }) => {
    if (address === SIX) throw new CtdbxError("io", "it resists");
  };
  assert.equal(stage.see("sweep"), [SIX]);
  assert.equal(stage.set(), [`${SIX}/128 eth1 ever`]);
  const why = "it has no end, so somebody else has set it";
  assert.ok(stage.logged.includes(`Address ${A}/16 is removed from eth0: ${why}`));
  // It is noted for the next life, and for the supervisor, until it is gone.
  assert.equal(stage.backend.addresses(), [SIX]);
  stage.kernel.onChange = () => {};
  assert.ok(isOk(stage.op("release", SIX)));
  assert.equal([stage.set(), stage.backend.addresses()], [[], []]);
});

test("a list of the kernel that cannot be read is read again", async () => {
  const stage = new Stage();
  stage.op("take", A);
  const { addresses } = stage.kernel;
  stage.kernel.addresses = () => {
    throw new CtdbxError("io", "not now");
  };
  let seen: AddressEvent | undefined;
  stage.backend.run({ kind: "look", id: 77 }, (event) => seen = event);
  assert.is(seen, undefined);
  stage.kernel.addresses = addresses;
  await stage.run(500);
  assert.equal(seen, { kind: "seen", id: 77, addresses: [A] });
});

test("an address that the scripts cannot take is not offered for a while", async () => {
  const stage = new Stage();
  stage.outcome = "failed";
  stage.op("take", A);
  await stage.run(0);
  assert.equal([stage.backend.canHost(A), stage.backend.canHost(B)], [false, true]);
  await stage.run(10_000);
  assert.ok(stage.backend.canHost(A));
  stage.outcome = "cancelled";
  stage.op("take", B);
  await stage.run(0);
  assert.ok(stage.backend.canHost(B));
});

test("a node that stood still tells nobody that it has what its kernel has dropped", () => {
  const stage = new Stage();
  stage.op("take", A, 3000);
  stage.op("take", C, 9000);
  stage.time.runTo(stage.time.nowMs + 4000);
  stage.backend.again();
  assert.is(stage.told.at(-1), `again ${C} eth0`);
  assert.equal([stage.backend.interfaceOf(A), stage.backend.interfaceOf(C)], [undefined, "eth0"]);
});

test("the end of the node leaves nothing", () => {
  const stage = new Stage();
  stage.op("take", A);
  stage.op("take", SIX);
  stage.backend.again();
  assert.is(stage.told.at(-1), `again ${A} eth0,${SIX} eth1`);
  stage.backend.clear();
  assert.equal(stage.set(), []);
  assert.is(stage.told.at(-1), "stop");
});

test.run();
