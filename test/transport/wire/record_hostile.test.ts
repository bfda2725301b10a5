/**
 * Hostile batches about records end in a refusal, or are taken and would be written with the same bytes: a corpus of
 * tricks, and mutations.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRefusal } from "../../../transport/wire/envelope.ts";
import { MESSAGE_MAX, WHOLE_MAX } from "../../../transport/wire/limits.ts";
import {
  RECORD_HEAD_SIZE,
  RECORD_MAGIC,
  RECORD_PART_HEAD_SIZE,
  RECORD_PART_MAGIC,
  RecordReader,
} from "../../../transport/wire/record_layout.ts";
import { RECORD_KIND } from "../../../transport/wire/record_write.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import { shareOf } from "../../limit.ts";
import { BatchMutations } from "./batch_mutation.ts";
import { batchOf, poked, put, read, RECORD_RIG, refusalIn } from "./record_rig.ts";
import { written, writtenAll } from "./record_rig.ts";
import { CLUSTER, ONE } from "./two_nodes.ts";

const test = suite("hostile batches about records");

const RUNS = 15_000;
const TID = { gen: 1n, seq: 1 };
const MEMBER = { pnn: 1, incarnation: 1n };
const REQ = { kind: "req", key: "key", slotGen: 1n, rid: 2 };
const COPY = { tid: TID, rsn: 1n, birth: TID, data: Uint8Array.of(1, 2), calls: [] };
const DONE = { kind: "call_done", key: "", seq: 1, ok: true, copy: COPY };
const CALL = {
  kind: "call",
  key: "",
  slotGen: 1n,
  seq: 1,
  birth: TID,
  procedure: "incr",
  args: new Uint8Array(),
  origin: MEMBER,
  path: "hint",
};
const ENTRY = { key: "", slot: 1, htid: TID, phase: "idle", queue: [] };
const TABLE = { kind: "table", id: 1, part: 0, parts: 1, slots: [{ slot: 1, slotGen: 1n }] };

/** Where the first message begins. */
const AT = RECORD_HEAD_SIZE;

/** The bytes of a batch of one message, some of them changed. */
function changed(message: object, at: number, ...bytes: readonly number[]): Uint8Array {
  return put(written(batchOf(message)), AT + at, ...bytes);
}

/** A batch of bytes behind a right head. */
function batchAround(count: number, ...pieces: readonly (readonly number[] | Uint8Array)[]) {
  const head = written(batchOf(REQ)).subarray(0, AT);
  const bytes = Uint8Array.from([...head, ...pieces.flatMap((piece) => [...piece])]);
  return poked(poked(bytes, 0, count << 16 | 0x0152), 4, bytes.length);
}

const part = writtenAll(batchOf({ ...CALL, args: new Uint8Array(30_000) }), 20_000)[0] ??
  new Uint8Array();
/** A key of 0 bytes, and numbers that nothing is wrong with. */
const ZEROS = (count: number) => new Uint8Array(count);

const HOSTILE: Record<string, [bytes: Uint8Array, code: string]> = {
  "no bytes": [new Uint8Array(), "form"],
  "a CBOR map": [poked(written(batchOf(REQ)), 0, 0xa1), "form"],
  "only the head's first byte": [Uint8Array.of(RECORD_MAGIC), "form"],
  "a part's first byte": [Uint8Array.of(RECORD_PART_MAGIC), "form"],
  "another layout": [put(written(batchOf(REQ)), 1, 2), "version"],
  "too many bytes": [new Uint8Array(MESSAGE_MAX + 1).fill(RECORD_MAGIC), "size"],
  "no messages": [batchAround(0), "form"],
  "257 messages": [batchAround(257, ZEROS(9000)), "form"],
  "two messages where one is": [put(written(batchOf(REQ)), 2, 2), "form"],
  "one message where two are": [put(written(batchOf(REQ, REQ)), 2, 1), "form"],
  "another length": [poked(written(batchOf(REQ)), 4, 5), "form"],
  "kind 0": [changed(REQ, 0, 0), "body"],
  "kind 33": [changed(REQ, 0, 33), "body"],
  "a key that leads out": [changed(REQ, 1, 0xff, 0xff), "form"],
  "a value of four GiB": [changed(DONE, 8 + 32, 0xff, 0xff, 0xff, 0xff), "form"],
  "a value one byte longer": [changed(DONE, 8 + 32, 3), "form"],
  "a value one byte shorter": [changed(DONE, 8 + 32, 1), "form"],
  "a flag that is none": [changed(DONE, 7, 4), "body"],
  "4097 calls": [changed(DONE, 8 + 32 + 6, 1, 0x10), "body"],
  "4096 calls that are not there": [changed(DONE, 8 + 32 + 6, 0, 0x10), "form"],
  "a path that is none": [changed(CALL, 1 + 2 + 8 + 4 + 12 + 6 + 4 + 12, 3), "body"],
  "no name": [
    batchAround(1, [RECORD_KIND.call], ZEROS(2 + 8 + 4 + 12 + 2 + 4 + 12 + 1)),
    "body",
  ],
  "a name with a blank": [changed(CALL, 1 + 2 + 8 + 4 + 12 + 2, 32), "body"],
  "a name above ASCII": [changed(CALL, 1 + 2 + 8 + 4 + 12 + 2, 0xe9), "body"],
  "a name of 65": [written(batchOf({ ...CALL, procedure: "x".repeat(65) })), "body"],
  "slot 1024": [changed({ ...TABLE, entries: [] }, 13, 0, 4), "body"],
  "part of none": [changed({ ...TABLE, entries: [] }, 7, 0, 0, 0, 0), "body"],
  "of 65537 parts": [changed({ ...TABLE, entries: [] }, 7, 1, 0, 1, 0), "body"],
  "a table of no slots": [changed({ ...TABLE, entries: [] }, 11, 0), "body"],
  "1025 slots": [batchAround(1, [RECORD_KIND.no_table, 1, 4], ZEROS(1025 * 10)), "body"],
  "257 entries": [changed({ ...TABLE, entries: [] }, 23, 1, 1), "body"],
  "4097 who wait": [changed({ ...TABLE, entries: [ENTRY] }, 25 + 18, 1, 0x10), "body"],
  "a phase that is none": [changed({ ...TABLE, entries: [ENTRY] }, 25 + 17, 4), "body"],
  "nobody under way to nobody": [changed({ ...TABLE, entries: [ENTRY] }, 25 + 4, 8), "body"],
  "257 keys": [batchAround(1, [RECORD_KIND.read_ask], ZEROS(5), [1, 1], ZEROS(9000)), "body"],
  "a part of another layout": [put(part, 1, 9), "version"],
  "a part that hides a word": [put(part, 2, 1), "part"],
  "a part of one": [poked(part, 52, 1), "part"],
  "a part of four billion": [poked(part, 52, 0xffff_ffff), "part"],
  "a part of a whole above the limit": [poked(part, 4, WHOLE_MAX + 1), "part"],
  "a part behind the last": [poked(part, 48, 2), "part"],
  "a part of another size": [part.slice(0, part.length - 1), "part"],
  "a part of crumbs": [poked(part.slice(0, RECORD_PART_HEAD_SIZE + 100), 52, 300), "part"],
  "a part that is cut off in its head": [part.slice(0, RECORD_PART_HEAD_SIZE - 1), "form"],
};

for (const [name, [bytes, code]] of Object.entries(HOSTILE)) {
  test(`refused: ${name}`, () => assert.is(refusalIn(bytes), code));
}

test("what the corpus changes is taken before it is changed", () => {
  for (
    const message of [REQ, DONE, CALL, { ...TABLE, entries: [] }, { ...TABLE, entries: [ENTRY] }]
  ) {
    assert.is(refusalIn(written(batchOf(message))), "none");
  }
  assert.is(read(part), undefined);
});

test("a batch that is cut off anywhere is refused, also when it says itself how long it is", () => {
  const bytes = written(batchOf(CALL, DONE, { ...TABLE, entries: [ENTRY] }));
  for (let length = 0; length < bytes.length; length++) {
    assert.is(refusalIn(bytes.slice(0, length)), "form", `${length} bytes`);
    if (length >= 8) assert.is(refusalIn(poked(bytes.slice(0, length), 4, length)), "form");
  }
});

test("parts that together are no batch are refused, and nothing of them is kept", () => {
  const reader = new RecordReader(CLUSTER);
  const parts = writtenAll(batchOf({ ...CALL, args: new Uint8Array(60_000) }), 20_000);
  const codes = parts.map((payload, i) => {
    // The first one has the head.
    const bytes = i === 0 ? put(payload, RECORD_PART_HEAD_SIZE, 0xa1) : payload;
    const result = reader.read(bytes, tagOf(ONE), 0);
    return result === undefined ? "waits" : isRefusal(result) ? result.refused : "taken";
  });
  assert.equal(codes, ["waits", "waits", "waits", "form"]);
  assert.is(reader.assembly.bytes, 0);
});

test("parts of a batch of several messages are refused: it would have come as several", () => {
  const reader = new RecordReader(CLUSTER);
  const whole = written(batchOf(CALL, { ...CALL, args: new Uint8Array(9000) }));
  const half = Math.floor(whole.length / 2);
  const results = [whole.subarray(0, half), whole.subarray(half)].map((body, i) => {
    const head = poked(poked(part.slice(0, RECORD_PART_HEAD_SIZE), 4, whole.length), 48, i);
    return reader.read(Uint8Array.from([...head, ...body]), tagOf(ONE), 0);
  });
  const last = results.at(-1);
  assert.is(last !== undefined && isRefusal(last) && last.refused, "part");
});

test("a part in a part is no batch", () => {
  const reader = new RecordReader(CLUSTER);
  const inner = writtenAll(batchOf({ ...CALL, args: new Uint8Array(60_000) }), 40_000)[0];
  const whole = put(inner ?? new Uint8Array(), 2, 1);
  const half = Math.floor(whole.length / 2);
  const results = [whole.subarray(0, half), whole.subarray(half)].map((body, i) => {
    const head = poked(poked(part.slice(0, RECORD_PART_HEAD_SIZE), 4, whole.length), 48, i);
    return reader.read(Uint8Array.from([...head, ...body]), tagOf(ONE), 0);
  });
  const last = results.at(-1);
  assert.is(last !== undefined && isRefusal(last) && last.refused, "form");
});

test(`${RUNS} mutations: refused with a reason, or taken and of the same bytes`, () => {
  const mutations = new BatchMutations(RECORD_RIG);
  for (const seed of shareOf(1, RUNS)) mutations.run(seed);
  for (const verdict of ["taken", "form", "body", "version", "cluster", "sender"]) {
    const count = mutations.counts.get(verdict) ?? 0;
    assert.ok(count > 2, `${verdict}: ${count}`);
  }
});

test.run();
