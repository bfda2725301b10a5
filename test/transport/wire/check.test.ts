/**
 * Checks against those that TypeBox compiles of the same declarations: the same verdict on each value.
 *
 *   declaration ─▶ checkOf ────────────────────┐
 *             \──▶ as TypeBox has it ─▶ Compile ─┴─▶ one verdict on bodies, whole ones and changed ones
 */

import fc from "fast-check";
import Type from "typebox";
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkOf } from "../../../transport/wire/check.ts";
import * as fields from "../../../transport/wire/fields.ts";
import { DECLARATIONS, LAID_OUT } from "../../../transport/wire/messages/registry.ts";
import { EVENTS } from "../../../transport/wire/messages/event.ts";
import type { SchemaNode } from "../../../transport/wire/schema.ts";
import { anyBody } from "./declared.ts";

const test = suite("check");

/** Bodies of each kind, and changes of each. */
const BODIES = 5;
const CHANGES = 12;

/** What stands in the place of a part: near the limits of some, of the wrong type for others. */
const ODD: readonly unknown[] = [
  undefined,
  null,
  true,
  0,
  -1,
  1.5,
  NaN,
  Infinity,
  2 ** 32,
  2 ** 53,
  0n,
  -1n,
  2n ** 64n,
  "",
  "ok",
  "x".repeat(257),
  "\u{1F600}".repeat(20),
  "a\n",
  [],
  [undefined],
  [0, 0],
  {},
  { kind: "view" },
  new Uint8Array(2),
];

/** The same declaration, as TypeBox has it. */
function typeboxOf(node: SchemaNode): TSchema {
  const { minimum, maximum, maxLength, pattern } = node;
  if (node.anyOf !== undefined) return Type.Union(node.anyOf.map(typeboxOf));
  if (node.enum !== undefined) return Type.Enum([...node.enum as string[]]);
  if (node.const !== undefined) return Type.Literal(node.const as string);
  switch (node.type) {
    case "bigint":
      // Its code has limits as doubles: 2^64-1 is none, 2^64 is.
      return Type.BigInt({
        minimum: minimum as bigint,
        exclusiveMaximum: BigInt(maximum ?? 0) + 1n,
      });
    case "integer":
      return Type.Integer({ minimum: Number(minimum), maximum: Number(maximum) });
    case "number":
      return Type.Number({ minimum: Number(minimum), maximum: Number(maximum) });
    case "boolean":
      return Type.Boolean();
    case "string":
      return Type.String({
        ...maxLength === undefined ? {} : { maxLength },
        ...pattern === undefined ? {} : { pattern },
      });
    case "bytes":
      return Type.Refine(Type.Unknown(), (value) => value instanceof Uint8Array);
    case "null":
      return Type.Null();
    case "any":
      return Type.Unknown();
    case "array": {
      const { items = {}, minItems = 0, maxItems = 0, pooled } = node;
      const list = Type.Array(typeboxOf(items), { minItems, maxItems });
      return pooled === true
        ? Type.Refine(list, ({ length }) => length === 0 || length === maxItems)
        : list;
    }
    case "object": {
      const made = Object.entries(node.properties ?? {}).map(([name, field]) => {
        const schema = typeboxOf(field);
        return [name, node.required?.includes(name) ? schema : Type.Optional(schema)] as const;
      });
      return Type.Object(Object.fromEntries(made));
    }
    default:
      throw new Error(`TypeBox has no ${node.type}`);
  }
}

/** A copy with one part, on a way drawn through it, replaced, added or taken. */
function changed(value: unknown, draw: (below: number) => number): unknown {
  const odd = () => ODD[draw(ODD.length)];
  const isInside = typeof value === "object" && value !== null && !(value instanceof Uint8Array);
  if (!isInside || draw(8) === 0) return odd();
  if (Array.isArray(value)) {
    const list = [...value as unknown[]];
    const at = draw(list.length + 1);
    if (at === list.length) list.push(list.length > 0 && draw(2) === 0 ? list[0] : odd());
    else if (draw(6) === 0) list.splice(at, 1);
    else list[at] = changed(list[at], draw);
    return list;
  }
  const record = { ...value as Record<string, unknown> };
  const names = Object.keys(record);
  const name = names[draw(names.length)];
  if (name === undefined || draw(12) === 0) record["more"] = odd();
  else if (draw(6) === 0) delete record[name];
  else record[name] = changed(record[name], draw);
  return record;
}

const FORMS = [...DECLARATIONS.values(), ...LAID_OUT, ...EVENTS.map(({ form }) => form)];

for (const form of FORMS) {
  test.either(`${form.kind}: the same verdicts as TypeBox, on bodies and on changed ones`, () => {
    const check = checkOf(form.body as SchemaNode);
    const other = Compile(typeboxOf(form.body as SchemaNode));
    const verdicts = { good: 0, bad: 0 };
    const look = (value: unknown) => {
      const verdict = check(value);
      assert.is(other.Check(value), verdict, `${form.kind} ${fc.stringify(value)}`);
      verdicts[verdict ? "good" : "bad"] += 1;
    };
    let seed = 1;
    // A generator of Park and Miller: the same changes in each run.
    const draw = (below: number) => (seed = seed * 48271 % 0x7fff_ffff) % below;
    for (const body of fc.sample(anyBody(form), { numRuns: BODIES, seed: 11 })) {
      look(body);
      for (let i = 0; i < CHANGES; i++) look(changed(body, draw));
    }
    assert.ok(verdicts.good >= BODIES && verdicts.bad > 0, JSON.stringify(verdicts));
  });
}

test("a character is one of Unicode, of one code unit or two", () => {
  const check = checkOf(fields.text("", 2) as SchemaNode);
  for (const good of ["", "ab", "\u{1F600}\u{1F600}", "\ud800a"]) assert.ok(check(good), good);
  for (const bad of ["abc", "\u{1F600}ab", "\u{1F600}".repeat(3), "e\u0301e"]) {
    assert.not.ok(check(bad), bad);
  }
});

test("what is inherited is not there", () => {
  const check = checkOf(fields.record("R", "", { n: fields.u32("") }) as SchemaNode);
  assert.ok(check({ n: 1 }));
  assert.not.ok(check(Object.create({ n: 1 })));
});

test("a hole in a list is an item", () => {
  const check = checkOf(fields.list("", fields.u32(""), 3) as SchemaNode);
  const list = [1, 2, 3];
  delete list[1];
  assert.not.ok(check(list));
});

test("a type that it does not know is a mistake of the program", () => {
  assert.throws(() => checkOf({ type: "date", title: "day" }), /day: it is of type date/);
});

test.run();
