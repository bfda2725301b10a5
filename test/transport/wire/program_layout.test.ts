/**
 * The layout of program messages: what is written is read, there is one form only, and hostile bytes end in a refusal.
 */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { isRefusal, REFUSAL_MEANING } from "../../../transport/wire/envelope.ts";
import type { Refusal } from "../../../transport/wire/envelope.ts";
import { FAULT_TEXT_MAX } from "../../../transport/wire/limits.ts";
import {
  PROGRAM_DATA_MAX,
  PROGRAM_PUBLICATION_MAX,
} from "../../../transport/wire/messages/program.ts";
import {
  ENTRY,
  isEntry,
  PROGRAM_BODY_MAX,
  PROGRAM_ENTRY_SIZE,
  PROGRAM_HEAD_SIZE,
  PROGRAM_MAGIC,
  PROGRAM_RECEIVER_SIZE,
  ProgramReader,
  ProgramWriter,
} from "../../../transport/wire/program_layout.ts";
import type {
  ProgramEntry,
  ProgramPublication,
  ProgramReceiver,
} from "../../../transport/wire/program_layout.ts";
import type { Incarnation, Pnn } from "../../../transport/wire/terms.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import { CLUSTER, ONE, OTHER, THIRD } from "./two_nodes.ts";
import { halved, shareOf } from "../../limit.ts";

const test = suite("layout of program messages");

const LIFE = 77n as Incarnation;
const OWN = 3 as Pnn;
const HELLO = entry(ENTRY.whole, 5n, "hello");
const RUNS = 40_000;

function entry(kind: ProgramEntry["kind"], srvid: bigint, text: string, value = 0): ProgramEntry {
  return { kind, srvid, program: 9, value, data: new TextEncoder().encode(text) };
}

function to(pnn: number, seq: number): ProgramReceiver {
  return { pnn: pnn as Pnn, incarnation: 1000n as Incarnation, seq };
}

/** The bytes of a publication of ONE. */
function written(
  entries: readonly ProgramEntry[] = [HELLO],
  receivers: readonly ProgramReceiver[] = [to(OWN, 1)],
): Uint8Array {
  return new ProgramWriter(CLUSTER, ONE).write(LIFE, receivers, entries).slice();
}

function read(bytes: Uint8Array): ProgramPublication | Refusal | undefined {
  return new ProgramReader(CLUSTER).read(bytes, tagOf(ONE), OWN);
}

function taken(bytes: Uint8Array): ProgramPublication {
  const result = read(bytes);
  if (result !== undefined && !isRefusal(result)) return result;
  throw new Error(`not taken: ${JSON.stringify(result)}`);
}

function refusalIn(bytes: Uint8Array): string {
  const result = read(bytes);
  return result !== undefined && isRefusal(result) ? result.refused : "none";
}

/** The same bytes with a u32 changed. */
function poked(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint32(at, value, true);
  return copy;
}

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const anyReceiver = fc.record({
  pnn: u32 as fc.Arbitrary<number> as fc.Arbitrary<Pnn>,
  incarnation: u64 as fc.Arbitrary<bigint> as fc.Arbitrary<Incarnation>,
  seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
});
const anyEntry: fc.Arbitrary<ProgramEntry> = fc.record({
  kind: fc.constantFrom(...Object.values(ENTRY)),
  srvid: fc.oneof(u64, fc.constant(0n)),
  program: fc.oneof(u32, fc.constant(0)),
  value: fc.oneof(u32, fc.constant(0), fc.integer({ min: 0, max: 2 ** 24 })),
  data: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(new Uint8Array())),
}).filter(isEntry);
const anyPublication = fc.record({
  receivers: fc.array(anyReceiver, { minLength: 1, maxLength: 4 })
    .map((all) => [...all.filter(({ pnn }) => pnn !== OWN), to(OWN, 6)]),
  entries: fc.array(anyEntry, { minLength: 1, maxLength: 6 }),
});

test("what is written is read as it was, to the last number", () => {
  fc.assert(
    fc.property(anyPublication, ({ receivers, entries }) => {
      const publication = taken(written(entries, receivers));
      assert.is(publication.from, ONE);
      assert.is(publication.incarnation, LIFE);
      assert.equal(publication.receiver, receivers.at(-1));
      assert.equal(
        publication.entries.map((one) => ({ ...one, data: [...one.data] })),
        entries.map((one) => ({ ...one, data: [...one.data] })),
      );
    }),
    halved({ numRuns: 500, seed: 5 }),
  );
});

test("every byte stands where the head of the layout says", () => {
  const bytes = written([{ ...HELLO, srvid: 0x0102_0304_0506_0708n }], [to(OWN, 2 ** 32 + 7)]);
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const size = PROGRAM_HEAD_SIZE + PROGRAM_RECEIVER_SIZE + PROGRAM_ENTRY_SIZE + 5;
  assert.is(bytes.length, size);
  assert.is(
    hex,
    [
      "50" + "01" + "0100" + "01000000" + "6d000000" + "00000000",
      CLUSTER,
      ONE,
      "4d00000000000000",
      "03000000" + "00000000" + "e803000000000000" + "0700000001000000",
      "0807060504030201" + "09000000" + "00000000" + "05000000" + "01000000" + "68656c6c6f",
    ].join(""),
  );
  assert.is(PROGRAM_MAGIC, 0x50);
});

test("a full publication fits: all receivers, and entries up to the bound", () => {
  const receivers = Array.from({ length: 256 }, (_, i) => to(i, i + 1));
  const data = new Uint8Array(PROGRAM_BODY_MAX - PROGRAM_ENTRY_SIZE).fill(7);
  const bytes = written([{ ...HELLO, data }], receivers);
  assert.is(bytes.length, PROGRAM_PUBLICATION_MAX);
  assert.is(taken(bytes).entries[0]?.data.length, data.length);
  assert.throws(() => written([{ ...HELLO, data: new Uint8Array(data.length + 1) }], receivers));
});

test("what is for others is passed over, and what is of others refused", () => {
  assert.is(read(written([HELLO], [to(1, 1), to(2, 8)])), undefined);
  const reader = new ProgramReader(CLUSTER);
  const forged = reader.read(written(), tagOf(OTHER), OWN);
  assert.is(forged !== undefined && isRefusal(forged) && forged.refused, "sender");
  const foreign = new ProgramWriter(THIRD as never, ONE).write(LIFE, [to(OWN, 1)], [HELLO]);
  assert.is(refusalIn(foreign), "cluster");
});

test("two senders whose ids begin alike are told apart", () => {
  const twin = `${ONE.slice(0, 31)}0` as typeof ONE;
  const reader = new ProgramReader(CLUSTER);
  for (const sender of [ONE, twin, ONE]) {
    const bytes = new ProgramWriter(CLUSTER, sender).write(LIFE, [to(OWN, 1)], [HELLO]);
    const result = reader.read(bytes, tagOf(sender), OWN);
    assert.is(result !== undefined && !isRefusal(result) && result.from, sender);
  }
});

const ENTRY_AT = PROGRAM_HEAD_SIZE + PROGRAM_RECEIVER_SIZE;
const HOSTILE: Record<string, [bytes: Uint8Array, code: string]> = {
  "no bytes": [new Uint8Array(), "form"],
  "a CBOR map": [poked(written(), 0, 0xa1), "form"],
  "another layout": [poked(written(), 0, 0x0001_0250), "version"],
  "too many bytes": [new Uint8Array(PROGRAM_PUBLICATION_MAX + 1).fill(PROGRAM_MAGIC), "size"],
  "no receivers": [poked(written(), 4, 0), "form"],
  "four billion receivers": [poked(written(), 4, 0xffff_ffff), "form"],
  "257 receivers": [poked(written(), 4, 257), "form"],
  "no entries": [poked(written(), 0, 0x0000_0150), "form"],
  "65535 entries": [poked(written(), 0, 0xffff_0150), "form"],
  "two entries where one is": [poked(written(), 0, 0x0002_0150), "form"],
  "another length": [poked(written(), 8, 110), "form"],
  "a hidden word in the head": [poked(written(), 12, 1), "form"],
  "a hidden word in a receiver": [poked(written(), PROGRAM_HEAD_SIZE + 4, 1), "form"],
  "number 0": [poked(written(), PROGRAM_HEAD_SIZE + 16, 0), "form"],
  "a number that is no integer": [poked(written(), PROGRAM_HEAD_SIZE + 20, 1 << 21), "form"],
  "this node twice": [written([HELLO], [to(OWN, 1), to(OWN, 2)]), "form"],
  "data of four GiB": [poked(written(), ENTRY_AT + 16, 0xffff_ffff), "form"],
  "data one byte longer": [poked(written(), ENTRY_AT + 16, 6), "form"],
  "data one byte shorter": [poked(written(), ENTRY_AT + 16, 4), "form"],
  "kind 0": [poked(written(), ENTRY_AT + 20, 0), "body"],
  "kind 7": [poked(written(), ENTRY_AT + 20, 7), "body"],
  "a hidden byte behind the kind": [poked(written(), ENTRY_AT + 20, 0x100 + ENTRY.whole), "body"],
  "a whole one with a value": [written([entry(ENTRY.whole, 1n, "x", 1)]), "body"],
  "no program": [written([{ ...HELLO, program: 0 }]), "body"],
  "a first part that is all": [written([entry(ENTRY.first, 1n, "xy", 2)]), "body"],
  "a message above the limit": [
    written([entry(ENTRY.first, 1n, "x", PROGRAM_DATA_MAX + 1)]),
    "body",
  ],
  "a part beyond the limit": [written([entry(ENTRY.more, 1n, "x", PROGRAM_DATA_MAX)]), "body"],
  "an empty part": [written([entry(ENTRY.last, 1n, "", 5)]), "body"],
  "a part at the beginning that is not the first": [written([entry(ENTRY.last, 1n, "x")]), "body"],
  "a loss of none": [written([entry(ENTRY.lost, 1n, "")]), "body"],
  "a loss with data": [written([entry(ENTRY.lost, 1n, "x", 1)]), "body"],
  "a loss of any with a name": [written([entry(ENTRY.lostAny, 0n, "", 1)]), "body"],
};

for (const [name, [bytes, code]] of Object.entries(HOSTILE)) {
  test(`refused: ${name}`, () => assert.is(refusalIn(bytes), code));
}

test("a publication that is cut off anywhere is refused", () => {
  const bytes = written([HELLO, entry(ENTRY.lost, 4n, "", 3)], [to(1, 1), to(OWN, 2)]);
  for (let length = 0; length < bytes.length; length++) {
    assert.is(refusalIn(bytes.slice(0, length)), "form", `${length} bytes`);
    // Also when it says itself how long it is.
    if (length >= 12) assert.is(refusalIn(poked(bytes.slice(0, length), 8, length)), "form");
  }
});

test("bytes in the middle of a larger buffer are read the same", () => {
  const bytes = written();
  const larger = new Uint8Array(bytes.length + 20).fill(0xff);
  larger.set(bytes, 7);
  const result = taken(larger.subarray(7, 7 + bytes.length));
  assert.equal(new TextDecoder().decode(result.entries[0]?.data), "hello");
});

/** One to three changes that mean something in this layout. */
function mutated(bytes: Uint8Array, dice: SeededDice): Uint8Array {
  let copy: Uint8Array = bytes.slice();
  for (let times = 1 + dice.below(3); times > 0; times--) {
    const at = dice.below(copy.length);
    switch (dice.below(6)) {
      case 0:
        copy[at] = dice.below(256);
        break;
      case 1:
        copy[at] = (copy[at] ?? 0) ^ (1 << dice.below(8));
        break;
      case 2:
        copy = copy.slice(0, Math.max(1, at));
        break;
      case 3:
        copy = Uint8Array.from([...copy.subarray(0, at), ...copy.subarray(Math.max(0, at - 24))]);
        break;
      case 4:
        // The counts and sizes, which are what leads out of a buffer.
        new DataView(copy.buffer).setUint8(dice.below(Math.min(16, copy.length)), dice.below(256));
        break;
      default:
        if (copy.length >= 12) copy = poked(copy, 8, copy.length);
    }
  }
  // Most of the time the length is right, so that the rest is looked at.
  return copy.length >= 12 && dice.chance(3, 4) ? poked(copy, 8, copy.length) : copy;
}

test(`${RUNS} mutations: refused with a reason, passed over, or taken and of the same bytes`, () => {
  const seeds = fc.sample(anyPublication, { numRuns: 60, seed: 9 })
    .map(({ receivers, entries }) => written(entries, receivers));
  const verdicts = new Map<string, number>();
  for (const seed of shareOf(1, RUNS)) {
    const dice = new SeededDice(seed);
    const bytes = mutated(seeds[dice.below(seeds.length)] ?? new Uint8Array(1), dice);
    const before = bytes.slice();
    const result = read(bytes);
    assert.equal(bytes, before);
    let verdict = "for others";
    if (result !== undefined && isRefusal(result)) {
      verdict = result.refused;
      assert.ok(Object.hasOwn(REFUSAL_MEANING, verdict), verdict);
      assert.ok(result.text !== "" && result.text.length <= FAULT_TEXT_MAX, result.text);
    } else if (result !== undefined) {
      verdict = "taken";
      assert.ok(result.entries.every(isEntry));
      const again = new ProgramWriter(CLUSTER, result.from)
        .write(result.incarnation, [result.receiver], result.entries).slice();
      // All but the other receivers, of which the reader keeps nothing, and what says how many they are.
      const tail = again.length - PROGRAM_HEAD_SIZE - PROGRAM_RECEIVER_SIZE;
      assert.equal(again.slice(again.length - tail), bytes.slice(bytes.length - tail), `${seed}`);
      assert.equal(again.slice(16, 56), bytes.slice(16, 56), `${seed}`);
    }
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
  }
  for (const verdict of ["taken", "for others", "form", "body", "version", "cluster", "sender"]) {
    assert.ok((verdicts.get(verdict) ?? 0) > 50, `${verdict}: ${verdicts.get(verdict)}`);
  }
});

test.run();
