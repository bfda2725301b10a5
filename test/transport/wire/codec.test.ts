/**
 * Every message goes there and comes back; what may not pass is refused by name, and the sender is named.
 */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BodyCodec, Codec, NO_CLUSTER, PAYLOAD_MIN } from "../../../transport/wire/codec.ts";
import { isRefusal, PROTOCOL } from "../../../transport/wire/envelope.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { ENVELOPE_MAX, MESSAGE_MAX } from "../../../transport/wire/limits.ts";
import { DURABLE } from "../../../transport/wire/durable.ts";
import { DECLARATIONS } from "../../../transport/wire/messages/registry.ts";
import type { Message } from "../../../transport/wire/messages/registry.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import { encoded, map, NULL, text, UNDEFINED } from "./cbor_bytes.ts";
import { anyBody, difference } from "./declared.ts";
import { codecOf, declared, documentOf, ONE, OTHER, received } from "./two_nodes.ts";
import { refused, sent, STAMPS, subjectFor, subjectOn, THIRD, wrapped } from "./two_nodes.ts";
import { halved } from "../../limit.ts";

const test = suite("codec");

const PROBE = encoded({ nonce: 5 });
const HEARTBEAT = {
  tMs: 12.25,
  incarnation: 3n,
  diskId: THIRD,
  promised: 1n << 63n,
  health: { healthy: true, runstate: "running" },
};

for (const [kind, declaration] of DECLARATIONS) {
  const numRuns = declaration.body.properties["doc"] === undefined ? 60 : 15;
  test(`${kind} comes back as it was sent`, () => {
    const sender = codecOf(ONE);
    const receiver = codecOf(OTHER);
    fc.assert(
      fc.property(anyBody(declaration), (body) => {
        const message = { kind, ...body } as Message;
        assert.is(difference(sent(sender, receiver, message).message, message), undefined);
      }),
      halved({ numRuns }),
    );
  });

  test(`${kind} of another encoder, plain lists and short integers, is the same message`, () => {
    const receiver = codecOf(OTHER);
    fc.assert(
      fc.property(anyBody(declaration), (body) => {
        const result = receiver.decode(subjectFor(kind), wrapped(kind, encoded(body)), 0);
        assert.is(difference(received(result).message, { kind, ...body }), undefined);
      }),
      halved({ numRuns: Math.ceil(numRuns / 3) }),
    );
  });
}

test("the envelope says who, when and in which generation", () => {
  const sender = codecOf(ONE);
  const result = sent(sender, codecOf(OTHER), { kind: "probe", nonce: 5 });
  const { message: _, ...rest } = result;
  assert.equal(rest, { from: ONE, id: 1000n, v: 2, gen: 7n << 32n, stamp: 99n, isStranger: false });
  assert.is(sent(sender, codecOf(OTHER), { kind: "probe", nonce: 5 }).id, 1001n);
});

test("message numbers go on after the last u64", () => {
  const sender = codecOf(ONE, { firstId: 2n ** 64n - 1n });
  assert.is(sent(sender, codecOf(OTHER), { kind: "probe", nonce: 5 }).id, 2n ** 64n - 1n);
  assert.is(sent(sender, codecOf(OTHER), { kind: "probe", nonce: 5 }).id, 0n);
});

test("u64 is bigint in memory, whatever integer it was on the wire; others are refused", () => {
  const receiver = codecOf(OTHER);
  const take = (token: Uint8Array) =>
    receiver.decode(subjectFor("prepare"), wrapped("prepare", map(["token", token])), 0);
  const good: [Uint8Array, bigint][] = [
    [encoded(0), 0n],
    [encoded(23), 23n],
    [encoded(2 ** 40), 2n ** 40n],
    [encoded(2n ** 53n), 2n ** 53n],
    [encoded(2n ** 64n - 1n), 2n ** 64n - 1n],
    [Uint8Array.of(0x1b, 0, 0, 0, 0, 0, 0, 0, 7), 7n],
    [Uint8Array.of(0xfb, 0x40, 0x08, 0, 0, 0, 0, 0, 0), 3n],
  ];
  for (const [token, value] of good) {
    assert.equal(received(take(token)).message, { kind: "prepare", token: value });
  }
  const bad = [encoded(-1), encoded(-(2n ** 63n)), encoded(1.5), encoded("7"), NULL, encoded([7])];
  // 2^60 as a float: the whole number that was meant is not certain.
  bad.push(Uint8Array.of(0xfb, 0x43, 0xb0, 0, 0, 0, 0, 0, 0), encoded(new Uint8Array(8)));
  for (const token of bad) assert.ok(["form", "body"].includes(refused(take(token)).refused));
});

test("a missing optional field is undefined, and undefined is not sent", () => {
  const body = { ...HEARTBEAT, dsToken: undefined };
  const message = sent(codecOf(ONE), codecOf(OTHER), { kind: "heartbeat", ...body } as never);
  assert.not.ok("dsToken" in message.message);
  const there = map(["nonce", UNDEFINED]);
  const result = codecOf(OTHER).decode(subjectFor("probe"), wrapped("probe", there), 0);
  assert.is(refused(result).refused, "form");
});

test("equal slots of a document are one object in memory, and few bytes on the wire", () => {
  const doc = documentOf(4);
  const [payload = new Uint8Array(), ...more] = codecOf(ONE).encode(
    { kind: "view", doc } as never,
    STAMPS,
  );
  assert.is(more.length, 0);
  assert.ok(payload.length < 4096, `${payload.length} bytes`);
  const { message } = received(codecOf(OTHER).decode(subjectFor("view"), payload, 0));
  if (message.kind !== "view") throw new Error(message.kind);
  assert.is(message.doc.view.slots.length, 1024);
  assert.is(message.doc.view.slots[1], message.doc.view.slots[5]);
  assert.equal(message.doc, doc);
});

test("a pool that does not fit its list is refused", () => {
  const doc = documentOf(2);
  const take = (slots: unknown) => {
    const changed = { ...doc, view: { ...doc.view, slots } };
    return codecOf(OTHER).decode(subjectFor("view"), wrapped("view", encoded({ doc: changed })), 0);
  };
  const pool = doc.view.slots.slice(0, 2);
  const at = (count: number, index = 0) =>
    new Uint8Array(new Uint16Array(count).fill(index).buffer);
  assert.is(received(take({ pool, at: at(1024, 1) })).message.kind, "view");
  assert.is(received(take({ pool: [], at: at(0) })).message.kind, "view");
  const bad = [
    { pool, at: at(1024, 2) },
    { pool, at: at(1023) },
    { pool, at: at(1025) },
    { pool, at: at(1024).slice(1) },
    { pool: [], at: at(1024) },
    { pool: {}, at: at(1024) },
    { pool, at: [0] },
    { pool },
    { at: at(1024) },
    {},
    { pool: Array.from({ length: 1025 }, () => pool[0]), at: at(1024) },
  ];
  for (const [i, slots] of bad.entries()) {
    assert.ok(["form", "body"].includes(refused(take(slots)).refused), `pool ${i}`);
  }
});

test("what was put on disk comes back, and what is not of its form does not", () => {
  const codec = new BodyCodec();
  const durable = { diskId: THIRD, promised: 5n, accepted: documentOf(3), incarnation: 9n };
  const stored = codec.encode(DURABLE as never, durable);
  assert.equal(codec.decode(DURABLE, stored), { kind: "durable", ...durable });
  assert.is(refusedBody(codec, stored.slice(1)), "form");
  assert.is(refusedBody(codec, encoded({ ...durable, promised: -1n })), "form");
  assert.is(refusedBody(codec, encoded({ ...durable, diskId: "x" })), "body");
  assert.is(refusedBody(codec, new Uint8Array(DURABLE.bytesMax + 1)), "size");
});

function refusedBody(codec: BodyCodec, stored: Uint8Array): string {
  const result = codec.decode(DURABLE, stored);
  return isRefusal(result) ? result.refused : "not refused";
}

test("a message may go to a node that has no cluster yet, and its own comes from none", () => {
  const joining = codecOf(OTHER);
  joining.clusterId = undefined;
  assert.is(sent(codecOf(ONE), joining, { kind: "probe", nonce: 1 }).message.kind, "probe");
  const [payload = new Uint8Array()] = joining.encode({ kind: "probe", nonce: 1 } as never, STAMPS);
  const result = codecOf(ONE).decode(subjectOn("n", OTHER), payload, 0);
  assert.is(refused(result).refused, "cluster");
  assert.ok(refused(result).text.includes(NO_CLUSTER));
});

test("each step refuses by name, and names whom the server vouches for", () => {
  const receiver = codecOf(OTHER);
  const probe = wrapped("probe", PROBE);
  const subject = subjectFor("probe");
  const from = ONE;
  const tag = tagOf(ONE);
  const cases: [string | undefined, Uint8Array, object][] = [
    [subject, new Uint8Array(MESSAGE_MAX + 1), { refused: "size", tag }],
    ["ctdbx.test.n.x.from.y", probe, { refused: "subject" }],
    [subject.replace(".test.", ".other."), probe, { refused: "subject" }],
    [subject, new Uint8Array(), { refused: "form", tag }],
    [subject, probe.slice(0, -1), { refused: "form", tag }],
    [subject, wrapped("probe", PROBE, { v: PROTOCOL + 2 }), { refused: "version", tag, from }],
    [subject, wrapped("probe", PROBE, { v: PROTOCOL + 2, from: THIRD }), {
      refused: "version",
      tag,
    }],
    [subject, wrapped("probe", PROBE, { v: "1" }), { refused: "envelope", tag, from }],
    [subject, wrapped("probe", PROBE, { gen: -1 }), { refused: "envelope", tag, from }],
    [subject, wrapped("Probe", PROBE), { refused: "envelope", tag, from }],
    [subject, wrapped("probe", PROBE, { from: THIRD }), { refused: "sender", tag }],
    [subject, wrapped("probe", PROBE, { cluster: "0".repeat(32) }), {
      refused: "cluster",
      tag,
      from,
    }],
    [subject, wrapped("nothing", PROBE), { refused: "kind", tag, from }],
    [subjectOn("all"), probe, { refused: "class", tag, from }],
    [subject, wrapped("probe", new Uint8Array(4097)), { refused: "size", tag, from }],
    [subject, wrapped("probe", PROBE, { part: 0 }), { refused: "part", tag, from }],
    [subject, wrapped("probe", PROBE, { part: 0, parts: 2, bytes: 9 }), {
      refused: "part",
      tag,
      from,
    }],
    [subject, wrapped("probe", text("x")), { refused: "form", tag, from }],
    [subject, wrapped("probe", encoded({ nonce: -5 })), { refused: "form", tag, from }],
    [subject, wrapped("probe", encoded({ nonce: 2 ** 32 })), { refused: "body", tag, from }],
    [undefined, wrapped("probe", encoded({})), { refused: "body", from }],
  ];
  for (const [on, payload, due] of cases) {
    const { text, ...rest } = refused(receiver.decode(on, payload, 0));
    assert.equal(rest, due, `${text}`);
    assert.ok(text.length > 0 && text.length <= 200, text);
  }
  assert.is(received(receiver.decode(subject, probe, 0)).message.kind, "probe");
});

test("the words of a hostile map are not ours", () => {
  const said = { refused: "size", text: "believe me", map: { v: 1 }, from: OTHER };
  const result = refused(codecOf(OTHER).decode(subjectFor("probe"), encoded(said), 0));
  assert.is(result.refused, "envelope");
  const body = encoded({ nonce: 1, refused: "size", kind: "prepare" });
  const inside = codecOf(OTHER).decode(subjectFor("probe"), wrapped("probe", body), 0);
  assert.equal(received(inside).message, { kind: "probe", nonce: 1 });
});

test("the text of a fault leads to the field", () => {
  const doc = { ...documentOf(3) };
  const nodes = doc.nodes.map((node, i) => i === 2 ? { ...node, name: "x".repeat(257) } : node);
  const take = (changed: object) =>
    refused(
      codecOf(OTHER).decode(subjectFor("view"), wrapped("view", encoded({ doc: changed })), 0),
    );
  assert.match(take({ ...doc, nodes }).text, /^view: doc\/nodes\/2\/name /);
  assert.match(take({ ...doc, voters: [] }).text, /^view: doc\/voters /);
  const { parent: _, ...orphan } = doc;
  assert.match(take(orphan).text, /^view: doc .*parent/);
});

test("only what is declared can be sent, and only in its form", () => {
  const sender = codecOf(ONE);
  const send = (message: object) => () => sender.encode(message as never, STAMPS);
  assert.throws(send({ kind: "nothing" }), isA(TypeError, "not declared"));
  assert.throws(send({ kind: "__proto__" }), isA(TypeError, "not declared"));
  assert.throws(send({ kind: "probe", nonce: "5" }), isA(TypeError, "nonce"));
  assert.throws(send({ kind: "prepare", token: -1n }), isA(TypeError, "token"));
  const why = "\ud800";
  const health = { healthy: false, runstate: "running", why };
  assert.throws(send({ kind: "heartbeat", ...HEARTBEAT, health }), isA(RangeError, "UTF-8"));
});

test("a body is sent up to its limit, and refused above", () => {
  const small = declared("probe");
  const sender = codecOf(ONE, {
    declarations: new Map([["probe", { ...small, bytesMax: PROBE.length }]]),
  });
  assert.is(sender.encode({ kind: "probe", nonce: 5 } as never, STAMPS).length, 1);
  const isLimit = (error: unknown) => error instanceof CtdbxError && error.code === "limit";
  assert.throws(() => sender.encode({ kind: "probe", nonce: 24 } as never, STAMPS), isLimit);
});

test("a part of what would be too large for its kind is refused, and not kept", () => {
  const receiver = codecOf(OTHER);
  const take = (bytes: number) => {
    const body = new Uint8Array(bytes / 2);
    const part = wrapped("probe", body, { part: 0, parts: 2, bytes });
    return receiver.decode(subjectFor("probe"), part, 0);
  };
  assert.is(refused(take(4098)).refused, "size");
  assert.is(receiver.assembly.count, 0);
  assert.is(take(4096), undefined);
  assert.is(receiver.assembly.count, 1);
});

test("payloads are cut for a bus that takes less", () => {
  const sender = codecOf(ONE, { payloadMax: PAYLOAD_MIN });
  const receiver = codecOf(OTHER);
  const doc = documentOf(400);
  const payloads = sender.encode({ kind: "view", doc } as never, STAMPS);
  assert.ok(payloads.length > 3, `${payloads.length} parts`);
  for (const payload of payloads) assert.ok(payload.length <= PAYLOAD_MIN);
  const last = payloads.pop() ?? new Uint8Array();
  for (const payload of payloads) {
    assert.is(receiver.decode(subjectFor("view"), payload, 0), undefined);
  }
  assert.equal(received(receiver.decode(subjectFor("view"), last, 0)).message, {
    kind: "view",
    doc,
  });
  assert.is(receiver.assembly.count, 0);
});

test("a codec is not made for what it cannot do", () => {
  const make = (options: object) => () =>
    new Codec({ cluster: "test", own: ONE, firstId: 0n, ...options });
  assert.throws(make({ cluster: "a.b" }), isA(RangeError, "cluster"));
  assert.throws(make({ own: "x" }), isA(RangeError, "node id"));
  assert.throws(make({ payloadMax: PAYLOAD_MIN - 1 }), isA(RangeError, "payloads"));
  assert.throws(make({ payloadMax: MESSAGE_MAX + 1 }), isA(RangeError, "payloads"));
  make({ payloadMax: PAYLOAD_MIN })();
  make({ payloadMax: MESSAGE_MAX })();
});

test("an envelope has at most ENVELOPE_MAX bytes beside the body", () => {
  const around = (length: number) => {
    const plain = wrapped("probe", PROBE, { x: "" }).length - PROBE.length;
    // Its length takes two bytes more than that of an empty text.
    return wrapped("probe", PROBE, { x: "y".repeat(length - plain - 2) });
  };
  const take = (length: number) => codecOf(OTHER).decode(subjectFor("probe"), around(length), 0);
  assert.is(received(take(ENVELOPE_MAX)).message.kind, "probe");
  assert.is(refused(take(ENVELOPE_MAX + 1)).refused, "form");
});

test("the largest envelope of ours leaves room for its part", () => {
  const sender = codecOf(ONE, { firstId: 2n ** 64n - 1n });
  const stamps = { gen: (2n ** 64n - 1n) as never, stamp: 2n ** 64n - 1n };
  const doc = documentOf(2000);
  const payloads = sender.encode({ kind: "view", doc } as never, stamps);
  const receiver = codecOf(OTHER);
  const results = payloads.map((payload) => {
    assert.ok(payload.length <= MESSAGE_MAX);
    return receiver.decode(subjectFor("view"), payload, 0);
  });
  assert.is(difference(received(results.at(-1)).message, { kind: "view", doc }), undefined);
});

test("unknown fields of the envelope are passed, but not many", () => {
  const hidden = wrapped("probe", PROBE, { x: new Uint8Array(100_000), y: [1, 2] });
  const result = codecOf(OTHER).decode(subjectFor("probe"), hidden, 0);
  assert.is(received(result).message.kind, "probe");
  const chatty = wrapped("probe", PROBE, { x: Array.from({ length: 600 }, () => 1) });
  assert.is(refused(codecOf(OTHER).decode(subjectFor("probe"), chatty, 0)).refused, "form");
});

function isA(type: new () => Error, part: string): (error: unknown) => boolean {
  return (error) => error instanceof type && error.message.includes(part);
}

test.run();
