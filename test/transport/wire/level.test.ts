/**
 * Levels: an older version drops what it does not know, and refuses what it cannot.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BodyCodec } from "../../../transport/wire/codec.ts";
import { DURABLE, IDENTITY } from "../../../transport/wire/durable.ts";
import { isRefusal, PROTOCOL } from "../../../transport/wire/envelope.ts";
import { oneOf, optional, record, text, u32, word } from "../../../transport/wire/fields.ts";
import { choice, list } from "../../../transport/wire/fields.ts";
import { LEVEL, levelOf, schemaAt, since } from "../../../transport/wire/level.ts";
import { declare } from "../../../transport/wire/message.ts";
import { DOCUMENT } from "../../../transport/wire/messages/document.ts";
import type { SchemaNode } from "../../../transport/wire/schema.ts";
import { DECLARATIONS, declarationsAt } from "../../../transport/wire/messages/registry.ts";
import type { Message } from "../../../transport/wire/messages/registry.ts";
import { codecOf, declared, documentOf, ONE, OTHER, refused, sent } from "./two_nodes.ts";
import { STAMPS, subjectFor } from "./two_nodes.ts";

const test = suite("levels");

const INNER = record("Inner", "", { old: u32(""), young: since(2, optional(u32(""))) });
const THING = declare("thing", {
  class: "n",
  doc: "",
  fields: {
    name: text(""),
    more: since(2, optional(text(""))),
    flags: list("", oneOf("", ["a", "b"], { 2: ["c"], 3: ["d"] }), 4),
    inner: list("", INNER, 3),
    deed: choice("", [
      record("One", "", { do: word("one") }),
      since(2, record("Two", "", { do: word("two"), inner: INNER })),
    ]),
  },
});
const NEW = {
  name: "n",
  more: "m",
  flags: ["a", "c"],
  inner: [{ old: 1, young: 2 }],
  deed: { do: "two", inner: { old: 3, young: 4 } },
};
const OLD = { name: "n", flags: ["b"], inner: [{ old: 1 }], deed: { do: "one" } };

test("what is newer is dropped, in records, lists and choices; what is older is the same", () => {
  const old = THING.at(1);
  assert.equal(old.shape({ ...OLD, more: "m", inner: [{ old: 1, young: 2 }] }), OLD);
  assert.ok(old.check(OLD) && THING.check(OLD) && THING.at(2).check({ ...NEW, flags: ["c"] }));
  assert.equal(old.at(1), old);
  assert.is(THING.at(1), old, "made once");
});

test("words and choices that are newer are refused", () => {
  const old = THING.at(1);
  assert.not.ok(old.check({ ...OLD, flags: ["c"] }));
  assert.not.ok(old.check(old.shape({ ...OLD, deed: { do: "two", inner: { old: 1 } } })));
  assert.ok(THING.at(2).check({ ...OLD, flags: ["c"] }));
  assert.not.ok(THING.at(2).check({ ...OLD, flags: ["d"] }));
  assert.ok(THING.at(3).check({ ...OLD, flags: ["d"] }));
  const codec = new BodyCodec();
  const back = codec.decode(
    old as never,
    codec.encode(THING.at(3) as never, { ...OLD, flags: ["d"] }),
  );
  assert.ok(isRefusal(back));
});

test("what has nothing newer is the same object at every level", () => {
  const plain = record("Plain", "", {
    a: u32(""),
    b: list("", record("B", "", { c: text("") }), 2),
  });
  assert.is(schemaAt(plain, 1), plain);
  const probe = declared("probe");
  assert.is(probe.at(1), probe);
  assert.is(levelOf(since(2, u32(""))), 2);
});

test("each field that came later may be missing: an older sender has not got it", () => {
  const late: string[] = [];
  const look = (node: SchemaNode, path: string): void => {
    for (const [name, field] of Object.entries(node.properties ?? {})) {
      const isLate = levelOf(field as never) > 1;
      if (isLate) late.push(`${path}.${name}`);
      assert.not.ok(isLate && node.required?.includes(name), `${path}.${name} must be optional`);
      // A record that came later as a whole may need what it has.
      if (!isLate) look(field, `${path}.${name}`);
    }
    if (node.items !== undefined) look(node.items, path);
    for (const one of node.anyOf ?? []) if (levelOf(one as never) === 1) look(one, path);
  };
  const durables = [DURABLE, IDENTITY].map(({ kind, body }) => ({
    kind,
    body: body as SchemaNode,
  }));
  for (const { kind, body } of [...DECLARATIONS.values(), ...durables]) {
    look(body as SchemaNode, kind);
  }
  assert.ok(late.includes("accept.doc.invitations") && late.includes("view.doc.nodes.natsKey"));
});

test("a node of the older version takes a document without what it does not know", () => {
  const plain = documentOf(3);
  const [first, ...rest] = plain.nodes;
  const doc = { ...plain, format: 2, pnnNext: 9, nodes: [{ ...first, wantsVote: true }, ...rest] };
  const view = { kind: "view", doc } as unknown as Message;
  const old = codecOf(OTHER, { level: 1 });
  const { message, v } = sent(codecOf(ONE), old, view);
  assert.equal(message, { kind: "view", doc: plain }, "so nobody may send it one");
  assert.is(v, PROTOCOL);
  const nodes = schemaAt(DOCUMENT, 1).properties.nodes as { items?: SchemaNode };
  assert.not.ok("natsKey" in (nodes.items?.properties ?? { natsKey: 0 }));
});

test("an older version's messages are read; its own word is its version", () => {
  const old = codecOf(ONE, { level: 1 });
  const { v } = sent(old, codecOf(OTHER), { kind: "probe", nonce: 1 });
  assert.is(v, 1);
  const ask = {
    kind: "leader_ask",
    verbId: "a".repeat(32),
    command: { verb: "finalize", format: 2 },
  } as const;
  const [payload = new Uint8Array()] = codecOf(ONE).encode(ask, STAMPS);
  const refusal = refused(
    codecOf(OTHER, { level: 1 }).decode(subjectFor("leader_ask"), payload, 0),
  );
  assert.is(refusal.refused, "body");
  assert.throws(() => old.encode(ask, STAMPS), TypeError);
  assert.is(declarationsAt(LEVEL), DECLARATIONS);
});

test.run();
