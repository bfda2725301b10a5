/**
 * Neighbouring protocol versions understand each other; all others are told which side to upgrade.
 */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PROTOCOL, versionFault } from "../../../transport/wire/envelope.ts";
import { oneOf, optional, text, u32, u64 } from "../../../transport/wire/fields.ts";
import { declare } from "../../../transport/wire/message.ts";
import type { SomeDeclaration } from "../../../transport/wire/messages/registry.ts";
import { encoded } from "./cbor_bytes.ts";
import {
  codecOf,
  ONE,
  OTHER,
  received,
  refused,
  STAMPS,
  subjectFor,
  wrapped,
} from "./two_nodes.ts";

const test = suite("protocol versions");

const OLD = 5;

/** "probe" as three versions have it: a field comes as an optional one, then it is needed. */
const VERSIONS = [
  known(declare("probe", { class: "n", doc: "", fields: { nonce: u32("") } })),
  known(declare("probe", {
    class: "n",
    doc: "",
    fields: { nonce: u32(""), why: optional(text("")), since: optional(u64("")) },
  })),
  known(declare("probe", {
    class: "n",
    doc: "",
    fields: { nonce: u32(""), why: text(""), mood: optional(oneOf("", ["calm", "tense"])) },
  })),
];

function known(declaration: unknown): ReadonlyMap<string, SomeDeclaration> {
  return new Map([["probe", declaration as SomeDeclaration]]);
}

function codecAt(step: number, own = OTHER) {
  const declarations = VERSIONS[step] ?? new Map();
  return codecOf(own, { protocol: OLD + step, declarations });
}

function taken(from: number, to: number, body: object) {
  const payloads = codecAt(from, ONE).encode({ kind: "probe", ...body } as never, STAMPS);
  return codecAt(to).decode(subjectFor("probe"), payloads[0] ?? new Uint8Array(), 0);
}

test("N and N-1 understand each other: what is new is dropped, what is missing is undefined", () => {
  assert.equal(received(taken(0, 1, { nonce: 1 })).message, { kind: "probe", nonce: 1 });
  const newer = received(taken(1, 0, { nonce: 1, why: "so", since: 9n }));
  assert.equal(newer.message, { kind: "probe", nonce: 1 });
  assert.is(newer.v, OLD + 1);
  const two = received(taken(2, 1, { nonce: 1, why: "so", mood: "calm" }));
  assert.equal(two.message, { kind: "probe", nonce: 1, why: "so" } as never);
  assert.is(received(taken(1, 2, { nonce: 1, why: "so" })).v, OLD + 1);
});

test("N and N-2 do not, and each is told what to do", () => {
  const old = refused(taken(0, 2, { nonce: 1 }));
  assert.is(old.refused, "version");
  assert.is(old.from, ONE);
  assert.match(old.text, /protocol 5: this node speaks 7 and reads 6 to 8; upgrade the sender/);
  const young = refused(taken(2, 0, { nonce: 1, why: "so" }));
  assert.match(young.text, /protocol 7: this node speaks 5 and reads 4 to 6; upgrade this node/);
});

test("a message that a newer version added is refused by name, and not as hostile", () => {
  const body = encoded({ nonce: 1 });
  const result = codecAt(0).decode(
    subjectFor("probe"),
    wrapped("probe_2", body, { v: OLD + 1 }),
    0,
  );
  const { refused: code, text } = refused(result);
  assert.is(code, "kind");
  assert.match(text, /protocol 5 has no message probe_2 \(sender: 6\)/);
});

test("another version's envelope is refused for its version, whatever else is in it", () => {
  const foreign = encoded({ v: 90, cluster: 7, from: [ONE], what: { is: { this: null } } });
  assert.is(refused(codecOf(OTHER).decode(undefined, foreign, 0)).refused, "version");
  const wild = encoded({ v: 1e300 });
  assert.is(refused(codecOf(OTHER).decode(undefined, wild, 0)).refused, "version");
  const none = encoded({ v: 0 });
  assert.is(refused(codecOf(OTHER).decode(undefined, none, 0)).refused, "version");
});

test("understanding is mutual, and reaches one step", () => {
  const version = fc.integer({ min: 1, max: 1000 });
  fc.assert(fc.property(version, version, (one, other) => {
    const isNear = Math.abs(one - other) <= 1;
    assert.is(versionFault(one, other) === undefined, isNear);
    assert.is(versionFault(other, one) === undefined, isNear);
  }));
  assert.is(versionFault(PROTOCOL, PROTOCOL), undefined);
  assert.is(versionFault(2, 1), undefined);
  assert.is(versionFault(0, 1) === undefined, false);
});

test.run();
