/**
 * The judge's history of commits over forks: what was given up stays given up, whatever forced nodes come back later.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CommitConfig } from "../../../../actors/machines/commit/config.ts";
import { placeAfter } from "../../../../actors/machines/commit/log.ts";
import { newReplica } from "../../../../actors/machines/commit/replica.ts";
import { valueOf } from "../../../../actors/machines/sim/commits/disk.ts";
import { History } from "../../../../actors/machines/sim/commits/history.ts";
import { newDatabase } from "../../../../actors/machines/sim/commits/commit_swarm.ts";
import { sealEntry } from "../../../../transport/wire/commit/entry.ts";
import type { Entry } from "../../../../transport/wire/commit/entry.ts";
import type { Pnn } from "../../../../transport/wire/terms.ts";

const test = suite("commit history");

/** Entries with one transaction each, which writes its tag. */
function entriesOf(tags: readonly string[]): Entry[] {
  const made: Entry[] = [];
  for (const [at, tag] of tags.entries()) {
    const last = made.at(-1);
    const prevChain = last === undefined ? 0n : placeAfter(last).chain;
    const writes = [{ key: "k", value: valueOf(tag) }];
    const txns = [{ sid: 1n, n: at + 1, doneUpTo: 0, writes }];
    const place = { seq: BigInt(at + 1), dbseqFirst: BigInt(at + 1), prevChain };
    made.push(sealEntry({ kind: "group", lineage: 1n, term: 1n, ...place, txns }));
  }
  return made;
}

/** A node whose log has entries, and which knows so many as committed in a lineage. */
function nodeIn(lineage: bigint, id: string, entries: readonly Entry[], commit: number) {
  const replica = { ...newReplica(), isOpen: true, lineage, id, commitKnown: BigInt(commit) };
  for (const entry of entries) replica.log.append(entry);
  return replica;
}

/** A document in which node `primary` leads a lineage, from a place of another one. */
function document(
  lineage: bigint,
  primary: number,
  parent?: { readonly lineage: bigint; readonly seq: bigint; readonly chain: bigint },
): CommitConfig {
  const isr = [{ pnn: primary as Pnn, id: `d${primary}` }];
  const base = { ...newDatabase("persistent", 3), lineage, primary: primary as Pnn, isr };
  return parent === undefined ? base : { ...base, parent };
}

/** Two nodes are forced, one after the other; which of them goes on first? */
function forcedTwice(isLate: boolean): { given: Set<string>; executed: string[]; told: string[] } {
  const told: string[] = [];
  const history = new History((rule, text) => told.push(`${rule}: ${text}`));
  const entries = entriesOf(["a", "b", "c"]);
  const nowhere = { seq: 0n, chain: 0n };
  const two = placeAfter(entries[1] as Entry);
  history.begin(document(1n, 0));
  history.look(0, nodeIn(1n, "d0", entries, 3));
  history.begin(document(2n, 1, { lineage: 1n, seq: two.seq, chain: two.chain }));
  const one = () => history.look(1, nodeIn(2n, "d1", entries.slice(0, 2), 2));
  if (!isLate) one();
  // The other one has nothing, and goes on with that.
  history.begin(document(3n, 2, { lineage: 2n, ...nowhere }));
  history.look(2, nodeIn(3n, "d2", [], 0));
  if (isLate) one();
  const executed = history.executed().map(({ writes }) => writes[0]?.value ?? "");
  return { given: history.given(), executed, told };
}

test("A forced node that comes to go on when another one has gone on already brings nothing back", () => {
  for (const isLate of [false, true]) {
    const { given, executed, told } = forcedTwice(isLate);
    assert.equal(told, []);
    assert.equal(executed, []);
    assert.equal([...given].sort(), ["a", "b", "c"], isLate ? "late" : "in order");
  }
});

test("A forced node has what the leader was told of it, unless its disk was damaged since, and it says so", () => {
  for (const isDamaged of [false, true]) {
    const told: string[] = [];
    const history = new History((rule) => told.push(rule));
    const entries = entriesOf(["a", "b", "c"]);
    const { seq, chain } = placeAfter(entries[2] as Entry);
    history.begin(document(1n, 0));
    history.look(0, nodeIn(1n, "d0", entries, 3));
    history.begin(document(2n, 1, { lineage: 1n, seq, chain }));
    const node = nodeIn(2n, "d1", entries.slice(0, 2), 2);
    node.durable = 2n;
    if (isDamaged) node.proven = { term: 1n, seq };
    history.look(1, node);
    assert.equal(told, isDamaged ? [] : ["told"]);
    assert.equal([...history.given()], ["c"]);
  }
});

test.run();
