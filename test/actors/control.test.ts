/**
 * The local socket of a daemon, with streams that are two arrays: what comes in, what goes out, what is refused.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Args,
  type Call,
  Control,
  LineReader,
  REQUEST_BYTES_MAX,
  REQUESTS_MAX,
  type Verb,
  WAITING_BYTES_MAX,
} from "../../actors/control.ts";
import type { Host, Log, Stream, StreamEvents } from "../../transport/world.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** One client as the daemon sees it. */
class Wire implements Stream {
  waiting = 0;
  closed = false;
  readonly said: unknown[] = [];
  events: StreamEvents | undefined;

  write(part: Uint8Array): void {
    for (const line of new TextDecoder().decode(part).trim().split("\n")) {
      this.said.push(JSON.parse(line));
    }
  }

  close(): void {
    this.closed = true;
  }

  send(value: unknown): void {
    this.events?.onBytes(bytes(typeof value === "string" ? value : `${JSON.stringify(value)}\n`));
  }
}

/** A daemon with these verbs, or one that is starting; and a way to connect. */
async function daemon(verbs?: Record<string, Verb>): Promise<{ dial: () => Wire; log: string[] }> {
  let accept: (stream: Stream) => StreamEvents = () => {
    throw new Error("nobody listens");
  };
  const host = {
    listen: (_path: string, onStream: typeof accept) => {
      accept = onStream;
      return Promise.resolve(() => Promise.resolve());
    },
  } as unknown as Host;
  const log: string[] = [];
  const sink: Log = { write: (_level, text) => void log.push(text) };
  const control = new Control(sink);
  await control.start(host, "/run/ctdbx.sock");
  if (verbs !== undefined) control.open(new Map(Object.entries(verbs)));
  const dial = (): Wire => {
    const wire = new Wire();
    wire.events = accept(wire);
    return wire;
  };
  return { dial, log };
}

/** Lets promises that are ready go on. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

const VERBS: Record<string, Verb> = {
  add: (args: Args) => Number(args["a"]) + Number(args["b"]),
  wide: () => ({ token: 2n ** 63n }),
  nothing: () => undefined,
  missing: () => {
    throw new CtdbxError("not_found", "Cannot show: no such node");
  },
  broken: () => Promise.reject(new TypeError("undefined is not a function")),
  hang: () => new Promise(() => {}),
};

const test = suite("control socket");

test("a verb is answered with its id, u64 as digits", async () => {
  const { dial } = await daemon(VERBS);
  const wire = dial();
  wire.send({ id: 7, verb: "add", args: { a: 2, b: 3 } });
  wire.send({ id: 8, verb: "wide" });
  wire.send({ id: 9, verb: "nothing" });
  await settle();
  assert.equal(wire.said, [
    { id: 7, ok: 5 },
    { id: 8, ok: { token: "9223372036854775808" } },
    { id: 9, ok: null },
  ]);
});

test("an error keeps its code; one that is none of ours is logged", async () => {
  const { dial, log } = await daemon(VERBS);
  const wire = dial();
  wire.send({ id: 1, verb: "missing" });
  wire.send({ id: 2, verb: "broken" });
  wire.send({ id: 3, verb: "no such" });
  await settle();
  const codes = wire.said.map((said) => {
    const { id, error } = said as { id: number; error: { code: string } };
    return [id, error.code];
  });
  assert.equal(codes.sort(), [[1, "not_found"], [2, "io"], [3, "unsupported"]]);
  assert.equal(log, ["A request has failed"]);
  assert.not(wire.closed);
});

test("a node that is starting says so, and the connection stays", async () => {
  const { dial } = await daemon();
  const wire = dial();
  wire.send({ id: 1, verb: "add", args: {} });
  await settle();
  const [said] = wire.said as { id: number; error: { code: string; text: string } }[];
  assert.is(said?.error.code, "busy");
  assert.match(said?.error.text ?? "", "the node is starting");
  assert.not(wire.closed);
});

test("requests arrive in any pieces, letters of several bytes cut in two", async () => {
  const { dial } = await daemon({ echo: (args) => args["text"] });
  const wire = dial();
  for (const byte of bytes(`{"id":1,"verb":"echo","args":{"text":"Grüße, 世界"}}\n`)) {
    wire.events?.onBytes(new Uint8Array([byte]));
  }
  wire.send(`{"id":2,"verb":"echo","args":{"text":"a"}}\n{"id":3,"verb":"echo","args":{}}\n`);
  await settle();
  assert.equal(wire.said, [{ id: 1, ok: "Grüße, 世界" }, { id: 2, ok: "a" }, { id: 3, ok: null }]);
});

for (
  const [name, line] of [
    ["no JSON", "hello\n"],
    ["no object", "[1]\n"],
    ["no id", `{"verb":"add"}\n`],
    ["a verb that is a number", `{"id":1,"verb":3}\n`],
    ["arguments that are none", `{"id":1,"verb":"add","args":[]}\n`],
    ["a line that is too long", "x".repeat(REQUEST_BYTES_MAX + 1)],
  ] as const
) {
  test(`${name}: a last word, and the connection ends`, async () => {
    const { dial } = await daemon(VERBS);
    const wire = dial();
    wire.send(line);
    wire.send({ id: 5, verb: "add", args: {} });
    await settle();
    assert.is(wire.said.length, 1);
    assert.match(
      (wire.said[0] as { error: { text: string } }).error.text,
      "Cannot take the request",
    );
    assert.ok(wire.closed);
  });
}

test("a line of exactly the limit is taken", () => {
  const reader = new LineReader(10);
  assert.equal(reader.add(bytes("0123456789\n")), ["0123456789"]);
  assert.throws(() => reader.add(bytes("0123456789a\n")), /more than 10 bytes/);
});

test("more requests than the limit at once are refused, and an id twice", async () => {
  const { dial } = await daemon(VERBS);
  const wire = dial();
  for (let id = 0; id < REQUESTS_MAX; id++) wire.send({ id, verb: "hang" });
  assert.not(wire.closed);
  wire.send({ id: REQUESTS_MAX, verb: "hang" });
  assert.ok(wire.closed);
  const twice = dial();
  twice.send({ id: 1, verb: "hang" });
  twice.send({ id: 1, verb: "hang" });
  assert.ok(twice.closed);
  await settle();
});

/** Verb "watch", whose items the test sends. */
function watching(): { verbs: Record<string, Verb>; calls: Call[]; ended: () => number } {
  const calls: Call[] = [];
  let ended = 0;
  const watch: Verb = (_args, call) => {
    calls.push(call);
    return new Promise<void>((resolve) => call.onCancel(() => (ended++, resolve())));
  };
  return { verbs: { watch }, calls, ended: () => ended };
}

test("a stream of answers ends when the client has had enough", async () => {
  const { verbs, calls, ended } = watching();
  const { dial } = await daemon(verbs);
  const wire = dial();
  wire.send({ id: 1, verb: "watch" });
  await settle();
  assert.ok(calls[0]?.item("one"));
  wire.send({ id: 1, cancel: true });
  await settle();
  assert.not(calls[0]?.item("two"));
  assert.is(ended(), 1);
  assert.equal(wire.said, [{ id: 1, item: "one" }, { id: 1, end: true }]);
});

test("a client that goes ends what it asked for; one that does not read is cut off", async () => {
  const { verbs, calls, ended } = watching();
  const { dial, log } = await daemon(verbs);
  const gone = dial();
  gone.send({ id: 1, verb: "watch" });
  await settle();
  gone.events?.onClose();
  assert.is(ended(), 1);
  const slow = dial();
  slow.send({ id: 1, verb: "watch" });
  await settle();
  slow.waiting = WAITING_BYTES_MAX + 1;
  assert.not(calls[1]?.item("more"));
  assert.ok(slow.closed);
  assert.is(ended(), 2);
  assert.match(log[0] ?? "", "does not read");
});

test.run();
