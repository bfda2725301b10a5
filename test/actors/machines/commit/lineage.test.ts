/**
 * A document with another lineage: who may go on with its log, who is cut, who begins anew; and catching up by pages.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { placeAfter } from "../../../../actors/machines/commit/log.ts";
import { COMMIT_RULES } from "../../../../actors/machines/commit/rules.ts";
import type { Entry } from "../../../../transport/wire/commit/entry.ts";
import type { Incarnation, Pnn } from "../../../../transport/wire/terms.ts";
import { chainOf, config, LINEAGE, Rig, version } from "./rig.ts";

const test = suite("commit lineage");
const OLD = chainOf([{ kind: "start" }, { kind: "start" }, { kind: "start" }, { kind: "start" }]);
const NEXT = LINEAGE + 1n;

function forkAt(at: number) {
  const { seq, chain } = placeAfter(OLD[at] as Entry);
  return { lineage: LINEAGE, seq, chain };
}

const kinds = (rig: Rig) => rig.effects.map(({ kind }) => kind);
const away = { primary: 1 as Pnn, isr: [{ pnn: 1 as Pnn, id: "d1" }], lineage: NEXT, m: 1 };

test("The forced node goes on with its log in the new lineage, and leads", () => {
  const rig = new Rig(COMMIT_RULES, { entries: OLD, highTerm: 4n });
  const isr = [{ pnn: 0 as Pnn, id: "d0" }];
  rig.decree(config({ isr, m: 1, lineage: NEXT, parent: forkAt(3) }));
  assert.is(rig.machine.status, "serving");
  const { lineage, lastSeq } = rig.machine.hello();
  assert.is(lineage, NEXT);
  assert.is(lastSeq, 5n);
  assert.is(rig.machine.state.replica.log.entry(5n)?.lineage, NEXT);
});

test("A log that ends at the fork goes on; one that goes beyond begins anew, its surplus is kept", () => {
  const equal = new Rig(COMMIT_RULES, { entries: OLD });
  equal.decree(config({ ...away, parent: forkAt(3) }));
  assert.not.ok(kinds(equal).includes("reset"));
  assert.is(equal.machine.hello().lastSeq, 4n);
  const longer = new Rig(COMMIT_RULES, { entries: OLD });
  longer.decree(config({ ...away, parent: forkAt(1) }));
  const reset = longer.effects.find((effect) => effect.kind === "reset");
  assert.is(reset?.kind === "reset" ? reset.fork : undefined, 2n);
  assert.is(longer.machine.hello().lastSeq, 0n);
  assert.not.ok(longer.machine.mayRead);
});

test("The forced node goes on with all of its log, also with what came since it was chosen", () => {
  const rig = new Rig(COMMIT_RULES, { entries: OLD, highTerm: 4n });
  const isr = [{ pnn: 0 as Pnn, id: "d0" }];
  rig.decree(config({ isr, m: 1, lineage: NEXT, parent: forkAt(1) }));
  assert.is(rig.machine.status, "serving");
  assert.is(rig.machine.hello().lastSeq, 5n);
  assert.is(rig.breach, undefined);
});

test("Nothing is applied before the disk says of which lineage it is", () => {
  const alone = new Rig(COMMIT_RULES, { entries: OLD, highTerm: 4n });
  alone.isQuick = false;
  const isr = [{ pnn: 0 as Pnn, id: "d0" }];
  alone.decree(config({ isr, m: 1, lineage: NEXT, parent: forkAt(3) }));
  // Its log is on the disk, and it is the only one that counts.
  assert.is(alone.machine.hello().commitKnown, 4n);
  assert.not.ok(kinds(alone).includes("apply"));
  const first = alone.effects.find((effect) => effect.kind === "write");
  if (first?.kind !== "write") throw new Error("nothing was written");
  assert.is(first.lineage, NEXT);
  alone.tell({ kind: "written", epoch: first.epoch, id: first.id });
  assert.ok(kinds(alone).includes("apply"));
});

/** A copy whose log is shorter than the fork, and what it knows as committed may have been given up there. */
function shorter(entries: readonly Entry[], isApplied: boolean): Rig {
  const rig = new Rig(COMMIT_RULES, { entries, highTerm: 4n });
  if (isApplied) {
    rig.decree(config({ primary: 1 as Pnn }));
    const { seq: prevSeq, chain: prevChain } = placeAfter(entries.at(-1) as Entry);
    const base = { kind: "append", term: version(5), lineage: LINEAGE, readNo: 0 } as const;
    rig.hear(1, { ...base, prevSeq, prevChain, entries: [], commit: prevSeq });
  }
  rig.decree(config({ ...away, term: version(6), parent: forkAt(3) }));
  return rig;
}

/** The forced node sends entries. */
function append(rig: Rig, after: Entry, entries: readonly Entry[], commit: bigint): void {
  const { seq: prevSeq, chain: prevChain } = placeAfter(after);
  const base = { kind: "append", term: version(6), lineage: NEXT, readNo: 0 } as const;
  rig.hear(1, { ...base, prevSeq, prevChain, entries: [...entries], commit });
}

test("A log that is shorter than the fork goes on, and shows nothing until it has what is committed", () => {
  const rig = shorter(OLD.slice(0, 2), true);
  assert.not.ok(kinds(rig).includes("reset"));
  assert.is(rig.machine.hello().lineage, NEXT);
  assert.not.ok(rig.machine.mayRead);
  const start = chainOf([{ kind: "start", lineage: NEXT, term: 6n }], OLD);
  append(rig, OLD[1] as Entry, [...OLD.slice(2), ...start], 5n);
  assert.is(rig.machine.hello().applied, 5n);
  const { id } = rig.last("read_index");
  const asker = 1n as Incarnation;
  rig.hear(1, { kind: "read_at", term: version(6), asker, id, lineage: NEXT, commit: 5n });
  assert.ok(rig.machine.mayRead);
});

test("A copy that knows as committed what was given up begins anew; what it had above is kept", () => {
  const own = chainOf([{ kind: "start", term: 3n }], OLD.slice(0, 2));
  const start = chainOf([{ kind: "start", lineage: NEXT, term: 6n }], OLD);
  const sent: [Entry, readonly Entry[]][] = [
    // What it has applied last is another entry there: as the place before, or as one that is sent.
    [OLD[2] as Entry, OLD.slice(3)],
    [OLD[1] as Entry, [...OLD.slice(2), ...start]],
  ];
  for (const [after, entries] of sent) {
    const rig = shorter([...OLD.slice(0, 2), ...own], true);
    append(rig, after, entries, 5n);
    assert.is(rig.breach, undefined);
    const reset = rig.effects.find((effect) => effect.kind === "reset");
    assert.is(reset?.kind === "reset" ? reset.fork : undefined, 2n);
    assert.is(reset?.kind === "reset" ? reset.lineage : undefined, NEXT);
    assert.is(rig.machine.hello().lastSeq, 0n);
  }
});

test("What it has applied and was not compared is not acknowledged by such a copy", () => {
  const rig = shorter(OLD.slice(0, 3), true);
  append(rig, OLD[0] as Entry, OLD.slice(1, 2), 5n);
  assert.is(rig.last("appended").seq, 2n);
});

test("The forced node bears a follower that has something else below the fork, and sends what shows it", () => {
  const rig = new Rig(COMMIT_RULES, { entries: OLD, highTerm: 4n });
  const isr = [{ pnn: 0 as Pnn, id: "d0" }];
  rig.decree(config({ isr, m: 1, lineage: NEXT, parent: forkAt(3), replicas: [0 as Pnn] }));
  const own = chainOf([{ kind: "start", term: 3n }], OLD.slice(0, 2));
  const { seq, chain } = placeAfter(own[0] as Entry);
  rig.hear(2, { kind: "shipped", lineage: NEXT, seq, chain, applied: seq });
  assert.is(rig.breach, undefined);
  const ship = rig.last("ship");
  assert.is(ship.entries[0]?.seq, 4n);
  const follower = shorter([...OLD.slice(0, 2), ...own], true);
  follower.decree(config({ ...away, term: version(6), parent: forkAt(3), replicas: [1 as Pnn] }));
  follower.hear(1, ship);
  assert.is(follower.breach, undefined);
  assert.ok(kinds(follower).includes("reset"));
});

test("In sync with a lineage that its log does not have: the machine stops", () => {
  const rig = new Rig(COMMIT_RULES, { entries: OLD });
  rig.decree(config({ lineage: 99n }));
  assert.match(rig.breach ?? "", /^A11/);
});

test("An entry that is known as committed is never cut: the machine stops", () => {
  const rig = new Rig(COMMIT_RULES, { entries: OLD });
  rig.decree(config({ primary: 1 as Pnn }));
  const base = { kind: "append", term: version(5), lineage: LINEAGE, readNo: 0 } as const;
  const { seq: prevSeq, chain: prevChain } = placeAfter(OLD[3] as Entry);
  rig.isQuick = false;
  rig.hear(1, { ...base, prevSeq, prevChain, entries: [], commit: 4n });
  // The log is synced; the file has nothing of it.
  const written = rig.effects.find((effect) => effect.kind === "write");
  if (written?.kind !== "write") throw new Error("nothing was written");
  rig.tell({ kind: "written", epoch: written.epoch, id: written.id });
  assert.is(rig.machine.hello().commitKnown, 4n);
  const others = chainOf([{ kind: "start", term: 3n }], OLD.slice(0, 2));
  const place = placeAfter(OLD[1] as Entry);
  rig.hear(1, { ...base, prevSeq: 2n, prevChain: place.chain, entries: others, commit: 4n });
  assert.match(rig.breach ?? "", /^A1:/);
});

test("A copy whose log ends before the other's begins takes its pages, and goes on behind them", () => {
  const rig = new Rig(COMMIT_RULES, { entries: OLD.slice(0, 1) });
  rig.decree(config({ ...away, lineage: LINEAGE }));
  const { lineage, epoch } = rig.machine.state.replica;
  rig.hear(1, { kind: "too_old", term: version(5), lineage, first: 4n });
  assert.ok(kinds(rig).includes("catch_up"));
  const place = placeAfter(OLD[2] as Entry);
  rig.tell({ kind: "caught_up", epoch, copy: { lineage, place, sessions: { sessions: [] } } });
  assert.ok(kinds(rig).includes("install"));
  rig.tell({ kind: "installed", epoch });
  const { seq: prevSeq, chain: prevChain } = place;
  const base = { kind: "append", term: version(5), lineage, readNo: 0, commit: 4n } as const;
  rig.hear(1, { ...base, prevSeq, prevChain, entries: OLD.slice(3) });
  assert.is(rig.last("appended").seq, 4n);
  assert.is(rig.machine.hello().applied, 4n);
});

test("One in sync with a damaged end that the primary's log does not reach is put aside, and no other", () => {
  const told = (entries: readonly Entry[], seq: bigint, from: number, first: bigint) => {
    const rig = new Rig(COMMIT_RULES, { entries, proven: { term: 4n, seq } });
    rig.decree(config({ primary: 1 as Pnn }));
    const { lineage } = rig.machine.state.replica;
    rig.hear(from, { kind: "too_old", term: version(5), lineage, first });
    assert.not.ok(kinds(rig).includes("catch_up"));
    return rig.effects.find((effect) => effect.kind === "put_aside");
  };
  const lost = told(OLD.slice(0, 2), 3n, 1, 4n);
  const wanted = /up to entry 3 and ends at 2, the primary's begins at 4$/;
  assert.match(lost?.kind === "put_aside" ? lost.why : "", wanted);
  // It is whole; the primary has what comes next; it is not the primary who says so.
  assert.is(told(OLD.slice(0, 2), 2n, 1, 4n), undefined);
  assert.is(told(OLD.slice(0, 2), 3n, 1, 3n), undefined);
  assert.is(told(OLD.slice(0, 2), 3n, 2, 4n), undefined);
});

test("A member in sync never takes pages", () => {
  const rig = new Rig(COMMIT_RULES, { entries: OLD.slice(0, 1) });
  rig.decree(config({ primary: 1 as Pnn }));
  const { lineage } = rig.machine.state.replica;
  rig.hear(1, { kind: "too_old", term: version(5), lineage, first: 4n });
  assert.not.ok(kinds(rig).includes("catch_up"));
});

test.run();
