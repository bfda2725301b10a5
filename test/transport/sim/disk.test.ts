/** What a crash and a power cut leave of small files, and what a sick disk answers. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SimTime } from "../../../transport/sim/clock.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { SimDisk } from "../../../transport/sim/disk.ts";
import { SimLife } from "../../../transport/sim/life.ts";
import type { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Disk } from "../../../transport/world.ts";
import { text, utf8 } from "../../contracts/port_fixture.ts";

/** A disk and the process that uses it. */
class Rig {
  readonly time = new SimTime();
  readonly disk: SimDisk;
  life = new SimLife(this.time);
  view: Disk;

  constructor(seed: number) {
    this.disk = new SimDisk(this.time, new SeededDice(seed));
    this.view = this.disk.view(this.life);
    this.view.makeFolder("/d");
  }

  /** Starts a call; "pending" until it is done. */
  begin(kind: "write" | "replace", name: string, bytes: Uint8Array): { state: string } {
    const call = { state: "pending" };
    this.view[kind](`/d/${name}`, bytes, (error?: CtdbxError) => {
      call.state = error?.code ?? "done";
    });
    return call;
  }

  /** Does a call and waits for it. */
  put(kind: "write" | "replace", name: string, bytes: Uint8Array): void {
    const call = this.begin(kind, name, bytes);
    this.time.runTo(this.time.nowMs + 100);
    assert.is(call.state, "done");
  }

  crash(how: "process" | "power"): void {
    this.life.end();
    this.disk.crash(this.life);
    if (how === "power") this.disk.cutPower();
    this.life = new SimLife(this.time);
    this.view = this.disk.view(this.life);
  }
}

const OLD = new Uint8Array(2000).fill(1);
const NEW = new Uint8Array(3000).fill(2);

/** What is there, as a word. */
function nameOf(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return "absent";
  const [first] = bytes;
  const isPlain = bytes.every((byte) => byte === first);
  if (isPlain && first === 1 && bytes.length === OLD.length) return "old";
  return isPlain && first === 2 && bytes.length === NEW.length ? "new" : "mixture";
}

const test = suite("simulated disk, faults");

test("What was done is there after any crash", () => {
  for (let seed = 0; seed < 200; seed++) {
    for (const kind of ["write", "replace"] as const) {
      for (const how of ["process", "power"] as const) {
        const rig = new Rig(seed);
        rig.put(kind, "f", OLD);
        rig.put(kind, "f", NEW);
        rig.crash(how);
        assert.is(nameOf(rig.view.read("/d/f")), "new", `${kind} ${how} ${seed}`);
      }
    }
  }
});

test("What was under way is a mixture in place, and the old or the new when replaced", () => {
  for (const how of ["process", "power"] as const) {
    const found = { write: new Set<string>(), replace: new Set<string>() };
    for (let seed = 0; seed < 200; seed++) {
      for (const kind of ["write", "replace"] as const) {
        const rig = new Rig(seed);
        rig.put(kind, "f", OLD);
        const call = rig.begin(kind, "f", NEW);
        rig.crash(how);
        rig.time.runTo(rig.time.nowMs + 1000);
        assert.is(call.state, "pending", "a dead process is told nothing");
        found[kind].add(nameOf(rig.view.read("/d/f")));
      }
    }
    assert.equal([...found.replace].sort(), ["new", "old"]);
    assert.ok(found.write.has("mixture") && found.write.size >= 2, [...found.write].join());
  }
});

test("A new file that was under way may be gone; a removed one may be back after a power cut", () => {
  const [made, removed] = [new Set<string>(), new Set<string>()];
  for (let seed = 0; seed < 100; seed++) {
    const rig = new Rig(seed);
    rig.put("write", "r", OLD);
    rig.view.remove("/d/r");
    assert.is(rig.view.read("/d/r"), undefined);
    rig.begin("write", "f", NEW);
    rig.crash("power");
    made.add(nameOf(rig.view.read("/d/f")));
    removed.add(nameOf(rig.view.read("/d/r")));
  }
  assert.ok(made.has("absent") && made.size > 1, [...made].join());
  assert.equal([...removed].sort(), ["absent", "old"]);
});

test("A write behind one that fails goes on; one that waited at the crash never happens", () => {
  const rig = new Rig(1);
  rig.disk.failAt(1, "no_space");
  const calls = ["a", "b", "c"].map((word) => rig.begin("write", "f", utf8(word)));
  rig.time.runTo(100);
  assert.equal(calls.map(({ state }) => state), ["no_space", "done", "done"]);
  assert.is(text(rig.view.read("/d/f")), "c");
  rig.disk.stall();
  const [, behind] = [rig.begin("replace", "f", utf8("d")), rig.begin("replace", "f", utf8("e"))];
  rig.time.runTo(rig.time.nowMs + 1000);
  assert.is(behind.state, "pending");
  rig.crash("process");
  rig.disk.release();
  rig.time.runTo(rig.time.nowMs + 1000);
  assert.ok(["c", "d"].includes(text(rig.view.read("/d/f")) ?? ""));
  rig.put("replace", "f", utf8("f"));
  assert.is(text(rig.view.read("/d/f")), "f");
});

test("A stalled disk does nothing until it is released; others' paths wait, too", () => {
  const rig = new Rig(2);
  rig.disk.stall();
  const [one, two] = [rig.begin("write", "1", OLD), rig.begin("replace", "2", NEW)];
  rig.time.runTo(60_000);
  assert.equal([one.state, two.state], ["pending", "pending"]);
  rig.disk.release();
  rig.time.runTo(60_100);
  assert.equal([one.state, two.state], ["done", "done"]);
});

test.run();
