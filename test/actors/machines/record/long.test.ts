/** Long values that are on their way are not sent again and again; short ones, and those that were lost, are. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import { Rig } from "./rig.ts";
import type { Kind } from "./rig.ts";

const test = suite("long values");

const LONG = 8 * 1024 * 1024;
/** LONG at 8 KiB a millisecond. */
const WAY_MS = 1024;

/** Three nodes: 0 is home, 1 owns the record with `bytes` bytes, 2 asks in some way. */
function owned(bytes: number, how: "move" | "delegate" | "ship"): { rig: Rig; key: string } {
  const rig = new Rig(3, RECORD_RULES, { retryMs: 100, retryMaxMs: 200 });
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  const id = rig.lock(1, key);
  rig.flow();
  rig.step(1, { kind: "unlock", id, data: new Uint8Array(bytes).fill(1) });
  rig.flow();
  const policy = rig.policies[2];
  if (policy === undefined) throw new Error("no policy");
  if (how === "delegate") policy.read = "delegate";
  if (how === "ship") policy.call = "ship";
  return { rig, key };
}

/** How many of a kind lie on the table after a time in which none of them arrives. */
function sent(rig: Rig, kind: Kind, ms: number): number {
  rig.pass(ms, { keep: [kind] });
  return rig.lying.filter(({ message }) => message.kind === kind).length;
}

const cases: Record<string, (bytes: number) => { rig: Rig; kind: Kind; id: number }> = {
  "a record that is given": (bytes) => {
    const { rig, key } = owned(bytes, "move");
    return { rig, kind: "grant", id: rig.op(2, key, { what: "read" }) };
  },
  "a copy to read": (bytes) => {
    const { rig, key } = owned(bytes, "delegate");
    return { rig, kind: "ro", id: rig.op(2, key, { what: "read" }) };
  },
  "what a call gets": (bytes) => {
    const { rig, key } = owned(1, "ship");
    const args = new Uint8Array(bytes).fill(2);
    return { rig, kind: "call", id: rig.op(2, key, { what: "call", procedure: "set", args }) };
  },
  "what a call made": (bytes) => {
    const { rig, key } = owned(bytes, "ship");
    const args = new Uint8Array([3]);
    return {
      rig,
      kind: "call_done",
      id: rig.op(2, key, { what: "call", procedure: "append", args }),
    };
  },
};

for (const [name, begin] of Object.entries(cases)) {
  test(`${name}, long: once while it is on its way, and again when that is over`, () => {
    const { rig, kind, id } = begin(LONG);
    assert.is(sent(rig, kind, WAY_MS - 50), 1);
    rig.lose(kind);
    rig.pass(WAY_MS);
    assert.is(rig.answers.get(id)?.outcome, "ok");
  });

  test(`${name}, short: again and again`, () => {
    const { rig, kind, id } = begin(4);
    assert.ok(sent(rig, kind, WAY_MS - 50) > 2);
    rig.flow();
    assert.is(rig.answers.get(id)?.outcome, "ok");
  });
}

test("In another view it is sent at once: what was on its way is not taken there", () => {
  const { rig, key } = owned(LONG, "move");
  const id = rig.op(2, key, { what: "read" });
  assert.is(sent(rig, "grant", 50), 1);
  rig.lose("grant");
  rig.view([0, 1, 2]);
  rig.pass(WAY_MS / 2);
  assert.is(rig.answers.get(id)?.outcome, "ok");
});

test.run();
