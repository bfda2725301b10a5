/** Bytes that no honest program sends, and programs that do not read: the data thread lives, and says what is wrong. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SESSION_OPS_MAX } from "../../../actors/data/session.ts";
import { Sessions } from "../../../actors/data/sessions.ts";
import { WISH, writeOp } from "../../../transport/wire/client/bodies.ts";
import {
  CLIENT_PROTOCOL,
  FRAME,
  FrameReader,
  FrameWriter,
  keyOfBytes,
} from "../../../transport/wire/client/frames.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import type { Stream } from "../../../transport/world.ts";
import { b, SOCKET, t } from "../data/data_rig.ts";
import { ClientRig } from "./client_rig.ts";

const test = suite("client hostile");

/** A connection of bare bytes, and what it was told. */
class Raw {
  readonly told: { readonly kind: number; readonly id: number; readonly text: string }[] = [];
  isClosed = false;
  stream: Stream | undefined;
  readonly #reader = new FrameReader((kind, id, body) => {
    this.told.push({ kind, id, text: keyOfBytes(body.bytes()) });
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

  kinds(): number[] {
    return this.told.map(({ kind }) => kind);
  }
}

async function raw(rig: ClientRig, isGreeted = true): Promise<Raw> {
  const made = new Raw();
  made.stream = await rig.do(rig.data.node(0).world.host.dial(SOCKET, made));
  if (!isGreeted) return made;
  made.send((writer) => writer.json(FRAME.hello, 1, { protocol: CLIENT_PROTOCOL }));
  made.send((writer) =>
    writer.json(FRAME.ask, 2, {
      do: "attach",
      ref: 1,
      name: "visits",
      timeoutMs: 1000,
    })
  );
  await rig.data.until(() => made.told.some(({ id }) => id === 2));
  made.told.length = 0;
  return made;
}

test.either("garbage of every kind ends the connection with a word, and nothing else", async () => {
  const rig = await ClientRig.start(1, 1);
  const [db] = await rig.databases("visits");
  await rig.do(db!.put("key", "a"));
  const dice = new SeededDice(1);
  for (let n = 0; n < 150; n++) {
    const one = await raw(rig, n % 3 !== 0);
    const bytes = Uint8Array.from({ length: 1 + dice.below(200) }, () => dice.below(256));
    // Half of them have a sound head, so that the bodies are looked at.
    if (n % 2 === 0) {
      one.send((writer) => writer.begin(dice.below(45), dice.u32()).bytes(bytes).end());
    } else one.stream?.write(bytes);
    await rig.data.run(5);
    if (one.isClosed) assert.is(one.told.at(-1)?.kind, FRAME.bye);
    one.stream?.close();
  }
  assert.is(t(await rig.do(db!.read("key"))), "a");
  assert.equal(rig.data.node(0).failures, []);
  await rig.end();
});

test.either("questions with wrong arguments are refused, each by name", async () => {
  const rig = await ClientRig.start(2, 1);
  const one = await raw(rig);
  const questions: readonly Record<string, unknown>[] = [
    {},
    { do: "nothing" },
    { do: "constructor" },
    { do: "attach", ref: -1, name: "visits", timeoutMs: 1 },
    { do: "attach", ref: 2, name: 7, timeoutMs: 1 },
    { do: "attach", ref: 2, name: "x", timeoutMs: 1, readonly: "maybe" },
    { do: "where", ref: 1, key: "\u0100" },
    { do: "where", ref: 9, key: "a" },
    { do: "listen", srvid: "18446744073709551616" },
    { do: "procedure", name: "no version", limitMs: 1 },
    { do: "watch", watch: 1, ref: 1, key: "x" },
    { do: "exists", pnn: 77, timeoutMs: 5 },
  ];
  questions.forEach((question, index) =>
    one.send((writer) => writer.json(FRAME.ask, 100 + index, question))
  );
  await rig.data.until(() => one.told.length === questions.length);
  for (const { kind, text } of one.told) {
    assert.is(kind, FRAME.error, text);
    assert.ok(/"code":"(?:state|unsupported|not_found)"/.test(text), text);
  }
  assert.not(one.isClosed);
  one.stream?.close();
  await rig.end();
});

test.either("an operation at a database that is not attached, and one too many, are refused", async () => {
  const rig = await ClientRig.start(3, 1);
  const one = await raw(rig);
  const op = { timeoutMs: 60_000, procedure: "", args: new Uint8Array(0) };
  one.send((writer) => writeOp(writer, 5, { ...op, ref: 7, wish: WISH.read }, b("key")));
  await rig.data.until(() => one.told.length === 1);
  assert.match(one.told[0]!.text, "attach it anew");
  rig.data.freeze(0);
  for (let n = 0; n <= SESSION_OPS_MAX; n += 256) {
    one.send((writer) => {
      for (let at = n; at < Math.min(n + 256, SESSION_OPS_MAX + 1); at++) {
        writeOp(writer, 10 + at, { ...op, ref: 1, wish: WISH.read }, b("key"));
      }
    });
  }
  await rig.data.until(() => one.told.length === 2);
  assert.match(one.told[1]!.text, "limit");
  one.stream?.close();
  await rig.end();
});

test.either("what is taken back although it is ready takes no place any more", async () => {
  const rig = await ClientRig.start(7, 1);
  await rig.data.attach("visits");
  const { host } = rig.data.node(0).shard;
  const { clock, log } = rig.data.node(0).world;
  const sessions = new Sessions({ host, clock, log, version: "test" });
  const told: number[][] = [];
  const reader = new FrameReader((kind, id) => void told.push([kind, id]));
  const send = (bytes: Uint8Array) => reader.add(bytes);
  const session = sessions.open({ send, waiting: 0, close: () => {} });
  const tell = async (write: (writer: FrameWriter) => void) => {
    const writer = new FrameWriter();
    write(writer);
    session.onBytes(writer.take());
    await rig.data.run(20);
    return told.splice(0);
  };
  const running = () => sessions.status()[0]?.running;
  await tell((writer) => writer.json(FRAME.hello, 1, { protocol: CLIENT_PROTOCOL }));
  const attach = { do: "attach", ref: 1, name: "visits", timeoutMs: 1000 };
  assert.equal(await tell((writer) => writer.json(FRAME.ask, 2, attach)), [[FRAME.ok, 2]]);
  const op = { ref: 1, timeoutMs: 60_000, procedure: "", args: new Uint8Array(0) };
  for (const [id, kind] of [[10, FRAME.cancel], [11, FRAME.done], [12, FRAME.cancel]] as const) {
    const wish = { ...op, wish: WISH.readyToWrite };
    const first = await tell((writer) => writeOp(writer, id, wish, b("key")));
    await rig.data.until(() => first.length + told.length > 0);
    assert.equal([...first, ...told.splice(0)], [[FRAME.ready, id]]);
    assert.is(running(), 1);
    assert.equal(await tell((writer) => writer.begin(kind, id).end()), []);
    assert.is(running(), 0);
  }
  sessions.stop();
  await rig.end();
});

test.either("a watch that ended with its database takes no place any more", async () => {
  const rig = await ClientRig.start(8, 1);
  const one = await raw(rig);
  const ask = async (id: number, question: Record<string, unknown>) => {
    one.send((writer) => writer.json(FRAME.ask, id, question));
    await rig.data.until(() => one.told.some((told) => told.id === id));
    return one.told.splice(0).find((told) => told.id === id)?.kind;
  };
  const watch = { do: "watch", watch: 5, ref: 1, prefix: "", count: 9 };
  assert.is(await ask(20, watch), FRAME.ok);
  assert.is(await ask(21, watch), FRAME.error, "the number is in use");
  await rig.data.view([0], []);
  await rig.data.until(() => one.told.some(({ kind, id }) => kind === FRAME.error && id === 5));
  const attach = { do: "attach", ref: 1, name: "visits", timeoutMs: 1000 };
  assert.is(await ask(22, attach), FRAME.ok);
  assert.is(await ask(23, watch), FRAME.ok);
  one.stream?.close();
  await rig.end();
});

test.either("a program that asks for much and reads nothing is refused, then cut off; others go on", async () => {
  const rig = await ClientRig.start(4, 1);
  const [db] = await rig.databases("visits");
  const value = new Uint8Array(2 * 1024 * 1024);
  await rig.do(db!.put("large", value));
  const one = await raw(rig);
  const op = { ref: 1, timeoutMs: 60_000, procedure: "", args: new Uint8Array(0) };
  // The stream takes 64 KiB each 0.02 ms of virtual time: all of this is asked in none.
  one.send((writer) => {
    for (let n = 0; n < 40; n++) {
      writeOp(writer, 100 + n, { ...op, wish: WISH.read }, b("large"));
    }
  });
  await rig.data.until(() => one.told.length === 40);
  const refused = one.told.filter(({ text }) => /limit/.test(text.slice(0, 40)));
  assert.ok(refused.length >= 20 && refused.length < 40, `${refused.length} were refused`);
  one.send((writer) => {
    for (let n = 0; n < 40; n++) {
      writeOp(writer, 200 + n, {
        ...op,
        wish: WISH.call,
        procedure: "set_if",
        args: new Uint8Array([0, ...value.subarray(0, 9)]),
      }, b(`k${n}`));
    }
  });
  await rig.data.until(() => one.told.length === 80);
  assert.not(one.isClosed);
  assert.is((await rig.do(db!.read("large")))?.length, value.length);
  one.stream?.close();
  await rig.end();
});

test.run();
