/** `ctdbx tx apply | run | fate`, through the library and a session of a node, at a fake of a persistent database. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { run } from "../../cli/run.ts";
import { ClientRig } from "../actors/client/client_rig.ts";
import { CommitFake } from "../actors/client/commit_fake.ts";
import { b, t } from "../actors/data/data_rig.ts";
import { capture, type CaptureOptions } from "./capture.ts";

const test = suite("cli/tx");

interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** A cluster with the database `bank`. */
async function bank(records: Record<string, string> = {}) {
  const rig = await ClientRig.start(1, 1);
  const fake = new CommitFake();
  fake.at(rig.data.node(0).shard.host, "bank");
  for (const [key, value] of Object.entries(records)) fake.other(key, value);
  const ctdbx = async (words: readonly string[], options: CaptureOptions = {}): Promise<Ran> => {
    const terminal = capture(options);
    const own = [...words, "--nats", "double:1", "--cluster", "c"];
    const exit = await rig.do(run(own, {
      terminal,
      get store(): never {
        throw new Error("a file was opened");
      },
      connect: () => rig.connect(0, { mapped: false }),
    }));
    return { exit, out: terminal.outText(), err: terminal.errText() };
  };
  const value = (key: string) => t(fake.records.get(key)?.value);
  return { rig, fake, ctdbx, value };
}

function data(ran: Ran): Record<string, unknown> {
  return (JSON.parse(ran.out) as { data: Record<string, unknown> }).data;
}

test("apply: the lines of standard input and of a file, together", async () => {
  const { rig, fake, ctdbx, value } = await bank({ old: "1" });
  const input = b('"a" "1"\n{"op":"put","key":"00ff","value":"0102","encoding":"hex"}\n"old" ""\n');
  const ran = await ctdbx(["tx", "apply", "bank", "-", "-o", "json"], { input });
  assert.is(ran.exit, 0, ran.err);
  const { txid, ...rest } = data(ran);
  assert.equal(rest, { database: "bank", puts: 2, dels: 1, seqnum: "2", tries: 1 });
  assert.match(String(txid), /^\d+\.1$/);
  assert.equal([value("a"), value("old")], ["1", undefined]);
  assert.equal(fake.records.get("\0\xff")?.value, Uint8Array.of(1, 2));
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-tx-"));
  try {
    const file = join(folder, "lines");
    writeFileSync(file, '"a" "2"\n"a" "3"\n');
    const table = await ctdbx(["tx", "apply", "bank", file]);
    assert.is(table.exit, 0, table.err);
    assert.match(table.out, /Stored +1\n/);
    assert.is(value("a"), "3");
    const none = await ctdbx(["tx", "apply", "bank", join(folder, "none")]);
    assert.is(none.exit, 3);
    assert.match(none.err, /Cannot read .*none: there is no such file/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  await rig.end();
});

test("apply: a wrong line, and nothing at all, are refused before anything is asked", async () => {
  const { rig, fake, ctdbx } = await bank();
  for (
    const [input, words] of [
      ['"a" "1"\n"b\n', /line 2: its key has no closing quote/],
      ["\n", /nothing to be done/],
    ] as const
  ) {
    const ran = await ctdbx(["tx", "apply", "bank", "-"], { input: b(input) });
    assert.is(ran.exit, 2);
    assert.match(ran.err, words);
  }
  assert.is(fake.submitted.length, 0);
  assert.is(rig.clusters.length, 0);
  await rig.data.attach("visits");
  const other = await ctdbx(["tx", "apply", "visits", "-"], { input: b('"a" "1"\n') });
  assert.is(other.exit, 1);
  assert.match(other.err, /Cannot run transactions in visits: it is volatile/);
  await rig.end();
});

test("run: conditions of one moment, or exit code 4 and the one that is not met", async () => {
  const { rig, fake, ctdbx, value } = await bank({ ann: "100", "a=b": "1" });
  const words = ["tx", "run", "bank", "--if", "ann=100", "--if-absent", "bob"];
  const writes = ["--put", "ann=90", "--put", "bob=x=y", "--del", "nobody"];
  const ran = await ctdbx([...words, ...writes, "-o", "json"]);
  assert.is(ran.exit, 0, ran.err);
  const { txid, ...rest } = data(ran);
  assert.ok(txid);
  assert.equal(rest, {
    database: "bank",
    puts: 2,
    dels: 1,
    seqnum: "3",
    tries: 1,
    applied: true,
    unmet: null,
  });
  assert.equal([value("ann"), value("bob")], ["90", "x=y"]);
  assert.is(fake.reads[0], "latest");
  for (
    const [condition, said] of [
      [["--if", "ann=100"], /"ann" is not as --if ann=100 says/],
      [["--if-absent", "ann"], /--if-absent ann/],
      [["--if-present", "carl"], /--if-present carl/],
      [["--if", "carl=1"], /--if carl=1/],
    ] as const
  ) {
    const unmet = await ctdbx(["tx", "run", "bank", ...condition, "--put", "z=1"]);
    assert.is(unmet.exit, 4);
    assert.match(unmet.err, said);
    const told = await ctdbx(["tx", "run", "bank", ...condition, "-o", "json"]);
    assert.equal([data(told)["applied"], data(told)["unmet"]], [false, condition.join(" ")]);
  }
  assert.is(value("z"), undefined);
  const escaped = ["tx", "run", "bank", "--escaped", "--if", "a\\3Db=1", "--put", "a\\3Db=\\00"];
  assert.is((await ctdbx(escaped)).exit, 0);
  assert.is(value("a=b"), "\0");
  await rig.end();
});

test("run: what makes no sense is refused by name", async () => {
  const { rig, fake, ctdbx } = await bank();
  for (
    const [options, words] of [
      [[], /no write and no condition/],
      [["--put", "a"], /--put a: there is no =/],
      [["--put", "a="], /an empty value is no record\nhint: --del/],
      [["--if", "a="], /an empty value is no record\nhint: --if-absent/],
      [["--put", "=a"], /its key is empty/],
      [["--put", "a=1", "--del", "a"], /Cannot write "a" twice/],
      [["--hex", "--put", "a=1"], /not pairs of hex digits/],
    ] as const
  ) {
    const ran = await ctdbx(["tx", "run", "bank", ...options]);
    assert.is(ran.exit, 2, ran.err);
    assert.match(ran.err, words);
  }
  assert.is(fake.submitted.length, 0);
  await rig.end();
});

test("each outcome has its exit code; an unknown one is decided by its name", async () => {
  const { rig, fake, ctdbx, value } = await bank();
  const put = ["tx", "run", "bank", "--put", "a=1"];
  fake.mood = "readonly";
  const few = await ctdbx(put);
  assert.is(few.exit, 6);
  assert.match(few.err, /too few in-sync copies answer\nhint: nothing was done/);
  fake.mood = "serving";
  fake.before = () => fake.other("n", `${fake.dbseq}`);
  const lost = await ctdbx(["tx", "run", "bank", "--if-present", "n", "--put", "a=1"]);
  assert.is(lost.exit, 4);
  fake.before = undefined;
  fake.other("n", "1");
  fake.before = () => fake.other("n", "1");
  const first = await ctdbx(["tx", "run", "bank", "--if", "n=1", "--put", "a=1"]);
  assert.is(first.exit, 4);
  assert.match(first.err, /others were first, 16 times/);
  fake.before = undefined;
  fake.mood = "silent";
  const unknown = await ctdbx(put);
  assert.is(unknown.exit, 5);
  const [, txid = ""] = /`ctdbx tx fate bank (\S+) --finalize`/.exec(unknown.err) ?? [];
  fake.mood = "serving";
  const open = await ctdbx(["tx", "fate", "bank", txid, "-o", "json"]);
  assert.equal(data(open), { database: "bank", txid, state: "not_executed", seqnum: null });
  const never = await ctdbx(["tx", "fate", "bank", txid, "--finalize", "-o", "json"]);
  assert.is(data(never)["state"], "aborted");
  assert.is(value("a"), undefined);
  const done = data(await ctdbx([...put, "-o", "json"]));
  const told = data(await ctdbx(["tx", "fate", "bank", String(done["txid"]), "-o", "json"]));
  assert.equal([told["state"], told["seqnum"]], ["committed", done["seqnum"]]);
  assert.is((await ctdbx(["tx", "fate", "bank", "x"])).exit, 2);
  await rig.end();
});

test("db seqnum is the number alone, or a field", async () => {
  const { rig, fake, ctdbx } = await bank({ a: "1", b: "2" });
  fake.old = { records: new Map(), dbseq: 1n };
  assert.is((await ctdbx(["db", "seqnum", "bank"])).out, "1\n");
  const latest = await ctdbx(["db", "seqnum", "bank", "--latest", "-o", "json"]);
  assert.equal(data(latest), { database: "bank", seqnum: "2" });
  await rig.end();
});

test("db import stores in transactions; repeated by --mode insert it keeps what is there", async () => {
  const { rig, fake, ctdbx, value } = await bank({ "key 7": "old" });
  const lines = Array.from({ length: 2500 }, (_, n) => `{"key":"key ${n}","value":"${n}"}\n`);
  const twice = `${lines.join("")}{"key":"key 3","value":"last"}\n`;
  const ran = await ctdbx(["db", "import", "bank", "-", "-o", "json"], { input: b(twice) });
  assert.is(ran.exit, 0, ran.err);
  assert.equal([data(ran)["stored"], data(ran)["kept"]], [2501, 0]);
  assert.is(fake.submitted.length, 3);
  assert.equal([value("key 7"), value("key 3"), fake.records.size], ["7", "last", 2500]);
  fake.other("key 7", "mine");
  const more = `${lines.join("")}{"key":"new","value":"1"}\n`;
  const insert = ["db", "import", "bank", "-", "--mode", "insert", "-o", "json"];
  const kept = data(await ctdbx(insert, { input: b(more) }));
  assert.equal([kept["stored"], kept["kept"]], [1, 2500]);
  assert.equal([value("key 7"), value("new")], ["mine", "1"]);
  let left = 1;
  fake.before = () => void (fake.mood = left-- > 0 ? "serving" : "readonly");
  const cut = await ctdbx(["db", "import", "bank", "-"], { input: b(lines.join("")) });
  assert.is(cut.exit, 9);
  assert.match(cut.err, /1000 records are done, then: .*too few in-sync copies/);
  await rig.end();
});

test("rec works at one, too, but for locks", async () => {
  const { rig, ctdbx, value } = await bank();
  assert.is((await ctdbx(["rec", "put", "bank", "k", "1"])).exit, 0);
  assert.is((await ctdbx(["rec", "get", "bank", "k"])).out, "1");
  assert.is((await ctdbx(["rec", "cas", "bank", "k", "1", "2"])).exit, 0);
  assert.is((await ctdbx(["rec", "cas", "bank", "k", "1", "3"])).exit, 4);
  assert.is(value("k"), "2");
  assert.is((await ctdbx(["rec", "put", "bank", "k", "3", "--mode", "insert"])).exit, 4);
  assert.is((await ctdbx(["rec", "del", "bank", "k"])).exit, 0);
  assert.is((await ctdbx(["rec", "get", "bank", "k"])).exit, 3);
  await rig.end();
});

test.run();
