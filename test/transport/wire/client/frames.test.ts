/** Frames and packets of programs: read as they were written, in whatever pieces; hostile bytes are refused. */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as bodies from "../../../../transport/wire/client/bodies.ts";
import {
  bytesOfKey,
  FRAME,
  FRAME_MAX,
  FrameReader,
  FrameWriter,
  keyOfBytes,
} from "../../../../transport/wire/client/frames.ts";
import {
  PACKET,
  readPacket,
  writePacket,
} from "../../../../transport/wire/client/tunnel_layout.ts";
import { ValueCodec } from "../../../../transport/wire/client/value_codec.ts";
import { CtdbxError } from "../../../../transport/wire/errors.ts";
import { bytes, type Form, form, key, plain, testForms, text, u32, u64, written } from "./forms.ts";

const test = suite("client frames");

const outcome = fc.constantFrom(...bodies.OUTCOMES);
const at = fc.record({ gen: u64, seq: u32, rsn: u64 });

const FORMS: Record<string, Form<unknown>> = {
  op: form({
    value: fc.record({
      ref: fc.nat({ max: 0xffff }),
      timeoutMs: u32,
      wish: fc.constantFrom(...Object.values(bodies.WISH)),
      procedure: fc.string({ maxLength: 80 }),
      args: bytes,
      key: key.map(keyOfBytes),
    }).map((op) =>
      op.wish === bodies.WISH.call ? op : { ...op, procedure: "", args: new Uint8Array() }
    ),
    write: (writer, op) => bodies.writeOp(writer, 7, op, bytesOfKey(op.key)),
    read: bodies.readOp,
  }),
  answer: form({
    value: fc.oneof(
      fc.record({
        outcome: fc.constant("ok" as const),
        why: fc.constant(""),
        result: fc.option(bytes, { nil: undefined }),
        at: fc.option(at, { nil: undefined }),
      }),
      fc.record({
        outcome: fc.constantFrom("failed" as const, "unknown" as const),
        why: text,
        result: fc.constant(undefined),
        at: fc.option(at, { nil: undefined }),
      }),
    ),
    write: (writer, answer) => bodies.writeAnswer(writer, 7, answer),
    read: bodies.readAnswer,
  }),
  locked: form({
    value: fc.record({ at, data: bytes }),
    write: (writer, { at: state, data }) => bodies.writeLocked(writer, 7, state, data),
    read: bodies.readLocked,
  }),
  unlock: form({
    value: fc.option(bytes, { nil: undefined }),
    write: (writer, data) => bodies.writeUnlock(writer, 7, data),
    read: bodies.readUnlock,
  }),
  traverse: form({
    value: fc.record({
      ref: fc.nat({ max: 0xffff }),
      timeoutMs: u32,
      isCount: fc.boolean(),
      credit: u32,
      prefix: bytes.map(keyOfBytes),
    }),
    write: (writer, wish) => bodies.writeTraverse(writer, 7, wish, bytesOfKey(wish.prefix)),
    read: bodies.readTraverse,
  }),
  end: form({
    value: fc.record({ outcome, count: fc.maxSafeNat(), why: text }),
    write: (writer, end) => bodies.writeEnd(writer, 7, end),
    read: bodies.readEnd,
  }),
  post: form({
    value: fc.record({
      to: fc.constantFrom(...bodies.SEND_TO),
      pnn: u32,
      srvid: u64,
      data: bytes,
    }),
    write: (writer, post) => bodies.writePost(writer, 7, post),
    read: bodies.readPost,
  }),
  items: form({
    value: fc.array(
      fc.record({
        type: fc.constantFrom(...Object.values(bodies.ITEM)),
        pnn: u32,
        program: u32,
        srvid: u64,
        count: u32,
        data: bytes,
      }).map((item) =>
        item.type === bodies.ITEM.message
          ? { ...item, count: item.data.length }
          : { ...item, data: new Uint8Array() }
      ),
      { maxLength: 5 },
    ),
    write: (writer, items) => {
      writer.begin(FRAME.items, 7);
      for (const item of items) bodies.writeItem(writer, item);
      writer.end();
    },
    read: (body) => {
      const items: bodies.ItemBody[] = [];
      while (body.left > 0) items.push(bodies.readItem(body));
      return items;
    },
  }),
  change: form({
    value: fc.record({ type: fc.nat({ max: 255 }), key, data: bytes }),
    write: (writer, { type, key: name, data }) =>
      bodies.writeChange(writer, 7, type, keyOfBytes(name), data),
    read: bodies.readChange,
  }),
  run: form({
    value: fc.record({ procedure: fc.string({ maxLength: 80 }), data: bytes, args: bytes, key }),
    write: (writer, run) => bodies.writeRun(writer, 7, run, keyOfBytes(run.key)),
    read: bodies.readRun,
  }),
  ran: form<bodies.RanBody>({
    value: fc.oneof(
      fc.record({
        ok: fc.constant(true as const),
        data: fc.option(bytes, { nil: undefined }),
        result: bytes,
      }),
      fc.record({ ok: fc.constant(false as const), why: text }),
    ),
    write: (writer, ran) => bodies.writeRan(writer, 7, ran),
    read: bodies.readRan,
  }),
};

testForms(test, FORMS);

test("frames come in whatever pieces", () => {
  const frames = fc.array(fc.record({ kind: fc.nat({ max: 255 }), id: u32, data: bytes }), {
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(fc.property(frames, fc.array(fc.nat({ max: 40 }), { minLength: 1 }), (all, cuts) => {
    const stream = written((writer) => {
      for (const { kind, id, data } of all) writer.begin(kind, id).bytes(data).end();
    });
    const got: unknown[] = [];
    const reader = new FrameReader((kind, id, body) =>
      got.push({ kind, id, data: body.bytes().slice() })
    );
    for (let from = 0, n = 0; from < stream.length; n++) {
      const end = Math.min(stream.length, from + 1 + (cuts[n % cuts.length] ?? 0));
      reader.add(stream.slice(from, end));
      from = end;
    }
    assert.equal(plain(got), plain(all));
  }));
});

test("a frame that is too long, or shorter than its head, is refused before it is kept", () => {
  for (const length of [0, 4, FRAME_MAX + 1, 0xffff_ffff]) {
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint32(0, length, true);
    assert.throws(() => new FrameReader(() => {}).add(head), /a frame of/);
  }
  const writer = new FrameWriter();
  writer.begin(1, 1).bytes(new Uint8Array(FRAME_MAX));
  assert.throws(() => writer.end(), /FRAME_MAX/);
  assert.is(writer.size, 0, "and it is not there");
});

test("packets of a tunnel: read as written; all else is none", () => {
  const session = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((id) =>
    [...id].map((byte) => byte.toString(16).padStart(2, "0")).join("")
  );
  fc.assert(fc.property(session, u32, u32, bytes, (id, number, got, data) => {
    const numbered = Math.max(1, number);
    const packet = readPacket(writePacket(PACKET.data, id, numbered, got, data));
    assert.equal(packet, { kind: PACKET.data, session: id, number: numbered, got, bytes: data });
    assert.is(readPacket(writePacket(PACKET.sign, id, numbered, got)), undefined);
    assert.is(readPacket(writePacket(PACKET.data, id, 0, got)), undefined);
    assert.is(readPacket(data.subarray(0, 25)), undefined);
  }));
  assert.throws(() => writePacket(PACKET.end, "x"), RangeError);
});

test("values of programs: read as written, or refused", () => {
  const codec = new ValueCodec();
  const leaf = fc.oneof(
    fc.boolean(),
    fc.integer(),
    fc.double({ noNaN: true }),
    fc.string(),
    fc.constant(null),
    fc.uint8Array(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  );
  // assert.equal asks two objects for their constructors before it compares them.
  const name = fc.string({ minLength: 1 }).filter((one) =>
    one !== "__proto__" && one !== "constructor"
  );
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie("value")),
      fc.dictionary(name, tie("value")),
    ),
  })).value;
  fc.assert(fc.property(value, (wanted) => {
    assert.equal(plain(codec.decode(codec.encode(wanted))), plain(wanted));
  }));
  for (
    const odd of [() => {}, Symbol("x"), new Map(), new Set(), 2n ** 70n, { deep: [new Map()] }]
  ) {
    assert.throws(() => codec.encode(odd), (error: unknown) => error instanceof TypeError);
  }
  const deep: unknown[] = [];
  deep.push(deep);
  assert.throws(() => codec.encode(deep), /deeper/);
  fc.assert(fc.property(bytes, (data) => {
    try {
      codec.decode(data);
    } catch (error) {
      assert.ok(error instanceof CtdbxError && error.code === "corrupt");
    }
  }));
});

test.run();
