/** A traverse finds what moves while it asks, whatever of its questions is answered first. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Key } from "../../../../actors/machines/record/copy.ts";
import { Rig } from "./rig.ts";
import type { OfKind } from "./rig.ts";

const test = suite("traverse of what moves");

/** What lies on the table for the home or for the holder, of the last question. */
function asked(rig: Rig): OfKind<"read_ask"> {
  const found = rig.lying.map(({ message }) => message).filter(({ kind }) => kind === "read_ask");
  const last = found.at(-1);
  if (last?.kind !== "read_ask") throw new Error("nothing is asked");
  return last;
}

/** The holder says of some keys that they are elsewhere. */
function moved(rig: Rig, keys: readonly Key[]): void {
  const { id } = asked(rig);
  const at = rig.lying.findLastIndex(({ message }) => message.kind === "read_ask");
  const [lying] = rig.lying.splice(at, 1);
  if (lying === undefined) throw new Error("nothing is asked");
  const values = keys.map((key) => ({ key, moved: true, empty: true }));
  rig.hand({ ...lying, from: lying.to, to: lying.from, message: { kind: "read", id, values } });
}

test("A key that turns out to have moved while the home is asked about another is asked for, too", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const [one, other] = twins(rig);
  for (const key of [one, other]) rig.write(1, key, 7);
  const deadlineMs = rig.nowMs + 10_000;
  const ask = { client: 1, prefix: "", isCount: false, credit: 10, deadlineMs };
  rig.step(2, { kind: "traverse", id: 1, ...ask });
  rig.flow({ keep: ["read_ask"] });
  moved(rig, [one]);
  // Now the home is asked about the first, and the holder about the second.
  rig.pass(100, { keep: ["read_ask", "list"] });
  assert.equal(asked(rig).keys.map(({ key }) => key), [other]);
  moved(rig, [other]);
  rig.pass(5_000);
  assert.equal(rig.told.map(({ key }) => key).sort(), [one, other].sort());
  assert.is(rig.ended[0]?.outcome, "ok");
});

test("What was asked of a slot before it had another home does not end it, though the answer comes first", () => {
  const rig = new Rig(3);
  rig.start([0, 2]);
  const [moves, stays] = [
    rig.keyFor([2, [0, 2]], [1, [0, 1, 2]]),
    rig.keyFor([2, [0, 2]], [2, [0, 1, 2]]),
  ];
  for (const key of [moves, stays]) rig.write(0, key, 7);
  const ask = { client: 1, prefix: "", isCount: false, credit: 1, deadlineMs: rig.nowMs + 10_000 };
  rig.step(2, { kind: "traverse", id: 1, ...ask });
  rig.flow({ keep: ["read_ask"] });
  const questions = rig.lying.splice(0).sort((one) => asksFor(one, stays) ? -1 : 1);
  assert.equal(questions.map((one) => asksFor(one, moves)), [false, true]);
  const [first, late] = questions;
  // The first answer takes all that the client wants for now.
  if (first !== undefined) rig.hand(first);
  rig.flow();
  assert.is(rig.told.length, 1);
  rig.view([0, 1, 2]);
  if (late !== undefined) rig.hand(late);
  rig.flow();
  rig.step(2, { kind: "more", id: 1, credit: 10 });
  rig.pass(5_000);
  assert.equal(rig.told.map(({ key }) => key).sort(), [moves, stays].sort());
  assert.is(rig.ended[0]?.outcome, "ok");
});

/** Is it a question for the value of this key? */
function asksFor({ message }: Rig["lying"][number], key: Key): boolean {
  return message.kind === "read_ask" && message.keys.some((one) => one.key === key);
}

/** Two keys of one slot, whose home is node 0. */
function twins(rig: Rig): [Key, Key] {
  const seen = new Map<number, Key>();
  for (let at = 0;; at++) {
    const key = `k${at}`;
    const { slot, home } = rig.machines[0]?.lookAt(key) ?? {};
    if (slot === undefined || home?.pnn !== 0) continue;
    const known = seen.get(slot);
    if (known !== undefined) return [known, key];
    seen.set(slot, key);
  }
}

test.run();
