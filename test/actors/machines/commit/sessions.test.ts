/**
 * Sessions as the log tells them, and how a node and the primary keep them.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sidOf } from "../../../../actors/machines/commit/config.ts";
import { COMMIT_RULES } from "../../../../actors/machines/commit/rules.ts";
import { readSessions, writeSessions } from "../../../../actors/machines/commit/session_table.ts";
import { Sessions } from "../../../../actors/machines/commit/sessions.ts";
import type { SessionsSnapshot } from "../../../../actors/machines/commit/sessions.ts";
import { VALUE_MAX } from "../../../../transport/wire/limits.ts";
import type { Incarnation } from "../../../../transport/wire/terms.ts";
import { chainOf, config, LINEAGE, Rig, serving, submit, version } from "./rig.ts";

const test = suite("commit sessions");
const NODE = "1".padStart(32, "0");
const open = { kind: "open", open: { nodeId: NODE, incarnation: 3n, number: 9 } } as const;

test("The table is what the log says, and a copy of it goes on alike", () => {
  const sid = sidOf(LINEAGE, 1n);
  const txn = (n: number, doneUpTo: number) => ({ sid, n, doneUpTo, writes: [] });
  const entries = chainOf([
    open,
    { kind: "group", txns: [txn(1, 0), txn(2, 0)] },
    { kind: "abort", abort: { sid, n: 3 } },
    { kind: "group", txns: [txn(4, 2)] },
  ]);
  const whole = new Sessions();
  for (const entry of entries) whole.apply(entry);
  const half = new Sessions();
  for (const entry of entries.slice(0, 2)) half.apply(entry);
  const rest = new Sessions(half.snapshot());
  for (const entry of entries.slice(2)) rest.apply(entry);
  assert.equal(rest.snapshot(), whole.snapshot());
  const done = whole.get(sid)?.done;
  assert.equal([...done?.keys() ?? []], [3, 4]);
  assert.is(done?.get(3)?.dbseq, 0n);
  assert.is(done?.get(4)?.dbseq, 3n);
  // The first copy was not changed by what came after it.
  assert.equal([...half.get(sid)?.done.keys() ?? []], [1, 2]);
});

test("Who asks for a session twice has one", () => {
  const { rig, sid } = serving(COMMIT_RULES);
  rig.hear(2, { kind: "open", term: version(5), number: 1 });
  assert.is(rig.last("opened").sid, sid);
  rig.hear(2, { kind: "open", term: version(5), number: 1 }, 2n);
  rig.ack(1);
  assert.is.not(rig.last("opened").sid, sid);
});

test("A session ends by an entry, and nothing is executed in it after that", () => {
  const { rig, sid } = serving(COMMIT_RULES);
  rig.hear(2, { kind: "close", term: version(5), sid });
  assert.is(rig.all("closed").length, 0);
  rig.ack(1);
  assert.is(rig.last("closed").sid, sid);
  rig.hear(2, submit(sid, 1));
  assert.is(rig.results(1).at(-1)?.outcome, "session_expired");
});

test("A session whose node's life left the view expires, by an entry, after its time", () => {
  const { rig, sid } = serving(COMMIT_RULES, { sessionKeepMs: 8_000 });
  rig.hear(2, { kind: "open", term: version(5), number: 2 }, 7n);
  rig.ack(1);
  const other = rig.last("opened").sid;
  const wait = () => {
    for (let at = 0; at < 10; at++) {
      rig.pass(1_000);
      rig.ack(1);
    }
  };
  wait();
  rig.hear(2, submit(other, 1));
  assert.is(rig.results(1).at(-1)?.outcome, "session_expired");
  rig.hear(2, submit(sid, 5));
  rig.ack(1);
  assert.is(rig.results(5).at(-1)?.outcome, "committed");
});

test("Finalize makes an open transaction aborted for good, at the next primary, too", () => {
  const { rig, sid } = serving(COMMIT_RULES);
  rig.hear(2, { kind: "txn_ask", term: version(5), sid, n: 1, finalize: true });
  rig.ack(1);
  assert.is(rig.last("txn_state").state, "aborted");
  const isr = config().isr.slice(0, 1);
  const { log } = rig.machine.state.replica;
  const entries = log.slice(1n, log.last, Infinity);
  const next = new Rig(COMMIT_RULES, { entries, highTerm: 5n, incarnation: 2n });
  const primaryInc = 2n as Incarnation;
  next.decree(config({ term: version(6), primaryInc, isr, m: 1 }));
  next.hear(2, submit(sid, 1, { term: version(6) }));
  assert.is(next.results(1).at(-1)?.code, "finalized");
});

test("A node's client whose outcome is unknown goes on in another session; the old one is kept", () => {
  const rig = new Rig(COMMIT_RULES, { lineage: LINEAGE });
  rig.decree(config({ primary: 1 as never }));
  const wish = { reads: [], writes: [{ key: "k", value: new Uint8Array([1]) }] };
  const ask = (id: number) =>
    rig.tell({ kind: "transaction", id, client: 1, wish, deadlineMs: rig.nowMs + 1_000 });
  ask(1);
  const asker = 1n as Incarnation;
  const first = rig.last("open").number;
  rig.hear(1, { kind: "opened", term: version(5), asker, number: first, sid: 42n });
  rig.pass(1_001);
  const answer = rig.effects.find((effect) => effect.kind === "answer");
  assert.is(answer?.kind === "answer" ? answer.result.outcome : "", "unknown");
  assert.equal(answer?.kind === "answer" ? answer.txid : undefined, { sid: 42n, n: 1 });
  ask(2);
  assert.is.not(rig.last("open").number, first);
  assert.is(rig.all("close").length, 0);
  rig.tell({ kind: "client_gone", client: 1 });
  rig.tell({ kind: "wake" });
  assert.is(rig.last("close").sid, 42n);
});

const AGAIN = { sid: 42n, n: 74 };

/** A node whose client asks again for what another node has sent; the primary 1 of term 5 has refused it. */
function refusedAgain(): Rig {
  const rig = new Rig(COMMIT_RULES, { lineage: LINEAGE });
  rig.decree(config({ primary: 1 as never }));
  const wish = { reads: [], writes: [{ key: "k", value: new Uint8Array([1]) }] };
  const deadlineMs = rig.nowMs + 5_000;
  rig.tell({ kind: "transaction", id: 1, client: 1, wish, deadlineMs, again: AGAIN });
  assert.is(rig.last("submit").term, version(5));
  const result = { kind: "result", term: version(5), ...AGAIN, outcome: "aborted" } as const;
  rig.hear(1, { ...result, code: "conflict", why: "k was changed", key: "k" });
  // A second copy of it is no second refusal.
  rig.hear(1, { ...result, code: "limit", why: "" });
  assert.equal(rig.all("txn_ask").length, 1);
  assert.ok(rig.last("txn_ask").finalize);
  assert.is(answered(rig), undefined);
  return rig;
}

function answered(rig: Rig) {
  const answer = rig.effects.find((effect) => effect.kind === "answer");
  return answer?.kind === "answer" ? answer.result : undefined;
}

test("What is asked for again is told as aborted when the log has that, and with why it was refused", () => {
  const rig = refusedAgain();
  const state = { kind: "txn_state", term: version(5), ...AGAIN } as const;
  rig.hear(1, { ...state, state: "in_progress" });
  rig.hear(1, { ...state, term: version(4), state: "aborted" });
  rig.hear(1, { ...state, n: 73, state: "aborted" });
  assert.is(answered(rig), undefined);
  rig.hear(1, { ...state, state: "aborted" });
  const why = { code: "conflict", why: "k was changed", key: "k" };
  assert.equal(answered(rig), { outcome: "aborted", ...why });
});

test("Refused by a former primary, and executed by the next: it is told as committed", () => {
  const rig = refusedAgain();
  rig.decree(config({ primary: 2 as never, term: version(6) }));
  assert.is(rig.last("txn_ask").term, version(6));
  const place = { seq: 274n, dbseq: 265n };
  rig.hear(2, { kind: "txn_state", term: version(6), ...AGAIN, state: "committed", ...place });
  assert.is(answered(rig), undefined);
  assert.is(rig.last("submit").term, version(6));
  const result = { kind: "result", term: version(6), ...AGAIN, lineage: LINEAGE } as const;
  rig.hear(2, { ...result, outcome: "committed", ...place });
  // Held back: this copy does not have it yet.
  rig.pass(5_001);
  assert.equal(answered(rig), { outcome: "committed", ...place, isBehind: true });
});

test("Refused by who cannot say so in the log, or in a session that is over: it stays unknown", () => {
  const silent = refusedAgain();
  silent.pass(5_001);
  assert.is(answered(silent)?.outcome, "unknown");
  assert.ok(silent.all("txn_ask").length > 2);
  for (const state of ["session_expired", "forgotten"] as const) {
    const over = refusedAgain();
    over.hear(1, { kind: "txn_state", term: version(5), ...AGAIN, state });
    assert.is(answered(over)?.outcome, "unknown");
  }
});

test("A former primary's own client is not told what that alone has refused", () => {
  const { rig, sid } = serving(COMMIT_RULES);
  rig.hear(2, submit(sid, 1));
  rig.ack(1);
  // It was paused: another node leads in term 6, where this was executed as the second of its session.
  const wish = { reads: [{ key: "k", version: 0n }], writes: [] };
  const deadlineMs = rig.nowMs + 300;
  const again = { sid, n: 2 };
  rig.tell({ kind: "transaction", id: 1, client: 1, wish, deadlineMs, again });
  rig.pass(299);
  assert.is(answered(rig), undefined);
  rig.pass(2);
  assert.is(answered(rig)?.outcome, "unknown");
});

test("A primary whose copies agree tells its own client so, once that is in the log", () => {
  const { rig, sid } = serving(COMMIT_RULES);
  rig.hear(2, submit(sid, 1));
  rig.ack(1);
  const wish = { reads: [{ key: "k", version: 0n }], writes: [] };
  const deadlineMs = rig.nowMs + 300;
  rig.tell({ kind: "transaction", id: 1, client: 1, wish, deadlineMs, again: { sid, n: 2 } });
  assert.is(answered(rig), undefined);
  rig.ack(1);
  const result = answered(rig);
  assert.is(result?.outcome === "aborted" ? result.code : result?.outcome, "conflict");
  // For good: whoever submits it now is refused, whatever it has read.
  rig.hear(2, submit(sid, 2));
  assert.is(rig.results(2).at(-1)?.code, "finalized");
});

test("What was never sent is aborted when its time is over, not unknown", () => {
  const rig = new Rig(COMMIT_RULES);
  const wish = { reads: [], writes: [] };
  rig.tell({ kind: "transaction", id: 1, client: 1, wish, deadlineMs: rig.nowMs + 500 });
  rig.pass(501);
  const answer = rig.effects.find((effect) => effect.kind === "answer");
  assert.is(answer?.kind === "answer" ? answer.result.outcome : "", "aborted");
});

const ONE = { sid: 1n, nodeId: NODE, incarnation: 3n, number: 9, doneUpTo: 2 };
const DONE = new Map([[4, { seq: 5n, dbseq: 6n }], [3, { seq: 5n, dbseq: 0n }]]);
const TWO = { ...ONE, sid: 2n ** 63n, number: 0xffff_ffff, done: new Map() };

test("A table comes back from its bytes; equal ones have equal bytes", () => {
  const table: SessionsSnapshot = { sessions: [TWO, { ...ONE, done: DONE }] };
  const bytes = writeSessions(table);
  assert.is(bytes.length, 8 + 2 * 44 + 2 * 20);
  const { sessions = [] } = readSessions(bytes) ?? {};
  assert.equal(sessions.map(({ sid }) => sid), [1n, 2n ** 63n]);
  assert.equal({ ...sessions[0] }, { ...ONE, done: DONE });
  assert.equal({ ...sessions[1] }, TWO);
  const reversed = { sessions: [{ ...ONE, done: new Map([...DONE].reverse()) }, TWO] };
  assert.equal(writeSessions(reversed), bytes);
  assert.equal(readSessions(writeSessions({ sessions: [] })), { sessions: [] });
  assert.equal(readSessions(new Uint8Array()), { sessions: [] });
});

test("Bytes that are no table are none: cut off, too long, out of order, of another layout", () => {
  const bytes = writeSessions({ sessions: [{ ...ONE, done: DONE }, TWO] });
  for (let length = 1; length < bytes.length; length++) {
    assert.is(readSessions(bytes.slice(0, length)), undefined, `${length} bytes`);
  }
  assert.is(readSessions(Uint8Array.from([...bytes, 0])), undefined);
  const changed = (at: number, value: number) => {
    const copy = bytes.slice();
    copy[at] = value;
    return readSessions(copy);
  };
  assert.is(changed(0, 2), undefined);
  assert.is(changed(4, 3), undefined);
  assert.is(changed(8 + 7, 0xff), undefined, "the second session has a lower sid");
  assert.is(changed(8 + 44, 4), undefined, "two transactions of one number");
  assert.ok(changed(8 + 44, 2) !== undefined);
});

test("A value that no entry can have is refused, and the machine goes on", () => {
  const { rig, sid } = serving(COMMIT_RULES);
  const wide = { key: "k", value: new Uint8Array(VALUE_MAX + 1) };
  rig.hear(2, submit(sid, 1, { writes: [wide] }));
  const { outcome, code, key } = rig.results(1).at(-1) ?? {};
  assert.equal({ outcome, code, key }, { outcome: "aborted", code: "limit", key: "k" });
  rig.hear(2, submit(sid, 2));
  rig.ack(1);
  assert.is(rig.results(2).at(-1)?.outcome, "committed");
});

test("Who is refused is told on which key, and so is its client", () => {
  const { rig, sid } = serving(COMMIT_RULES);
  rig.hear(2, submit(sid, 1));
  rig.hear(2, submit(sid, 2, { reads: [{ key: "j", version: 0n }, { key: "k", version: 0n }] }));
  assert.is(rig.results(2).at(-1)?.key, "k");
  const asking = new Rig(COMMIT_RULES);
  asking.decree(config({ primary: 1 as never }));
  const wish = { reads: [{ key: "k", version: 0n }], writes: [] };
  asking.tell({ kind: "transaction", id: 1, client: 1, wish, deadlineMs: 60_000 });
  const { number } = asking.last("open");
  const asker = 1n as Incarnation;
  asking.hear(1, { kind: "opened", term: version(5), asker, number, sid: 42n });
  const result = { kind: "result", term: version(5), sid: 42n, n: 1 } as const;
  asking.hear(1, { ...result, outcome: "aborted", code: "conflict", why: "", key: "k" });
  const answer = asking.effects.find((effect) => effect.kind === "answer");
  const said = answer?.kind === "answer" ? answer.result : undefined;
  assert.is(said?.outcome === "aborted" ? said.key : undefined, "k");
});

test.run();
