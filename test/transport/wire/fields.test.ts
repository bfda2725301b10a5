/**
 * Every field of every message at its limits: the last value that is allowed passes, the next one is refused.
 */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { keyHash } from "../../../transport/wire/key_hash.ts";
import { DURABLE } from "../../../transport/wire/durable.ts";
import { NODE } from "../../../transport/wire/messages/document.ts";
import { DECLARATIONS } from "../../../transport/wire/messages/registry.ts";
import type { SomeDeclaration } from "../../../transport/wire/messages/registry.ts";
import { fitText } from "../../../transport/wire/limits.ts";
import { ENVELOPE } from "../../../transport/wire/envelope.ts";
import { anyBody } from "./declared.ts";
import type { SchemaNode } from "../../../transport/wire/schema.ts";
import { declared, documentOf } from "./two_nodes.ts";

const test = suite("fields");

/** host:port. */
const ADDR = String((NODE.properties.addr as SchemaNode).pattern);

/** Texts with a form, by its pattern: what passes, at its longest too, and what is one step too far. */
const FORMS: Record<string, { good: string[]; bad: string[] }> = {
  "^[0-9a-f]{32}$": {
    good: ["0".repeat(32), "f".repeat(32)],
    bad: [
      "",
      "0".repeat(31),
      "0".repeat(33),
      "F".repeat(32),
      `${"0".repeat(31)}\n`,
      `${"0".repeat(32)}\n`,
    ],
  },
  "^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$": {
    good: ["a", "Rack-1.b_c", "9".repeat(32)],
    bad: ["", "a".repeat(33), "-a", ".a", "a b", "ä"],
  },
  "^[a-z][a-z0-9_]{0,31}$": {
    good: ["a", "a".repeat(32), "lmaster_2"],
    bad: ["", "a".repeat(33), "2a", "A", "a b", "ä"],
  },
  "^[a-z][a-z_]{0,31}$": {
    good: ["io", "no_space", "a".repeat(32)],
    bad: ["", "a".repeat(33), "_a", "a1", "a-b"],
  },
  "^[a-z][a-z_ ]*$": {
    good: ["a", "node list", "a".repeat(64)],
    bad: ["", "a".repeat(65), " a", "A", "1"],
  },
  "^[0-9a-f]{0,8}$": { good: ["", "0", "01234567", "abcdef"], bad: ["012345678", "g", "A", " "] },
  "^[A-Za-z0-9._-]{1,127}$": {
    good: ["a", "locking.tdb", "x".repeat(127)],
    bad: ["", "x".repeat(128), "a/b", "a b", "ä", "a\n"],
  },
  "^(?:c|d/[A-Za-z0-9._-]{1,127}|n/[0-9a-f]{32})$": {
    good: ["c", `d/${"x".repeat(127)}`, "d/a.b_c-d", `n/${"0".repeat(32)}`],
    bad: ["", "cc", "d/", `d/${"x".repeat(128)}`, "d/a/b", "n/", `n/${"0".repeat(33)}`, "c\n"],
  },
  "^[^\\u0000-\\u001f\\u007f]+$": {
    good: ["k", "k".repeat(256), "ä ö/é"],
    bad: ["", "k".repeat(257), "a\nb", "\u0000", "\u007f"],
  },
  [ADDR]: {
    good: ["h:1", "10.0.0.1:65535", "[fe80::1%eth0]:4222", `${"h".repeat(253)}:1`],
    bad: [
      "",
      "h",
      "h:",
      ":1",
      "h:123456",
      `${"h".repeat(254)}:1`,
      "a b:1",
      "[x]:1",
      "h:1\n",
      "*:1",
    ],
  },
  "^[a-z2-7]{10}$": {
    good: ["a".repeat(10), "2".repeat(10)],
    bad: ["", "a".repeat(9), "a".repeat(11), "A".repeat(10), "1".repeat(10)],
  },
  "^U[A-Z2-7]{55}$": {
    good: [`U${"A".repeat(55)}`, `U${"7".repeat(55)}`],
    bad: [
      "",
      "U",
      `U${"A".repeat(54)}`,
      `U${"A".repeat(56)}`,
      `N${"A".repeat(55)}`,
      `U${"a".repeat(55)}`,
    ],
  },
  "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$": {
    good: ["n", "n.1_a-b", "n".repeat(63)],
    bad: ["", "-n", "n".repeat(64), "a b", "n\n", "../n"],
  },
  "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,126}$": {
    good: ["a", "g_lock.tdb", "x".repeat(127)],
    bad: ["", ".hidden", "..", "a/b", "x".repeat(128), "ä"],
  },
  "^[!-~]{1,32}$": {
    good: ["!", "~".repeat(32), "0f".repeat(16)],
    bad: ["", "a b", "x".repeat(33), "a\n", "ä"],
  },
  "^[0-9a-fA-F:.]{2,45}$": {
    good: ["::", "10.0.0.1", "f".repeat(45)],
    bad: ["", ":", "f".repeat(46), "1.2.3.4/24", "g::"],
  },
  "^[0-9a-f.:]{2,39}$": {
    good: ["::", "10.0.0.1", "f".repeat(39)],
    bad: ["", ":", "f".repeat(40), "1.2.3.4/24", "F::"],
  },
  "^[A-Za-z0-9._:/-]{1,64}$": {
    good: ["a", "worker-7", "eu/mail:2.x_y", "n".repeat(64)],
    bad: ["", "a b", "n".repeat(65), "a\n", "ä", "*"],
  },
};

/** The row of FORMS for a pattern. */
function formOf(pattern: string): Limits {
  const row = FORMS[pattern];
  if (row === undefined) throw new Error(`no examples are known for ${pattern}`);
  return row;
}

interface Limits {
  readonly good: readonly unknown[];
  readonly bad: readonly unknown[];
}

/** What is just within and just outside of a field. */
function limitsOf(node: SchemaNode, sample: unknown): Limits | undefined {
  const { minimum: min, maximum: max, minItems = 0, maxItems = 0, maxLength = 0, pattern } = node;
  switch (node.type) {
    case "bigint":
      return {
        good: [0n, 1n, 2n ** 64n - 2n, 2n ** 64n - 1n],
        bad: [-1n, 2n ** 64n, 1, "1", null],
      };
    case "integer":
      return {
        good: [min, Number(max) - 1, max],
        bad: [
          Number(min) - 1,
          Number(max) + 1,
          Number(min) + 0.5,
          BigInt(max ?? 0),
          "1",
          null,
          NaN,
        ],
      };
    case "number":
      return {
        good: [0, 0.5, Number(max) - 1, max],
        bad: [-0.001, 2 ** 53, NaN, Infinity, "1", null],
      };
    case "boolean":
      return { good: [true, false], bad: [0, 1, "true", null] };
    case "string": {
      if (pattern !== undefined) return formOf(pattern);
      const good = [
        "",
        "x".repeat(maxLength - 1),
        "x".repeat(maxLength),
        "\u{1F600}".repeat(maxLength),
      ];
      return { good, bad: ["x".repeat(maxLength + 1), "\u{1F600}".repeat(maxLength + 1), 1, null] };
    }
    case "array": {
      const [item] = sample as unknown[];
      if (item === undefined) return undefined;
      const many = (count: number) => Array.from({ length: count }, () => item);
      if (node.pooled) {
        return {
          good: [[], many(maxItems)],
          bad: [many(1), many(maxItems - 1), many(maxItems + 1)],
        };
      }
      const below = minItems > 0 ? [many(minItems - 1)] : [];
      return {
        good: [many(minItems), many(maxItems - 1), many(maxItems)],
        bad: [many(maxItems + 1), ...below, {}],
      };
    }
    default:
      return node.enum === undefined
        ? undefined
        : { good: node.enum, bad: ["", "no such word", 1, null] };
  }
}

/** Tries every field below a value, each at its limits, all else as it is. Answers how many were tried. */
function tryFields(
  declaration: SomeDeclaration,
  node: SchemaNode,
  value: unknown,
  put: (value: unknown) => unknown,
  path: string,
): number {
  // The same in every message: once is enough.
  if (node.title === "Document" && declaration.kind !== "view") return 1;
  const limits = limitsOf(node, value);
  for (const good of limits?.good ?? []) {
    assert.ok(
      declaration.check(put(good)),
      `${path} takes ${shown(good)}: ${declaration.faultOf(put(good))}`,
    );
  }
  for (const bad of limits?.bad ?? []) {
    assert.not.ok(declaration.check(put(bad)), `${path} refuses ${shown(bad)}`);
  }
  let count = limits === undefined ? 0 : 1;
  for (const [name, field] of Object.entries(node.properties ?? {})) {
    const fields = value as Record<string, unknown>;
    if (node.required?.includes(name)) {
      const { [name]: _, ...rest } = fields;
      assert.not.ok(declaration.check(put(rest)), `${path} without ${name}`);
    }
    if (!Object.hasOwn(fields, name)) continue;
    const putField = (part: unknown) => put({ ...fields, [name]: part });
    count += tryFields(declaration, field as SchemaNode, fields[name], putField, `${path}/${name}`);
  }
  const [item] = Array.isArray(value) && node.items !== undefined ? value : [];
  if (item !== undefined && node.items !== undefined) {
    const list = value as unknown[];
    const putItem = (part: unknown) => put([part, ...list.slice(1)]);
    count += tryFields(declaration, node.items as SchemaNode, item, putItem, `${path}/0`);
  }
  return count;
}

function shown(value: unknown): string {
  return Array.isArray(value) ? `${value.length} items` : String(value).slice(0, 60);
}

/** The one of some bodies in which most is there. */
function fullest(declaration: SomeDeclaration): Record<string, unknown> {
  const bodies = fc.sample(anyBody(declaration), { numRuns: 60, seed: 7 });
  return bodies.sort((one, other) => size(other) - size(one))[0] ?? {};
}

function size(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  const parts = Array.isArray(value) ? value.slice(0, 4) : Object.values(value);
  return 1 + parts.map(size).reduce((sum, part) => sum + part, 0);
}

for (const declaration of [...DECLARATIONS.values(), DURABLE as unknown as SomeDeclaration]) {
  test(`${declaration.kind}: every field at its limits`, () => {
    const body = fullest(declaration);
    assert.ok(declaration.check(body));
    const root = declaration.body as SchemaNode;
    const count = tryFields(declaration, root, body, (value) => value, declaration.kind);
    assert.ok(count >= Object.keys(root.properties ?? {}).length / 2, `${count} fields`);
  });
}

test("the names of a record do not meet by hash", () => {
  const records = [
    ENVELOPE as SchemaNode,
    ...[...DECLARATIONS.values()].map(({ body }) => body as SchemaNode),
  ];
  records.push(DURABLE.body as unknown as SchemaNode);
  let count = 0;
  for (const record of records) {
    for (const names of namesIn(record)) {
      const hashes = new Set(names.map((name) => {
        const bytes = new TextEncoder().encode(name);
        return keyHash(bytes, 0, bytes.length);
      }));
      assert.is(hashes.size, names.length, names.join());
      count += 1;
    }
  }
  assert.ok(count > 40, `${count} records`);
});

/** The names of a record and of all records in it; those of a choice together, for the gate takes them so. */
function namesIn(node: SchemaNode): string[][] {
  const inner = [...Object.values(node.properties ?? {}), ...node.anyOf ?? []];
  if (node.items !== undefined) inner.push(node.items);
  const own = node.properties === undefined ? [] : [Object.keys(node.properties)];
  const choices = (node.anyOf ?? []).flatMap(({ properties = {} }) => Object.keys(properties));
  return [...own, [...new Set(choices)], ...inner.flatMap((part) => namesIn(part as SchemaNode))];
}

test("naming a fault does not go through all that is right", () => {
  const view = declared("view");
  const doc = documentOf(3);
  let reads = 0;
  const counting = { get: (slot: object, name: string) => (reads++, Reflect.get(slot, name)) };
  const slots = doc.view.slots.map((slot) => new Proxy(slot, counting));
  const { coreVersion: _, ...orphan } = { ...doc, view: { ...doc.view, slots } };
  assert.is(view.faultOf({ doc: orphan }), "doc must have coreVersion");
  assert.is(reads, 0);
  const nodes = [...doc.nodes, { ...doc.nodes[0], name: 5 }];
  assert.match(
    view.faultOf({ doc: { ...orphan, coreVersion: 1n, nodes } }),
    /^doc\/nodes\/3\/name /,
  );
  assert.ok(reads <= slots.length * 20, `${reads} reads`);
  assert.is(view.faultOf({ doc }), "");
});

test("a text for people is made to fit", () => {
  assert.is(fitText("x".repeat(256)), "x".repeat(256));
  assert.is(fitText("x".repeat(257)), `${"x".repeat(253)}...`);
  assert.is(fitText("\u{1F600}".repeat(200)).length <= 256, true);
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 600 }), (text) => {
    const fitted = fitText(text, 100);
    assert.ok(fitted.length <= 100 && fitted.isWellFormed());
  }));
  assert.is(fitText("a\ud800b"), "a\ufffdb");
  // A pair of surrogates lies across the cut.
  assert.is(fitText("x".repeat(96) + "\u{1F600}".repeat(9), 100), `${"x".repeat(96)}\ufffd...`);
});

test.run();
