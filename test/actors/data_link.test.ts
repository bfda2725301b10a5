/**
 * A node's data thread as its main thread has it: what it is told and when, what it has confirmed, and how it ends.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DataLink, LOOK_MS, SILENT_LOOKS } from "../../actors/data_link.ts";
import type { DataStart } from "../../actors/data/types.ts";
import { SimTime } from "../../transport/sim/clock.ts";
import { SimLog } from "../../transport/sim/log.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { Generation, Incarnation, Pnn, Version } from "../../transport/wire/terms.ts";
import { DataDouble } from "./data_double.ts";
import { turn } from "./sim_nodes.ts";

const test = suite("data link");

const life = (number: bigint) => ({ pnn: 0 as Pnn, incarnation: number as Incarnation });
const doc = (version: bigint, generation = version) =>
  ({ version: version as Version, generation: generation as Generation }) as Document;

/** A link to a double, with what it told the node. */
class Rig {
  readonly time = new SimTime();
  readonly data = new DataDouble();
  readonly events: string[] = [];
  readonly link: DataLink;

  constructor() {
    const clock = {
      nowMs: () => this.time.nowMs,
      wallMs: () => this.time.nowMs,
      after: (delayMs: number, fire: () => void) => this.time.after(delayMs, fire),
    };
    const log = new SimLog();
    this.link = new DataLink({ clock, log }, {} as DataStart, () => this.data.start(), {
      asks: {
        attach: () => Promise.resolve(),
        commit: () => Promise.resolve(),
        note: () => Promise.resolve(),
        breach: () => Promise.resolve(),
        resource: () => Promise.resolve({ orders: [] }),
      },
      events: {
        onDown: () => {},
        onConfirmed: () => void this.events.push(`confirmed ${this.link.confirmedVersion}`),
        onLost: (why) => void this.events.push(`lost: ${why}`),
        onTrouble: (why) => void this.events.push(why ?? "well again"),
      },
    });
  }

  async run(forMs: number): Promise<void> {
    const endMs = this.time.nowMs + forMs;
    while (this.time.nowMs < endMs) {
      this.time.runTo(Math.min(endMs, this.time.nowMs + 50));
      await turn();
    }
  }

  mayShow(incarnation: bigint, generation: bigint): boolean {
    return this.link.mayShow(incarnation as Incarnation, generation as Generation);
  }
}

test("a life is told before a view, and each counts when it was confirmed", async () => {
  const rig = new Rig();
  rig.data.isHeld = true;
  rig.link.view(doc(5n));
  await rig.link.start();
  assert.equal(rig.data.now?.told, [], "a view of no life would be forgotten");
  let isFenced = false;
  void rig.link.life(life(1n)).then(() => isFenced = true);
  await turn();
  assert.equal([rig.data.now?.told, isFenced, rig.mayShow(1n, 5n)], [
    ["life 1", "view 5"],
    false,
    false,
  ]);
  rig.data.now?.confirm();
  await turn();
  assert.equal([isFenced, rig.mayShow(1n, 5n), rig.mayShow(1n, 6n), rig.mayShow(2n, 5n)], [
    true,
    true,
    false,
    false,
  ]);
  assert.equal(rig.events, ["confirmed 5"]);
  await rig.link.stop();
});

test("a newer view takes the place of the one before when it is confirmed, not earlier", async () => {
  const rig = new Rig();
  await rig.link.start();
  await rig.link.life(life(1n));
  rig.link.view(doc(5n));
  await turn();
  rig.data.isHeld = true;
  rig.link.view(doc(7n));
  rig.link.view(doc(8n, 7n));
  await turn();
  assert.ok(rig.mayShow(1n, 5n) && !rig.mayShow(1n, 7n), "what is confirmed is that of 5 still");
  rig.data.now?.confirm();
  await turn();
  assert.ok(!rig.mayShow(1n, 5n) && rig.mayShow(1n, 7n));
  assert.is(rig.link.confirmedVersion, 8n);
  await rig.link.stop();
});

test("a new life allows nothing until it is confirmed, whatever the one before was told", async () => {
  const rig = new Rig();
  await rig.link.start();
  await rig.link.life(life(1n));
  rig.link.view(doc(5n));
  await turn();
  rig.data.isHeld = true;
  rig.link.view(doc(6n));
  void rig.link.life(life(2n));
  assert.ok(!rig.mayShow(1n, 5n) && !rig.mayShow(2n, 5n));
  rig.data.now?.confirm();
  await turn();
  assert.ok(!rig.mayShow(1n, 6n), "the life before is over");
  assert.ok(rig.mayShow(2n, 6n));
  assert.equal(rig.data.now?.told, ["life 1", "view 5", "view 6", "life 2", "view 6"]);
  await rig.link.stop();
});

test("what a thread cannot do is told when it changes", async () => {
  const rig = new Rig();
  await rig.link.start();
  await rig.link.life(life(1n));
  const one = { name: "visits", why: "the disk is full" };
  for (const databases of [[{ name: "visits" }], [one], [one], [one, { ...one, name: "b" }], []]) {
    Object.assign(rig.data.now!, { databases });
    await rig.run(LOOK_MS);
  }
  assert.equal(rig.events, [
    "database visits has no file: the disk is full",
    "database visits has no file: the disk is full, and 1 more",
    "well again",
  ]);
  await rig.link.stop();
});

test("a thread that dies takes all that it confirmed along, and the next one waits for a new life", async () => {
  const rig = new Rig();
  await rig.link.start();
  await rig.link.life(life(1n));
  rig.link.view(doc(5n));
  await turn();
  rig.data.now?.die("an assert has failed");
  await turn();
  assert.ok(!rig.mayShow(1n, 5n) && !rig.link.isUp);
  assert.equal(rig.events, ["confirmed 5", "lost: an assert has failed"]);
  assert.throws(() => rig.link.thread, /being started, try again/);
  await rig.run(200);
  assert.equal([rig.data.runs.length, rig.data.now?.told], [2, []], "there are files of life 1");
  await rig.link.life(life(2n));
  await turn();
  assert.equal(rig.data.now?.told, ["life 2", "view 5"]);
  assert.ok(rig.mayShow(2n, 5n));
  assert.is(rig.link.failures, 1);
  await rig.link.stop();
});

test("a life waits for a thread that comes later; one that does not get through its start is tried anew", async () => {
  const rig = new Rig();
  rig.data.startFault = new CtdbxError("exists", "somebody listens there");
  await rig.link.start();
  let isFenced = false;
  void rig.link.life(life(1n)).then(() => isFenced = true);
  await rig.run(500);
  assert.ok(rig.data.runs.length >= 2 && !isFenced);
  assert.match(rig.link.lastFailure?.why ?? "", /somebody listens there/);
  assert.equal(rig.events, [], "it had nothing that could be lost");
  rig.data.startFault = undefined;
  await rig.run(2000);
  assert.equal([isFenced, rig.data.now?.told], [true, ["life 1"]]);
  await rig.link.stop();
});

test("a thread that dies while it begins a life is a loss, too", async () => {
  const rig = new Rig();
  rig.data.isHeld = true;
  await rig.link.start();
  void rig.link.life(life(1n));
  await turn();
  rig.data.now?.die();
  await turn();
  assert.equal(rig.events, ["lost: an assert has failed"]);
  await rig.link.stop();
});

test("a thread that answers nothing any more is ended; one that is slow is not", async () => {
  const rig = new Rig();
  await rig.link.start();
  await rig.link.life(life(1n));
  await rig.run(LOOK_MS * (SILENT_LOOKS + 2));
  assert.is(rig.data.runs.length, 1);
  rig.data.now!.isSilent = true;
  await rig.run(LOOK_MS * (SILENT_LOOKS - 1));
  assert.is(rig.data.runs.length, 1);
  await rig.run(LOOK_MS * 3);
  assert.is(rig.data.runs.length, 2, "another one is there");
  assert.equal(rig.events, ["lost: it was ended"]);
  await rig.link.stop();
});

test("one that comes up when the node has stopped is ended at once", async () => {
  const rig = new Rig();
  const begun = rig.link.start();
  await rig.link.stop();
  await begun;
  await turn();
  assert.equal([rig.data.now?.hasEnded, rig.data.now?.told, rig.link.isUp], [true, [], false]);
  assert.equal(rig.events, []);
});

test("stopping ends it in order, and nothing is lost by it", async () => {
  const rig = new Rig();
  await rig.link.start();
  await rig.link.life(life(1n));
  const { now } = rig.data;
  await rig.link.stop();
  await rig.run(500);
  assert.equal([now?.told, now?.hasEnded, rig.events, rig.data.runs.length], [
    ["life 1", "stop"],
    true,
    [],
    1,
  ]);
});

test.run();
