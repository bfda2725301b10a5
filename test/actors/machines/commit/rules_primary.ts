/**
 * Directed scenes for the rules of the primary and of a node's clients. Each answers whether the promise held.
 *
 * Does NOT promise: that a scene shows all that a rule is for.
 */
import type { CommitRuleName, CommitRules } from "../../../../actors/machines/commit/rules.ts";
import { chainOf, config, type Of, Rig, serving, submit, version } from "./rig.ts";
import type { Incarnation, Pnn } from "../../../../transport/wire/terms.ts";

/** A scene. */
export type Scene = (rules: CommitRules) => boolean;

const isCommitted = (rig: Rig, n: number) =>
  rig.results(n).some(({ outcome }) => outcome === "committed");
const NOT_YET = { readNo: 0, outcome: "hint" } as const;

/** A node that is no copy, whose client has sent a transaction in term 5. */
function asked(rules: CommitRules): { rig: Rig; sent: Of<"submit"> } {
  const rig = new Rig(rules, { entries: chainOf([{ kind: "start" }]) });
  rig.decree(config({ primary: 1 as Pnn }));
  const wish = { reads: [], writes: [{ key: "k", value: new Uint8Array([1]) }] };
  rig.tell({ kind: "transaction", id: 1, client: 1, wish, deadlineMs: 60_000 });
  const { number } = rig.last("open");
  const asker = 1n as Incarnation;
  rig.hear(1, { kind: "opened", term: version(5), asker, number, sid: 42n });
  return { rig, sent: rig.last("submit") };
}

function answerOf(rig: Rig): string | undefined {
  const answer = rig.effects.find((effect) => effect.kind === "answer");
  return answer?.kind === "answer" ? answer.result.outcome : undefined;
}

/** The scenes of the primary. */
export const PRIMARY_SCENES: Partial<Record<CommitRuleName, Scene>> = {
  waitsForDuplicate: (rules) => {
    const { rig, sid } = serving(rules);
    rig.hear(2, submit(sid, 1));
    rig.hear(2, submit(sid, 1));
    return !isCommitted(rig, 1);
  },
  knowsExecuted: (rules) => {
    const { rig, sid } = serving(rules);
    rig.hear(2, submit(sid, 1));
    rig.ack(1);
    rig.hear(2, submit(sid, 1));
    rig.ack(1);
    const [first, second] = rig.results(1);
    return first?.dbseq !== undefined && first.dbseq === second?.dbseq;
  },
  validatesReads: (rules) => {
    const { rig, sid } = serving(rules);
    const reads = [{ key: "k", version: 0n }];
    rig.hear(2, submit(sid, 1, { reads }));
    rig.hear(2, submit(sid, 2, { reads }));
    rig.ack(1);
    return isCommitted(rig, 1) && rig.results(2).at(-1)?.code === "conflict";
  },
  remembersRefusals: (rules) => {
    const { rig, sid } = serving(rules);
    rig.tell({ kind: "space", isFull: true });
    rig.hear(2, submit(sid, 1));
    rig.tell({ kind: "space", isFull: false });
    rig.hear(2, submit(sid, 1));
    rig.ack(1);
    return rig.results(1).length === 2 && !isCommitted(rig, 1);
  },
  knowsSession: (rules) => {
    const { rig } = serving(rules);
    rig.hear(2, submit(99n, 1));
    rig.ack(1);
    return rig.results(1).at(-1)?.outcome === "session_expired";
  },
  isForTerm: (rules) => {
    const { rig, sid } = serving(rules);
    rig.hear(2, submit(sid, 1, { term: version(4) }));
    rig.ack(1);
    return rig.results(1).at(-1)?.outcome === "wrong_primary";
  },
  isForLife: (rules) => {
    const rig = new Rig(rules);
    rig.decree(config({ primary: 1 as Pnn }));
    const wish = { reads: [], writes: [] };
    rig.tell({ kind: "transaction", id: 1, client: 1, wish, deadlineMs: 60_000 });
    const { number } = rig.last("open");
    // The life before had a session of this number, too.
    const asker = 0n as Incarnation;
    rig.hear(1, { kind: "opened", term: version(5), asker, number, sid: 42n });
    return rig.all("submit").length === 0;
  },
  isAbortOfNow: (rules) => {
    const { rig, sent } = asked(rules);
    rig.decree(config({ primary: 2 as Pnn, term: version(6) }));
    const isAgain = rig.last("submit").term === version(6);
    const { sid, n } = sent;
    const result = { kind: "result", term: version(5), sid, n } as const;
    rig.hear(1, { ...result, outcome: "aborted", code: "conflict", why: "" });
    return isAgain && answerOf(rig) === undefined;
  },
  finalizesAgain: (rules) => {
    const rig = new Rig(rules, { entries: chainOf([{ kind: "start" }]) });
    rig.decree(config({ primary: 1 as Pnn }));
    const again = { sid: 42n, n: 74 };
    const wish = { reads: [], writes: [{ key: "k", value: new Uint8Array([1]) }] };
    rig.tell({ kind: "transaction", id: 1, client: 1, wish, deadlineMs: 60_000, again });
    // That primary was paused: another one has executed it in term 6, of which nobody here has heard.
    const result = { kind: "result", term: rig.last("submit").term, ...again } as const;
    rig.hear(1, { ...result, outcome: "aborted", code: "conflict", why: "" });
    return answerOf(rig) === undefined && rig.last("txn_ask").finalize;
  },
  holdsBack: (rules) => {
    const { rig, sent: { sid, n } } = asked(rules);
    const place = { lineage: 7n, seq: 9n, dbseq: 3n };
    const result = { kind: "result", term: version(5), sid, n, ...place } as const;
    rig.hear(1, { ...result, outcome: "committed" });
    return answerOf(rig) === undefined;
  },
  waitsForStart: (rules) => {
    const rig = new Rig(rules);
    rig.decree(config());
    rig.ack(1, 0n, NOT_YET);
    rig.hear(2, submit(1n, 1));
    rig.hear(2, { kind: "read_index", term: version(5), id: 1 });
    rig.ack(1, 0n, { readNo: 1, outcome: "hint" });
    return rig.all("read_at").length === 0 && rig.last("result").outcome === "wrong_primary";
  },
  isPrimaryLife: (rules) => {
    const rig = new Rig(rules, { incarnation: 2n });
    rig.decree(config());
    return rig.machine.role === "copy";
  },
  countsDisk: (rules) => {
    const rig = new Rig(rules);
    rig.decree(config());
    rig.ack(1, undefined, { id: "d1-new" });
    return rig.machine.status === "starting";
  },
  keepsSlowMember: (rules) => {
    const rig = new Rig(rules);
    rig.decree(config());
    rig.pass(5_000);
    return rig.machine.status === "starting";
  },
  countsPendingAdd: (rules) => {
    const { rig, sid } = serving(rules);
    rig.ack(2);
    rig.pass(400);
    rig.ack(1);
    rig.ack(2);
    if (rig.all("want_isr").length === 0) throw new Error("it was not asked for");
    rig.hear(2, submit(sid, 1));
    rig.ack(1);
    return !isCommitted(rig, 1);
  },
  hasEnough: (rules) => {
    const rig = new Rig(rules);
    rig.decree(config({ isr: [{ pnn: 0 as Pnn, id: "d0" }] }));
    return rig.machine.status === "starting" && rig.breach === undefined;
  },
  countsDurable: (rules) => {
    const { rig, sid } = serving(rules);
    rig.isQuick = false;
    rig.hear(2, submit(sid, 1));
    rig.ack(1);
    return !isCommitted(rig, 1);
  },
  asksRound: (rules) => {
    const { rig } = serving(rules);
    rig.hear(2, { kind: "read_index", term: version(5), id: 1 });
    return rig.all("read_at").length === 0;
  },
  beginsNewRound: (rules) => {
    const { rig, sid } = serving(rules);
    rig.hear(2, { kind: "read_index", term: version(5), id: 1 });
    const readNo = rig.machine.state.primary?.readNo ?? 0;
    rig.hear(2, submit(sid, 1));
    rig.ack(1, undefined, { readNo: readNo - 1 });
    rig.hear(2, { kind: "read_index", term: version(5), id: 2 });
    rig.ack(1, undefined, { readNo });
    const second = rig.all("read_at").find(({ id }) => id === 2);
    return isCommitted(rig, 1) && second === undefined;
  },
  logsFinal: (rules) => {
    const { rig, sid } = serving(rules);
    rig.hear(2, { kind: "txn_ask", term: version(5), sid, n: 1, finalize: true });
    return rig.all("txn_state").length === 0;
  },
  checksSequence: (rules) => {
    const { rig, sid } = serving(rules);
    const one = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);
    // As CTDB's programs write it, with its NUL.
    const writes = [{ key: "__db_sequence_number__\0", value: one }];
    rig.hear(2, submit(sid, 1, { writes }));
    rig.hear(2, submit(sid, 2, { writes }));
    rig.ack(1);
    return isCommitted(rig, 1) && rig.results(2).at(-1)?.outcome === "aborted";
  },
  hasOwnVersions: (rules) => {
    const { rig, sid } = serving(rules);
    const value = new Uint8Array([1]);
    rig.hear(2, submit(sid, 1, { writes: [{ key: "k", value }] }));
    rig.ack(1);
    rig.hear(2, submit(sid, 2, { writes: [{ key: "k" }] }));
    rig.hear(2, submit(sid, 3, { writes: [{ key: "k", value }] }));
    // Who read it before it was deleted and made again has read another record.
    rig.hear(2, submit(sid, 4, { reads: [{ key: "k", version: 1n }] }));
    rig.ack(1);
    return isCommitted(rig, 3) && rig.results(4).at(-1)?.outcome === "aborted";
  },
  trimsApplied: (rules) => {
    const { rig, sid } = serving(rules, { checkpointEntries: 1, keepLog: 0 });
    rig.isQuick = false;
    rig.hear(2, submit(sid, 1));
    rig.sync();
    const { applied } = rig.machine.state.replica;
    rig.machine.state.replica.commitKnown = applied.seq + 1n;
    const { epoch } = rig.machine.state.replica;
    rig.tell({ kind: "checkpointed", epoch, seq: applied.seq });
    const trims = rig.effects.flatMap((one) => one.kind === "trim" ? [one.below] : []);
    return trims.every((below) => below <= applied.seq + 1n);
  },
};
