/**
 * What a fork leaves of the branch that was given up: no session and no version that means something else there.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sidOf } from "../../../../actors/machines/commit/config.ts";
import { placeAfter } from "../../../../actors/machines/commit/log.ts";
import { COMMIT_RULES } from "../../../../actors/machines/commit/rules.ts";
import type { Entry } from "../../../../transport/wire/commit/entry.ts";
import type { Incarnation, Pnn } from "../../../../transport/wire/terms.ts";
import { chainOf, config, group, LINEAGE, Rig, submit, version } from "./rig.ts";

const test = suite("commit forks");
const NEXT = LINEAGE + 1n;

/** A session of node 2, opened by the first entry; another one by the second, and a transaction in it. */
const OPENS = (["2", "3"] as const).map((digit, at) => {
  const nodeId = digit.padStart(32, "0");
  return { kind: "open", open: { nodeId, incarnation: 1n, number: at + 1 } } as const;
});
const [FIRST, SECOND] = [sidOf(LINEAGE, 1n), sidOf(LINEAGE, 2n)];
const OLD = chainOf([...OPENS, group(SECOND, 1, [{ key: "k", value: new Uint8Array([1]) }])]);

/** Node 0 is forced: it goes on from the end of a log. */
function forced(log: readonly Entry[], term = 6) {
  const { seq, chain } = placeAfter(log.at(-1) as Entry);
  const parent = { lineage: LINEAGE, seq, chain };
  const isr = [{ pnn: 0 as Pnn, id: "d0" }];
  return config({ isr, m: 1, lineage: NEXT, parent, term: version(term) });
}

/** A copy that knows as committed what its log has up to a seq. */
function copyOf(log: readonly Entry[], commit: bigint): Rig {
  const rig = new Rig(COMMIT_RULES, { entries: log, highTerm: 4n });
  rig.decree(config({ primary: 1 as Pnn }));
  const { seq: prevSeq, chain: prevChain } = placeAfter(log.at(-1) as Entry);
  const base = { kind: "append", term: version(5), lineage: LINEAGE, readNo: 0 } as const;
  rig.hear(1, { ...base, prevSeq, prevChain, entries: [], commit });
  return rig;
}

/** What its log has from an entry on, in words. */
function logOf(rig: Rig, from: bigint): string {
  const { log } = rig.machine.state.replica;
  const entries = log.slice(from, log.last, Infinity);
  return entries.map(({ kind, close }) => close === undefined ? kind : `close ${close.sid}`)
    .join(", ");
}

test("Who is forced ends the sessions of which its log alone knows, before it starts; others go on", () => {
  const rig = copyOf(OLD, 1n);
  assert.is(rig.machine.hello().applied, 1n);
  rig.decree(forced(OLD));
  assert.is(rig.machine.status, "serving");
  assert.is(logOf(rig, 4n), `close ${SECOND}, start`);
  // On the branch that was given up another session may have that name, and another transaction.
  rig.hear(3, submit(SECOND, 1, { term: version(6) }));
  assert.is(rig.last("result").outcome, "session_expired");
  rig.hear(2, submit(FIRST, 1, { term: version(6) }));
  rig.pass(10);
  assert.is(rig.last("result").outcome, "committed");
});

test("A session that is known as committed goes on, though the file has not come to it", () => {
  const rig = new Rig(COMMIT_RULES, { entries: OLD, highTerm: 4n });
  rig.decree(config({ primary: 1 as Pnn }));
  rig.isQuick = false;
  const { seq: prevSeq, chain: prevChain } = placeAfter(OLD.at(-1) as Entry);
  const base = { kind: "append", term: version(5), lineage: LINEAGE, readNo: 0 } as const;
  rig.hear(1, { ...base, prevSeq, prevChain, entries: [], commit: 1n });
  const one = rig.effects.find((effect) => effect.kind === "write");
  if (one?.kind !== "write") throw new Error("nothing was written");
  rig.tell({ kind: "written", epoch: one.epoch, id: one.id });
  const { commitKnown, applied } = rig.machine.hello();
  assert.is(commitKnown, 1n);
  assert.is(applied, 0n);
  rig.decree(forced(OLD));
  assert.is(logOf(rig, 4n), `close ${SECOND}, start`);
});

test("Nobody is served before the start entry behind them is committed", () => {
  const rig = new Rig(COMMIT_RULES, { entries: OLD, lineage: NEXT, highTerm: 6n });
  const isr = [{ pnn: 0 as Pnn, id: "d0" }, { pnn: 1 as Pnn, id: "d1" }];
  rig.decree({ ...forced(OLD, 7), isr, m: 2 });
  assert.is(logOf(rig, 4n), `close ${FIRST}, close ${SECOND}, start`);
  rig.ack(1, 5n);
  assert.is(rig.machine.hello().commitKnown, 5n);
  assert.is(rig.machine.status, "starting");
  rig.ack(1, 6n);
  assert.is(rig.machine.status, "serving");
});

test("The next life ends them too where the first one did not come to its start entry, and not again", () => {
  const close = (sid: bigint) => ({ kind: "close", close: { sid, why: "expired" } }) as const;
  const ofNext = { lineage: NEXT, term: 6n };
  const torn = [...OLD, ...chainOf([{ ...close(FIRST), ...ofNext }], OLD)];
  const again = new Rig(COMMIT_RULES, { entries: torn, lineage: NEXT, highTerm: 6n });
  again.decree(forced(OLD, 7));
  assert.is(logOf(again, 5n), `close ${SECOND}, start`);
  const whole = [...torn, ...chainOf([{ kind: "start", ...ofNext }], torn)];
  const later = new Rig(COMMIT_RULES, { entries: whole, lineage: NEXT, highTerm: 6n });
  later.decree(forced(OLD, 7));
  assert.is(logOf(later, 6n), "start");
});

test("The next life of the first primary ends no session that was opened in its own lineage", () => {
  const ofNext = { lineage: NEXT, term: 6n };
  const start = chainOf([{ kind: "start", ...ofNext }], OLD);
  const opened = chainOf([{ ...OPENS[0]!, ...ofNext }], start);
  const applied = placeAfter(start[0] as Entry);
  const rig = new Rig(COMMIT_RULES, {
    ...{ applied, entries: opened, lineage: NEXT, highTerm: 6n, first: 5n },
  });
  rig.decree(forced(OLD, 7));
  assert.is(rig.machine.status, "serving");
  assert.is(logOf(rig, 6n), "start");
  rig.hear(2, submit(sidOf(NEXT, 5n), 1, { term: version(7) }));
  rig.pass(10);
  assert.is(rig.last("result").outcome, "committed");
});

test("A primary of the first lineage ends no session", () => {
  const rig = new Rig(COMMIT_RULES, { entries: OLD, highTerm: 4n });
  rig.decree(config({ isr: [{ pnn: 0 as Pnn, id: "d0" }], m: 1 }));
  assert.is(logOf(rig, 4n), "start");
});

/** A client's transaction that was made before a fork, and what is sent of it behind the fork. */
function acrossFork(version_: bigint): Rig {
  const rig = copyOf(OLD, 3n);
  const wish = {
    reads: [{ key: "k", version: version_ }],
    writes: [{ key: "k", value: new Uint8Array([2]) }],
  };
  const base = { kind: "transaction", client: 1, wish, deadlineMs: 60_000 } as const;
  rig.tell({ ...base, id: 1, lineage: LINEAGE });
  const { seq, chain } = placeAfter(OLD.at(-1) as Entry);
  const isr = [{ pnn: 1 as Pnn, id: "d1" }];
  const parent = { lineage: LINEAGE, seq, chain };
  const primary = 1 as Pnn;
  rig.decree(config({ primary, isr, m: 1, lineage: NEXT, parent, term: version(6) }));
  const asker = 1n as Incarnation;
  const { number } = rig.last("open");
  rig.hear(1, { kind: "opened", term: version(6), asker, number, sid: sidOf(NEXT, 9n) });
  rig.pass(1_000);
  return rig;
}

test("What was read before a fork is not sent behind it: both branches have the same versions", () => {
  const rig = acrossFork((1n << 44n) | 1n);
  assert.is(rig.all("submit").length, 0);
  const answer = rig.effects.find((effect) => effect.kind === "answer");
  const { result } = answer?.kind === "answer" ? answer : { result: undefined };
  assert.is(result?.outcome, "aborted");
  assert.is(result?.outcome === "aborted" ? result.code : "", "conflict");
  assert.is(result?.outcome === "aborted" ? result.key : "", "k");
  // What was not there has no version that could mean something else.
  assert.ok(acrossFork(0n).all("submit").length > 0);
});

test.run();
