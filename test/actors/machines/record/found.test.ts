/**
 * What the swarm has found, each as the smallest case that shows it. docs/RECORDS.md has the list.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FLAG_RO } from "../../../../actors/machines/record/copy.ts";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import type { Incarnation, Pnn } from "../../../../transport/wire/terms.ts";
import { Rig } from "./rig.ts";
import type { OfKind } from "./rig.ts";

const test = suite("found by the swarm");

test("A record that is granted to its own holder is not owned before it is taken", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]], [0, [0, 1]]);
  rig.write(1, key, 1);
  const { tid } = rig.stored(1, key);
  rig.write(2, key, 2);
  // Node 2 dies: node 1 holds the newest copy, and owns nothing.
  rig.view([0, 1]);
  rig.pass(1_000, { notTo: [2] });
  const shelf = rig.shelves[1];
  const owned: boolean[] = [];
  if (shelf === undefined) throw new RangeError("no shelf");
  const put = shelf.put.bind(shelf);
  shelf.put = (name, stored) => {
    owned.push(stored.dmaster === 1 && stored.tid === tid);
    put(name, stored);
  };
  const id = rig.lock(1, key);
  rig.pass(1_000, { notTo: [2] });
  assert.ok(rig.locked.has(id));
  assert.ok(owned.length > 1);
  assert.not.ok(owned.includes(true));
});

test("A revocation of a later number stops a reader that has the copy of an earlier one", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.read = "delegate";
  rig.op(2, key, { what: "read" });
  rig.hand(rig.take("ro_ask"));
  rig.hand(rig.take("ro_ask", 1));
  const ro = rig.take("ro");
  const { rid } = ro.message as OfKind<"ro">;
  rig.hand(ro);
  assert.ok(((rig.stored(2, key).flags) & FLAG_RO) !== 0);
  rig.hand({ ...ro, message: { kind: "revoke", key, rid: rid + 5 } });
  assert.is(rig.stored(2, key).flags & FLAG_RO, 0);
});

test("Calls that wait to be run here count as under way: each is executed", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(2, key, 1);
  rig.write(1, key, 1);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.call = "ship";
  const ids = [5, 6, 7].map((byte) => rig.call(2, key, byte));
  // The owner has been recalled: every call is sent back as it comes.
  const call = rig.take("call");
  const { seq } = call.message as OfKind<"call">;
  const no = { kind: "call_no", key, seq, why: "unowned" } as const;
  rig.hand({ ...call, from: call.to, to: call.from, message: no });
  assert.is(rig.lying.filter(({ message }) => message.kind === "call").length, 0);
  rig.pass(2_000);
  assert.equal(ids.map((id) => rig.outcome(id)), ["ok", "ok", "ok"]);
  assert.is(rig.value(2, key)?.length ?? rig.value(1, key)?.length, 4);
});

test("A traverse tells a recovered record that nobody has taken yet", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]], [0, [0, 1]]);
  rig.write(1, key, 7);
  rig.write(2, key, 8);
  rig.view([0, 1]);
  rig.pass(1_000, { notTo: [2] });
  rig.step(0, {
    kind: "traverse",
    ...{ id: 900, client: 0, prefix: "", isCount: false, credit: 9, deadlineMs: 1e9 },
  });
  rig.pass(1_000, { notTo: [2] });
  assert.equal(rig.told.map(({ data }) => data?.[0]), [7]);
});

test("The last node that drains serves what is there", () => {
  const rig = new Rig(2);
  rig.start([0, 1]);
  rig.view([0], { draining: [0] });
  rig.pass(500, { notTo: [1] });
  const read = rig.op(0, "anything", { what: "read" });
  const lock = rig.lock(0, "anything");
  rig.pass(500, { notTo: [1] });
  assert.is(rig.outcome(read), "ok");
  assert.ok(rig.locked.has(lock));
});

test("What was asked for before a planned stop is not taken in it", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]], [0, [0, 2]]);
  rig.write(2, key, 1);
  const id = rig.lock(1, key);
  rig.flow({ keep: ["grant"] });
  const grant = rig.take("grant");
  rig.view([0, 1, 2], { draining: [1] });
  rig.hand(grant);
  assert.not.ok(rig.owners(key).includes(1));
  rig.pass(1_000);
  assert.is(rig.outcome(id), "failed");
  assert.not.ok(rig.owners(key).includes(1));
  assert.is(rig.machines[0]?.leftAt(1 as Pnn), 0);
});

test("A life's numbers mean nothing to the next: what was for the one before is dropped", () => {
  const rig = new Rig(3, RECORD_RULES);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  rig.lock(2, key);
  rig.flow({ keep: ["grant"] });
  const grant = rig.take("grant");
  rig.view([0, 1, [2, 2]]);
  rig.flow();
  // As in a daemon that was started anew: numbers begin at 1.
  const state = rig.machines[2]?.state;
  if (state !== undefined) state.rid = 0;
  rig.lock(2, key);
  rig.lose();
  rig.hand(grant);
  assert.is(rig.machines[2]?.state.incarnation, 2n as Incarnation);
  assert.not.ok(rig.owners(key).includes(2));
});

test.run();
