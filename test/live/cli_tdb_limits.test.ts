/**
 * Records of any size, as `ctdbx tdb` meets them: files that libtdb made with more than ctdbx stores, and values
 * that come from files and pipes. Those are read on both runtimes; what the rest needs depends on neither.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KEY_MAX, VALUE_MAX } from "../../transport/wire/limits.ts";
import { tool } from "../tools.ts";
import type { Context } from "./cli_world.ts";
import { ok, output, tdb, withFolder } from "./cli_world.ts";
import { dataOf } from "./dev_rig.ts";

const test = suite<Context>("ctdbx tdb limits", {} as Context);
withFolder(test);

/** A record of a dump: a byte repeated, so often, for key and for value. */
function repeated(key: string, keyBytes: number, valueBytes: number): string {
  return `{\nkey(${keyBytes}) = "${key.repeat(keyBytes)}"\n` +
    `data(${valueBytes}) = "${"v".repeat(valueBytes)}"\n}\n`;
}

const LONG_VALUE = repeated("l", 1, VALUE_MAX + 1);
const LONG_KEY = repeated("k", KEY_MAX + 1, 3);
const FITTING = repeated("f", KEY_MAX, VALUE_MAX);

/** Makes a file with tdbrestore. */
function theirs(folder: string, dump: string): string {
  const path = join(mkdtempSync(join(folder, "limits-")), "theirs.tdb");
  output("tdbrestore", [path], dump);
  return path;
}

/** Does libtdb hold what this dump says? Compared without printing megabytes. */
function sameDump(path: string, dump: string): boolean {
  const result = spawnSync(tool("tdbdump"), [path], { encoding: "latin1", maxBuffer: 1 << 28 });
  return result.stdout === dump;
}

test.either("what fits exactly is restored, copied and rescued", async (context) => {
  const file = theirs(context.folder, FITTING);
  const again = `${file}.2`;
  await ok(context, ["restore", again], { input: FITTING, pieceSize: 65536 });
  assert.ok(sameDump(again, FITTING), "restored");
  await ok(context, ["backup", file, "--verify"]);
  assert.ok(sameDump(`${file}.bak`, FITTING), "copied");
  await ok(context, ["rescue", file, "--to", `${file}.3`]);
  assert.ok(sameDump(`${file}.3`, FITTING), "rescued");
});

for (
  const [what, dump, why] of [
    ["value", LONG_VALUE, /record "l" is too large: its value has 167772\d\d bytes, VALUE_MAX is/],
    ["key", LONG_KEY, /record "k{60}\.\.\." is too large: its key has 65536 bytes, KEY_MAX is/],
  ] as [string, string, RegExp][]
) {
  test.either(`a ${what} over the limit is read, and refused by name where it would be stored`, async (context) => {
    const file = theirs(context.folder, dump + repeated("s", 1, 2));
    for (const call of [["check", file], ["info", file], ["keys", file], ["dump", file]]) {
      await ok(context, call);
    }
    assert.is((await ok(context, ["get", file, "s"])).out, "vv");
    const to = `${file}.new`;
    const calls = [["backup", file, to], ["convert", file, to, "--add-header"]];
    for (const call of [...calls, ["restore", to]]) {
      const { exit, err } = await tdb(context, call, { input: dump, pieceSize: 65536 });
      assert.is(exit, 1, `${call[0]}: ${err.slice(0, 500)}`);
      assert.match(err, why);
      assert.match(err, /\nhint: .*tdb rescue FILE --to NEW` leaves it out\n$/);
    }
    assert.equal(readdirSync(join(file, "..")), ["theirs.tdb"]);
  });

  test.either(`rescue --to leaves out a ${what} over the limit, counts it, and exits with 9`, async (context) => {
    const small = repeated("s", 1, 2);
    const file = theirs(context.folder, dump + small);
    const to = `${file}.new`;
    const { exit, err, out } = await tdb(context, ["rescue", file, "--to", to, "-o", "json"]);
    assert.is(exit, 9, err);
    const { records, reachable, tooLarge } = dataOf<Record<string, unknown>>(out);
    assert.equal({ records, reachable, tooLarge }, { records: 1, reachable: 2, tooLarge: 1 });
    assert.match(JSON.parse(err).error.message, /1 record is larger than ctdbx stores/);
    assert.is(output("tdbdump", [to]), small);
    // As text nothing is left out.
    const text = await ok(context, ["rescue", file]);
    assert.ok(text.out.includes(dump), "the dump text is complete");
  });
}

test.either("a value over the limit can be got, printed, replaced and deleted", async (context) => {
  const file = theirs(context.folder, LONG_VALUE);
  assert.is((await ok(context, ["get", file, "l"])).bytes.length, VALUE_MAX + 1);
  assert.is((await ok(context, ["dump", file, "-k", "l"])).bytes.length, VALUE_MAX + 1);
  await ok(context, ["put", file, "l", "short"]);
  assert.is((await ok(context, ["get", file, "l"])).out, "short");
  const other = theirs(context.folder, LONG_VALUE);
  await ok(context, ["del", other, "l"]);
  assert.is(output("tdbdump", [other]), "");
  assert.match(output("tdbtool", [other, "check"]), /integrity is OK/);
});

test.either("a header that makes a value too large is refused by name", async (context) => {
  const file = theirs(context.folder, repeated("f", 1, VALUE_MAX));
  const { exit, err } = await tdb(context, ["convert", file, `${file}.new`, "--add-header"]);
  assert.is(exit, 1, err);
  assert.match(err, /record "f" is too large: its value has 16777240 bytes/);
});

test.either("a line that no record of ours can have ends a restore, before memory does", async (context) => {
  const to = join(context.folder, "line.tdb");
  const piece = "\\00".repeat(1024 * 1024);
  const long = `{\nkey(1) = "a"\ndata(99999999) = "${piece.repeat(17)}`;
  const inside = await tdb(context, ["restore", to], { input: long, pieceSize: 1 << 20 });
  assert.is(inside.exit, 1);
  assert.match(inside.err, /line 3: the line is longer than the largest record that ctdbx stores/);
  const noise = await tdb(context, ["restore", to], {
    input: "x".repeat(50 * 1024 * 1024),
    pieceSize: 1 << 20,
  });
  assert.is(noise.exit, 2);
  assert.match(noise.err, /line 1, column 1: the line is longer/);
});

test("put takes a file up to VALUE_MAX, and no more of it than needed to know", async (context) => {
  const file = join(context.folder, "put.tdb");
  await ok(context, ["create", file]);
  const source = join(context.folder, "source.bin");
  writeFileSync(source, "");
  await ok(context, ["put", file, "empty", "--file", source]);
  assert.is((await ok(context, ["get", file, "empty"])).bytes.length, 0);
  truncateSync(source, VALUE_MAX);
  await ok(context, ["put", file, "most", "--file", source]);
  assert.is((await ok(context, ["get", file, "most"])).bytes.length, VALUE_MAX);
  // Holes: these bytes are nowhere, but whoever wanted them all would need 100 GB of memory.
  for (const size of [VALUE_MAX + 1, 100e9]) {
    truncateSync(source, size);
    const { exit, err } = await tdb(context, ["put", file, "more", "--file", source]);
    assert.is(exit, 2, err);
    assert.match(err, /^ctdbx: Cannot store .*source\.bin: more than VALUE_MAX, 16777216 bytes\n/);
  }
  const input = new Uint8Array(VALUE_MAX + 1);
  const piped = await tdb(context, ["put", file, "more", "-"], { input, pieceSize: 65536 });
  assert.is(piped.exit, 2);
  assert.is((await tdb(context, ["get", file, "more"])).exit, 3);
});

test("put takes no folder, and no file that is not there, for a value", async (context) => {
  const file = join(context.folder, "folder.tdb");
  await ok(context, ["create", file]);
  const folder = join(context.folder, "folder");
  mkdirSync(folder);
  const { exit, err } = await tdb(context, ["put", file, "a", "--file", folder]);
  assert.is(exit, 2, err);
  assert.match(err, /^ctdbx: Cannot read .*folder: it is a directory\n/);
  assert.is((await tdb(context, ["put", file, "a", "--file", `${folder}x`])).exit, 3);
  assert.is((await tdb(context, ["put", file, "a", "b", "--file", folder])).exit, 2);
  assert.is((await ok(context, ["keys", file])).out, "");
});

test.run();
