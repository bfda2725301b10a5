/**
 * Real addresses over a kernel that does not do as it should: it drops addresses with others, keeps what is to go, does
 * not extend lives, and cannot be read while the node ends; and scripts that are not told.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readPublicAddresses } from "../../../actors/addresses/public_addresses.ts";
import type { EventEnd } from "../../../transport/wire/event_daemon.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { A, B, C, isOk, OTHER, Stage } from "./kernel_rig.ts";

const test = suite("real addresses, and kernels with faults");

const MANY = 60;
const LINES = Array.from({ length: MANY }, (_, n) => `10.1.0.${n + 1}/24 eth0`);
const LIST = readPublicAddresses(LINES.join("\n"), "the test");
const ADDRESSES = LIST.map(({ address }) => address);

/** All of many are set, where the kernel drops the others of a network with its first; calls are counted. */
function many(): { stage: Stage; counts: Record<"put" | "remove" | "list", number> } {
  const stage = new Stage({ links: ["eth0"], list: LIST });
  stage.kernel.canKeepSecondaries = false;
  for (const address of ADDRESSES) stage.op("take", address, 9000);
  assert.is(stage.set().length, MANY);
  const counts = { put: 0, remove: 0, list: 0 };
  stage.kernel.onChange = (what) => void (counts[what] += 1);
  const { kernel } = stage;
  const { addresses } = kernel;
  kernel.addresses = () => {
    counts.list += 1;
    return addresses.call(kernel);
  };
  return { stage, counts };
}

test("many go where the kernel drops the others of a network with its first: none is set for a moment", async () => {
  const { stage, counts } = many();
  for (const address of ADDRESSES) stage.op("release", address);
  await stage.run(0);
  assert.equal([stage.set(), counts.put, counts.remove], [[], 0, MANY]);

  const again = many();
  again.stage.backend.clear();
  assert.equal([again.stage.set(), again.counts.put, again.counts.remove], [[], 0, MANY]);
});

test("one by one: what stands is not set again, what the kernel has dropped is, once", async () => {
  const { stage, counts } = many();
  for (const address of ADDRESSES.slice(MANY / 2)) {
    stage.op("release", address);
    await stage.run(1);
  }
  // One before each change is of the kernel that is not there.
  assert.equal([counts.put, counts.remove], [0, MANY / 2]);
  assert.ok(counts.list <= 3 * MANY, `${counts.list} lists`);
  stage.op("release", ADDRESSES[0]!);
  await stage.run(1);
  assert.is(counts.put, MANY / 2 - 1);
  assert.is(stage.set().length, MANY / 2 - 1);
});

test("a look that moves an address to another interface loses none that the kernel drops with it", () => {
  const stage = new Stage();
  stage.kernel.canKeepSecondaries = false;
  stage.kernel.setLink("eth1", false);
  for (const address of [A, C]) stage.op("take", address);
  assert.equal(
    stage.set().map((line) => line.slice(0, 16)),
    [`${A}/24 eth0`, `${C}/24 eth0`].map((line) => line.slice(0, 16)),
  );
  stage.kernel.setLink("eth1", true);
  stage.setDown("eth0");
  assert.equal(new Set(stage.see("look")), new Set([A, C]));
  assert.equal(stage.backend.interfaceOf(A), "eth1");
  assert.equal(stage.backend.interfaceOf(C), "eth0");
});

test("what could not be removed from its old interface is removed from both when it goes", async () => {
  const stage = new Stage();
  stage.op("take", A);
  stage.kernel.setLink("eth0", false);
  stage.kernel.onChange = (what) => {
    if (what === "remove") throw new CtdbxError("io", "it resists");
  };
  stage.see("look");
  assert.is(stage.backend.interfaceOf(A), "eth1");
  assert.equal(stage.set().map((line) => line.slice(0, 16)), [`${A}/24 eth0`, `${A}/24 eth1`]);
  stage.op("release", A);
  await stage.run(0);
  assert.not.ok(isOk(stage.ends.at(-1)), "it may be there still");
  stage.kernel.onChange = () => {};
  stage.op("release", A);
  await stage.run(0);
  assert.ok(isOk(stage.ends.at(-1)));
  assert.equal(stage.set(), []);
});

test("why lives are not extended is told, once a reason, and anew when it comes back", () => {
  const stage = new Stage();
  for (const address of [A, B]) stage.op("take", address, 9000);
  const said = () => stage.logged.filter((text) => /life of the new lease/.test(text));
  const denied = (why: string) => () => {
    throw new CtdbxError("denied", why);
  };
  stage.kernel.onChange = denied("no rights any more");
  for (let n = 0; n < 3; n++) stage.keep(9000, A, B);
  assert.is(said().length, 1);
  assert.match(said()[0]!, /no rights any more$/);
  // That the lease ends is no fault of the kernel.
  stage.keep(500, A, B);
  stage.kernel.onChange = () => {};
  stage.keep(9000, A, B);
  assert.is(said().length, 1);
  stage.kernel.onChange = denied("no rights any more");
  stage.keep(9000, A, B);
  assert.is(said().length, 2);
});

test("a node that has ended does not read the kernel's list again", async () => {
  const stage = new Stage();
  stage.kernel.addresses = () => {
    throw new CtdbxError("io", "it is closed");
  };
  assert.is(stage.see("look"), undefined);
  await stage.run(500);
  assert.is(stage.logged.length, 2, "it is tried again");
  stage.backend.clear();
  await stage.run(5000);
  assert.is(stage.logged.length, 2);
});

test("what scripts have yet to do is waited for, and a releaseip that nobody runs is told", async () => {
  const stage = new Stage();
  stage.op("take", A);
  await stage.run(0);
  let end: (end: EventEnd) => void = () => {};
  stage.running = new Promise((resolve) => end = resolve);
  stage.op("release", A);
  await stage.run(0);
  let isSettled = false;
  void stage.backend.settled().then(() => isSettled = true);
  await stage.run(1000);
  assert.not.ok(isSettled);
  end({ outcome: "refused", why: "the node is stopping" } as EventEnd);
  await stage.run(0);
  assert.ok(isSettled);
  assert.equal(stage.logged.filter((text) => text.startsWith("No releaseip")), [
    `No releaseip for ${A}: the node is stopping`,
  ]);
});

test("what is left of a former life is ours until it has gone, and what is not left is not", () => {
  const stage = new Stage({ former: [OTHER] });
  assert.equal(stage.backend.addresses(), [OTHER]);
  stage.see("sweep");
  assert.equal(stage.backend.addresses(), []);
});

test.run();
