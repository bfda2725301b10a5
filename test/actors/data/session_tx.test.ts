/** Transactions, reads and lists of a program at its session, by frames: what is wrong, too much, too soon over. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SESSION_SNAPSHOTS_MAX, SESSION_TXNS_MAX } from "../../../actors/data/session_tx.ts";
import type { SimStream } from "../../../transport/sim/stream.ts";
import type { Stream } from "../../../transport/world.ts";
import { readEnd } from "../../../transport/wire/client/bodies.ts";
import { CLIENT_PROTOCOL, FRAME, FrameReader } from "../../../transport/wire/client/frames.ts";
import { type FrameBody, FrameWriter } from "../../../transport/wire/client/frames.ts";
import * as bodies from "../../../transport/wire/client/txn_bodies.ts";
import { CommitFake } from "../client/commit_fake.ts";
import { b, DataRig, SOCKET } from "./data_rig.ts";

const test = suite("session transactions");

type Told = { readonly kind: number; readonly id: number; readonly body: unknown };

/** A program that says what a test has it say. */
class Program {
  told: Told[] = [];
  isClosed = false;
  stream: Stream | undefined;
  readonly #reader = new FrameReader((kind, id, body) => {
    this.told.push({ kind, id, body: bodyOf(kind, body) });
  });

  onBytes(bytes: Uint8Array): void {
    this.#reader.add(bytes);
  }

  onClose(): void {
    this.isClosed = true;
  }

  send(write: (writer: FrameWriter) => void): void {
    const writer = new FrameWriter();
    write(writer);
    this.stream?.write(writer.take().slice());
  }

  ask(id: number, what: Record<string, unknown>): void {
    this.send((writer) => writer.json(FRAME.ask, id, { timeoutMs: 1000, ...what }));
  }

  transact(id: number, value = b("v")): void {
    const writes = [{ key: b("key"), value }];
    const body = {
      ref: 1,
      timeoutMs: 60_000,
      again: undefined,
      reads: [],
      writes,
      lineage: undefined,
    };
    this.send((writer) => bodies.writeTransact(writer, id, body));
  }

  list(id: number, snapshot: number, credit: number, timeoutMs = 60_000): void {
    const list = { snapshot, timeoutMs, keysOnly: false, credit, prefix: new Uint8Array(0) };
    this.send((writer) => bodies.writeList(writer, id, list));
  }

  of(id: number): Told[] {
    return this.told.filter((one) => one.id === id);
  }
}

function bodyOf(kind: number, body: FrameBody): unknown {
  switch (kind) {
    case FRAME.txn:
      return bodies.readTxn(body);
    case FRAME.named:
      return bodies.readNamed(body);
    case FRAME.values:
      return bodies.readValues(body);
    case FRAME.end:
      return readEnd(body);
    case FRAME.record:
      return undefined;
  }
  return body.json();
}

/** A node with the databases `bank`, of a fake, and `visits`, which is volatile, and a program that has both. */
async function node() {
  const rig = await DataRig.start(1, 1);
  const fake = new CommitFake();
  await rig.attach("visits");
  fake.at(rig.node(0).shard.host, "bank");
  const one = new Program();
  const dialled = rig.node(0).world.host.dial(SOCKET, one).then((stream) => one.stream = stream);
  await rig.until(() => one.stream !== undefined);
  await dialled;
  one.send((writer) => writer.json(FRAME.hello, 1, { protocol: CLIENT_PROTOCOL }));
  one.ask(2, { do: "attach", ref: 1, name: "bank" });
  one.ask(3, { do: "attach", ref: 2, name: "visits" });
  await rig.until(() => one.of(2).length + one.of(3).length === 2);
  one.told = [];
  return { rig, fake, one };
}

function codeOf({ kind, body }: Told): unknown {
  assert.is(kind, FRAME.error);
  return (body as { readonly code: unknown }).code;
}

test("questions with wrong arguments are refused by name", async () => {
  const { rig, one } = await node();
  const asks: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ do: "fate", ref: 1, n: 1 }, /sid must be/],
    [{ do: "fate", ref: 1, sid: "x", n: 1 }, /sid must be/],
    [{ do: "fate", ref: 1, sid: `${2n ** 64n}`, n: 1 }, /sid must be/],
    [{ do: "fate", ref: 1, sid: "1", n: -1 }, /n must be/],
    [{ do: "fate", ref: 7, sid: "1", n: 1 }, /was detached/],
    [{ do: "snapshot", ref: 1, how: "soon" }, /how must be/],
    [{ do: "snapshot", ref: 2, how: "local" }, /visits: it is volatile/],
    [{ do: "unsnapshot", snapshot: "1" }, /snapshot must be/],
    [{ do: "commits", ref: 2 }, /it is volatile/],
    [{ do: "attach", ref: 3, name: "x", kind: "odd" }, /kind must be/],
    [{ do: "attach", ref: 3, name: "x", replicas: 17 }, /replicas must be/],
  ];
  for (const [at, [ask]] of asks.entries()) one.ask(10 + at, ask);
  await rig.until(() => one.told.length === asks.length);
  for (const [at, [, words]] of asks.entries()) {
    const [told] = one.of(10 + at);
    codeOf(told!);
    assert.match((told!.body as { readonly text: string }).text, words);
  }
  assert.not(one.isClosed);
});

test("a frame that is none ends the connection; so does the id 0", async () => {
  for (
    const write of [
      (writer: FrameWriter) => writer.begin(FRAME.transact, 5).u16(1).end(),
      (writer: FrameWriter) => writer.begin(FRAME.look, 5).u16(1).u32(1).u8(9).u32(0).u32(0).end(),
      (writer: FrameWriter) => writer.begin(FRAME.list, 5).u32(1).end(),
      (writer: FrameWriter) => {
        const look = { ref: 1, timeoutMs: 1, how: "local" as const, snapshot: 0, keys: [] };
        bodies.writeLook(writer, 0, look);
      },
    ]
  ) {
    const { rig, one } = await node();
    one.send(write);
    await rig.until(() => one.isClosed);
    assert.is(one.told.at(-1)?.kind, FRAME.bye);
  }
});

test("the name comes before the end, and in the turn in which it is sent", async () => {
  const { rig, fake, one } = await node();
  let go: () => void = () => {};
  let left = 0;
  fake.before = () => {
    // What is done about it comes now; the name has been handed to the system before.
    left = (one.stream as SimStream).peer?.waiting ?? 0;
    return new Promise<void>((resolve) => go = resolve);
  };
  one.transact(5);
  await rig.until(() => one.told.length === 1);
  const [named] = one.of(5);
  assert.is(named?.kind, FRAME.named);
  assert.is(left, 4 + 5 + 12);
  go();
  await rig.until(() => one.told.length === 2);
  const txn = one.of(5)[1]?.body as bodies.TxnBody;
  assert.equal([txn.outcome, txn.name, txn.dbseq], ["committed", named!.body, 1n]);
});

test("more than is taken at once is refused, and what is under way goes on", async () => {
  const { rig, fake, one } = await node();
  const waiting: (() => void)[] = [];
  fake.before = () => new Promise<void>((resolve) => waiting.push(resolve));
  const large = new Uint8Array(16 * 1024 * 1024);
  for (let n = 1; n <= 5; n++) one.transact(10 + n, large);
  await rig.until(() => one.told.some(({ kind }) => kind === FRAME.error), 60_000);
  assert.equal(one.told.map(({ kind }) => kind).filter((kind) => kind === FRAME.named).length, 3);
  for (const { id, body } of one.told.filter(({ kind }) => kind === FRAME.error)) {
    assert.is((body as { readonly code: string }).code, "busy");
    assert.ok(id >= 14);
  }
  for (const go of waiting.splice(0)) go();
  await rig.until(() => one.told.filter(({ kind }) => kind === FRAME.txn).length === 3);
  one.transact(20, large);
  await rig.until(() => one.of(20).length === 1);
  for (let n = 0; n < SESSION_TXNS_MAX; n++) one.transact(100 + n);
  await rig.until(() => one.of(100 + SESSION_TXNS_MAX - 1).length > 0);
  assert.is(codeOf(one.of(100 + SESSION_TXNS_MAX - 1)[0]!), "limit");
  one.stream?.close();
  await rig.until(() => waiting.length === SESSION_TXNS_MAX);
  for (const go of waiting.splice(0)) go();
  await rig.run(5);
  assert.equal(rig.node(0).failures, [], "nobody is there to hear it");
});

test("a list tells what it has credit for, and no more", async () => {
  const { rig, fake, one } = await node();
  for (let n = 0; n < 10; n++) fake.other(`key ${n}`, "v");
  one.ask(5, { do: "snapshot", ref: 1, how: "local" });
  await rig.until(() => one.of(5).length === 1);
  const { snapshot } = one.of(5)[0]!.body as { readonly snapshot: number };
  const records = (id: number) => one.of(id).filter(({ kind }) => kind === FRAME.record).length;
  const end = (id: number) => one.of(id).find(({ kind }) => kind === FRAME.end)?.body;
  one.list(6, snapshot, 3);
  await rig.until(() => records(6) === 3);
  await rig.run(50);
  assert.is(records(6), 3);
  one.send((writer) => writer.begin(FRAME.more, 6).u32(4).end());
  await rig.until(() => records(6) === 7);
  one.send((writer) => writer.begin(FRAME.cancel, 6).end());
  await rig.until(() => end(6) !== undefined);
  assert.is(records(6), 7);
  one.list(7, snapshot, 100);
  await rig.until(() => end(7) !== undefined);
  assert.equal([records(7), end(7)], [10, { outcome: "ok", count: 10, why: "" }]);
  one.list(8, snapshot, 1, 30);
  await rig.until(() => end(8) !== undefined);
  assert.match((end(8) as { readonly why: string }).why, "timeout");
  one.list(9, 77, 1);
  await rig.until(() => end(9) !== undefined);
  assert.match((end(9) as { readonly why: string }).why, /state .*it is closed/);
  // One that waits for credit ends with its program, and gives the snapshot up.
  one.list(10, snapshot, 1);
  await rig.until(() => records(10) === 1);
  one.stream?.close();
  await rig.until(() => fake.snapshots === 0);
  await rig.run(5);
  assert.equal(rig.node(0).failures, []);
});

test("snapshots of one program are counted before they are there", async () => {
  const { rig, fake, one } = await node();
  const going: (() => void)[] = [];
  const plain = fake.snapshot.bind(fake);
  fake.snapshot = async (client, how) => {
    await new Promise<void>((resolve) => going.push(resolve));
    return await plain(client, how);
  };
  for (let n = 0; n <= SESSION_SNAPSHOTS_MAX; n++) {
    one.ask(10 + n, { do: "snapshot", ref: 1, how: "latest" });
  }
  await rig.until(() => one.told.length === 1);
  assert.is(codeOf(one.of(10 + SESSION_SNAPSHOTS_MAX)[0]!), "limit");
  one.stream?.close();
  await rig.until(() => rig.node(0).shard.host.messages !== undefined && going.length > 1);
  await rig.run(5);
  for (const go of going) go();
  await rig.run(5);
  assert.is(fake.snapshots, 0, "the program had gone when they came");
});

test.run();
