/**
 * Where new files go: what `ctdbx tdb` replaces, what it never replaces, and who wins when two come at once.
 *
 *   create restore backup convert rescue --to     x     absent, file, link, folder, FIFO, in use
 */

import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { run } from "../../cli/run.ts";
import { capture } from "../cli/capture.ts";
import { tool } from "../tools.ts";
import type { Context, Outcome } from "./cli_world.ts";
import { ok, output, program, sampleDump, tdb, UTF8, withFolder } from "./cli_world.ts";
import { dataOf } from "./dev_rig.ts";
import { startPeer } from "./peer.ts";
import { FLAG, good, hex, openIn } from "./session.ts";

const test = suite<Context>("ctdbx tdb targets", {} as Context);
withFolder(test);

const DUMP = sampleDump(4);

/** A folder of its own, with a database in it to copy from. */
function place({ folder }: Context): { own: string; source: string } {
  const own = mkdtempSync(join(folder, "place-"));
  const source = join(folder, "source.tdb");
  if (!existsSync(source)) output("tdbrestore", [source], DUMP);
  return { own, source };
}

/** Every command that makes a file, onto `target`. */
async function everyWriter(
  context: Context,
  source: string,
  target: string,
  more: string[],
): Promise<[string, Outcome][]> {
  const calls: [string, string[], string][] = [
    ["create", ["create", target], ""],
    ["restore", ["restore", target], DUMP],
    ["backup", ["backup", source, target], ""],
    ["convert", ["convert", source, target, "--add-header"], ""],
    ["rescue", ["rescue", source, "--to", target], ""],
  ];
  const outcomes: [string, Outcome][] = [];
  for (const [name, call, input] of calls) {
    outcomes.push([name, await tdb(context, [...call, ...more], { input })]);
  }
  return outcomes;
}

test("a folder, a FIFO, a link to one, and a link to nothing are never replaced", async (context) => {
  const { own, source } = place(context);
  const folder = join(own, "folder");
  mkdirSync(folder);
  const fifo = join(own, "fifo");
  assert.is(spawnSync("mkfifo", [fifo]).status, 0);
  const link = join(own, "link");
  symlinkSync(fifo, link);
  const nowhere = join(own, "nowhere");
  symlinkSync(join(own, "absent"), nowhere);
  for (
    const [target, why] of [
      [folder, /it is a directory/],
      [fifo, /it is not a regular file/],
      [link, /it is not a regular file/],
      [nowhere, /a link that leads nowhere/],
    ] as [string, RegExp][]
  ) {
    const before = lstatSync(target);
    for (const more of [[], ["--force"]]) {
      for (const [name, { exit, err }] of await everyWriter(context, source, target, more)) {
        assert.is(exit, 2, `${name} ${more}: ${err}`);
        assert.match(err, why);
      }
    }
    const { ino, mode } = lstatSync(target);
    assert.equal({ ino, mode }, { ino: before.ino, mode: before.mode });
  }
  assert.equal(readdirSync(own).sort(), ["fifo", "folder", "link", "nowhere"]);
});

test("a file that exists is replaced only with --force, whatever is in it", async (context) => {
  const { own, source } = place(context);
  for (const content of ["dear all", readFileSync(source)]) {
    const target = join(own, "target");
    writeFileSync(target, content);
    for (const [name, { exit, err }] of await everyWriter(context, source, target, [])) {
      assert.is(exit, 4, `${name}: ${err}`);
      assert.match(err, /it exists\nhint: .*--force/);
    }
    assert.is(readFileSync(target, "latin1"), content.toString("latin1"));
    for (const [name, { exit, err }] of await everyWriter(context, source, target, ["--force"])) {
      assert.is(exit, 0, `${name}: ${err}`);
      await ok(context, ["check", target]);
    }
  }
  assert.equal(readdirSync(own), ["target"]);
});

test("--force replaces what a link leads to, and the link stays", async (context) => {
  const { own, source } = place(context);
  const far = join(own, "far");
  mkdirSync(far);
  const real = join(far, "real.tdb");
  const link = join(own, "link.tdb");
  symlinkSync(real, link);
  for (const command of ["create", "restore", "backup", "convert", "rescue"]) {
    writeFileSync(real, "old");
    const [, outcome] = (await everyWriter(context, source, link, ["--force"])).find(([name]) =>
      name === command
    ) ?? [];
    assert.is(outcome?.exit, 0, outcome?.err);
    assert.ok(lstatSync(link).isSymbolicLink(), command);
    assert.ok(lstatSync(real).isFile());
    await ok(context, ["check", real]);
  }
  assert.equal(readdirSync(own).sort(), ["far", "link.tdb"]);
  assert.equal(readdirSync(far), ["real.tdb"]);
});

test("an empty file is made a database by create, and by nobody else", async (context) => {
  const { own, source } = place(context);
  const target = join(own, "empty.tdb");
  for (const name of ["restore", "backup", "convert", "rescue"]) {
    writeFileSync(target, "");
    const call = name === "restore"
      ? [name, target]
      : name === "rescue"
      ? [name, source, "--to", target]
      : [name, source, target, ...(name === "convert" ? ["--add-header"] : [])];
    assert.is((await tdb(context, call, { input: DUMP })).exit, 4, name);
    assert.is(statSync(target).size, 0);
  }
  await ok(context, ["create", target]);
  await ok(context, ["check", target]);
});

test("a database that ctdbx has open is not replaced, even with --force", async (context) => {
  const { own, source } = place(context);
  for (const mutex of [false, true]) {
    const target = join(own, `ours-${mutex}.tdb`);
    await ok(context, ["create", target, ...(mutex ? ["--mutex"] : [])]);
    await ok(context, ["put", target, "kept", "1"]);
    const holder = await openTdb(context.store, target);
    for (const [name, { exit, err }] of await everyWriter(context, source, target, ["--force"])) {
      assert.is(exit, 4, `${name}: ${err}`);
      assert.match(err, /^ctdbx: Cannot replace .*: it is in use by another process\nhint: /);
    }
    assert.is(new TextDecoder().decode(holder.fetch(UTF8.encode("kept"))), "1");
    holder.close();
    assert.is((await ok(context, ["get", target, "kept"])).out, "1");
    for (const [name, { exit, err }] of await everyWriter(context, source, target, ["--force"])) {
      assert.is(exit, 0, `${name}: ${err}`);
    }
  }
});

for (
  const [what, flags, take, give] of [
    ["a read lock on a chain", 0, ["chainlock_read", hex("a")], ["chainunlock_read", hex("a")]],
    ["a chain", 0, ["chainlock", hex("a")], ["chainunlock", hex("a")]],
    ["everything, for reading", 0, ["lockall_read"], ["unlockall_read"]],
    ["a transaction", 0, ["begin"], ["cancel"]],
    ["CLEAR_IF_FIRST", FLAG.CLEAR_IF_FIRST, ["store", hex("a"), "01", 0], ["close"]],
    ["mutexes", FLAG.CLEAR_IF_FIRST | FLAG.MUTEX_LOCKING | FLAG.INCOMPATIBLE_HASH, [
      "chainlock",
      hex("a"),
    ], ["close"]],
  ] as [string, number, (string | number)[], string[]][]
) {
  test(`a database on which libtdb holds ${what} is not replaced, even with --force`, async (context) => {
    const { own, source } = place(context);
    const target = join(own, "theirs.tdb");
    const peer = startPeer();
    try {
      await openIn(peer, { path: target, mode: "c", flags });
      await good(peer, ...take);
      const { ino } = statSync(target);
      for (const [name, { exit, err }] of await everyWriter(context, source, target, ["--force"])) {
        assert.is(exit, 4, `${name}: ${err}`);
      }
      assert.is(statSync(target).ino, ino);
      await good(peer, ...give);
      for (const [name, { exit, err }] of await everyWriter(context, source, target, ["--force"])) {
        assert.is(exit, 0, `${name}: ${err}`);
      }
    } finally {
      await peer.kill();
    }
  });
}

test("who takes the target into use while the new one is made keeps it", async (context) => {
  const { own } = place(context);
  const target = join(own, "late.tdb");
  await ok(context, ["create", target]);
  const holder = context.store.open(target);
  const terminal = capture();
  const late = {
    ...terminal,
    *input() {
      yield UTF8.encode(DUMP);
      // Nobody was there when the command began.
      assert.ok(holder.tryLock({ start: 4, length: 1 }, "read"));
    },
  };
  const { ino } = statSync(target);
  const exit = await run(["tdb", "restore", target, "--force"], {
    store: context.store,
    terminal: late,
  });
  assert.is(exit, 4, terminal.errText());
  assert.is(statSync(target).ino, ino);
  holder.close();
  assert.equal(readdirSync(own), ["late.tdb"]);
});

test("of many that create a file at once one makes it, the others find it taken", async (context) => {
  const { own } = place(context);
  for (const empty of [false, true]) {
    const target = join(own, `race-${empty}.tdb`);
    if (empty) writeFileSync(target, "");
    const outcomes = await Promise.all(
      [11, 12, 13, 14].map((size) => tdb(context, ["create", target, "--hash-size", String(size)])),
    );
    assert.equal(outcomes.map(({ exit }) => exit).sort(), [0, 4, 4, 4]);
    const winner = 11 + outcomes.findIndex(({ exit }) => exit === 0);
    const info = dataOf<Record<string, unknown>>(
      (await ok(context, ["info", target, "-o", "json"])).out,
    );
    assert.is(info.hashSize, winner);
  }
  assert.equal(readdirSync(own).sort(), ["race-false.tdb", "race-true.tdb"]);
});

test("a name that is taken in the last moment is left to who has it", (context) => {
  const { own } = place(context);
  const target = join(own, "taken.tdb");
  // The kernel says EEXIST at the very end, where a look before could not have seen it.
  const { status, stderr } = injected(context, "error=EEXIST", ["create", target]);
  assert.is(status, 4, stderr);
  assert.match(stderr, /^ctdbx: Cannot write .*taken\.tdb: it exists$/m);
  assert.equal(readdirSync(own), []);
});

test("where the file system has no links, the name is claimed first", (context) => {
  const { own } = place(context);
  const target = join(own, "nolinks.tdb");
  const { status, stderr } = injected(context, "error=EPERM", ["create", target]);
  assert.is(status, 0, stderr);
  assert.match(output("tdbtool", [target, "check"]), /integrity is OK/);
  assert.equal(readdirSync(own), ["nolinks.tdb"]);
});

/** Runs a command whose calls of link(2) end as `fault` says. */
function injected(
  { folder }: Context,
  fault: string,
  command: string[],
): { status: number | null; stderr: string } {
  const [binary, args] = program();
  const calls = "link,linkat";
  const log = join(folder, "strace.log");
  return spawnSync(
    tool("strace"),
    [
      ...["-f", "-qq", "-e", `trace=${calls}`, "-e", `inject=${calls}:${fault}`],
      ...["-o", log, binary, ...args, "tdb", ...command],
    ],
    { encoding: "utf8" },
  );
}

test("a restore of nothing is refused unless it is said, and leaves the old file", async (context) => {
  const { own } = place(context);
  const target = join(own, "nothing.tdb");
  for (const input of ["", "\n", " \r\n\n"]) {
    const { exit, err } = await tdb(context, ["restore", target], { input });
    assert.is(exit, 2, err);
    assert.match(err, /the input is empty\nhint: --allow-empty/);
  }
  assert.equal(readdirSync(own), []);
  await ok(context, ["restore", target], { input: DUMP });
  const before = readFileSync(target);
  assert.is((await tdb(context, ["restore", target, "--force"], { input: "" })).exit, 2);
  assert.equal(readFileSync(target), before);
  await ok(context, ["restore", target, "--force", "--allow-empty"], { input: "" });
  assert.is(
    dataOf<{ records: number }>((await ok(context, ["info", target, "-o", "json"])).out).records,
    0,
  );
});

test("a name as long as a name may be is no obstacle", async (context) => {
  const { own } = place(context);
  for (const name of ["x".repeat(255), "ü".repeat(127), "-o", "a b\n\"'"]) {
    await ok(context, ["create", join(own, name)]);
    await ok(context, ["check", join(own, name)]);
  }
  assert.is(readdirSync(own).length, 4);
});

test.run();
