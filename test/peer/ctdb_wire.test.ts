/**
 * The codec of ctdbd's packets against packets of the stock tool and daemon (test/vectors/ctdb), and against nonsense.
 */

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bytesOf, jenkins } from "../bench/twins/hash.ts";
import {
  commitBytes,
  deletionBytes,
  readLtdb,
  readNodemap,
  readVisited,
  readVnnmap,
  traverseBytes,
  writeLtdb,
} from "./ctdb_records.ts";
import {
  CALL,
  CONTROL,
  LEADER,
  LTDB_BYTES,
  MIGRATE,
  NODE,
  OP,
  type Packet,
  PACKET_MAX,
  PacketReader,
  PacketWriter,
  readMessage,
  readReply,
  type Reply,
  textBytes,
  textOf,
  wordBytes,
  wordOf,
} from "./ctdb_wire.ts";

const test = suite("ctdbd packets");

const VECTORS: { packets: { name: string; hex: string }[] } = JSON.parse(
  readFileSync(new URL("../vectors/ctdb/packets.json", import.meta.url), "utf8"),
);
const NOTHING = new Uint8Array(0);
const VEC_TDB = 0x45e93161;
const TRAVERSE_SRVID = 0xbe00_0000_0000_0df7n;

function bytes(name: string): Uint8Array {
  const found = VECTORS.packets.find((packet) => packet.name === name);
  if (found === undefined) throw new RangeError(`no vector ${name}`);
  return Uint8Array.fromHex(found.hex);
}

/** The packets in some bytes, each copied. */
function packetsIn(chunks: Iterable<Uint8Array>): Packet[] {
  const packets: Packet[] = [];
  const reader = new PacketReader((packet) => {
    const { buffer, byteOffset, byteLength } = packet.view;
    const copy = new Uint8Array(buffer, byteOffset, byteLength).slice();
    packets.push({ ...packet, view: new DataView(copy.buffer) });
  });
  for (const chunk of chunks) reader.feed(chunk);
  return packets;
}

function packet(name: string): Packet {
  const [first] = packetsIn([bytes(name)]);
  if (first === undefined) throw new Error(`no packet in ${name}`);
  return first;
}

function reply(name: string): Reply {
  const found = readReply(packet(name));
  if (found === undefined) throw new Error(`no reply in ${name}`);
  return found;
}

function hexOf(write: (writer: PacketWriter) => void): string {
  const writer = new PacketWriter();
  write(writer);
  return writer.take().toHex();
}

test("requests are byte for byte what the stock tool sends", () => {
  const { current, unknown } = NODE;
  const controls: [
    name: string,
    to: number,
    from: number,
    opcode: number,
    Partial<{
      srvid: bigint;
      data: Uint8Array;
    }>,
  ][] = [
    ["get pnn", current, unknown, CONTROL.getPnn, {}],
    ["register srvid", 0, 0, CONTROL.register, { srvid: LEADER }],
    ["deregister srvid", 0, 0, CONTROL.deregister, { srvid: TRAVERSE_SRVID }],
    ["attach", 0, 0, CONTROL.attach, { data: textBytes("vec.tdb") }],
    ["get db path", 0, 0, CONTROL.getDbPath, { data: wordBytes(VEC_TDB) }],
    ["db open flags", 0, 0, CONTROL.dbOpenFlags, { data: wordBytes(VEC_TDB) }],
    ["get recmode", 0, 0, CONTROL.getRecmode, {}],
    ["set recmode", 0, 0, CONTROL.setRecmode, { data: wordBytes(1) }],
    ["get vnnmap", 0, 0, CONTROL.getVnnmap, {}],
    ["get nodemap", 0, 0, CONTROL.getNodemap, {}],
    ["traverse start ext", 0, 0, CONTROL.traverseStart, {
      data: traverseBytes(VEC_TDB, TRAVERSE_SRVID),
    }],
  ];
  for (const [name, to, from, opcode, { srvid = 0n, data = NOTHING }] of controls) {
    const { request } = packet(`${name} request`);
    const made = hexOf((writer) =>
      writer.control(request, to, from, { opcode, srvid, flags: 0, data })
    );
    assert.is(made, bytes(`${name} request`).toHex(), name);
  }
  for (const [name, text] of [["migrate k1", "k1"], ["migrate nokey", "nokey"]] as const) {
    const { request } = packet(`${name} request`);
    const key = new TextEncoder().encode(text);
    const call = { dbId: VEC_TDB, callId: CALL.nothing, flags: MIGRATE, key };
    const made = hexOf((writer) => writer.call(request, 0, call));
    assert.is(made, bytes(`${name} request`).toHex(), name);
  }
});

test("a message is what the recovery daemon sends, but for its number, which nobody reads", () => {
  const { srvid, data } = readMessage(packet("push message"));
  const made = hexOf((writer) => writer.message(0, 0, srvid, data));
  const wanted = bytes("push message");
  wanted.fill(0, 28, 32);
  assert.is(made, wanted.toHex());
});

test("replies are read: status, data, error", () => {
  assert.is(reply("get pnn reply").status, 0);
  const dbId = wordOf(reply("attach reply").data);
  const name = textBytes("vec.tdb");
  assert.is(dbId, jenkins(bytesOf(name), 0, name.length) >>> 0);
  assert.is(dbId, VEC_TDB);
  assert.match(textOf(reply("get db path reply").data), /\/volatile\/vec\.tdb\.0$/);
  // Mutexes, Jenkins hash, no nesting, no sync, clear if first.
  assert.is(wordOf(reply("db open flags reply").data), 0x1c41);
  assert.equal(readVnnmap(reply("get vnnmap reply").data).map, [0, 1, 2]);
  assert.equal(
    readNodemap(reply("get nodemap reply").data),
    [0, 1, 2].map((pnn) => ({ pnn, flags: 0 })),
  );
  assert.equal(reply("migrate k1 reply"), { status: 0, data: NOTHING, error: "" });
  assert.is(readReply(packet("leader message")), undefined);
});

test("an error is read where one is told", () => {
  const head = bytes("get pnn reply").slice(0, 32);
  const text = new TextEncoder().encode("no such thing");
  const body = new Uint8Array([...wordBytes(0xffffffff, 0, text.length), ...text, 0, 0, 0, 0]);
  const whole = new Uint8Array([...head, ...body.subarray(0, body.length - 1)]);
  new DataView(whole.buffer).setUint32(0, whole.length, true);
  const [control] = packetsIn([whole]);
  assert.equal(control && readReply(control), {
    status: -1,
    data: NOTHING,
    error: "no such thing",
  });
  const failed = new Uint8Array([...head, ...wordBytes(0xffffffff, text.length), ...text]);
  const view = new DataView(failed.buffer);
  view.setUint32(0, failed.length, true);
  view.setUint32(16, OP.replyError, true);
  const [call] = packetsIn([failed]);
  assert.equal(call && readReply(call), { status: -1, data: NOTHING, error: "no such thing" });
});

test("the leader's message and the records of a traverse are read", () => {
  const leader = readMessage(packet("leader message"));
  assert.is(leader.srvid, LEADER);
  assert.is(wordOf(leader.data), 0);
  const text = (part: Uint8Array | undefined): string => new TextDecoder().decode(part);
  const found = ["k2", "k1"].map((key) => {
    const { srvid, data } = readMessage(packet(`traverse record ${key}`));
    assert.is(srvid, TRAVERSE_SRVID);
    const record = readVisited(data);
    return [text(record?.key), text(record?.value), record?.header];
  });
  assert.equal(found, [
    ["k2", "v2", { rsn: 3n, dmaster: 0, flags: 0 }],
    ["k1", "value-one", { rsn: 5n, dmaster: 0, flags: 0x10000 }],
  ]);
  assert.is(readVisited(readMessage(packet("traverse end")).data), undefined);
});

test("a header is written as it was read, and what is to be deleted carries it", () => {
  const { data } = readMessage(packet("traverse record k1"));
  const header = data.slice(18, 18 + LTDB_BYTES);
  const made = new Uint8Array(LTDB_BYTES).fill(255);
  writeLtdb(made, readLtdb(header));
  assert.is(made.toHex(), header.toHex());
  const key = data.slice(16, 18);
  const deletion = deletionBytes(VEC_TDB, header, key).toHex();
  assert.is(deletion, `6131e94500000000${header.toHex()}02000000${key.toHex()}`);
});

test("a stream is cut into the same packets however it comes", () => {
  const all = Uint8Array.fromHex(VECTORS.packets.map(({ hex }) => hex).join(""));
  const whole = packetsIn([all]);
  assert.is(whole.length, VECTORS.packets.length);
  for (const size of [1, 3, 31, 32, 33, 64, 1000, all.length - 1]) {
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < all.length; at += size) chunks.push(all.slice(at, at + size));
    const found = packetsIn(chunks);
    assert.equal(
      found.map(({ view }) => new Uint8Array(view.buffer).toHex()),
      VECTORS.packets.map(({ hex }) => hex),
      `pieces of ${size}`,
    );
  }
});

test("what is no packet is refused, and lengths inside are not believed", () => {
  const good = bytes("get pnn reply");
  const spoilt: [at: number, word: number][] = [
    [0, 31],
    [0, PACKET_MAX + 1],
    [4, 0x43544443],
    [8, 2],
  ];
  for (const [at, word] of spoilt) {
    const bad = good.slice();
    new DataView(bad.buffer).setUint32(at, word, true);
    assert.throws(() => packetsIn([bad]), /Cannot read a packet/, `${word} at ${at}`);
  }
  const long = packet("get db path reply");
  long.view.setUint32(36, 1000, true);
  assert.throws(() => readReply(long), /1000 bytes at 44/);
  const message = packet("leader message");
  message.view.setUint32(40, 1000, true);
  assert.throws(() => readMessage(message), /1000 bytes at 44/);
  const { data } = readMessage(packet("traverse record k1"));
  for (const [at, word] of [[8, 0x7fffffff], [12, LTDB_BYTES - 1], [12, 1000]] as const) {
    const bad = data.slice();
    new DataView(bad.buffer).setUint32(at, word, true);
    assert.throws(() => readVisited(bad), /Cannot read a record/, `${word} at ${at}`);
  }
});

test("the writer keeps packets apart when its buffer grows", () => {
  const writer = new PacketWriter();
  const large = new Uint8Array(100_000).fill(7);
  writer.message(1, 2, 3n, new Uint8Array([9]));
  writer.message(1, 2, 4n, large);
  writer.message(1, 2, 5n, NOTHING);
  const found = packetsIn([writer.take()]).map(readMessage);
  assert.equal(found.map(({ srvid, data }) => [srvid, data.length]), [[3n, 1], [4n, 100_000], [
    5n,
    0,
  ]]);
  assert.equal(found[1]?.data, large);
  assert.is(writer.length, 0);
});

test("a transaction carries each record with its length, its key, its header and its value", () => {
  const header = { rsn: 7n, dmaster: 2, flags: 0 };
  const [key, value] = [textBytes("a key"), Uint8Array.of(1, 2, 3)];
  const made = commitBytes(VEC_TDB, [{ key, value, header }, { key: value, value: key, header }]);
  const view = new DataView(made.buffer);
  assert.equal([view.getUint32(0, true), view.getUint32(4, true)], [VEC_TDB, 2]);
  let at = 8;
  for (const [one, other] of [[key, value], [value, key]] as const) {
    const length = view.getUint32(at, true);
    const record = readVisited(made.subarray(at, at + length));
    assert.equal([record?.key, record?.value, record?.header], [one, other, header]);
    at += length;
  }
  assert.is(at, made.length);
});

test.run();
