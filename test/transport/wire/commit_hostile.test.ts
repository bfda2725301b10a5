/**
 * Hostile batches about commits end in a refusal, or are taken and would be written with the same bytes: a corpus of
 * tricks, and mutations.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sealEntry } from "../../../transport/wire/commit/entry.ts";
import {
  COMMIT_HEAD_SIZE,
  COMMIT_MAGIC,
  COMMIT_PART_HEAD_SIZE,
  COMMIT_PART_MAGIC,
  CommitReader,
} from "../../../transport/wire/commit_layout.ts";
import { COMMIT_KIND } from "../../../transport/wire/commit_write.ts";
import { isRefusal } from "../../../transport/wire/envelope.ts";
import { MESSAGE_MAX, VALUE_MAX, WHOLE_MAX } from "../../../transport/wire/limits.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import { shareOf } from "../../limit.ts";
import { BatchMutations } from "./batch_mutation.ts";
import { batchOf, COMMIT_RIG, poked, put, read, refusalIn } from "./commit_rig.ts";
import { written, writtenAll } from "./commit_rig.ts";
import { CLUSTER, ONE } from "./two_nodes.ts";

const test = suite("hostile batches about commits");

const RUNS = 15_000;
const OPEN = { kind: "open", term: 1n, number: 2 };
const SUBMIT = {
  kind: "submit",
  term: 1n,
  sid: 2n,
  n: 3,
  doneUpTo: 0,
  reads: [{ key: "k", version: 4n }],
  writes: [{ key: "k", value: Uint8Array.of(1, 2) }],
};
const RESULT = { kind: "result", term: 1n, sid: 2n, n: 3, outcome: "aborted", code: "space" };
const APPENDED = {
  kind: "appended",
  term: 1n,
  id: "disk",
  outcome: "ok",
  seq: 2n,
  readNo: 3,
  highTerm: 4n,
};
const START = sealEntry({
  kind: "start",
  lineage: 1n,
  term: 2n,
  seq: 3n,
  dbseqFirst: 4n,
  prevChain: 5n,
  txns: [],
});
const SHIP = { kind: "ship", lineage: 1n, prevSeq: 2n, prevChain: 5n, entries: [START] };
const ASK = { kind: "sync_ask", id: 1, what: "sums", ranges: [{ from: 0, count: 1 }] };
const WANT = { kind: "want_isr", term: 1n, token: 2n, reqNo: 3, pnn: 4 };
const DATA = { kind: "sync_part", id: 1, what: "pages", from: 0, data: Uint8Array.of(1, 2, 3) };
const HELLO = {
  kind: "hello",
  id: "disk",
  lineage: 1n,
  lastSeq: 2n,
  lastTerm: 3n,
  lastChain: 4n,
  isDamaged: false,
  isFull: false,
  applied: 5n,
  commitKnown: 6n,
};

/** Where the first message begins. */
const AT = COMMIT_HEAD_SIZE;
/** In a message: after kind, term, sid and n. */
const NAME = 1 + 8 + 8 + 4;

/** The bytes of a batch of one message, some of them changed. */
function changed(message: object, at: number, ...bytes: readonly number[]): Uint8Array {
  return put(written(batchOf(message)), AT + at, ...bytes);
}

/** A batch of bytes behind a right head. */
function batchAround(count: number, ...pieces: readonly (readonly number[] | Uint8Array)[]) {
  const head = written(batchOf(OPEN)).subarray(0, AT);
  const bytes = Uint8Array.from([...head, ...pieces.flatMap((piece) => [...piece])]);
  return poked(poked(bytes, 0, count << 16 | 0x0154), 4, bytes.length);
}

const part = writtenAll(batchOf({ ...DATA, data: new Uint8Array(30_000) }), 20_000)[0] ??
  new Uint8Array();
const ZEROS = (count: number) => new Uint8Array(count);

/** A submit of one value that is too long, in parts. */
function tooWide(): string {
  const value = new Uint8Array(VALUE_MAX);
  const parts = writtenAll(batchOf({ ...SUBMIT, reads: [], writes: [{ key: "k", value }] }));
  const reader = new CommitReader(CLUSTER);
  const sizeAt = COMMIT_PART_HEAD_SIZE + AT + NAME + 4 + 4 + 4 + 3 + 1;
  const results = parts.map((payload, i) => {
    const bytes = i === 0 ? poked(payload, sizeAt, VALUE_MAX + 1) : payload;
    return reader.read(bytes, tagOf(ONE), 0);
  });
  const last = results.at(-1);
  return last !== undefined && isRefusal(last) ? last.refused : "none";
}

const HOSTILE: Record<string, [bytes: Uint8Array, code: string]> = {
  "no bytes": [new Uint8Array(), "form"],
  "a CBOR map": [poked(written(batchOf(OPEN)), 0, 0xa1), "form"],
  "a batch about records": [poked(written(batchOf(OPEN)), 0, 0x52), "form"],
  "only the head's first byte": [Uint8Array.of(COMMIT_MAGIC), "form"],
  "a part's first byte": [Uint8Array.of(COMMIT_PART_MAGIC), "form"],
  "another layout": [put(written(batchOf(OPEN)), 1, 2), "version"],
  "too many bytes": [new Uint8Array(MESSAGE_MAX + 1).fill(COMMIT_MAGIC), "size"],
  "no messages": [batchAround(0), "form"],
  "257 messages": [batchAround(257, ZEROS(9000)), "form"],
  "two messages where one is": [put(written(batchOf(OPEN)), 2, 2), "form"],
  "one message where two are": [put(written(batchOf(OPEN, OPEN)), 2, 1), "form"],
  "another length": [poked(written(batchOf(OPEN)), 4, 5), "form"],
  "kind 0": [changed(OPEN, 0, 0), "body"],
  "kind 26": [changed(OPEN, 0, 26), "body"],
  "number 0 of a transaction": [changed(SUBMIT, NAME - 4, 0), "body"],
  "request 0": [changed(WANT, 1 + 8 + 8, 0), "body"],
  "262145 reads": [changed(SUBMIT, NAME + 4, 1, 0, 4, 0), "body"],
  "262144 reads that are not there": [changed(SUBMIT, NAME + 4, 0, 0, 4, 0), "form"],
  "a key that leads out": [changed(SUBMIT, NAME + 8, 0xff, 0xff), "form"],
  "a write that is neither": [changed(SUBMIT, NAME + 8 + 11 + 4 + 3, 2), "body"],
  "a value of four GiB": [changed(SUBMIT, NAME + 8 + 11 + 4 + 4, 255, 255, 255, 255), "form"],
  "a value one byte shorter": [changed(SUBMIT, NAME + 8 + 11 + 4 + 4, 1), "form"],
  "an outcome that is none": [changed(RESULT, NAME, 4), "body"],
  "a flag that is none": [changed(RESULT, NAME + 1, 64), "body"],
  "a reason that is none": [changed(RESULT, NAME + 2, 6), "body"],
  "words of 257": [written(batchOf({ ...RESULT, why: "x".repeat(257) })), "body"],
  "an id of no characters": [written(batchOf({ ...APPENDED, id: "" })), "body"],
  "an id of 33": [written(batchOf({ ...APPENDED, id: "x".repeat(33) })), "body"],
  "an id with a blank": [written(batchOf({ ...APPENDED, id: "a b" })), "body"],
  "an answer that is none": [changed(APPENDED, 1 + 8 + 6, 3), "body"],
  "65537 entries": [changed(SHIP, 25, 1, 0, 1, 0), "body"],
  "65536 entries that are not there": [changed(SHIP, 25, 0, 0, 1, 0), "form"],
  "no entry where one is": [changed(SHIP, 25, 0), "form"],
  "an entry that begins with something else": [changed(SHIP, 29, 0), "body"],
  "an entry of four GiB": [changed(SHIP, 29 + 8, 255, 255, 255, 255), "form"],
  "an entry of no bytes": [changed(SHIP, 29 + 8, 0, 0, 0, 0), "body"],
  "an entry with a wrong checksum": [changed(SHIP, 29 + 4, 1, 2, 3, 4), "body"],
  "an entry with another chain": [changed(SHIP, 29 + START.size - 1, 0xee), "body"],
  "no ranges": [changed(ASK, 6, 0), "body"],
  "257 ranges": [batchAround(1, [COMMIT_KIND.sync_ask], ZEROS(5), [1, 1], ZEROS(9000)), "body"],
  "a range of nothing": [changed(ASK, 12, 0), "body"],
  "a range of too much": [changed(ASK, 12, 1, 0, 2), "body"],
  "something else of a source": [changed(ASK, 5, 3), "body"],
  "a flag of a hello that is none": [changed(HELLO, 1 + 6 + 32, 4), "body"],
  "a part of another layout": [put(part, 1, 9), "version"],
  "a part that hides a word": [put(part, 2, 1), "part"],
  "a part of one": [poked(part, 52, 1), "part"],
  "a part of four billion": [poked(part, 52, 0xffff_ffff), "part"],
  "a part of a whole above the limit": [poked(part, 4, WHOLE_MAX + 1), "part"],
  "a part behind the last": [poked(part, 48, 2), "part"],
  "a part of another size": [part.slice(0, part.length - 1), "part"],
  "a part of crumbs": [poked(part.slice(0, COMMIT_PART_HEAD_SIZE + 100), 52, 300), "part"],
  "a part that is cut off in its head": [part.slice(0, COMMIT_PART_HEAD_SIZE - 1), "form"],
};

for (const [name, [bytes, code]] of Object.entries(HOSTILE)) {
  test(`refused: ${name}`, () => assert.is(refusalIn(bytes), code));
}

test("refused: a value one byte above the limit, that is all there but for it", () => {
  assert.is(tooWide(), "form");
});

test("what the corpus changes is taken before it is changed", () => {
  for (const message of [OPEN, SUBMIT, RESULT, APPENDED, SHIP, ASK, WANT, DATA, HELLO]) {
    assert.is(refusalIn(written(batchOf(message))), "none", message.kind);
  }
  assert.is(read(part), undefined);
});

test("a batch that is cut off anywhere is refused, also when it says itself how long it is", () => {
  const bytes = written(batchOf(SUBMIT, RESULT, SHIP, APPENDED, DATA));
  for (let length = 0; length < bytes.length; length++) {
    assert.is(refusalIn(bytes.slice(0, length)), "form", `${length} bytes`);
    if (length >= 8) assert.is(refusalIn(poked(bytes.slice(0, length), 4, length)), "form");
  }
});

test("parts that together are no batch are refused, and nothing of them is kept", () => {
  const reader = new CommitReader(CLUSTER);
  const parts = writtenAll(batchOf({ ...DATA, data: new Uint8Array(60_000) }), 20_000);
  const codes = parts.map((payload, i) => {
    // The first one has the head.
    const bytes = i === 0 ? put(payload, COMMIT_PART_HEAD_SIZE, 0xa1) : payload;
    const result = reader.read(bytes, tagOf(ONE), 0);
    return result === undefined ? "waits" : isRefusal(result) ? result.refused : "taken";
  });
  assert.equal(codes, ["waits", "waits", "waits", "form"]);
  assert.is(reader.assembly.bytes, 0);
});

/** What becomes of a whole that comes in two parts. */
function inTwo(whole: Uint8Array): string {
  const reader = new CommitReader(CLUSTER);
  const half = Math.floor(whole.length / 2);
  const results = [whole.subarray(0, half), whole.subarray(half)].map((body, i) => {
    const head = poked(poked(part.slice(0, COMMIT_PART_HEAD_SIZE), 4, whole.length), 48, i);
    return reader.read(Uint8Array.from([...head, ...body]), tagOf(ONE), 0);
  });
  const last = results.at(-1);
  return last !== undefined && isRefusal(last) ? last.refused : "none";
}

test("parts of a batch of several messages are refused: it would have come as several", () => {
  assert.is(inTwo(written(batchOf(DATA, { ...DATA, data: new Uint8Array(9000) }))), "part");
  assert.is(inTwo(written(batchOf({ ...DATA, data: new Uint8Array(9000) }))), "none");
});

test("a part in a part is no batch", () => {
  const inner = writtenAll(batchOf({ ...DATA, data: new Uint8Array(60_000) }), 40_000)[0];
  assert.is(inTwo(put(inner ?? new Uint8Array(), 2, 1)), "form");
});

test(`${RUNS} mutations: refused with a reason, or taken and of the same bytes`, () => {
  const mutations = new BatchMutations(COMMIT_RIG);
  for (const seed of shareOf(1, RUNS)) mutations.run(seed);
  for (const verdict of ["taken", "form", "body", "version", "cluster", "sender"]) {
    const count = mutations.counts.get(verdict) ?? 0;
    assert.ok(count > 2, `${verdict}: ${count}`);
  }
});

test.run();
