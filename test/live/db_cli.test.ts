/** `ctdbx db` at three real nodes: attach, import, traverse, export, set, wipe, detach; records of every size. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { toHex } from "../../cli/bytes_text.ts";
import { dumpText } from "../../cli/dump_text.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { command, DevCluster } from "./dev_rig.ts";

interface Context {
  dev: DevCluster;
  folder: string;
}

interface Db {
  readonly name: string;
  readonly state: string;
  readonly since: string;
  readonly readonly: string;
  readonly isNew?: boolean;
}

const test = sharedSuite<Context>("live db_cli");
const UTF8 = new TextEncoder();

test.before(limit(60_000, async (context) => {
  context.dev = await DevCluster.borrow(3);
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-db-cli-"));
}));
test.after(limit(60_000, async ({ dev, folder }) => {
  await dev?.giveBack();
  rmSync(folder, { recursive: true, force: true });
}));

/** A dump of records, sorted, of whatever order. */
function sorted(dump: string): string[] {
  return dump.split("}\n").sort();
}

test("attach makes it once, everywhere; --wait waits for all members", async ({ dev }) => {
  const first = await dev.json<Db>("db attach one --wait");
  const again = await dev.json<Db>("db attach one --wait", 2);
  assert.equal([first.isNew, again.isNew, first.since], [true, false, again.since]);
  const all = await dev.json<(Db & { asked: string })[]>("db ls -n all", 1);
  assert.equal(all.map(({ asked, name, state }) => [asked, name, state]), [
    ["n0", "one", "ready"],
    ["n1", "one", "ready"],
    ["n2", "one", "ready"],
  ]);
  for (const name of ["a/b", "", "x".repeat(128)]) {
    assert.is((await dev.run(["db", "attach", name])).exit, 2, name);
  }
  const missing = await dev.run("db status on");
  assert.is(missing.exit, 3);
  assert.match(missing.err, /Cannot find database on: known are one\nhint: did you mean one\?/);
});

test(
  "a TDB file goes in at one node, and comes out at another as it was",
  limit(60_000, async ({ dev, folder }) => {
    const file = join(folder, "in.tdb");
    const records = Array.from({ length: 300 }, (_, at) => {
      const key = at % 3 === 0 ? Uint8Array.of(at, 0, 255 - at % 256, 0) : UTF8.encode(`key ${at}`);
      return [key, UTF8.encode(`value ${at}\n`.repeat(1 + at % 5))] as const;
    });
    const text = records.map(([key, value]) => dumpText(key, value)).join("");
    const dump = join(folder, "in.dump");
    writeFileSync(dump, text);
    const { exit, err } = await command([
      "db",
      "import",
      "samba",
      dump,
      "--home",
      join(dev.home, "n0"),
    ]);
    assert.is(exit, 0, err);
    const out = await dev.ok("db dump samba", 1);
    assert.equal(sorted(out), sorted(text));
    await dev.ok(["db", "export", "samba", file], 2);
    const read = await command(["tdb", "dump", file]);
    assert.equal(sorted(read.out), sorted(text));
    assert.is((await command(["tdb", "check", file])).exit, 0);
    await dev.ok(["db", "import", "again", file], 1);
    assert.is(await dev.ok("db traverse again --count", 0), "300\n");
    const some = await dev.json<{ key: string }[]>("db traverse again --prefix key --limit 7", 2);
    assert.is(some.length, 7);
    assert.ok(some.every(({ key }) => key.startsWith("key")));
    const moved = await dev.ok("rec call again new append x", 2);
    assert.is(moved, "1\n");
    assert.is(await dev.ok("db traverse again --count", 1), "301\n");
  }),
);

test(
  "the largest key and value go in and out; one byte more is refused by its limit",
  limit(240_000, async ({ dev, folder }) => {
    const key = Uint8Array.from({ length: 65535 }, (_, at) => at % 251);
    const value = Uint8Array.from({ length: 16 * 1024 * 1024 }, (_, at) => (at * 7) % 256);
    const file = join(folder, "value");
    const hex = toHex(key);
    writeFileSync(file, value);
    await dev.ok(["rec", "put", "large", "--create", "--hex", hex, "--file", file], 0);
    const out = await dev.run(["rec", "get", "large", "--hex", hex], 1);
    assert.is(out.exit, 0, out.err);
    assert.ok(out.out.trim() === toHex(value), "the value is another one");
    assert.is((await dev.run(["rec", "get", "large", "--hex", `${hex}00`], 1)).exit, 2);
    writeFileSync(file, new Uint8Array(value.length + 1));
    const more = await dev.run(["rec", "put", "large", "k", "--file", file], 2);
    assert.is(more.exit, 2);
    assert.match(more.err, /VALUE_MAX, 16777216 bytes/);
    const copy = join(folder, "large.jsonl");
    await dev.ok(["db", "export", "large", copy, "--format", "jsonl"], 2);
    await dev.ok(["db", "import", "large2", copy], 1);
    const again = await dev.run(["rec", "get", "large2", "--hex", hex], 2);
    assert.is(again.exit, 0, again.err);
    assert.ok(again.out.trim() === toHex(value), "the copy is another one");
    for (const name of ["large", "large2"]) await dev.ok(`db detach ${name} --yes`);
  }),
);

test("settings are changed for all nodes", async ({ dev }) => {
  await dev.ok("db set one --readonly off --sticky on", 1);
  const [row] = (await dev.json<Db[]>("db ls")).filter(({ name }) => name === "one");
  assert.is(row?.readonly, "off");
  assert.is((await dev.run("db set one")).exit, 2);
  assert.is((await dev.run("db set one --readonly maybe")).exit, 2);
  assert.is((await dev.run("db set two --readonly on")).exit, 3);
});

test(
  "nothing is destroyed unasked; wipe empties all nodes, detach ends it",
  limit(60_000, async ({ dev }) => {
    await dev.ok("rec put one k v");
    for (const words of ["db wipe one", "db detach one"]) {
      assert.is((await dev.run(words)).exit, 14, words);
    }
    assert.is(await dev.ok("rec get one k", 2), "v");
    const once = await dev.json<Db>("db wipe one --yes", 1);
    assert.ok(["ready", "recovering"].includes(once.state), once.state);
    const { since } = await dev.json<Db>("db wipe one --yes --wait", 1);
    for (const index of [0, 1, 2]) {
      assert.is((await dev.run("rec get one k", index)).exit, 3);
      assert.is(await dev.ok("db traverse one --count", index), "0\n");
    }
    const now = (await dev.json<Db[]>("db ls")).find(({ name }) => name === "one");
    assert.is(now?.since, since);
    await dev.ok("rec put one k w", 2);
    assert.is(await dev.ok("rec get one k", 0), "w");
    await dev.ok("db detach one --yes --wait", 2);
    for (const index of [0, 1, 2]) assert.is((await dev.run("rec get one k", index)).exit, 3);
    assert.is((await dev.run("db detach one --yes")).exit, 3);
    await dev.ok("db attach one --wait");
    assert.is(await dev.ok("db traverse one --count", 1), "0\n");
  }),
);

test(
  "vacuum gives up what was deleted",
  limit(60_000, async ({ dev }) => {
    await dev.ok("rec put one gone v");
    await dev.ok("rec del one gone", 1);
    const { name } = await dev.json<Db>("db vacuum one", 1);
    assert.is(name, "one");
    assert.is((await dev.run("db vacuum none", 1)).exit, 3);
  }),
);

test.run();
