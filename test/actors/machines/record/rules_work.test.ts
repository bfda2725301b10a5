/**
 * Each rule about reading and calling where the record is not, by a case in which it matters.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FLAG_RO } from "../../../../actors/machines/record/copy.ts";
import { PROCEDURES } from "../../../../actors/machines/record/procedures.ts";
import type { Procedure } from "../../../../actors/machines/record/procedures.ts";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import type { RecordRules } from "../../../../actors/machines/record/rules.ts";
import { Rig } from "./rig.ts";
import type { OfKind } from "./rig.ts";
import { rulesIn } from "./rules.ts";

const test = suite("rules of reading and calling");
const rule = rulesIn(test);

/** Three nodes; home 0, owner 1 with value 1, and node 2 asks by copies to read and sends its work. */
function withOwner(rules: RecordRules, procedures = PROCEDURES): { rig: Rig; key: string } {
  const rig = new Rig(3, rules, {}, procedures);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const policy = rig.policies[2];
  if (policy !== undefined) {
    policy.read = "delegate";
    policy.call = "ship";
  }
  return { rig, key };
}

/** May node 2 read the key, as its file says? */
function reads(rig: Rig, key: string): boolean {
  return ((rig.shelves[2]?.get(key)?.flags ?? 0) & FLAG_RO) !== 0;
}

rule("keepsHighestRid", "a late question does not hide the later one (C1)", (rules) => {
  const { rig, key } = withOwner(rules);
  rig.op(2, key, { what: "read" });
  const first = rig.take("ro_ask");
  rig.hand(first);
  const late = rig.take("ro_ask", 1);
  rig.hand(late);
  rig.flow();
  // Revoked, and asked again.
  rig.write(1, key, 2);
  rig.op(2, key, { what: "read" });
  rig.flow();
  rig.hand(late);
  rig.lose("ro");
  rig.write(1, key, 3);
  return !reads(rig, key);
});

rule("revokesBeforeWrite", "nobody reads by an old copy when a write is done", (rules) => {
  const { rig, key } = withOwner(rules);
  rig.op(2, key, { what: "read" });
  rig.flow();
  rig.write(1, key, 2);
  return !reads(rig, key);
});

rule("revokesBeforeMove", "nor when the record moves", (rules) => {
  const { rig, key } = withOwner(rules);
  rig.op(2, key, { what: "read" });
  rig.flow();
  rig.write(0, key, 2);
  return !reads(rig, key);
});

rule("revokeVoidsAsked", "a copy that is overtaken by its revocation is not used", (rules) => {
  const { rig, key } = withOwner(rules);
  rig.op(2, key, { what: "read" });
  rig.hand(rig.take("ro_ask"));
  rig.hand(rig.take("ro_ask", 1));
  const ro = rig.take("ro");
  const id = rig.lock(1, key);
  rig.flow({ keep: ["ro_ask"] });
  rig.unlock(1, id, 2);
  rig.hand(ro);
  return !reads(rig, key);
});

rule("dropsLateAnswers", "a copy that is not asked for any more is not used (C12)", (rules) => {
  const { rig, key } = withOwner(rules);
  rig.op(2, key, { what: "read" });
  rig.hand(rig.take("ro_ask"));
  rig.hand(rig.take("ro_ask", 1));
  const ro = rig.take("ro");
  const message = { ...ro.message as OfKind<"ro">, rid: 77 };
  rig.hand({ ...ro, message });
  return !reads(rig, key);
});

rule(
  "stopsReadingFirst",
  "who reads by a node that left stops before it says what it has (C4)",
  (rules) => {
    const { rig, key } = withOwner(rules);
    rig.op(2, key, { what: "read" });
    rig.flow();
    // A client is inside the mutex while the granter leaves.
    rig.shelves[2]?.busy.add(key);
    rig.view([0, 2]);
    rig.flow({ notTo: [1] });
    rig.pass(50, { notTo: [1] });
    const wasSilent = rig.count(0, "queries") > 0 && rig.machines[0]?.state.rounds.size === 1;
    rig.shelves[2]?.busy.delete(key);
    rig.pass(2_000, { notTo: [1] });
    return wasSilent && !reads(rig, key);
  },
);

rule("checksBirth", "a call for a life of the record that is over is not executed", (rules) => {
  const { rig, key } = withOwner(rules);
  rig.write(2, key, 1);
  rig.write(1, key, 2);
  rig.call(2, key, 9);
  const call = rig.take("call");
  const { slotGen } = call.message as OfKind<"call">;
  const birth = { gen: slotGen, seq: 77 };
  rig.hand({ ...call, message: { ...call.message as OfKind<"call">, birth } });
  return rig.value(1, key)?.length === 1;
});

rule(
  "oneCallPerKey",
  "two calls at once: both are executed, or it is said that one was not (C5)",
  (rules) => {
    const { rig, key } = withOwner(rules);
    rig.write(2, key, 1);
    rig.write(1, key, 1);
    const ids = [rig.call(2, key, 7), rig.call(2, key, 8)];
    // The later one overtakes the earlier.
    const first = rig.take("call");
    rig.flow();
    rig.hand(first);
    rig.pass(3_000);
    const done = ids.filter((id) => rig.outcome(id) === "ok").length;
    return done === 2 && (rig.value(1, key) ?? rig.value(2, key))?.length === 3;
  },
);

rule(
  "tombstoneIsNewLife",
  "a record that comes back from a tombstone is another one (C6)",
  (rules) => {
    const { rig, key } = withOwner(rules);
    rig.write(2, key, 1);
    rig.write(1, key, 1);
    rig.call(2, key, 7);
    const call = rig.take("call");
    rig.hand(call);
    rig.flow();
    const { slotGen } = call.message as OfKind<"call">;
    // Purged half-way: what node 2 has is a tombstone, and it gets the record by a recovery.
    const tid = { gen: slotGen, seq: 98 };
    rig.hand({
      ...call,
      to: { ...call.from },
      from: { pnn: 0, incarnation: 1n } as typeof call.from,
      message: { kind: "purge1", key, slotGen, tid },
    });
    rig.lose();
    rig.lock(0, key);
    rig.lose();
    const { birth } = rig.stored(2, key);
    return birth.seq === 98;
  },
);

rule("originMustBeIn", "a call of a node that left is not executed (C8)", (rules) => {
  const { rig, key } = withOwner(rules);
  rig.write(2, key, 1);
  rig.write(1, key, 1);
  const id = rig.lock(1, key);
  rig.call(2, key, 7);
  rig.flow();
  rig.view([0, 1]);
  rig.unlock(1, id);
  rig.flow({ notTo: [2] });
  return rig.value(1, key)?.length === 1;
});

rule(
  "movesProofs",
  "the proof of a call goes with the record: it is not executed again",
  (rules) => {
    const { rig, key } = withOwner(rules);
    rig.write(2, key, 1);
    rig.write(1, key, 1);
    rig.call(2, key, 7);
    const call = rig.take("call");
    rig.hand(call);
    rig.lose("call_done");
    const id = rig.lock(0, key);
    rig.flow();
    rig.unlock(0, id);
    rig.lose();
    // The record is at node 0 now; the call comes a second time, there.
    const message = { ...call.message as OfKind<"call">, path: "hint" as const };
    rig.hand({ ...call, message, to: { pnn: 0, incarnation: 1n } as typeof call.to });
    return rig.value(0, key)?.length === 2;
  },
);

rule("keepsCallCopy", "what was told as done outlives the node that did it", (rules) => {
  const { rig, key } = withOwner(rules);
  rig.write(2, key, 1);
  rig.write(1, key, 1);
  const id = rig.call(2, key, 7);
  rig.flow();
  assert.is(rig.outcome(id), "ok");
  rig.view([0, 2]);
  rig.pass(1_000, { notTo: [1] });
  const lock = rig.lock(0, key);
  rig.pass(1_000, { notTo: [1] });
  return rig.locked.get(lock)?.[1] === 7;
});

rule("unknownAfterBirth", "who may have called one life does not call another", (rules) => {
  const { rig, key } = withOwner(rules);
  rig.write(2, key, 1);
  rig.write(1, key, 1);
  const id = rig.call(2, key, 7);
  const call = rig.take("call");
  const { seq, slotGen } = call.message as OfKind<"call">;
  rig.hand({
    ...call,
    from: call.to,
    to: call.from,
    message: { kind: "call_no", key, seq, why: "birth", birth: { gen: slotGen, seq: 66 } },
  });
  return rig.outcome(id) === "unknown";
});

rule("provesRefusal", "what was refused is not done later", (rules) => {
  let isWilling = false;
  const moody: Procedure = (_, args) =>
    isWilling
      ? { ok: true, data: args.slice(), result: args }
      : { ok: false, why: "not in the mood" };
  const { rig, key } = withOwner(rules, new Map([...PROCEDURES, ["moody", moody]]));
  rig.write(2, key, 1);
  rig.write(1, key, 1);
  const id = rig.call(2, key, 7, "moody");
  const call = rig.take("call");
  rig.hand(call);
  rig.flow();
  assert.is(rig.outcome(id), "failed");
  isWilling = true;
  rig.hand(call);
  return rig.value(1, key)?.[0] === 1;
});

test("A call is executed once, however often it comes, and its result comes again", () => {
  const { rig, key } = withOwner(RECORD_RULES);
  rig.write(2, key, 1);
  rig.write(1, key, 1);
  const id = rig.call(2, key, 7);
  const call = rig.take("call");
  rig.hand(call);
  rig.lose("call_done");
  rig.hand(call);
  rig.flow();
  assert.is(rig.outcome(id), "ok");
  assert.equal(rig.value(1, key), [1, 7]);
});

test("Where the procedure is not registered the record comes to the caller", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(2, key, 1);
  rig.write(1, key, 1);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.call = "ship";
  const procedures = rig.machines[2]?.state.config.procedures as Map<string, Procedure>;
  const own = new Map([...procedures, ["mine", PROCEDURES.get("append") as Procedure]]);
  Object.assign(rig.machines[2]?.state.config ?? {}, { procedures: own });
  const id = rig.call(2, key, 5, "mine");
  rig.flow();
  assert.is(rig.outcome(id), "ok");
  assert.equal(rig.owners(key), [2]);
  assert.equal(rig.value(2, key), [1, 5]);
});

test("A call that ends before an answer is failed without a birth, unknown with one", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.call = "ship";
  const wish = { what: "call", procedure: "append", args: new Uint8Array([1]) } as const;
  const first = rig.op(2, key, wish, 50);
  rig.lose();
  rig.pass(60, { keep: ["call"] });
  assert.is(rig.outcome(first), "failed");
  rig.lose();
  rig.write(2, key, 1);
  rig.write(1, key, 1);
  const second = rig.op(2, key, wish, 50);
  rig.lose();
  rig.pass(60, { keep: ["call"] });
  assert.is(rig.outcome(second), "unknown");
});

test("Nothing is done for clients while the node is frozen, and all of it after", () => {
  const { rig, key } = withOwner(RECORD_RULES);
  rig.step(1, { kind: "page", leaseEndMs: 0 });
  const id = rig.call(1, key, 2);
  rig.flow();
  assert.is(rig.outcome(id), undefined);
  rig.step(1, { kind: "page", leaseEndMs: 1e9 });
  assert.is(rig.outcome(id), "ok");
});

test("A client that dies gives its locks back, and its operations end", () => {
  const { rig, key } = withOwner(RECORD_RULES);
  rig.lock(1, key);
  const waits = rig.lock(1, key);
  const other = rig.lock(2, key);
  rig.flow();
  rig.step(1, { kind: "client_died", client: 1 });
  rig.pass(500);
  assert.is(rig.outcome(waits), "failed");
  assert.ok(rig.locked.has(other));
});

test("The death of a client looks at each operation that waits a few times, however many do", () => {
  const { rig, key } = withOwner(RECORD_RULES);
  rig.step(1, { kind: "page", leaseEndMs: 0 });
  const count = 2000;
  let looks = 0;
  for (let n = 0; n < count; n++) {
    const op = {
      get id() {
        looks += 1;
        return 1_000_000 + n;
      },
      get client() {
        looks += 1;
        return n === 7 ? 77 : 5;
      },
      ...{ key, deadlineMs: 1e9, wish: { what: "read" } as const },
    };
    rig.step(1, { kind: "op", op });
  }
  looks = 0;
  rig.step(1, { kind: "client_died", client: 6 });
  assert.ok(looks >= count && looks < 10 * count, `${looks} looks`);
  rig.step(1, { kind: "client_died", client: 77 });
  assert.is(rig.outcome(1_000_007), "failed");
  assert.is(rig.outcome(1_000_008), undefined);
});

test("Each operation that waits for a record elsewhere has its file looked at a few times, however many do", () => {
  const { rig, key } = withOwner(RECORD_RULES);
  const { store } = rig.machines[2]!.state;
  const get = store.get.bind(store);
  let looks = 0;
  store.get = (wanted) => {
    looks += 1;
    return get(wanted);
  };
  const count = 300;
  const ids = Array.from({ length: count }, () => rig.op(2, key, { what: "read" }));
  assert.ok(looks < 10 * count, `${looks} looks`);
  rig.flow();
  for (const id of ids) assert.is(rig.outcome(id), "ok");
});

test.run();
