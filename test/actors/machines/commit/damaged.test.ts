/**
 * A copy whose log was longer once: it says so until it comes as far again, in terms first and in entries then, and is
 * as any other from there on.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { placeAfter } from "../../../../actors/machines/commit/log.ts";
import { COMMIT_RULES } from "../../../../actors/machines/commit/rules.ts";
import type { Entry } from "../../../../transport/wire/commit/entry.ts";
import type { Reach } from "../../../../transport/wire/commit/reach.ts";
import type { Pnn } from "../../../../transport/wire/terms.ts";
import { chainOf, config, LINEAGE, Rig, version } from "./rig.ts";

const test = suite("a copy with a damaged end");
const OLD = chainOf([{ kind: "start" }, { kind: "start" }, { kind: "start" }, { kind: "start" }]);

/** A copy under primary 1, with some entries, that had more. */
function copy(entries: readonly Entry[], proven: Reach): Rig {
  const rig = new Rig(COMMIT_RULES, { entries, proven, highTerm: 4n });
  rig.decree(config({ primary: 1 as Pnn }));
  return rig;
}

/** The primary of a term sends entries after another one. */
function append(rig: Rig, after: Entry, entries: readonly Entry[], term = 5, commit = 0n): void {
  const { seq: prevSeq, chain: prevChain } = placeAfter(after);
  const base = { kind: "append", lineage: LINEAGE, readNo: 0 } as const;
  rig.hear(1, { ...base, term: version(term), prevSeq, prevChain, entries: [...entries], commit });
}

const isDamaged = (rig: Rig): boolean => rig.machine.hello().isDamaged;

test("It is damaged until what it lacks is on its disk, and may be cut then as any other", () => {
  const rig = copy(OLD.slice(0, 2), { term: 4n, seq: 4n });
  assert.ok(isDamaged(rig));
  append(rig, OLD[1] as Entry, OLD.slice(2, 3));
  assert.ok(isDamaged(rig), "one of two");
  rig.isQuick = false;
  append(rig, OLD[2] as Entry, OLD.slice(3));
  assert.ok(isDamaged(rig), "it is not on the disk");
  rig.sync();
  assert.not.ok(isDamaged(rig));
  // The primary of the next term had less, and its disk is slow.
  const next = chainOf([{ kind: "start", term: 6n }], OLD.slice(0, 1));
  append(rig, OLD[0] as Entry, next, 6);
  assert.is(rig.machine.hello().lastSeq, 1n);
  assert.not.ok(isDamaged(rig));
});

test("A longer log of an older term does not stand for what was lost; a shorter one of a later term does", () => {
  const other = chainOf(
    [{ kind: "start", term: 3n }, { kind: "start", term: 3n }],
    OLD.slice(0, 2),
  );
  const rig = copy([...OLD.slice(0, 2), ...other], { term: 4n, seq: 3n });
  assert.ok(isDamaged(rig));
  const next = chainOf([{ kind: "start", term: 5n }], OLD.slice(0, 1));
  append(rig, OLD[0] as Entry, next);
  assert.is(rig.machine.hello().lastSeq, 2n);
  assert.not.ok(isDamaged(rig));
});

test("One that is forced to lead is whole with its own start entry: its next life may lead, too", () => {
  const rig = new Rig(COMMIT_RULES, {
    ...{ entries: OLD.slice(0, 2), proven: { term: 4n, seq: 9n }, highTerm: 4n },
  });
  assert.ok(isDamaged(rig));
  const { seq, chain } = placeAfter(OLD[1] as Entry);
  const isr = [{ pnn: 0 as Pnn, id: "d0" }];
  const parent = { lineage: LINEAGE, seq, chain };
  rig.decree(config({ isr, m: 1, lineage: LINEAGE + 1n, parent }));
  assert.is(rig.machine.status, "serving");
  assert.is(rig.machine.hello().lastSeq, 3n);
  assert.not.ok(isDamaged(rig));
});

test("Pages make it whole where they come as far, and not else", () => {
  for (const at of [2, 3]) {
    const rig = copy([], { term: 4n, seq: 4n });
    rig.decree(config({ primary: 1 as Pnn, isr: [{ pnn: 1 as Pnn, id: "d1" }], m: 1 }));
    const { lineage, epoch } = rig.machine.state.replica;
    rig.hear(1, { kind: "too_old", term: version(5), lineage, first: BigInt(at + 2) });
    const place = placeAfter(OLD[at] as Entry);
    rig.tell({ kind: "caught_up", epoch, copy: { lineage, place, sessions: { sessions: [] } } });
    rig.tell({ kind: "installed", epoch });
    assert.is(rig.machine.hello().lastSeq, BigInt(at + 1));
    assert.is(isDamaged(rig), at === 2);
  }
});

test.run();
