/** `ctdbx tdb` under bad conditions: odd names, no permission, no space, signals, headers that are not whole. */

import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  statSync,
  truncateSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { run } from "../../cli/run.ts";
import { ERRNO, openLibc } from "../../transport/ffi.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { capture } from "../cli/capture.ts";
import { skip } from "../limit.ts";
import type { Context } from "./cli_world.ts";
import { ok, output, program, sampleDump, tdb, UTF8, withFolder } from "./cli_world.ts";

const test = suite<Context>("ctdbx tdb hostile", {} as Context);
withFolder(test);

test("names that are none, or not what was typed, are refused before anything is made", async (context) => {
  const own = mkdtempSync(join(context.folder, "names-"));
  const file = join(own, "a.tdb");
  await ok(context, ["create", file]);
  for (
    const [name, exit, why] of [
      ["", 2, /its name is empty/],
      // What an argument looks like here that was not UTF-8.
      [join(own, "bad\uFFFD"), 2, /its name is not UTF-8/],
      [`${file}/`, 3, /a part of the path is not a folder/],
      [join(file, "b"), 3, /a part of the path is not a folder/],
      [join(own, "none", "b"), 3, /there is no such file or folder/],
      [`${own}/none/`, 3, /there is no such file or folder/],
      [own, 2, /it is a directory/],
    ] as [string, number, RegExp][]
  ) {
    for (const call of [["create", name], ["create", name, "--force"], ["info", name]]) {
      const { exit: code, err } = await tdb(context, call);
      assert.is(code, exit, `${call.join(" ")}: ${err}`);
      assert.match(err, why);
    }
  }
  assert.equal(readdirSync(own), ["a.tdb"]);
});

test("a file name cannot steer the terminal through a message", async (context) => {
  const { err } = await tdb(context, [
    "info",
    join(context.folder, "\x1b[31mred\nctdbx: all is well"),
  ]);
  assert.is(err.split("\n").length, 3);
  assert.not.ok(err.includes("\x1b"));
});

test("seconds are plain numbers", async (context) => {
  const file = join(context.folder, "seconds.tdb");
  await ok(context, ["create", file]);
  for (const good of ["0", "0.25", "86400"]) await ok(context, ["info", file, "--timeout", good]);
  for (const bad of ["", " ", "-1", "1e1", "0x10", "Infinity", "NaN", "86401", "1,5"]) {
    assert.is((await tdb(context, ["info", file, `--timeout=${bad}`])).exit, 2, bad);
  }
});

test("a word that begins with - is a key after --, and the hint says so", async (context) => {
  const file = join(context.folder, "dash.tdb");
  await ok(context, ["create", file]);
  await ok(context, ["put", file, "--", "-k", "-v"]);
  assert.is((await ok(context, ["get", file, "--", "-k"])).out, "-v");
  const { exit, err } = await tdb(context, ["get", file, "-k"]);
  assert.is(exit, 2);
  assert.match(err, /hint: a key or value that begins with - goes after --/);
});

test("without a sound header nobody is sent to check or rescue", async (context) => {
  const file = join(context.folder, "cut.tdb");
  output("tdbrestore", [file], sampleDump(3));
  for (const size of [600, 100]) {
    truncateSync(file, size);
    for (const command of ["info", "check", "rescue", "dump"]) {
      const { exit, err } = await tdb(context, [command, file]);
      assert.is(exit, 12, err);
      assert.match(err, /hint: without a sound header nothing of it can be read/);
    }
  }
});

test("a file too large to be looked at is not replaced", async (context) => {
  const file = join(context.folder, "huge");
  writeFileSync(file, "");
  truncateSync(file, 5e9);
  const { exit, err } = await tdb(context, ["create", file, "--force"]);
  assert.is(exit, 1, err);
  assert.match(err, /^ctdbx: Cannot replace .*huge: .*\nhint: .* remove it first/);
  assert.is(statSync(file).size, 5e9);
});

test("a disk that is full before the new file is whole leaves nothing behind", async (context) => {
  const own = mkdtempSync(join(context.folder, "full-"));
  const source = join(context.folder, "full-source.tdb");
  output("tdbrestore", [source], sampleDump(2000));
  const libc = openLibc();
  for (const allowed of [0, 1]) {
    let calls = 0;
    const full = {
      ...libc,
      posixFallocate: (fd: number, offset: number, length: number) =>
        calls++ < allowed ? libc.posixFallocate(fd, offset, length) : ERRNO.ENOSPC,
    };
    const store = new RealImageStore({ libc: full });
    for (
      const call of [
        ["create", join(own, "x")],
        ["backup", source, join(own, "x")],
        ["rescue", source, "--to", join(own, "x")],
        ["restore", join(own, "x")],
      ]
    ) {
      calls = 0;
      // One file is small enough for one piece.
      if (allowed === 1 && call[0] === "create") continue;
      const { exit, err } = await tdb({ ...context, store }, call, { input: sampleDump(2000) });
      assert.is(exit, 11, `${call[0]}: ${err}`);
      assert.equal(readdirSync(own), [], call[0]);
    }
  }
});

test("another owner's file is no obstacle for root", async (context) => {
  if (process.getuid?.() !== 0) skip("needs root");
  const file = join(context.folder, "owner.tdb");
  await ok(context, ["create", file]);
  chmodSync(file, 0o600);
  chownSync(file, 65534, 65534);
  await ok(context, ["put", file, "a", "b"]);
  await ok(context, ["backup", file]);
  const { uid, mode } = statSync(`${file}.bak`);
  assert.equal({ uid, mode: mode & 0o7777 }, { uid: 65534, mode: 0o600 });
});

test("somebody without rights backs up what is read-only, and makes nothing elsewhere", (context) => {
  if (process.getuid?.() !== 0) skip("needs root, to become somebody else");
  const file = join(context.folder, "readonly.tdb");
  output("tdbrestore", [file], sampleDump(5));
  chmodSync(file, 0o444);
  chmodSync(context.folder, 0o755);
  const home = join(context.folder, "home");
  mkdirSync(home);
  chownSync(home, 65534, 65534);
  const [binary, args] = program();
  const call = (command: string[]) =>
    spawnSync(
      "setpriv",
      [
        ...["--reuid=65534", "--regid=65534", "--clear-groups"],
        ...[binary, ...args, "tdb", ...command],
      ],
      { encoding: "utf8", env: { ...process.env, HOME: home } },
    );
  if (call(["get", file, "key/3"]).status !== 0) skip("another user cannot run this checkout");
  const copy = join(home, "copy.tdb");
  const backup = call(["backup", file, copy]);
  assert.is(backup.status, 0, backup.stderr);
  assert.is(statSync(copy).mode & 0o777, 0o444);
  assert.is(output("tdbdump", [copy]), output("tdbdump", [file]));
  const before = readdirSync(context.folder);
  for (
    const command of [
      ["backup", file],
      ["create", join(context.folder, "new.tdb")],
      ["create", file, "--force"],
    ]
  ) {
    const { status, stderr } = call(command);
    assert.is(status, 7, `${command[0]}: ${stderr}`);
  }
  assert.equal(readdirSync(context.folder), before);
});

for (const [signal, exit] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
  test(`as a process: ${signal} ends a restore that waits for its input, and nothing stays behind`, async (context) => {
    const own = mkdtempSync(join(context.folder, "signal-"));
    const [binary, args] = program();
    const begun = new Promise<void>((resolve) => {
      const watcher = watch(own, () => {
        watcher.close();
        resolve();
      });
    });
    const child = spawn(binary, [...args, "tdb", "restore", join(own, "a.tdb")], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    const ended = new Promise((resolve) => child.on("close", (code) => resolve(code)));
    child.stdin.write(sampleDump(3));
    await begun;
    assert.equal(readdirSync(own).map((name) => name.replace(/[0-9a-f]{12}/, "DICE")), [
      ".a.tdb.DICE.ctdbx-new",
    ]);
    // Not child.kill(): Deno then reports the signal, whatever the child made of it.
    process.kill(child.pid ?? 0, signal);
    assert.is(await ended, exit);
    assert.equal(readdirSync(own), []);
  });
}

test("bench leaves nothing behind, however it ends: its copy has no name while it measures", async (context) => {
  const file = join(context.folder, "bench.tdb");
  output("tdbrestore", [file], sampleDump(20));
  const seen: string[][] = [];
  const terminal = {
    ...capture(),
    out: {
      write: () => {
        const folders = [tmpdir(), "/dev/shm"].filter((folder) =>
          statSync(folder, { throwIfNoEntry: false })
        );
        const names = folders.flatMap((folder) => readdirSync(folder));
        seen.push(names.filter((name) => name.includes(`ctdbx-bench-${process.pid}-`)));
      },
      flush: () => {},
    },
  };
  const words = ["tdb", "bench", file, "--ops", "100", "-o", "jsonl"];
  assert.is(await run(words, { store: context.store, terminal }), 0);
  assert.is(seen.length, 10);
  assert.equal(seen.flat(), []);
});

test("arguments as long as the system takes them", async (context) => {
  const file = join(context.folder, "long.tdb");
  await ok(context, ["create", file]);
  const [binary, args] = program();
  const key = "k".repeat(65535);
  const value = "v".repeat(120_000);
  const call = (command: string[]) =>
    spawnSync(binary, [...args, "tdb", ...command], { encoding: "utf8" });
  assert.is(call(["put", file, key, value]).status, 0);
  assert.is(call(["get", file, key]).stdout, value);
  const over = call(["get", file, `${key}k`]);
  assert.is(over.status, 2);
  assert.ok(UTF8.encode(over.stderr).length < 500, "the message does not repeat the key");
  const missing = call(["get", file, key.replace("k", "x")]);
  assert.is(missing.status, 3);
  assert.ok(UTF8.encode(missing.stderr).length < 1000, "the message does not repeat the key");
});

test.run();
