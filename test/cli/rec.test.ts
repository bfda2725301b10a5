/** `ctdbx rec get | put | del | cas | call | lock | watch` in a cluster of memory. */

import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { run } from "../../cli/run.ts";
import { capture } from "./capture.ts";
import { bytesOf, ClusterDouble } from "./cluster_double.ts";
import { closedWorld } from "./tree_rig.ts";

const test = suite("cli/rec");

function withRecords(records: Record<string, string> = {}): ClusterDouble {
  const double = new ClusterDouble();
  const db = double.records("d");
  for (const [key, value] of Object.entries(records)) db.set(key, bytesOf(value));
  return double;
}

test("get prints the bytes as they are, and in the encoding that is asked for", async () => {
  const double = withRecords({ k: "v\0\u00ff" });
  const plain = await double.run(["rec", "get", "d", "k"]);
  assert.equal([plain.exit, plain.terminal.outBytes()], [0, bytesOf("v\0\u00ff")]);
  const person = await double.run(["rec", "get", "d", "k"], { outIsTerminal: true });
  assert.is(person.out, "v\0\u00ff\n");
  assert.is((await double.run(["rec", "get", "d", "6b", "--hex"])).out, "7600c3bf\n");
  const { data } = JSON.parse((await double.run(["rec", "get", "d", "k", "-o", "json"])).out);
  assert.equal(data, { key: "k", value: "v\0\u00ff", encoding: "text" });
  assert.ok(double.isClosed);
});

test("what is not there is exit code 3, with what may have been meant", async () => {
  const double = withRecords();
  const record = await double.run(["rec", "get", "d", "k"]);
  assert.is(record.exit, 3);
  assert.match(record.err, /Cannot find "k" in d: there is no such record\nhint: .*with a NUL/);
  const database = await double.run(["rec", "get", "dd", "k"]);
  assert.is(database.exit, 3);
  assert.match(database.err, /Cannot find database dd: known are d\nhint: did you mean d\?/);
  assert.is((await double.run(["rec", "del", "d", "k"])).exit, 3);
});

test("put stores, only where it may, and makes a database only when asked to", async () => {
  const double = withRecords({ old: "1" });
  assert.is((await double.run(["rec", "put", "d", "k", "v"])).exit, 0);
  assert.equal(double.records("d").get("k"), bytesOf("v"));
  assert.is((await double.run(["rec", "put", "d", "old", "2", "--mode", "insert"])).exit, 4);
  assert.equal(double.records("d").get("old"), bytesOf("1"));
  assert.is((await double.run(["rec", "put", "d", "new", "2", "--mode", "modify"])).exit, 3);
  assert.is((await double.run(["rec", "put", "d", "old", "2", "--mode", "modify"])).exit, 0);
  assert.equal(double.records("d").get("old"), bytesOf("2"));
  assert.is((await double.run(["rec", "put", "e", "k", "v"])).exit, 3);
  assert.is((await double.run(["rec", "put", "e", "k", "v", "--create"])).exit, 0);
  assert.equal(double.records("e").get("k"), bytesOf("v"));
});

test("binary keys and values go in and out, a value from standard input, too", async () => {
  const double = withRecords();
  const all = Uint8Array.from({ length: 256 }, (_, at) => at);
  const key = Array.from(all, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const put = await double.run(["rec", "put", "d", key, "-", "--hex"], { input: all });
  assert.is(put.exit, 0, put.err);
  const got = await double.run(["rec", "get", "d", key, "--hex", "-o", "json"]);
  assert.equal(JSON.parse(got.out).data, { key, value: key, encoding: "hex" });
  const nul = await double.run(["rec", "put", "d", "--nul", "--", "-k", "v"]);
  assert.is(nul.exit, 0, nul.err);
  assert.ok(double.records("d").has("-k\0"));
});

test("keys and values beyond the limits are refused before anything is asked", async () => {
  const double = withRecords();
  const long = "k".repeat(65536);
  for (const words of [["rec", "get", "d", long], ["rec", "get", "d", ""]]) {
    const { exit, err } = await double.run(words);
    assert.is(exit, 2);
    assert.match(err, /Cannot use the key: (65536 bytes, KEY_MAX is 65535|it is empty)/);
  }
  assert.is((await double.run(["rec", "put", "d", "k".repeat(65535), "v"])).exit, 0);
  const most = new Uint8Array(16 * 1024 * 1024).fill(0x78);
  const options = { input: most, pieceSize: 1 << 20 };
  assert.is((await double.run(["rec", "put", "d", "big", "-"], options)).exit, 0);
  assert.is(double.records("d").get("big")?.length, most.length);
  const more = { input: new Uint8Array(most.length + 1), pieceSize: 1 << 20 };
  assert.is((await double.run(["rec", "put", "d", "more", "-"], more)).exit, 2);
  const empty = await double.run(["rec", "put", "d", "k", ""]);
  assert.is(empty.exit, 2);
  assert.match(empty.err, /empty value: it would delete the record\nhint: `ctdbx rec del`/);
});

test("an unknown outcome has exit code 5, every other one says that nothing was done", async () => {
  for (
    const [code, exit] of [["unknown", 5], ["timeout", 4], ["busy", 4], ["no_space", 11]] as const
  ) {
    const double = withRecords();
    double.trouble = () => new CtdbxError(code, "Cannot put: because");
    const { exit: got, out, err } = await double.run(["rec", "put", "d", "k", "v", "-o", "json"]);
    assert.is(got, exit, code);
    assert.equal(JSON.parse(out).error.message, "Cannot put: because");
    assert.is(JSON.parse(err).error.exit, exit);
    assert.ok(double.isClosed);
  }
});

test("cas swaps when it is as expected; '' is no record on both sides", async () => {
  const double = withRecords();
  const swap = async (old: string, next: string) =>
    (await double.run(["rec", "cas", "d", "k", old, next, "-o", "json"])).exit;
  assert.is(await swap("a", "b"), 4);
  assert.is(await swap("", "b"), 0);
  assert.is(await swap("b", "c"), 0);
  assert.equal(double.records("d").get("k"), bytesOf("c"));
  assert.is(await swap("c", ""), 0);
  assert.not.ok(double.records("d").has("k"));
});

test("call runs what is built in, with arguments for people", async () => {
  const double = withRecords();
  const call = async (...words: string[]) => await double.run(["rec", "call", "d", ...words]);
  assert.is((await call("n", "incr")).out, "1\n");
  assert.is((await call("n", "incr", "--", "-3")).out, "-2\n");
  assert.is((await call("t", "append", "ab")).out, "2\n");
  assert.is((await call("t", "append", "c")).out, "3\n");
  assert.is((await call("t", "delete")).out, "abc");
  assert.is((await call("l", "push", "2", "x")).out, "1\n");
  const shown = JSON.parse((await call("n", "incr", "-o", "json")).out).data;
  assert.equal([shown.number, shown.result, shown.procedure], ["-1", "-1", "incr"]);
});

test("a call that cannot be is refused: by its arguments, or by the procedure", async () => {
  const double = withRecords({ t: "abc" });
  const call = async (...words: string[]) => await double.run(["rec", "call", "d", ...words]);
  assert.is((await call("n", "incr", "many")).exit, 2);
  assert.is((await call("n", "incr", "9223372036854775808")).exit, 2);
  assert.is((await call("n", "incr", "1", "2")).exit, 2);
  assert.is((await call("l", "push", "0", "x")).exit, 2);
  assert.is((await call("l", "push", "2")).exit, 2);
  assert.is((await call("t", "append")).exit, 2);
  const refused = await call("t", "incr");
  assert.is(refused.exit, 4);
  assert.match(refused.err, /the value is no number/);
  assert.match((await call("t", "visits/1")).err, /there is no procedure visits\/1/);
});

test("lock holds for its time, and gives back", async () => {
  const double = withRecords({ k: "abc" });
  const { exit, out } = await double.run(["rec", "lock", "d", "k", "--hold", "0.02", "-o", "json"]);
  assert.is(exit, 0);
  const { data } = JSON.parse(out);
  assert.equal([data.key, data.valueBytes, double.locks, double.unlocks], ["k", 3, 1, 1]);
});

test("lock ends at a signal, in order; and with the connection, as a failure", async () => {
  const double = withRecords({ k: "abc" });
  const held = double.run(["rec", "lock", "d", "k"]);
  while (double.locks === 0) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  process.emit("SIGINT", "SIGINT");
  const { exit, out } = await held;
  assert.is(exit, 0);
  assert.match(out, /^locked at n1, the value has 3 bytes; Ctrl-C gives it back\ngiven back after/);
  assert.is(double.unlocks, 1);
  const cut = double.run(["rec", "lock", "d", "k"]);
  while (double.locks === 1) await new Promise((resolve) => setImmediate(resolve));
  double.closed.resolve("the daemon has gone");
  const lost = await cut;
  assert.is(lost.exit, 1);
  assert.match(lost.err, /the connection has ended: the daemon has gone/);
});

test("watch tells values, deletions and gaps, and ends after as many as wanted", async () => {
  const double = withRecords();
  double.changes = [
    { type: "value", key: bytesOf("k"), value: bytesOf("v") },
    { type: "again" },
    { type: "value", key: bytesOf("k"), value: undefined },
  ];
  const words = ["rec", "watch", "d", "k", "--count", "3"];
  const rows = (await double.run([...words, "-o", "jsonl"])).out.trim().split("\n");
  const shown = rows.map((row) => JSON.parse(row)).map((
    { what, key, value },
  ) => [what, key, value]);
  assert.equal(shown, [["value", "k", "v"], ["again", null, null], ["none", "k", null]]);
  const lines = (await double.run(words)).out.trim().split("\n").map((line) => line.slice(14));
  assert.equal(lines, ["k  v", "(read again: changes may be missing here)", "k  (no record)"]);
  assert.is((await double.run(["rec", "watch", "d"])).exit, 2);
  assert.is((await double.run(["rec", "watch", "d", "k", "--prefix", "k"])).exit, 2);
});

test("watch ends in order when its time is over", async () => {
  const double = withRecords();
  const { exit, out } = await double.run([
    "rec",
    "watch",
    "d",
    "k",
    "--timeout",
    "0.02",
    "-o",
    "json",
  ]);
  assert.equal([exit, JSON.parse(out).data], [0, []]);
});

test("over NATS a key file, a cluster's name and an authority go with the servers", async () => {
  const double = withRecords({ k: "v" });
  await double.run(["rec", "get", "d", "k", "--creds", "/k.nkey", "--tls-ca", "/ca.pem"]);
  const { servers, cluster, keyFile, tls, timeoutMs } = double.wish ?? {};
  assert.equal(
    [servers, cluster, keyFile, tls, timeoutMs],
    [["double:1"], "c", "/k.nkey", { ca: "/ca.pem" }, 10_000],
  );
});

test("options of NATS go with --nats, and --nats needs the cluster's name", async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["--creds x", /Cannot use --creds: it goes with --nats/],
    ["--cluster c", /Cannot use --cluster: it goes with --nats/],
    ["--nats a:1", /Cannot tell which cluster is meant\nhint: with --nats, --cluster names it/],
    ["--nats a:1 --cluster a.b", /Cannot use "a.b" as the name of a cluster/],
  ];
  for (const [words, why] of cases) {
    const terminal = capture();
    const world = closedWorld(terminal);
    assert.is(await run(["rec", "get", "d", "k", ...words.split(" ")], world), 2, words);
    assert.match(terminal.errText(), why);
  }
});

test("who cannot connect is told by the code, and what to look at", async () => {
  const terminal = capture();
  const connect = () => Promise.reject(new CtdbxError("timeout", "Cannot find cluster c"));
  const world = Object.assign(closedWorld(terminal), { connect });
  const words = ["rec", "get", "d", "k", "--nats", "a:1", "--cluster", "c"];
  assert.is(await run(words, world), 4);
  assert.match(terminal.errText(), /Cannot find cluster c\nhint: --creds names the key/);
});

test.run();
