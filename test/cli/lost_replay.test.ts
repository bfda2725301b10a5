/**
 * Branches that were cut off: found below a state folder, read, and done again where nothing has come between.
 */

import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Committed, type Transaction, TransactionError } from "../../actors/client/types.ts";
import { type LostBranch, lostBranches, type LostTxn, readBranch } from "../../cli/lost_files.ts";
import { Replay, type Replayed } from "../../cli/lost_replay.ts";
import { keyOfBytes } from "../../transport/wire/client/frames.ts";
import { sealEntry, versionAt } from "../../transport/wire/commit/entry.ts";
import type { CommitTxn, CommitWrite, Entry } from "../../transport/wire/commit/entry.ts";
import { CorruptError } from "../../transport/wire/errors.ts";

const test = suite("lost branches");

/** The lineages before and behind the fork: their low bits count. */
const [OLD, NEW] = [1n | 7n << 20n, 2n | 9n << 20n];
const FORK = 4n;
const bytes = (text: string) => new TextEncoder().encode(text);
const put = (key: string, value: string): CommitWrite => ({ key, value: bytes(value) });
const del = (key: string): CommitWrite => ({ key, value: undefined });
const txn = (number: number, ...writes: CommitWrite[]): LostTxn => ({
  ...{ number, txid: `1.${number}`, seq: 10n, writes },
});

type Work = (tx: Transaction) => Promise<unknown> | unknown;

/** A database after the fork: each transaction gets the next number of its history. */
class Bank {
  readonly records = new Map<string, { readonly value: string; readonly version: bigint }>();
  seqnum = FORK;
  /** What the next transaction fails with. */
  fault: TransactionError | undefined;

  async transaction<T>(work: Work): Promise<Committed<T>> {
    const { fault } = this;
    this.fault = undefined;
    if (fault !== undefined) throw fault;
    const writes = new Map<string, string | undefined>();
    const value = await work({
      tries: 1,
      get: (key) => Promise.resolve(bytes(this.records.get(nameOf(key))?.value ?? "")),
      version: (key) => Promise.resolve(this.records.get(nameOf(key))?.version ?? 0n),
      put: (key, stored) =>
        void writes.set(nameOf(key), new TextDecoder().decode(stored as Uint8Array)),
      del: (key) => void writes.set(nameOf(key), undefined),
    }) as T;
    this.seqnum += 1n;
    const version = versionAt(NEW, this.seqnum);
    for (const [key, stored] of writes) {
      if (stored === undefined) this.records.delete(key);
      else this.records.set(key, { value: stored, version });
    }
    const { seqnum } = this;
    return { value, txid: `2.${seqnum}`, seqnum, tries: 1, isBehind: false };
  }

  /** As it was at the fork. */
  had(key: string, value: string): void {
    this.records.set(key, { value, version: versionAt(OLD, 2n) });
  }

  async others(key: string, value: string): Promise<void> {
    await this.transaction((tx) => tx.put(bytes(key), bytes(value)));
  }

  value(key: string): string | undefined {
    return this.records.get(key)?.value;
  }
}

function nameOf(key: unknown): string {
  return keyOfBytes(key as Uint8Array);
}

const CONTENT = { forkVersion: versionAt(OLD, FORK) };
const replay = (bank: Bank, overwrites = false) =>
  new Replay(bank as unknown as ConstructorParameters<typeof Replay>[0], CONTENT, overwrites);

async function ends(run: Replay, ...txns: LostTxn[]): Promise<Replayed["outcome"][]> {
  const found: Replayed["outcome"][] = [];
  for (const each of txns) found.push((await run.again(each)).outcome);
  return found;
}

test("Done again where records are as at the fork, or as the replay has left them", async () => {
  const bank = new Bank();
  bank.had("ann", "100");
  bank.had("old", "x");
  const all = [
    txn(1, put("ann", "90"), put("bob", "10")),
    txn(2, put("ann", "80"), del("old")),
    txn(3, put("old", "y"), put("bob", "20")),
    txn(4),
  ];
  assert.equal(await ends(replay(bank), ...all), [
    "committed",
    "committed",
    "committed",
    "nothing",
  ]);
  assert.equal(["ann", "bob", "old"].map((key) => bank.value(key)), ["80", "20", "y"]);
  const { seqnum } = bank;
  assert.equal(await ends(replay(bank), ...all.slice(0, 3)), ["conflict", "conflict", "conflict"]);
  assert.is(bank.seqnum, seqnum, "nothing is done twice");
});

test("What others have changed since is a conflict, and so is what builds on what is left out", async () => {
  const bank = new Bank();
  bank.had("ann", "100");
  await bank.others("bob", "7");
  const run = replay(bank);
  const [first, second, third, fourth] = [
    await run.again(txn(1, put("carl", "1"), put("bob", "10"))),
    await run.again(txn(2, put("carl", "2"))),
    await run.again(txn(3, put("ann", "90"))),
    await run.again(txn(4, put("ann", "80"), put("bob", "11"))),
  ];
  assert.equal(first, { outcome: "conflict", key: "bob", why: "it was changed after the fork" });
  assert.equal(second, {
    ...{ outcome: "conflict", key: "carl", why: "an earlier one that writes it was left out" },
  });
  assert.is(third.outcome, "committed");
  assert.is(fourth.outcome, "conflict");
  assert.equal(["ann", "bob", "carl"].map((key) => bank.value(key)), ["90", "7", undefined]);
});

test("Somebody who writes between two of them is not overwritten; --overwrite does", async () => {
  const bank = new Bank();
  const run = replay(bank);
  assert.equal(await ends(run, txn(1, put("ann", "1"))), ["committed"]);
  await bank.others("ann", "50");
  const [late] = [await run.again(txn(2, put("ann", "2")))];
  assert.equal(late, { outcome: "conflict", key: "ann", why: "it was changed meanwhile" });
  assert.equal(await ends(replay(bank, true), txn(2, put("ann", "2"))), ["committed"]);
  assert.is(bank.value("ann"), "2");
});

test("One that fails is told as that, and what builds on it is left out", async () => {
  const bank = new Bank();
  const run = replay(bank);
  const told = { txid: "3.4", tries: 1 };
  bank.fault = new TransactionError("no_quorum", "too few", told);
  const failed = await run.again(txn(1, put("ann", "1")));
  assert.equal(failed, { outcome: "failed", why: "too few", txid: "3.4" });
  assert.equal(await ends(run, txn(2, put("ann", "2"))), ["conflict"]);
  bank.fault = new TransactionError("unknown", "no answer", told);
  assert.is((await run.again(txn(3, put("bob", "1")))).outcome, "unknown");
});

/** A branch: entries 5 .. 7, of which the first has no transaction. */
function branch(): Entry[] {
  const base = { lineage: OLD, term: 9n };
  const one = (n: number, ...writes: CommitWrite[]): CommitTxn => ({
    sid: 3n,
    n,
    doneUpTo: 0,
    writes,
  });
  const start = sealEntry({
    ...{ ...base, kind: "start", seq: 5n, dbseqFirst: FORK + 1n, prevChain: 77n, txns: [] },
  });
  const first = sealEntry({
    ...{ ...base, kind: "group", seq: 6n, dbseqFirst: FORK + 1n, prevChain: start.chain },
    txns: [one(1, put("ann", "90"), put("__db_sequence_number__\0", "x")), one(2, del("bob"))],
  });
  const second = sealEntry({
    ...{ ...base, kind: "group", seq: 7n, dbseqFirst: FORK + 3n, prevChain: first.chain },
    txns: [one(3, put("ann", "80"))],
  });
  return [start, first, second];
}

test("Branches are found by their names, oldest first, and read without the database's own record", () => {
  const state = mkdtempSync(join(tmpdir(), "ctdbx-lost-"));
  try {
    assert.equal(lostBranches(state), [], "no folder, no branch");
    const folder = join(state, "persistent", "bank.v2.77");
    const trash = join(state, "trash", "other.5");
    for (const each of [folder, trash]) mkdirSync(each, { recursive: true });
    const whole = branch().flatMap((entry) => [...entry.bytes]);
    const name = `bank.v2.tdb.lost.${OLD.toString(16)}.4`;
    writeFileSync(join(folder, name), Uint8Array.from(whole));
    writeFileSync(join(folder, "bank.v2.tdb"), "no branch");
    writeFileSync(join(folder, `${name}~new`), "not finished");
    writeFileSync(join(trash, "other.tdb.lost.a.9"), Uint8Array.from(whole.slice(0, -1)));
    utimesSync(join(trash, "other.tdb.lost.a.9"), 1000, 1000);
    const [damaged, found, ...more] = lostBranches(state);
    assert.equal([found?.database, found?.branch, found?.above], [
      "bank.v2",
      `${OLD.toString(16)}.4`,
      4n,
    ]);
    assert.equal([damaged?.database, damaged?.wallMs, more.length], ["other", 1_000_000, 0]);
    assert.equal(lostBranches(state, "bank.v2").length, 1);
    const content = readBranch(found as LostBranch);
    assert.is(content.entries, 3);
    assert.is(content.forkVersion, versionAt(OLD, FORK));
    assert.equal(content.txns.map(({ number, txid, writes }) => [number, txid, writes.length]), [
      [1, "3.1", 1],
      [2, "3.2", 1],
      [3, "3.3", 1],
    ]);
    assert.throws(() => readBranch(damaged as LostBranch), isTruncated);
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
});

function isTruncated(error: unknown): boolean {
  return error instanceof CorruptError && error.kind === "truncated";
}

test.run();
