/** `ctdbx db traverse | dump | import | export` in a cluster of memory, and files. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { dumpText } from "../../cli/dump_text.ts";
import { withHeader } from "../../cli/record_header.ts";
import { run } from "../../cli/run.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { capture, type CaptureOptions } from "./capture.ts";
import { bytesOf, ClusterDouble } from "./cluster_double.ts";

interface Context {
  folder: string;
}

const test = suite<Context>("cli/db_records");
const STORE = new RealImageStore();

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-db-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

/** Runs a command that opens files, too. */
async function ran(double: ClusterDouble, words: readonly string[], options: CaptureOptions = {}) {
  const terminal = capture({ pieceSize: 4096, ...options });
  const all = [...words, "--nats", "double:1", "--cluster", "c"];
  const exit = await run(all, { terminal, store: STORE, connect: (wish) => double.connect(wish) });
  return { exit, out: terminal.outText(), err: terminal.errText() };
}

function filled(count: number): ClusterDouble {
  const double = new ClusterDouble();
  const db = double.records("d");
  for (let at = 0; at < count; at += 1) db.set(`key/${at}`, bytesOf(`value ${at}`));
  db.set("\0\u00ff", Uint8Array.of(0xff, 0, 0x22));
  return double;
}

function same(one: ClusterDouble, other: ClusterDouble): void {
  const sorted = (double: ClusterDouble) =>
    [...double.records("d")].map(([key, value]) => [key, [...value]]).sort();
  assert.equal(sorted(one), sorted(other));
}

test("traverse shows records, keys, or how many there are", async () => {
  const double = filled(3);
  const all = JSON.parse((await ran(double, ["db", "traverse", "d", "-o", "json"])).out).data;
  assert.is(all.length, 4);
  assert.equal(all[3], { key: "00ff", value: "ff0022", encoding: "hex" });
  const some = await ran(double, [
    "db",
    "traverse",
    "d",
    "--prefix",
    "key/",
    "--limit",
    "2",
    "--keys-only",
  ]);
  assert.equal(some.out.split("\n").slice(1, 3).map((line) => line.trim().split(/ +/)[0]), [
    "key/0",
    "key/1",
  ]);
  assert.is((await ran(double, ["db", "traverse", "d", "--count"])).out, "4\n");
  const counted = await ran(double, [
    "db",
    "traverse",
    "d",
    "--count",
    "--prefix",
    "k",
    "-o",
    "json",
  ]);
  assert.equal(JSON.parse(counted.out).data, { database: "d", records: 3 });
  assert.is((await ran(double, ["db", "traverse", "e"])).exit, 3);
});

test("dump is tdbdump's text; import takes it from standard input", async () => {
  const double = filled(20);
  const { out } = await ran(double, ["db", "dump", "d"]);
  assert.ok(out.startsWith(dumpText(bytesOf("key/0"), bytesOf("value 0"))));
  const other = new ClusterDouble();
  const { exit, err } = await ran(other, ["db", "import", "d", "-"], { input: out });
  assert.is(exit, 0, err);
  same(double, other);
});

for (const format of ["tdb", "dump", "jsonl"]) {
  test(`what is exported as ${format} is imported, and the same`, async ({ folder }) => {
    const double = filled(500);
    const file = join(folder, "out");
    const wrote = await ran(double, ["db", "export", "d", file, "--format", format, "-o", "json"]);
    assert.is(wrote.exit, 0, wrote.err);
    assert.is(JSON.parse(wrote.out).data.records, 501);
    const again = await ran(double, ["db", "export", "d", file, "--format", format]);
    assert.is(again.exit, 4, "it exists");
    const forced = await ran(double, ["db", "export", "d", file, "--format", format, "--force"]);
    assert.is(forced.exit, 0, forced.err);
    const other = new ClusterDouble();
    const read = await ran(other, ["db", "import", "d", file, "-o", "json"]);
    assert.is(read.exit, 0, read.err);
    assert.equal(JSON.parse(read.out).data.stored, 501);
    same(double, other);
    assert.equal(readdirSync(folder), ["out"], "nothing else is left");
    assert.ok(other.most > 8, "several records are under way at once");
    assert.ok(other.most <= 64, "and not more than said");
  });
}

test("the end of a name says what an export is, when nothing else does", async ({ folder }) => {
  const starts = [["a.jsonl", '{"key"'], ["a.dump", "{\nkey("], ["a.tdb", "TDB file"], [
    "a",
    "TDB file",
  ]];
  for (const [name = "", start = ""] of starts) {
    const file = join(folder, name);
    assert.is((await ran(filled(2), ["db", "export", "d", file])).exit, 0);
    assert.ok(readFileSync(file, "latin1").startsWith(start), name);
  }
});

test("an export to standard output is refused, and makes no file of that name", async () => {
  const { exit, err } = await ran(filled(2), ["db", "export", "d", "-"]);
  assert.is(exit, 2);
  assert.match(err, "Cannot write to -");
  assert.not(existsSync("-"));
});

test("an export that fails leaves nothing", async ({ folder }) => {
  for (const format of ["tdb", "dump", "jsonl"]) {
    const double = filled(10);
    double.trouble = (_, key) =>
      key === "key/5" ? new CtdbxError("timeout", "Cannot traverse: too late") : undefined;
    const { exit } = await ran(double, [
      "db",
      "export",
      "d",
      join(folder, "x"),
      "--format",
      format,
    ]);
    assert.is(exit, 4);
    assert.equal(readdirSync(folder), []);
  }
});

/** A TDB file with these values. */
async function tdbOf(path: string, values: readonly Uint8Array[]): Promise<void> {
  const tdb = await openTdb(STORE, path, { create: true, locking: "none", noSync: true });
  for (const [at, value] of values.entries()) tdb.store(bytesOf(`key/${at}`), value);
  tdb.close();
}

test("CTDB's headers are taken off, kept, or asked about, in a file and in its dump", async ({ folder }) => {
  const file = join(folder, "local.tdb");
  const values = ["a", "", "b"].map((text, at) =>
    withHeader(bytesOf(text), { rsn: BigInt(at + 1), dmaster: at, flags: 0x20000 })
  );
  await tdbOf(file, values);
  const dump = join(folder, "local.dump");
  const text = values.map((value, at) => dumpText(bytesOf(`key/${at}`), value)).join("");
  writeFileSync(dump, text);
  for (const source of [file, dump]) {
    const asked = await ran(new ClusterDouble(), ["db", "import", "d", source]);
    assert.is(asked.exit, 2);
    assert.match(asked.err, /24 bytes that CTDB puts before each\nhint: --strip-header/);
    const double = new ClusterDouble();
    const stripped = await ran(double, [
      "db",
      "import",
      "d",
      source,
      "--strip-header",
      "-o",
      "json",
    ]);
    const { stored, empty, short } = JSON.parse(stripped.out).data;
    assert.equal([stripped.exit, stored, empty, short], [0, 2, 1, 0]);
    assert.equal([...double.records("d")].sort(), [["key/0", bytesOf("a")], [
      "key/2",
      bytesOf("b"),
    ]]);
    const kept = new ClusterDouble();
    assert.is((await ran(kept, ["db", "import", "d", source, "--keep-header"])).exit, 0);
    assert.equal(kept.records("d").get("key/1"), values[1]);
  }
});

test("one value that looks headed among others is no reason to ask", async ({ folder }) => {
  const file = join(folder, "x.tdb");
  const headed = withHeader(bytesOf("a"), { rsn: 1n, dmaster: 0, flags: 0 });
  for (const values of [[headed, bytesOf("plain")], [bytesOf("plain"), headed]]) {
    rmSync(file, { force: true });
    await tdbOf(file, values);
    const double = new ClusterDouble();
    assert.is((await ran(double, ["db", "import", "d", file])).exit, 0);
    assert.equal([...double.records("d").values()].sort((a, b) => a.length - b.length), [
      bytesOf("plain"),
      headed,
    ]);
  }
});

test("a value that is shorter than a header is left out, and said", async ({ folder }) => {
  const file = join(folder, "x.tdb");
  await tdbOf(file, [
    withHeader(bytesOf("a"), { rsn: 1n, dmaster: 0, flags: 0 }),
    bytesOf("short"),
  ]);
  const double = new ClusterDouble();
  const { exit, err } = await ran(double, ["db", "import", "d", file, "--strip-header"]);
  assert.is(exit, 9);
  assert.match(err, /1 values are shorter than a header/);
  assert.is(double.records("d").size, 1);
});

test("insert keeps what is there", async ({ folder }) => {
  const file = join(folder, "x.jsonl");
  writeFileSync(file, '{"key":"a","value":"1"}\n{"key":"b","value":"2"}\n{"key":"c","value":""}\n');
  const double = new ClusterDouble();
  double.records("d").set("a", bytesOf("old"));
  const { exit, out } = await ran(double, [
    "db",
    "import",
    "d",
    file,
    "--mode",
    "insert",
    "-o",
    "json",
  ]);
  const { stored, kept, empty } = JSON.parse(out).data;
  assert.equal([exit, stored, kept, empty], [0, 1, 1, 1]);
  assert.equal(double.records("d").get("a"), bytesOf("old"));
  const none = await ran(new ClusterDouble(), ["db", "import", "e", file, "--no-create"]);
  assert.is(none.exit, 3);
});

test("of a key that comes twice the later value stays, however many are under way", async ({ folder }) => {
  const file = join(folder, "x.jsonl");
  const lines = Array.from({ length: 200 }, (_, at) => `{"key":"k${at % 7}","value":"${at}"}`);
  writeFileSync(file, lines.join("\n"));
  const double = new ClusterDouble();
  assert.is((await ran(double, ["db", "import", "d", file])).exit, 0);
  for (let at = 193; at < 200; at += 1) {
    assert.equal(double.records("d").get(`k${at % 7}`), bytesOf(`${at}`));
  }
});

test("an import that stops says how far it came; what is not known is exit code 5", async ({ folder }) => {
  const file = join(folder, "x.jsonl");
  const lines = Array.from({ length: 300 }, (_, at) => `{"key":"k${at}","value":"${at}"}`);
  writeFileSync(file, lines.join("\n"));
  for (const [code, exit] of [["no_space", 9], ["unknown", 5]] as const) {
    const double = new ClusterDouble();
    double.trouble = (_, key) =>
      key === "k200" ? new CtdbxError(code, "Cannot put: because") : undefined;
    const ended = await ran(double, ["db", "import", "d", file]);
    assert.is(ended.exit, exit);
    const [, done] =
      /Cannot import all of .*: (\d+) records are done, then: Cannot put: because \(record "k200"\)/
        .exec(ended.err) ?? [];
    assert.is(Number(done), double.records("d").size);
    assert.match(ended.err, /repeating the import is safe/);
  }
  const first = new ClusterDouble();
  first.trouble = () => new CtdbxError("denied", "Cannot put: not yours");
  assert.is((await ran(first, ["db", "import", "d", file])).exit, 7, "nothing was done at all");
});

test("what is no source is refused, and a broken one where it breaks", async ({ folder }) => {
  const path = (name: string, text: string | Uint8Array): string => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return file;
  };
  const cases: readonly (readonly [string, number, RegExp])[] = [
    [join(folder, "none"), 3, /there is no such file/],
    [folder, 2, /it is a directory/],
    [path("empty", ""), 2, /it is empty/],
    [path("brace", "{"), 2, /ends before it says what it is/],
    [path("elf", "\x7fELF binary"), 2, /no TDB file, no text of a dump, and no JSON lines/],
    [path("short.tdb", "TDB file\n"), 12, /./],
    [path("dump", '{\nkey(1) = "a"\n'), 2, /line 3, column 1: the text ends inside a record/],
    [path("lines", '{"key":"a","value":"1"}\nnonsense\n'), 2, /Cannot read line 2: it is no JSON/],
  ];
  for (const [file, exit, why] of cases) {
    const ended = await ran(new ClusterDouble(), ["db", "import", "d", file]);
    assert.is(ended.exit, exit, `${file}: ${ended.err}`);
    assert.match(ended.err, why, file);
  }
  const tdb = join(folder, "x.tdb");
  await tdbOf(tdb, [bytesOf("v")]);
  const piped = await ran(new ClusterDouble(), ["db", "import", "d", "-"], {
    input: readFileSync(tdb),
  });
  assert.is(piped.exit, 2);
  assert.match(piped.err, /must be a file that can be locked/);
  const keyboard = await ran(new ClusterDouble(), ["db", "import", "d", "-"], {
    inIsTerminal: true,
  });
  assert.match(keyboard.err, /standard input is a terminal/);
});

test("records that no database of a cluster has are refused", async ({ folder }) => {
  const file = join(folder, "x.jsonl");
  writeFileSync(file, '{"key":"","value":"1"}');
  const empty = await ran(new ClusterDouble(), ["db", "import", "d", file]);
  assert.is(empty.exit, 2);
  assert.match(empty.err, /its key is empty/);
  writeFileSync(file, `{"key":"${"k".repeat(65536)}","value":"1"}`);
  const long = await ran(new ClusterDouble(), ["db", "import", "d", file]);
  assert.match(long.err, /its key has 65536 bytes, KEY_MAX is 65535/);
  assert.is((await ran(new ClusterDouble(), ["db", "import", "a/b", file])).exit, 2);
});

test("headers are added to an export for CTDB", async ({ folder }) => {
  const double = filled(1);
  const file = join(folder, "x.tdb");
  const words = ["db", "export", "d", file, "--add-header", "--dmaster", "2", "--rsn", "9"];
  const { exit, err } = await ran(double, words);
  assert.is(exit, 0, err);
  const tdb = await openTdb(STORE, file, { readOnly: true });
  assert.equal(
    tdb.fetch(bytesOf("key/0")),
    withHeader(bytesOf("value 0"), { rsn: 9n, dmaster: 2, flags: 0 }),
  );
  tdb.close();
  assert.ok(existsSync(file));
});

test.run();
