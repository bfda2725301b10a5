/** What a packed program is stamped with, and which licences go with it. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { licencesOf, thirdPartyText } from "../../build/licences.ts";
import { commitOf } from "../../build/pack.ts";
import { skip } from "../limit.ts";

interface Context {
  root: string;
}

const test = suite<Context>("pack");

test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), "ctdbx-pack-"));
});
test.after.each(({ root }) => rmSync(root, { recursive: true, force: true }));

test("The stamp is the commit, with + when a file differs; none outside of a checkout", ({ root }) => {
  if (spawnSync("git", ["--version"]).error !== undefined) skip("no git");
  assert.is(commitOf(root), undefined);
  const git = (...words: string[]): void => {
    const who = ["-c", "user.name=t", "-c", "user.email=t@localhost"];
    const result = spawnSync("git", [...who, ...words], { cwd: root, encoding: "utf8" });
    assert.is(result.status, 0, result.stderr);
  };
  git("init", "--quiet");
  writeFileSync(join(root, "a"), "1");
  git("add", "a");
  git("commit", "--quiet", "-m", "one");
  assert.match(commitOf(root) ?? "", /^[0-9a-f]{12}$/);
  // What git does not know of is not packed.
  writeFileSync(join(root, "b"), "");
  assert.match(commitOf(root) ?? "", /^[0-9a-f]{12}$/);
  writeFileSync(join(root, "a"), "2");
  assert.match(commitOf(root) ?? "", /^[0-9a-f]{12}\+$/);
});

/** Makes a package below `root`; the root itself when it has no name. */
function make(root: string, name: string, more: object, licence?: string): void {
  const folder = name === "" ? root : join(root, "node_modules", name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, version: "1.0.0", ...more }));
  if (licence !== undefined) writeFileSync(join(folder, "LICENSE.md"), licence);
}

test("Licences are those of all packages that are needed, and nobody else's", ({ root }) => {
  make(root, "", {
    dependencies: { one: "1", bun: "1", "@a/two": "1" },
    devDependencies: { dev: "1" },
  });
  make(root, "one", { license: "MIT", dependencies: { three: "1" } }, "text of one");
  make(root, "@a/two", { license: "ISC", dependencies: { three: "1" } }, "text of two");
  make(root, "three", { license: "MIT", dependencies: { one: "1" } }, "text of three");
  make(root, "dev", {});
  const found = licencesOf(root).map(({ name, licence, text }) => [name, licence, text]);
  assert.equal(found, [
    ["@a/two", "ISC", "text of two"],
    ["one", "MIT", "text of one"],
    ["three", "MIT", "text of three"],
  ]);
});

test("A package without a licence, or without its text, is not packed", ({ root }) => {
  make(root, "", { dependencies: { one: "1" } });
  make(root, "one", {}, "text");
  assert.throws(() => licencesOf(root), /one: it names no licence/);
  rmSync(join(root, "node_modules"), { recursive: true });
  make(root, "one", { license: "MIT" });
  assert.throws(() => licencesOf(root), /one: it comes without the text/);
});

test("The text names Bun, the server inside, and every package of ours", () => {
  const text = thirdPartyText("2.9.10");
  for (const name of ["Bun ", "nats-server 2.9.10", "commander ", "cbor-x ", "tweetnacl "]) {
    assert.ok(text.includes(name), name);
  }
  assert.not.match(thirdPartyText(undefined), /nats-server \d/);
});

test.run();
