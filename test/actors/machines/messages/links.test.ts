/** Links: what is lost, what finds no room, and who does not read. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PROGRAM_ENTRIES_MAX } from "../../../../transport/wire/messages/program.ts";
import { Scene } from "./scene.ts";

const test = suite("messages: links");

test("what is lost on the way is sent again, and comes once and in order", () => {
  const scene = new Scene(2);
  const [one, other] = [scene.program(0), scene.program(1, 5n)];
  scene.rig.run(10);
  scene.rig.cut(0, 1);
  scene.send(one, 1, 5n, "a");
  scene.rig.run(20);
  scene.rig.heal();
  scene.send(one, 1, 5n, "b");
  scene.rig.run(20);
  // Found by the number of "b", long before any time-out.
  assert.equal(scene.of(other), ["a", "b"]);
  scene.rig.cut(0, 1);
  scene.send(one, 1, 5n, "the last");
  scene.rig.run(300);
  scene.rig.heal();
  scene.rig.run(3000);
  assert.equal(scene.of(other), ["a", "b", "the last"]);
  const { machine } = scene.rig.node(0);
  assert.is(machine?.links()[0]?.count, 0);
  // And then it is over: what goes its way goes once.
  const before = machine?.counters.again;
  for (let i = 0; i < 100; i++) {
    scene.send(one, 1, 5n, `${i}`);
    scene.rig.run(3);
  }
  assert.is(machine?.counters.again, before);
});

test("no more is under way than the window allows, and nothing overtakes what waits for it", () => {
  const scene = new Scene(4, { windowCount: 2 });
  const programs = [0, 1, 2, 3].map((n) => scene.program(n, 5n));
  scene.rig.run(10);
  scene.published();
  scene.rig.cut(1, 0);
  for (let i = 0; i < 6; i++) {
    scene.send(programs[0]!, i % 2 === 0 ? "all" : 1, 5n, `${i}`);
    scene.rig.run(20);
  }
  const toOne = scene.published().flatMap(({ receivers }) =>
    receivers.filter(({ pnn }) => pnn === 1).map(({ seq }) => seq)
  );
  assert.equal(toOne, [1, 2]);
  scene.rig.heal();
  scene.rig.run(3000);
  assert.equal(scene.of(programs[1]!), ["0", "1", "2", "3", "4", "5"]);
  assert.is(scene.rig.node(1).machine?.counters.early, 0);
});

test("what waits for the window fills publications, and no more than fits into one", () => {
  const scene = new Scene(3, { windowBytes: 1000, windowCount: 2 });
  const [one, other, third] = [0, 1, 2].map((n) => scene.program(n, 5n));
  scene.rig.run(10);
  scene.rig.cut(1, 0);
  scene.published();
  for (const size of [600, 601]) {
    scene.send(one!, 1, 5n, "x".repeat(size));
    scene.rig.run(5);
  }
  // It would fit into the window, and must not overtake.
  scene.send(one!, "all", 5n, "small");
  for (let i = 0; i < 600; i++) {
    scene.send(one!, 1, 5n, `${i}`);
    if (i % 50 === 0) scene.rig.run(1);
  }
  scene.rig.heal();
  scene.rig.run(3000);
  const sizes = scene.published().map(({ entries }) => entries.length);
  assert.is(Math.max(...sizes), PROGRAM_ENTRIES_MAX);
  const texts = Array.from({ length: 600 }, (_, i) => `${i}`);
  assert.equal(scene.of(other!).slice(2), ["small", ...texts]);
  assert.equal(scene.of(third!), ["small"]);
  assert.is(scene.rig.node(1).machine?.counters.early, 0);
});

test("bytes under way are counted right, also after a loss", () => {
  const scene = new Scene(2, { windowBytes: 1000 });
  const [one, other] = [scene.program(0), scene.program(1, 5n)];
  scene.rig.run(10);
  for (const round of [1, 2, 3]) {
    scene.published();
    scene.rig.cut(1, 0);
    for (let i = 0; i < 5; i++) {
      scene.send(one, 1, 5n, "x".repeat(300));
      scene.rig.run(20);
    }
    assert.is(scene.published().length, 3, `round ${round}`);
    scene.rig.heal();
    scene.rig.run(3000);
    assert.is(scene.of(other).length, 5 * round);
  }
});

test("an acknowledgement counts between the two lives that it names", () => {
  const scene = new Scene(2);
  const one = scene.program(0);
  const [node, other] = scene.rig.nodes;
  const { incarnation } = other!;
  const ack = (to: bigint): number | undefined => {
    const said = {
      kind: "msg_ack",
      incarnation,
      to: to as never,
      next: 2n,
      missed: false,
    } as const;
    scene.rig.tell(node!, { type: "message", from: other!.nodeId, message: said });
    return node!.machine?.links()[0]?.count;
  };
  scene.rig.cut(0, 1);
  scene.send(one, 1, 5n, "a");
  scene.rig.run(10);
  assert.is(ack(node!.incarnation - 1n), 1);
  assert.is(ack(node!.incarnation + 1n), 1);
  assert.is(ack(node!.incarnation), 0);
});

test("too much for one node: who sends to it is told busy, who sends to all goes on and it is told a gap", () => {
  const scene = new Scene(3, { linkCount: 3 });
  const [one, other, third] = [0, 1, 2].map((n) => scene.program(n, 5n, 6n));
  scene.rig.run(10);
  scene.rig.cut(0, 1);
  for (let i = 0; i < 5; i++) {
    scene.send(one!, "all", 5n, `${i}`);
    scene.rig.run(20);
  }
  assert.equal(scene.send(one!, "all", 6n, "six"), { type: "sent", nodes: 3 - 1, full: 1 });
  scene.rig.run(20);
  const refused = scene.send(one!, 1, 5n, "to one");
  assert.is(refused.type === "refused" && refused.code, "busy");
  scene.rig.heal();
  scene.rig.run(3000);
  scene.send(one!, "all", 5n, "after");
  scene.rig.run(100);
  const { program } = one!;
  const gaps = [`gap of 2 from ${program} on 5`, `gap of 1 from ${program} on 6`];
  assert.equal(scene.of(other!), ["0", "1", "2", ...gaps, "after"]);
  assert.equal(scene.of(third!), ["0", "1", "2", "3", "4", "six", "after"]);
});

test("what finds room behind a loss stays behind it", () => {
  const scene = new Scene(2, { linkBytes: 1000 });
  const [one, other] = [scene.program(0), scene.program(1, 5n)];
  scene.rig.run(10);
  scene.rig.cut(0, 1);
  for (const text of ["a".repeat(600), "b".repeat(600), "c"]) scene.send(one, "all", 5n, text);
  scene.rig.heal();
  scene.rig.run(3000);
  assert.equal(scene.of(other), ["a".repeat(20), `gap of 1 from ${one.program} on 5`, "c"]);
});

test("a loss is told without another message behind it", () => {
  const scene = new Scene(2, { linkCount: 1 });
  const [one, other] = [scene.program(0), scene.program(1, 5n)];
  scene.rig.run(10);
  for (const text of ["a", "b"]) scene.send(one, "all", 5n, text);
  scene.rig.run(1000);
  assert.equal(scene.of(other), ["a", `gap of 1 from ${one.program} on 5`]);
});

test("losses of more senders and srvids than can be named are told as of any", () => {
  const scene = new Scene(2, { linkCount: 1, lostRows: 1 });
  const [one, other] = [scene.program(0), scene.program(1, 5n, 6n)];
  scene.rig.run(10);
  scene.rig.cut(0, 1);
  for (const srvid of [5n, 5n, 6n, 6n, 5n]) scene.send(one, "all", srvid, "x");
  scene.rig.heal();
  scene.rig.run(3000);
  const { program } = one;
  assert.equal(scene.of(other), [
    "x",
    `gap of 2 from ${program} on 5`,
    "gap of 2 from 0 on undefined",
  ]);
});

test("after the bus was gone, what is under way goes again at once", () => {
  const scene = new Scene(2);
  const [one, other] = [scene.program(0), scene.program(1, 5n)];
  scene.rig.run(10);
  scene.rig.cut(0, 1);
  scene.send(one, 1, 5n, "a");
  scene.rig.run(5500);
  scene.rig.heal();
  scene.rig.tell(scene.rig.node(0), { type: "again" });
  scene.rig.run(5);
  assert.equal(scene.of(other), ["a"]);
});

test("a program that does not read loses its registrations, and nobody else notices", () => {
  const scene = new Scene(2, { programCount: 4 });
  const one = scene.program(0);
  const [slow, quick] = [scene.program(1, 5n, 6n), scene.program(1, 5n)];
  scene.rig.run(10);
  slow.isReading = false;
  for (let i = 0; i < 6; i++) {
    scene.send(one, 1, 5n, `${i}`);
    scene.rig.run(20);
  }
  assert.equal(scene.of(slow), ["0", "1", "2", "3", "slow"]);
  assert.equal(scene.of(quick), ["0", "1", "2", "3", "4", "5"]);
  assert.equal(
    scene.rig.node(1).machine?.programs().map(({ srvids }) => srvids),
    [[], [5n]],
  );
  // Before it has read, it would only fall behind again.
  const tooSoon = scene.answer(1, scene.rig.register(slow, 5n));
  assert.is(tooSoon?.type === "refused" && tooSoon.code, "busy");
  scene.rig.read(slow);
  assert.is(scene.answer(1, scene.rig.register(slow, 5n))?.type, "registered");
  scene.send(one, 1, 5n, "again");
  scene.rig.run(20);
  assert.is(scene.of(slow).at(-1), "again");
});

test("one message may be larger than what a program may have unread", () => {
  const scene = new Scene(2, { programBytes: 1000, linkBytes: 1000 });
  const [one, other] = [scene.program(0), scene.program(1, 5n)];
  scene.rig.run(10);
  scene.send(one, 1, 5n, "y".repeat(5000));
  scene.rig.run(100);
  assert.equal(scene.of(other), ["y".repeat(20)]);
});

test.run();
