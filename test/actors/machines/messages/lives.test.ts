/** Lives of nodes: with them streams end, and everybody is told. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Scene } from "./scene.ts";

const test = suite("messages: lives");

test("a new life of a node ends its streams, and both sides are told", () => {
  const scene = new Scene(3);
  const programs = [0, 1, 2].map((n) => scene.program(n, 5n));
  scene.rig.run(10);
  scene.send(programs[0]!, 1, 5n, "before");
  scene.rig.run(50);
  scene.rig.renew(1);
  scene.rig.run(50);
  scene.send(programs[0]!, 1, 5n, "to the new life");
  scene.send(programs[1]!, 0, 5n, "from the new life");
  scene.rig.run(50);
  assert.equal(scene.of(programs[1]!), ["before", "life of 1", "to the new life"]);
  assert.equal(scene.of(programs[0]!), ["life of 1", "from the new life"]);
  scene.rig.crash(1);
  scene.rig.start(1);
  scene.rig.run(50);
  assert.equal(scene.of(programs[2]!), ["life of 1", "life of 1"]);
});

test("what was sent to an earlier life of the node is dropped, and its sender told of the new one", () => {
  const scene = new Scene(2);
  const [one, other] = [scene.program(0), scene.program(1, 5n)];
  scene.rig.run(10);
  // The word of the new life comes by no other way.
  scene.rig.decree = () => {};
  scene.rig.renew(1);
  scene.send(one, 1, 5n, "to the old life");
  scene.rig.run(10);
  scene.send(one, 1, 5n, "to the new life");
  scene.rig.run(50);
  assert.equal(scene.of(other), ["life of 1", "to the new life"]);
});

test("what a turn had begun when a new life came is not said in that life", () => {
  const scene = new Scene(2);
  const [one, other] = [scene.program(0), scene.program(1, 5n)];
  scene.rig.run(10);
  scene.send(one, 1, 5n, "of the old life");
  scene.rig.renew(0);
  scene.send(one, 1, 5n, "of the new life");
  scene.rig.run(50);
  assert.equal(scene.of(other), ["life of 0", "of the new life"]);
});

test("messages of a life that is over are dropped, however late", () => {
  const scene = new Scene(2);
  const [one, other] = [scene.program(0), scene.program(1, 5n)];
  scene.rig.run(10);
  scene.send(one, 1, 5n, "old");
  scene.rig.run(0);
  const [old] = scene.published();
  scene.rig.run(50);
  scene.rig.renew(0);
  scene.rig.run(50);
  const node = scene.rig.node(1);
  scene.rig.tell(node, {
    type: "data",
    publication: {
      from: scene.rig.node(0).nodeId,
      incarnation: old!.incarnation,
      receiver: { ...old!.receivers[0]!, seq: 2 },
      entries: old!.entries,
    },
  });
  scene.rig.run(50);
  assert.equal(scene.of(other), ["old", "life of 0"]);
});

test("a node that is none any more is over, and programs are told", () => {
  const scene = new Scene(2);
  const [one, other] = [scene.program(0), scene.program(1, 5n)];
  scene.rig.run(10);
  scene.rig.node(0).isNode = false;
  scene.rig.decree();
  scene.rig.run(50);
  scene.send(one, 1, 5n, "late");
  scene.rig.run(500);
  assert.equal(scene.of(other), ["life of 0"]);
  assert.is(scene.rig.send(other, scene.rig.node(0).nodeId, 5n, new Uint8Array()).type, "refused");
});

test("a life that has been told as ended does not come back, its node does in another one", () => {
  const scene = new Scene(2);
  const [one, other] = [scene.program(0), scene.program(1, 5n)];
  scene.rig.run(10);
  for (const isNode of [false, true]) {
    scene.rig.node(0).isNode = isNode;
    scene.rig.decree();
    scene.rig.run(50);
  }
  scene.send(one, 1, 5n, "of the old life");
  scene.rig.run(500);
  scene.rig.renew(0);
  scene.rig.run(50);
  scene.send(one, 1, 5n, "of the new life");
  scene.rig.run(500);
  assert.equal(scene.of(other), ["life of 0", "life of 0", "of the new life"]);
});

test.run();
