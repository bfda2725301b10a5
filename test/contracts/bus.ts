/**
 * What every adapter of the Bus port must do.
 *
 * Does NOT promise: to run by itself; test/live/nats_bus.test.ts and test/transport/sim/ports.test.ts do that.
 */

import { Buffer } from "node:buffer";
import * as assert from "uvu/assert";
import type { Bus, BusMessage, BusStatus } from "../../transport/world.ts";
import { contract, Inbox, type Promises, rejectsCode, text, throwsCode } from "./port_fixture.ts";
import { throwsRange, utf8, type Waits } from "./port_fixture.ts";

/** What the suite runs on. */
export interface BusFixture extends Waits {
  /** A bus that is connected, on one network with all others. */
  bus(): Promise<Bus>;
  /** Cuts it off; returns when it has noticed. */
  cut(bus: Bus): Promise<void>;
  /** Lets it connect again; returns when it has. */
  heal(bus: Bus): Promise<void>;
  /** What was logged at level error, so far. */
  errors(): readonly string[];
}

/** Runs the contract. */
export function busContract(
  name: string,
  make: () => Promise<BusFixture> | BusFixture,
  end?: (fixture: BusFixture) => Promise<void> | void,
): void {
  contract(`${name}: messages`, MESSAGES, make, end);
  contract(`${name}: refusals`, REFUSALS, make, end);
  contract(`${name}: cuts`, CUTS, make, end);
}

/** Two buses; each knows of the other's subscriptions after `settle`. */
async function pair(fixture: BusFixture): Promise<[Bus, Bus]> {
  return [await fixture.wait(fixture.bus()), await fixture.wait(fixture.bus())];
}

async function settle(fixture: BusFixture, ...buses: Bus[]): Promise<void> {
  for (const bus of buses) await fixture.wait(bus.flush(5000));
}

async function closeAll(fixture: BusFixture, ...buses: Bus[]): Promise<void> {
  for (const bus of buses) await fixture.wait(bus.close());
}

const MESSAGES: Promises<BusFixture> = {
  "What is published can be changed at once, also a Buffer; what comes can be sliced and changed":
    async (
      fixture,
    ) => {
      const [one, two] = await pair(fixture);
      const inbox = new Inbox<BusMessage>();
      for (let times = 0; times < 2; times++) two.subscribe("t.slice", inbox.put);
      await settle(fixture, one, two);
      const bytes = Buffer.from("word");
      one.publish("t.slice", bytes);
      bytes.fill(0);
      const [first, second] = await fixture.wait(inbox.takeAll(2));
      first?.payload.slice().fill(0);
      assert.is(text(second?.payload ?? bytes), "word");
      await closeAll(fixture, one, two);
    },

  "A message reaches every subscriber, the sender too, as it was sent": async (fixture) => {
    const [one, two] = await pair(fixture);
    const inbox = new Inbox<BusMessage>();
    for (const bus of [one, two, two]) bus.subscribe("t.reach", inbox.put);
    await settle(fixture, one, two);
    one.publish("t.reach", utf8("with"), "t.answer");
    one.publish("t.reach", new Uint8Array(0));
    const got = await fixture.wait(inbox.takeAll(6));
    // A Buffer's slice would be no copy.
    for (const { payload } of got) assert.is(payload.constructor, Uint8Array);
    const shown = got.map(({ subject, payload, reply }) => `${subject} ${text(payload)} ${reply}`);
    assert.equal(shown.sort(), [
      ...Array(3).fill("t.reach  undefined"),
      ...Array(3).fill("t.reach with t.answer"),
    ]);
    await closeAll(fixture, one, two);
  },

  "Wildcards take what they say and nothing else": async (fixture) => {
    const [one, two] = await pair(fixture);
    const inbox = new Inbox<string>();
    for (const pattern of ["w.*.c", "w.>", "w.a.c", "*.a.d"]) {
      two.subscribe(pattern, ({ subject }) => inbox.put(`${pattern} ${subject}`));
    }
    two.subscribe("end", () => inbox.put("end"));
    await settle(fixture, two);
    for (const subject of ["w", "w.a.c", "w.b.c", "w.a.d", "x.a.d", "w.a.c.e", "v.a.c"]) {
      one.publish(subject, new Uint8Array(0));
    }
    one.publish("end", new Uint8Array(0));
    const got: string[] = [];
    for (let next = ""; next !== "end"; got.push(next)) next = await fixture.wait(inbox.take());
    assert.equal(got.slice(0, -1).sort(), [
      "*.a.d w.a.d",
      "*.a.d x.a.d",
      "w.*.c w.a.c",
      "w.*.c w.b.c",
      "w.> w.a.c",
      "w.> w.a.c.e",
      "w.> w.a.d",
      "w.> w.b.c",
      "w.a.c w.a.c",
    ]);
    await closeAll(fixture, one, two);
  },

  "Messages of one sender come in its order": async (fixture) => {
    const [one, two] = await pair(fixture);
    const inbox = new Inbox<BusMessage>();
    two.subscribe("o.>", inbox.put);
    await settle(fixture, two);
    for (let n = 0; n < 500; n++) one.publish(`o.${n % 3}`, utf8(`${n}`));
    const got = await fixture.wait(inbox.takeAll(500));
    assert.equal(got.map(({ payload }) => Number(text(payload))), [...Array(500).keys()]);
    await closeAll(fixture, one, two);
  },

  "What a turn subscribes hears what it publishes afterwards, and a question keeps its place":
    async (
      fixture,
    ) => {
      const [one, two] = await pair(fixture);
      const inbox = new Inbox<BusMessage>();
      two.subscribe("p.>", ({ reply }) => {
        if (reply !== undefined) two.publish(reply, utf8("heard"));
      });
      await settle(fixture, two);
      one.subscribe("p.*", inbox.put);
      one.publish("p.1", utf8("1"));
      const asked = one.request("p.2", utf8("2"), 5000);
      one.publish("p.3", utf8("3"));
      one.subscribe("q.*", inbox.put);
      one.publish("q.4", utf8("4"));
      const got = await fixture.wait(inbox.takeAll(4));
      assert.is(got.map(({ payload }) => text(payload)).join(" "), "1 2 3 4");
      assert.is(text((await fixture.wait(asked)).payload), "heard");
      await closeAll(fixture, one, two);
    },

  "The sender may use its buffer again at once; what came is not used again": async (fixture) => {
    const [one, two] = await pair(fixture);
    const inbox = new Inbox<BusMessage>();
    two.subscribe("buffer", inbox.put);
    await settle(fixture, two);
    const buffer = new Uint8Array(5000);
    for (let n = 0; n < 200; n++) one.publish("buffer", buffer.fill(n));
    buffer.fill(255);
    const got = await fixture.wait(inbox.takeAll(200));
    // Looked at only when all are there.
    for (const [n, { payload }] of got.entries()) {
      assert.ok(payload.length === 5000 && payload.every((byte) => byte === n), `message ${n}`);
    }
    await closeAll(fixture, one, two);
  },

  "What has ended its subscription hears nothing more": async (fixture) => {
    const [one, two] = await pair(fixture);
    const heard: string[] = [];
    const inbox = new Inbox<string>();
    const end = two.subscribe("u.a", () => heard.push("ended"));
    two.subscribe("u.a", () => inbox.put("stays"));
    await settle(fixture, two);
    end();
    end();
    await settle(fixture, two);
    one.publish("u.a", new Uint8Array(0));
    assert.is(await fixture.wait(inbox.take()), "stays");
    assert.equal(heard, []);
    await closeAll(fixture, one, two);
  },

  "A request gets the first answer": async (fixture) => {
    const [one, two] = await pair(fixture);
    two.subscribe("q.ask", ({ reply, payload }) => {
      for (const word of ["first", "second"]) {
        if (reply !== undefined) two.publish(reply, utf8(`${word} ${text(payload)}`));
      }
    });
    await settle(fixture, two);
    const answers = [1, 2, 3].map((n) => one.request("q.ask", utf8(`${n}`), 5000));
    const got = await fixture.wait(Promise.all(answers));
    assert.equal(got.map(({ payload }) => text(payload)), ["first 1", "first 2", "first 3"]);
    await closeAll(fixture, one, two);
  },

  "A request that nobody answers is a timeout, one that nobody hears is not_found": async (
    fixture,
  ) => {
    const [one, two] = await pair(fixture);
    two.subscribe("q.silent", () => {});
    await settle(fixture, two);
    await rejectsCode(fixture, one.request("q.silent", new Uint8Array(0), 50), "timeout");
    // Told by the server: the time-out of this one would be a minute.
    await rejectsCode(fixture, one.request("q.nobody", new Uint8Array(0), 60_000), "not_found");
    await closeAll(fixture, one, two);
  },

  "A handler that throws is logged, and the others go on": async (fixture) => {
    const [one, two] = await pair(fixture);
    const inbox = new Inbox<string>();
    two.subscribe("h.a", () => {
      throw new Error("odd message");
    });
    two.subscribe("h.>", ({ subject }) => inbox.put(subject));
    await settle(fixture, two);
    one.publish("h.a", new Uint8Array(0));
    one.publish("h.b", new Uint8Array(0));
    assert.equal(await fixture.wait(inbox.takeAll(2)), ["h.a", "h.b"]);
    assert.ok(fixture.errors().some((line) => line.includes("odd message")));
    await closeAll(fixture, one, two);
  },
};

const REFUSALS: Promises<BusFixture> = {
  "The longest payload passes, one byte more is a limit": async (fixture) => {
    const [one, two] = await pair(fixture);
    const inbox = new Inbox<BusMessage>();
    two.subscribe("size", inbox.put);
    await settle(fixture, two);
    const max = one.payloadMax;
    assert.is(max, 256 * 1024);
    throwsCode(() => one.publish("size", new Uint8Array(max + 1)), "limit", /MESSAGE_MAX/);
    await rejectsCode(fixture, one.request("size", new Uint8Array(max + 1), 1000), "limit");
    one.publish("size", new Uint8Array(max).fill(7));
    const { payload } = await fixture.wait(inbox.take());
    assert.is(payload.length, max);
    await closeAll(fixture, one, two);
  },

  "Odd subjects are refused, and nothing is sent": async (fixture) => {
    const bus = await fixture.wait(fixture.bus());
    const odd = ["", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\r\nPUB x 0\r\n", "\u00e4", "a\0"];
    const inbox = new Inbox<BusMessage>();
    bus.subscribe(">", inbox.put);
    for (const subject of [...odd, "*", "a.*", ">", "a.>", "a*", "a".repeat(256)]) {
      throwsRange(() => bus.publish(subject, new Uint8Array(0)));
      throwsRange(() => bus.publish("sound", new Uint8Array(0), subject));
      const asked = bus.request(subject, new Uint8Array(0), 1000);
      assert.instance(await fixture.wait(asked.catch((error: unknown) => error)), RangeError);
    }
    for (const pattern of [...odd, "a.>.b", ">.a", "a*", "a>", "a.**", "a".repeat(256)]) {
      throwsRange(() => bus.subscribe(pattern, () => {}));
    }
    bus.publish("a".repeat(255), new Uint8Array(0));
    assert.is((await fixture.wait(inbox.take())).subject.length, 255);
    await closeAll(fixture, bus);
  },

  "Times that are none are refused": async (fixture) => {
    const bus = await fixture.wait(fixture.bus());
    for (const timeoutMs of [0, -1, NaN, Infinity]) {
      const asked = bus.request("a", new Uint8Array(0), timeoutMs);
      assert.instance(await fixture.wait(asked.catch((error: unknown) => error)), RangeError);
      const flushed = bus.flush(timeoutMs);
      assert.instance(await fixture.wait(flushed.catch((error: unknown) => error)), RangeError);
    }
    await closeAll(fixture, bus);
  },

  "A closed bus says so, once, and refuses everything but to be closed again": async (fixture) => {
    const bus = await fixture.wait(fixture.bus());
    const seen: BusStatus[] = [];
    bus.watch((status) => seen.push(status));
    bus.subscribe("c", () => {});
    await closeAll(fixture, bus, bus);
    assert.is(bus.status, "closed");
    assert.equal(seen, ["closed"]);
    throwsCode(() => bus.publish("c", new Uint8Array(0)), "state");
    throwsCode(() => bus.subscribe("c", () => {}), "state");
    await rejectsCode(fixture, bus.request("c", new Uint8Array(0), 1000), "state");
    await rejectsCode(fixture, bus.flush(1000), "state");
  },

  "What was published before close() arrives": async (fixture) => {
    const [one, two] = await pair(fixture);
    const inbox = new Inbox<BusMessage>();
    two.subscribe("last", inbox.put);
    await settle(fixture, two);
    one.publish("last", utf8("word"));
    await closeAll(fixture, one);
    assert.is(text((await fixture.wait(inbox.take())).payload), "word");
    await closeAll(fixture, two);
  },
};

const CUTS: Promises<BusFixture> = {
  "A cut is told; what is published meanwhile is dropped, not kept for later": async (fixture) => {
    const [one, two] = await pair(fixture);
    const inbox = new Inbox<string | undefined>();
    const seen: BusStatus[] = [];
    const end = one.watch((status) => seen.push(status));
    two.subscribe("cut", ({ payload }) => inbox.put(text(payload)));
    await settle(fixture, two);
    await fixture.wait(fixture.cut(one));
    assert.is(one.status, "disconnected");
    assert.is(two.status, "connected");
    one.publish("cut", utf8("meanwhile"));
    await rejectsCode(fixture, one.request("cut", utf8("asked"), 1000), "state");
    await rejectsCode(fixture, one.flush(1000), "state");
    await fixture.wait(fixture.heal(one));
    one.publish("cut", utf8("after"));
    assert.is(await fixture.wait(inbox.take()), "after");
    assert.equal(seen, ["disconnected", "connected"]);
    end();
    await closeAll(fixture, one, two);
    assert.is(seen.length, 2, "who has ended watching hears nothing");
  },

  "Subscriptions come back with the connection, also new ones, and not ended ones": async (
    fixture,
  ) => {
    const [one, two] = await pair(fixture);
    const inbox = new Inbox<string>();
    const ended = one.subscribe("s.ended", ({ subject }) => inbox.put(subject));
    one.subscribe("s.old", ({ subject }) => inbox.put(subject));
    await settle(fixture, one);
    await fixture.wait(fixture.cut(one));
    one.subscribe("s.new", ({ subject }) => inbox.put(subject));
    ended();
    two.publish("s.old", new Uint8Array(0)); // nobody is there to hear it
    await settle(fixture, two);
    await fixture.wait(fixture.heal(one));
    await settle(fixture, one);
    for (const subject of ["s.ended", "s.new", "s.old"]) two.publish(subject, new Uint8Array(0));
    assert.equal(await fixture.wait(inbox.takeAll(2)), ["s.new", "s.old"]);
    await closeAll(fixture, one, two);
  },

  "A request in the air when the cut comes ends as a timeout: it may have been heard": async (
    fixture,
  ) => {
    const [one, two] = await pair(fixture);
    const heard = new Inbox<BusMessage>();
    two.subscribe("air", heard.put);
    await settle(fixture, two);
    const asked = one.request("air", new Uint8Array(0), 3_600_000).catch((error: unknown) => error);
    await fixture.wait(heard.take());
    await fixture.wait(fixture.cut(one));
    await rejectsCode(fixture, asked.then((error) => Promise.reject(error)), "timeout");
    await fixture.wait(fixture.heal(one));
    await closeAll(fixture, one, two);
  },

  "A flush in the air when the cut comes ends, too": async (fixture) => {
    const [one, two] = await pair(fixture);
    const flushed = one.flush(3_600_000).catch((error: unknown) => error);
    await fixture.wait(fixture.cut(one));
    await rejectsCode(fixture, flushed.then((error) => Promise.reject(error)), "timeout");
    await closeAll(fixture, one, two);
  },

  "A bus can be closed while it is cut": async (fixture) => {
    const bus = await fixture.wait(fixture.bus());
    await fixture.wait(fixture.cut(bus));
    await closeAll(fixture, bus);
    assert.is(bus.status, "closed");
  },
};
