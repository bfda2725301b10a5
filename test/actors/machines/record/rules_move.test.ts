/**
 * Each rule about moving a record, by a case in which it matters: with the rule all is well, without it is not.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import type { RecordRules } from "../../../../actors/machines/record/rules.ts";
import type { Incarnation, Pnn, Rsn } from "../../../../transport/wire/terms.ts";
import { Rig } from "./rig.ts";
import type { Lying, OfKind } from "./rig.ts";
import { rulesIn } from "./rules.ts";

const test = suite("rules of moving");

const rule = rulesIn(test);

rule("isSameSlotGen", "a grant of a home that is gone is not taken (two owners)", (rules) => {
  const rig = new Rig(4, rules);
  rig.start([0, 1, 2, 3]);
  const key = rig.keyFor([0, [0, 1, 2, 3]], [3, [1, 2, 3]]);
  rig.write(1, key, 1);
  rig.lock(2, key);
  rig.flow({ keep: ["grant"] });
  const grant = rig.take("grant");
  // Home 0 dies. The new home finds the copy at 1 and gives it to 3; then the old grant comes to 2.
  rig.view([1, 2, 3]);
  rig.flow({ notTo: [0], keep: ["req"] });
  rig.lose("req");
  rig.lock(3, key);
  rig.flow({ notTo: [0] });
  rig.hand(grant);
  rig.flow({ notTo: [0] });
  return rig.owners(key).length === 1;
});

rule("isHeard", "what a former life says is not taken for the present one's", (rules) => {
  const rig = new Rig(3, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.lock(1, key);
  const req = rig.take("req");
  rig.view([0, [1, 2], 2]);
  rig.flow();
  const before = rig.lying.length;
  rig.hand(req);
  return rig.lying.length === before;
});

rule(
  "isGone",
  "a node that restarted at once: what its former life held is found elsewhere",
  (rules) => {
    const rig = new Rig(3, rules);
    rig.start([0, 1, 2]);
    const key = rig.keyFor([0, [0, 1, 2]]);
    rig.write(2, key, 1);
    rig.write(1, key, 2);
    rig.view([0, [1, 2], 2]);
    rig.flow();
    const id = rig.lock(2, key);
    rig.pass(2_000);
    return rig.locked.has(id);
  },
);

rule("barsAfterQuery", "a grant from before a query is not taken", (rules) => {
  const rig = new Rig(3, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  rig.lock(2, key);
  rig.flow({ keep: ["grant"] });
  const grant = rig.take("grant");
  const { slotGen } = grant.message as OfKind<"grant">;
  const { generation } = rig.doc;
  const tid = { gen: slotGen, seq: 99 };
  rig.hand({ ...grant, message: { kind: "query", key, slotGen, tid, generation } });
  rig.hand(grant);
  return rig.owners(key).length === 0;
});

rule("barsAfterPurge", "a grant from before a purge does not bring the record back", (rules) => {
  const rig = new Rig(3, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  rig.lock(2, key);
  rig.flow({ keep: ["grant"] });
  const grant = rig.take("grant");
  const { slotGen } = grant.message as OfKind<"grant">;
  const home = { pnn: 0, incarnation: 1n } as typeof grant.from;
  rig.hand({
    ...grant,
    from: home,
    message: { kind: "purge2", key, slotGen, tid: { gen: slotGen, seq: 99 } },
  });
  rig.hand(grant);
  return rig.value(2, key) === undefined;
});

/** The home moves from 0 to 3 while the ACK of 2 is lost; 2 has written meanwhile. Then 3 drives the transfer again. */
function lostAck(rules: RecordRules, isReleased: boolean): { rig: Rig; key: string } {
  const rig = new Rig(4, rules, { vacuumAgeMs: 10, vacuumMs: 10 });
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]], [3, [0, 1, 2, 3]]);
  rig.write(1, key, 1);
  const id = rig.lock(2, key);
  rig.flow({ keep: ["ack"] });
  rig.lose("ack");
  rig.unlock(2, id, 2);
  rig.flow();
  if (isReleased) {
    rig.call(2, key, 0, "delete");
    rig.pass(60, { keep: ["release", "recall"] });
    rig.lose("release", "recall");
  }
  rig.view([0, 1, 2, 3]);
  rig.flow();
  rig.pass(300);
  return { rig, key };
}

/** The way of a message from a node to another, both in their first lives. */
function lifeOf(rig: Rig, from: number, to: number): Omit<Lying, "message"> {
  const member = (pnn: number) => ({ pnn: pnn as Pnn, incarnation: 1n as Incarnation });
  return { from: member(from), to: member(to), generation: rig.doc.generation };
}

rule("retags", "an owner whose ACK was lost takes the new tid: no query is needed", (rules) => {
  const { rig, key } = lostAck(rules, false);
  return rig.count(3, "I4 healed") === 0 && rig.value(2, key)?.[0] === 2;
});

rule("retagsReleased", "also when it has given the record back meanwhile", (rules) => {
  const { rig } = lostAck(rules, true);
  return rig.count(3, "I4 healed") === 0;
});

rule(
  "retagsOnlyLater",
  "a copy given back that the record went on without stays behind",
  (rules) => {
    const rig = new Rig(3, rules, { vacuumAgeMs: 10, vacuumMs: 10 });
    rig.start([0, 1, 2]);
    const key = rig.keyFor([0, [0, 1, 2]]);
    rig.write(1, key, 1);
    rig.call(1, key, 0, "delete");
    rig.pass(60, { keep: ["release"] });
    rig.lose("release");
    const { tid } = rig.stored(1, key);
    const slotGen = tid.gen;
    // What node 2 gives is of another life, which node 1 has never heard of; nobody waits for it any more.
    const birth = { gen: slotGen, seq: tid.seq + 50 };
    const copy = { tid: birth, rsn: 8n as Rsn, birth, data: new Uint8Array([7]), calls: [] };
    const later = { gen: slotGen, seq: tid.seq + 51 };
    const grant = { kind: "grant", key, slotGen, tid: later, rid: 999, copy } as const;
    rig.hand({ ...lifeOf(rig, 2, 1), message: grant });
    const answer = rig.lying.at(-1)?.message.kind;
    return answer === "nack" && rig.stored(1, key).tid.seq === tid.seq;
  },
);

rule("nackQueries", "a NACK that tells of a newer copy leads to it: a deletion stays", (rules) => {
  const { rig, key } = lostAck(
    { ...rules, retags: () => false, retagsReleased: () => false },
    true,
  );
  const id = rig.lock(1, key);
  rig.pass(2_000);
  return rig.locked.get(id)?.length === 0;
});

rule("dropsRecalls", "a recall for a node that left is not served", (rules) => {
  const rig = new Rig(3, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]], [0, [0, 1]]);
  const id = rig.lock(1, key);
  rig.flow();
  rig.lock(2, key);
  rig.flow();
  rig.view([0, 1]);
  rig.unlock(1, id, 1);
  return rig.owners(key).includes(1);
});

rule(
  "keepsCopies",
  "the holder keeps what it gave: the death of the taker loses nothing",
  (rules) => {
    const rig = new Rig(3, rules);
    rig.start([0, 1, 2]);
    const key = rig.keyFor([0, [0, 1, 2]], [0, [0, 1]]);
    rig.write(1, key, 7);
    rig.lock(2, key);
    rig.flow();
    rig.view([0, 1]);
    rig.flow({ notTo: [2] });
    const id = rig.lock(0, key);
    rig.pass(1_000, { notTo: [2] });
    return rig.locked.get(id)?.[0] === 7;
  },
);

rule("saysNoCopy", "a holder without the copy says so: the key does not hang", (rules) => {
  const rig = new Rig(3, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const id = rig.lock(2, key);
  rig.flow({ keep: ["ack"] });
  rig.lose("ack");
  rig.unlock(2, id, 2);
  // A call by hint brings the newer copy to the former holder: RECALL finds another one there.
  const policy = rig.policies[1];
  if (policy !== undefined) policy.call = "ship";
  rig.call(1, key, 3);
  rig.flow({ keep: ["ack", "recall"] });
  rig.lose("ack");
  const other = rig.lock(0, key);
  for (let round = 0; round < 40; round++) {
    rig.pass(100, { keep: ["ack"] });
    // The repeated GRANT of the same tid would heal it as well.
    if (!rig.machines[0]?.state.counts.has("queries")) rig.lose("ack");
  }
  rig.pass(3_000);
  return rig.locked.has(other) && rig.count(0, "queries") > 0;
});

rule("takesOncePerRid", "a grant of a request that was given up is not taken later", (rules) => {
  const rig = new Rig(3, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  rig.lock(2, key, 50);
  rig.flow({ keep: ["grant"] });
  const grant = rig.take("grant");
  // The client gives up, the grant is refused, and the record goes to the home itself.
  rig.pass(300, { keep: ["grant"] });
  rig.hand(grant);
  rig.lose("grant");
  rig.pass(300);
  rig.write(0, key, 5);
  rig.lock(2, key);
  rig.lose();
  rig.hand(grant);
  return rig.owners(key).length === 1;
});

rule("countsTaking", "taking is a write: the number rises", (rules) => {
  const rig = new Rig(3, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const { rsn } = rig.stored(1, key);
  rig.lock(2, key);
  rig.flow();
  return rig.stored(2, key).rsn > rsn;
});

rule("takesMutex", "a record does not leave while a client is inside its mutex", (rules) => {
  const rig = new Rig(3, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  rig.shelves[1]?.busy.add(key);
  const id = rig.lock(2, key);
  rig.pass(50);
  const isHeldUp = !rig.locked.has(id);
  rig.shelves[1]?.busy.delete(key);
  rig.pass(500);
  return isHeldUp && rig.locked.has(id);
});

rule("countsDeadWriter", "what a dead writer left is a state of its own", (rules) => {
  const rig = new Rig(3, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const before = rig.stored(1, key);
  // It died between the value and the number.
  rig.shelves[1]?.put(key, { ...before, data: new Uint8Array([9]) });
  rig.shelves[1]?.died.add(key);
  rig.op(1, key, { what: "read" });
  return rig.stored(1, key).rsn > before.rsn;
});

rule("renumbersPending", "a new home gives a transfer under way a tid of its own", (rules) => {
  const rig = new Rig(4, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]], [3, [0, 1, 2, 3]]);
  rig.write(1, key, 1);
  rig.lock(2, key);
  rig.flow({ keep: ["recall"] });
  rig.lose("recall");
  rig.view([0, 1, 2, 3]);
  rig.flow({ keep: ["recall"] });
  const { tid, slotGen } = rig.take("recall").message as OfKind<"recall">;
  return tid.gen === slotGen;
});

test.either("A member asks once however many wait, and they have their turn in order", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  const ids = [rig.lock(1, key), rig.lock(1, key), rig.lock(1, key)];
  assert.is(rig.lying.filter(({ message }) => message.kind === "req").length, 1);
  rig.flow();
  ids.forEach((id, at) => {
    assert.is(rig.locked.size, at + 1);
    rig.unlock(1, id, at);
  });
  assert.equal(rig.value(1, key), [2]);
});

test.either("Who waits when a record comes has its turn before it goes, for the minimum hold", () => {
  const rig = new Rig(3, RECORD_RULES, { minHoldMs: 50 });
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  const first = rig.lock(1, key);
  const second = rig.lock(1, key);
  rig.lock(2, key);
  rig.flow();
  rig.unlock(1, first, 1);
  assert.ok(rig.locked.has(second));
  rig.unlock(1, second, 2);
  rig.flow();
  assert.equal(rig.owners(key), [2]);
});

test.either("All messages twice and in any order: one owner, and every lock is had", () => {
  for (let round = 0; round < 30; round++) {
    const rig = new Rig(3);
    rig.start([0, 1, 2]);
    const key = rig.keyFor([0, [0, 1, 2]]);
    const ids = [rig.lock(0, key), rig.lock(1, key), rig.lock(2, key)];
    for (let steps = 0; steps < 400; steps++) {
      const at = (steps * 7 + round * 13) % Math.max(rig.lying.length, 1);
      const one = rig.lying[at];
      if (one !== undefined) {
        if (steps % 3 !== 0) rig.lying.splice(at, 1);
        rig.hand(one);
      } else {
        rig.nowMs += 100;
        rig.machines.forEach((_, node) => rig.step(node, { kind: "wake" }));
      }
      assert.ok(rig.owners(key).length <= 1);
      for (const id of ids) if (rig.locked.has(id)) rig.unlock(ids.indexOf(id), id, id);
    }
    rig.pass(5_000);
    assert.equal(ids.map((id) => rig.outcome(id)), ["ok", "ok", "ok"]);
    assert.equal(rig.breaches, []);
  }
});

test.run();
