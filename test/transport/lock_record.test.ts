/** The record of the leader lock: there and back, and what is none. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodeLockRecord, encodeLockRecord } from "../../transport/lock_record.ts";
import { LOCK_RECORD_MAX } from "../../transport/lock_record.ts";
import { recordOf } from "../contracts/lock.ts";
import { throwsCode, utf8 } from "../contracts/port_fixture.ts";

const test = suite("lock record");
const GOOD = { v: 1, holder: "a".repeat(32), incarnation: "1", token: "2", nonce: 3 };

test("What was written is read, also released", () => {
  for (
    const record of [recordOf(1, 1n << 63n, 0xffffffff), { ...recordOf(2, 2n), holder: undefined }]
  ) {
    assert.equal(decodeLockRecord(encodeLockRecord(record)), record);
  }
  assert.ok(
    encodeLockRecord(recordOf(15, (1n << 64n) - 1n, 0xffffffff)).length < LOCK_RECORD_MAX / 2,
  );
});

test("What is no record is corrupt, what is of a later version says so", () => {
  decodeLockRecord(utf8(JSON.stringify(GOOD)));
  const bad = [
    "",
    "null",
    "[]",
    "1",
    "{",
    "hello",
    JSON.stringify({ ...GOOD, v: 0 }),
    JSON.stringify({ ...GOOD, v: undefined }),
    JSON.stringify({ ...GOOD, holder: "A".repeat(32) }),
    JSON.stringify({ ...GOOD, holder: 5 }),
    JSON.stringify({ ...GOOD, holder: undefined }),
    JSON.stringify({ ...GOOD, incarnation: 1 }),
    JSON.stringify({ ...GOOD, token: "-1" }),
    JSON.stringify({ ...GOOD, token: "18446744073709551616" }),
    JSON.stringify({ ...GOOD, nonce: 1.5 }),
    JSON.stringify({ ...GOOD, nonce: 2 ** 32 }),
    JSON.stringify({ ...GOOD, more: "x".repeat(LOCK_RECORD_MAX) }),
  ];
  for (const text of bad) throwsCode(() => decodeLockRecord(utf8(text)), "corrupt");
  throwsCode(() => decodeLockRecord(utf8(JSON.stringify({ ...GOOD, v: 2 }))), "version");
});

test.run();
