/**
 * `ctdbx tdb` beside Debian's tdb tools: same dumps, files that the other accepts, and the documented exit codes.
 *
 * Most commands run in this process, in a world whose terminal is caught; what depends on a real descriptor
 * (exit code, closed pipe, standard input) runs as a process of this runtime.
 */

import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { run } from "../../cli/run.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import type { CaptureOptions } from "../cli/capture.ts";
import { capture } from "../cli/capture.ts";
import { skip } from "../limit.ts";
import { tool } from "../tools.ts";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const UTF8 = new TextEncoder();

interface Context {
  folder: string;
  store: RealImageStore;
}

const test = suite<Context>("ctdbx tdb", {} as Context);

test.before((context) => {
  context.store = new RealImageStore();
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-cli-"));
});
test.after((context) => rmSync(context.folder, { recursive: true, force: true }));

interface Outcome {
  exit: number;
  out: string;
  err: string;
  bytes: Uint8Array;
}

/** Runs `ctdbx tdb WORDS` in this process. */
async function tdb(
  { store }: Context,
  words: string[],
  options: CaptureOptions = {},
): Promise<Outcome> {
  const terminal = capture(options);
  const exit = await run(["tdb", ...words], { store, terminal });
  return { exit, out: terminal.outText(), err: terminal.errText(), bytes: terminal.outBytes() };
}

/** The same, demanded to succeed. */
async function ok(context: Context, words: string[], options?: CaptureOptions): Promise<Outcome> {
  const outcome = await tdb(context, words, options);
  assert.is(outcome.exit, 0, outcome.err);
  return outcome;
}

/** A program of the machine; its stdout. */
function output(name: string, args: string[], input = ""): string {
  const result = spawnSync(tool(name), args, { input, encoding: "latin1" });
  assert.is(result.status, 0, `${name}: ${result.stderr}`);
  return result.stdout;
}

function words(command: string): string[] {
  return command.split(" ");
}

/** The start of this runtime with the command line. */
function program(): [string, string[]] {
  const options = process.execPath.includes("deno") ? ["run", "-A", MAIN] : [MAIN];
  return [process.execPath, options];
}

/** The dump of a database with awkward keys and values, longer and shorter records, and many of them. */
function sampleDump(records: number): string {
  const every = [...Array(256).keys()];
  const escaped = every.map((byte) => `\\${byte.toString(16).toUpperCase().padStart(2, "0")}`);
  const lines = [
    `{\nkey(256) = "${escaped.join("")}"\ndata(0) = ""\n}\n`,
    `{\nkey(0) = ""\ndata(3) = "\\00\\22\\5C"\n}\n`,
    `{\nkey(2) = "a\\00"\ndata(256) = "${escaped.join("")}"\n}\n`,
  ];
  for (let index = 0; index < records; index += 1) {
    const key = `key/${index}`;
    const value = "v".repeat(index % 50);
    lines.push(`{\nkey(${key.length}) = "${key}"\ndata(${value.length}) = "${value}"\n}\n`);
  }
  return lines.join("");
}

test("dump prints the bytes that tdbdump prints", async (context) => {
  const file = join(context.folder, "dump.tdb");
  output("tdbrestore", [file], sampleDump(500));
  const { bytes } = await ok(context, ["dump", file]);
  assert.is(new TextDecoder("latin1").decode(bytes), output("tdbdump", [file]));
  const one = await ok(context, ["dump", file, "-k", "key/7"]);
  assert.is(one.out, output("tdbdump", ["-k", "key/7", file]));
});

test("restore makes what tdbrestore makes, and each reads the other's dump", async (context) => {
  const theirs = join(context.folder, "theirs.tdb");
  const ours = join(context.folder, "ours.tdb");
  const dump = sampleDump(400);
  output("tdbrestore", [theirs], dump);
  await ok(context, ["restore", ours, "--hash-size", "131"], { input: dump, pieceSize: 1000 });
  const want = output("tdbdump", [theirs]);
  assert.is(output("tdbdump", [ours]), want);
  assert.match(output("tdbtool", [ours, "check"]), /integrity is OK/);
  const again = join(context.folder, "again.tdb");
  const { out } = await ok(context, ["dump", ours]);
  output("tdbrestore", [again], out);
  assert.equal(sortedRecords(output("tdbdump", [again])), sortedRecords(want));
});

function sortedRecords(dump: string): string[] {
  return dump.split("{\n").sort();
}

test("restore chooses a hash size that suits the number of records", async (context) => {
  const file = join(context.folder, "large.tdb");
  const dump = sampleDump(3000);
  const result = await ok(context, ["restore", file, "-o", "json"], {
    input: dump,
    pieceSize: 65536,
  });
  assert.is(JSON.parse(result.out).records, 3003);
  const info = JSON.parse((await ok(context, ["info", file, "-o", "json"])).out);
  assert.is(info.records, 3003);
  assert.ok(info.recordsPerChain <= 4, `${info.recordsPerChain} records per chain`);
  assert.is(info.hash, "old");
  assert.equal(sortedRecords(output("tdbdump", [file])), sortedRecords(dump));
  assert.match(output("tdbtool", [file, "check"]), /integrity is OK and has 3003 records/);
});

test("a restore that fails leaves nothing behind, and says where the text is wrong", async (context) => {
  const folder = mkdtempSync(join(context.folder, "failed-"));
  const file = join(folder, "a.tdb");
  const bad = await tdb(context, ["restore", file], {
    input: `${sampleDump(10)}{\nkey(1) = "ab"\n`,
  });
  assert.is(bad.exit, 2);
  assert.match(bad.err, /^ctdbx: Cannot read the dump: line 54, column 1: key\(1\) has 2 bytes/m);
  const twice = await tdb(context, ["restore", file], { input: sampleDump(1) + sampleDump(1) });
  assert.is(twice.exit, 2);
  assert.match(twice.err, /comes twice/);
  assert.equal(readdirSync(folder), []);
});

test("restore replaces an existing file only with --force, and then at once", async (context) => {
  const file = join(context.folder, "force.tdb");
  await ok(context, ["restore", file], { input: sampleDump(3) });
  const before = output("tdbdump", [file]);
  assert.is((await tdb(context, ["restore", file], { input: sampleDump(5) })).exit, 4);
  assert.is((await tdb(context, ["restore", file, "--force"], { input: "nonsense" })).exit, 2);
  assert.is(output("tdbdump", [file]), before);
  await ok(context, ["restore", file, "--force"], { input: sampleDump(5) });
  assert.not.equal(output("tdbdump", [file]), before);
});

test("put, get, del and keys work on a file that tdbtool has made, and tdbtool sees it", async (context) => {
  const file = join(context.folder, "records.tdb");
  output("tdbtool", [file, "create", file]);
  await ok(context, ["put", file, "plain", "value one"]);
  await ok(context, ["put", file, "samba", "x", "--nul"]);
  await ok(context, ["put", file, "6b00ff", "0001", "--hex"]);
  await ok(context, ["put", file, String.raw`esc\00\ff`, String.raw`a\nb`, "--escaped"]);
  await ok(context, ["put", file, "stdin", "-"], { input: Uint8Array.of(0, 255, 10) });
  const source = join(context.folder, "value.bin");
  writeFileSync(source, Uint8Array.of(9, 8, 7));
  await ok(context, ["put", file, "file", "--file", source]);
  const dump = output("tdbdump", [file]);
  for (
    const part of [
      '"plain"',
      '"samba\\00"',
      '"k\\00\\FF"',
      '"esc\\00\\FF"',
      '"\\00\\FF\\0A"',
      '"\\09\\08\\07"',
    ]
  ) {
    assert.ok(dump.includes(part), `${part} is not in ${dump}`);
  }
  assert.equal((await ok(context, ["get", file, "stdin"])).bytes, Uint8Array.of(0, 255, 10));
  assert.is(
    (await ok(context, ["get", file, "plain"], { outIsTerminal: true })).out,
    "value one\n",
  );
  const shown = await ok(context, ["get", file, "plain", "-o", "json"]);
  assert.equal(JSON.parse(shown.out), { key: "plain", value: "value one", encoding: "text" });
  const hex = await ok(context, ["get", file, "stdin", "-o", "json"]);
  assert.equal(JSON.parse(hex.out), { key: "737464696e", value: "00ff0a", encoding: "hex" });
  const keys = (await ok(context, ["keys", file])).out.trimEnd().split("\n").sort();
  assert.equal(keys, ["esc\\00\\FF", "file", "k\\00\\FF", "plain", "samba\\00", "stdin"]);
  assert.is(
    (await ok(context, ["keys", file, "--prefix", "s", "--limit", "1"])).out.split("\n").length,
    2,
  );
  const some = await ok(context, ["keys", file, "--prefix", "pl", "-o", "jsonl"]);
  assert.equal(JSON.parse(some.out), { key: "plain", encoding: "text", valueBytes: 9 });
  await ok(context, ["del", file, "samba", "--nul"]);
  assert.not.ok(output("tdbdump", [file]).includes("samba"));
});

test("insert, modify and missing records have their exit codes", async (context) => {
  const file = join(context.folder, "modes.tdb");
  await ok(context, ["create", file]);
  assert.is((await tdb(context, ["put", file, "a", "1", "--mode", "modify"])).exit, 3);
  await ok(context, ["put", file, "a", "1", "--mode", "insert"]);
  const again = await tdb(context, ["put", file, "a", "2", "--mode", "insert"]);
  assert.is(again.exit, 4);
  assert.match(again.err, /^ctdbx: Cannot insert "a" into .*: the record exists\nhint: /);
  await ok(context, ["put", file, "a", "3", "--mode", "modify"]);
  assert.is((await ok(context, ["get", file, "a"])).out, "3");
  for (const command of ["get", "del"]) {
    const missing = await tdb(
      context,
      [command, file, "b", "-o", "json"].slice(0, command === "get" ? 5 : 3),
    );
    assert.is(missing.exit, 3);
  }
  const missing = await tdb(context, ["get", file, "b", "-o", "json"]);
  assert.is(JSON.parse(missing.err).error.code, "notFound");
  assert.is(missing.out, "");
});

test("info counts what tdbtool counts", async (context) => {
  const file = join(context.folder, "info.tdb");
  output("tdbrestore", [file], sampleDump(300));
  const info = JSON.parse((await ok(context, ["info", file, "-o", "json"])).out);
  const theirs = output("tdbtool", [file, "info"]);
  assert.is(info.records, Number(/Number of records: (\d+)/.exec(theirs)?.[1]));
  assert.is(info.bytes, Number(/Size of file\/data: (\d+)/.exec(theirs)?.[1]));
  assert.is(info.freeRecords, Number(/Number of free records: (\d+)/.exec(theirs)?.[1]));
  assert.is(info.hashSize, Number(/Number of hash chains: (\d+)/.exec(theirs)?.[1]));
  assert.is(info.bytes, statSync(file).size);
  assert.is(info.suggestedHashSize, 307);
  assert.match((await ok(context, ["info", file])).out, /^Records +303$/m);
});

test("check says good, or lists what is wrong and exits with 12", async (context) => {
  const file = join(context.folder, "check.tdb");
  output("tdbrestore", [file], sampleDump(50));
  assert.match((await ok(context, ["check", file])).out, /^The database is good\.\nRecords +53\n/);
  const bytes = readFileSync(file);
  // The trailing length of the last record in the file.
  bytes.writeUInt32LE(12345, bytes.length - 4);
  writeFileSync(file, bytes);
  const bad = await tdb(context, ["check", file, "-o", "json"]);
  assert.is(bad.exit, 12);
  const report = JSON.parse(bad.out);
  assert.is(report.ok, false);
  assert.ok(report.problemCount >= 1);
  assert.is(report.problems[0].kind, "tailer");
  assert.is(JSON.parse(bad.err).error.exit, 12);
  const table = await tdb(context, ["check", file]);
  assert.match(table.out, /^KIND +OFFSET +WHAT\ntailer +\d+ +/);
});

test("rescue saves the records of a damaged file", async (context) => {
  const file = join(context.folder, "rescue.tdb");
  output("tdbrestore", [file], sampleDump(80));
  const want = sortedRecords(output("tdbdump", [file]));
  const bytes = readFileSync(file);
  // All heads of chains lead nowhere any more: only a scan finds the records.
  bytes.fill(0, 172, 172 + 4 * 131);
  writeFileSync(file, bytes);
  const text = await ok(context, ["rescue", file]);
  assert.equal(sortedRecords(text.out), want);
  assert.match(text.err, /^rescued 0 records through chains, 83 by scanning/);
  const to = join(context.folder, "rescued.tdb");
  const counts = JSON.parse((await ok(context, ["rescue", file, "--to", to, "-o", "json"])).out);
  assert.is(counts.records, 83);
  assert.equal(sortedRecords(output("tdbdump", [to])), want);
  assert.match(output("tdbtool", [to, "check"]), /integrity is OK/);
  const none = await ok(context, ["rescue", file, "--reachable"]);
  assert.is(none.out, "");
});

test("repack keeps the records", async (context) => {
  const file = join(context.folder, "repack.tdb");
  output("tdbrestore", [file], sampleDump(200));
  for (let index = 0; index < 200; index += 2) await ok(context, ["del", file, `key/${index}`]);
  const before = sortedRecords(output("tdbdump", [file]));
  const row = JSON.parse((await ok(context, ["repack", file, "-o", "json"])).out);
  assert.ok(row.freePieces <= row.freePiecesBefore);
  assert.equal(sortedRecords(output("tdbdump", [file])), before);
  assert.match(output("tdbtool", [file, "check"]), /integrity is OK and has 103 records/);
});

test("backup copies like tdbbackup, takes the mode along, and leaves foreign files alone", async (context) => {
  const file = join(context.folder, "backup.tdb");
  output("tdbrestore", [file], sampleDump(150));
  chmodSync(file, 0o640);
  output("tdbbackup", ["-s", ".theirs", file]);
  const row = JSON.parse((await ok(context, ["backup", file, "--verify", "-o", "json"])).out);
  assert.is(row.path, `${file}.bak`);
  assert.equal(
    sortedRecords(output("tdbdump", [`${file}.bak`])),
    sortedRecords(output("tdbdump", [`${file}.theirs`])),
  );
  assert.is(statSync(`${file}.bak`).mode & 0o777, 0o640);
  // An older backup is replaced, a file that is no database is not.
  await ok(context, ["backup", file]);
  const foreign = join(context.folder, "letter.txt");
  writeFileSync(foreign, "dear all");
  assert.is((await tdb(context, ["backup", file, foreign])).exit, 4);
  assert.is((await tdb(context, ["backup", file, file])).exit, 2);
  const link = join(context.folder, "link.tdb");
  symlinkSync(file, link);
  assert.is((await tdb(context, ["backup", file, link])).exit, 2);
  assert.is(readFileSync(foreign, "utf8"), "dear all");
  const sized = join(context.folder, "sized.tdb");
  await ok(context, ["backup", file, sized, "--hash-size", "1009"]);
  assert.match(output("tdbtool", [sized, "info"]), /Number of hash chains: 1009/);
});

test("convert adds headers and strips them again", async (context) => {
  const file = join(context.folder, "local.tdb");
  output("tdbrestore", [file], sampleDump(20));
  const clustered = join(context.folder, "clustered.tdb");
  await ok(
    context,
    words(`convert ${file} ${clustered} --add-header --dmaster 3 --rsn 5000000000`),
  );
  const { bytes } = await ok(context, ["get", clustered, "key/7"]);
  const view = new DataView(bytes.buffer);
  assert.is(bytes.length, 24 + 7);
  assert.is(view.getBigUint64(0, true), 5000000000n);
  assert.is(view.getUint32(8, true), 3);
  assert.is(new TextDecoder().decode(bytes.subarray(24)), "v".repeat(7));
  // Two empty records (one has a value of 0 bytes in the sample), and one that never had a header.
  await ok(context, ["put", clustered, "short", "abc"]);
  const back = join(context.folder, "back.tdb");
  const partial = await tdb(context, words(`convert ${clustered} ${back} --strip-header -o json`));
  assert.is(partial.exit, 9);
  const row = JSON.parse(partial.out);
  assert.is(row.shortSkipped, 1);
  assert.is(row.emptyDropped, 2);
  assert.is(row.records, 21);
  const want = sortedRecords(output("tdbdump", [file])).filter((one) => !one.includes("data(0)"));
  assert.equal(sortedRecords(output("tdbdump", [back])), want);
  assert.is((await tdb(context, words(`convert ${file} ${back}x`))).exit, 2);
  assert.is((await tdb(context, words(`convert ${file} ${back}`))).exit, 2);
  assert.is((await tdb(context, words(`convert ${file} ${back} --add-header`))).exit, 4);
});

test("bench measures a copy and leaves the file as it was", async (context) => {
  const file = join(context.folder, "bench.tdb");
  output("tdbrestore", [file], sampleDump(100));
  const before = readFileSync(file);
  const { out } = await ok(context, ["bench", file, "--ops", "200", "-o", "jsonl"]);
  const rows = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.is(rows.length, 10);
  assert.equal([...new Set(rows.map(({ locks }) => locks))], ["none", "fcntl"]);
  for (const { nsPerOp } of rows) assert.ok(nsPerOp > 0);
  assert.equal(readFileSync(file), before);
});

test("create makes files that tdbtool opens, and refuses what it must", async (context) => {
  const file = join(context.folder, "create.tdb");
  await ok(context, ["create", file, "--hash-size", "17", "--hash", "old"]);
  assert.match(output("tdbtool", [file, "info"]), /Number of hash chains: 17/);
  assert.is(statSync(file).mode & 0o777, 0o600);
  assert.is((await tdb(context, ["create", file])).exit, 4);
  await ok(context, ["create", file, "--force"]);
  assert.match(output("tdbtool", [file, "info"]), /Incompatible hash: yes/);
  const mutexes = join(context.folder, "mutex.tdb");
  await ok(context, ["create", mutexes, "--mutex"]);
  assert.match(output("tdbtool", ["-l", mutexes, "info"]), /Robust mutexes locking: yes/);
  await ok(context, ["put", mutexes, "a", "b"]);
  assert.is((await ok(context, ["get", mutexes, "a"])).out, "b");
  assert.is((await tdb(context, ["create", `${file}2`, "--mutex", "--hash", "old"])).exit, 2);
  assert.is((await tdb(context, ["create", `${file}2`, "--hash-size", "0"])).exit, 2);
});

test("wrong files and wrong calls are named and have their exit codes", async (context) => {
  const text = join(context.folder, "text.tdb");
  writeFileSync(text, "hello");
  const empty = join(context.folder, "empty.tdb");
  writeFileSync(empty, "");
  for (
    const [call, exit, message] of [
      [["info", join(context.folder, "no.tdb")], 3, /Cannot read .*no\.tdb: there is no such file/],
      [
        ["put", join(context.folder, "no.tdb"), "a", "b"],
        3,
        /Cannot change .*: there is no such file/,
      ],
      [["info", context.folder], 2, /it is a directory/],
      [["info", "/dev/null"], 2, /not a regular file/],
      [["info", text], 12, /not a TDB file/],
      [["info", empty], 12, /the file is empty/],
      [["info", join(text, "x")], 3, /a part of the path is not a folder/],
      [["inof", text], 2, /unknown command 'inof'\nhint: Did you mean info\?/],
      [["info", text, "--strit"], 2, /unknown option '--strit'/],
      [["check", text, "--strit"], 2, /unknown option '--strit'\nhint: Did you mean --strict\?/],
      [["info"], 2, /missing required argument 'file'/],
      [["info", text, "-o", "xml"], 2, /Allowed choices are table, json, jsonl, csv/],
      [["get", text, "a", "--hex", "--base64"], 2, /cannot be used with/],
      [["get", text, "zz", "--hex"], 2, /Cannot read the key: not pairs of hex digits/],
      [["get", text, "a".repeat(70000)], 2, /KEY_MAX is 65535/],
      [["put", text, "a"], 2, /the value is missing/],
      [["info", text, "--timeout", "x"], 2, /Must be seconds/],
      [[], 2, /a command is missing/],
    ] as [string[], number, RegExp][]
  ) {
    const { exit: code, err, out } = await tdb(context, call);
    assert.is(code, exit, `${call.join(" ")}: ${err}`);
    assert.match(err, message);
    assert.ok(err.startsWith("ctdbx: Cannot "), err);
    assert.not.match(err, /\n\s+at /);
    assert.is(out, "");
  }
});

test("a lock that others hold ends with 4 after --timeout, and nothing is changed", async (context) => {
  const file = join(context.folder, "locked.tdb");
  await ok(context, ["create", file]);
  await ok(context, ["put", file, "a", "1"]);
  const holder = await openTdb(context.store, file);
  await holder.lockChain(UTF8.encode("a"));
  try {
    const { exit, err } = await tdb(context, ["put", file, "a", "2", "--timeout", "0.05"]);
    assert.is(exit, 4, err);
    assert.match(err, /--timeout SECONDS/);
  } finally {
    holder.close();
  }
  assert.is((await ok(context, ["get", file, "a"])).out, "1");
});

test("help and version go to stdout with exit code 0, and help lists the exit codes", async (context) => {
  const terminal = capture();
  assert.is(await run(["--help"], { store: context.store, terminal }), 0);
  assert.match(terminal.outText(), /12 {2}the file is damaged/);
  const help = await ok(context, ["--help"]);
  for (
    const name of words(
      "create info dump restore get put del keys check rescue repack backup convert bench",
    )
  ) {
    assert.match(help.out, new RegExp(`^ +${name}\\b`, "m"));
  }
});

test("as a process: exit code, standard input, raw bytes out", (context) => {
  const file = join(context.folder, "process.tdb");
  const [binary, args] = program();
  const call = (command: string[], input?: Uint8Array) =>
    spawnSync(binary, [...args, "tdb", ...command], { input: input ?? new Uint8Array(0) });
  assert.is(call(["restore", file], UTF8.encode(sampleDump(5))).status, 0);
  assert.is(call(["put", file, "bin", "-"], Uint8Array.of(0, 1, 254, 255)).status, 0);
  const got = call(["get", file, "bin"]);
  assert.equal([...got.stdout], [0, 1, 254, 255]);
  const missing = call(["get", file, "nothing"]);
  assert.is(missing.status, 3);
  assert.match(missing.stderr.toString(), /^ctdbx: Cannot find "nothing"/);
  assert.is(missing.stdout.length, 0);
});

test("as a process: a reader that goes away ends a dump quietly", async (context) => {
  const file = join(context.folder, "pipe.tdb");
  await ok(context, ["restore", file], { input: sampleDump(6000), pieceSize: 65536 });
  const [binary, args] = program();
  const child = spawn(binary, [...args, "tdb", "dump", file], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let err = "";
  child.stderr.on("data", (chunk) => err += chunk);
  await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
  child.stdout.destroy();
  const exit = await new Promise((resolve) => child.on("close", resolve));
  assert.is(err, "");
  assert.is(exit, 0);
});

test("without write permission a database is read without locks, and that is said", (context) => {
  if (process.getuid?.() !== 0) skip("needs root, to become somebody else");
  const file = join(context.folder, "foreign.tdb");
  output("tdbrestore", [file], sampleDump(5));
  chmodSync(file, 0o444);
  chmodSync(context.folder, 0o755);
  const [binary, args] = program();
  const call = (command: string[]) =>
    spawnSync("setpriv", [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      binary,
      ...args,
      "tdb",
      ...command,
    ], { encoding: "utf8", env: { ...process.env, HOME: context.folder } });
  const read = call(["get", file, "key/3"]);
  if (read.status === 127 || /ermission denied/.test(read.stderr) && read.status !== 0) {
    skip("another user cannot run this checkout");
  }
  assert.is(read.stdout, "vvv");
  assert.match(read.stderr, /no permission to write .* reading without locks/);
  const write = call(["put", file, "key/3", "x"]);
  assert.is(write.status, 7, write.stderr);
});

test.run();
