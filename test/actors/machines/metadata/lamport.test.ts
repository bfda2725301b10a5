/**
 * The Lamport clock of a node: stamps are given once, never below what was seen, also after a restart.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MetadataEffect, MetadataEvent } from "../../../../actors/machines/metadata/event.ts";
import { PARKED_MAX } from "../../../../actors/machines/metadata/lamport.ts";
import { MetadataMachine } from "../../../../actors/machines/metadata/machine.ts";
import { SKEW_MAX } from "../../../../actors/machines/metadata/record.ts";
import { defaultMetadataTiming } from "../../../../actors/machines/metadata/tunables.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";
import type { MetaRecord } from "../../../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../../../transport/wire/terms.ts";
import { Rig } from "../../../../actors/machines/sim/metadata/rig.ts";

const test = suite("metadata Lamport clock");

const SELF = "1".padStart(32, "0") as NodeId;
const OTHER = "2".padStart(32, "0") as NodeId;
const BLOCK = 16;

/** A machine that leads, with scope c warm, and what it wants. */
class Lone {
  readonly machine: MetadataMachine;
  readonly effects: MetadataEffect[] = [];
  #nowMs = 0;

  constructor(reserved = 0n) {
    const timing = { ...defaultMetadataTiming(), reserveBlock: BLOCK };
    this.machine = new MetadataMachine({ self: SELF, reserved, dice: new SeededDice(1), timing });
    this.tell({ type: "start" });
    this.tell({ type: "members", present: [SELF, OTHER], leader: SELF });
    const interested = [SELF, OTHER].map((nodeId) => ({ nodeId, epoch: 1n }));
    this.tell({ type: "interest", scope: "d/a", interested, isKept: true });
    const stored = { epoch: 1n, isWhole: true, floor: 0n, records: [] };
    this.tell({ type: "loaded", scope: "d/a", epoch: 1n, stored });
  }

  tell(event: MetadataEvent): readonly MetadataEffect[] {
    const effects = this.machine.step(event, this.#nowMs++);
    this.effects.push(...effects);
    return effects;
  }

  write(key = "k", value: string | null = "v"): readonly MetadataEffect[] {
    const by = "test";
    return this.tell({ type: "write", askId: 1, scope: "d/a", key, value, by, wallMs: 0 });
  }

  hear(c: bigint, stamp = c, key = "k"): readonly MetadataEffect[] {
    const record: MetaRecord = { scope: "d/a", key, value: "o", c, w: OTHER, wallMs: 0, by: "" };
    const message = { kind: "md_publish", records: [record] } as const;
    return this.tell({ type: "message", from: OTHER, stamp, message });
  }

  /** The last reserve that was wanted. */
  get wanted(): bigint {
    return this.effects.findLast((effect) => effect.type === "reserve")?.upTo ?? 0n;
  }

  reserve(ok = true): void {
    this.tell({ type: "reserved", upTo: this.wanted, ok });
  }
}

const types = (effects: readonly MetadataEffect[]) => effects.map(({ type }) => type);

test("nothing is written before a reserve is on disk; then what waited is, in order", () => {
  const lone = new Lone();
  assert.is(lone.wanted, BigInt(BLOCK));
  assert.equal(types(lone.write("a")), []);
  assert.equal(types(lone.write("a", "second")), []);
  lone.reserve();
  assert.equal(lone.machine.get("d/a", "a")?.value, "second");
  assert.is(lone.machine.lamport, 2n);
});

test("stamps rise by one, and never beyond the reserve", () => {
  const lone = new Lone();
  lone.reserve();
  let last = 0n;
  for (let i = 0; i < 5 * BLOCK; i++) {
    const answer = lone.write().find((effect) => effect.type === "answer")?.answer;
    if (answer?.type === "written") {
      assert.is(answer.c, last + 1n);
      last = answer.c;
      continue;
    }
    // The disk is behind: then nothing is written.
    assert.ok(last <= lone.wanted);
    lone.reserve();
    last = lone.machine.lamport;
  }
  assert.ok(last > 3n * BigInt(BLOCK));
});

test("a restart goes on from the end of what was reserved", () => {
  const lone = new Lone(1000n);
  lone.reserve();
  lone.write();
  assert.is(lone.machine.get("d/a", "k")?.c, 1001n);
});

test("a stamp that is seen is passed by the next own one", () => {
  const lone = new Lone();
  lone.reserve();
  lone.hear(7n);
  lone.write();
  assert.is(lone.machine.get("d/a", "k")?.c, 8n);
  assert.is(lone.machine.get("d/a", "k")?.value, "v");
});

test("the stamp of an envelope counts as one that is seen", () => {
  const lone = new Lone();
  lone.reserve();
  lone.hear(1n, 9n);
  assert.is(lone.machine.lamport, 9n);
});

test("nothing is looked at that is beyond the reserve, until the disk has one for it", () => {
  const lone = new Lone();
  lone.reserve();
  assert.equal(types(lone.hear(500n)), ["reserve"]);
  assert.is(lone.machine.get("d/a", "k"), undefined);
  assert.ok(lone.wanted > 500n);
  lone.reserve(false);
  assert.is(lone.machine.get("d/a", "k"), undefined);
  // It is wanted again.
  const again = lone.tell({ type: "wake" });
  assert.ok(again.some(({ type }) => type === "reserve"));
  lone.reserve();
  lone.reserve();
  assert.is(lone.machine.get("d/a", "k")?.c, 500n);
});

test("what waits for a reserve is bounded", () => {
  const lone = new Lone();
  lone.reserve();
  for (let i = 0; i < PARKED_MAX + 5; i++) lone.hear(500n, 500n, `k${i}`);
  assert.is(lone.machine.counters.dropped, 5);
  lone.reserve();
  assert.is(lone.machine.list("d/a")?.length, PARKED_MAX);
});

test("a stamp of more than 2^40 ahead is refused, and its sender named", () => {
  const lone = new Lone();
  lone.reserve();
  lone.write();
  const far = lone.machine.lamport + SKEW_MAX + 1n;
  const report = { about: "skew", from: OTHER, c: far, lamport: 1n };
  // In a record, and in an envelope.
  assert.equal(lone.hear(far, 1n), [{ type: "report", report }]);
  assert.equal(lone.hear(2n, far), [{ type: "report", report }]);
  assert.is(lone.machine.lamport, 1n);
  assert.is(lone.machine.get("d/a", "k")?.w, SELF);
  assert.is(lone.machine.counters.skewed, 2);
  // One less is taken.
  lone.hear(far - 1n);
  lone.reserve();
  assert.is(lone.machine.get("d/a", "k")?.c, far - 1n);
});

test("without the reserve, a restarted node's write loses against what it had seen; with it, it wins", () => {
  const rig = new Rig(1, 3);
  rig.attach("a", [0, 1, 2]);
  rig.startAll(0);
  rig.run(2000);
  for (let i = 0; i < 20; i++) rig.write(1, "d/a", "k", `${i}`);
  rig.run(100);
  assert.is(rig.machine(2).get("d/a", "k")?.value, "19");
  // It dies before anything of that is saved, and comes back without a network to hear it again.
  rig.crash(2);
  for (const other of [0, 1]) rig.cut(other, 2);
  rig.start(2);
  rig.run(1000);
  assert.is(rig.machine(2).get("d/a", "k"), undefined);
  rig.write(2, "d/a", "k", "own");
  rig.run(1000);
  rig.heal();
  rig.run(20_000);
  for (const node of [0, 1, 2]) assert.is(rig.machine(node).get("d/a", "k")?.value, "own");
});

test.run();
