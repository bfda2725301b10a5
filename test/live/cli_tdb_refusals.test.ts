/**
 * What `ctdbx tdb` refuses, with which words and exit codes; and what depends on a real descriptor (exit code, closed
 * pipe, standard input), as processes of this runtime.
 */

import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { run } from "../../cli/run.ts";
import { capture } from "../cli/capture.ts";
import { skip } from "../limit.ts";
import type { Context } from "./cli_world.ts";
import { ok, output, program, sampleDump, tdb, UTF8, withFolder, words } from "./cli_world.ts";

const test = suite<Context>("ctdbx tdb refusals", {} as Context);
withFolder(test);

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
    assert.is((await tdb(context, [command, file, "b"])).exit, 3);
  }
  const missing = await tdb(context, ["get", file, "b", "-o", "json"]);
  assert.is(JSON.parse(missing.err).error.code, "notFound");
  assert.is(missing.out, missing.err, "one JSON value on stdout, whatever happens");
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
      [
        ["create", join(context.folder, "no", "a.tdb")],
        3,
        /Cannot write into the folder .*no: there is no/,
      ],
      [["info", context.folder], 2, /it is a directory/],
      [["info", "/dev/null"], 2, /not a regular file/],
      [["info", text], 12, /not a TDB file/],
      [["info", empty], 12, /the file is empty/],
      [["info", join(text, "x")], 3, /a part of the path is not a folder/],
      [["inof", text], 2, /unknown command 'inof'\nhint: did you mean info\?/],
      [["info", text, "--strit"], 2, /unknown option '--strit'/],
      [["check", text, "--strit"], 2, /unknown option '--strit'\nhint: did you mean --strict\?/],
      [["info"], 2, /missing required argument 'file'/],
      [["info", text, "-o", "xml"], 2, /Allowed choices are table, json, jsonl, csv/],
      [["get", text, "a", "--hex", "--base64"], 2, /cannot be used with/],
      [["get", text, "zz", "--hex"], 2, /Cannot read the key: not pairs of hex digits/],
      [["get", text, "a".repeat(70000)], 2, /KEY_MAX is 65535/],
      [["put", text, "a"], 2, /the value is missing/],
      [["info", text, "--timeout", "x"], 2, /Must be seconds/],
      [[], 2, /ctdbx tdb needs a command/],
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

test("as a process: a full disk behind stdout is said, with exit code 11", async (context) => {
  if (!existsSync("/dev/full")) skip("no /dev/full");
  const file = join(context.folder, "full.tdb");
  await ok(context, ["restore", file], { input: sampleDump(50) });
  const [binary, args] = program();
  const full = openSync("/dev/full", "w");
  try {
    const result = spawnSync(binary, [...args, "tdb", "dump", file], {
      stdio: ["ignore", full, "pipe"],
      encoding: "utf8",
    });
    assert.is(result.status, 11, result.stderr);
    assert.match(result.stderr, /^ctdbx: Cannot write to standard output: no space left/);
  } finally {
    closeSync(full);
  }
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
