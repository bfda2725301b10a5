/** Interest: a node hears of the srvids that it may have, and misses none that it has. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SRVID_ALL } from "../../../../transport/wire/messages/program.ts";
import { Scene } from "./scene.ts";

const test = suite("messages: interest");

test("nodes that want nothing of a srvid hear nothing of it, once they have said so", () => {
  const scene = new Scene(5);
  const programs = [0, 1, 2, 3, 4].map((n) => scene.program(n, n === 2 ? 5n : 6n));
  scene.narrow(programs[0]!);
  assert.equal(scene.send(programs[0]!, "all", 5n, "a"), { type: "sent", nodes: 1, full: 0 });
  scene.rig.run(100);
  const found = scene.published();
  assert.equal(found.map(({ to }) => to), [scene.rig.node(2).nodeId]);
  assert.equal(scene.send(programs[0]!, 1, 5n, "b"), { type: "sent", nodes: 0, full: 0 });
  assert.equal(scene.of(programs[2]!), ["a"]);
});

test("a registration is done when all who had been told other srvids know of it", () => {
  const scene = new Scene(3);
  const programs = [0, 1, 2].map((n) => scene.program(n, 6n));
  scene.narrow(programs[0]!);
  scene.rig.cut(0, 1);
  const askId = scene.rig.register(programs[1]!, 5n);
  scene.rig.run(500);
  assert.is(scene.answer(1, askId), undefined);
  scene.rig.heal();
  scene.rig.run(1000);
  assert.equal(scene.answer(1, askId), { type: "registered", unheard: [] });
  scene.send(programs[0]!, "all", 5n, "a");
  scene.rig.run(20);
  assert.equal(scene.of(programs[1]!), ["a"]);
  // A second one with the same srvid has nothing to tell.
  assert.is(scene.answer(1, scene.rig.register(scene.program(1), 5n))?.type, "registered");
});

test("who does not hear of a registration in time is named, and hears of it later", () => {
  const scene = new Scene(2);
  const programs = [0, 1].map((n) => scene.program(n, 6n));
  scene.narrow(programs[0]!);
  scene.rig.cut(0, 1);
  const askId = scene.rig.register(programs[1]!, 5n);
  scene.rig.run(1500);
  const unheard = [scene.rig.node(0).nodeId];
  assert.equal(scene.answer(1, askId), { type: "registered", unheard });
  scene.rig.heal();
  scene.rig.run(3000);
  scene.send(programs[0]!, "all", 5n, "a");
  scene.rig.run(20);
  assert.equal(scene.of(programs[1]!), ["a"]);
});

test("a node that has not answered for long is not waited for, but named", () => {
  const scene = new Scene(3);
  const programs = [0, 1, 2].map((n) => scene.program(n, 6n));
  scene.narrow(programs[0]!);
  scene.narrow(programs[2]!);
  scene.rig.cut(1, 0);
  scene.rig.register(programs[1]!, 5n);
  scene.rig.run(3000);
  const unheard = [scene.rig.node(0).nodeId];
  const askId = scene.rig.register(programs[1]!, 7n);
  assert.is(scene.answer(1, askId), undefined, "the third node can still be waited for");
  scene.rig.run(20);
  assert.is(scene.answer(1, askId), undefined);
  scene.rig.run(1000);
  assert.equal(scene.answer(1, askId), { type: "registered", unheard });
  scene.rig.cut(1, 2);
  scene.rig.register(programs[1]!, 8n);
  scene.rig.run(3000);
  const late = scene.answer(1, scene.rig.register(programs[1]!, 9n));
  unheard.push(scene.rig.node(2).nodeId);
  assert.equal(late, { type: "registered", unheard });
});

test("a srvid that nobody has any more is taken back after a while", () => {
  const scene = new Scene(2, { narrowMs: 1000 });
  const [one, other] = [scene.program(0), scene.program(1, 5n, 6n)];
  scene.narrow(one);
  scene.rig.register(other, 5n, true);
  scene.rig.run(500);
  assert.equal(scene.send(one, 1, 5n, "a"), { type: "sent", nodes: 1, full: 0 });
  scene.rig.run(1000);
  assert.equal(scene.send(one, 1, 5n, "b"), { type: "sent", nodes: 0, full: 0 });
  assert.equal(scene.send(one, 1, 6n, "c"), { type: "sent", nodes: 1, full: 0 });
});

test("registered for all srvids, and then not any more", () => {
  const scene = new Scene(2, { narrowMs: 1000 });
  const [one, other] = [scene.program(0), scene.program(1, 6n)];
  scene.narrow(one);
  const askId = scene.rig.register(other, SRVID_ALL);
  scene.rig.run(100);
  assert.equal(scene.answer(1, askId), { type: "registered", unheard: [] });
  scene.send(one, "all", 99n, "a");
  scene.send(one, "all", 6n, "b");
  scene.send(one, "all", SRVID_ALL, "c");
  scene.rig.run(100);
  assert.equal(scene.of(other), ["a", "b", "c"]);
  scene.rig.register(other, SRVID_ALL, true);
  scene.rig.run(2000);
  assert.equal(scene.send(one, "all", 99n, "d"), { type: "sent", nodes: 0, full: 0 });
  assert.equal(scene.send(one, "all", SRVID_ALL, "e"), { type: "sent", nodes: 0, full: 0 });
});

test.run();
