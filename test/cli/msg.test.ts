/** `ctdbx msg send | listen | exists` in a cluster of memory. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { srvidOf } from "../../cli/commands/msg.ts";
import { bytesOf, ClusterDouble } from "./cluster_double.ts";

const test = suite("cli/msg");

test("numbers have 64 bits, decimal or hex", () => {
  assert.is(srvidOf("0"), 0n);
  assert.is(srvidOf("18446744073709551615"), (1n << 64n) - 1n);
  assert.is(srvidOf("0xfFffFFFFffffFFFF"), (1n << 64n) - 1n);
  for (const text of ["18446744073709551616", "-1", "", "0x", "1e3", "0x10000000000000000", "a"]) {
    assert.is(srvidOf(text), undefined, text);
  }
});

test("send goes to a number, all or the connected, with bytes of any kind", async () => {
  const double = new ClusterDouble();
  const { out } = await double.run(["msg", "send", "2", "0x11", "hi", "-o", "json"]);
  assert.equal(JSON.parse(out).data, { target: "2", srvid: "17", bytes: 2, nodes: 3 });
  await double.run(["msg", "send", "all", "5", "ff00", "--hex"]);
  const input = Uint8Array.of(0, 255);
  await double.run(["msg", "send", "connected", "5", "-"], { input });
  assert.equal(double.sent, [
    { to: 2, srvid: 17n, data: bytesOf("hi") },
    { to: "all", srvid: 5n, data: Uint8Array.of(255, 0) },
    { to: "connected", srvid: 5n, data: input },
  ]);
  for (const words of [["2", "x", "hi"], ["2", "-", "hi"], ["nowhere", "5", "hi"]]) {
    const { exit, err } = await double.run(["msg", "send", ...words]);
    assert.is(exit, 2, err);
  }
  assert.is(double.sent.length, 3);
});

test("listen tells messages, losses and new lives, and ends after as many messages", async () => {
  const double = new ClusterDouble();
  double.items = [
    { type: "life", pnn: 2 },
    { type: "message", from: { pnn: 2, program: 9 }, srvid: 5n, data: Uint8Array.of(0xff) },
    { type: "lost", count: 3 },
    { type: "lost", count: 4, from: { pnn: 0, program: 1 } },
    { type: "message", from: { pnn: 0, program: 1 }, srvid: 6n, data: bytesOf("x") },
  ];
  const words = ["msg", "listen", "5", "--count", "2"];
  const lines = (await double.run([...words, "-o", "jsonl"])).out.trim().split("\n");
  const rows = lines.map((line) => JSON.parse(line)).map(({ time: _, ...row }) => row);
  const none = { pnn: null, program: null, srvid: null, count: null, data: null, encoding: null };
  assert.equal(rows, [
    { ...none, what: "life", pnn: 2 },
    { ...none, what: "message", pnn: 2, program: 9, srvid: "5", data: "ff", encoding: "hex" },
    { ...none, what: "lost", count: 3 },
    { ...none, what: "lost", count: 4, pnn: 0, program: 1 },
    { ...none, what: "message", pnn: 0, program: 1, srvid: "6", data: "x", encoding: "text" },
  ]);
  const { out } = await double.run(words);
  const said = out.split("\n").map((line) => line.replace(/^\d\d:\S+/, "T"));
  assert.equal(said, [
    "listening at n1 on 5; Ctrl-C ends it",
    "T  (node 2 has begun anew)",
    "T  2:9  \\FF",
    "T  (up to 3 messages are missing here)",
    "T  (up to 4 messages of 0:1 are missing here)",
    "T  0:1 on 6  x",
    "",
  ]);
});

test("listen ends in order when its time is over, and says when it was cut off", async () => {
  const double = new ClusterDouble();
  const timed = await double.run(["msg", "listen", "5", "--timeout", "0.02", "-o", "json"]);
  assert.equal([timed.exit, JSON.parse(timed.out).data], [0, []]);
});

test("exists finds programs by process or number; none is exit code 3", async () => {
  const double = new ClusterDouble();
  const found = await double.run(["msg", "exists", "--pid", "7", "-o", "json"]);
  assert.equal([found.exit, JSON.parse(found.out).data], [0, [{ pnn: 1, programs: 2 }]]);
  assert.is((await double.run(["msg", "exists", "1", "--pid", "8"])).exit, 3);
  assert.is((await double.run(["msg", "exists", "--srvid", "0x5"])).exit, 3);
  assert.is((await double.run(["msg", "exists", "1"])).exit, 2);
  assert.is((await double.run(["msg", "exists", "--srvid", "-5"])).exit, 2);
});

test.run();
