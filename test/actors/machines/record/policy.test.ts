/**
 * What the policy makes of what it sees, and what the machine does by it: a record is left for a moment to clients that
 * work in the file, and whoever reads all the time asks for the next copy together with giving the last one back.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Adaptive } from "../../../../actors/machines/record/policy.ts";
import type { Rsn } from "../../../../transport/wire/terms.ts";
import { Rig } from "./rig.ts";

const test = suite("policy");

const LIMITS = { stickyMoves: 50, stickyForMs: 1_000, mayDelegate: true, mayShip: true };
const KEYS_MAX = 4096;

/** A stay of a record: so many writes, of which the daemon has run some. */
function stay(policy: Adaptive, writes: number, run: number): void {
  policy.onMovedIn("k", 0, 100n as Rsn);
  for (let each = 0; each < run; each++) policy.onUsed("k");
  policy.onMovedOut("k", 0, BigInt(100 + writes) as Rsn);
}

test("What clients write in the file counts as use, though nobody tells of it", () => {
  const policy = new Adaptive(LIMITS);
  stay(policy, 1, 1);
  assert.is(policy.onCall("k"), "ship");
  stay(policy, 5_000, 1);
  assert.ok(policy.isUsedInFile("k"));
  assert.is(policy.onCall("k"), "move");
});

test("What the daemon has run, for this node or for others, is not use in the file", () => {
  const policy = new Adaptive(LIMITS);
  for (let round = 0; round < 5; round++) stay(policy, 20, 20);
  assert.not.ok(policy.isUsedInFile("k"));
  policy.onMovedIn("k", 0, 1n as Rsn);
  for (let visit = 0; visit < 20; visit++) policy.onVisit("k");
  policy.onMovedOut("k", 0, 21n as Rsn);
  assert.not.ok(policy.isUsedInFile("k"));
});

test("Use in the file that has ended is forgotten within some stays, however much it was", () => {
  const policy = new Adaptive(LIMITS);
  for (let round = 0; round < 20; round++) stay(policy, 100_000, 0);
  let stays = 0;
  while (policy.isUsedInFile("k")) {
    stay(policy, 0, 0);
    stays += 1;
  }
  assert.ok(stays <= 8, `${stays}`);
});

test("A record that moves often is sticky, unless its stays are used in the file", () => {
  const [asked, used] = [new Adaptive(LIMITS), new Adaptive(LIMITS)];
  for (let move = 0; move < LIMITS.stickyMoves; move++) {
    stay(asked, 1, 1);
    stay(used, 1_000, 1);
  }
  assert.ok(asked.isSticky("k", 1));
  assert.not.ok(used.isSticky("k", 1));
});

test("A record that falls back to an older number was not used", () => {
  const policy = new Adaptive(LIMITS);
  policy.onMovedIn("k", 0, 100n as Rsn);
  policy.onMovedOut("k", 0, 7n as Rsn);
  assert.not.ok(policy.isUsedInFile("k"));
});

test("A copy to read is asked for at once when one was wanted soon after the last was taken back", () => {
  const policy = new Adaptive(LIMITS);
  policy.onRead("k", 100);
  assert.not.ok(policy.onRevoked("k", 101), "the first says nothing");
  policy.onRead("k", 102);
  assert.ok(policy.onRevoked("k", 103));
  assert.not.ok(policy.onRevoked("k", 104), "nobody has wanted one since");
  policy.onRead("k", 200);
  assert.not.ok(policy.onRevoked("k", 201), "it was wanted much later");
});

test("Nothing is asked for at once where copies to read are not to be had", () => {
  const policy = new Adaptive({ ...LIMITS, mayDelegate: false });
  policy.onRead("k", 100);
  policy.onRevoked("k", 101);
  policy.onRead("k", 102);
  assert.not.ok(policy.onRevoked("k", 103));
});

test("Of many records those are forgotten that were not asked about lately", () => {
  const policy = new Adaptive(LIMITS);
  for (let at = 0; at < KEYS_MAX; at++) policy.onUsed(`k${at}`);
  policy.onUsed("k1");
  policy.onUsed("k3");
  for (let at = 0; at < 4; at++) policy.onUsed(`new ${at}`);
  const known = ["k0", "k1", "k2", "k3", "new 0", "new 3"].map((key) =>
    policy.look(key)?.usesInAll
  );
  // The search begins behind the first.
  assert.equal(known, [1, 2, undefined, 2, 1, 1]);
  let count = 0;
  for (let at = 0; at < KEYS_MAX; at++) if (policy.look(`k${at}`) !== undefined) count += 1;
  assert.is(count, KEYS_MAX - 4);
});

test("Among records that are all asked about, somebody is forgotten all the same", () => {
  const policy = new Adaptive(LIMITS);
  for (let round = 0; round < 2; round++) {
    for (let at = 0; at < KEYS_MAX; at++) policy.onUsed(`k${at}`);
  }
  for (let at = 0; at < 100; at++) {
    policy.onUsed(`new ${at}`);
    assert.is(policy.look(`new ${at}`)?.usesInAll, 1);
  }
  assert.is(policy.hot(2 * KEYS_MAX, 0).length, KEYS_MAX);
});

/** Node 1 takes a record with a call, and node 2 wants it at once; home is node 0. */
function contested(inFile: boolean): { rig: Rig; key: string; lock: number } {
  const rig = new Rig(3, undefined, { minHoldMs: 5 });
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(2, key, 1);
  rig.pass(100);
  const policy = rig.policies[1];
  if (policy !== undefined) policy.inFile = inFile;
  rig.call(1, key, 9);
  rig.flow();
  return { rig, key, lock: rig.lock(2, key) };
}

test("A record that clients use in the file stays with them for the minimum hold, then it goes", () => {
  const { rig, key, lock } = contested(true);
  rig.pass(4);
  assert.equal(rig.owners(key), [1]);
  assert.not.ok(rig.locked.has(lock));
  rig.pass(2);
  assert.ok(rig.locked.has(lock));
  assert.equal(rig.owners(key), [2]);
});

test("One that they do not goes at once", () => {
  const { rig, lock } = contested(false);
  rig.flow();
  assert.ok(rig.locked.has(lock));
});

/** Node 2 reads a record of node 1, which then changes it. What node 2 says to that. */
function revoked(again: boolean): { rig: Rig; key: string; said: string[] } {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const policy = rig.policies[2];
  if (policy !== undefined) [policy.read, policy.again] = ["delegate", again];
  rig.op(2, key, { what: "read" });
  rig.flow();
  rig.call(1, key, 9);
  rig.hand(rig.take("revoke"));
  return { rig, key, said: rig.lying.map(({ message }) => message.kind) };
}

test("Who reads all the time asks for the next copy with the same message that gives the last one back", () => {
  const { rig, key, said } = revoked(true);
  assert.equal(said, ["revoked", "ro_ask"]);
  rig.flow();
  assert.equal(rig.value(2, key), [1, 9]);
  assert.is(rig.machines[2]?.lookAt(key).role, "reader");
  assert.equal(rig.breaches, []);
});

test("Who does not only gives it back", () => {
  const { rig, key, said } = revoked(false);
  assert.equal(said, ["revoked"]);
  rig.flow();
  assert.is(rig.machines[2]?.lookAt(key).role, "stale");
});

test("A copy that was asked for so, and that nobody wants any more, is not asked for again", () => {
  const { rig, key } = revoked(true);
  rig.lose("ro_ask");
  rig.pass(1_000);
  assert.is(rig.machines[2]?.state.keys.get(key), undefined);
  assert.is(rig.machines[2]?.lookAt(key).role, "stale");
});

test.run();
