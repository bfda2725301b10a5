/**
 * Messages in parts: whole again in any order and however often, and bounded when they are not.
 */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OVER_MAX, PART_BYTES_MIN, UNFINISHED_BYTES_MAX } from "../../../transport/wire/limits.ts";
import { UNFINISHED_MAX, UNFINISHED_MS, WHOLE_MAX } from "../../../transport/wire/limits.ts";
import { Assembly, cut, partStart } from "../../../transport/wire/parts.ts";
import type { Part, Taken } from "../../../transport/wire/parts.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";

const test = suite("parts");

const ONE = "1".repeat(32) as NodeId;

/** Bytes that are the same nowhere. */
function bodyOf(bytes: number, seed = 1): Uint8Array {
  const dice = new SeededDice(seed);
  const words = Uint32Array.from({ length: Math.ceil(bytes / 4) }, () => dice.u32());
  return new Uint8Array(words.buffer, 0, bytes);
}

/** A body as its parts. */
function partsOf(body: Uint8Array, parts: number, head: Partial<Part> = {}): Part[] {
  return Array.from({ length: parts }, (_, part) => ({
    from: ONE,
    id: 1n,
    kind: "view",
    part,
    parts,
    bytes: body.length,
    body: body.subarray(
      partStart(body.length, parts, part),
      partStart(body.length, parts, part + 1),
    ),
    ...head,
  }));
}

function isSame(taken: Taken | undefined, body: Uint8Array): boolean {
  return taken instanceof Uint8Array && taken.length === body.length &&
    taken.every((byte, i) => byte === body[i]);
}

function wrong(taken: Taken): string {
  if (typeof taken === "object" && "wrong" in taken) return taken.wrong;
  throw new Error("it was taken");
}

test("a cut body has no part above the limit, none empty, and is whole when joined", () => {
  fc.assert(fc.property(fc.nat(20_000), fc.integer({ min: 1, max: 3000 }), (bytes, bytesMax) => {
    const body = bodyOf(bytes);
    const pieces = cut(body, bytesMax);
    assert.ok(pieces.every((piece) => piece.length <= bytesMax));
    assert.ok(pieces.every((piece) => piece.length > 0) || bytes === 0);
    const offsets = pieces.map((_, part) => partStart(bytes, pieces.length, part));
    assert.ok(
      pieces.every((piece, part) => piece.byteOffset === (offsets[part] ?? 0) + body.byteOffset),
    );
    assert.is(pieces.reduce((sum, piece) => sum + piece.length, 0), bytes);
  }));
});

test("parts in any order, each however often, make each message once", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.nat(), fc.nat(), (parts, seed, extra) => {
      const dice = new SeededDice(seed);
      const bodies = [bodyOf(parts * 1024 + (extra % 5000), 1), bodyOf(parts * 2000, 2)];
      const sent = bodies.flatMap((body, i) => partsOf(body, parts, { id: BigInt(i) }));
      // Half of them come twice, and all of them in any order.
      const copies = [...sent, ...sent.filter(() => dice.chance(1, 2))];
      const shuffled = copies.map((part) => ({ part, at: dice.u32() })).sort((a, b) => a.at - b.at);
      const assembly = new Assembly();
      const whole = new Map<bigint, Taken>();
      let wholes = 0;
      for (const { part } of shuffled) {
        const taken = assembly.take(part, 0);
        if (!(taken instanceof Uint8Array)) continue;
        whole.set(part.id, taken);
        wholes += 1;
      }
      assert.is(wholes, 2);
      assert.ok(bodies.every((body, i) => isSame(whole.get(BigInt(i)), body)));
      assert.equal([assembly.count, assembly.bytes, assembly.wakeMs], [0, 0, undefined]);
    }),
  );
});

test("one part says that it waits, is known, or makes the whole", () => {
  const assembly = new Assembly();
  const body = bodyOf(3000);
  const [first, second] = partsOf(body, 2);
  if (first === undefined || second === undefined) throw new Error("two parts");
  assert.is(assembly.take(first, 0), "waits");
  assert.is(assembly.take(first, 0), "known");
  assert.is(assembly.bytes, 1500);
  assert.ok(isSame(assembly.take(second, 0), body));
  assert.is(assembly.take(first, 0), "known");
  assert.is(assembly.take(second, 0), "known");
  assert.is(assembly.count, 0);
});

test("the same number of another sender is another message", () => {
  const assembly = new Assembly();
  const body = bodyOf(3000);
  const other = "2".repeat(32) as NodeId;
  const [mine] = partsOf(body, 2);
  const [, its] = partsOf(body, 2, { from: other });
  if (mine === undefined || its === undefined) throw new Error("two parts");
  assert.is(assembly.take(mine, 0), "waits");
  assert.is(assembly.take(its, 0), "waits");
  assert.is(assembly.count, 2);
});

test("a lost part: the rest is dropped in time, and late parts begin nothing", () => {
  const assembly = new Assembly();
  const parts = partsOf(bodyOf(4096), 4);
  const [first, second, third, fourth] = parts as [Part, Part, Part, Part];
  assembly.take(first, 1000);
  assert.is(assembly.wakeMs, 1000 + UNFINISHED_MS);
  assembly.take(second, 1000 + UNFINISHED_MS - 1);
  assert.is(assembly.sweep(1000 + UNFINISHED_MS - 0.5), 0);
  assert.is(assembly.count, 1);
  assert.is(assembly.sweep(1000 + UNFINISHED_MS), 1);
  assert.equal([assembly.count, assembly.bytes], [0, 0]);
  assert.is(assembly.take(third, 1000 + UNFINISHED_MS), "known");
  assert.is(assembly.take(fourth, 1000 + UNFINISHED_MS), "known");
  assert.is(assembly.count, 0);
  // Any part sweeps, too.
  assembly.take({ ...first, id: 2n }, 20_000);
  assembly.take({ ...first, id: 3n }, 20_000 + UNFINISHED_MS);
  assert.is(assembly.count, 1);
});

test("parts that do not fit are named, and harm nothing that waits", () => {
  const assembly = new Assembly();
  const body = bodyOf(4096);
  const [first, second, third, fourth] = partsOf(body, 4) as [Part, Part, Part, Part];
  assembly.take(first, 0);
  const less = { ...second, body: second.body.slice(1) };
  const more = { ...second, body: bodyOf(1025) };
  const cases: [Part, RegExp][] = [
    [{ ...second, part: 4 }, /part 4 of 4/],
    [{ ...second, kind: "accept" }, /differ/],
    [{ ...second, parts: 2, body: bodyOf(2048) }, /differ/],
    [less, /has 1023 bytes, not 1024/],
    [more, /has 1025 bytes, not 1024/],
    [{ ...second, body: new Uint8Array() }, /has 0 bytes/],
    [{ ...second, bytes: 4095 }, /4 parts for 4095 bytes/],
    [{ ...second, bytes: 8192, body: bodyOf(2048) }, /differ/],
  ];
  for (const [part, due] of cases) assert.match(wrong(assembly.take(part, 0)), due);
  assembly.take(second, 0);
  assembly.take(third, 0);
  assert.ok(isSame(assembly.take(fourth, 0), body));
});

test("limits: bytes of a part on the average", () => {
  const take = (bytes: number) => new Assembly().take(partsOf(bodyOf(bytes), 3)[0] as Part, 0);
  assert.match(wrong(take(3 * PART_BYTES_MIN - 1)), /3 parts for/);
  assert.is(take(3 * PART_BYTES_MIN), "waits");
  assert.is(take(3 * PART_BYTES_MIN + 1), "waits");
});

test("limits: unfinished messages of one sender; the oldest goes, others' stay", () => {
  const assembly = new Assembly();
  const body = bodyOf(2048);
  const first = (id: number, from = ONE) => partsOf(body, 2, { id: BigInt(id), from })[0] as Part;
  const last = (id: number, from = ONE) => partsOf(body, 2, { id: BigInt(id), from })[1] as Part;
  const other = "2".repeat(32) as NodeId;
  assembly.take(first(0, other), 0);
  for (let id = 0; id < UNFINISHED_MAX; id++) assembly.take(first(id), 0);
  assert.is(assembly.count, UNFINISHED_MAX + 1);
  assembly.take(first(UNFINISHED_MAX), 0);
  assert.is(assembly.count, UNFINISHED_MAX + 1);
  assert.is(assembly.take(last(0), 0), "known");
  assert.ok(isSame(assembly.take(last(1), 0), body));
  assert.ok(isSame(assembly.take(last(UNFINISHED_MAX), 0), body));
  assert.ok(isSame(assembly.take(last(0, other), 0), body));
});

test("limits: bytes in all; whoever keeps most loses his oldest, others lose nothing", () => {
  const assembly = new Assembly();
  // The same memory for all parts: what is counted is what is kept.
  const mega = new Uint8Array(WHOLE_MAX / 64);
  const part = (from: NodeId, id: number, part: number): Part => ({
    from,
    id: BigInt(id),
    kind: "view",
    part,
    parts: 64,
    bytes: WHOLE_MAX,
    body: mega,
  });
  const small = "2".repeat(32) as NodeId;
  assembly.take(part(small, 0, 0), 0);
  let fed = 1;
  for (let id = 0; id < 3; id++) {
    for (let i = 0; i < 63; i++) {
      assembly.take(part(ONE, id, i), 0);
      fed += 1;
      assert.ok(assembly.bytes <= UNFINISHED_BYTES_MAX);
      if (fed === 128) assert.is(assembly.bytes, UNFINISHED_BYTES_MAX);
      if (fed === 129) assert.is(assembly.bytes, UNFINISHED_BYTES_MAX - 62 * mega.length);
    }
  }
  assert.is(assembly.take(part(ONE, 0, 63), 0), "known");
  const taken = assembly.take(part(ONE, 2, 63), 0);
  assert.is(taken instanceof Uint8Array && taken.length, WHOLE_MAX);
  for (let i = 1; i < 63; i++) assert.is(assembly.take(part(small, 0, i), 0), "waits");
  assert.ok(assembly.take(part(small, 0, 63), 0) instanceof Uint8Array);
});

test("limits: messages that are known to be over", () => {
  const assembly = new Assembly();
  const body = bodyOf(2048);
  const send = (id: number) => {
    const [first, last] = partsOf(body, 2, { id: BigInt(id) }) as [Part, Part];
    assembly.take(first, 0);
    assert.ok(isSame(assembly.take(last, 0), body));
    return last;
  };
  const first = send(0);
  for (let id = 1; id < OVER_MAX; id++) send(id);
  assert.is(assembly.take(first, 0), "known");
  send(OVER_MAX);
  assert.is(assembly.take(first, 0), "waits");
});

test("whatever comes, what waits is bounded and is what the counts say", () => {
  const assembly = new Assembly();
  const dice = new SeededDice(11);
  const body = bodyOf(8192);
  let nowMs = 0;
  for (let i = 0; i < 20_000; i++) {
    nowMs += dice.below(400);
    const from = String(dice.below(5)).repeat(32) as NodeId;
    const parts = 2 + dice.below(3);
    const sent = partsOf(body, parts, { from, id: BigInt(dice.below(40)) });
    const part = sent[dice.below(parts)] as Part;
    assembly.take(dice.chance(1, 10) ? { ...part, kind: "probe" } : part, nowMs);
    assert.ok(assembly.count <= 5 * UNFINISHED_MAX);
    assert.ok(assembly.bytes <= assembly.count * body.length);
    assert.is(assembly.count === 0, assembly.bytes === 0);
    assert.ok((assembly.wakeMs ?? Infinity) > nowMs);
  }
  assembly.sweep(nowMs + UNFINISHED_MS);
  assert.equal([assembly.count, assembly.bytes], [0, 0]);
});

test.run();
