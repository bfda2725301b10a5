/**
 * A write: one publication to those who are interested, and what is slow goes together.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { META_KEY_MAX, META_VALUE_MAX } from "../../../../transport/wire/limits.ts";
import { Watched } from "./watch.ts";

const test = suite("metadata writes");

/** Six nodes, 0 leads; 1, 2 and 3 have database a. */
function cluster(): Watched {
  const rig = new Watched(6);
  rig.attach("a", [1, 2, 3]);
  rig.startAll(0);
  rig.run(9000);
  rig.clear();
  return rig;
}

test("a change of a database costs one publication, to its nodes and the leader", () => {
  const rig = cluster();
  rig.write(2, "d/a", "size", "5");
  rig.run(200);
  assert.equal(rig.of("md_publish").map(({ from, to }) => ({ from, to })), [{
    from: 2,
    to: [0, 1, 3],
  }]);
  for (const node of [0, 1, 2, 3]) assert.is(rig.values(node, "d/a"), "size=5");
  assert.is(rig.values(4, "d/a"), "-");
  // Nothing follows: no acknowledgement, no relay.
  assert.equal(rig.sent.filter(({ message }) => message.kind !== "md_digest").length, 1);
});

test("a change of a node's own scope goes to the leader; one of the leader to the node", () => {
  const rig = cluster();
  rig.write(4, rig.scopeOf(4), "health", "good");
  rig.write(0, rig.scopeOf(4), "wish", "drain");
  rig.run(200);
  assert.equal(rig.of("md_publish").map(({ from, to }) => [from, ...to]), [[4, 0], [0, 4]]);
  for (const node of [0, 4]) assert.is(rig.values(node, rig.scopeOf(4)), "health=good wish=drain");
});

test("the leader's own scope is told to nobody", () => {
  const rig = cluster();
  rig.write(0, rig.scopeOf(0), "health", "good");
  rig.run(200);
  assert.equal(rig.of("md_publish"), []);
  assert.is(rig.values(0, rig.scopeOf(0)), "health=good");
});

test("a node says at most one thing a second to the whole cluster: the newest of each key", () => {
  const rig = cluster();
  for (let i = 0; i < 40; i++) {
    rig.write(3, "c", `key${i % 4}`, `${i}`);
    rig.run(100);
  }
  rig.run(1500);
  const publications = rig.of("md_publish", "c");
  assert.ok(publications.length >= 4 && publications.length <= 6, `${publications.length}`);
  for (const { message } of publications.slice(1)) {
    assert.is(new Set(message.records.map(({ key }) => key)).size, message.records.length);
  }
  for (const node of [0, 5]) assert.is(rig.values(node, "c"), "key0=36 key1=37 key2=38 key3=39");
});

test("a slow change waits for others of its scope; a fast one of the same key takes its place", () => {
  const rig = cluster();
  rig.write(1, "d/a", "x", "0", true);
  rig.write(1, "d/a", "x", "1", true);
  rig.write(1, "d/a", "y", "1", true);
  rig.write(1, "d/a", "x", "2");
  rig.run(1500);
  const told = rig.of("md_publish").map(({ message }) =>
    message.records.map(({ key, value }) => `${key}=${value}`)
  );
  assert.equal(told, [["x=0"], ["x=2"], ["y=1"]]);
});

test("a slow change that has lost before it was sent is not sent", () => {
  const rig = cluster();
  rig.write(1, "d/a", "first", "1", true);
  rig.write(1, "d/a", "x", "old", true);
  rig.write(1, "d/a", "y", "1", true);
  // Two writes: the second stamp is above the one that waits.
  rig.write(2, "d/a", "z", "1");
  rig.write(2, "d/a", "x", "new");
  rig.write(2, "d/a", "x", "newer");
  rig.write(2, "d/a", "x", "newest");
  rig.run(1500);
  const told = rig.of("md_publish").filter(({ from }) => from === 1);
  assert.equal(told.map(({ message }) => message.records.map(({ key }) => key)), [["first"], [
    "y",
  ]]);
  for (const node of [0, 1, 2, 3]) assert.is(rig.machine(node).get("d/a", "x")?.value, "newest");
});

test("the writer has it at once, and is told its stamp", () => {
  const rig = cluster();
  const ask = rig.write(1, "d/a", "x", "1");
  assert.is(rig.values(1, "d/a"), "x=1");
  assert.equal(rig.node(1).answers.get(ask), {
    type: "written",
    c: rig.machine(1).get("d/a", "x")?.c,
  });
});

test("of two writes at once the same one counts everywhere", () => {
  const rig = cluster();
  for (const node of [1, 2, 3]) rig.write(node, "d/a", "x", `of ${node}`);
  rig.run(200);
  // Their stamps are equal; the highest id has it.
  for (const node of [0, 1, 2, 3]) assert.is(rig.values(node, "d/a"), "x=of 3");
  assert.is(new Set(rig.of("md_publish").map(({ message }) => message.records[0]?.c)).size, 1);
});

test("many large slow changes go in as many messages as they need", () => {
  const rig = cluster();
  rig.write(1, "d/a", "first", "", true);
  for (let i = 0; i < 700; i++) {
    rig.write(1, "d/a", `key${i}`, i < 60 ? "v".repeat(META_VALUE_MAX) : "", true);
  }
  rig.run(1500);
  const counts = rig.of("md_publish").map(({ message }) => message.records.length);
  assert.is(counts.reduce((sum, count) => sum + count), 701);
  assert.ok(counts.every((count) => count <= 256), counts.join());
  assert.ok(counts.length > 4, "large ones fill a message sooner");
  assert.is(rig.machine(2).list("d/a")?.length, 701);
});

test("what is no key, value or scope is refused with the limit's name", () => {
  const rig = cluster();
  const asks = [
    rig.write(1, "d/a", "k".repeat(META_KEY_MAX + 1), ""),
    rig.write(1, "d/a", "k", "v".repeat(META_VALUE_MAX + 1)),
    rig.write(1, "nonsense", "k", ""),
  ];
  for (const ask of asks) {
    const answer = rig.node(1).answers.get(ask);
    assert.is(answer?.type === "refused" && answer.code, "limit");
    assert.match(answer?.type === "refused" ? answer.text : "", /^Cannot write metadata: /);
  }
  assert.equal(rig.changed, []);
});

test("who watches is told of each change once, on each node", () => {
  const rig = cluster();
  rig.write(1, "d/a", "x", "1");
  rig.run(200);
  rig.write(2, "d/a", "x", null);
  rig.run(20_000);
  const expected = [0, 1, 2, 3].flatMap((node) => [`${node} d/a x=1`, `${node} d/a x=null`]);
  assert.equal([...rig.changed].sort(), expected);
});

test("a node that stops sends and saves what waits", () => {
  const rig = cluster();
  rig.write(1, "c", "first", "1");
  rig.write(1, "c", "second", "1");
  rig.tell(rig.node(1), { type: "stop" });
  rig.run(50);
  assert.is(rig.values(5, "c"), "first=1 second=1");
  assert.is(rig.node(1).disk.scopes.get("c")?.records.size, 2);
});

test.run();
