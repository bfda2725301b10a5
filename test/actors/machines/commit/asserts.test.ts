/**
 * Asserts of the commit machine: what must never be so stops it, and nothing of that step is done. What leads there is
 * no message but a fault of a program, so the scenes change the state by hand.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { COMMIT_RULES } from "../../../../actors/machines/commit/rules.ts";
import type { Incarnation, Pnn } from "../../../../transport/wire/terms.ts";
import { chainOf, config, group, Rig, serving, submit, version } from "./rig.ts";

const test = suite("commit asserts");

/** A primary with a transaction that copy 1 has not answered. */
function waiting(): Rig {
  const { rig, sid } = serving(COMMIT_RULES);
  rig.hear(2, submit(sid, 1));
  assert.is(rig.breach, undefined);
  return rig;
}

function assertBreach(rig: Rig, form: RegExp): void {
  assert.match(rig.breach ?? "none", form);
  assert.is(rig.results(1).length, 0);
  const last = rig.effects.at(-1);
  assert.is(last?.kind, "breach");
  // It does nothing any more.
  const { length } = rig.effects;
  rig.ack(1);
  rig.pass(5_000);
  assert.is(rig.effects.length, length);
}

test("A3: nothing is committed in another life, on another disk, or in another term than the document says", () => {
  const wrong: ((rig: Rig) => void)[] = [
    ({ machine: { state: { me } } }) => Object.assign(me ?? {}, { incarnation: 2n }),
    ({ machine: { state: { replica } } }) => void (replica.id = "d7"),
    ({ machine: { state } }) => void (state.config = config({ term: version(6) })),
    ({ machine: { state } }) => void (state.config = config({ primary: 1 as Pnn })),
  ];
  for (const change of wrong) {
    const rig = waiting();
    change(rig);
    rig.ack(1, undefined, { term: version(5), highTerm: version(5) });
    assertBreach(rig, /^A3: /);
  }
});

test("A4: what is committed never goes back", () => {
  const rig = waiting();
  rig.machine.state.replica.commitKnown += 5n;
  rig.ack(1);
  assertBreach(rig, /^A4: /);
});

test("A6: nothing is committed with fewer in-sync copies than it needs", () => {
  const rig = waiting();
  const { state } = rig.machine;
  Object.assign(state, { rules: { ...COMMIT_RULES, hasEnough: () => true } });
  state.config = config({ isr: config().isr.slice(0, 1) });
  rig.tell({ kind: "wake" });
  assertBreach(rig, /^A6: /);
});

/** A copy whose log has these entries after a session of node 2, all of them committed. */
function applying(bodies: Parameters<typeof chainOf>[0]): Rig {
  const nodeId = "2".padStart(32, "0");
  const open = { kind: "open", open: { nodeId, incarnation: 1n, number: 1 } } as const;
  const entries = chainOf([open, ...bodies]);
  const rig = new Rig(COMMIT_RULES, { entries });
  rig.decree(config({ primary: 1 as Pnn }));
  const last = entries.at(-1);
  const place = { prevSeq: last?.seq ?? 0n, prevChain: last?.chain ?? 0n, readNo: 0 };
  const append = {
    kind: "append",
    term: version(5),
    lineage: rig.machine.hello().lineage,
  } as const;
  rig.hear(1, { ...append, ...place, entries: [], commit: last?.seq ?? 0n });
  return rig;
}

test("A7: no transaction is applied twice, nor after it was declared as never to happen, nor without a session", () => {
  const sid = (new Rig(COMMIT_RULES).machine.hello().lineage << 44n) | 1n;
  const one = group(sid, 1, []);
  assert.is(applying([one, group(sid, 2, [])]).breach, undefined);
  assert.match(applying([one, one]).breach ?? "none", /^A7: /);
  const abort = { kind: "abort", abort: { sid, n: 1 } } as const;
  assert.match(applying([abort, one]).breach ?? "none", /^A7: /);
  assert.match(applying([group(sid + 1n, 1, [])]).breach ?? "none", /^A7: /);
  // It has told that it knows the fate of all up to 3.
  const later = { kind: "group", txns: [{ sid, n: 4, doneUpTo: 3, writes: [] }] } as const;
  assert.match(applying([later, group(sid, 2, [])]).breach ?? "none", /^A7: /);
});

test("A8: the file says that it has what it was told to have", () => {
  const rig = waiting();
  rig.isQuick = false;
  rig.ack(1);
  const { replica } = rig.machine.state;
  const applied = { kind: "applied", epoch: replica.epoch } as const;
  rig.tell({ ...applied, seq: replica.applying ?? 0n, dbseq: 9n });
  assert.match(rig.breach ?? "none", /^A8: /);
});

test("A10: a term never goes back, and another primary, or another life of it, has another one", () => {
  const wrong = [
    config({ term: version(4) }),
    config({ primary: 1 as Pnn }),
    config({ primaryInc: 2n as Incarnation }),
  ];
  for (const next of wrong) {
    const rig = waiting();
    rig.decree(next);
    assertBreach(rig, /^A10: /);
  }
  const rig = waiting();
  rig.decree(config({ reqSeen: 1 }));
  rig.decree(config({ primary: 1 as Pnn, term: version(6) }));
  assert.is(rig.breach, undefined);
});

test.run();
