/** Files of a node that is made: what lies there already is told apart; lines and files are whole and private. */

import { appendFileSync, chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync } from "node:fs";
import { readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { NodeConfig } from "../../../actors/node_config.ts";
import { makeIdentity, readIdentity, writeLeft } from "../../../actors/storage/node_identity.ts";
import { pathsInHome } from "../../../cli/config.ts";
import { Failure } from "../../../cli/failure.ts";
import { draftOf } from "../../../cli/membership/invite_world.ts";
import { durableLines, NodeFiles, textOf } from "../../../cli/membership/node_files.ts";
import { writeDurably } from "../../../cli/membership/node_files.ts";
import { RealDice } from "../../../transport/real_dice.ts";
import { RealDisk } from "../../../transport/real_disk.ts";
import type { Version } from "../../../transport/wire/terms.ts";

interface Context {
  folder: string;
  files: NodeFiles;
}

const test = suite<Context>("cli/membership/node_files");
const WORLD = { disk: new RealDisk(), dice: new RealDice() };

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-files-"));
  context.files = new NodeFiles(pathsInHome(join(context.folder, "n0")));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

test("a place where nothing is, or only empty folders, is free; looking makes nothing", ({ folder, files }) => {
  assert.equal(files.found(undefined), { is: "empty" });
  assert.equal(readdirSync(folder), []);
  mkdirSync(files.paths.state, { recursive: true });
  assert.equal(files.found(undefined), { is: "empty" });
  assert.ok((files.freeBytes() ?? 0) > 0);
});

test("a strange file, or a configuration, is in the way by its name", ({ files }) => {
  const { state, config } = files.paths;
  mkdirSync(state, { recursive: true });
  writeFileSync(config, "");
  const found = files.found(undefined);
  assert.match(found.is === "other" ? found.text : "", `${config} is there already`);
  writeFileSync(join(state, "notes"), "");
  const other = files.found(undefined);
  assert.match(other.is === "other" ? other.text : "", "notes is there already");
});

test("another node is in the way by its name, also one that cannot be read", async ({ files }) => {
  const { state } = files.paths;
  await makeIdentity(WORLD, state, { name: "n7" });
  const found = files.found(undefined);
  assert.match(found.is === "other" ? found.text : "", "the node n7 lives in");
  writeFileSync(join(state, "node.id"), "rubbish");
  const broken = files.found(undefined);
  assert.match(broken.is === "other" ? broken.text : "", "a node lives in");
});

test("what this command has begun goes on, but not in the home of a node that has left", async ({ files }) => {
  const journal = files.beginJournal("join", { mark: "m" });
  journal.note("key", "begun");
  const again = files.journal("join");
  assert.equal(again?.head, { mark: "m", verb: "join" });
  assert.equal(files.found(again), { is: "begun", at: again?.lastAt });
  assert.is(files.journal("create"), undefined);
  await makeIdentity(WORLD, files.paths.state, { name: "n7", format: 2 });
  assert.is(files.found(again).is, "begun");
  const identity = readIdentity(WORLD.disk, files.paths.state);
  if (identity === undefined) throw new Error("no identity");
  const left = { why: "has left", version: 5n as Version };
  await writeLeft(WORLD.disk, files.paths.state, identity, { atWallMs: 0n, ...left });
  const found = files.found(again);
  assert.match(found.is === "other" ? found.text : "", "the former node n7 (has left) lives in");
});

test("a file that cannot be written leaves nothing beside it", ({ folder }) => {
  const path = join(folder, "taken");
  mkdirSync(path);
  assert.throws(() => writeDurably(path, "text"), /Cannot write/);
  assert.not.ok(existsSync(`${path}.new`));
});

test("a line after one that was cut begins anew", ({ folder }) => {
  const path = join(folder, "lines");
  const lines = durableLines(path);
  assert.is(lines.read(), undefined);
  lines.append("one\n");
  // Without a mode Deno would make the file everybody's.
  appendFileSync(path, "tw", { mode: 0o600 });
  lines.append("three\n");
  assert.is(lines.read(), "one\ntw\nthree\n");
  assert.is(statSync(path).mode & 0o777, 0o600);
});

test("a file is written whole and for its owner only; what was half there is no matter", ({ folder }) => {
  const path = join(folder, "deep", "key");
  mkdirSync(join(folder, "deep"));
  writeFileSync(`${path}.new`, "what a killed one has left behind, and more of it", {
    mode: 0o644,
  });
  writeDurably(path, "secret\n");
  assert.is(readFileSync(path, "utf8"), "secret\n");
  assert.is(statSync(path).mode & 0o777, 0o600);
  assert.not.ok(existsSync(`${path}.new`));
  assert.is(textOf(join(folder, "none")), undefined);
  assert.throws(
    () => writeDurably(join(path, "below a file"), ""),
    (error: unknown) => error instanceof Failure && /Cannot write/.test(error.message),
  );
});

test("a trap beside a secret's file is not written through", ({ folder }) => {
  const path = join(folder, "key");
  const other = join(folder, "another's");
  writeFileSync(other, "not ours\n");
  symlinkSync(other, `${path}.new`);
  writeDurably(path, "secret\n");
  assert.is(readFileSync(other, "utf8"), "not ours\n");
  assert.is(readFileSync(path, "utf8"), "secret\n");
  assert.ok(lstatSync(path).isFile());
});

test("the rest of an invitation that others may have written is not gone on with", ({ folder }) => {
  const path = join(folder, "n3.invite");
  const config = { nats: {} } as NodeConfig;
  const draft = draftOf("n3", config, path);
  assert.is(statSync(`${path}.part`).mode & 0o777, 0o600);
  assert.equal(draftOf("n3", config, path), draft, "ours is");
  chmodSync(`${path}.part`, 0o660);
  const other = draftOf("n3", config, path);
  assert.is.not(other.inviteId, draft.inviteId);
  assert.is.not(other.nodeId, draft.nodeId);
});

test("the first state of one that joins is above all lives that it can have had", async ({ files }) => {
  await makeIdentity(WORLD, files.paths.state, { name: "n7", format: 2 });
  assert.not.ok(files.hasMeta());
  await files.writeMeta(files.identity()?.diskId ?? "", undefined);
  assert.ok(files.hasMeta());
  assert.is(files.document(), undefined);
});

test.run();
