/** The folder of tools that scripts have: its programs, run as scripts run them. */

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeTools, quoted } from "../../cli/event_tools.ts";

const test = suite<{ base: string; tools: string; helpers: string }>("tools of scripts");

test.before((context) => {
  // As odd as a path may be.
  context.base = mkdtempSync(join(tmpdir(), "ctdbx-tools-o'dd $x `y` "));
  context.tools = join(context.base, "tools");
  context.helpers = join(context.base, "helpers");
  mkdirSync(context.helpers);
  for (const name of ["ctdb_natgw", "ctdb-config"]) writeFileSync(join(context.helpers, name), "");
});
test.after(({ base }) => rmSync(base, { recursive: true, force: true }));

test("the stand-in hands its words on, whatever is in them", ({ base, tools, helpers }) => {
  const echo = join(base, "echo it");
  writeFileSync(echo, `#!/bin/sh\nfor word; do echo "[$word]"; done\n`);
  chmodSync(echo, 0o755);
  makeTools({
    folder: tools,
    socket: join(base, "s"),
    command: [echo, "a b"],
    state: base,
    lock: { kind: "single" },
    helpers,
  });
  const { stdout } = spawnSync(join(tools, "ctdb"), ["-X", "x y", "$z", "--", "'"], {
    encoding: "utf8",
  });
  const words = [
    "a b",
    "event",
    "ctdb",
    "--socket",
    join(base, "s"),
    "--",
    "-X",
    "x y",
    "$z",
    "--",
    "'",
  ];
  assert.equal(stdout, words.map((word) => `[${word}]\n`).join(""));
});

test("CTDB's helpers are linked, but for those that have a stand-in", ({ tools, helpers }) => {
  assert.is(readlinkSync(join(tools, "ctdb_natgw")), join(helpers, "ctdb_natgw"));
  assert.throws(() => readlinkSync(join(tools, "ctdb-config")));
  assert.is(existsSync(join(tools, "ctdb")), true);
});

for (const lock of [undefined, "/shared/it's"]) {
  test(`ctdb-config says where databases are; lock: ${lock}`, ({ base, tools, helpers }) => {
    makeTools({
      folder: tools,
      socket: join(base, "s"),
      command: ["true"],
      state: base,
      lock: lock === undefined ? { kind: "jetstream" } : { kind: "file", path: lock },
      helpers,
    });
    const get = (...words: string[]) => {
      const { stdout, status } = spawnSync(join(tools, "ctdb-config"), words, { encoding: "utf8" });
      return [stdout, status];
    };
    for (const kind of ["volatile", "persistent", "state"]) {
      assert.equal(get("get", "database", `${kind} database directory`), [`${base}\n`, 0]);
    }
    assert.equal(get("get", "cluster", "recovery lock"), [`${lock ?? ""}\n`, 0]);
    assert.equal(get("get", "cluster", "node address"), ["", 2]);
    assert.equal(get("set"), ["", 1]);
  });
}

test("a word of a shell is what it was", () => {
  for (const word of ["", "a", "it's", "''", '$HOME `x` \\ "y"\n']) {
    const { stdout } = spawnSync("/bin/sh", ["-c", `printf %s ${quoted(word)}`], {
      encoding: "utf8",
    });
    assert.is(stdout, word);
  }
});

test.run();
