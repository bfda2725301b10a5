/** Events in words. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bytesText, eventWords } from "../../cli/event_text.ts";
import { heartbeat, state, stats } from "./board_fixture.ts";

const test = suite("events in words");
const HEAD = { ...heartbeat(0).event, wallMs: 0 };

test("each topic", () => {
  assert.equal(eventWords(state(0, 2, "banned", "slow")), {
    time: "2001-09-09T01:46:40.000Z",
    who: "n0",
    what: "state",
    text: "n2 is banned, was ok: slow",
  });
  assert.is(eventWords(heartbeat(1)).text, "running, leader n0, lease 2.0 s, life 5");
  assert.is(
    eventWords(stats(0)).text,
    "10 messages/s out, 20 in, timers 2.25 ms late, 80 MB, 2.0 % cpu",
  );
  const audit = {
    ...HEAD,
    topic: "audit",
    verb: "leader yield",
    args: "to=n1",
    outcome: "done",
    tookMs: 120,
  };
  const words = (more: object): string =>
    eventWords({ topic: "audit", who: "n0", event: { ...audit, ...more } }).text;
  const socket = { way: "socket", uid: 0, pid: 7 };
  assert.is(words(socket), "leader yield to=n1: done after 0.1 s, for uid 0 pid 7");
  assert.is(
    words({ way: "bus", by: "aaaaaaaaaa", outcome: "refused", text: "no", args: "" }),
    "leader yield: refused after 0.1 s, for aaaaaaaaaa: no",
  );
  const cluster = { ...HEAD, topic: "cluster", what: "adopted", text: "adopted 0.1.0" };
  assert.equal(
    [eventWords({ topic: "cluster", who: "n0", event: cluster })].map(({ what, text }) => [
      what,
      text,
    ]),
    [["adopted", "adopted 0.1.0"]],
  );
});

test("addresses and scripts", () => {
  const words = (topic: string, more: object): string => {
    const { what, text } = eventWords({ topic, who: "n0", event: { ...HEAD, topic, ...more } });
    return `${what}: ${text}`;
  };
  const text = "Address 192.0.2.1 is set here";
  assert.is(words("address", { what: "taken", text, address: "192.0.2.1" }), `address: ${text}`);
  const run = { event: "takeip", args: "eth0 192.0.2.1 24", scripts: 2, tookMs: 400 };
  assert.is(
    words("script", { ...run, outcome: "ok" }),
    "script: takeip eth0 192.0.2.1 24 is ok after 0.4 s",
  );
  const why = "10.interface: exit code 1";
  const failed = { ...run, event: "monitor", args: "", outcome: "failed", why };
  assert.is(words("script", failed), `script: monitor is failed after 0.4 s: ${why}`);
});

test("what is not as declared: its texts, if it has any", () => {
  const odd = { topic: "state", who: "x", event: { wallMs: "now", what: 7, text: "hm" } };
  assert.equal(eventWords(odd), { time: "", who: "x", what: "", text: "hm" });
  const far = { topic: "state", who: "x", event: { wallMs: 1e300 } };
  assert.is(eventWords(far).time, "");
});

test("bytes for people", () => {
  const texts = [0, 999, 1000, 9949, 9950, 999_499, 999_500, 1.5e9, 2e15].map(bytesText);
  assert.equal(texts, [
    "0 B",
    "999 B",
    "1.0 KB",
    "9.9 KB",
    "10 KB",
    "999 KB",
    "1.0 MB",
    "1.5 GB",
    "2000 TB",
  ]);
});

test.run();
