/**
 * The dry backend: lives in whole seconds, as a kernel has them, and the section of the configuration.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DryBackend } from "../../../actors/addresses/dry.ts";
import type { AddressEvent } from "../../../actors/machines/addresses/takeover/events.ts";
import { readNodeConfig } from "../../../actors/node_config.ts";
import { parseAddress } from "../../../transport/wire/address.ts";

const test = suite("dry addresses");

const A = parseAddress("10.0.0.1");

function dry() {
  const clock = { now: 1000 };
  const lines: string[] = [];
  const backend = new DryBackend({
    clock: { nowMs: () => clock.now } as never,
    log: { write: (_level: string, text: string) => void lines.push(text) } as never,
  });
  const ends: AddressEvent[] = [];
  const onEnd = (event: AddressEvent) => void ends.push(event);
  return { clock, lines, backend, ends, onEnd };
}

test("An address lives for the whole seconds that are left, and is gone then, whoever stands still", () => {
  const { clock, backend, ends, onEnd, lines } = dry();
  backend.run({ kind: "take", id: 1, address: A, untilMs: 3900 }, onEnd);
  assert.equal(ends, [{ kind: "done", id: 1, isOk: true, why: "the lease is nearly over" }]);
  assert.equal(lines, ["Address 10.0.0.1 would be set"]);
  clock.now = 2999;
  assert.equal(backend.addresses(), [A]);
  clock.now = 3000;
  assert.equal(backend.addresses(), []);
});

test("With less than a second left nothing is set, and nothing is extended", () => {
  const { clock, backend, ends, onEnd } = dry();
  backend.run({ kind: "take", id: 1, address: A, untilMs: 1999 }, onEnd);
  assert.match(JSON.stringify(ends), /"isOk":false/);
  backend.run({ kind: "take", id: 2, address: A, untilMs: 3000 }, onEnd);
  backend.run({ kind: "keep", addresses: [A], untilMs: 1999 }, onEnd);
  clock.now = 2500;
  assert.equal(backend.addresses(), [A]);
  backend.run({ kind: "keep", addresses: [A], untilMs: 5000 }, onEnd);
  clock.now = 4400;
  assert.equal(backend.addresses(), [A]);
});

test("A sweep, a release and the end of the daemon leave nothing", () => {
  for (const how of ["sweep", "release", "clear"] as const) {
    const { backend, ends, onEnd } = dry();
    backend.run({ kind: "take", id: 1, address: A, untilMs: 9000 }, onEnd);
    if (how === "clear") backend.clear();
    else if (how === "sweep") backend.run({ kind: "sweep", id: 2 }, onEnd);
    else backend.run({ kind: "release", id: 2, address: A }, onEnd);
    backend.run({ kind: "look", id: 3 }, onEnd);
    assert.equal(ends.at(-1), { kind: "seen", id: 3, addresses: [] }, how);
  }
});

test("The section [addresses] is read; what is wrong with it is named", () => {
  const base = { cluster: "c", name: "n0", nats: { servers: ["nats://127.0.0.1:4222"] } };
  const read = (addresses: unknown) => readNodeConfig({ ...base, addresses }, "the test").addresses;
  const byDefault = { backend: "dry", tickles: "established" };
  assert.equal(read({ file: "/etc/list" }), { file: "/etc/list", ...byDefault });
  const whole = { file: "/etc/list", home_nodes: "/etc/homes", backend: "dry" };
  assert.equal(read(whole), { file: "/etc/list", homeNodes: "/etc/homes", ...byDefault });
  assert.is(read({ file: "/etc/list", tickles: "told" })?.tickles, "told");
  assert.is(readNodeConfig(base, "the test").addresses, undefined);
  assert.throws(() => read({ file: "list" }), /addresses\.file.*absolute path/);
  assert.throws(() => read({ file: "/etc/list", backend: "magic" }), /addresses\.backend/);
  assert.throws(() => read({ file: "/etc/list", tickles: "all" }), /addresses\.tickles/);
  assert.throws(() => read({ file: "/etc/list", fiel: 1 }), /fiel/);
  assert.throws(() => read({}), /addresses\.file/);
});

test.run();
