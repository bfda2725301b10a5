/**
 * What a primary and a copy send: no more than is needed when entries are lost or come in another order, and nothing
 * that is no longer so.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CommitConfig } from "../../../../actors/machines/commit/config.ts";
import { COMMIT_RULES } from "../../../../actors/machines/commit/rules.ts";
import { chainOf, config, type Of, Rig, serving, submit, version } from "./rig.ts";
import { placeAfter } from "../../../../actors/machines/commit/log.ts";
import type { Entry } from "../../../../transport/wire/commit/entry.ts";
import type { Incarnation, Pnn } from "../../../../transport/wire/terms.ts";

const test = suite("commit copies");

const MANY = 100;

/** A primary whose copy 1 has been sent many entries, each in an APPEND, and has answered none of them. */
function flooding(
  rest: Partial<CommitConfig> = {},
): { rig: Rig; sid: bigint; last: bigint; begin: bigint } {
  const { rig, sid } = serving(COMMIT_RULES, { appendBytes: 1, groupsMax: MANY + 10 });
  rig.decree(config(rest));
  const begin = rig.machine.hello().lastSeq;
  for (let n = 1; n <= MANY; n++) rig.hear(2, submit(sid, n));
  return { rig, sid, last: rig.machine.hello().lastSeq, begin };
}

/** What copy 1 was sent since, beside what is empty. */
function appendsTo1(rig: Rig): Of<"append">[] {
  const to1 = rig.sent.filter(({ to }) => to === 1).map(({ message }) => message);
  return to1.filter((one): one is Of<"append"> => one.kind === "append" && one.entries.length > 0);
}

test("A hint for each APPEND behind a lost one does not bring all of them again each time", () => {
  const { rig, last, begin } = flooding();
  assert.is(last - begin, BigInt(MANY));
  rig.sent = [];
  for (let i = 0; i < MANY; i++) rig.ack(1, begin, { outcome: "hint" });
  assert.is(appendsTo1(rig).length, 1);
  assert.is(appendsTo1(rig)[0]?.entries[0]?.seq, begin + 1n);
});

test("A copy that lost one is brought up to the end, one APPEND after the other, then entries flow again", () => {
  const { rig, sid, last, begin } = flooding();
  rig.sent = [];
  rig.ack(1, begin, { outcome: "hint" });
  for (let at = begin + 1n; at <= last; at++) {
    assert.is(appendsTo1(rig).at(-1)?.entries[0]?.seq, at);
    // What was sent before is still answered.
    rig.ack(1, begin, { outcome: "hint" });
    rig.ack(1, at);
  }
  assert.is(appendsTo1(rig).length, MANY);
  assert.is(rig.machine.state.primary?.commit, last);
  rig.hear(2, submit(sid, MANY + 1));
  rig.hear(2, submit(sid, MANY + 2));
  assert.is(appendsTo1(rig).length, MANY + 2);
});

test("What came out of order is not sent again", () => {
  const { rig, last, begin } = flooding();
  rig.sent = [];
  rig.ack(1, begin, { outcome: "hint" });
  // The first of the old ones come after all.
  rig.ack(1, begin + 50n);
  assert.is(appendsTo1(rig).at(-1)?.entries[0]?.seq, begin + 51n);
  rig.ack(1, last);
  assert.is(appendsTo1(rig).length, 2);
  assert.is(rig.machine.state.primary?.commit, last);
});

test("A copy that is silent is sent one APPEND again and again, not all", () => {
  const { rig, begin } = flooding();
  rig.sent = [];
  rig.pass(1_000);
  const appends = appendsTo1(rig);
  assert.ok(appends.length > 2 && appends.length < 20, `${appends.length}`);
  for (const { entries } of appends) assert.is(entries[0]?.seq, begin + 1n);
});

test("What was lost is sent again, also while others go on and the copy is told of it all the time", () => {
  const { rig, sid, begin } = flooding({
    replicas: [0, 1, 2] as Pnn[],
    isr: config().isr.slice(0, 1),
    m: 1,
  });
  rig.sent = [];
  // Its answer to the first one says where it is; what it is sent then is lost.
  rig.ack(1, begin, { outcome: "hint" });
  for (let n = MANY + 1; n < MANY + 100; n++) {
    rig.hear(2, submit(sid, n));
    rig.pass(10);
    rig.ack(1, begin);
  }
  assert.ok(rig.all("append").length > 50);
  const again = appendsTo1(rig).filter(({ entries }) => entries[0]?.seq === begin + 1n);
  assert.ok(again.length > 2 && again.length < 50, `${again.length}`);
});

test("Entries that were read from the disk and cut since are not shipped", () => {
  const old = chainOf(Array.from({ length: 8 }, () => ({ kind: "start" } as const)));
  const fork = old.slice(0, 5);
  const branch = chainOf(
    Array.from({ length: 12 }, () => ({ kind: "start", term: 6n } as const)),
    fork,
  );
  const rig = new Rig(COMMIT_RULES, { entries: old }, { keepEntries: 1, appendBytes: 1 });
  const decree = (term: number) => rig.decree(config({ primary: 1 as Pnn, term: version(term) }));
  decree(5);
  const { lineage, epoch } = rig.machine.state.replica;
  const append = (term: number, at: number, entries: typeof old, commit: number) => {
    const prevChain = [...fork, ...branch][at - 1]?.chain ?? 0n;
    const place = { lineage, prevSeq: BigInt(at), prevChain, commit: BigInt(commit), readNo: 0 };
    rig.hear(1, { kind: "append", term: version(term), ...place, entries });
  };
  append(5, 5, [], 5);
  assert.is(rig.machine.hello().applied, 5n);
  const shipped = (from: number, chain: bigint) => {
    const place = { seq: BigInt(from), chain, applied: BigInt(from) };
    rig.hear(2, { kind: "shipped", lineage, ...place });
  };
  shipped(1, old[0]?.chain ?? 0n);
  const fetch = rig.effects.findLast((effect) => effect.kind === "fetch");
  assert.is(fetch?.kind === "fetch" ? fetch.from : undefined, 2n);
  // The disk has all of its log, also what no primary has committed.
  rig.tell({ kind: "fetched", epoch, from: 2n, entries: old.slice(1) });
  assert.equal(rig.last("ship").entries.map(({ seq }) => seq), [2n, 3n, 4n, 5n]);
  decree(6);
  append(6, 5, branch, 17);
  assert.is(rig.machine.hello().applied, 17n);
  assert.ok(rig.machine.state.replica.log.base.seq > 6n);
  rig.sent = [];
  shipped(5, old[4]?.chain ?? 0n);
  const chains = new Set(branch.map(({ chain }) => chain));
  for (const { entries } of rig.all("ship")) {
    for (const { seq, chain } of entries) assert.ok(chains.has(chain), `entry ${seq} was cut`);
  }
  assert.is(rig.breach, undefined);
  const again = rig.effects.findLast((effect) => effect.kind === "fetch");
  assert.is(again?.kind === "fetch" ? again.from : undefined, 6n);
});

test("What the disk has no more is not asked of it again and again: the copy is told to take pages", () => {
  const { rig, sid } = serving(COMMIT_RULES, { keepEntries: 1 });
  for (let n = 1; n <= 10; n++) {
    rig.hear(2, submit(sid, n));
    rig.ack(1);
  }
  const { replica } = rig.machine.state;
  assert.ok(replica.log.base.seq > 3n);
  rig.ack(2, 1n, { outcome: "hint" });
  const fetches = () => rig.effects.filter((effect) => effect.kind === "fetch");
  assert.is(fetches().length, 1);
  rig.tell({ kind: "fetched", epoch: replica.epoch, from: 2n, entries: [] });
  assert.is(fetches().length, 1);
  assert.is(rig.last("too_old").first, 3n);
  rig.pass(2_000);
  assert.is(fetches().length, 1);
});

test("A read that waits for a disk that is no more is answered when the document has the new one", () => {
  const { rig } = serving(COMMIT_RULES);
  rig.hear(2, { kind: "read_index", term: version(5), id: 1 });
  rig.ack(1, undefined, { id: "e1" });
  assert.is(rig.all("read_at").length, 0);
  rig.decree(config({ isr: [{ pnn: 0 as Pnn, id: "d0" }, { pnn: 1 as Pnn, id: "e1" }] }));
  assert.is(rig.all("read_at").length, 1);
});

test("A read that waits for what the pages bring is answered when they are installed", () => {
  const entries = chainOf(Array.from({ length: 4 }, () => ({ kind: "start" } as const)));
  const rig = new Rig(COMMIT_RULES, { entries: entries.slice(0, 1), isFresh: true });
  const isr = [{ pnn: 1 as Pnn, id: "d1" }];
  rig.decree(config({ primary: 1 as Pnn, isr, m: 1 }));
  const { lineage, epoch } = rig.machine.state.replica;
  rig.hear(1, { kind: "too_old", term: version(5), lineage, first: 4n });
  const { id } = rig.last("read_index");
  const asker = 1n as Incarnation;
  rig.hear(1, { kind: "read_at", term: version(5), asker, id, lineage, commit: 3n });
  const place = placeAfter(entries[2] as Entry);
  rig.tell({ kind: "caught_up", epoch, copy: { lineage, place, sessions: { sessions: [] } } });
  assert.not.ok(rig.machine.mayRead);
  rig.tell({ kind: "installed", epoch });
  assert.ok(rig.machine.mayRead);
});

test("What the disk does not have yet is not taken for what it has let go of", () => {
  const { rig, sid } = serving(COMMIT_RULES);
  rig.hear(2, submit(sid, 1));
  const { replica } = rig.machine.state;
  const { seq } = replica.applied;
  assert.ok(seq < replica.log.last);
  // A follower that was sent all wants the next one read ahead.
  replica.fetching = replica.log.last;
  const { epoch } = replica;
  rig.tell({ kind: "fetched", epoch, from: replica.log.last, entries: [] });
  assert.is(replica.first, seq + 1n);
});

test("A copy hears from the answer to its own client that an entry is committed", () => {
  const rig = new Rig(COMMIT_RULES);
  const decree = (term: number) => rig.decree(config({ primary: 1 as Pnn, term: version(term) }));
  decree(5);
  const entries = chainOf([{ kind: "start" }, { kind: "start" }, { kind: "start" }]);
  const { lineage } = rig.machine.state.replica;
  const base = { kind: "append", term: version(5), lineage, readNo: 0, commit: 0n } as const;
  rig.hear(1, { ...base, prevSeq: 0n, prevChain: 0n, entries: entries.slice(0, 2) });
  const wish = { reads: [], writes: [{ key: "k", value: new Uint8Array([1]) }] };
  rig.tell({ kind: "transaction", id: 1, client: 1, wish, deadlineMs: 60_000 });
  const asker = 1n as Incarnation;
  const { number } = rig.last("open");
  rig.hear(1, { kind: "opened", term: version(5), asker, number, sid: 42n });
  const told = { kind: "result", sid: 42n, n: 1, outcome: "committed", lineage } as const;
  // What was compared with another primary may be another entry.
  rig.hear(1, { ...told, term: version(4), seq: 2n, dbseq: 0n });
  assert.is(rig.machine.hello().commitKnown, 0n);
  const second = new Rig(COMMIT_RULES);
  second.decree(config({ primary: 1 as Pnn }));
  second.hear(1, { ...base, prevSeq: 0n, prevChain: 0n, entries: entries.slice(0, 2) });
  second.tell({ kind: "transaction", id: 1, client: 1, wish, deadlineMs: 60_000 });
  const open = second.last("open").number;
  second.hear(1, { kind: "opened", term: version(5), asker, number: open, sid: 42n });
  second.hear(1, { ...told, term: version(5), seq: 2n, dbseq: 0n });
  assert.is(second.machine.hello().commitKnown, 2n);
  assert.is(second.machine.hello().applied, 2n);
});

/** What the machine wrote, in order. */
function written(rig: Rig): Entry[] {
  return rig.effects.flatMap((effect) => effect.kind === "write" ? [...effect.entries] : []);
}

/** From which entries on the disk was asked. */
function fetches(rig: Rig): bigint[] {
  return rig.effects.flatMap((effect) => effect.kind === "fetch" ? [effect.from] : []);
}

test("While its entries come from the disk, what a copy answers to another question moves nothing", () => {
  const { rig, sid } = serving(COMMIT_RULES, { keepEntries: 1 });
  for (let n = 1; n <= 20; n++) {
    rig.hear(2, submit(sid, n));
    rig.ack(1);
  }
  const { log, epoch } = rig.machine.state.replica;
  // Its log ends right before the first entry that is not in memory.
  const end = log.base.seq - 1n;
  for (let times = 0; times < 8; times++) {
    rig.ack(2, end, { outcome: "hint" });
    rig.pass(600);
  }
  assert.is(rig.all("too_old").length, 0);
  assert.equal(new Set(fetches(rig)), new Set([end + 1n]));
  const entries = written(rig).filter(({ seq }) => seq > end && seq <= log.base.seq);
  rig.sent = [];
  rig.tell({ kind: "fetched", epoch, from: end + 1n, entries });
  const sent = rig.sent.find(({ to, message }) => to === 2 && message.kind === "append")?.message;
  assert.is(sent?.kind === "append" ? sent.prevSeq : undefined, end);
});

test("No look for where logs agree goes back beyond the first entry that is here, while the copy reaches it", () => {
  const timing = { keepEntries: 1, keepLog: 40, checkpointEntries: 1 };
  const { rig, sid } = serving(COMMIT_RULES, timing);
  for (let n = 1; n <= 80; n++) {
    rig.hear(2, submit(sid, n));
    rig.ack(1);
  }
  const { replica } = rig.machine.state;
  const all = written(rig);
  // Up to here it has applied what the primary has; behind that it has another branch.
  const common = replica.first + 2n;
  assert.ok(common > 20n);
  let [looked, isFound] = [fetches(rig).length, false];
  rig.ack(2, replica.log.last - 1n, { outcome: "hint" });
  for (let times = 0; times < 50 && !isFound; times++) {
    const from = fetches(rig).slice(looked).at(-1);
    looked = fetches(rig).length;
    if (from !== undefined) {
      const entries = all.filter(({ seq }) => seq >= from && seq <= replica.applied.seq);
      rig.tell({ kind: "fetched", epoch: replica.epoch, from, entries });
    }
    const sent = rig.sent.filter(({ to }) => to === 2).map(({ message }) => message)
      .findLast((message) => message.kind === "append");
    if (sent?.kind !== "append") throw new Error("nothing was sent");
    isFound = sent.prevSeq <= common;
    const back = sent.prevSeq - 1n;
    if (!isFound) rig.ack(2, back > common ? back : common, { outcome: "hint" });
  }
  assert.is(rig.all("too_old").length, 0);
  assert.ok(isFound);
});

test("A new life that has come farther than what its former one was to get goes on from there", () => {
  const { rig, sid } = serving(COMMIT_RULES, { keepEntries: 1 });
  for (let n = 1; n <= 20; n++) {
    rig.hear(2, submit(sid, n));
    rig.ack(1);
  }
  const { epoch } = rig.machine.state.replica;
  rig.ack(2, 5n, { outcome: "hint" });
  // The disk has let go of it, so the copy takes pages.
  rig.tell({ kind: "fetched", epoch, from: 6n, entries: [] });
  assert.is(rig.last("too_old").first, 7n);
  const term = version(5);
  const base = { kind: "appended", term, id: "d2", readNo: 0, highTerm: term } as const;
  for (let times = 0; times < 3; times++) {
    rig.hear(2, { ...base, outcome: "hint", seq: 10n }, 2n);
    rig.pass(600);
  }
  assert.is(fetches(rig).at(-1), 11n);
});

/** A primary of an older term sends another entry for a place. */
function oldAppend(rig: Rig, before: readonly Entry[]): Of<"append"> {
  const { seq: prevSeq, chain: prevChain } = placeAfter(before.at(-1) as Entry);
  const { lineage } = rig.machine.state.replica;
  const base = { kind: "append", term: version(5), lineage, readNo: 0, commit: 0n } as const;
  const entries = chainOf([{ kind: "start", term: 5n }], before);
  return { ...base, prevSeq, prevChain, entries };
}

const BEFORE = chainOf([{ kind: "start" }, { kind: "start" }]);
const LATER = chainOf([{ kind: "start", term: 6n }], BEFORE);

test("A follower that has an entry of a term follows no older primary, though no APPEND told it of the term", () => {
  const rig = new Rig(COMMIT_RULES, { entries: BEFORE });
  const isr = [{ pnn: 1 as Pnn, id: "d1" }];
  const replicas = [1 as Pnn, 2 as Pnn];
  rig.decree(config({ primary: 1 as Pnn, term: version(6), isr, m: 1, replicas }));
  const { lineage } = rig.machine.state.replica;
  const { seq: prevSeq, chain: prevChain } = placeAfter(BEFORE[1] as Entry);
  rig.hear(1, { kind: "ship", lineage, prevSeq, prevChain, entries: LATER });
  assert.is(rig.machine.hello().commitKnown, 3n);
  // It was paused, and does not know that it is none any more.
  rig.hear(2, oldAppend(rig, BEFORE));
  assert.is(rig.breach, undefined);
  assert.is(rig.last("appended").outcome, "reject");
  assert.is(rig.last("appended").highTerm, 6n);
});

test("Nor does a life that finds the entry on its disk, or one that took it with pages", () => {
  const found = new Rig(COMMIT_RULES, { entries: [...BEFORE, ...LATER] });
  found.hear(2, oldAppend(found, BEFORE));
  assert.is(found.last("appended").outcome, "reject");
  const rig = new Rig(COMMIT_RULES);
  const isr = [{ pnn: 1 as Pnn, id: "d1" }];
  rig.decree(config({ primary: 1 as Pnn, term: version(6), isr, m: 1 }));
  const { lineage, epoch } = rig.machine.state.replica;
  rig.hear(1, { kind: "too_old", term: version(6), lineage, first: 4n });
  const place = placeAfter(LATER[0] as Entry);
  rig.tell({ kind: "caught_up", epoch, copy: { lineage, place, sessions: { sessions: [] } } });
  rig.tell({ kind: "installed", epoch });
  rig.hear(2, oldAppend(rig, BEFORE));
  assert.is(rig.breach, undefined);
  assert.is(rig.last("appended").outcome, "reject");
});

test.run();
