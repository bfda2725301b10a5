/**
 * stdout and stderr of `ctdbx tdb` when they are closed, full or left by their reader; what locks do to commands
 * that only look.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { EXIT } from "../../cli/exit_codes.ts";
import { Failure } from "../../cli/failure.ts";
import { run } from "../../cli/run.ts";
import type { Sink } from "../../cli/terminal.ts";
import { BufferedSink, ClosedPipe } from "../../cli/terminal.ts";
import type { CaptureOptions } from "../cli/capture.ts";
import { capture } from "../cli/capture.ts";
import { skip } from "../limit.ts";
import type { Context } from "./cli_world.ts";
import { ok, output, program, sampleDump, tdb, UTF8, withFolder } from "./cli_world.ts";
import { startPeer, thisRuntime } from "./peer.ts";
import { good, hex, openIn } from "./session.ts";

const test = suite<Context>("ctdbx tdb streams", {} as Context);
withFolder(test);

/** A sink whose every write ends like this. */
function broken(error: Error): Sink {
  return new BufferedSink(() => {
    throw error;
  });
}

/** Runs a command whose stdout is `out`. */
async function into(
  out: Sink,
  { store }: Context,
  words: string[],
  options?: CaptureOptions,
): Promise<{ exit: number; err: string }> {
  const terminal = capture(options);
  const exit = await run(words, { store, terminal: { ...terminal, out } });
  return { exit, err: terminal.errText() };
}

/** A database of so many records, and a copy of it that is damaged. */
function databases({ folder }: Context, records: number): { file: string; damaged: string } {
  const own = mkdtempSync(join(folder, "streams-"));
  const file = join(own, "good.tdb");
  output("tdbrestore", [file], sampleDump(records));
  const bytes = readFileSync(file);
  // The trailing length of the last record.
  bytes.writeUInt32LE(12345, bytes.length - 4);
  const damaged = join(own, "damaged.tdb");
  writeFileSync(damaged, bytes);
  return { file, damaged };
}

test("a stdout that cannot be written is said by every command that has something to print", async (context) => {
  const { file } = databases(context, 2000);
  for (
    const words of [
      ["--help"],
      ["--version"],
      ["tdb", "dump", file],
      ["tdb", "dump", file, "-k", "key/1"],
      ["tdb", "dump", file, "-o", "csv"],
      ["tdb", "get", file, "key/1"],
      ["tdb", "keys", file],
      ["tdb", "info", file],
      ["tdb", "check", file],
      ["tdb", "backup", file, `${file}.2`],
      ["tdb", "rescue", file],
    ]
  ) {
    const full = new Failure(EXIT.noSpace, "Cannot write to standard output: no space left");
    const { exit, err } = await into(broken(full), context, words);
    assert.is(exit, 11, `${words.join(" ")}: ${err}`);
    assert.match(err, /ctdbx: Cannot write to standard output: no space left\n$/);
  }
  // What was to be told was done nevertheless.
  await ok(context, ["check", `${file}.2`]);
});

test("a reader that goes away hides neither damage nor a missing record", async (context) => {
  const { file, damaged } = databases(context, 2000);
  // As when it went after the first buffer: the very first word meets it.
  const early: Sink = {
    write: () => {
      throw new ClosedPipe();
    },
    flush: () => {},
  };
  for (
    const [words, exit] of [
      [["tdb", "dump", file], 0],
      [["tdb", "keys", file, "-o", "json"], 0],
      [["tdb", "check", file], 0],
      [["tdb", "check", damaged], 12],
      [["tdb", "check", damaged, "-o", "json"], 12],
      [["tdb", "get", file, "nobody"], 3],
    ] as [string[], number][]
  ) {
    for (const gone of [broken(new ClosedPipe()), early]) {
      const { exit: code, err } = await into(gone, context, words);
      assert.is(code, exit, `${words.join(" ")}: ${err}`);
      if (exit === 0) assert.is(err, "");
      else assert.match(err, /Cannot (call|find) /);
    }
  }
});

test("damage is said with 12, also when stdout is full; both are said", async (context) => {
  const { damaged } = databases(context, 10);
  const full = new Failure(EXIT.noSpace, "Cannot write to standard output: no space left");
  const { exit, err } = await into(broken(full), context, ["tdb", "check", damaged]);
  assert.is(exit, 12);
  assert.match(err, /^ctdbx: Cannot call .* good: .*\nhint: .*\nctdbx: Cannot write to standard/);
});

test("a stderr that cannot be written changes no exit code", async (context) => {
  const { file, damaged } = databases(context, 10);
  for (
    const [words, exit] of [
      [["check", damaged], 12],
      [["get", file, "nobody"], 3],
      [["get", file], 2],
      [["check", file], 0],
    ] as [string[], number][]
  ) {
    const terminal = { ...capture(), err: broken(new Failure(EXIT.other, "closed")) };
    assert.is(await run(["tdb", ...words], { store: context.store, terminal }), exit);
  }
});

test("as a process: a closed stdout is an error where something is printed, and none elsewhere", (context) => {
  if (thisRuntime() === "deno") skip("on Deno a closed stdout looks like one to /dev/null");
  const { file } = databases(context, 10);
  const [binary, args] = program();
  const closed = (command: string[]) =>
    spawnSync("/bin/sh", ["-c", 'exec "$@" >&-', "sh", binary, ...args, ...command], {
      encoding: "utf8",
    });
  for (const command of [["--help"], ["tdb", "dump", file], ["tdb", "check", file]]) {
    const { status, stderr } = closed(command);
    assert.is(status, 1, command.join(" "));
    assert.match(stderr, /^ctdbx: Cannot write to standard output: it is closed$/m);
  }
  const quiet = closed(["tdb", "put", file, "a", "b"]);
  assert.is(quiet.status, 0, quiet.stderr);
  assert.is(quiet.stderr, "");
});

test("as a process: a stdout that goes nowhere on purpose is none", (context) => {
  const { file } = databases(context, 10);
  const [binary, args] = program();
  const { status } = spawnSync(binary, [...args, "tdb", "dump", file], { stdio: "ignore" });
  assert.is(status, 0);
});

test("get and dump -k read beside other readers, and wait for a writer", async (context) => {
  const { file } = databases(context, 10);
  const looks = [["get", file, "key/3"], ["dump", file, "-k", "key/3"]];
  const holder = await openTdb(context.store, file);
  try {
    for (const kind of ["read", "write"] as const) {
      await holder.lockChain(UTF8.encode("key/3"), kind);
      for (const look of looks) {
        const { exit, out, err } = await tdb(context, [...look, "--timeout", "0.05"]);
        assert.is(exit, kind === "read" ? 0 : 4, err);
        assert.is(out, kind === "read" ? "vvv" : "");
      }
      const { exit } = await tdb(context, ["put", file, "key/3", "x", "--timeout", "0.05"]);
      assert.is(exit, 4);
      holder.unlockChain(UTF8.encode("key/3"));
    }
  } finally {
    holder.close();
  }
});

test("each command ends with 4 when libtdb holds everything, and has changed nothing", async (context) => {
  const { file } = databases(context, 10);
  const peer = startPeer();
  try {
    await openIn(peer, { path: file, mode: "w" });
    await good(peer, "lockall");
    const before = readFileSync(file);
    for (
      const words of [
        ["info", file],
        ["check", file],
        ["dump", file],
        ["dump", file, "-k", "key/1"],
        ["keys", file],
        ["get", file, "key/1"],
        ["put", file, "key/1", "x"],
        ["del", file, "key/1"],
        ["repack", file],
        ["backup", file, `${file}.2`],
        ["convert", file, `${file}.2`, "--add-header"],
        ["rescue", file],
        ["rescue", file, "--to", `${file}.2`],
        ["bench", file],
      ]
    ) {
      const { exit, err } = await tdb(context, [...words, "--timeout", "0.05"]);
      assert.is(exit, 4, `${words.join(" ")}: ${err}`);
      assert.match(err, /^ctdbx: Cannot .*\nhint: .*--timeout SECONDS/);
    }
    assert.equal(readFileSync(file), before);
    // Without locks it is the caller's word that nobody else is there.
    assert.is((await tdb(context, ["get", file, "key/1", "--no-lock"])).out, "v");
    await good(peer, "unlockall");
    assert.is(await good(peer, "fetch", hex("key/1")), hex("v"));
  } finally {
    await peer.kill();
  }
});

test.run();
