/** Who watches which records: by key, by prefixes of several lengths, by node; and what is left when they go. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Interests } from "../../../actors/data/interests.ts";
import type { DbId, NodeId, Version } from "../../../transport/wire/terms.ts";

const test = suite("interests");

const ONE = "1".repeat(32) as NodeId;
const TWO = "2".repeat(32) as NodeId;
const EPOCH = "7.9";
const of = (text: string, isPrefix = false) => (
  { dbId: 7 as DbId, since: 9n as Version, isPrefix, text }
);

test("keys and prefixes are found, of this epoch only", () => {
  const interests = new Interests();
  assert.not(interests.isWatched(EPOCH, "user/a"));
  assert.ok(interests.add(ONE, of("user/a")));
  assert.not(interests.add(ONE, of("user/a")), "it was known");
  interests.add(TWO, of("user/", true));
  interests.add(TWO, of("u", true));
  assert.equal([...interests.watchersOf(EPOCH, "user/a")].sort(), [ONE, TWO]);
  assert.equal([...interests.watchersOf(EPOCH, "up")], [TWO]);
  assert.ok(interests.isWatched(EPOCH, "user/b"));
  assert.not(interests.isWatched(EPOCH, "User"));
  assert.not(interests.isWatched("7.10", "user/a"));
  assert.equal(interests.at(7 as DbId, 9n as Version).map(({ text }) => text), [
    "user/a",
    "user/",
    "u",
  ]);
  assert.equal(interests.at(8 as DbId, 9n as Version), []);
});

test("the empty prefix is every key; a key is not its own prefix's longer sister", () => {
  const interests = new Interests();
  interests.add(ONE, of("", true));
  assert.ok(interests.isWatched(EPOCH, ""));
  assert.ok(interests.isWatched(EPOCH, "anything"));
  interests.drop(ONE, of("", true));
  interests.add(ONE, of("abc", true));
  assert.not(interests.isWatched(EPOCH, "ab"));
  assert.ok(interests.isWatched(EPOCH, "abc"));
});

test("what the last node drops is watched no longer, and lengths of prefixes go with it", () => {
  const interests = new Interests();
  for (const node of [ONE, TWO]) {
    interests.add(node, of("ab", true));
    interests.add(node, of("cd", true));
    interests.add(node, of("k"));
  }
  interests.drop(ONE, of("ab", true));
  interests.drop(ONE, of("ab", true));
  assert.ok(interests.isWatched(EPOCH, "abc"));
  interests.drop(TWO, of("ab", true));
  assert.not(interests.isWatched(EPOCH, "abc"));
  assert.ok(interests.isWatched(EPOCH, "cde"), "of the same length");
  assert.is(interests.countOf(TWO), 2);
  assert.is(interests.bytesOf(TWO), 15 + 2 + 15 + 1);
  interests.dropAll(TWO);
  assert.equal([...interests.watchersOf(EPOCH, "cde")], [ONE]);
  interests.dropAll(ONE);
  assert.equal(interests.nodes(), []);
  assert.is(interests.bytesOf(TWO), 0);
  assert.not(interests.isWatched(EPOCH, "k"));
  interests.dropAll(ONE);
});

test.run();
