/** Every command of the tree: the options all have, descriptions, and a schema that is one. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { GROUPS } from "../../cli/commands/groups.ts";
import { run } from "../../cli/run.ts";
import type { JsonSchema } from "../../cli/schema.ts";
import { capture } from "./capture.ts";
import { closedWorld, wholeTree, wrongs } from "./tree_rig.ts";

const test = suite("cli/tree");
const PARTS = await wholeTree();
const COMMANDS = PARTS.filter(({ inner }) => inner.length === 0);

test("first words are described in the list of commands as they describe themselves", async () => {
  const [program] = PARTS;
  const shown = GROUPS.filter(({ hidden }) => hidden !== true);
  assert.equal(program?.inner.map(({ name }) => name), shown.map(({ name }) => name));
  assert.equal(program?.inner.map(({ about }) => about), shown.map(({ about }) => about));
  const terminal = capture();
  assert.is(await run(["--help"], closedWorld(terminal)), 0);
  for (const { name, about } of shown) assert.match(terminal.outText(), `  ${name}`, about);
});

test("each part of the tree has a help that can be written", async () => {
  for (const { words, about } of PARTS) {
    const terminal = capture();
    const asked = words === "" ? ["--help"] : [...words.split(" "), "--help"];
    assert.is(await run(asked, closedWorld(terminal)), 0, words);
    assert.match(terminal.outText(), `Usage: ctdbx ${words}`.trim(), words);
    const said = terminal.outText().replaceAll(/\s+/g, " ");
    if (words !== "") assert.match(said, about, words);
  }
});

test("the tree has all its commands", () => {
  assert.ok(COMMANDS.length >= 40, `only ${COMMANDS.length}`);
  for (const words of ["cluster status", "dev chaos kill", "tdb get", "watch", "completion"]) {
    assert.ok(COMMANDS.some((part) => part.words === words), words);
  }
});

for (const { words, about, options, args } of PARTS) {
  test(`described in one way: ${words || "ctdbx"}`, () => {
    const texts = [
      about,
      ...options.map((option) => option.about),
      ...args.map((arg) => arg.about),
    ];
    for (const text of texts) {
      assert.not.match(text, /\.$|\n|^ | $/, `a phrase without a full stop: ${text}`);
    }
    assert.ok(about.length > 5, "a description");
    for (const { about, names } of options) assert.ok(about.length > 3, names.join());
  });
}

for (const { words, options } of COMMANDS) {
  test(`has the options of every command, and a schema: ${words}`, async () => {
    const names = options.flatMap((option) => option.names);
    for (const name of ["-o", "--output", "--no-color", "--schema", "--timeout"]) {
      assert.ok(names.includes(name), name);
    }
    const output = options.find((option) => option.names.includes("-o"));
    const value = { kind: "words", words: ["table", "json", "jsonl", "csv"] };
    assert.equal(output?.value, value);
    const shapes = [[], ...names.includes("--node") ? [["-n", "all"]] : []];
    for (const more of shapes) {
      const schema = await schemaOf([...words.split(" "), "--schema", ...more]);
      assert.is(schema["title"], `ctdbx ${words}`);
      sameEnvelope(schema, words);
      describes(schema["oneOf"]);
    }
  });
}

async function schemaOf(words: readonly string[]): Promise<JsonSchema> {
  const terminal = capture();
  assert.is(await run(words, closedWorld(terminal)), 0, terminal.errText());
  return JSON.parse(terminal.outText());
}

/** The envelope of a failure fits each schema; one of another command, or without its error, fits none. */
function sameEnvelope(schema: JsonSchema, command: string): void {
  const error = { exit: 3, code: "notFound", message: "Cannot", hint: null };
  const failed = { version: 1, command, data: null, ok: false, error };
  assert.equal(wrongs(schema, failed), []);
  const others = [
    { ...failed, command: "tdb other" },
    { ...failed, error: undefined },
    { ...failed, ok: true },
    { ...failed, version: 2 },
    { ...failed, more: 1 },
  ];
  for (const other of others) {
    assert.ok(wrongs(schema, JSON.parse(JSON.stringify(other))).length > 0, JSON.stringify(other));
  }
}

/** Each declared field has a title and says what it means. */
function describes(schema: unknown, path = "data"): void {
  if (Array.isArray(schema)) return schema.forEach((each) => describes(each, path));
  if (typeof schema !== "object" || schema === null) return;
  const { properties, ...rest } = schema as { properties?: Record<string, JsonSchema> };
  for (const value of Object.values(rest)) describes(value, path);
  for (const [name, field] of Object.entries(properties ?? {})) {
    describes(field, `${path}.${name}`);
    if (["version", "command", "ok", "data", "error"].includes(name) || path === "data.error") {
      continue;
    }
    assert.type(field["title"], "string", `${path}.${name} has a title`);
    assert.ok(String(field["description"]).length > 3, `${path}.${name} has a description`);
    assert.not.match(String(field["description"]), /\.$/, `${path}.${name}: no full stop`);
  }
}

test("--schema needs no arguments, and does nothing else", async () => {
  const schema = await schemaOf(["tdb", "get", "--schema"]);
  assert.equal(await schemaOf(["tdb", "get", "/no/such.tdb", "key", "--schema"]), schema);
  assert.equal(
    await schemaOf(["tdb", "delete", "--schema"]),
    await schemaOf(["tdb", "del", "--schema"]),
  );
  const rows = await schemaOf(["slot", "map", "--slots", "--schema"]);
  assert.not.equal(rows["oneOf"], (await schemaOf(["slot", "map", "--schema"]))["oneOf"]);
});

test("--schema of a group, or with an option that is none, is a wrong call", async () => {
  for (const words of ["cluster --schema", "tdb get --schema --frobnicate", "--schema"]) {
    const terminal = capture();
    assert.is(await run(words.split(" "), closedWorld(terminal)), 2, words);
    assert.match(terminal.errText(), /^ctdbx: Cannot .*\nhint: /);
    assert.is(terminal.outText(), "");
  }
});

test("hidden commands are in no list", () => {
  for (const name of ["man", "dev keep", "daemon supervise", "lock trial-child"]) {
    assert.not.ok(PARTS.some(({ words }) => words === name), name);
  }
});

test.run();
