/**
 * Anti-entropy: what was lost is had again, for little.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LEAF_MAX } from "../../../../actors/machines/metadata/repair.ts";
import { interestHash } from "../../../../actors/machines/metadata/interest.ts";
import type { About } from "../../../../actors/machines/metadata/message.ts";
import { SKEW_MAX } from "../../../../actors/machines/metadata/record.ts";
import { busBytesOf } from "../../../../actors/machines/sim/metadata/bytes.ts";
import { Watched } from "./watch.ts";

const test = suite("metadata repair");

/** Two nodes that have database a, 0 leads. */
function pair(digestMs = 5000): Watched {
  const rig = new Watched(2, { digestMs });
  rig.attach("a", [0, 1]);
  rig.startAll(0);
  rig.run(2000);
  return rig;
}

/** Writes that the other one does not hear of. */
function writeUnheard(rig: Watched, node: number, key: string, value: string | null): void {
  rig.faults = { ...rig.faults, loss: 1000 };
  rig.write(node, "d/a", key, value);
  rig.run(5);
  rig.faults = { ...rig.faults, loss: 0 };
}

test.either("when both have the same, a digest gets no answer", () => {
  const rig = pair();
  rig.write(0, "d/a", "x", "1");
  rig.run(9000);
  rig.clear();
  rig.run(60_000);
  const digests = rig.of("md_digest", "d/a").length;
  assert.ok(digests >= 18 && digests <= 30, `${digests} digests of two nodes in a minute`);
  assert.is(rig.sent.length, rig.of("md_digest").length);
});

test.either("each digest goes to one peer, in time to each of them", () => {
  const rig = new Watched(5);
  rig.attach("a", [0, 1, 2, 3, 4]);
  rig.startAll(0);
  rig.run(9000);
  rig.clear();
  rig.run(120_000);
  const digests = rig.of("md_digest", "d/a");
  assert.ok(digests.every(({ to }) => to.length === 1));
  for (const node of [0, 1, 2, 3, 4]) {
    const to = new Set(digests.filter(({ from }) => from === node).map(({ to: [one] }) => one));
    assert.is(to.size, 4, `node ${node}`);
  }
});

test.either("a lost change is repaired by the next digest, in both directions", () => {
  const rig = pair();
  writeUnheard(rig, 0, "x", "1");
  writeUnheard(rig, 1, "y", "2");
  rig.run(7000);
  for (const node of [0, 1]) assert.is(rig.values(node, "d/a"), "x=1 y=2");
});

test.either("a subscription that was cut: digests at once", () => {
  const rig = pair(1_000_000);
  writeUnheard(rig, 0, "x", "1");
  rig.run(20_000);
  assert.is(rig.values(1, "d/a"), "");
  rig.tell(rig.node(1), { type: "gap" });
  rig.run(100);
  assert.is(rig.values(1, "d/a"), "x=1");
});

test.either("a few differences among thousands of records cost little", () => {
  const rig = pair(1_000_000);
  for (let i = 0; i < 5000; i++) rig.write(i % 2, "d/a", `key ${i}`, `value ${i}`);
  rig.run(2000);
  assert.is(rig.machine(1).list("d/a")?.length, 5000);
  for (let i = 0; i < 3; i++) writeUnheard(rig, 0, `key ${1000 * i}`, "new");
  writeUnheard(rig, 1, "key 77", null);
  rig.clear();
  rig.tell(rig.node(0), { type: "gap" });
  rig.run(200);
  for (const key of ["key 0", "key 1000", "key 2000", "key 77"]) {
    assert.equal(rig.machine(0).get("d/a", key), rig.machine(1).get("d/a", key), key);
  }
  const bytes = rig.sent.reduce((sum, { message }) => sum + busBytesOf(message), 0);
  const stamps = rig.of("md_stamps").reduce((sum, { message }) => sum + message.stamps.length, 0);
  assert.ok(stamps <= 4 * LEAF_MAX, `${stamps} stamps`);
  assert.is(rig.of("md_records").reduce((sum, { message }) => sum + message.records.length, 0), 4);
  // All of it would be half a megabyte.
  assert.ok(bytes < 40_000, `${bytes} bytes`);
});

test.either("a node with nothing gets thousands of records", () => {
  const rig = pair();
  for (let i = 0; i < 3000; i++) rig.write(0, "d/a", `key ${i}`, "v");
  rig.run(5000);
  rig.crash(1);
  rig.loseFile(1, "d/a");
  rig.start(1);
  rig.run(2000);
  assert.is(rig.phase(1, "d/a"), "whole");
  assert.is(rig.machine(1).list("d/a")?.length, 3000);
});

test.either("messages that repeat, and come late, change nothing", () => {
  const rig = pair();
  rig.write(0, "d/a", "x", "1");
  writeUnheard(rig, 0, "y", "1");
  rig.run(8000);
  rig.write(1, "d/a", "x", "2");
  rig.write(0, "d/a", "y", null);
  rig.run(8000);
  const before = [0, 1].map((node) => rig.machine(node).status());
  const changed = rig.changed.length;
  for (const { from, to, message } of rig.sent) {
    for (const index of to) {
      const nodeId = rig.node(from).nodeId;
      rig.tell(rig.node(index), { type: "message", from: nodeId, stamp: 1n, message });
    }
  }
  rig.run(100);
  assert.equal([0, 1].map((node) => rig.machine(node).status()), before);
  assert.is(rig.changed.length, changed);
});

/** What node 1 says of database a. */
function about(rig: Watched): About {
  const who = rig.attached.get("a") ?? [];
  const pnns = rig.nodes.map(({ pnn }) => BigInt(pnn));
  const all = who.map((one, at) => ({ ...one, epoch: ((pnns[at] ?? 0n) << 64n) | one.epoch }));
  return { scope: "d/a", interest: interestHash(all), floor: 0n, phase: "whole" };
}

test.either("what comes from a node that is not interested, or sees others interested, is dropped", () => {
  const rig = pair();
  rig.write(0, "d/a", "x", "1");
  rig.run(1000);
  rig.clear();
  const digest = { kind: "md_digest", ...about(rig), hash: 0n, count: 0 } as const;
  const from = rig.node(1).nodeId;
  const stranger = "f".repeat(32) as typeof from;
  const tell = (sender: typeof from, message: typeof digest) =>
    rig.tell(rig.node(0), { type: "message", from: sender, stamp: 1n, message });
  tell(stranger, digest);
  tell(from, { ...digest, interest: digest.interest ^ 1 });
  assert.is(rig.machine(0).counters.dropped, 2);
  assert.equal(rig.sent, []);
  tell(from, digest);
  assert.equal(rig.sent.map(({ message }) => message.kind), ["md_buckets"]);
});

test.either("a floor, a stamp or a record too far ahead is not taken in a comparison, either", () => {
  const rig = pair();
  rig.write(0, "d/a", "x", "1");
  rig.run(1000);
  const from = rig.node(1).nodeId;
  const far = SKEW_MAX + 1000n;
  const tell = (message: Parameters<typeof busBytesOf>[0]) =>
    rig.tell(rig.node(0), { type: "message", from, stamp: 1n, message: message as never });
  tell({ kind: "md_digest", ...about(rig), floor: far, hash: 0n, count: 0 } as never);
  const stamp = { key: "y", c: far, w: from };
  tell({ kind: "md_stamps", ...about(rig), paths: [""], stamps: [stamp] } as never);
  const record = { ...stamp, scope: "d/a", value: "z", wallMs: 0, by: "" };
  tell({ kind: "md_records", ...about(rig), records: [record], want: [], gone: [] } as never);
  assert.equal(rig.reports.map((report) => report.about), ["skew", "skew", "skew"]);
  assert.is(rig.values(0, "d/a"), "x=1");
  assert.is(rig.machine(0).status().find(({ scope }) => scope === "d/a")?.floor, 0n);
  const wants = rig.of("md_records").flatMap(({ message }) => message.want);
  assert.equal(wants, []);
});

test.either("what is said to be gone is given up only up to the floor, and only that very write", () => {
  const rig = pair();
  for (let i = 0; i < 9; i++) rig.write(0, "d/a", `k${i}`, "v");
  rig.run(500);
  const held = rig.machine(0).get("d/a", "k3");
  const later = rig.machine(0).get("d/a", "k8");
  if (held === undefined || later === undefined) throw new Error("not written");
  const from = rig.node(1).nodeId;
  const gone = [held, later, { ...held, key: "k4" }].map(({ key, c, w }) => ({ key, c, w }));
  const head = {
    kind: "md_records",
    ...about(rig),
    phase: "alone",
    records: [],
    want: [],
  } as const;
  // Two of them are not above it; of one of these another write is held.
  const message = { ...head, floor: later.c - 1n, gone } as const;
  rig.tell(rig.node(0), { type: "message", from, stamp: 1n, message });
  assert.is(rig.values(0, "d/a"), "k0=v k1=v k2=v k4=v k5=v k6=v k7=v k8=v");
});

test.either("who lacks what is not above its floor says that it is gone, and wants what is", () => {
  const rig = pair();
  rig.write(0, "d/a", "x", null);
  rig.run(130_000);
  const { floor } = rig.machine(0).status().find(({ scope }) => scope === "d/a") ?? { floor: 0n };
  assert.is(floor, 1n);
  rig.clear();
  const from = rig.node(1).nodeId;
  const stamps = [{ key: "x", c: 1n, w: from }, { key: "y", c: 2n, w: from }];
  const message = {
    kind: "md_stamps",
    ...about(rig),
    phase: "alone",
    paths: [""],
    stamps,
  } as const;
  rig.tell(rig.node(0), { type: "message", from, stamp: 1n, message });
  const [answer] = rig.of("md_records");
  assert.equal([answer?.message.gone, answer?.message.want], [stamps.slice(0, 1), ["y"]]);
});

test.either("records of another scope in a message are not taken", () => {
  const rig = pair();
  const from = rig.node(1).nodeId;
  const record = { scope: "c", key: "y", c: 5n, w: from, value: "z", wallMs: 0, by: "" };
  const message = {
    kind: "md_records",
    ...about(rig),
    records: [record],
    want: [],
    gone: [],
  } as const;
  rig.tell(rig.node(0), { type: "message", from, stamp: 1n, message });
  assert.equal([rig.values(0, "d/a"), rig.values(0, "c")], ["", ""]);
});

test.run();
