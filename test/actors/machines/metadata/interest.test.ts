/**
 * Who is interested in what, from the document.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  attachEpoch,
  interestHash,
  interestsOf,
} from "../../../../actors/machines/metadata/interest.ts";
import { nodeScope } from "../../../../actors/machines/metadata/record.ts";
import type { NodeId, Pnn } from "../../../../transport/wire/terms.ts";

const test = suite("metadata interest");

const id = (number: number) => `${number}`.padStart(32, "0") as NodeId;
const node = (number: number, adminFlags: ("stopped" | "banned" | "deleted")[] = []) => ({
  pnn: number as Pnn,
  nodeId: id(number),
  adminFlags,
});
const DOC = { nodes: [node(1), node(2), node(3), node(4, ["deleted"])] };
const ATTACHED = new Map([
  ["a", [{ nodeId: id(1), epoch: 70n }, { nodeId: id(2), epoch: 71n }, {
    nodeId: id(4),
    epoch: 72n,
  }]],
  ["b", [{ nodeId: id(3), epoch: 80n }]],
]);
const LEADER = { nodeId: id(3), token: 999n };
const pairs = (interests: ReturnType<typeof interestsOf>, scope: string) =>
  interests.get(scope)?.interested.map(({ nodeId, epoch }) => `${Number(nodeId)}:${epoch}`);

test("a node: the cluster, its own scope, its databases; with the leader in each", () => {
  const interests = interestsOf(DOC, ATTACHED, LEADER, id(1));
  assert.equal([...interests.keys()], ["c", nodeScope(id(1)), "d/a"]);
  assert.equal(pairs(interests, "c"), ["1:1", "2:2", "3:3"]);
  assert.equal(pairs(interests, nodeScope(id(1))), ["1:1", "3:999"]);
  assert.equal(pairs(interests, "d/a"), [
    `1:${attachEpoch(1n, 70n)}`,
    `2:${attachEpoch(2n, 71n)}`,
    "3:999",
  ]);
  assert.ok([...interests.values()].every(({ isKept }) => isKept));
});

test("the leader: everything, and only what is its own in files", () => {
  const interests = interestsOf(DOC, ATTACHED, LEADER, id(3));
  const kept = [...interests].filter(([, { isKept }]) => isKept).map(([scope]) => scope);
  assert.equal(kept, ["c", nodeScope(id(3)), "d/b"]);
  assert.is(interests.size, 6);
  assert.equal(pairs(interests, "d/b"), [`3:${attachEpoch(3n, 80n)}`]);
});

test("stopped and banned nodes are interested, deleted ones are not", () => {
  const nodes = [node(1, ["stopped"]), node(2, ["banned"]), node(3, ["deleted"])];
  const interests = interestsOf({ nodes }, new Map(), undefined, id(1));
  assert.equal(pairs(interests, "c"), ["1:1", "2:2"]);
  assert.is(interestsOf({ nodes }, new Map(), undefined, id(3)).size, 0);
});

test("a leader that is no node is not interested", () => {
  const interests = interestsOf(DOC, ATTACHED, { nodeId: id(4), token: 1n }, id(2));
  assert.equal(pairs(interests, nodeScope(id(2))), ["2:2"]);
  assert.is(interestsOf(DOC, ATTACHED, { nodeId: id(4), token: 1n }, id(4)).size, 0);
});

test("the hash is of the ids and the epochs", () => {
  const list = [{ nodeId: id(1), epoch: 5n }, { nodeId: id(2), epoch: 6n }];
  const others = [
    [{ nodeId: id(1), epoch: 5n }],
    [{ nodeId: id(1), epoch: 5n }, { nodeId: id(2), epoch: 7n }],
    [{ nodeId: id(1), epoch: 5n }, { nodeId: id(3), epoch: 6n }],
    [],
  ];
  assert.is(new Set([list, ...others].map(interestHash)).size, 5);
  assert.is(interestHash([...list]), interestHash(list));
});

test.run();
