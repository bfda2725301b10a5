/** `ctdbx tdb` beside Debian's tdb tools: same dumps, and files that the other accepts. */

import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Context } from "./cli_world.ts";
import { ok, output, sampleDump, sortedRecords, tdb, withFolder, words } from "./cli_world.ts";
import { dataOf } from "./dev_rig.ts";

/** The data of a result. */
type Data = Readonly<Record<string, string | number>>;

const test = suite<Context>("ctdbx tdb", {} as Context);
withFolder(test);

test("dump prints the bytes that tdbdump prints", async (context) => {
  const file = join(context.folder, "dump.tdb");
  output("tdbrestore", [file], sampleDump(500));
  const { bytes } = await ok(context, ["dump", file]);
  assert.is(new TextDecoder("latin1").decode(bytes), output("tdbdump", [file]));
  const one = await ok(context, ["dump", file, "-k", "key/7"]);
  assert.is(one.out, output("tdbdump", ["-k", "key/7", file]));
});

test("restore makes what tdbrestore makes, and each reads the other's dump", async (context) => {
  const theirs = join(context.folder, "theirs.tdb");
  const ours = join(context.folder, "ours.tdb");
  const dump = sampleDump(400);
  output("tdbrestore", [theirs], dump);
  await ok(context, ["restore", ours, "--hash-size", "131"], { input: dump, pieceSize: 1000 });
  const want = output("tdbdump", [theirs]);
  assert.is(output("tdbdump", [ours]), want);
  assert.match(output("tdbtool", [ours, "check"]), /integrity is OK/);
  const again = join(context.folder, "again.tdb");
  const { out } = await ok(context, ["dump", ours]);
  output("tdbrestore", [again], out);
  assert.equal(sortedRecords(output("tdbdump", [again])), sortedRecords(want));
});

test("restore chooses a hash size that suits the number of records", async (context) => {
  const file = join(context.folder, "large.tdb");
  const dump = sampleDump(3000);
  const result = await ok(context, ["restore", file, "-o", "json"], {
    input: dump,
    pieceSize: 65536,
  });
  assert.is(dataOf<Data>(result.out).records, 3003);
  const info = dataOf<Data>((await ok(context, ["info", file, "-o", "json"])).out);
  assert.is(info.records, 3003);
  assert.ok(Number(info.recordsPerChain) <= 4, `${info.recordsPerChain} records per chain`);
  assert.is(info.hash, "old");
  const theirs = join(context.folder, "large-theirs.tdb");
  output("tdbrestore", [theirs], dump);
  const want = sortedRecords(output("tdbdump", [theirs])).join("");
  // Not assert.equal: it would print the difference of 3003 records.
  assert.ok(sortedRecords(output("tdbdump", [file])).join("") === want, "the contents differ");
  assert.match(output("tdbtool", [file, "check"]), /integrity is OK and has 3003 records/);
});

test("put, get, del and keys work on a file that tdbtool has made, and tdbtool sees it", async (context) => {
  const file = join(context.folder, "records.tdb");
  output("tdbtool", [file, "create", file]);
  await ok(context, ["put", file, "plain", "value one"]);
  await ok(context, ["put", file, "samba", "x", "--nul"]);
  await ok(context, ["put", file, "6b00ff", "0001", "--hex"]);
  await ok(context, ["put", file, String.raw`esc\00\ff`, String.raw`a\nb`, "--escaped"]);
  await ok(context, ["put", file, "stdin", "-"], { input: Uint8Array.of(0, 255, 10) });
  const source = join(context.folder, "value.bin");
  writeFileSync(source, Uint8Array.of(9, 8, 7));
  await ok(context, ["put", file, "file", "--file", source]);
  const dump = output("tdbdump", [file]);
  for (
    const part of [
      '"plain"',
      '"samba\\00"',
      '"k\\00\\FF"',
      '"esc\\00\\FF"',
      '"\\00\\FF\\0A"',
      '"\\09\\08\\07"',
    ]
  ) {
    assert.ok(dump.includes(part), `${part} is not in ${dump}`);
  }
  assert.equal((await ok(context, ["get", file, "stdin"])).bytes, Uint8Array.of(0, 255, 10));
  assert.is(
    (await ok(context, ["get", file, "plain"], { outIsTerminal: true })).out,
    "value one\n",
  );
  const shown = await ok(context, ["get", file, "plain", "-o", "json"]);
  assert.equal(dataOf(shown.out), { key: "plain", value: "value one", encoding: "text" });
  const hex = await ok(context, ["get", file, "stdin", "-o", "json"]);
  assert.equal(dataOf(hex.out), { key: "737464696e", value: "00ff0a", encoding: "hex" });
  const keys = (await ok(context, ["keys", file])).out.trimEnd().split("\n").sort();
  assert.equal(keys, ["esc\\00\\FF", "file", "k\\00\\FF", "plain", "samba\\00", "stdin"]);
  assert.is(
    (await ok(context, ["keys", file, "--prefix", "s", "--limit", "1"])).out.split("\n").length,
    2,
  );
  const some = await ok(context, ["keys", file, "--prefix", "pl", "-o", "jsonl"]);
  assert.equal(JSON.parse(some.out), { key: "plain", encoding: "text", valueBytes: 9 });
  await ok(context, ["del", file, "samba", "--nul"]);
  assert.not.ok(output("tdbdump", [file]).includes("samba"));
});

test("info counts what tdbtool counts", async (context) => {
  const file = join(context.folder, "info.tdb");
  output("tdbrestore", [file], sampleDump(300));
  const info = dataOf<Data>((await ok(context, ["info", file, "-o", "json"])).out);
  const theirs = output("tdbtool", [file, "info"]);
  assert.is(info.records, Number(/Number of records: (\d+)/.exec(theirs)?.[1]));
  assert.is(info.bytes, Number(/Size of file\/data: (\d+)/.exec(theirs)?.[1]));
  assert.is(info.freeRecords, Number(/Number of free records: (\d+)/.exec(theirs)?.[1]));
  assert.is(info.hashSize, Number(/Number of hash chains: (\d+)/.exec(theirs)?.[1]));
  assert.is(info.bytes, statSync(file).size);
  assert.is(info.suggestedHashSize, 307);
  assert.match((await ok(context, ["info", file])).out, /^Records +303$/m);
});

test("check says good, or lists what is wrong and exits with 12", async (context) => {
  const file = join(context.folder, "check.tdb");
  output("tdbrestore", [file], sampleDump(50));
  assert.match((await ok(context, ["check", file])).out, /^The database is good\.\nRecords +53\n/);
  const bytes = readFileSync(file);
  // The trailing length of the last record in the file.
  bytes.writeUInt32LE(12345, bytes.length - 4);
  writeFileSync(file, bytes);
  const bad = await tdb(context, ["check", file, "-o", "json"]);
  assert.is(bad.exit, 12);
  const report = dataOf<{ good: boolean; problemCount: number; problems: Data[] }>(bad.out);
  assert.is(report.good, false);
  assert.ok(report.problemCount >= 1);
  assert.is(report.problems[0]?.kind, "tailer");
  assert.is(JSON.parse(bad.err).error.exit, 12);
  const table = await tdb(context, ["check", file]);
  assert.match(table.out, /^KIND +OFFSET +WHAT\ntailer +\d+ +/);
});

test("rescue saves the records of a damaged file", async (context) => {
  const file = join(context.folder, "rescue.tdb");
  output("tdbrestore", [file], sampleDump(80));
  const want = sortedRecords(output("tdbdump", [file]));
  const bytes = readFileSync(file);
  // All heads of chains lead nowhere any more: only a scan finds the records.
  bytes.fill(0, 172, 172 + 4 * 131);
  writeFileSync(file, bytes);
  const text = await ok(context, ["rescue", file]);
  assert.equal(sortedRecords(text.out), want);
  assert.match(text.err, /^rescued 0 records through chains, 83 by scanning/);
  const to = join(context.folder, "rescued.tdb");
  const counts = dataOf<Data>((await ok(context, ["rescue", file, "--to", to, "-o", "json"])).out);
  assert.is(counts.records, 83);
  assert.equal(sortedRecords(output("tdbdump", [to])), want);
  assert.match(output("tdbtool", [to, "check"]), /integrity is OK/);
  const none = await ok(context, ["rescue", file, "--reachable"]);
  assert.is(none.out, "");
});

test("repack keeps the records", async (context) => {
  const file = join(context.folder, "repack.tdb");
  output("tdbrestore", [file], sampleDump(200));
  for (let index = 0; index < 200; index += 2) await ok(context, ["del", file, `key/${index}`]);
  const before = sortedRecords(output("tdbdump", [file]));
  const row = dataOf<Data>((await ok(context, ["repack", file, "-o", "json"])).out);
  assert.ok(Number(row.freePieces) <= Number(row.freePiecesBefore));
  assert.equal(sortedRecords(output("tdbdump", [file])), before);
  assert.match(output("tdbtool", [file, "check"]), /integrity is OK and has 103 records/);
});

test("backup copies like tdbbackup, takes the mode along, and leaves alone what is there", async (context) => {
  const file = join(context.folder, "backup.tdb");
  output("tdbrestore", [file], sampleDump(150));
  chmodSync(file, 0o640);
  output("tdbbackup", ["-s", ".theirs", file]);
  const row = dataOf<Data>((await ok(context, ["backup", file, "--verify", "-o", "json"])).out);
  assert.is(row.path, `${file}.bak`);
  assert.equal(
    sortedRecords(output("tdbdump", [`${file}.bak`])),
    sortedRecords(output("tdbdump", [`${file}.theirs`])),
  );
  assert.is(statSync(`${file}.bak`).mode & 0o777, 0o640);
  assert.is((await tdb(context, ["backup", file])).exit, 4);
  await ok(context, ["backup", file, "--force"]);
  const foreign = join(context.folder, "letter.txt");
  writeFileSync(foreign, "dear all");
  assert.is((await tdb(context, ["backup", file, foreign])).exit, 4);
  assert.is((await tdb(context, ["backup", file, file, "--force"])).exit, 2);
  const link = join(context.folder, "link.tdb");
  symlinkSync(file, link);
  assert.is((await tdb(context, ["backup", file, link, "--force"])).exit, 2);
  assert.is(readFileSync(foreign, "utf8"), "dear all");
  const sized = join(context.folder, "sized.tdb");
  await ok(context, ["backup", file, sized, "--hash-size", "1009"]);
  assert.match(output("tdbtool", [sized, "info"]), /Number of hash chains: 1009/);
});

test("convert adds headers and strips them again", async (context) => {
  const file = join(context.folder, "local.tdb");
  output("tdbrestore", [file], sampleDump(20));
  const clustered = join(context.folder, "clustered.tdb");
  await ok(
    context,
    words(`convert ${file} ${clustered} --add-header --dmaster 3 --rsn 5000000000`),
  );
  const { bytes } = await ok(context, ["get", clustered, "key/7"]);
  const view = new DataView(bytes.buffer);
  assert.is(bytes.length, 24 + 7);
  assert.is(view.getBigUint64(0, true), 5000000000n);
  assert.is(view.getUint32(8, true), 3);
  assert.is(new TextDecoder().decode(bytes.subarray(24)), "v".repeat(7));
  // Two empty records (one has a value of 0 bytes in the sample), and one that never had a header.
  await ok(context, ["put", clustered, "short", "abc"]);
  const back = join(context.folder, "back.tdb");
  const partial = await tdb(context, words(`convert ${clustered} ${back} --strip-header -o json`));
  assert.is(partial.exit, 9);
  const row = dataOf<Data>(partial.out);
  assert.is(row.shortSkipped, 1);
  assert.is(row.emptyDropped, 2);
  assert.is(row.records, 21);
  const want = sortedRecords(output("tdbdump", [file])).filter((one) => !one.includes("data(0)"));
  assert.equal(sortedRecords(output("tdbdump", [back])), want);
  assert.is((await tdb(context, words(`convert ${file} ${back}x`))).exit, 2);
  assert.is((await tdb(context, words(`convert ${file} ${back}`))).exit, 2);
  assert.is((await tdb(context, words(`convert ${file} ${back} --add-header`))).exit, 4);
});

test("bench measures a copy and leaves the file as it was", async (context) => {
  const file = join(context.folder, "bench.tdb");
  output("tdbrestore", [file], sampleDump(100));
  const before = readFileSync(file);
  const { out } = await ok(context, ["bench", file, "--ops", "200", "-o", "jsonl"]);
  const rows = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.is(rows.length, 10);
  assert.equal([...new Set(rows.map(({ locks }) => locks))], ["none", "fcntl"]);
  for (const { nsPerOp } of rows) assert.ok(nsPerOp > 0);
  assert.equal(readFileSync(file), before);
});

test.run();
