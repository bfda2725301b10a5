/** The post of a node: where an answer may not go, and what is raw on a data thread's mail. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MailClass, RawMail } from "../../actors/post.ts";
import { Post } from "../../actors/post.ts";
import { takes } from "../../transport/bus_checks.ts";
import { Codec } from "../../transport/wire/codec.ts";
import type { AnyMessage } from "../../transport/wire/message.ts";
import { buildSubject } from "../../transport/wire/subjects.ts";
import type { Subject } from "../../transport/wire/subjects.ts";
import type { ClusterId, Generation, NodeId, Tag } from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import type { Bus, BusMessage, BusStatus } from "../../transport/world.ts";

const test = suite("post");
const OWN = "1".repeat(32) as NodeId;
const OTHER = "2".repeat(32) as NodeId;
const CLUSTER = "c".repeat(32) as ClusterId;
const CLIENT = "aaaaaaaaaa" as Tag;

/** A post and all that goes out of it and comes into it. */
interface Made {
  readonly post: Post;
  readonly bus: { status: BusStatus; waiting: number };
  readonly subjects: string[];
  readonly payloads: Uint8Array[];
  readonly patterns: Set<string>;
  readonly raw: RawMail[];
  readonly kinds: string[];
  /** Hands in a message, as the server does: once for each pattern that takes it. */
  hand(subject: string, payload: Uint8Array, reply?: string): void;
}

/** A post whose bus keeps what was published. */
function made(mail?: MailClass, name = "edge"): Made {
  const subjects: string[] = [];
  const payloads: Uint8Array[] = [];
  const patterns = new Map<string, (message: BusMessage) => void>();
  const bus = {
    status: "connected" as BusStatus,
    payloadMax: 65536,
    waiting: 0,
    publish: (subject: string, payload: Uint8Array) => {
      subjects.push(subject);
      payloads.push(payload);
    },
    subscribe: (pattern: string, onMessage: (message: BusMessage) => void) => {
      patterns.set(pattern, onMessage);
      return () => void patterns.delete(pattern);
    },
    request: () => Promise.reject(new Error("not here")),
    watch: () => () => {},
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
  } satisfies Bus;
  const clock = { nowMs: () => 0, wallMs: () => 0, after: () => () => {} };
  const codec = new Codec({ cluster: name, own: OWN, firstId: 1n });
  codec.clusterId = CLUSTER;
  const [raw, kinds]: [RawMail[], string[]] = [[], []];
  const post = new Post({
    bus,
    clock,
    log: { write: () => {} },
    codec,
    cluster: name,
    own: OWN,
    stamps: () => ({ gen: 0n as Generation, stamp: 0n }),
    onMessage: ({ message }, subjectClass) => void kinds.push(`${message.kind} on ${subjectClass}`),
    ...mail === undefined ? {} : { mail, onRaw: (one) => void raw.push(one) },
  });
  post.start();
  const hand = (subject: string, payload: Uint8Array, reply?: string) => {
    for (const [pattern, onMessage] of patterns) {
      if (takes(pattern, subject)) onMessage({ subject, payload, reply });
    }
  };
  return { post, bus, subjects, payloads, patterns: new Set(patterns.keys()), raw, kinds, hand };
}

/** The payload of a declared message of another node. */
function ofOther(message: AnyMessage, name = "edge"): Uint8Array {
  const codec = new Codec({ cluster: name, own: OTHER, firstId: 1n });
  codec.clusterId = CLUSTER;
  return codec.encode(message, { gen: 0n as Generation, stamp: 0n })[0] ?? new Uint8Array();
}

const COUNT = { kind: "msg_count", incarnation: 1n, ask: 2, count: 3 } as AnyMessage;
const subject = (parts: object, cluster = "edge") => buildSubject({ cluster, ...parts } as Subject);
const fromOther = (cls: string, to: string) => subject({ class: cls, to, from: tagOf(OTHER) });
const TRAPS = [
  "ctdbx.edge.n.aaaaaaaaaa.from.bbbbbbbbbb",
  "ctdbx.edge.all.from.bbbbbbbbbb",
  "ctdbx.edge.ev.heartbeat.from.bbbbbbbbbb",
  "$KV.ctdbx_edge.leader",
  "$JS.API.STREAM.DELETE.KV_ctdbx_edge",
];

test("an answer goes to an inbox; never into somebody's mail or the server, whoever wants it there", () => {
  const { post, subjects } = made();
  const answer = { kind: "answer", ok: "{}" } as AnyMessage;
  post.answer("_INBOX_aaaaaaaaaa.x.1", answer);
  for (const reply of TRAPS) post.answer(reply, answer);
  assert.equal(subjects, ["_INBOX_aaaaaaaaaa.x.1"]);
  assert.is(post.counters.refused.get("sender"), TRAPS.length);
});

test("so does a raw one, as often as one likes", () => {
  const { post, subjects, payloads } = made("r");
  for (const reply of TRAPS) post.answerRaw(reply, Uint8Array.of(1));
  for (let i = 0; i < 3; i++) post.answerRaw("_INBOX_aaaaaaaaaa.x", Uint8Array.of(i));
  assert.equal(subjects, new Array(3).fill("_INBOX_aaaaaaaaaa.x"));
  assert.equal(payloads.map(([first]) => first), [0, 1, 2]);
  assert.is(post.counters.refused.get("sender"), TRAPS.length);
});

test("an answer that no bus can take anywhere is refused; its sender named the place", () => {
  const odd = ["", "a..b", "a.*", ">", "a b", "a\nb", `_INBOX.${"x".repeat(300)}`];
  const { post, subjects } = made("r");
  const answer = { kind: "answer", ok: "{}" } as AnyMessage;
  for (const reply of odd) {
    post.answerRaw(reply, Uint8Array.of(1));
    post.answer(reply, answer);
  }
  assert.equal(subjects, []);
  assert.is(post.counters.refused.get("sender"), 2 * odd.length);
});

test("a node's mail is one, its data thread's another", () => {
  const tag = tagOf(OWN);
  const [node, data] = [made(), made("r")];
  const of = (...names: string[]) => new Set(names.map((name) => `ctdbx.edge.${name}.from.*`));
  assert.equal(node.patterns, of(`n.${tag}`, "all", `ask.${tag}`));
  assert.equal(data.patterns, of(`r.${tag}`, "r.all", `cl.${tag}`, "cl.any"));
  for (const { post } of [node, data]) {
    post.send([OTHER], COUNT);
    post.publish("all", COUNT);
  }
  const heads = (from: Made) => from.subjects.map((one) => one.split(".").slice(2, -2).join("."));
  assert.equal(heads(node), [`n.${tagOf(OTHER)}`, "all"]);
  assert.equal(heads(data), [`r.${tagOf(OTHER)}`, "r.all"]);
});

test("a data thread sends bytes as they are, and nothing while the bus is down", () => {
  const { post, bus, subjects, payloads } = made("r");
  post.sendRaw(OTHER, Uint8Array.of(0x52, 7));
  post.sendRaw("all", Uint8Array.of(0x50, 8));
  bus.status = "disconnected";
  post.sendRaw(OTHER, Uint8Array.of(0x52, 9));
  const own = tagOf(OWN);
  assert.equal(subjects, [
    subject({ class: "r", to: tagOf(OTHER), from: own }),
    subject({ class: "r", to: "all", from: own }),
  ]);
  assert.equal(payloads.map((one) => [...one]), [[0x52, 7], [0x50, 8]]);
  assert.is(post.counters.sent, 2);
  assert.is(post.counters.sentBytes, 4);
});

test("while too much waits for the server, bytes are dropped and counted; messages are not", () => {
  const { post, bus, subjects } = made("r");
  bus.waiting = 32 * 1024 * 1024;
  post.sendRaw(OTHER, Uint8Array.of(1));
  bus.waiting += 1;
  post.sendRaw(OTHER, Uint8Array.of(2));
  post.send([OTHER], COUNT);
  bus.waiting = 0;
  post.sendRaw(OTHER, Uint8Array.of(3));
  assert.is(subjects.length, 3);
  assert.is(post.counters.dropped, 1);
  assert.is(post.counters.sent, 3);
});

test("what is no envelope is raw, with its sender and where an answer is awaited", () => {
  const { post, raw, kinds, hand } = made("r");
  const own = tagOf(OWN);
  const other = tagOf(OTHER);
  const envelope = ofOther(COUNT);
  const bytes = Uint8Array.of(0x52, 1);
  hand(fromOther("r", own), bytes);
  hand(fromOther("r", "all"), bytes);
  hand(fromOther("r", own), new Uint8Array());
  hand(fromOther("r", own), envelope);
  // A program's frames are raw whatever they look like.
  hand(subject({ class: "cl", to: "any", from: CLIENT }), envelope, "_INBOX_x.1");
  hand(subject({ class: "cl", to: own, from: CLIENT }), bytes, "_INBOX_x.2");
  assert.equal(raw, [
    { payload: bytes, subjectClass: "r", from: other, reply: undefined },
    { payload: bytes, subjectClass: "r", from: other, reply: undefined },
    { payload: envelope, subjectClass: "cl", from: CLIENT, reply: "_INBOX_x.1" },
    { payload: bytes, subjectClass: "cl", from: CLIENT, reply: "_INBOX_x.2" },
  ]);
  assert.equal(kinds, ["msg_count on r"]);
  assert.is(post.counters.refused.get("form"), 1);
  assert.is(post.counters.received, 5);
});

test("what goes to all is not taken by its sender; a node that uses databases itself is a program as any", () => {
  const { raw, hand } = made("r");
  const own = tagOf(OWN);
  hand(subject({ class: "r", to: "all", from: own }), Uint8Array.of(0x50));
  assert.is(raw.length, 0);
  hand(subject({ class: "cl", to: own, from: own }), Uint8Array.of(0x01));
  assert.is(raw.length, 1);
});

test("a sender of another form is refused, and so is raw mail where nobody takes it", () => {
  const data = made("r");
  for (const from of ["x", "AAAAAAAAAA", "aaaaaaaaaaa"]) {
    data.hand(`ctdbx.edge.r.all.from.${from}`, Uint8Array.of(0x50));
  }
  assert.is(data.raw.length, 0);
  assert.is(data.post.counters.refused.get("subject"), 3);
  const node = made();
  node.hand(fromOther("n", tagOf(OWN)), Uint8Array.of(0x52));
  assert.is(node.post.counters.refused.get("form"), 1);
});

test("a cluster that is called as a class of subjects has its mail all the same", () => {
  const { raw, kinds, hand } = made("r", "cl");
  const to = tagOf(OWN);
  hand(subject({ class: "r", to, from: tagOf(OTHER) }, "cl"), ofOther(COUNT, "cl"));
  hand(subject({ class: "cl", to, from: CLIENT }, "cl"), Uint8Array.of(1));
  assert.equal(kinds, ["msg_count on r"]);
  assert.equal(raw.map(({ subjectClass }) => subjectClass), ["cl"]);
});

test("who takes raw mail can have a refusal counted", () => {
  const { post } = made("r");
  post.refuse({ refused: "body", text: "no", tag: CLIENT });
  assert.is(post.counters.refused.get("body"), 1);
});

test.run();
