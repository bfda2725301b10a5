/** The file of users of a nats-server: when it is written, and when it is left alone. */

import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readConfigFile } from "../../cli/config.ts";
import {
  natsPid,
  UsersKeeper,
  type UsersOptions,
  type VersionedUsers,
} from "../../cli/nats_users.ts";
import type { NatsUser } from "../../transport/nats_roles.ts";
import { newNkey } from "../../transport/real_nkeys.ts";
import { type NodeId, tagOf } from "../../transport/wire/terms.ts";

interface Context {
  folder: string;
  file: string;
  lines: string[];
}

const test = suite<Context>("users of a nats-server");
const ID = "0".repeat(32) as NodeId;
const OTHER = "f".repeat(32) as NodeId;

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-users-"));
  context.file = join(context.folder, "nats", "users.conf");
  context.lines = [];
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

function keeper({ file, lines }: Context, more: Partial<UsersOptions> = {}): UsersKeeper {
  const log = { write: (_level: string, text: string) => void lines.push(text) };
  return new UsersKeeper({ log, cluster: "edge", file, ...more });
}

function docOf(version: bigint, ...keys: (string | undefined)[]): VersionedUsers {
  const nodes = keys.map((natsKey, index) => ({
    name: `n${index}`,
    nodeId: index === 0 ? ID : OTHER,
    ...natsKey === undefined ? {} : { natsKey },
  }));
  return { version, nodes };
}

test("it has whom the document lets in; a version that changes nothing is not written", (context) => {
  const [one, other] = [newNkey().publicKey, newNkey().publicKey];
  const kept = keeper(context);
  kept.update(docOf(5n, one));
  const text = readFileSync(context.file, "utf8");
  assert.match(text, `nkey: ${one}`);
  assert.match(text, "# document: 5\n");
  kept.update(docOf(9n, one));
  assert.is(readFileSync(context.file, "utf8"), text);
  kept.update(docOf(10n, one, other));
  assert.match(readFileSync(context.file, "utf8"), `nkey: ${other}`);
  assert.is(context.lines.length, 2);
  assert.equal(readdirSync(join(context.folder, "nats")), ["users.conf"], "nothing is left over");
});

test("a file of a later document is left alone: another node knows more", (context) => {
  const [one, other] = [newNkey().publicKey, newNkey().publicKey];
  keeper(context).update(docOf(10n, one, other));
  const text = readFileSync(context.file, "utf8");
  keeper(context).update(docOf(9n, one));
  keeper(context).update(undefined);
  assert.is(readFileSync(context.file, "utf8"), text);
  keeper(context).update(docOf(11n, one));
  assert.not.match(readFileSync(context.file, "utf8"), other);
});

test("a document without keys makes no file: the cluster has no roles", (context) => {
  keeper(context).update(docOf(1n, undefined));
  keeper(context).update(undefined);
  assert.not.ok(existsSync(context.file));
});

test("a node's own key is let in, without a document, and in place of an older one", (context) => {
  const [mine, older] = [newNkey().publicKey, newNkey().publicKey];
  const own: NatsUser = { role: "node", name: "n0", key: mine, tag: tagOf(ID) };
  const kept = keeper(context, { own });
  kept.update(undefined);
  assert.match(readFileSync(context.file, "utf8"), `nkey: ${mine}`);
  kept.update(docOf(1n, older));
  const text = readFileSync(context.file, "utf8");
  assert.match(text, `nkey: ${mine}`);
  assert.not.match(text, older);
});

test("what cannot be written is told in the log, and nothing is thrown", (context) => {
  writeFileSync(join(context.folder, "nats"), "a file where a folder should be");
  keeper(context).update(docOf(1n, newNkey().publicKey));
  assert.equal(context.lines, ["The users of the nats-server cannot be kept"]);
});

test("a pid file that names another program names no server", ({ folder }) => {
  const path = join(folder, "nats.pid");
  assert.is(natsPid(path), undefined);
  for (const text of ["", "x", "0", "-1", String(process.pid), "999999999"]) {
    writeFileSync(path, text);
    assert.is(natsPid(path), undefined, text);
  }
});

test("a configuration with a secret that everybody can read is refused", ({ folder }) => {
  const path = join(folder, "ctdbx.toml");
  const text = `cluster = "edge"\nname = "n0"\n[nats]\n`;
  for (const secret of [`user = "u"\npassword = "p"`, `token = "t"`]) {
    writeFileSync(path, `${text}${secret}\n`);
    chmodSync(path, 0o644);
    assert.throws(() => readConfigFile(path), /it holds a secret, and everybody can read it/);
    chmodSync(path, 0o640);
    assert.ok(readConfigFile(path));
  }
  writeFileSync(path, `${text}nkey = "/k"\n`);
  chmodSync(path, 0o644);
  assert.is(readConfigFile(path).nats.keyFile, "/k");
});

test.run();
