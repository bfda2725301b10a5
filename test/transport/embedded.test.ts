/** Unpacking a program: what is found there is believed only when it is ours and has the right bytes. */

import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
} from "node:fs";
import { rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cacheFolder, type Packed, unpackProgram } from "../../transport/real_embedded.ts";
import { findNatsServer } from "../../transport/real_nats_server.ts";
import { throwsCode } from "../contracts/port_fixture.ts";

interface Context {
  root: string;
  packed: Packed;
  /** Where the program is to be found, below `root`/cache. */
  path: string;
}

const BYTES = new TextEncoder().encode("#!/bin/sh\nexit 7\n");
const test = suite<Context>("embedded program");

test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), "ctdbx-embedded-"));
  const source = join(context.root, "source");
  writeFileSync(source, BYTES);
  const sha256 = createHash("sha256").update(BYTES).digest("hex");
  context.packed = { source, version: "1.2.3", size: BYTES.length, sha256 };
  context.path = join(context.root, "cache", `nats-server-1.2.3-${sha256.slice(0, 16)}`);
});
test.after.each(({ root }) => rmSync(root, { recursive: true, force: true }));

const bits = (path: string) => statSync(path).mode & 0o777;

test("It is written once, for its owner alone, and found again", ({ root, packed, path }) => {
  const cache = join(root, "cache");
  assert.is(unpackProgram(packed, [cache]), path);
  assert.equal(new Uint8Array(readFileSync(path)), BYTES);
  assert.is(bits(path), 0o700);
  assert.is(bits(cache), 0o700);
  const first = statSync(path).ino;
  assert.is(unpackProgram(packed, [cache]), path);
  assert.is(statSync(path).ino, first);
  assert.equal(readdirSync(cache), [path.slice(cache.length + 1)]);
});

test("What has other bytes, is shorter, or open to others is replaced", ({ root, packed, path }) => {
  const cache = join(root, "cache");
  const spoil: (() => void)[] = [
    () => writeFileSync(path, BYTES.map((byte, at) => at === 5 ? byte ^ 1 : byte)),
    () => writeFileSync(path, BYTES.subarray(0, 4)),
    () => chmodSync(path, 0o722),
    () => {
      rmSync(path);
      symlinkSync(packed.source, path);
    },
  ];
  for (const [index, one] of spoil.entries()) {
    unpackProgram(packed, [cache]);
    one();
    assert.is(unpackProgram(packed, [cache]), path);
    assert.equal(new Uint8Array(readFileSync(path)), BYTES, `case ${index}`);
    assert.is(bits(path), 0o700);
  }
  // Through the link nothing was written.
  assert.equal(new Uint8Array(readFileSync(packed.source)), BYTES);
});

test("A folder that others may write to, or a link, is not used; the next one is", (context) => {
  const { root, packed, path } = context;
  const [open, link, cache] = ["open", "link", "cache"].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(open);
  chmodSync(open, 0o777);
  symlinkSync(root, link);
  assert.is(unpackProgram(packed, [open, link, cache]), path);
  assert.equal(readdirSync(open), []);
  throwsCode(
    () => unpackProgram(packed, [open, link]),
    "io",
    /open: others may write to it; .*link: it is no folder/,
  );
});

test("A folder of somebody else is not used", ({ root, packed }) => {
  // Whoever runs this, one of both is not his.
  const foreign = process.geteuid?.() === 0 ? join(root, "foreign") : "/";
  if (foreign !== "/") {
    mkdirSync(foreign, { mode: 0o700 });
    chownSync(foreign, 1, 1);
  }
  throwsCode(() => unpackProgram(packed, [foreign]), "io", /belongs to user/);
});

test("A damaged one inside is not unpacked, and leaves nothing", ({ root, packed }) => {
  const cache = join(root, "cache");
  writeFileSync(packed.source, BYTES.map((byte) => byte ^ 1));
  throwsCode(() => unpackProgram(packed, [cache]), "io", /inside this program is damaged/);
  assert.equal(readdirSync(cache), []);
});

test("Other versions and leftovers go; other files, and who is still writing, stay", (context) => {
  const { root, packed, path } = context;
  const cache = join(root, "cache");
  mkdirSync(cache, { mode: 0o700 });
  const old = "nats-server-1.0.0-0123456789abcdef";
  const [dead, living] = [`${old}~999999999`, `${old}~${process.pid}`];
  const others = ["nats-server", "nats-server-1.0.0", "usr", living];
  for (const name of [old, dead, ...others]) writeFileSync(join(cache, name), "");
  unpackProgram(packed, [cache]);
  assert.equal(readdirSync(cache).sort(), [...others, path.slice(cache.length + 1)].sort());
  assert.not(existsSync(join(cache, dead)));
});

test("A cache is the user's own, and there is none without a home", () => {
  assert.is(cacheFolder({ XDG_CACHE_HOME: "/x", HOME: "/h" }), "/x/ctdbx");
  assert.is(cacheFolder({ HOME: "/h" }), "/h/.cache/ctdbx");
  assert.is(cacheFolder({ XDG_CACHE_HOME: "here", HOME: "/h" }), "/h/.cache/ctdbx");
  for (const env of [{}, { HOME: "" }, { HOME: "here" }]) assert.is(cacheFolder(env), undefined);
});

test("A program from sources has none inside, and says so when it is asked for", ({ root }) => {
  throwsCode(
    () => findNatsServer({ CTDBX_NATS_SERVER: "embedded" }, root),
    "not_found",
    /has none inside/,
  );
});

test.run();
