/** `ctdbx config import` of folders on the disk: what is written, and when nothing is. */

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FILE_BYTES_MAX } from "../../cli/ctdb_config/folder.ts";
import { run } from "../../cli/run.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { capture } from "./capture.ts";

interface Context {
  folder: string;
}

interface Answer {
  readonly ok: boolean;
  readonly data: {
    readonly file: string | null;
    readonly sections: string;
    readonly commands: readonly { readonly command: string }[];
    readonly options: readonly { readonly option: string; readonly outcome: string }[];
  };
}

const test = suite<Context>("cli/config");

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-import-"));
  mkdirSync(join(context.folder, "etc/events/legacy"), { recursive: true });
  write(context, "nodes", "10.0.0.1\n10.0.0.2\n");
  write(context, "ctdb.conf", "[logging]\nlog level = ERROR\n");
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

function write({ folder }: Context, name: string, text: string | Uint8Array, mode = 0o644): string {
  const path = join(folder, "etc", name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

async function ran(words: readonly string[]): Promise<{ exit: number; out: string; err: string }> {
  const terminal = capture();
  const exit = await run(["config", "import", ...words], { terminal, store: new RealImageStore() });
  return { exit, out: terminal.outText(), err: terminal.errText() };
}

test("shows all of it, and writes nothing unless it is told where", async (context) => {
  const { exit, out, err } = await ran([join(context.folder, "etc"), "-o", "json"]);
  assert.is(exit, 0, err);
  const { data } = JSON.parse(out) as Answer;
  assert.is(data.file, null);
  assert.is(data.sections, '[log]\nlevel = "error"\n');
  assert.is(data.commands.length, 7);
  assert.equal(data.options.map(({ option }) => option), [
    "node 0",
    "node 1",
    "logging: log level",
  ]);
  const table = await ran([join(context.folder, "etc")]);
  assert.match(table.out, "At the end of each node's configuration:\n\n  [log]");
  assert.match(table.out, "cat FILE >> /etc/ctdbx/n1.toml");
});

test("--to writes the sections, once; --force replaces them; --dry-run only looks", async (context) => {
  const etc = join(context.folder, "etc");
  const to = join(context.folder, "sections.toml");
  assert.is((await ran([etc, "--to", to, "--dry-run"])).exit, 0);
  assert.not(existsSync(to));
  const { exit, out } = await ran([etc, "--to", to, "-o", "json"]);
  assert.is(exit, 0);
  const { data } = JSON.parse(out) as Answer;
  assert.is(data.file, to);
  assert.ok(data.commands.some(({ command }) => command === `cat ${to} >> /etc/ctdbx/n0.toml`));
  const text = readFileSync(to, "utf8");
  assert.ok(text.startsWith("# Made by `ctdbx config import`") && text.endsWith(data.sections));
  write(context, "ctdb.conf", "[logging]\nlog level = DEBUG\n");
  for (const more of [[], ["--dry-run"]]) {
    assert.is((await ran([etc, "--to", to, ...more])).exit, 4);
    assert.is(readFileSync(to, "utf8"), text, "as it was");
  }
  assert.is((await ran([etc, "--to", to, "--force"])).exit, 0);
  assert.match(readFileSync(to, "utf8"), 'level = "debug"');
});

test("what is malformed ends it with file and line, and nothing is written", async (context) => {
  const to = join(context.folder, "sections.toml");
  const cases = [
    ["ctdb.conf", "[logging]\nlog level = ERROR\nx\n", "ctdb.conf: line 3:"],
    ["nodes", "10.0.0.1\nx\n", "nodes: line 2:"],
    ["public_addresses", "\n10.1.1.1/24\n", "public_addresses: line 2:"],
    ["home_nodes", "10.1.1.1 1 2\n", "home_nodes: line 1:"],
    ["ctdb.tunables", "#\nMonitorInterval=1x\n", "ctdb.tunables: line 2:"],
    ["ctdb.conf", Uint8Array.of(0x5b, 0xff, 0x5d), "ctdb.conf: it is not UTF-8"],
    ["nodes", "#\n".repeat(FILE_BYTES_MAX / 2 + 1), "FILE_BYTES_MAX is 1048576 bytes"],
  ] as const;
  for (const [name, text, said] of cases) {
    const path = join(context.folder, "etc", name);
    const before = existsSync(path) ? readFileSync(path) : undefined;
    write(context, name, text);
    const { exit, err, out } = await ran([join(context.folder, "etc"), "--to", to]);
    assert.is(exit, 2, `${name}: ${err}`);
    assert.match(err, said);
    assert.is(out, "");
    assert.not(existsSync(to), name);
    if (before === undefined) rmSync(path);
    else writeFileSync(path, before);
  }
});

test("scripts are enabled when they can be run, also by a link; others are named with the reason", async (context) => {
  const { folder } = context;
  write(context, "events/legacy/10.interface.script", "#!/bin/sh\n", 0o755);
  write(context, "events/legacy/50.samba.script", "#!/bin/sh\n", 0o644);
  write(context, "events/legacy/README", "no script\n", 0o644);
  mkdirSync(join(folder, "etc/events/legacy/60.folder.script"));
  const legacy = join(folder, "etc/events/legacy");
  symlinkSync(join(legacy, "10.interface.script"), join(legacy, "70.linked.script"));
  symlinkSync("/nowhere/at/all", join(legacy, "80.lost.script"));
  write(context, "notify.sh", "#!/bin/sh\n", 0o755);
  const { out } = await ran([join(folder, "etc"), "-o", "json"]);
  const { data } = JSON.parse(out) as Answer;
  const scripts = data.options.filter(({ option }) => option.startsWith("script"))
    .map(({ option, outcome }) => `${option}: ${outcome}`);
  assert.equal(scripts, [
    "script 10.interface.script: taken",
    "script 50.samba.script: not taken",
    "script 60.folder.script: not taken",
    "script 70.linked.script: taken",
    "script 80.lost.script: not taken",
  ]);
  assert.match(data.sections, `[scripts]\ndir = "${join(folder, "etc")}"`);
  assert.match(data.sections, `command = ["${join(folder, "etc/notify.sh")}"]`);
});

test("a folder that is none of ctdb's, none at all, or a wrong name of a cluster", async (context) => {
  const { folder } = context;
  mkdirSync(join(folder, "empty"));
  assert.is((await ran([join(folder, "empty")])).exit, 3);
  assert.is((await ran([join(folder, "nowhere")])).exit, 3);
  assert.is((await ran([join(folder, "etc/nodes")])).exit, 2);
  assert.is((await ran([join(folder, "etc"), "--cluster", "a b"])).exit, 2);
  assert.is((await ran([join(folder, "etc"), "--pnn", "x"])).exit, 2);
  const { exit, out } = await ran([
    join(folder, "etc"),
    "--cluster",
    "lab",
    "--pnn",
    "1",
    "-o",
    "json",
  ]);
  assert.is(exit, 0);
  assert.match(out, "cluster create lab --node-name n0");
  assert.match(out, '"node": "n1"');
});

test("a pipe and a device in place of a file are refused, and nobody waits for their end", async (context) => {
  const path = join(context.folder, "etc", "public_addresses");
  const isRefused = async () => {
    const { exit, err } = await ran([join(context.folder, "etc")]);
    assert.is(exit, 2, err);
    assert.match(err, "public_addresses: it is no regular file");
    rmSync(path);
  };
  assert.is(spawnSync("mkfifo", [path]).status, 0);
  await isRefused();
  symlinkSync("/dev/zero", path);
  await isRefused();
});

test.run();
